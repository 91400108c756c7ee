//! Templates of servers.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Control;

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Serialize, ToSchema)]
struct Templates {
    /// Empty in this version.
    #[schema(value_type = Vec<Object>)]
    templates: [(); 0],
}

/// Templates of servers: there are none in this version.
#[utoipa::path(
    get, path = "/mcp/templates", security(("bearer" = ["viewer"])),
    responses((status = 200, body = Templates)),
)]
async fn list() -> Json<Templates> {
    Json(Templates { templates: [] })
}
