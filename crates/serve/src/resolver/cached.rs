//! Credentials kept for a while: bounded in number, single flight per principal and resource.
//!
//! Who finds nothing fresh takes the slot's lock and asks; the others wait for that lock and find the answer. A caller who
//! leaves gives the lock to the next, so a cancelled call wedges nobody. A failure is kept for a moment, so that a service
//! which is down is asked once and not once per waiter.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwapOption;
use quick_cache::sync::Cache;
use tokio::{sync::Mutex, time::Instant};

use super::{Credential, ResolveError, Resource, TokenResolver};
use crate::{BoxFuture, Principal};

/// How many credentials a [`Cached`] keeps, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct CachedConfig {
    /// Principals times resources that are kept; the least used go first. Default 10,000.
    pub capacity: usize,
    /// The longest time. A credential that says when it ends is kept no longer than that. Default 5 min.
    pub ttl: Duration,
    /// Before its end, a credential is fetched anew. Default 30 s.
    pub margin: Duration,
    /// For "there is none" and for failures. Default 1 s.
    pub absent_ttl: Duration,
}

impl Default for CachedConfig {
    fn default() -> Self {
        Self {
            capacity: 10_000,
            ttl: Duration::from_secs(5 * 60),
            margin: Duration::from_secs(30),
            absent_ttl: Duration::from_secs(1),
        }
    }
}

/// Puts a cache before another resolver.
#[derive(Debug)]
pub struct Cached<R> {
    resolver: R,
    config: CachedConfig,
    slots: Cache<Key, Arc<Slot>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    id: Box<str>,
    tenant: Option<Box<str>>,
    resource: Resource,
}

#[derive(Debug, Default)]
struct Slot {
    kept: ArcSwapOption<Kept>,
    /// Held by who asks.
    asking: Mutex<()>,
}

#[derive(Debug)]
struct Kept {
    found: Result<Option<Arc<Credential>>, ResolveError>,
    until: Instant,
}

impl<R: TokenResolver> Cached<R> {
    #[must_use]
    pub fn new(resolver: R, config: CachedConfig) -> Self {
        Self { resolver, config, slots: Cache::new(config.capacity.max(1)) }
    }

    /// After somebody's access was taken away.
    pub fn forget(&self, principal: &Principal, resource: &Resource) {
        self.slots.remove(&Key::of(principal, resource));
    }

    pub fn forget_all(&self) {
        self.slots.clear();
    }

    /// How many are kept now, those that are too old included.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.slots.len()
    }

    fn slot(&self, principal: &Principal, resource: &Resource) -> Arc<Slot> {
        let key = Key::of(principal, resource);
        match self.slots.get_or_insert_with(&key, || Ok::<_, std::convert::Infallible>(Arc::default())) {
            Ok(slot) => slot,
            Err(never) => match never {},
        }
    }

    async fn ask(
        &self,
        slot: &Slot,
        principal: &Principal,
        resource: &Resource,
        refused: Option<&Credential>,
    ) -> Result<Option<Arc<Credential>>, ResolveError> {
        let _asking = slot.asking.lock().await;
        if let Some(found) = slot.fresh(refused) {
            return found;
        }
        let found = match refused {
            None => self.resolver.resolve(principal, resource).await,
            Some(refused) => self.resolver.refresh(principal, resource, refused).await,
        };
        // What has ended already opens nothing.
        let now = SystemTime::now();
        let found = match found {
            Ok(Some(credential)) if credential.is_over(now) => {
                Err(ResolveError::Unavailable { resource: resource.clone() })
            }
            found => found,
        };
        slot.kept.store(Some(Arc::new(Kept { until: Instant::now() + self.keep(&found, now), found: found.clone() })));
        found
    }

    fn keep(&self, found: &Result<Option<Arc<Credential>>, ResolveError>, now: SystemTime) -> Duration {
        let CachedConfig { ttl, margin, absent_ttl, .. } = self.config;
        let Ok(Some(credential)) = found else { return absent_ttl };
        let rest = credential.expires_at.map(|end| end.duration_since(now).unwrap_or_default());
        rest.map_or(ttl, |rest| ttl.min(rest.saturating_sub(margin)))
    }
}

impl Key {
    fn of(principal: &Principal, resource: &Resource) -> Self {
        Self {
            id: principal.id.as_str().into(),
            tenant: principal.tenant.as_deref().map(Into::into),
            resource: resource.clone(),
        }
    }
}

impl Slot {
    /// What is kept and still good, and not the one that was refused.
    fn fresh(&self, refused: Option<&Credential>) -> Option<Result<Option<Arc<Credential>>, ResolveError>> {
        let kept = self.kept.load();
        let kept = kept.as_ref().filter(|kept| Instant::now() < kept.until)?;
        if let (Some(refused), Ok(Some(credential))) = (refused, &kept.found)
            && credential.reveal() == refused.reveal()
        {
            return None;
        }
        Some(kept.found.clone())
    }
}

impl<R: TokenResolver> TokenResolver for Cached<R> {
    fn resolve<'a>(
        &'a self,
        principal: &'a Principal,
        resource: &'a Resource,
    ) -> BoxFuture<'a, Result<Option<Arc<Credential>>, ResolveError>> {
        Box::pin(async move {
            let slot = self.slot(principal, resource);
            match slot.fresh(None) {
                Some(found) => found,
                None => self.ask(&slot, principal, resource, None).await,
            }
        })
    }

    fn refresh<'a>(
        &'a self,
        principal: &'a Principal,
        resource: &'a Resource,
        refused: &'a Credential,
    ) -> BoxFuture<'a, Result<Option<Arc<Credential>>, ResolveError>> {
        Box::pin(async move {
            let slot = self.slot(principal, resource);
            match slot.fresh(Some(refused)) {
                Some(found) => found,
                None => self.ask(&slot, principal, resource, Some(refused)).await,
            }
        })
    }
}
