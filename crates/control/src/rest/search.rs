//! Tools of all one's servers, by what they can do.

use axum::{Json, extract::State};
use mcp_factory::Factory;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Control, Problem, access::Admitted, body::Asked};

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(search))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Words of what a tool should do.
    #[param(example = "stock level")]
    q: String,
    /// Default 20, at most 100.
    limit: Option<usize>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Tools {
    /// The best first.
    tools: Vec<Found>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Found {
    server: String,
    tool: String,
    title: Option<String>,
    description: String,
}

/// Finds tools of one's servers by what they do.
#[utoipa::path(
    get, path = "/mcp/search", params(Wanted), security(("bearer" = ["viewer"])),
    responses((status = 200, body = Tools)),
)]
async fn search(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Asked(Wanted { q, limit }): Asked<Wanted>,
) -> Result<Json<Tools>, Problem> {
    let found = factory.search(&caller, &q, limit.unwrap_or(20)).await?;
    let tools = found.into_iter().map(|it| Found {
        server: it.server,
        tool: it.tool.name,
        title: it.tool.title,
        description: it.tool.description,
    });
    Ok(Json(Tools { tools: tools.collect() }))
}
