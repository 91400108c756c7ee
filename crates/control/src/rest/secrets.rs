//! Secrets of an owner: set, listed by name, removed. No value ever comes out.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use mcp_factory::{
    Factory, Secret,
    registry::{Paged, SecretInfo},
};
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
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(set, remove))
}

#[derive(Debug, Serialize, ToSchema)]
struct Secrets {
    /// In the order of their names.
    secrets: Vec<Named>,
    /// `after` of the next page, where there is one.
    next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Named {
    #[schema(example = "SHOP_KEY")]
    name: String,
    updated: String,
}

/// Lists the names of one's secrets.
#[utoipa::path(
    get, path = "/mcp/secrets", params(Paging), security(("bearer" = ["viewer"])),
    responses((status = 200, body = Secrets)),
)]
async fn list(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Secrets>, Problem> {
    let secrets = factory.secrets(&caller).await?;
    // Those of callers are not the owner's to list here.
    let own = secrets.into_iter().filter(|secret| secret.subject.is_empty()).collect();
    let Paged { entries, next } = paging.sorted(own, |secret: &SecretInfo| secret.name.clone());
    let shown = entries.into_iter().map(|it| Named { name: it.name, updated: shown::timestamp(it.updated) });
    Ok(Json(Secrets { secrets: shown.collect(), next }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewValue {
    #[schema(example = "postgresql://shop@db/shop")]
    value: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Set {
    #[schema(example = "SHOP_KEY")]
    name: String,
    /// Servers that run with what it was before, as far as they have it open, until they are deployed, started or restarted.
    used_by: Vec<String>,
}

/// Sets a secret, which never comes out again.
#[utoipa::path(
    put, path = "/mcp/secrets/{name}", request_body = NewValue, security(("bearer" = ["developer"])),
    responses((status = 200, body = Set)),
)]
async fn set(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Sent(NewValue { value }): Sent<NewValue>,
) -> Result<Json<Set>, Problem> {
    factory.set_secret(&caller, None, &name, &Secret::new(value)).await?;
    let used_by = factory.running_with_secret(&caller, &name).await?;
    Ok(Json(Set { name, used_by }))
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
