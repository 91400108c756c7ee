//! Servers of what is there already, such as an OpenAPI document.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use mcp_factory::{
    Error, Factory,
    intake::{self, Intake, IntakeError},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::servers::{Created, status_of};
use crate::{Control, Problem, body::Sent, conditions::Expecting};

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
    from: Intake,
    /// What the server is called. Left out: what the thing is called.
    name: Option<String>,
    /// Give the spec, and make no server.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Imported {
    /// The spec, as YAML; where no server was made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    spec: Option<String>,
    /// What was left out of it and decided on the way.
    findings: Vec<Finding>,
    #[serde(flatten)]
    created: Option<Created>,
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

/// So many are told one by one.
const MOST_FINDINGS: usize = 200;

fn findings(found: &[intake::Finding]) -> Vec<Finding> {
    let shown = found.iter().take(MOST_FINDINGS).map(|it| Finding {
        level: it.level.as_str(),
        message: it.message.clone(),
        place: it.place.clone(),
        line: it.position.map(|at| at.line),
        column: it.position.map(|at| at.column),
        hint: it.hint.clone(),
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
        _ => Problem::from(error),
    }
}

impl From<Import> for intake::Import {
    fn from(Import { from, name, dry_run }: Import) -> Self {
        Self { from, name, dry_run }
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
        (status = 409, description = "The name is another server's, or this version has another text"),
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
        let created = imported.created.as_ref();
        Self {
            spec: created.is_none().then(|| imported.spec.clone()),
            findings: findings(&imported.findings),
            created: created.map(|it| Created::of(it, imported.spec.as_bytes())),
        }
    }
}
