//! Servers: made of specs, listed, looked at, removed.

use std::path::PathBuf;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use mcp_factory::{
    Error, Factory, Outcome, Submission,
    language::Format,
    registry::{Filter, Page},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::shown;
use crate::{
    Control, Problem,
    access::Admitted,
    body::{Asked, Whole},
};

pub fn routes() -> Router<Control> {
    Router::new()
        .route("/mcp/create", post(create))
        .route("/mcp/create/natural", post(create_natural))
        .route("/mcp/validate", post(validate))
        .route("/mcp/servers", get(list))
        .route("/mcp/servers/{name}", get(show).delete(remove))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    /// Where the spec's files are on the factory's own machine: the operator's to name.
    folder: Option<PathBuf>,
}

/// What a body is, as its head says; else what it looks like.
fn submission(headers: &HeaderMap, Place { folder }: Place, text: &[u8]) -> Submission {
    let submission = Submission::new(text);
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = said.split(';').next().unwrap_or_default().trim();
    let format = match essence {
        "application/json" => Format::Json,
        "application/yaml" | "application/x-yaml" | "text/yaml" => Format::Yaml,
        _ => submission.format,
    };
    Submission { format, folder, ..submission }
}

async fn create(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Asked(place): Asked<Place>,
    headers: HeaderMap,
    Whole(text): Whole,
) -> Result<Response, Problem> {
    let key = match headers.get("idempotency-key").map(|key| key.to_str()) {
        None => None,
        Some(Ok(key)) => Some(key),
        Some(Err(_)) => return Err(Problem::argument("`Idempotency-Key` is no text")),
    };
    let created = match factory.create(&caller, submission(&headers, place, &text), key).await {
        Err(Error::Invalid { diagnostics }) => {
            let shown = shown::diagnostics(&text, &diagnostics);
            return Err(Problem::from(Error::Invalid { diagnostics }).with("diagnostics", shown));
        }
        created => created?,
    };
    let status = if created.outcome == Outcome::Unchanged { StatusCode::OK } else { StatusCode::CREATED };
    let location = format!("/mcp/servers/{}", created.server.name);
    let body = json!({
        "outcome": created.outcome.as_str(),
        "server": shown::server(&created.server),
        "diagnostics": shown::diagnostics(&text, &created.diagnostics),
        "problems": shown::problems(&created.problems),
    });
    Ok((status, [(header::LOCATION, location)], Json(body)).into_response())
}

/// Language becomes specs in a later version.
async fn create_natural() -> Problem {
    let detail = "this version makes no servers of sentences; send a spec to `/mcp/create`";
    Problem::new(StatusCode::NOT_IMPLEMENTED, "not-implemented", detail)
}

async fn validate(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Asked(place): Asked<Place>,
    headers: HeaderMap,
    Whole(text): Whole,
) -> Result<Json<Value>, Problem> {
    let found = factory.validate(&caller, submission(&headers, place, &text)).await?;
    Ok(Json(json!({
        "verdict": found.verdict.to_string(),
        "diagnostics": shown::diagnostics(&text, &found.diagnostics),
        "problems": shown::problems(&found.problems),
    })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    after: Option<String>,
    limit: Option<u32>,
    tag: Option<String>,
    name: Option<String>,
    state: Option<String>,
}

async fn list(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Asked(Listing { after, limit, tag, name, state }): Asked<Listing>,
) -> Result<Json<Value>, Problem> {
    let page = Page { after: after.unwrap_or_default(), limit: limit.unwrap_or(Page::default().limit) };
    let servers = factory.list(&caller, &Filter { tag, name, state }, &page).await?;
    let entries: Vec<Value> = servers.entries.iter().map(shown::server).collect();
    Ok(Json(json!({ "servers": entries, "next": servers.next })))
}

async fn show(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let details = factory.get(&caller, &name).await?;
    let observed = factory.observed(&caller, &name);
    Ok(Json(shown::details(&details, observed.as_ref())))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Removing {
    #[serde(default)]
    force: bool,
}

async fn remove(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Asked(Removing { force }): Asked<Removing>,
) -> Result<StatusCode, Problem> {
    factory.remove(&caller, &name, force).await?;
    Ok(StatusCode::NO_CONTENT)
}
