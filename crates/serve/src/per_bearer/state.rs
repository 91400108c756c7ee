//! What a per-bearer server knows of its tokens and sessions, under one lock, so that what it says of them fits together.

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
};

use super::{
    Event, Options, ServerFailed, ServerInfo, ServerRegistered, ServerRemoved, ServerUpdated, SessionInfo, Timestamp,
    TransportError, events::Events, observed::Observed,
};
use crate::{
    BoxFuture, Changes, FactoryError, Instances, Principal, Server, ServerFactory, TenantContext, TokenId,
    http::{Open, Presence},
    tokens::{TokenChange, TokenObserver, TokenRegistry},
};

pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) registry: TokenRegistry,
    pub(super) instances: OnceLock<Instances>,
    pub(super) events: Events,
    /// Makes the servers of tokens that came without a factory: from a store.
    pub(super) default: Option<Arc<dyn ServerFactory>>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) slots: BTreeMap<String, Slot>,
    /// Of tokens that are being added.
    pub(super) coming: HashMap<TokenId, Arc<dyn ServerFactory>>,
    /// With the streams of clients that have none.
    pub(super) sessions: BTreeMap<Arc<str>, SessionInfo>,
    pub(super) info: Option<ServerInfo>,
}

/// One token.
pub(super) struct Slot {
    factory: Option<Arc<dyn ServerFactory>>,
    generation: u64,
    /// Name of the server that was made last, and its generation.
    pub(super) built: Option<(String, u64)>,
    alive: usize,
}

impl Slot {
    fn new(factory: Option<Arc<dyn ServerFactory>>) -> Self {
        Self { factory, generation: 0, built: None, alive: 0 }
    }
}

impl Shared {
    pub(super) fn new(
        options: Options,
        registry: TokenRegistry,
        default: Option<Arc<dyn ServerFactory>>,
        events: Events,
    ) -> Self {
        Self { options, registry, instances: OnceLock::new(), events, default, state: Mutex::default() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `false` when there is no such token.
    pub(super) fn update(&self, id: &TokenId, factory: Arc<dyn ServerFactory>) -> bool {
        let mut state = self.state();
        let Some(slot) = state.slots.get_mut(id.as_str()) else { return false };
        slot.factory = Some(factory);
        slot.generation += 1;
        self.events.tell(Event::TokenUpdated(id.clone()));
        true
    }

    pub(super) fn server_gone(&self, token: &TokenId) {
        if let Some(slot) = self.state().slots.get_mut(token.as_str()) {
            slot.alive = slot.alive.saturating_sub(1);
        }
    }

    fn added(&self, id: &TokenId) {
        let mut state = self.state();
        let slot = Slot::new(state.coming.remove(id));
        state.slots.insert(id.as_str().to_owned(), slot);
        self.events.tell(Event::TokenAdded(id.clone()));
    }

    /// Of tokens that were there before anybody observed: those that a store had.
    pub(super) fn found(&self, id: &TokenId) {
        if let Entry::Vacant(slot) = self.state().slots.entry(id.as_str().to_owned()) {
            slot.insert(Slot::new(None));
            self.events.tell(Event::TokenAdded(id.clone()));
        }
    }

    fn removed(&self, id: &TokenId) {
        let mut state = self.state();
        let Some(slot) = state.slots.remove(id.as_str()) else { return };
        if let Some((server_name, _)) = slot.built {
            self.events.tell(Event::ServerRemoved(ServerRemoved {
                token: id.clone(),
                server_name,
                removed_at: Timestamp::now(),
                had_active_sessions: state.sessions.values().any(|session| session.token == *id),
            }));
        }
        // What is open of it is ended by `Live`, which is told next.
        self.events.tell(Event::TokenRemoved(id.clone()));
    }

    pub(super) fn end_sessions(&self) {
        let mut state = self.state();
        for (_, session) in std::mem::take(&mut state.sessions) {
            self.events.tell(Event::SessionDestroyed(session));
        }
    }

    /// Tells, and takes it for the server of its token.
    fn made(
        self: &Arc<Self>,
        token: TokenId,
        generation: u64,
        server: Arc<dyn Server>,
    ) -> Result<Arc<dyn Server>, FactoryError> {
        let mut state = self.state();
        let Some(slot) = state.slots.get_mut(token.as_str()) else { return Err(gone()) };
        slot.alive += 1;
        let (name, version) = (server.implementation().name.to_string(), server.implementation().version.to_string());
        let event = match slot.built.take() {
            None => Some(Event::ServerRegistered(ServerRegistered {
                token: token.clone(),
                server_name: name.clone(),
                server_version: version,
                registered_at: Timestamp::now(),
            })),
            Some((old, before)) if before < generation => Some(Event::ServerUpdated(ServerUpdated {
                token: token.clone(),
                old_server_name: old,
                new_server_name: name.clone(),
                updated_at: Timestamp::now(),
            })),
            // The same once more, after it was let go; or one that was overtaken by an update.
            built @ Some(_) => {
                slot.built = built;
                None
            }
        };
        if let Some(event) = event {
            slot.built = Some((name, generation));
            self.events.tell(event);
        }
        drop(state);
        let shared = Arc::downgrade(self);
        Ok(Arc::new(Observed { inner: server, token, seen: false.into(), changes: Changes::new(), shared }))
    }
}

impl State {
    pub(super) fn active_servers(&self) -> usize {
        self.slots.values().filter(|slot| slot.alive > 0).count()
    }
}

fn gone() -> FactoryError {
    FactoryError::refused("this token was removed")
}

/// Makes the server of a caller by the factory of its token.
pub(super) struct ByToken(pub(super) Weak<Shared>);

impl ServerFactory for ByToken {
    fn create(&self, caller: TenantContext) -> BoxFuture<'static, Result<Arc<dyn Server>, FactoryError>> {
        let shared = self.0.upgrade();
        Box::pin(async move {
            let shared = shared.ok_or_else(gone)?;
            let token = caller.principal.token.clone().ok_or_else(gone)?;
            let (factory, generation) = {
                let state = shared.state();
                let slot = state.slots.get(token.as_str()).ok_or_else(gone)?;
                (slot.factory.clone().or_else(|| shared.default.clone()), slot.generation)
            };
            let Some(factory) = factory else {
                return Err(FactoryError::refused("there is no server for this token"));
            };
            let failing = Failing { shared: &shared, token: &token, done: false };
            let made = factory.create(caller).await;
            failing.done(made.as_ref().err());
            shared.made(token.clone(), generation, made?)
        })
    }
}

/// Tells of a factory that failed, or panicked: then nobody says that it is done.
struct Failing<'a> {
    shared: &'a Shared,
    token: &'a TokenId,
    done: bool,
}

