//! The servers that a factory made, one for each caller: made for each request, or kept for the next.
//!
//! A kept server is reached by its [`ServerKey`] only. Two requests that miss it wait for one build; a build that fails is
//! told to those who waited and forgotten, but for a back-off. A server that a call runs on is not taken away: it is over
//! its bounds for so long, and the calls of a renewed server end on the one they began with.
//!
//! Clients choose a part of the key where extras or a session context are read. What they choose costs them: each principal
//! has a share of what is kept and what is made at once, and a rate at which servers are made for it.

use std::{
    fmt,
    hash::{Hash, Hasher},
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use quick_cache::{DefaultHashBuilder, Lifecycle, UnitWeighter, sync::Cache};
use tokio::{
    sync::{Semaphore, broadcast},
    time::Instant,
};

use crate::{
    Error, FactoryError, Finding, Gate, Init, Limits, Principal, Rate, Renewal, Served, ServerFactory, Servers,
    TenantContext, TokenId,
    http::{Share, Shares},
    init::{BackOff, InitError},
    places::Places,
};

/// Clones share the servers.
#[derive(Clone)]
pub struct Instances(Arc<Inner>);

/// What may be set about [`Instances`].
#[derive(Debug, Clone)]
pub struct InstanceOptions {
    /// Default: [`InstanceMode::Cached`].
    pub mode: InstanceMode,
    /// Servers that are kept. The ones that were used least go first, but none that a call runs on. Default 1,000.
    pub max_instances: usize,
    /// Of these, the ones of one principal (of each of its tokens in a registry), where callers are told apart: for one more,
    /// the one that it used least goes. Where all of them are in use, one more is refused. Default 100.
    pub max_instances_per_principal: usize,
    /// After which a server that nobody asks is let go. Default 30 min.
    pub idle: Duration,
    /// After which a server is made anew. Default: never.
    pub lifetime: Option<Duration>,
    /// For a server to be made. Default 30 s.
    pub build_timeout: Duration,
    /// Servers that are made at once; more wait. Default 64.
    pub max_building: usize,
    /// Of these, the ones of one principal, where callers are told apart; more wait. Default 8.
    pub max_building_per_principal: usize,
    /// How often a kept server is made for one principal, where callers are told apart; more are refused with 429. Default
    /// 120 a minute.
    pub build_rate: Option<Rate>,
    /// Between failed attempts to make the same server.
    pub back_off: BackOff,
    /// What of a request, besides its principal, says which server it is; see [`Extras`](crate::Extras). Default: nothing.
    pub extras: Vec<String>,
}

impl Default for InstanceOptions {
    fn default() -> Self {
        Self {
            mode: InstanceMode::Cached,
            max_instances: 1_000,
            max_instances_per_principal: 100,
            idle: Duration::from_secs(30 * 60),
            lifetime: None,
            build_timeout: Duration::from_secs(30),
            max_building: 64,
            max_building_per_principal: 8,
            build_rate: Some(Rate { calls: 120, per: Duration::from_secs(60) }),
            back_off: BackOff::default(),
            extras: Vec::new(),
        }
    }
}

/// How long a caller's server is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceMode {
    /// Another server for each request.
    PerRequest,
    /// One for each [`ServerKey`], while it is used.
    Cached,
}

/// What a caller must have in common with another request to get the same server: who it is (principal, tenant and
/// entry of a registry), what it may do (scopes, groups, claims but for the times of its token), the extras and the session context.
#[derive(Debug, Clone)]
pub struct ServerKey(TenantContext);

/// Of all of [`Instances`], since they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct InstanceStats {
    pub size: usize,
    pub max: usize,
    pub hits: u64,
    pub misses: u64,
    pub builds: u64,
    pub failed_builds: u64,
    /// Let go for others.
    pub evictions: u64,
    /// Let go because they were idle or too old.
    pub expirations: u64,
}

struct Inner {
    factory: Arc<dyn ServerFactory>,
    options: InstanceOptions,
    building: Arc<Semaphore>,
    building_of_one: Places<Owner>,
    kept: Kept,
    shares: Arc<Shares<Owner>>,
    rate: Gate,
    count: Arc<Count>,
    renewals: broadcast::Sender<Renewal>,
    start: Instant,
    reaped: AtomicBool,
}

