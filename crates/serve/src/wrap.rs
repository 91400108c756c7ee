//! The server factory's wrapper: a factory that makes the server of one user, an authenticator, a resource and a transport
//! become one server for many users. A face of the library's pipeline: [`Instances`] behind a [`Live`].
//!
//! A request is authenticated, its user id taken from the credential, the user's token for the resource resolved, the
//! factory called with both, and the request answered by the server it made. By default each request gets another one.

mod config;
mod isolation;
mod tenant;

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rmcp::ServerHandler;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use self::tenant::Tenants;
pub use self::{
    config::{
        ConfigurationError, InstancePool, Logging, Middleware, RateLimit, Transport, WrapConfig, WrapInstanceMode,
    },
    isolation::assert_isolated,
    tenant::Tenant,
};
use crate::{
    Authenticator, BoxFuture, EnvironmentError, EnvironmentPrincipal, FactoryError, InstanceMode, InstanceOptions,
    InstanceStats, Instances, Live, NoAuthentication, Principal, Server, TenantContext,
    http::{self, ServeError},
    middleware::{self, CallLog, ObserveLayer, TimeoutLayer},
    resolver::{EnvironmentTokens, TokenResolver},
    server_of,
    session_context::SessionContexts,
};

type Factory = Arc<dyn Fn(Tenant) -> BoxFuture<'static, Result<Arc<dyn Server>, FactoryError>> + Send + Sync>;

/// What [`wrap_server`] is given. A factory, an authenticator, a resource type and a transport are needed.
///
/// A server that is the same for everybody is no factory, so it can't be wrapped by mistake:
///
/// ```compile_fail
/// # use mcp_serve::wrap::WrapOptions;
/// # struct Standalone;
/// # impl rmcp::ServerHandler for Standalone {}
/// let options = WrapOptions::default().server_factory(Standalone);
/// ```
///
/// Neither can a function that does not ask whose server it makes:
///
/// ```compile_fail
/// # use mcp_serve::wrap::WrapOptions;
/// # struct Standalone;
/// # impl rmcp::ServerHandler for Standalone {}
/// let options = WrapOptions::default().server_factory(async || Ok::<_, std::io::Error>(Standalone));
/// ```
///
/// This one does:
///
/// ```
/// # use mcp_serve::wrap::{Tenant, WrapOptions};
/// # struct Notes(String);
/// # impl rmcp::ServerHandler for Notes {}
/// let options = WrapOptions::default()
///     .server_factory(async |tenant: Tenant| Ok::<_, std::io::Error>(Notes(tenant.user_id().to_owned())));
/// ```
#[derive(Default)]
pub struct WrapOptions {
    factory: Option<Factory>,
    auth_provider: Option<Arc<dyn Authenticator>>,
    token_resolver: Option<Arc<dyn TokenResolver>>,
    stdio_user: Option<EnvironmentPrincipal>,
    layers: Option<middleware::Middleware>,
    #[cfg(feature = "endpoints")]
    endpoints: crate::endpoints::CustomEndpoints,
    session_context: Option<SessionContexts>,
    config: WrapConfig,
}

impl fmt::Debug for WrapOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrapOptions").field("config", &self.config).finish_non_exhaustive()
    }
}

