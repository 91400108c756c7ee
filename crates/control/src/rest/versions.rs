//! Versions of a server, and going back to one.

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use mcp_factory::{Change, Factory};
use semver::Version;
use serde::Deserialize;
use serde_json::{Value, json};

use super::shown;
use crate::{Control, Problem, access::Admitted, body::Sent};

pub fn routes() -> Router<Control> {
    Router::new().route("/mcp/servers/{name}/versions", get(list)).route("/mcp/servers/{name}/rollback", post(rollback))
}

async fn list(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let versions = factory.versions(&caller, &name).await?;
    Ok(Json(json!({ "versions": versions.iter().map(shown::version).collect::<Vec<_>>() })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Back {
    /// Left out: the one before the latest.
    version: Option<Version>,
}

/// What runs is another matter: deploying is.
async fn rollback(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Sent(Back { version }): Sent<Back>,
) -> Result<Json<Value>, Problem> {
    let (latest, change) = factory.rollback(&caller, &name, version.as_ref()).await?;
    Ok(Json(json!({ "latest": latest.to_string(), "changed": change == Change::Done })))
}
