//! Whether the factory lives, and whether it is ready. Whoever asks learns nothing else.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Control;

/// Ready once what was meant to run was begun again; not any more when it shuts down. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub fn set(&self, ready: bool) {
        self.0.store(ready, SeqCst);
    }

    pub(crate) fn get(&self) -> bool {
        self.0.load(SeqCst)
    }
}

/// The only ones that need no token.
pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(alive)).routes(routes!(ready))
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    status: &'static str,
}

/// Whether the factory answers.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = Health)))]
async fn alive() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether the factory is ready to be used.
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = Health), (status = 503, body = Health)))]
async fn ready(State(readiness): State<Readiness>) -> (StatusCode, Json<Health>) {
    match readiness.get() {
        true => (StatusCode::OK, Json(Health { status: "ready" })),
        false => (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "not ready" })),
    }
}
