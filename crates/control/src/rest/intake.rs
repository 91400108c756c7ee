//! Servers of what is there already, such as an OpenAPI document.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use mcp_factory::{
    Error, Factory,
    intake::{self, Intake, IntakeError, KINDS},
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::servers::{Created, status_of};
use crate::{
    Control, Problem,
    body::{Sent, wrong_fields},
    conditions::Expecting,
};

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(import))
}

const DOCUMENT: &str = "openapi: 3.0.3\ninfo: { title: Imported, version: '1' }\nservers: [{ url: https://api.example.com }]\n\
    paths: { /pets: { get: { operationId: listPets, responses: { '200': { description: Pets } } } } }\n";

pub fn example() -> Value {
    json!({ "from": { "openapi": { "document": DOCUMENT } }, "dryRun": true })
}

/// What a server is made of, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!(example()))]
pub struct Import {
    #[schema(inline)]
    #[serde(deserialize_with = "one_kind")]
    from: Intake,
    /// What the server is called. Left out: what the thing is called.
    name: Option<String>,
    /// Give the spec, and make no server.
    #[serde(default)]
    dry_run: bool,
    /// The server `name` was imported before. What people changed of it stays, what the new import changes comes in as another version.
    #[serde(default)]
    update: bool,
    /// Whose counts where people and the new import changed the same. Left out: nothing is kept then (409).
    prefer: Option<Prefer>,
    /// With `update`: don't choose as at the last import (tags, tables and the like) where nothing is chosen now.
    #[serde(default)]
    forget_options: bool,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Prefer {
    /// What people wrote.
    Ours,
    /// What the new import says.
    Theirs,
}

/// An object with one kind in it. What is wrong is told by names of fields, with no value.
fn one_kind<'de, D: Deserializer<'de>>(from: D) -> Result<Intake, D::Error> {
    let kinds = || format!("one of `{}`", KINDS.map(|(kind, _)| kind).join("`, `"));
    let Value::Object(from) = Value::deserialize(from)? else {
        return Err(D::Error::custom(format!("`from` is an object with {}", kinds())));
    };
    let mut given = from.keys();
    let kind = match (given.next(), given.next()) {
        (Some(kind), None) if KINDS.iter().any(|(known, _)| known == kind) => kind.clone(),
        (Some(kind), None) => {
            let kind: String = kind.chars().take(64).flat_map(char::escape_debug).collect();
            return Err(D::Error::custom(format!("`from` has the unknown kind `{kind}`, expected {}", kinds())));
        }
        (None, _) => return Err(D::Error::custom(format!("`from` is empty, expected {}", kinds()))),
        (Some(_), Some(_)) => {
            let message = format!("`from` has {} kinds, expected exactly {}", from.len(), kinds());
            return Err(D::Error::custom(message));
        }
    };
    let read = serde_json::from_value(from.into());
    read.map_err(|error| D::Error::custom(format!("`from.{kind}` {}", wrong_fields(&error))))
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Imported {
    Server(Box<ImportedServer>),
    Spec(ImportedSpec),
}

/// The server that was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportedServer {
    #[serde(flatten)]
    created: Created,
    /// What was left out of its spec and decided on the way.
    findings: Vec<Finding>,
    /// With `update`.
    #[serde(skip_serializing_if = "Option::is_none")]
    update: Option<Update>,
}

/// The spec, where no server was to be made of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportedSpec {
    /// As YAML.
    spec: String,
    /// What was left out of it and decided on the way.
    findings: Vec<Finding>,
    /// With `update`.
    #[serde(skip_serializing_if = "Option::is_none")]
    update: Option<Update>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Finding {
    /// `note`, `left out` or `error`.
    level: &'static str,
    message: String,
    /// A JSON pointer into the document, with its file in front where that is another one.
    place: String,
    line: Option<u32>,
    column: Option<u32>,
    hint: Option<String>,
}

/// How a server differs from what it was.
#[derive(Debug, Serialize, ToSchema)]
pub struct Update {
    changes: Vec<String>,
    /// What callers of its tools would notice.
    breaking: Vec<String>,
    conflicts: Vec<Conflict>,
}

/// People and the new import changed the same. What is not there was taken away.
#[derive(Debug, Serialize, ToSchema)]
pub struct Conflict {
    #[schema(example = "tools[list_pets].description")]
    path: String,
    #[schema(value_type = Object)]
    base: Option<Value>,
    #[schema(value_type = Object)]
    ours: Option<Value>,
    #[schema(value_type = Object)]
    theirs: Option<Value>,
}

impl Update {
    #[must_use]
    pub fn of(update: &intake::Update) -> Self {
        let conflict = |it: &intake::Conflict| Conflict {
            path: it.path.clone(),
            base: it.base.clone(),
            ours: it.ours.clone(),
            theirs: it.theirs.clone(),
        };
        Self {
            changes: update.changes.iter().take(MOST_FINDINGS).map(ToString::to_string).collect(),
            breaking: update.breaking.iter().take(MOST_FINDINGS).map(ToString::to_string).collect(),
            conflicts: update.conflicts.iter().take(MOST_FINDINGS).map(conflict).collect(),
        }
    }
}

/// So many are told one by one.
const MOST_FINDINGS: usize = 200;

#[must_use]
pub fn findings(found: &[intake::Finding]) -> Vec<Finding> {
    let shown = found.iter().take(MOST_FINDINGS).map(|it| Finding {
        level: it.level.as_str(),
        message: intake::for_senders(&it.message).into_owned(),
        place: it.place.clone(),
        line: it.position.map(|at| at.line),
        column: it.position.map(|at| at.column),
        hint: it.hint.as_deref().map(|hint| intake::for_senders(hint).into_owned()),
    });
    shown.collect()
}

/// With what was found where nothing came of it.
pub fn problem(error: Error) -> Problem {
    match &error {
        Error::Intake(IntakeError::Nothing { findings: found, .. }) => {
            let shown = json!(findings(found));
            Problem::from(error).with("findings", shown)
        }
        Error::Intake(IntakeError::Conflicts(update)) => {
            let update = json!(Update::of(update));
            Problem::from(error).with("update", update)
        }
        _ => Problem::from(error),
    }
}

impl From<Import> for intake::Import {
    fn from(Import { from, name, dry_run, update, prefer, forget_options }: Import) -> Self {
        let prefer = prefer.map(|prefer| match prefer {
            Prefer::Ours => intake::Prefer::Ours,
            Prefer::Theirs => intake::Prefer::Theirs,
        });
        Self { from, name, dry_run, update, prefer, forget_options }
    }
}

/// Makes a server of what is there already, or only the spec.
///
/// What is fetched for it comes from the public internet, or from where the owner was granted to reach.
#[utoipa::path(
    post, path = "/mcp/import", request_body = Import, security(("bearer" = ["developer"])),
    responses(
        (status = 200, body = Imported, description = "The spec, or the server was there before"),
        (status = 201, body = Imported, headers(("location" = String, description = "The server"))),
        (status = 404, description = "With `update`: there is no server of this `name`"),
        (status = 409, description = "The name is another server's, this version has another text, an `update` has conflicts, is of another kind or has nothing in common with the server, or the server was not imported"),
        (status = 422, description = "It can't be read, or no spec can be made of it: `findings` say why"),
    ),
)]
async fn import(
    State(factory): State<Factory>,
    Expecting(caller): Expecting,
    Sent(import): Sent<Import>,
) -> Result<Response, Problem> {
    let imported = factory.import(&caller, import.into()).await.map_err(problem)?;
    let body = Imported::of(&imported);
    let Some(created) = &imported.created else { return Ok((StatusCode::OK, Json(body)).into_response()) };
    let location = format!("/mcp/servers/{}", created.server.name);
    Ok((status_of(created.outcome), [(header::LOCATION, location)], Json(body)).into_response())
}

impl Imported {
    pub fn of(imported: &intake::Imported) -> Self {
        let (findings, update) = (findings(&imported.findings), imported.update.as_ref().map(Update::of));
        match &imported.created {
            Some(created) => {
                let created = Created::of(created, imported.spec.as_bytes());
                Self::Server(Box::new(ImportedServer { created, findings, update }))
            }
            None => Self::Spec(ImportedSpec { spec: imported.spec.clone(), findings, update }),
        }
    }
}
