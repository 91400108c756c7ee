//! Secrets of an owner: set, listed by name, removed. No value ever comes out.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, put},
};
use mcp_factory::{Factory, Secret};
use serde::Deserialize;
use serde_json::{Value, json};

use super::shown;
use crate::{Control, Problem, access::Admitted, body::Sent};

pub fn routes() -> Router<Control> {
    Router::new().route("/mcp/secrets", get(list)).route("/mcp/secrets/{name}", put(set).delete(remove))
}

async fn list(State(factory): State<Factory>, Admitted(caller): Admitted) -> Result<Json<Value>, Problem> {
    let secrets = factory.secrets(&caller).await?;
    // Those of callers are not the owner's to list here.
    let own = secrets.iter().filter(|secret| secret.subject.is_empty());
    let shown = own.map(|secret| json!({ "name": secret.name, "updated": shown::timestamp(secret.updated) }));
    Ok(Json(json!({ "secrets": shown.collect::<Vec<_>>() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewValue {
    value: String,
}

async fn set(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Sent(NewValue { value }): Sent<NewValue>,
) -> Result<StatusCode, Problem> {
    factory.set_secret(&caller, None, &name, &Secret::new(value)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Harmless where there is none.
async fn remove(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    factory.remove_secret(&caller, None, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
