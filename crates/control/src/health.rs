//! Whether the factory lives, and whether it is ready. Whoever asks learns nothing else.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};

/// Ready once what was meant to run was begun again; not any more when it shuts down. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub fn set(&self, ready: bool) {
        self.0.store(ready, SeqCst);
    }
}

pub async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

pub async fn ready(State(readiness): State<Readiness>) -> (StatusCode, Json<Value>) {
    match readiness.0.load(SeqCst) {
        true => (StatusCode::OK, Json(json!({ "status": "ready" }))),
        false => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "not ready" }))),
    }
}
