//! How much the callers may ask: a rate for each principal and a number of calls at once for all of them, of which nobody
//! has all. Refusing never waits.

mod held;

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use self::held::{Held, Share};
use crate::{Error, Principal};

/// `None` is no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Calls of one principal. Default 600 a minute. Lists have a rate of their own: as many as calls, and 600 a minute at
    /// least.
    pub rate: Option<Rate>,
    /// Calls of all principals at once. Where callers are told apart, one has three quarters of them at most. Default 100.
    pub concurrency: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rate: Some(Rate { calls: 600, per: Duration::from_secs(60) }), concurrency: Some(100) }
    }
}

impl Limits {
    #[must_use]
    pub fn none() -> Self {
        Self { rate: None, concurrency: None }
    }
}

/// `calls` may come at once, then one more each `per / calls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub calls: u32,
    pub per: Duration,
}

impl Rate {
    fn is_below(self, other: Self) -> bool {
        let each = |rate: Self| rate.per.as_secs_f64() / f64::from(rate.calls.max(1));
        each(self) > each(other)
    }
}

/// Counts what runs.
#[derive(Debug)]
pub struct Gate {
    running: Arc<Running>,
    limits: Limits,
    concurrency: usize,
    /// Of the calls that run, how many are whose. `None` where that is all the same.
    held: Option<Arc<Held>>,
    rate: Option<Buckets>,
    lists: Option<Buckets>,
}

/// They cost little, and clients ask for all four when they begin; but a long list is a long answer to a short question.
const LISTS: Rate = Rate { calls: 600, per: Duration::from_secs(60) };

/// One running call; ends when dropped.
#[derive(Debug)]
pub struct Permit {
    _place: Place,
    /// Of the caller's own gate.
    _own: Option<Place>,
    _share: Option<Share>,
}

/// One call, counted by one gate.
#[derive(Debug)]
struct Place(Arc<Running>);

#[derive(Debug, Default)]
struct Running {
    calls: AtomicUsize,
    /// Told when no call runs any more, once somebody waits for it.
    waited_for: AtomicBool,
    idle: Notify,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.calls.fetch_sub(1, Ordering::SeqCst) == 1 && self.0.waited_for.load(Ordering::SeqCst) {
            self.0.idle.notify_waiters();
        }
    }
}

/// A call that waits for a person, and takes no place of the ones that run.
#[derive(Debug)]
pub(crate) struct Pause(Arc<Running>);

impl Drop for Pause {
    fn drop(&mut self) {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
    }
}

impl Gate {
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self::counting(Arc::default(), limits, None)
    }

    /// Of all callers. Where they are told apart, none of them takes all places.
    pub(crate) fn of_all(limits: &Limits, told_apart: bool) -> Self {
        Self::counting(Arc::default(), limits, told_apart.then(Arc::default))
    }

    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    fn counting(running: Arc<Running>, limits: &Limits, held: Option<Arc<Held>>) -> Self {
        Self {
            running,
            held,
            limits: limits.clone(),
            concurrency: limits.concurrency.unwrap_or(usize::MAX),
            rate: limits.rate.map(Buckets::new),
            lists: limits.rate.map(|rate| Buckets::new(if rate.is_below(LISTS) { LISTS } else { rate })),
        }
    }

    /// The same gate if the limits are the same; else one that counts the calls that run, and everybody's rate anew.
    pub(crate) fn with_limits(self: &Arc<Self>, limits: &Limits) -> Arc<Self> {
        self.with_limits_of(limits, self.held.is_some())
    }

    /// The same, where callers may be told apart from now on, or not any more.
    pub(crate) fn with_limits_of(self: &Arc<Self>, limits: &Limits, told_apart: bool) -> Arc<Self> {
        if self.limits == *limits && self.held.is_some() == told_apart {
            return self.clone();
        }
        let held = told_apart.then(|| self.held.clone().unwrap_or_default());
        Arc::new(Self::counting(self.running.clone(), limits, held))
    }

    /// Whether a call of this caller would be too early. Counts nothing.
    pub(crate) fn has_rate(&self, principal: &Principal) -> Result<(), Duration> {
        self.rate.as_ref().map_or(Ok(()), |rate| rate.has(&bucket_of(principal)))
    }

    /// A list is asked for. It takes no place of the calls.
    pub(crate) fn list(&self, principal: &Principal) -> Result<(), Error> {
        let Some(lists) = &self.lists else { return Ok(()) };
        lists.take(&bucket_of(principal)).map_err(|retry_after| Error::RateLimited { retry_after })
    }

    pub fn enter(&self, principal: &Principal) -> Result<Permit, Error> {
        if let Some(rate) = &self.rate {
            rate.take(&bucket_of(principal)).map_err(|retry_after| Error::RateLimited { retry_after })?;
        }
        let share = match &self.held {
            Some(held) if self.limits.concurrency.is_some() => {
                let most = self.concurrency - self.concurrency / 4;
                Some(held.take(&bucket_of(principal), most).ok_or(Error::Busy)?)
            }
            _ => None,
        };
        let place = Place(self.running.clone());
        if self.running.calls.fetch_add(1, Ordering::SeqCst) >= self.concurrency {
            Err(Error::Busy)
        } else {
            Ok(Permit { _place: place, _own: None, _share: share })
        }
    }

    /// The same by a gate of the caller's own too.
    pub(crate) fn enter_with(&self, own: Option<&Self>, principal: &Principal) -> Result<Permit, Error> {
        let Some(own) = own else { return self.enter(principal) };
        // Its own first: who asks too much is not to use up what all share.
        let Permit { _place: own, .. } = own.enter(principal)?;
        Ok(Permit { _own: Some(own), ..self.enter(principal)? })
    }

    /// Gives the place of a call that entered to others until the pause ends. It is never refused to go on then, so a few
    /// more may run at that moment than are allowed to enter.
    pub(crate) fn pause(&self) -> Pause {
        drop(Place(self.running.clone()));
        Pause(self.running.clone())
    }

    /// Calls that run now.
    pub(crate) fn running(&self) -> usize {
        self.running.calls.load(Ordering::SeqCst)
    }

    /// Waits until no call runs.
    pub(crate) async fn idle(&self) {
        self.running.waited_for.store(true, Ordering::SeqCst);
        loop {
            let idle = self.running.idle.notified();
            if self.running.calls.load(Ordering::SeqCst) == 0 {
                return;
            }
            idle.await;
        }
    }
}

