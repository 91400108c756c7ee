//! A server that can be started and closed, any number of times.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Map, Value};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{CreateError, HttpConfig, orchestrator::Source, routes::routes};
#[cfg(feature = "endpoints")]
use crate::endpoints::CustomEndpoints;
use crate::{
    Authenticator, InstanceStats, Live, Principal,
    http::{self, ConfigError, Endpoint, Summary},
    toolsets::{NotReady, Permissions, Toolsets},
};

/// Listens nowhere before [`start`](Self::start). It is closed when it is dropped.
pub struct McpServerHandle {
    live: Live,
    source: Source,
    permissions: Option<Permissions>,
    address: (String, u16),
    warnings: Vec<String>,
    run: tokio::sync::Mutex<Option<Run>>,
    local: Mutex<Option<SocketAddr>>,
}

struct Run {
    serving: JoinHandle<Summary>,
    address: SocketAddr,
    stop: CancellationToken,
    _end: DropGuard,
}

/// What can go wrong with a server that was made.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    NotReady(#[from] NotReady),
    #[error("`{address}` can't be listened on")]
    Listen {
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the server ended unexpectedly")]
    Ended(#[source] tokio::task::JoinError),
}

/// A server that was checked.
pub(super) struct Transport {
    pub(super) source: Source,
    pub(super) authenticator: Arc<dyn Authenticator>,
    pub(super) http: http::Config,
    pub(super) config: HttpConfig,
    pub(super) config_schema: Option<Map<String, Value>>,
    #[cfg(feature = "endpoints")]
    pub(super) endpoints: Vec<crate::endpoints::CustomEndpoint>,
    pub(super) permissions: Option<Permissions>,
    pub(super) warnings: Vec<String>,
}

impl Transport {
    #[cfg_attr(not(feature = "endpoints"), expect(unused_mut, reason = "endpoints are taken out"))]
    pub(super) fn build(mut self) -> Result<McpServerHandle, CreateError> {
        #[cfg(feature = "endpoints")]
        let endpoints = self.custom_endpoints()?;
        let Self { source, authenticator, mut http, config, config_schema, permissions, warnings, .. } = self;
        #[cfg(feature = "endpoints")]
        {
            http.endpoints = endpoints;
            // What is reserved is told now.
            http.check((std::net::Ipv4Addr::LOCALHOST, 0).into(), &*authenticator)
                .map_err(super::HttpConfigError::Http)?;
        }
        http.routes = routes(config.base(), config_schema, http.health, http.routes);
        let live = match &source {
            Source::Shared(toolsets) => Live::new(toolsets.clone(), authenticator, http),
            Source::Each(bundles) => Live::of_many(bundles.clone(), authenticator, http),
        };
        Ok(McpServerHandle {
            live,
            source,
            permissions,
            address: (config.host, config.port),
            warnings,
            run: tokio::sync::Mutex::default(),
            local: Mutex::default(),
        })
    }
}

#[cfg(feature = "endpoints")]
impl Transport {
    /// Those of the options, or those that the HTTP configuration has.
    fn custom_endpoints(&mut self) -> Result<CustomEndpoints, CreateError> {
        let base = self.config.base();
        let endpoints = std::mem::take(&mut self.endpoints).into_iter().map(|endpoint| endpoint.under(base));
        let endpoints: Vec<_> = endpoints.collect();
        let reserved = ["/tools", "/healthz", "/.well-known/mcp-config"].map(|path| format!("{base}{path}"));
        let endpoints = match &self.source {
            _ if endpoints.is_empty() => self.http.endpoints.clone(),
            Source::Shared(toolsets) => CustomEndpoints::with_toolsets(endpoints, toolsets.clone())?,
            Source::Each(_) => CustomEndpoints::new(endpoints)?,
        };
        Ok(endpoints.beside(reserved.iter().map(String::as_str))?)
    }
}

impl McpServerHandle {
    /// What every client talks to. What it serves may be replaced while it runs.
    #[must_use]
    pub fn server(&self) -> &Live {
        &self.live
    }

    /// The toolsets of all callers, where they are the same ones.
    #[must_use]
    pub fn toolsets(&self) -> Option<&Arc<Toolsets>> {
        match &self.source {
            Source::Shared(toolsets) => Some(toolsets),
            Source::Each(_) => None,
        }
    }

    /// Loads what is on from the start. [`start`](Self::start) does it before it listens: a toolset that can't be had then
    /// would be missed later.
    pub async fn ensure_ready(&self) -> Result<(), StartError> {
        match &self.source {
            Source::Shared(toolsets) => Ok(toolsets.ready().await?),
            // Each is made ready before it answers.
            Source::Each(_) => Ok(()),
        }
    }

    /// Gets ready, binds, and serves in the background. Where it serves already, that is where.
    pub async fn start(&self) -> Result<SocketAddr, StartError> {
        let mut run = self.run.lock().await;
        if let Some(run) = run.as_ref().filter(|run| !run.serving.is_finished()) {
            return Ok(run.address);
        }
        self.ensure_ready().await?;
        let (host, port) = &self.address;
        let failed = |source| StartError::Listen { address: format!("{host}:{port}"), source };
        let listener = TcpListener::bind((host.as_str(), *port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        self.live.serve_at(address)?;
        let endpoint = Endpoint::new(self.live.clone())?;
        let stop = CancellationToken::new();
        let serving = tokio::spawn(http::run(endpoint, listener, stop.clone().cancelled_owned()));
        *run = Some(Run { serving, address, _end: stop.clone().drop_guard(), stop });
        *self.local() = Some(address);
        tracing::info!(%address, "serving");
        Ok(address)
    }

    /// Stops listening, ends sessions and streams, lets running calls end within the deadline, and returns then. Forgets what
    /// was known of callers, however that went. Nothing where it does not run.
    pub async fn close(&self) -> Result<(), StartError> {
        let _forgotten = Forgetting(self);
        let mut run = self.run.lock().await;
        let Some(Run { serving, stop, _end, .. }) = run.take() else { return Ok(()) };
        *self.local() = None;
        stop.cancel();
        serving.await.map(drop).map_err(StartError::Ended)
    }

    /// Where it listens, while it does.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        *self.local()
    }

    /// What was left out of the configuration, and why.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Of callers' own servers, where they have any.
    #[must_use]
    pub fn bundles(&self) -> Option<InstanceStats> {
        match &self.source {
            Source::Shared(_) => None,
            Source::Each(bundles) => Some(bundles.instances.stats()),
        }
    }

    /// After somebody's permissions changed: from the next request on they are asked for anew.
    pub fn invalidate(&self, principal: &Principal) {
        if let Some(permissions) = &self.permissions {
            permissions.invalidate(principal.tenant.as_deref(), &principal.id);
        }
        if let Source::Each(bundles) = &self.source {
            bundles.instances.invalidate(principal);
        }
    }

    fn local(&self) -> std::sync::MutexGuard<'_, Option<SocketAddr>> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for McpServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpServerHandle")
            .field("address", &self.address)
            .field("local", &self.local_addr())
            .finish_non_exhaustive()
    }
}

/// S3-3: even if the transport does not stop.
struct Forgetting<'a>(&'a McpServerHandle);

impl Drop for Forgetting<'_> {
    fn drop(&mut self) {
        if let Some(permissions) = &self.0.permissions {
            permissions.invalidate_all();
        }
        if let Source::Each(bundles) = &self.0.source {
            bundles.instances.invalidate_all();
        }
    }
}
