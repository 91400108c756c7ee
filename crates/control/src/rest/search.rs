//! Tools of all one's servers, by what they can do.

use axum::{Json, Router, extract::State, routing::get};
use mcp_factory::Factory;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Control, Problem, access::Admitted, body::Asked};

pub fn routes() -> Router<Control> {
    Router::new().route("/mcp/search", get(search))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    q: String,
    limit: Option<usize>,
}

async fn search(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Asked(Wanted { q, limit }): Asked<Wanted>,
) -> Result<Json<Value>, Problem> {
    let found = factory.search(&caller, &q, limit.unwrap_or(20)).await?;
    let shown = found.iter().map(|it| {
        json!({ "server": it.server, "tool": it.tool.name, "title": it.tool.title, "description": it.tool.description })
    });
    Ok(Json(json!({ "tools": shown.collect::<Vec<_>>() })))
}
