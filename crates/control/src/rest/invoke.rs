//! A call of a tool by the owner of its server.

use axum::{
    Json,
    extract::{Path, State},
};
use mcp_factory::Factory;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Control, Problem, access::Admitted, body::Sent};

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(invoke))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Invocation {
    #[serde(default)]
    #[schema(example = "hello")]
    tool: String,
    #[serde(default)]
    #[schema(value_type = Object, example = json!({ "query": "laptop" }))]
    arguments: Map<String, Value>,
}

/// Calls a tool of one's server, deployed or not, and gives its result as MCP has it: one of a tool that failed has `isError`.
#[utoipa::path(
    post, path = "/mcp/servers/{name}/invoke", request_body = Invocation, security(("bearer" = ["developer"])),
    responses((status = 200, body = Object), (status = 422, description = "It can't run here, or answered without a result")),
)]
async fn invoke(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Sent(Invocation { tool, arguments }): Sent<Invocation>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(factory.call(&caller, &name, &tool, arguments).await?))
}
