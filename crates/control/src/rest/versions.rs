//! Versions of a server, and going back to one.

use axum::{
    Json,
    extract::{Path, State},
};
use mcp_factory::{Change, Factory, registry::Paged};
use semver::Version;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::shown;
use crate::{
    Control, Problem,
    access::Admitted,
    body::{Asked, Sent},
    conditions::Expecting,
    paging::Paging,
};

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(rollback))
}

#[derive(Debug, Serialize, ToSchema)]
struct Versions {
    /// The newest first.
    versions: Vec<shown::Version>,
    /// `after` of the next page, where there is one.
    next: Option<String>,
}

/// Lists the versions of a server.
#[utoipa::path(
    get, path = "/mcp/servers/{name}/versions", params(Paging), security(("bearer" = ["viewer"])),
    responses((status = 200, body = Versions)),
)]
async fn list(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Versions>, Problem> {
    let versions = factory.versions(&caller, &name).await?;
    let Paged { entries, next } = paging.behind(versions, |it| it.version.to_string())?;
    Ok(Json(Versions { versions: entries.iter().map(shown::version).collect(), next }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Back {
    /// Left out: the one before the latest.
    #[schema(value_type = Option<String>, example = "1.0.0")]
    version: Option<Version>,
}

#[derive(Debug, Serialize, ToSchema)]
struct WentBack {
    #[schema(example = "1.0.0")]
    latest: String,
    /// Whether it was not so before.
    changed: bool,
}

/// Makes a version the latest that was so before.
///
/// What runs is another matter: deploying is.
#[utoipa::path(
    post, path = "/mcp/servers/{name}/rollback", request_body = Back, security(("bearer" = ["developer"])),
    responses((status = 200, body = WentBack)),
)]
async fn rollback(
    State(factory): State<Factory>,
    Expecting(caller): Expecting,
    Path(name): Path<String>,
    Sent(Back { version }): Sent<Back>,
) -> Result<Json<WentBack>, Problem> {
    let (latest, change) = factory.rollback(&caller, &name, version.as_ref()).await?;
    Ok(Json(WentBack { latest: latest.to_string(), changed: change == Change::Done }))
}
