//! Templates of servers.

use axum::{Json, Router, routing::get};
use serde_json::{Value, json};

use crate::Control;

pub fn routes() -> Router<Control> {
    Router::new().route("/mcp/templates", get(list))
}

/// There are none in this version.
async fn list() -> Json<Value> {
    Json(json!({ "templates": [] }))
}