impl WrapOptions {
    /// Makes the [`rmcp::ServerHandler`] of one user. It knows nothing of this library.
    #[must_use]
    pub fn server_factory<F, Made, H, E>(mut self, factory: F) -> Self
    where
        F: Fn(Tenant) -> Made + Send + Sync + 'static,
        Made: Future<Output = Result<H, E>> + Send + 'static,
        H: ServerHandler,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.factory = Some(Arc::new(move |tenant| {
            let made = factory(tenant);
            Box::pin(async move {
                let handler = made.await.map_err(FactoryError::unavailable)?;
                server_of(handler).await.map_err(FactoryError::unavailable)
            })
        }));
        self
    }

    /// Makes the [`Server`] of one user.
    #[must_use]
    pub fn native_factory<F, Made, E>(mut self, factory: F) -> Self
    where
        F: Fn(Tenant) -> Made + Send + Sync + 'static,
        Made: Future<Output = Result<Arc<dyn Server>, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.factory = Some(Arc::new(move |tenant| {
            let made = factory(tenant);
            Box::pin(async move { made.await.map_err(FactoryError::unavailable) })
        }));
        self
    }

    /// Says who calls. On stdio it is not asked: see [`stdio_user`](Self::stdio_user).
    #[must_use]
    pub fn auth_provider(mut self, authenticator: impl Authenticator) -> Self {
        self.auth_provider = Some(Arc::new(authenticator));
        self
    }

    /// Who calls on stdio, where it stands for an authenticator. Default: `stdio-user`.
    #[must_use]
    pub fn stdio_user(mut self, user: EnvironmentPrincipal) -> Self {
        self.stdio_user = Some(user);
        self
    }

    /// Where users' tokens for the resource come from. Without one the factory gets an empty token ("static mode").
    /// Put [`Cached`](crate::resolver::Cached) before one that asks somebody.
    #[must_use]
    pub fn token_resolver(mut self, resolver: impl TokenResolver) -> Self {
        self.token_resolver = Some(Arc::new(resolver));
        self
    }

    /// Around every tool call, instead of the line in the log and the time that the configuration says.
    #[must_use]
    pub fn middleware(mut self, layers: middleware::Middleware) -> Self {
        self.layers = Some(layers);
        self
    }

    /// What of a request, besides its user and the extras, the factory and its tools learn.
    #[must_use]
    pub fn session_context(mut self, contexts: Option<SessionContexts>) -> Self {
        self.session_context = contexts;
        self
    }

    /// Beside MCP, for the same callers. On stdio there are none.
    #[cfg(feature = "endpoints")]
    #[must_use]
    pub fn endpoints(mut self, endpoints: crate::endpoints::CustomEndpoints) -> Self {
        self.endpoints = endpoints;
        self
    }

    #[must_use]
    pub fn resource_type(mut self, name: impl Into<String>) -> Self {
        self.config.resource_type = name.into();
        self
    }

    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        self.config.transport = Some(transport);
        self
    }

    /// Everything that a file can say, at once.
    #[must_use]
    pub fn config(mut self, config: WrapConfig) -> Self {
        self.config = config;
        self
    }

    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut WrapConfig)) -> Self {
        change(&mut self.config);
        self
    }
}

/// Checks everything, and starts nothing.
pub fn wrap_server(options: WrapOptions) -> Result<WrappedServer, ConfigurationError> {
    #[cfg(feature = "endpoints")]
    let endpoints = options.endpoints.clone();
    let WrapOptions { factory, auth_provider, stdio_user, token_resolver, layers, session_context, config, .. } =
        options;
    let factory = factory.ok_or(ConfigurationError::Required { field: "serverFactory" })?;
    let on_stdio = matches!(config.transport, Some(Transport::Stdio));
    let nobody = || Arc::new(NoAuthentication::default()) as Arc<dyn Authenticator>;
    let authenticator = auth_provider.or_else(|| (on_stdio && stdio_user.is_some()).then(nobody));
    let authenticator = authenticator.ok_or(ConfigurationError::Required { field: "authProvider" })?;
    let checked = config.check(&*authenticator)?;
    // S2-44: the one user of stdio has the token of the environment.
    let resolver = match (&checked.transport, token_resolver) {
        (_, Some(resolver)) => Some(resolver),
        (Transport::Stdio, None) => Some(Arc::new(EnvironmentTokens) as Arc<dyn TokenResolver>),
        (_, None) => None,
    };
    let pool = checked.pool;
    let mut http = checked.http;
    http.context = session_context;
    #[cfg(feature = "endpoints")]
    {
        http.endpoints = endpoints;
    }
    let timeout = TimeoutLayer::new(config.request_timeout);
    http.middleware = layers.or_else(|| {
        Some(if config.middleware.logging.enabled {
            middleware::Middleware::new((ObserveLayer::new(CallLog), timeout))
        } else {
            middleware::Middleware::new(timeout)
        })
    });
    let required = !matches!(checked.transport, Transport::Stdio);
    let tokens = tenant::Tokens { resolver, resource: checked.resource.clone(), required };
    let options = InstanceOptions {
        mode: if pool.is_some() { InstanceMode::Cached } else { InstanceMode::PerRequest },
        build_timeout: config.request_timeout,
        extras: config.extras.clone(),
        ..match pool {
            None => InstanceOptions::default(),
            Some(pool) => InstanceOptions {
                max_instances: pool.max_size,
                idle: pool.idle_timeout,
                lifetime: Some(pool.max_lifetime),
                ..InstanceOptions::default()
            },
        }
    };
    let (source, identity) = (tokens.clone(), (config.name.clone(), config.version.clone()));
    let make = move |caller: TenantContext| {
        let (factory, source, (name, version)) = (factory.clone(), source.clone(), identity.clone());
        async move {
            let tenant = Tenant::of(caller, &source, name, version).await?;
            factory(tenant).await
        }
    };
    let instances = Instances::new(make, options);
    let tenants =
        Tenants { instances: instances.clone(), tokens, pooled: pool.is_some(), extras: config.extras.clone() };
    Ok(WrappedServer {
        tenants: Arc::new(tenants),
        instances,
        authenticator,
        stdio_user,
        transport: checked.transport,
        http,
        warnings: checked.warnings,
        running: Mutex::default(),
    })
}

