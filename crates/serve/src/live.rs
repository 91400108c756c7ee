//! What is served now, and may be something else a moment later: the server, who may call it and how often.

use std::{
    fmt,
    net::SocketAddr,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use tokio::sync::broadcast;

use crate::{
    Authentication, Authenticator, Challenge, Error, FactoryError, Finding, Principal, Renewal, Served, Server,
    Servers, TenantContext, TokenId, Whose,
    departures::{self, Departures, Event, Since},
    http::{Bound, Config, ConfigError, Ending},
    input::{Rounds, Waiting},
    limits::{Gate, Limits, Permit},
    middleware::Middleware,
    tokens::{TokenChange, TokenObserver},
    wire::Hints,
};

/// Replaced as a whole, between two requests: a call ends with the server that it began with, and the old server goes with
/// its last call. Sessions and connections stay, and streams whose credential lets in the same caller still.
#[derive(Clone)]
pub struct Live(Arc<Inner>);

pub(crate) struct Inner {
    front: ArcSwap<Front>,
    config: Config,
    /// What was asked before a server was replaced may be answered to the next.
    rounds: Arc<Rounds>,
    waiting: Arc<Waiting>,
    departures: Arc<departures::Chain>,
    sessions: Mutex<Vec<Weak<Bound>>>,
    /// All places are theirs.
    one_caller: bool,
    /// Where it is served over HTTP. Held while the front is replaced, so that two don't meet.
    addresses: Mutex<Vec<SocketAddr>>,
}

/// One generation of what all callers have in common.
#[derive(Clone)]
pub(crate) struct Front {
    source: Source,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) gate: Arc<Gate>,
    /// All callers see the same.
    pub(crate) public: bool,
    pub(crate) hints: Hints,
    /// When it began. Who is sent away is told to those who came before, and meets those who come after as they are
    /// authenticated.
    pub(crate) since: Since,
    pub(crate) middleware: Option<Middleware>,
}

#[derive(Clone)]
enum Source {
    One(Arc<Served>),
    Many(Arc<dyn Servers>),
}

/// What one request is served with.
#[derive(Clone)]
pub(crate) struct Serving {
    front: Arc<Front>,
    /// Where callers have servers of their own.
    own: Option<(Arc<Served>, TenantContext)>,
}

impl Deref for Serving {
    type Target = Served;

    fn deref(&self) -> &Served {
        match (&self.own, &self.front.source) {
            (Some((served, _)), _) => served,
            (None, Source::One(served)) => served,
            (None, Source::Many(_)) => unreachable!("where there are many servers, each request has its own"),
        }
    }
}

impl Serving {
    pub(crate) fn front(&self) -> &Front {
        &self.front
    }

    /// Who it was found for.
    pub(crate) fn caller(&self, principal: &Arc<Principal>) -> TenantContext {
        self.own.as_ref().map_or_else(|| TenantContext::new(principal.clone()), |(_, caller)| caller.clone())
    }

    /// When its request came.
    pub(crate) fn since(&self) -> &Since {
        &self.front.since
    }

    pub(crate) fn own(&self) -> Option<&(Arc<Served>, TenantContext)> {
        self.own.as_ref()
    }

    pub(crate) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// A list is asked for, if neither this caller nor their token does so too often.
    pub(crate) fn list(&self, principal: &Principal) -> Result<(), Error> {
        if let Some(own) = self.front.authenticator.gate(principal) {
            own.list(principal)?;
        }
        self.front.gate.list(principal)
    }

    /// A call begins, if neither all callers nor this one ask too much.
    pub(crate) fn enter(&self, principal: &Principal) -> Result<Permit, Error> {
        self.front.gate.enter_with(self.front.authenticator.gate(principal).as_deref(), principal)
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let front = self.0.front.load();
        let mut shown = f.debug_struct("Live");
        if let Source::One(served) = &front.source {
            shown.field("server", served.server.implementation());
        }
        shown.finish_non_exhaustive()
    }
}

impl Live {
    /// For [`stdio`](crate::stdio), where one caller is known from the start. Over HTTP it answers nobody.
    #[must_use]
    pub fn of_one_caller(server: Arc<dyn Server>, limits: &Limits) -> Self {
        Self::for_one_caller(server, Config { limits: limits.clone(), ..Config::default() })
    }

    /// The same with layers around its calls.
    #[must_use]
    pub fn for_one_caller(server: Arc<dyn Server>, config: Config) -> Self {
        Self::over(Source::One(Arc::new(Served::new(server))), Arc::new(Nobody), config, true)
    }

