//! API tokens of a user. A secret is shown once, when it is made.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use mcp_factory::{
    Caller, Factory, Issued,
    registry::{Paged, Role},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Control, Problem,
    access::Admitted,
    body::{Asked, Sent},
    paging::Paging,
};

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(list, issue)).routes(routes!(revoke)).routes(routes!(rotate))
}

/// What may be shown of a token.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "says what `TokenInfo` is as JSON")]
pub struct TokenInfo {
    /// Its public id: whose it is, and its name.
    #[schema(example = "anna/laptop")]
    token: String,
    principal: String,
    #[schema(required = false)]
    tenant: String,
    /// How many there are; more than one while clients change over.
    secrets: usize,
    #[schema(required = false)]
    expires_at: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Tokens {
    /// In the order of their ids.
    #[schema(value_type = Vec<TokenInfo>)]
    tokens: Value,
    /// `after` of the next page, where there is one.
    next: Option<String>,
}

/// Lists one's API tokens, without their secrets.
#[utoipa::path(
    get, path = "/mcp/tokens", params(Paging), security(("bearer" = ["viewer"])),
    responses((status = 200, body = Tokens)),
)]
async fn list(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Tokens>, Problem> {
    listed(&factory, &caller, paging).await
}

/// Of the caller, or of whom they act for.
pub async fn listed(factory: &Factory, caller: &Caller, paging: Paging) -> Result<Json<Tokens>, Problem> {
    let tokens = factory.list_tokens(caller).await?;
    let Paged { entries, next } = paging.sorted(tokens, |it| it.token.as_str().to_owned());
    Ok(Json(Tokens { tokens: serde_json::json!(entries), next }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    #[schema(example = "laptop")]
    name: String,
    /// `viewer`, `developer` or `admin`; no more than who asks has.
    #[schema(example = "viewer")]
    role: String,
    /// For how many seconds it is good. Left out: until it is revoked.
    #[schema(example = 86400, maximum = 315_360_000)]
    lifetime: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct IssuedToken {
    #[schema(value_type = TokenInfo)]
    token: Value,
    /// Shown this once.
    secret: String,
}

/// Makes an API token, and shows its secret this once.
#[utoipa::path(
    post, path = "/mcp/tokens", request_body = NewToken, security(("bearer" = ["viewer"])),
    responses((status = 201, body = IssuedToken)),
)]
async fn issue(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Sent(new): Sent<NewToken>,
) -> Result<(StatusCode, Json<IssuedToken>), Problem> {
    issue_for(&factory, &caller, new).await
}

/// For the caller, or whom they act for.
pub async fn issue_for(
    factory: &Factory,
    caller: &Caller,
    NewToken { name, role, lifetime }: NewToken,
) -> Result<(StatusCode, Json<IssuedToken>), Problem> {
    let role: Role = role.parse().map_err(|error| Problem::argument(format!("{error}")))?;
    let issued = factory.issue_token(caller, &name, role, lifetime.map(Duration::from_secs)).await?;
    Ok((StatusCode::CREATED, Json(shown(&issued))))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rotation {
    /// For how many seconds more the secret before is good.
    #[serde(default)]
    #[schema(example = 60, maximum = 315_360_000)]
    overlap: u64,
}

/// Gives a token another secret, and shows it this once.
#[utoipa::path(
    post, path = "/mcp/tokens/{name}/rotate", request_body = Rotation, security(("bearer" = ["developer"])),
    responses((status = 200, body = IssuedToken)),
)]
async fn rotate(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Sent(Rotation { overlap }): Sent<Rotation>,
) -> Result<Json<IssuedToken>, Problem> {
    let issued = factory.rotate_token(&caller, &name, Duration::from_secs(overlap)).await?;
    Ok(Json(shown(&issued)))
}

/// Revokes a token, from the next request on. Harmless where there is none.
#[utoipa::path(
    delete, path = "/mcp/tokens/{name}", security(("bearer" = ["developer"])),
    responses((status = 204, description = "It is no token any more")),
)]
async fn revoke(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    factory.revoke_token(&caller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(Issued { token, secret }: &Issued) -> IssuedToken {
    IssuedToken { token: serde_json::json!(token), secret: secret.reveal().to_owned() }
}