/// Who has a share of its own: tenant, id, and the entry of a registry, which is nothing that a client chooses.
type Owner = (Option<String>, String, Option<TokenId>);

fn owner(caller: &TenantContext) -> Option<Owner> {
    let Principal { id, tenant, .. } = &*caller.principal;
    (!caller.is_anybody).then(|| (tenant.clone(), id.clone(), caller.entry().cloned()))
}

type Kept = Cache<ServerKey, Arc<Slot>, UnitWeighter, DefaultHashBuilder, Pinning>;

#[derive(Debug, Default)]
struct Count {
    hits: AtomicU64,
    misses: AtomicU64,
    builds: AtomicU64,
    failed_builds: AtomicU64,
    evictions: AtomicU64,
    expirations: AtomicU64,
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A server, or the attempt to make it.
struct Slot {
    served: Init<Arc<Served>, FactoryError>,
    /// Milliseconds since the start.
    made: OnceLock<u64>,
    used: AtomicU64,
    _share: Option<Share<Owner>>,
}

impl Slot {
    /// Somebody waits for it, or a call runs on it.
    fn is_in_use(&self) -> bool {
        match self.served.get() {
            Some(served) => Arc::strong_count(served) > 1,
            None => self.served.is_running(),
        }
    }
}

/// Tells the cache what must stay, and hears of what goes.
#[derive(Clone)]
struct Pinning(Arc<Count>);

impl Lifecycle<ServerKey, Arc<Slot>> for Pinning {
    /// Dropped where no lock is held: a server may do what it likes at its end.
    type RequestState = Vec<Arc<Slot>>;

    fn is_pinned(&self, _: &ServerKey, slot: &Arc<Slot>) -> bool {
        slot.is_in_use()
    }

    fn on_evict(&self, gone: &mut Vec<Arc<Slot>>, _: ServerKey, slot: Arc<Slot>) {
        add(&self.0.evictions);
        gone.push(slot);
    }
}

impl Instances {
    /// Renewals that wait for a session or a listener; one that missed some tells of all.
    const RENEWALS: usize = 64;

    #[must_use]
    pub fn new(factory: impl ServerFactory, options: InstanceOptions) -> Self {
        let count = Arc::new(Count::default());
        let max = options.max_instances.max(1);
        let kept = Cache::with(max, max as u64, UnitWeighter, DefaultHashBuilder::default(), Pinning(count.clone()));
        Self(Arc::new(Inner {
            factory: Arc::new(factory),
            building: Arc::new(Semaphore::new(options.max_building.max(1))),
            building_of_one: Places::new(options.max_building_per_principal.max(1)),
            shares: Shares::new(options.max_instances_per_principal.max(1)),
            rate: Gate::new(&Limits { rate: options.build_rate, concurrency: None }),
            options,
            kept,
            count,
            renewals: broadcast::Sender::new(Self::RENEWALS),
            start: Instant::now(),
            reaped: AtomicBool::new(false),
        }))
    }

    /// The servers of this principal are made anew from the next request on. Calls that run end on the ones they have.
    pub fn invalidate(&self, principal: &Principal) {
        let renewal =
            Renewal::Of { id: principal.id.as_str().into(), tenant: principal.tenant.as_deref().map(Into::into) };
        self.0.remove(|key, _| renewal.concerns(&key.0.principal));
        let _ = self.0.renewals.send(renewal);
    }

    /// The same for everybody.
    pub fn invalidate_all(&self) {
        self.0.remove(|_, _| true);
        let _ = self.0.renewals.send(Renewal::All);
    }

