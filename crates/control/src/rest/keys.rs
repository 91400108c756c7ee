//! Keys of a hosted server. A secret is shown once, when it is made.

use std::{collections::BTreeSet, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{delete, get, post},
};
use mcp_factory::{Factory, Issued, NewKey, keys::name_of};
use mcp_serve::tokens::TokenInfo;
use serde::Deserialize;
use serde_json::{Value, json};

use super::shown;
use crate::{Control, Problem, access::Admitted, body::Sent};

pub fn routes() -> Router<Control> {
    Router::new()
        .route("/mcp/servers/{name}/keys", get(list).post(issue))
        .route("/mcp/servers/{name}/keys/{key}", delete(revoke))
        .route("/mcp/servers/{name}/keys/{key}/rotate", post(rotate))
}

async fn list(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let keys = factory.list_keys(&caller, &name).await?;
    Ok(Json(json!({ "keys": keys.iter().map(key).collect::<Vec<_>>() })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    name: String,
    /// Who calls with it. Left out: somebody of the key's name.
    principal: Option<String>,
    tenant: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    scopes: BTreeSet<String>,
    /// For how many seconds it is good. Left out: until it is revoked.
    lifetime: Option<u64>,
}

async fn issue(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(server): Path<String>,
    Sent(Wanted { name, principal, tenant, groups, scopes, lifetime }): Sent<Wanted>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let new = NewKey { name, principal, tenant, groups, scopes, lifetime: lifetime.map(Duration::from_secs) };
    let issued = factory.issue_key(&caller, &server, new).await?;
    Ok((StatusCode::CREATED, Json(with_secret(&issued))))
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
    Path((server, name)): Path<(String, String)>,
    Sent(Rotation { overlap }): Sent<Rotation>,
) -> Result<Json<Value>, Problem> {
    let issued = factory.rotate_key(&caller, &server, &name, Duration::from_secs(overlap)).await?;
    Ok(Json(with_secret(&issued)))
}

/// Harmless where there is none.
async fn revoke(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path((server, name)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    factory.revoke_key(&caller, &server, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn key(key: &TokenInfo) -> Value {
    json!({
        "name": name_of(key),
        "principal": key.principal,
        "tenant": key.tenant,
        "secrets": key.secrets,
        "expires": key.expires_at.map(shown::time),
    })
}

fn with_secret(Issued { token, secret }: &Issued) -> Value {
    let mut shown = key(token);
    shown["secret"] = secret.reveal().into();
    shown
}