    #[must_use]
    pub fn new(server: Arc<dyn Server>, authenticator: Arc<dyn Authenticator>, config: Config) -> Self {
        Self::over(Source::One(Arc::new(Served::new(server))), authenticator, config, false)
    }

    /// Where each caller has a server of its own.
    #[must_use]
    pub fn of_many(servers: Arc<dyn Servers>, authenticator: Arc<dyn Authenticator>, config: Config) -> Self {
        Self::over(Source::Many(servers), authenticator, config, false)
    }

    fn over(source: Source, authenticator: Arc<dyn Authenticator>, config: Config, one_caller: bool) -> Self {
        let gate = Arc::new(Gate::of_all(&config.limits, !one_caller && !authenticator.is_open()));
        let departures: Arc<departures::Chain> = Arc::default();
        let front = Front::new(source, authenticator.clone(), gate, &config, departures.now());
        let live = Self(Arc::new(Inner {
            front: ArcSwap::from_pointee(front),
            rounds: Arc::new(Rounds::new(&config.state_key)),
            waiting: Arc::default(),
            departures,
            sessions: Mutex::default(),
            one_caller,
            config,
            addresses: Mutex::default(),
        }));
        authenticator.report_to(&Departures::of(&live.0));
        live
    }

    /// From the next request on. Limits that stay the same go on counting. What may not be served where it is served now
    /// (without authentication beyond loopback) changes nothing.
    pub fn replace(
        &self,
        server: Arc<dyn Server>,
        authenticator: Arc<dyn Authenticator>,
        limits: &Limits,
    ) -> Result<(), ConfigError> {
        self.replace_source(Source::One(Arc::new(Served::new(server))), authenticator, limits)
    }

    /// The same, with a server for each caller.
    pub fn replace_many(
        &self,
        servers: Arc<dyn Servers>,
        authenticator: Arc<dyn Authenticator>,
        limits: &Limits,
    ) -> Result<(), ConfigError> {
        self.replace_source(Source::Many(servers), authenticator, limits)
    }

    fn replace_source(
        &self,
        source: Source,
        authenticator: Arc<dyn Authenticator>,
        limits: &Limits,
    ) -> Result<(), ConfigError> {
        // Before it lets anybody in, and with no lock held: it has its own.
        authenticator.report_to(&Departures::of(&self.0));
        let addresses = self.0.addresses();
        for address in &*addresses {
            self.0.config.check(*address, &*authenticator)?;
        }
        let told_apart = !self.0.one_caller && !authenticator.is_open();
        let gate = self.front().gate.with_limits_of(limits, told_apart);
        let Inner { config, departures, .. } = &*self.0;
        let since = departures.append(Event::LookAgain);
        self.0.front.store(Arc::new(Front::new(source, authenticator, gate, config, since)));
        drop(addresses);
        departures.wake();
        Ok(())
    }

    /// The same for a server whose callers stay who they are.
    pub fn replace_server(&self, server: Arc<dyn Server>, limits: &Limits) {
        let addresses = self.0.addresses();
        let front = self.front();
        let gate = front.gate.with_limits(limits);
        let source = Source::One(Arc::new(Served::new(server)));
        let front = Front::new(source, front.authenticator.clone(), gate, &self.0.config, front.since.clone());
        self.0.front.store(Arc::new(front));
        drop(addresses);
    }

    /// Sends a caller away: streams end at once, sessions as soon as no call runs in them, and what still runs after `grace`
    /// is cancelled. Whoever is to stay away must not be authenticated any more. Returns how many sessions ended.
    ///
    /// Keys of a [`TokenRegistry`](crate::tokens::TokenRegistry) that are removed, and what is revoked in a
    /// [`Verified`](crate::Verified), are sent away like this by themselves, with [`Config::grace`].
    pub async fn end(&self, whose: Whose, grace: Duration) -> usize {
        let ending = self.0.send_away(&whose, grace);
        let ends = ending.into_iter().map(async |(sessions, ending)| sessions.end(ending, grace).await);
        join_all(ends).await.into_iter().sum()
    }