    #[must_use]
    pub fn stats(&self) -> InstanceStats {
        let Count { hits, misses, builds, failed_builds, evictions, expirations } = &*self.0.count;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        InstanceStats {
            size: self.0.kept.len(),
            max: self.0.options.max_instances,
            hits: read(hits),
            misses: read(misses),
            builds: read(builds),
            failed_builds: read(failed_builds),
            evictions: read(evictions),
            expirations: read(expirations),
        }
    }
}

impl fmt::Debug for Instances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instances").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Servers for Instances {
    fn find(&self, caller: TenantContext) -> Finding<'_> {
        if self.0.options.mode == InstanceMode::PerRequest {
            return Finding::Pending(Box::pin(self.0.clone().make(caller)));
        }
        let key = ServerKey(caller);
        let now = self.0.now();
        let found = match self.0.kept.get(&key) {
            Some(slot) if !self.0.is_over(&slot, now) => {
                slot.used.store(now, Ordering::Relaxed);
                if let Some(served) = slot.served.get() {
                    add(&self.0.count.hits);
                    return Finding::Ready(Ok(served.clone()));
                }
                Ok(slot)
            }
            Some(over) => {
                self.0.expire(&key, &over);
                self.0.slot(&key)
            }
            None => self.0.slot(&key),
        };
        add(&self.0.count.misses);
        match found {
            Ok(slot) => Finding::Pending(Box::pin(self.0.clone().fill(slot, key))),
            Err(too_many) => Finding::Ready(Err(too_many)),
        }
    }

    fn extras(&self) -> &[String] {
        &self.0.options.extras
    }

    fn renewals(&self) -> Option<broadcast::Receiver<Renewal>> {
        Some(self.0.renewals.subscribe())
    }
}

impl Inner {
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn slot(self: &Arc<Self>, key: &ServerKey) -> Result<Arc<Slot>, FactoryError> {
        self.reap();
        let mut share = self.share(&key.0)?;
        let slot = || {
            let served = Init::new(self.options.back_off);
            Ok::<_, std::convert::Infallible>(Arc::new(Slot {
                served,
                made: OnceLock::new(),
                used: AtomicU64::new(self.now()),
                _share: share.take(),
            }))
        };
        match self.kept.get_or_insert_with(key, slot) {
            Ok(slot) => Ok(slot),
            Err(never) => match never {},
        }
    }

    /// A place among those of this caller, which may cost it another one of its own.
    fn share(&self, caller: &TenantContext) -> Result<Option<Share<Owner>>, FactoryError> {
        let Some(owner) = owner(caller) else { return Ok(None) };
        let mut counted = Principal::clone(&caller.principal);
        if let Some(entry) = caller.entry() {
            // No id holds what stands between the two.
            counted.id = format!("{entry}\0{}", counted.id);
        }
        if let Err(Error::RateLimited { retry_after }) = self.rate.enter(&counted) {
            return Err(FactoryError::TooMany { retry_after });
        }
        if let Some(share) = self.shares.take(owner.clone()) {
            return Ok(Some(share));
        }
        self.evict_of(&owner);
        // What was let go may be held for a moment by whoever looks at it.
        self.shares.take(owner).map(Some).ok_or(FactoryError::TooMany { retry_after: Duration::from_secs(1) })
    }

    /// The one that this caller used least. Looked for among all: it is rare, and as often as its rate allows.
    fn evict_of(&self, (tenant, id, entry): &Owner) {
        let is_own = |key: &ServerKey| {
            let other = &key.0.principal;
            (&other.id, &other.tenant, key.0.entry()) == (id, tenant, entry.as_ref())
        };
        let own = self.kept.iter().filter(|(key, slot)| is_own(key) && !slot.is_in_use());
        let Some((key, slot)) = own.min_by_key(|(_, slot)| slot.used.load(Ordering::Relaxed)) else { return };
        if self.kept.remove_if(&key, |kept| Arc::ptr_eq(kept, &slot)).is_some() {
            add(&self.count.evictions);
        }
    }

    async fn fill(self: Arc<Self>, slot: Arc<Slot>, ServerKey(caller): ServerKey) -> Result<Arc<Served>, FactoryError> {
        let made = {
            let inner = self.clone();
            let filled = slot.clone();
            slot.served.get_or_init(move || async move {
                let served = inner.clone().make(caller).await?;
                let _ = filled.made.set(inner.now());
                Ok(served)
            })
        };
        made.await.map_err(|error| match error {
            InitError::Failed { cause, retry_after } => FactoryError::clone(&cause).retry_after(retry_after),
            InitError::Panicked { retry_after } => FactoryError::Panicked { retry_after },
        })
    }

