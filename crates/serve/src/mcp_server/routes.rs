//! What is served beside MCP: what there is for a caller, and what clients may configure.

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{
    StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use serde_json::{Map, Value, json};

use super::orchestrator::toolsets_of;
use crate::http::CallersServer;

/// These paths are ours, whatever `others` have there.
pub(super) fn routes(
    base: &str,
    config_schema: Option<Map<String, Value>>,
    health: &'static str,
    others: Router,
) -> Router {
    let schema = Value::Object(config_schema.unwrap_or_else(|| schema_of([]))).to_string();
    let schema = move || std::future::ready(([(CONTENT_TYPE, "application/schema+json")], schema.clone()));
    let mut routes = Router::new()
        .route(&format!("{base}/tools"), get(tools))
        .route(&format!("{base}/.well-known/mcp-config"), get(schema));
    if !base.is_empty() {
        let health = move || std::future::ready(([(CONTENT_TYPE, "application/json")], health));
        routes = routes.route(&format!("{base}/healthz"), get(health));
    }
    routes.fallback_service(others)
}

/// For callers alone: what is served is nobody else's to know (W2-19).
async fn tools(CallersServer { server, cx }: CallersServer) -> Response {
    let Some(toolsets) = toolsets_of(&*server) else { return StatusCode::NOT_FOUND.into_response() };
    let status = serde_json::to_string(&toolsets.status(&cx)).expect("names are JSON");
    // The URL says nothing of who may see it.
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], status).into_response()
}

/// Of clients that may say something about these keys, and nothing else.
pub(super) fn schema_of<'a>(keys: impl IntoIterator<Item = &'a String>) -> Map<String, Value> {
    let properties: Map<String, Value> = keys.into_iter().map(|key| (key.clone(), json!({}))).collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of a session",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    let Value::Object(schema) = schema else { unreachable!("it was written as an object") };
    schema
}
