//! API tokens of a user. A secret is shown once, when it is made.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{delete, get, post},
};
use mcp_factory::{Factory, Issued, registry::Role};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Control, Problem, access::Admitted, body::Sent};

pub fn routes() -> Router<Control> {
    Router::new()
        .route("/mcp/tokens", get(list).post(issue))
        .route("/mcp/tokens/{name}", delete(revoke))
        .route("/mcp/tokens/{name}/rotate", post(rotate))
}

async fn list(State(factory): State<Factory>, Admitted(caller): Admitted) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "tokens": factory.list_tokens(&caller).await? })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    role: String,
    /// For how many seconds it is good. Left out: until it is revoked.
    lifetime: Option<u64>,
}

async fn issue(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Sent(Wanted { name, role, lifetime }): Sent<Wanted>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let role: Role = role.parse().map_err(|error| Problem::argument(format!("{error}")))?;
    let issued = factory.issue_token(&caller, &name, role, lifetime.map(Duration::from_secs)).await?;
    Ok((StatusCode::CREATED, Json(shown(&issued))))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    /// For how many seconds more the secret before is good.
    #[serde(default)]
    overlap: u64,
}

async fn rotate(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Sent(Rotation { overlap }): Sent<Rotation>,
) -> Result<Json<Value>, Problem> {
    let issued = factory.rotate_token(&caller, &name, Duration::from_secs(overlap)).await?;
    Ok(Json(shown(&issued)))
}

/// Harmless where there is none.
async fn revoke(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    factory.revoke_token(&caller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(Issued { token, secret }: &Issued) -> Value {
    json!({ "token": token, "secret": secret.reveal() })
}