    async fn make(self: Arc<Self>, caller: TenantContext) -> Result<Arc<Served>, FactoryError> {
        add(&self.count.builds);
        let made = async {
            // Its own first: who has many made is not to stand in the way of others.
            let own = match owner(&caller) {
                Some(owner) => Some(self.building_of_one.enter(owner).await),
                None => None,
            };
            let _place = self.building.acquire().await.expect("the semaphore is never closed");
            let made = AssertUnwindSafe(async { self.factory.create(caller).await.map(Served::new) });
            let panicked = |_panic| Err(FactoryError::Panicked { retry_after: Duration::ZERO });
            let made = made.catch_unwind().await.unwrap_or_else(panicked);
            drop(own);
            made
        };
        let within = self.options.build_timeout;
        let made = tokio::time::timeout(within, made).await;
        let made = made.unwrap_or_else(|_| Err(FactoryError::unavailable(format!("not made within {within:?}"))));
        if made.is_err() {
            add(&self.count.failed_builds);
        }
        made.map(Arc::new)
    }

    /// Idle or too old, and nothing runs on it.
    fn is_over(&self, slot: &Slot, now: u64) -> bool {
        let since = |then: u64| Duration::from_millis(now.saturating_sub(then));
        let idle = since(slot.used.load(Ordering::Relaxed)) >= self.options.idle;
        let too_old =
            || self.options.lifetime.is_some_and(|lifetime| slot.made.get().is_some_and(|at| since(*at) >= lifetime));
        // A server that is too old is not handed out again, even if calls run on it.
        too_old() || (idle && !slot.is_in_use())
    }

    fn expire(&self, key: &ServerKey, over: &Arc<Slot>) {
        if self.kept.remove_if(key, |slot| Arc::ptr_eq(slot, over)).is_some() {
            add(&self.count.expirations);
        }
    }

    /// What goes is dropped where no lock is held.
    fn remove(&self, goes: impl Fn(&ServerKey, &Slot) -> bool) -> usize {
        let gone = Mutex::new(Vec::new());
        self.kept.retain(|key, slot| {
            let goes = goes(key, slot);
            if goes {
                gone.lock().unwrap_or_else(PoisonError::into_inner).push(slot.clone());
            }
            !goes
        });
        gone.into_inner().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Once there is something to let go.
    fn reap(self: &Arc<Self>) {
        if self.reaped.swap(true, Ordering::Relaxed) {
            return;
        }
        let inner = Arc::downgrade(self);
        let shortest = self.options.lifetime.unwrap_or(self.options.idle).min(self.options.idle);
        let every = (shortest / 2).clamp(Duration::from_millis(100), Duration::from_secs(60));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let Some(inner) = inner.upgrade() else { return };
                let now = inner.now();
                let gone = inner.remove(|_, slot| inner.is_over(slot, now));
                inner.count.expirations.fetch_add(gone as u64, Ordering::Relaxed);
            }
        });
    }
}

impl PartialEq for ServerKey {
    fn eq(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.0.principal, &other.0.principal);
        let same = || {
            ours.id == theirs.id
                && ours.tenant == theirs.tenant
                && self.0.entry() == other.0.entry()
                && ours.has_the_rights_of(theirs)
        };
        // Verified tokens are remembered with their principal, so that it mostly is the same one.
        (Arc::ptr_eq(ours, theirs) || same()) && self.0.extras == other.0.extras && self.0.context == other.0.context
    }
}

impl Eq for ServerKey {}

/// Of what tells nearly all callers apart.
impl Hash for ServerKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let TenantContext { principal, extras, context, .. } = &self.0;
        principal.id.hash(state);
        principal.tenant.hash(state);
        self.0.entry().hash(state);
        extras.hash(state);
        context.hash(state);
    }
}

#[cfg(test)]
mod tests;