    #[cfg(test)]
    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }

    pub(crate) fn has_sessions(&self, sessions: &Arc<Bound>) {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(sessions));
    }

    /// From now on it is served there.
    pub(crate) fn serve_at(&self, address: SocketAddr) -> Result<(), ConfigError> {
        let mut addresses = self.0.addresses();
        self.0.config.check(address, &*self.front().authenticator)?;
        addresses.push(address);
        Ok(())
    }

    pub(crate) fn front(&self) -> Arc<Front> {
        self.0.front.load_full()
    }

    /// Asked for each request, before anything is known of it.
    pub(crate) fn reads_peer(&self) -> bool {
        self.0.front.load().authenticator.reads_peer()
    }

    /// What serves this caller now.
    pub(crate) async fn serving(&self, caller: impl FnOnce() -> TenantContext) -> Result<Serving, FactoryError> {
        match self.front().of_all() {
            Ok(serving) => Ok(serving),
            Err((front, servers)) => Front::serve(front, &*servers, caller()).await,
        }
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

impl Inner {
    fn addresses(&self) -> MutexGuard<'_, Vec<SocketAddr>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all that is open, and those who come from now on that they need not look.
    fn tell(&self, event: Event) {
        let addresses = self.addresses();
        let since = self.departures.append(event);
        let front = Front { since, ..(**self.front.load()).clone() };
        self.front.store(Arc::new(front));
        drop(addresses);
        self.departures.wake();
    }

    /// The sessions that are to end; nobody knows them any more. One that opens meanwhile looks by itself.
    fn send_away(&self, whose: &Whose, grace: Duration) -> Vec<(Arc<Bound>, Ending)> {
        self.tell(Event::Gone(whose.clone(), grace));
        let hosts: Vec<_> = {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.retain(|sessions| sessions.strong_count() > 0);
            sessions.iter().filter_map(Weak::upgrade).collect()
        };
        let ending = hosts.into_iter().map(|sessions| {
            let ending = sessions.leave(whose);
            (sessions, ending)
        });
        ending.collect()
    }

    pub(crate) fn departed(&self, whose: Whose) {
        let grace = self.config.grace;
        for (sessions, ending) in self.send_away(&whose, grace) {
            sessions.end_soon(ending, grace);
        }
    }

    pub(crate) fn look_again(&self) {
        self.tell(Event::LookAgain);
    }
}

/// Of the registries that its authenticators look into.
impl TokenObserver for Inner {
    fn changed(&self, change: TokenChange, id: &TokenId) {
        match change {
            TokenChange::Added => {}
            // Of several secrets one may be gone, or good for less long.
            TokenChange::Updated => self.look_again(),
            TokenChange::Removed => self.departed(Whose::Token(id.clone())),
        }
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

impl Front {
    fn new(
        source: Source,
        authenticator: Arc<dyn Authenticator>,
        gate: Arc<Gate>,
        config: &Config,
        since: Since,
    ) -> Self {
        // Nobody else gets what is made for one caller.
        let public = authenticator.is_open() && matches!(source, Source::One(_));
        let hints = Hints::new(public, config.list_ttl);
        Self { source, authenticator, gate, public, hints, since, middleware: config.middleware.clone() }
    }

    pub(crate) fn has_parts(&self) -> bool {
        match &self.source {
            Source::One(served) => served.server.has_parts(),
            Source::Many(servers) => servers.has_parts(),
        }
    }

    pub(crate) fn renewals(&self) -> Option<broadcast::Receiver<Renewal>> {
        match &self.source {
            Source::One(_) => None,
            Source::Many(servers) => servers.renewals(),
        }
    }

    /// The one server, or those that know which.
    pub(crate) fn of_all(self: Arc<Self>) -> Result<Serving, (Arc<Self>, Arc<dyn Servers>)> {
        match &self.source {
            Source::One(_) => Ok(Serving { front: self, own: None }),
            Source::Many(servers) => {
                let servers = servers.clone();
                Err((self, servers))
            }
        }
    }

    pub(crate) async fn serve(
        front: Arc<Self>,
        servers: &dyn Servers,
        mut caller: TenantContext,
    ) -> Result<Serving, FactoryError> {
        caller.names_entry = front.authenticator.names_entry(&caller.principal);
        caller.is_anybody = front.authenticator.is_open();
        let served = match servers.find(caller.clone()) {
            Finding::Ready(served) => served?,
            // It has to be made: not for who may not call now anyway.
            Finding::Pending(served) => {
                let rate = front.gate.has_rate(&caller.principal);
                rate.map_err(|retry_after| FactoryError::TooMany { retry_after })?;
                served.await?
            }
        };
        Ok(Serving { front, own: Some((served, caller)) })
    }
}
