//! Servers: made of specs, listed, looked at, removed.

use std::path::PathBuf;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use mcp_factory::{Error, Factory, Outcome, Submission, language::Format, registry::Filter};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::shown;
use crate::{
    Control, Problem,
    access::Admitted,
    body::{Asked, Whole, media_type},
    conditions::{Expecting, etag},
    paging::{Listed, Paging},
};

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(create_natural))
        .routes(routes!(validate))
        .routes(routes!(list))
        .routes(routes!(show, remove))
}

/// A spec, as the reference of the language describes it.
#[derive(Debug, ToSchema)]
#[schema(value_type = Object)]
#[expect(dead_code, reason = "says what a body is")]
pub struct Spec(Value);

pub fn example() -> Value {
    serde_json::json!({
        "name": "shop", "version": "1.0.0",
        "tools": [{ "name": "hello", "description": "Greets", "static": { "text": "hello" } }],
    })
}

pub const YAML: &str =
    "name: shop\nversion: 1.0.0\ntools:\n  - name: hello\n    description: Greets\n    static: { text: hello }\n";

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Place {
    /// Where the spec's files are on the factory's own machine: the operator's to name.
    #[param(value_type = Option<String>)]
    folder: Option<PathBuf>,
}

pub fn submission(headers: &HeaderMap, Place { folder }: Place, text: &[u8]) -> Result<Submission, Problem> {
    Ok(Submission { folder, ..format_of(headers, text)? })
}

/// What a body is, as its head says; else what it looks like.
pub fn format_of(headers: &HeaderMap, text: &[u8]) -> Result<Submission, Problem> {
    let submission = Submission::new(text);
    let format = match media_type(headers).as_deref() {
        Some("application/json") => Format::Json,
        Some("application/yaml" | "application/x-yaml" | "text/yaml") => Format::Yaml,
        None | Some("application/octet-stream" | "text/plain") => submission.format,
        Some(_) => return Err(Problem::media_type("`application/yaml` or `application/json`")),
    };
    Ok(Submission { format, ..submission })
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Created {
    /// `created`, `updated` (this version is new, and the latest) or `unchanged`.
    #[schema(example = "created")]
    outcome: &'static str,
    /// The version that has this text; `server` is told as its latest says.
    #[schema(example = "1.2.0")]
    version: String,
    server: shown::Server,
    /// Warnings, and what keeps it from being deployed.
    #[schema(value_type = Vec<shown::Diagnostic>)]
    diagnostics: Value,
    /// What this build can't run, and what its owner was not granted.
    problems: Vec<shown::Problem>,
    /// What it needs of one's secrets.
    secrets: Vec<shown::NeededSecret>,
}

/// Makes a server of a spec, or another version of it.
///
/// The same spec a second time changes nothing and says so.
#[utoipa::path(
    post, path = "/mcp/create", security(("bearer" = ["developer"])),
    params(Place, ("idempotency-key" = Option<String>, Header, description = "The same request again is answered as it was the first time.")),
    request_body(content(
        (Spec = "application/json", example = json!(example())), (String = "application/yaml", example = json!(YAML)),
    )),
    responses(
        (status = 200, body = Created, description = "It was there before"),
        (status = 201, body = Created, headers(("location" = String, description = "The server"))),
        (status = 409, description = "The name is another server's, or this version has another text"),
        (status = 422, description = "The idempotency key was used for another request"),
    ),
)]
async fn create(
    State(factory): State<Factory>,
    Expecting(caller): Expecting,
    Asked(place): Asked<Place>,
    headers: HeaderMap,
    Whole(text): Whole,
) -> Result<Response, Problem> {
    let key = match headers.get("idempotency-key").map(|key| key.to_str()) {
        None => None,
        Some(Ok(key)) => Some(key),
        Some(Err(_)) => return Err(Problem::argument("`Idempotency-Key` is no text")),
    };
    let created = match factory.create(&caller, submission(&headers, place, &text)?, key).await {
        Err(Error::Invalid { diagnostics }) => {
            let shown = shown::diagnostics(&text, &diagnostics);
            return Err(Problem::from(Error::Invalid { diagnostics }).with("diagnostics", shown));
        }
        created => created?,
    };
    let location = format!("/mcp/servers/{}", created.server.name);
    let (status, body) = (status_of(created.outcome), Created::of(&created, &text));
    Ok((status, [(header::LOCATION, location)], Json(body)).into_response())
}

pub fn status_of(outcome: Outcome) -> StatusCode {
    if outcome == Outcome::Unchanged { StatusCode::OK } else { StatusCode::CREATED }
}

