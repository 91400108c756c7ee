//! One endpoint, another server for each bearer token. Tokens come, change and go while it runs.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use mcp_serve::{per_bearer::{Options, create_per_bearer_mcp_server}, Server, FactoryError, TenantContext};
//! # async fn math(_: TenantContext) -> Result<Arc<dyn Server>, FactoryError> { unimplemented!() }
//! # async fn time(_: TenantContext) -> Result<Arc<dyn Server>, FactoryError> { unimplemented!() }
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let server = create_per_bearer_mcp_server(Options::default())
//!     .add_token("math-token", math)
//!     .add_token("time-token", time)
//!     .build()?;
//! let info = server.start().await?;
//! println!("{}: {:?}", info.url, server.get_stats());
//! # Ok(()) }
//! ```

mod builder;
mod events;
mod info;
mod oauth;
mod observed;
mod state;

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::Mutex, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::state::Shared;
use crate::{
    BearerTokens, Live, Principal, ServerFactory, TokenId,
    http::{ConfigError, Endpoint, ServeError, Summary},
    tokens::{Secret, StoreError, Token, TokenError, TokenInfo, TokenRegistry},
};

pub use builder::{Options, PerBearerBuilder, create_per_bearer_mcp_server};
pub use events::{
    ClientSeen, Event, EventStream, ServerFailed, ServerRegistered, ServerRemoved, ServerUpdated, ToolCalled,
    TransportError,
};
pub use info::{BearerInfo, ServerInfo, SessionInfo, Stats, Timestamp};
pub use oauth::OAuth;

/// A server for each token, at one endpoint. Clones are the same server; it stops with the last of them.
#[derive(Clone)]
pub struct PerBearerServer {
    shared: Arc<Shared>,
    run: Arc<Mutex<Option<Run>>>,
    /// One token is added at a time, so that each meets its own factory.
    adding: Arc<std::sync::Mutex<()>>,
}

struct Run {
    serving: JoinHandle<Result<Summary, ServeError>>,
    stop: CancellationToken,
    _end: DropGuard,
}

/// What can go wrong with a [`PerBearerServer`].
#[derive(Debug, thiserror::Error)]
pub enum PerBearerError {
    #[error("Server is already running")]
    AlreadyRunning,
    #[error("Server is not running")]
    NotRunning,
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("`{address}` can't be listened on")]
    Listen { address: String, source: std::io::Error },
    #[error("the option `oauth2` can't be served: {why}")]
    OAuth { why: String },
}

impl PerBearerServer {
    pub fn builder(options: Options) -> PerBearerBuilder {
        create_per_bearer_mcp_server(options)
    }

    /// From the next request on. The server is made by the first of them.
    pub fn add_token(&self, token: impl Into<Token>, factory: impl ServerFactory) -> Result<TokenId, PerBearerError> {
        let tokens: Vec<(Token, Arc<dyn ServerFactory>)> = vec![(token.into(), Arc::new(factory))];
        let mut ids = self.add_tokens(tokens)?;
        Ok(ids.swap_remove(0))
    }

    /// All of them, or none.
    pub fn add_tokens(
        &self,
        tokens: impl IntoIterator<Item = (Token, Arc<dyn ServerFactory>)>,
    ) -> Result<Vec<TokenId>, PerBearerError> {
        let registry = &self.shared.registry;
        let (tokens, factories): (Vec<_>, Vec<_>) = tokens.into_iter().unzip();
        let records = tokens.into_iter().map(|token| registry.prepare(token)).collect::<Result<Vec<_>, _>>()?;
        let ids: Vec<_> = records.iter().map(|record| record.id().clone()).collect();
        let _one = self.adding.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.shared.state().coming = ids.iter().cloned().zip(factories).collect();
        let added = registry.insert(records);
        self.shared.state().coming.clear();
        added?;
        Ok(ids)
    }

    /// By id, or by secret. 401 from the next request on; what runs is cancelled after [`Options::grace`]. `None` when there
    /// is no such token.
    pub fn remove_token(&self, token: &str) -> Option<TokenInfo> {
        let id = self.shared.registry.find(token)?;
        let principal = self.principal(&id);
        let removed = self.shared.registry.remove(id.as_str());
        self.renew(principal.as_deref());
        removed
    }

    /// By id, or by secret. Calls that run end on the server they began with; the next request meets the new one, in the
    /// sessions that are open too. `None` when there is no such token.
    pub fn update_token(&self, token: &str, factory: impl ServerFactory) -> Option<TokenInfo> {
        let id = self.shared.registry.find(token)?;
        if !self.shared.update(&id, Arc::new(factory)) {
            return None;
        }
        self.renew(self.principal(&id).as_deref());
        self.shared.registry.get(id.as_str())
    }

    /// Gives a token another secret; the ones it has are good for `overlap` more.
    pub fn rotate_token(
        &self,
        token: &str,
        secret: impl Into<Secret>,
        overlap: Duration,
    ) -> Result<Option<TokenInfo>, PerBearerError> {
        let Some(id) = self.shared.registry.find(token) else { return Ok(None) };
        Ok(self.shared.registry.rotate(id.as_str(), secret, overlap)?)
    }

    /// Returns how many there were.
    pub fn clear_all_tokens(&self) -> usize {
        let removed = self.shared.registry.clear();
        if let Some(instances) = self.shared.instances.get() {
            instances.invalidate_all();
        }
        removed
    }

    /// By id, or by secret.
    #[must_use]
    pub fn has_token(&self, token: &str) -> bool {
        self.shared.registry.find(token).is_some()
    }