/// One server for many users, running or not.
pub struct WrappedServer {
    tenants: Arc<Tenants>,
    instances: Instances,
    authenticator: Arc<dyn Authenticator>,
    stdio_user: Option<EnvironmentPrincipal>,
    transport: Transport,
    http: http::Config,
    warnings: Vec<String>,
    running: Mutex<Option<Running>>,
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), WrapError>>,
    address: Option<SocketAddr>,
}

impl fmt::Debug for WrappedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappedServer").field("transport", &self.transport).finish_non_exhaustive()
    }
}

/// What can go wrong with a [`WrappedServer`].
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    #[error("Server is already running")]
    AlreadyRunning,
    #[error("`{address}` can't be listened on")]
    Bind {
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the server ended")]
    Serve(#[from] ServeError),
    #[error("the server on standard input and output ended")]
    Stdio(#[from] crate::stdio::StdioError),
    #[error("who calls on standard input can't be told")]
    User(#[from] EnvironmentError),
    #[error("the server of standard input can't be made")]
    Factory(#[from] FactoryError),
    #[error("the server ended unexpectedly")]
    Ended(#[source] tokio::task::JoinError),
}

impl WrappedServer {
    /// Binds, and serves in the background. On stdio there is no address.
    pub async fn start(&self) -> Result<Option<SocketAddr>, WrapError> {
        if self.running().is_some() {
            return Err(WrapError::AlreadyRunning);
        }
        let stop = CancellationToken::new();
        let shutdown = stop.clone().cancelled_owned();
        let (task, address) = match &self.transport {
            Transport::Stdio => (tokio::spawn(self.stdio(shutdown)), None),
            Transport::Http { host, port, .. } | Transport::Sse { host, port, .. } => {
                let listener = TcpListener::bind((host.as_str(), *port)).await;
                let bind = |source| WrapError::Bind { address: format!("{host}:{port}"), source };
                let listener = listener.map_err(bind)?;
                let address = listener.local_addr().map_err(bind)?;
                let live = Live::of_many(self.tenants.clone(), self.authenticator.clone(), self.http.clone());
                let task = async move { Ok(http::serve_live(live, listener, shutdown).await.map(drop)?) };
                (tokio::spawn(task), Some(address))
            }
        };
        let mut running = self.running();
        if running.is_some() {
            // Two starts at once.
            stop.cancel();
            return Err(WrapError::AlreadyRunning);
        }
        *running = Some(Running { stop, task, address });
        Ok(address)
    }

    fn stdio(
        &self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = Result<(), WrapError>> + Send + 'static {
        let (tenants, http) = (self.tenants.clone(), self.http.clone());
        let (authenticator, user) = (self.authenticator.clone(), self.stdio_user.clone());
        async move {
            let principal = match user {
                Some(user) => user.read()?,
                None => Principal::trusted("stdio-user"),
            };
            let context = http.context.as_ref().map(|contexts| contexts.base().clone()).unwrap_or_default();
            let server = tenants.server_of(TenantContext::new(principal.clone()).with_context(context)).await?;
            let live = Live::new(server, authenticator, http);
            Ok(crate::stdio::serve_live(live, principal, shutdown).await?)
        }
    }

    /// Stops listening, lets running calls end within the deadline, and returns then. Nothing where it does not run.
    pub async fn stop(&self) -> Result<(), WrapError> {
        let Some(running) = self.running().take() else { return Ok(()) };
        running.stop.cancel();
        let ended = running.task.await.map_err(WrapError::Ended)?;
        self.instances.invalidate_all();
        ended
    }

    /// Until it ends by itself: standard input did, or something failed.
    pub async fn wait(&self) -> Result<(), WrapError> {
        let Some(running) = self.running().take() else { return Ok(()) };
        running.task.await.map_err(WrapError::Ended)?
    }

    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.running().as_ref()?.address
    }

    /// What was taken though it is old.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    #[must_use]
    pub fn stats(&self) -> InstanceStats {
        self.instances.stats()
    }

    /// After somebody's rights or token changed: the next request gets a new server.
    pub fn invalidate(&self, principal: &Principal) {
        self.instances.invalidate(principal);
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So that it is not left running by who forgets it.
impl Drop for WrappedServer {
    fn drop(&mut self) {
        if let Some(running) = self.running().take() {
            running.stop.cancel();
        }
    }
}

/// Longest user id, in bytes (S2-48).
const LONGEST_USER: usize = 255;

/// S2-2, S2-48: refused, never changed. Two ids that look alike stay two.
fn check_user(id: &str) -> Result<(), FactoryError> {
    if id.trim().is_empty() {
        return Err(FactoryError::refused("userId is required"));
    }
    if id.len() > LONGEST_USER || id.chars().any(char::is_control) {
        return Err(FactoryError::refused("userId must have at most 255 bytes and no control characters"));
    }
    Ok(())
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