impl Created {
    pub fn of(created: &mcp_factory::Created, text: &[u8]) -> Self {
        Self {
            outcome: created.outcome.as_str(),
            version: created.version.to_string(),
            server: shown::server(&created.server),
            diagnostics: shown::diagnostics(text, &created.diagnostics),
            problems: shown::problems(&created.problems),
            secrets: shown::secrets(&created.secrets),
        }
    }
}

/// Makes a server of sentences, in a later version.
#[utoipa::path(
    post, path = "/mcp/create/natural", security(("bearer" = ["viewer"])),
    responses((status = 501, description = "Always, in this version")),
)]
async fn create_natural() -> Problem {
    let detail = "this version makes no servers of sentences; send a spec to `/mcp/create`";
    Problem::new(StatusCode::NOT_IMPLEMENTED, "not-implemented", detail)
}

#[derive(Debug, Serialize, ToSchema)]
struct Validated {
    /// `valid`, `warning`, `blocker` or `error`.
    verdict: String,
    #[schema(value_type = Vec<shown::Diagnostic>)]
    diagnostics: Value,
    problems: Vec<shown::Problem>,
}

/// Says what is wrong with a spec, and makes nothing of it.
#[utoipa::path(
    post, path = "/mcp/validate", params(Place), security(("bearer" = ["viewer"])),
    request_body(content(
        (Spec = "application/json", example = json!(example())), (String = "application/yaml", example = json!(YAML)),
    )),
    responses((status = 200, body = Validated)),
)]
async fn validate(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Asked(place): Asked<Place>,
    headers: HeaderMap,
    Whole(text): Whole,
) -> Result<Json<Validated>, Problem> {
    let found = factory.validate(&caller, submission(&headers, place, &text)?).await?;
    Ok(Json(Validated {
        verdict: found.verdict.to_string(),
        diagnostics: shown::diagnostics(&text, &found.diagnostics),
        problems: shown::problems(&found.problems),
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Listing {
    tag: Option<String>,
    /// Part of a name.
    name: Option<String>,
    /// Of the deployment; `none` where there is none.
    #[param(example = "running")]
    state: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Servers {
    servers: Vec<shown::Server>,
    /// `after` of the next page, where there is one.
    next: Option<String>,
}

/// Lists one's servers, in the order of their names.
#[utoipa::path(
    get, path = "/mcp/servers", params(Paging, Listing), security(("bearer" = ["viewer"])),
    responses((status = 200, body = Servers)),
)]
async fn list(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Listed(paging, Listing { tag, name, state }): Listed<Listing>,
) -> Result<Json<Servers>, Problem> {
    let servers = factory.list(&caller, &Filter { tag, name, state }, &paging.page()).await?;
    Ok(Json(Servers { servers: servers.entries.iter().map(shown::server).collect(), next: servers.next }))
}

/// Everything about one server.
///
/// Its `ETag` is another one after each change of what is written down of it; what is just seen of it (`serving`, `health`,
/// `uptimeSeconds`, `checks`, `factories`, `secrets`) does not count.
#[utoipa::path(
    get, path = "/mcp/servers/{name}", security(("bearer" = ["viewer"])),
    responses((status = 200, body = shown::ServerDetails)),
)]
async fn show(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let details = factory.get(&caller, &name).await?;
    let observed = factory.observed(&caller, &name);
    let secrets = factory.needed_secrets(&caller, &name, &details.server.latest).await?;
    let mut body = shown::details(&details, observed.as_ref(), &secrets);
    if let (Some(shown), Some(known)) = (&mut body.deployment, &details.deployment) {
        let replicas = factory.replicas(&caller, &name).await?;
        shown.factories = shown::replicas(known, factory.id(), &replicas);
    }
    Ok((etag(&details.tag()), Json(body)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Removing {
    /// Though other servers need it.
    #[serde(default)]
    force: bool,
}

/// Stops a server and removes it, with its versions and what was counted of it.
#[utoipa::path(
    delete, path = "/mcp/servers/{name}", params(Removing), security(("bearer" = ["developer"])),
    responses((status = 204, description = "It is gone"), (status = 409, description = "Another server needs it")),
)]
async fn remove(
    State(factory): State<Factory>,
    Expecting(caller): Expecting,
    Path(name): Path<String>,
    Asked(Removing { force }): Asked<Removing>,
) -> Result<StatusCode, Problem> {
    factory.remove(&caller, &name, force).await?;
    Ok(StatusCode::NO_CONTENT)
}
