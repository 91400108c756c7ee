//! The factory over HTTP. Every route is one verb of [`Factory`]: what it takes is read, the verb is called, and what came of
//! it is written. No rule is made here.
//!
//! Who asks is known by an API token on each request. What goes wrong is a problem of RFC 9457 with the factory's own code.

mod access;
mod body;
mod conditions;
mod health;
mod mcp;
mod openapi;
mod paging;
mod problem;
mod requests;
mod rest;

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    body::Bytes,
    extract::FromRef,
    http::{Method, StatusCode},
    middleware,
    response::{IntoResponse as _, Response},
};
use mcp_factory::Factory;
use mcp_serve::{
    BearerTokens, Limits, Live, Server,
    http::{Config, Host, MountError},
};
use requests::{Counting, Requests};
use utoipa_axum::router::OpenApiRouter;

pub use access::Access;
pub use health::Readiness;
pub use openapi::document as openapi;
pub use problem::Problem;

/// How findings and updates of imports are shown.
pub mod intake {
    pub use crate::rest::intake::{Finding, Update, findings};
}

/// What all routes use.
#[derive(Debug, Clone)]
pub struct Control {
    factory: Factory,
    access: Access,
    readiness: Readiness,
    requests: Requests,
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

impl FromRef<Control> for Requests {
    fn from_ref(control: &Control) -> Self {
        control.requests.clone()
    }
}

impl Control {
    #[must_use]
    pub fn new(factory: Factory, readiness: Readiness) -> Self {
        Self {
            access: Access::new(factory.clone()),
            factory,
            readiness,
            requests: Requests::default(),
            openapi: Arc::default(),
        }
    }

    /// The factory for agents: its verbs as the tools of an MCP server.
    #[must_use]
    pub fn agent(&self) -> Arc<dyn Server> {
        mcp::server(self.access.clone())
    }

    /// From now on agents find the factory at `/factory/mcp` of this host, with the tokens of the REST API.
    pub fn mount(&self, host: &Host) -> Result<(), MountError> {
        let tokens = BearerTokens::new(self.factory.api_tokens());
        // How often somebody may ask is decided as they are admitted, as for the routes.
        let limits = Limits { rate: None, ..Limits::default() };
        let config = Config { limits, state_key: self.factory.state_key(), ..Config::default() };
        host.mount_own("factory", Live::new(self.agent(), Arc::new(tokens), config))
    }

    /// For [`HostConfig::routes`](mcp_serve::http::HostConfig::routes): the host checks `Host` and `Origin` before.
    pub fn routes(self) -> Router {
        let resources = rest::resources();
        let paths = resources.iter().flat_map(|(_, routes)| routes.get_openapi().paths.paths.keys().cloned());
        let counting = Counting::new(self.requests.clone(), paths);
        let (open, guarded): (Vec<_>, Vec<_>) = resources.into_iter().partition(|(name, _)| *name == "health");
        let merged = |resources: Vec<(_, OpenApiRouter<Self>)>| {
            resources.into_iter().fold(Router::new(), |router, (_, routes)| router.merge(routes))
        };
        let guarded = merged(guarded)
            // Nobody learns what there is before they say who they are.
            .fallback(async || Problem::not_found())
            .method_not_allowed_fallback(not_allowed)
            .layer(middleware::from_fn(conditions::tags))
            .layer(middleware::from_fn_with_state(self.access.clone(), access::check));
        merged(open)
            .merge(guarded)
            .layer(middleware::from_fn(problem::everywhere))
            .layer(middleware::from_fn_with_state(counting, requests::count))
            .with_state(self)
    }
}

/// The framework says which methods a path takes, in `Allow`.
async fn not_allowed(method: Method) -> Response {
    match method {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => Problem::method_not_allowed().into_response(),
    }
}
