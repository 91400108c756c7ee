//! Keys of a hosted server. A secret is shown once, when it is made.

use std::{collections::BTreeSet, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use mcp_factory::{Factory, Issued, NewKey, keys::name_of, registry::Paged};
use mcp_serve::tokens::TokenInfo;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::shown;
use crate::{
    Control, Problem,
    access::Admitted,
    body::{Asked, Sent},
    paging::Paging,
};

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(list, issue)).routes(routes!(revoke)).routes(routes!(rotate))
}

#[derive(Debug, Serialize, ToSchema)]
struct Keys {
    /// In the order of their names.
    keys: Vec<Key>,
    /// `after` of the next page, where there is one.
    next: Option<String>,
}

/// What may be shown of a key.
#[derive(Debug, Serialize, ToSchema)]
struct Key {
    #[schema(example = "desk")]
    name: String,
    /// Who calls with it.
    principal: String,
    tenant: Option<String>,
    /// How many there are; more than one while clients change over.
    secrets: usize,
    expires: Option<String>,
}

/// Lists the keys of a server, without their secrets.
#[utoipa::path(
    get, path = "/mcp/servers/{name}/keys", params(Paging), security(("bearer" = ["viewer"])),
    responses((status = 200, body = Keys)),
)]
async fn list(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Keys>, Problem> {
    let keys = factory.list_keys(&caller, &name).await?;
    let Paged { entries, next } = paging.sorted(keys, |key| name_of(key).to_owned());
    Ok(Json(Keys { keys: entries.iter().map(key).collect(), next }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKeyOf {
    #[serde(default)]
    #[schema(example = "desk")]
    name: String,
    /// Who calls with it. Left out: somebody of the key's name.
    #[schema(example = "anna")]
    principal: Option<String>,
    #[schema(example = "sales")]
    tenant: Option<String>,
    #[serde(default)]
    #[schema(example = json!(["readers"]))]
    groups: Vec<String>,
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["stock:read"]))]
    scopes: BTreeSet<String>,
    /// For how many seconds it is good. Left out: until it is revoked.
    #[schema(example = 86400, maximum = 315_360_000)]
    lifetime: Option<u64>,
}

/// Makes a key of a server, and shows its secret this once.
#[utoipa::path(
    post, path = "/mcp/servers/{name}/keys", request_body = NewKeyOf, security(("bearer" = ["developer"])),
    responses((status = 201, body = WithSecret), (status = 422, description = "Its spec has other authentication")),
)]
async fn issue(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(server): Path<String>,
    Sent(NewKeyOf { name, principal, tenant, groups, scopes, lifetime }): Sent<NewKeyOf>,
) -> Result<(StatusCode, Json<WithSecret>), Problem> {
    let new = NewKey { name, principal, tenant, groups, scopes, lifetime: lifetime.map(Duration::from_secs) };
    let issued = factory.issue_key(&caller, &server, new).await?;
    Ok((StatusCode::CREATED, Json(with_secret(&issued))))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KeyRotation {
    /// For how many seconds more the secret before is good.
    #[serde(default)]
    #[schema(example = 60, maximum = 315_360_000)]
    overlap: u64,
}

/// Gives a key another secret, and shows it this once.
#[utoipa::path(
    post, path = "/mcp/servers/{name}/keys/{key}/rotate", request_body = KeyRotation, security(("bearer" = ["developer"])),
    responses((status = 200, body = WithSecret)),
)]
async fn rotate(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path((server, name)): Path<(String, String)>,
    Sent(KeyRotation { overlap }): Sent<KeyRotation>,
) -> Result<Json<WithSecret>, Problem> {
    let issued = factory.rotate_key(&caller, &server, &name, Duration::from_secs(overlap)).await?;
    Ok(Json(with_secret(&issued)))
}

/// Revokes a key. Harmless where there is none.
#[utoipa::path(
    delete, path = "/mcp/servers/{name}/keys/{key}", security(("bearer" = ["developer"])),
    responses((status = 204, description = "It is no key any more")),
)]
async fn revoke(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path((server, name)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    factory.revoke_key(&caller, &server, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn key(key: &TokenInfo) -> Key {
    Key {
        name: name_of(key).to_owned(),
        principal: key.principal.clone(),
        tenant: key.tenant.clone(),
        secrets: key.secrets,
        expires: key.expires_at.map(shown::time),
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct WithSecret {
    #[serde(flatten)]
    key: Key,
    /// Shown this once.
    secret: String,
}

fn with_secret(Issued { token, secret }: &Issued) -> WithSecret {
    WithSecret { key: key(token), secret: secret.reveal().to_owned() }
}