    #[must_use]
    pub fn get_tokens(&self) -> Vec<BearerInfo> {
        let tokens = self.shared.registry.list();
        let state = self.shared.state();
        let name = |id: &TokenId| state.slots.get(id.as_str())?.built.as_ref().map(|(name, _)| name.clone());
        tokens.into_iter().map(|token| BearerInfo { server_name: name(&token.token), token }).collect()
    }

    #[must_use]
    pub fn get_token_count(&self) -> usize {
        self.shared.state().slots.len()
    }

    /// For scopes, expiry and limits of tokens, and whatever else changes them.
    #[must_use]
    pub fn registry(&self) -> &TokenRegistry {
        &self.shared.registry
    }

    /// Binds, and serves in the background.
    pub async fn start(&self) -> Result<ServerInfo, PerBearerError> {
        let mut run = self.run.lock().await;
        if run.as_ref().is_some_and(|run| !run.serving.is_finished()) {
            return Err(PerBearerError::AlreadyRunning);
        }
        let options = &self.shared.options;
        let name = format!("{}:{}", options.host, options.port);
        let failed = |source| PerBearerError::Listen { address: name.clone(), source };
        let listener = TcpListener::bind((options.host.as_str(), options.port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let info = self.info(address);
        let mut config = options.http.clone();
        config.path.clone_from(&options.endpoint);
        config.grace = options.grace;
        let mut tokens = BearerTokens::new(self.shared.registry.clone());
        if let Some(oauth) = &options.oauth2 {
            let url = options.public_url.as_deref().unwrap_or(&info.url);
            tokens = tokens.of_resource(oauth.resource(url)?);
            config.routes = oauth.routes(config.routes);
        }
        let servers = self.shared.instances.get().expect("made with the server").clone();
        let live = Live::of_many(Arc::new(servers), Arc::new(tokens), config);
        live.serve_at(address)?;
        let endpoint = Endpoint::watched(live, Some(self.shared.clone()))?;
        let stop = CancellationToken::new();
        let serving = crate::http::run(endpoint, listener, stop.clone().cancelled_owned());
        let serving = tokio::spawn(async move { Ok(serving.await) });
        *run = Some(Run { serving, _end: stop.clone().drop_guard(), stop });
        let mut state = self.shared.state();
        state.info = Some(info.clone());
        self.shared.events.tell(Event::Started(info.clone()));
        drop(state);
        tracing::info!(url = info.url, "serving");
        Ok(info)
    }

    fn info(&self, address: SocketAddr) -> ServerInfo {
        let options = &self.shared.options;
        let host = if options.host.contains(':') { format!("[{}]", options.host) } else { options.host.clone() };
        ServerInfo {
            url: format!("http://{host}:{}{}", address.port(), options.endpoint),
            port: address.port(),
            host: options.host.clone(),
            endpoint: options.endpoint.clone(),
            started_at: Timestamp::now(),
        }
    }

    /// Ends sessions and streams, waits for the calls that run, and lets all servers go.
    pub async fn stop(&self) -> Result<(), PerBearerError> {
        let mut run = self.run.lock().await;
        let Some(Run { serving, stop, .. }) = run.take() else { return Err(PerBearerError::NotRunning) };
        stop.cancel();
        if let Err(panicked) = serving.await {
            tracing::error!(error = %panicked, "serving ended badly");
        }
        self.shared.end_sessions();
        if let Some(instances) = self.shared.instances.get() {
            instances.invalidate_all();
        }
        self.shared.state().info = None;
        self.shared.events.tell(Event::Stopped);
        Ok(())
    }

    #[must_use]
    pub fn is_running(&self) -> bool {
        self.shared.state().info.is_some()
    }

    /// `None` when it does not run.
    #[must_use]
    pub fn get_server_info(&self) -> Option<ServerInfo> {
        self.shared.state().info.clone()
    }

    #[must_use]
    pub fn get_active_sessions(&self) -> Vec<SessionInfo> {
        self.shared.state().sessions.values().cloned().collect()
    }

    /// Everything at one moment.
    #[must_use]
    pub fn get_stats(&self) -> Stats {
        let state = self.shared.state();
        Stats {
            registered_tokens: state.slots.len(),
            active_servers: state.active_servers(),
            active_sessions: state.sessions.len(),
            tokens: state.slots.keys().map(|id| TokenId(id.clone())).collect(),
            sessions: state.sessions.values().cloned().collect(),
        }
    }

    /// From now on.
    #[must_use]
    pub fn events(&self) -> EventStream {
        self.shared.events.subscribe()
    }

    /// Calls `listener` with each event, in their order, on a thread of its own: it may take its time and call back.
    pub fn on_event(&self, listener: impl Fn(&Event) + Send + 'static) {
        self.shared.events.listen(listener);
    }

    /// Events that listeners were too slow for.
    #[must_use]
    pub fn dropped_events(&self) -> u64 {
        self.shared.events.dropped()
    }

    fn principal(&self, id: &TokenId) -> Option<Arc<Principal>> {
        self.shared.registry.record(id.as_str()).map(|record| record.principal)
    }

    fn renew(&self, principal: Option<&Principal>) {
        if let (Some(instances), Some(principal)) = (self.shared.instances.get(), principal) {
            instances.invalidate(principal);
        }
    }
}

impl fmt::Debug for PerBearerServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerBearerServer").field("stats", &self.get_stats()).finish_non_exhaustive()
    }
}
