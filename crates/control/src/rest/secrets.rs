//! Secrets of an owner: set, listed by name, removed. No value ever comes out.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use mcp_factory::{Factory, Secret};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::shown;
use crate::{Control, Problem, access::Admitted, body::Sent};

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(set, remove))
}

#[derive(Debug, Serialize, ToSchema)]
struct Secrets {
    secrets: Vec<Named>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Named {
    #[schema(example = "SHOP_KEY")]
    name: String,
    updated: String,
}

/// Lists the names of one's secrets.
#[utoipa::path(
    get, path = "/mcp/secrets", security(("bearer" = ["viewer"])),
    responses((status = 200, body = Secrets)),
)]
async fn list(State(factory): State<Factory>, Admitted(caller): Admitted) -> Result<Json<Secrets>, Problem> {
    let secrets = factory.secrets(&caller).await?;
    // Those of callers are not the owner's to list here.
    let own = secrets.into_iter().filter(|secret| secret.subject.is_empty());
    let shown = own.map(|secret| Named { name: secret.name, updated: shown::timestamp(secret.updated) });
    Ok(Json(Secrets { secrets: shown.collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewValue {
    #[schema(example = "postgresql://shop@db/shop")]
    value: String,
}

/// Sets a secret, which never comes out again.
#[utoipa::path(
    put, path = "/mcp/secrets/{name}", request_body = NewValue, security(("bearer" = ["developer"])),
    responses((status = 204, description = "It is set")),
)]
async fn set(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Sent(NewValue { value }): Sent<NewValue>,
) -> Result<StatusCode, Problem> {
    factory.set_secret(&caller, None, &name, &Secret::new(value)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a secret. Harmless where there is none.
#[utoipa::path(
    delete, path = "/mcp/secrets/{name}", security(("bearer" = ["developer"])),
    responses((status = 204, description = "There is none any more")),
)]
async fn remove(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    factory.remove_secret(&caller, None, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
