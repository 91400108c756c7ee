//! How a per-bearer server is put together.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use super::{Event, OAuth, PerBearerError, PerBearerServer, events::Events, state::ByToken, state::Shared};
use crate::{
    InstanceOptions, Instances, ServerFactory,
    http::Config,
    tokens::{RegistryOptions, Token, TokenObserver, TokenRegistry},
};

/// All of them may be left as they are.
#[derive(Debug, Clone)]
pub struct Options {
    /// Default 0: one that is free, which [`start`](PerBearerServer::start) reports.
    pub port: u16,
    /// Default `127.0.0.1`. Beyond loopback secrets need 16 characters.
    pub host: String,
    /// Default `/mcp`.
    pub endpoint: String,
    /// Whether events go to the log too. Default no.
    pub logging: bool,
    /// Where clients get tokens, and its documents.
    pub oauth2: Option<OAuth>,
    /// How clients reach this server, if not as it listens: `https://mcp.example.com/mcp`.
    pub public_url: Option<String>,
    /// Whether `toolCalled` has the arguments, up to 4 KiB of them: they are the caller's. Default no.
    pub event_arguments: bool,
    /// For calls of a removed token to end by themselves. Default 5 s.
    pub grace: Duration,
    /// Tokens at once. Default 100,000.
    pub max_tokens: usize,
    /// How many servers are kept, and for how long.
    pub servers: InstanceOptions,
    /// Sessions, bodies, time-outs; its path is [`endpoint`](Self::endpoint).
    pub http: Config,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            host: "127.0.0.1".to_owned(),
            endpoint: "/mcp".to_owned(),
            logging: false,
            oauth2: None,
            public_url: None,
            event_arguments: false,
            grace: Duration::from_secs(5),
            max_tokens: 100_000,
            servers: InstanceOptions::default(),
            http: Config::default(),
        }
    }
}

impl Options {
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port(), ..Self::default() }
    }
}

/// Takes tokens and listeners; [`build`](Self::build) says what is wrong with them.
#[must_use]
pub struct PerBearerBuilder {
    options: Options,
    tokens: Vec<(Token, Arc<dyn ServerFactory>)>,
    registry: Option<TokenRegistry>,
    default: Option<Arc<dyn ServerFactory>>,
    events: Events,
}

/// A server of many tokens, to be built.
pub fn create_per_bearer_mcp_server(options: Options) -> PerBearerBuilder {
    let events = Events::new(options.logging);
    PerBearerBuilder { options, tokens: Vec::new(), registry: None, default: None, events }
}

impl PerBearerBuilder {
    /// The factory is called when a request with this token needs its server.
    pub fn add_token(mut self, token: impl Into<Token>, factory: impl ServerFactory) -> Self {
        self.tokens.push((token.into(), Arc::new(factory)));
        self
    }

    /// Tokens that are kept elsewhere: those of a [`SharedTokens`](crate::tokens::SharedTokens). They are changed there:
    /// what is removed here alone is only unknown here, and back after a restart.
    pub fn with_registry(mut self, registry: TokenRegistry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Makes the servers of tokens that were added without a factory: to a registry or a store. The principal says whose.
    pub fn with_factory(mut self, factory: impl ServerFactory) -> Self {
        self.default = Some(Arc::new(factory));
        self
    }

    /// As [`PerBearerServer::on_event`], from the first event on.
    pub fn on_event(self, listener: impl Fn(&Event) + Send + 'static) -> Self {
        self.events.listen(listener);
        self
    }

    pub fn build(self) -> Result<PerBearerServer, PerBearerError> {
        let Self { options, tokens, registry, default, events } = self;
        let is_loopback =
            options.host == "localhost" || options.host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback());
        let registry = registry.unwrap_or_else(|| {
            // `test` and `dev` do for trying things out, where nobody else can try too.
            let min_secret = if is_loopback { 1 } else { RegistryOptions::GOOD_SECRET };
            TokenRegistry::new(RegistryOptions {
                max_tokens: options.max_tokens,
                min_secret,
                ..RegistryOptions::default()
            })
        });
        let servers = options.servers.clone();
        let shared = Arc::new(Shared::new(options, registry.clone(), default, events));
        let instances = Instances::new(ByToken(Arc::downgrade(&shared)), servers);
        shared.instances.set(instances).expect("set once");
        let observer: Arc<dyn TokenObserver> = shared.clone();
        registry.observe(Arc::downgrade(&observer));
        for token in registry.list() {
            shared.found(&token.token);
        }
        let server = PerBearerServer { shared, run: Arc::default(), adding: Arc::default() };
        server.add_tokens(tokens)?;
        Ok(server)
    }

    /// Builds and starts it.
    pub async fn start(self) -> Result<PerBearerServer, PerBearerError> {
        let server = self.build()?;
        server.start().await?;
        Ok(server)
    }
}

impl std::fmt::Debug for PerBearerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PerBearerBuilder")
            .field("options", &self.options)
            .field("tokens", &self.tokens.len())
            .finish_non_exhaustive()
    }
}
