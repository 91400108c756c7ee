//! The factory over HTTP. Every route is one verb of [`Factory`]: what it takes is read, the verb is called, and what came of
//! it is written. No rule is made here.
//!
//! Who asks is known by an API token on each request. What goes wrong is a problem of RFC 9457 with the factory's own code.

mod access;
mod body;
mod health;
mod openapi;
mod problem;
mod rest;

use std::sync::{Arc, OnceLock};

use axum::{Router, body::Bytes, extract::FromRef, middleware};
use mcp_factory::Factory;

pub use access::Access;
pub use health::Readiness;
pub use openapi::document as openapi;
pub use problem::Problem;

/// What all routes use.
#[derive(Debug, Clone)]
pub struct Control {
    factory: Factory,
    access: Access,
    readiness: Readiness,
    /// Written when somebody asks for it.
    openapi: Arc<OnceLock<Bytes>>,
}

impl FromRef<Control> for Factory {
    fn from_ref(control: &Control) -> Self {
        control.factory.clone()
    }
}

impl FromRef<Control> for Readiness {
    fn from_ref(control: &Control) -> Self {
        control.readiness.clone()
    }
}

impl Control {
    #[must_use]
    pub fn new(factory: Factory, readiness: Readiness) -> Self {
        Self { access: Access::new(factory.clone()), factory, readiness, openapi: Arc::default() }
    }

    /// For [`HostConfig::routes`](mcp_serve::http::HostConfig::routes): the host checks `Host` and `Origin` before.
    pub fn routes(self) -> Router {
        let guarded = Router::new()
            .merge(rest::routes())
            // Nobody learns what there is before they say who they are.
            .fallback(async || Problem::not_found())
            .method_not_allowed_fallback(async || Problem::method_not_allowed())
            .layer(middleware::from_fn_with_state(self.access.clone(), access::check));
        Router::new().merge(health::routes()).merge(guarded).with_state(self)
    }
}