/// Principals of two tenants may have the same id. No id holds what stands between the two.
fn bucket_of(Principal { id, tenant, .. }: &Principal) -> Cow<'_, str> {
    match tenant {
        None => Cow::Borrowed(id),
        Some(tenant) => Cow::Owned(format!("{}\0{tenant}{id}", tenant.len())),
    }
}

/// A token bucket for each principal, kept as the moment at which it is full again (GCRA).
#[derive(Debug)]
struct Buckets {
    start: Instant,
    /// Nanoseconds that one call costs, and that a full bucket holds.
    cost: u64,
    burst: u64,
    kept: RwLock<Kept>,
}

#[derive(Debug)]
struct Kept {
    full_at: HashMap<Box<str>, AtomicU64>,
    /// Number of buckets at which the full ones are forgotten next.
    forget_at: usize,
}

/// Principals remembered before the full buckets are forgotten.
const REMEMBERED: usize = 10_000;

impl Buckets {
    fn new(rate: Rate) -> Self {
        let burst = u64::try_from(rate.per.as_nanos()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4);
        let cost = (burst / u64::from(rate.calls.max(1))).max(1);
        Self {
            start: Instant::now(),
            cost,
            burst,
            kept: RwLock::new(Kept { full_at: HashMap::new(), forget_at: REMEMBERED }),
        }
    }

    fn take(&self, principal: &str) -> Result<(), Duration> {
        self.take_at(principal, self.now())
    }

    fn has(&self, principal: &str) -> Result<(), Duration> {
        let now = self.now();
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let full_at = kept.full_at.get(principal).map_or(0, |bucket| bucket.load(Ordering::Acquire));
        let after = full_at.max(now) + self.cost;
        if after - now <= self.burst { Ok(()) } else { Err(Duration::from_nanos(after - now - self.burst)) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX / 2)
    }

    fn take_at(&self, principal: &str, now: u64) -> Result<(), Duration> {
        if let Some(bucket) = self.kept.read().unwrap_or_else(PoisonError::into_inner).full_at.get(principal) {
            return self.drain(bucket, now);
        }
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.full_at.len() >= kept.forget_at {
            kept.full_at.retain(|_, bucket| *bucket.get_mut() > now);
            kept.forget_at = REMEMBERED.max(kept.full_at.len() * 2);
        }
        self.drain(kept.full_at.entry(principal.into()).or_default(), now)
    }

