//! What the specs of users may reach outside their own: for admins to say.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use mcp_factory::{Caller, Change, Factory, grants};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{shown, users::on_behalf};
use crate::{
    Control, Problem,
    access::Admitted,
    body::{Asked, Sent},
};

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(own)).routes(routes!(list, add, remove))
}

#[derive(Debug, Serialize, ToSchema)]
struct Grants {
    grants: Vec<GrantOf>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct GrantOf {
    kind: String,
    /// Empty where the kind says everything.
    value: String,
    granted_by: String,
    created: String,
}

/// Lists what was granted to oneself.
#[utoipa::path(get, path = "/mcp/grants", security(("bearer" = ["viewer"])), responses((status = 200, body = Grants)))]
async fn own(State(factory): State<Factory>, Admitted(caller): Admitted) -> Result<Json<Grants>, Problem> {
    of(&factory, &caller).await
}

/// Lists what was granted to a user.
#[utoipa::path(
    get, path = "/mcp/users/{user}/grants", security(("bearer" = ["admin"])), responses((status = 200, body = Grants)),
)]
async fn list(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(user): Path<String>,
) -> Result<Json<Grants>, Problem> {
    of(&factory, &on_behalf(&caller, &user)?).await
}

/// A grant as its operator writes it.
#[derive(Debug, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct NewGrant {
    /// `path`, `private-networks`, `command`, `shared-connection` or `environment`.
    #[schema(example = "path")]
    #[param(example = "path")]
    kind: String,
    /// A path, the name of a connection or of a variable.
    #[serde(default)]
    #[schema(example = "/srv/shop")]
    #[param(example = "/srv/shop")]
    value: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct Granted {
    kind: String,
    value: String,
    /// Whether it was not so before.
    changed: bool,
}

/// Lets the specs of a user reach something outside their own.
#[utoipa::path(
    post, path = "/mcp/users/{user}/grants", request_body = NewGrant, security(("bearer" = ["admin"])),
    responses((status = 200, body = Granted, description = "It was granted before"), (status = 201, body = Granted)),
)]
async fn add(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(user): Path<String>,
    Sent(NewGrant { kind, value }): Sent<NewGrant>,
) -> Result<(StatusCode, Json<Granted>), Problem> {
    let caller = on_behalf(&caller, &user)?;
    let changed = factory.grant(&caller, &grants::read(&kind, &value)?).await? == Change::Done;
    let status = if changed { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(Granted { kind, value, changed })))
}

/// Takes a grant back: what runs and needs it is stopped. Harmless where there is none.
#[utoipa::path(
    delete, path = "/mcp/users/{user}/grants", params(NewGrant), security(("bearer" = ["admin"])),
    responses((status = 204, description = "It is granted no more")),
)]
async fn remove(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(user): Path<String>,
    Asked(NewGrant { kind, value }): Asked<NewGrant>,
) -> Result<StatusCode, Problem> {
    let caller = on_behalf(&caller, &user)?;
    factory.revoke_grant(&caller, &grants::read(&kind, &value)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn of(factory: &Factory, caller: &Caller) -> Result<Json<Grants>, Problem> {
    let grants = factory.grants(caller).await?.into_iter().map(|it| GrantOf {
        kind: it.kind,
        value: it.value,
        granted_by: it.granted_by.to_string(),
        created: shown::timestamp(it.created),
    });
    Ok(Json(Grants { grants: grants.collect() }))
}
