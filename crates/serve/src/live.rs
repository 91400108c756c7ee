//! What is served now, and may be something else a moment later: the server, who may call it and how often.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use rmcp::model::MetaObject;

use crate::{
    Authentication, Authenticator, Challenge, Error, Principal, Server,
    http::{Config, ConfigError},
    input::{Rounds, Waiting},
    limits::{Gate, Limits, Permit},
    wire::Replies,
};

/// Replaced as a whole, between two requests: a call ends with the server that it began with, and the old server goes with
/// its last call. Sessions, listen streams and connections stay.
#[derive(Clone)]
pub struct Live(Arc<Inner>);

struct Inner {
    serving: ArcSwap<Serving>,
    config: Config,
    /// What was asked before a server was replaced may be answered to the next.
    rounds: Arc<Rounds>,
    waiting: Arc<Waiting>,
    /// Where it is served over HTTP. Held while something is replaced, so that two don't meet.
    addresses: Mutex<Vec<SocketAddr>>,
}

/// One generation.
pub(crate) struct Serving {
    pub(crate) server: Arc<dyn Server>,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) replies: Replies,
    /// Says who made a result, in the SDK's terms.
    pub(crate) meta: MetaObject,
    /// All callers see the same.
    pub(crate) public: bool,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("server", self.0.serving.load().server.implementation()).finish_non_exhaustive()
    }
}

impl Live {
    /// For [`stdio`](crate::stdio), where one caller is known from the start. Over HTTP it answers nobody.
    #[must_use]
    pub fn of_one_caller(server: Arc<dyn Server>, limits: &Limits) -> Self {
        let config = Config { limits: limits.clone(), ..Config::default() };
        Self::new(server, Arc::new(Nobody), config)
    }

    #[must_use]
    pub fn new(server: Arc<dyn Server>, authenticator: Arc<dyn Authenticator>, config: Config) -> Self {
        let gate = Arc::new(Gate::new(&config.limits));
        let serving = Serving::new(server, authenticator, gate, &config);
        Self(Arc::new(Inner {
            serving: ArcSwap::from_pointee(serving),
            rounds: Arc::new(Rounds::new(&config.state_key)),
            waiting: Arc::default(),
            config,
            addresses: Mutex::default(),
        }))
    }

    /// From the next request on. Limits that stay the same go on counting. What may not be served where it is served now
    /// (without authentication beyond loopback) changes nothing.
    pub fn replace(
        &self,
        server: Arc<dyn Server>,
        authenticator: Arc<dyn Authenticator>,
        limits: &Limits,
    ) -> Result<(), ConfigError> {
        let addresses = self.0.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        for address in &*addresses {
            self.0.config.check(*address, &*authenticator)?;
        }
        let gate = self.serving().gate.with_limits(limits);
        self.0.serving.store(Arc::new(Serving::new(server, authenticator, gate, &self.0.config)));
        drop(addresses);
        Ok(())
    }

    /// The same for a server whose callers stay who they are.
    pub fn replace_server(&self, server: Arc<dyn Server>, limits: &Limits) {
        let addresses = self.0.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let serving = self.serving();
        let gate = serving.gate.with_limits(limits);
        let serving = Serving::new(server, serving.authenticator.clone(), gate, &self.0.config);
        self.0.serving.store(Arc::new(serving));
        drop(addresses);
    }

    /// From now on it is served there.
    pub(crate) fn serve_at(&self, address: SocketAddr) -> Result<(), ConfigError> {
        let mut addresses = self.0.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.config.check(address, &*self.serving().authenticator)?;
        addresses.push(address);
        Ok(())
    }

    pub(crate) fn serving(&self) -> Arc<Serving> {
        self.0.serving.load_full()
    }

    pub(crate) fn rounds(&self) -> Arc<Rounds> {
        self.0.rounds.clone()
    }

    pub(crate) fn waiting(&self) -> Arc<Waiting> {
        self.0.waiting.clone()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }
}

/// Where no request comes by HTTP.
#[derive(Debug)]
struct Nobody;

impl Authenticator for Nobody {
    fn authenticate<'a>(&'a self, _: &'a http::request::Parts) -> Authentication<'a> {
        Authentication::Ready(Err(Challenge::malformed("this server has one caller, on standard input", "use stdio")))
    }
}

impl Serving {
    /// A call begins, if neither all callers nor this one ask too much.
    pub(crate) fn enter(&self, principal: &Principal) -> Result<Permit, Error> {
        self.gate.enter_with(self.authenticator.gate(principal).as_deref(), principal)
    }

    fn new(server: Arc<dyn Server>, authenticator: Arc<dyn Authenticator>, gate: Arc<Gate>, config: &Config) -> Self {
        let public = authenticator.is_open();
        let info = serde_json::to_value(server.implementation()).expect("names and versions are JSON");
        let mut meta = MetaObject::default();
        meta.0.insert("io.modelcontextprotocol/serverInfo".to_owned(), info);
        let replies = Replies::new(&*server, public, config.list_ttl);
        Self { server, authenticator, gate, replies, meta, public }
    }
}