impl Failing<'_> {
    fn done(mut self, error: Option<&FactoryError>) {
        self.done = true;
        if let Some(error) = error {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            self.tell(text);
        }
    }

    fn tell(&self, error: String) {
        let (token, failed_at) = (self.token.clone(), Timestamp::now());
        self.shared.events.tell(Event::ServerFailed(ServerFailed { token, error, failed_at }));
    }
}

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        if !self.done && std::thread::panicking() {
            self.tell("the factory panicked".to_owned());
        }
    }
}

impl TokenObserver for Shared {
    fn changed(&self, change: TokenChange, id: &TokenId) {
        match change {
            TokenChange::Added => self.added(id),
            TokenChange::Updated => self.events.tell(Event::TokenUpdated(id.clone())),
            TokenChange::Removed => self.removed(id),
        }
    }
}

impl Presence for Shared {
    fn opened(&self, open: Open, principal: &Principal) {
        let (Open::Session(id) | Open::Listening(id)) = &open;
        let mut state = self.state();
        let slot = principal.token.as_ref().and_then(|token| state.slots.get(token.as_str()).map(|slot| (token, slot)));
        // Removed while it opened.
        let Some((token, slot)) = slot else { return };
        let info = SessionInfo {
            session_id: id.clone(),
            token: token.clone(),
            server_name: slot.built.as_ref().map(|(name, _)| name.clone()).unwrap_or_default(),
            created_at: Timestamp::now(),
        };
        if let Open::Session(_) = open {
            self.events.tell(Event::SessionCreated(info.clone()));
        }
        state.sessions.insert(id.clone(), info);
    }

    fn closed(&self, open: &Open) {
        let (Open::Session(id) | Open::Listening(id)) = open;
        let mut state = self.state();
        if let (Some(session), Open::Session(_)) = (state.sessions.remove(id), open) {
            self.events.tell(Event::SessionDestroyed(session));
        }
    }

    fn failed(&self, session_id: Option<&str>, error: String) {
        self.events.tell(Event::TransportError(TransportError { session_id: session_id.map(Into::into), error }));
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("tokens", &self.registry).finish_non_exhaustive()
    }
}