    fn drain(&self, bucket: &AtomicU64, now: u64) -> Result<(), Duration> {
        bucket
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |full_at| {
                let after = full_at.max(now) + self.cost;
                (after - now <= self.burst).then_some(after)
            })
            .map(drop)
            .map_err(|full_at| Duration::from_nanos((full_at + self.cost).saturating_sub(now + self.burst).max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let buckets = Buckets::new(Rate { calls: 4, per: Duration::from_secs(4) });
        for _ in 0..4 {
            buckets.take_at("a", 0).expect("burst");
        }
        assert_eq!(buckets.take_at("a", 0), Err(Duration::from_secs(1)));
        assert_eq!(buckets.take_at("a", SECOND / 2), Err(Duration::from_millis(500)));
        buckets.take_at("a", SECOND).expect("one more after its time");
        assert!(buckets.take_at("a", SECOND).is_err());
        buckets.take_at("b", 0).expect("another principal has a bucket of its own");
        for _ in 0..4 {
            buckets.take_at("a", 60 * SECOND).expect("full again, and not fuller");
        }
        assert!(buckets.take_at("a", 60 * SECOND).is_err());
    }

    #[test]
    fn tenants_have_buckets_of_their_own() {
        let gate =
            Gate::new(&Limits { rate: Some(Rate { calls: 1, per: Duration::from_secs(60) }), concurrency: None });
        let of = |tenant: Option<&str>, id: &str| {
            let mut principal = Principal::clone(&Principal::trusted(id));
            principal.tenant = tenant.map(str::to_owned);
            principal
        };
        for principal in [of(None, "ann"), of(Some("a"), "ann"), of(Some("an"), "n"), of(Some("b"), "ann")] {
            gate.enter(&principal).expect("the first");
            assert!(matches!(gate.enter(&principal), Err(Error::RateLimited { .. })), "{principal:?}");
        }
    }

    /// calls that last, at all places, were a server that answers nobody else.
    #[test]
    fn nobody_has_all_places() {
        let limits = Limits { rate: None, concurrency: Some(8) };
        let gate = Arc::new(Gate::of_all(&limits, true));
        let (eve, bob) = (Principal::trusted("eve"), Principal::trusted("bob"));
        let mut running: Vec<_> = (0..6).map(|_| gate.enter(&eve).expect("a share")).collect();
        assert!(matches!(gate.enter(&eve), Err(Error::Busy)));
        // Places are counted across what is replaced, too.
        let more = gate.with_limits(&Limits { concurrency: Some(9), ..limits.clone() });
        running.push(more.enter(&eve).expect("a larger share"));
        assert!(matches!(more.enter(&eve), Err(Error::Busy)));
        let _theirs = [more.enter(&bob).expect("a place"), more.enter(&bob).expect("the last")];
        assert!(matches!(more.enter(&bob), Err(Error::Busy)));
        running.clear();
        more.enter(&eve).expect("places are free again");
        let open = Gate::of_all(&limits, false);
        let all: Vec<_> =
            (0..8).map(|_| open.enter(&Principal::anonymous()).expect("these are many callers")).collect();
        assert_eq!(all.len(), 8);
    }

    #[test]
    fn only_so_many_calls_run_at_once() {
        let gate = Gate::new(&Limits { rate: None, concurrency: Some(2) });
        let principal = Principal::local();
        let first = gate.enter(&principal).expect("first");
        let _second = gate.enter(&principal).expect("second");
        assert!(matches!(gate.enter(&principal), Err(Error::Busy)));
        drop(first);
        gate.enter(&principal).expect("a place is free again");
    }

    #[test]
    fn forgotten_principals_are_those_with_full_buckets() {
        let buckets = Buckets::new(Rate { calls: 1, per: Duration::from_secs(1) });
        buckets.take_at("busy", 5 * SECOND).expect("fresh");
        for principal in 1..REMEMBERED {
            buckets.take_at(&principal.to_string(), 0).expect("fresh");
        }
        buckets.take_at("new", 5 * SECOND).expect("fresh");
        assert_eq!(buckets.kept.read().expect("lock").full_at.len(), 2);
        assert!(buckets.take_at("busy", 5 * SECOND).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_sequence_of_calls_beats_the_rate(calls in 1_u32..20, waits in proptest::collection::vec(0..2 * SECOND, 1..200)) {
            let buckets = Buckets::new(Rate { calls, per: Duration::from_secs(10) });
            let (mut now, mut allowed) = (0, 0_u64);
            for wait in waits {
                now += wait;
                match buckets.take_at("a", now) {
                    Ok(()) => allowed += 1,
                    Err(retry_after) => {
                        let retry_after = u64::try_from(retry_after.as_nanos()).expect("short");
                        proptest::prop_assert!(buckets.take_at("a", now + retry_after - 1).is_err());
                        now += retry_after;
                        proptest::prop_assert_eq!(buckets.take_at("a", now), Ok(()));
                        allowed += 1;
                    }
                }
                let most = u64::from(calls) + now / (10 * SECOND / u64::from(calls));
                proptest::prop_assert!(allowed <= most, "{allowed} of {most}");
            }
        }
    }
}
