//! Connections of which each principal or tenant has one of its own, with the secrets of its own store and of no other.
//!
//! They are made by the first call that needs them and kept for the next ones, so many and no more: whoever was not seen for
//! the longest time goes first, or when the time for being idle is over, but never while a call uses it. Secrets are looked
//! at by every call, so that one that was changed or taken away counts at once.

use std::{
    collections::HashMap,
    fmt,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use mcp_factory_connect::{Denied, FixedSecrets, Secret, Secrets, Subject};
use mcp_factory_spec::model::Per;
use mcp_serve::CallContext;
use tokio::{sync::Notify, time::Instant};

/// A connection of the spec: one for all callers, or one for each.
#[derive(Debug)]
pub enum Connected<T> {
    Shared { name: Arc<str>, connection: Arc<T> },
    Each(Arc<Each<T>>),
}

/// One connection for each principal or tenant.
pub struct Each<T> {
    name: Arc<str>,
    per: Per,
    secrets: Arc<dyn Secrets>,
    /// The names of all secrets that the connection reads.
    needed: Vec<String>,
    open: Open<T>,
    bounds: Bounds,
    slots: Mutex<HashMap<Subject, Arc<Slot<T>>>>,
    freed: Notify,
}

type Open<T> = Box<dyn Fn(Arc<dyn Secrets>) -> Result<T, Denied> + Send + Sync>;

#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Subjects whose connections are kept.
    pub most: usize,
    pub idle: Duration,
    /// How long a call waits when all of them are in use.
    pub wait: Duration,
}

/// In use as long as somebody but the map has it.
struct Slot<T> {
    connection: T,
    /// What the store held when it was made.
    secrets: Vec<Secret>,
    used: Mutex<Instant>,
}

/// The right to use a connection. It stays what it is until this is dropped.
#[derive(Debug)]
pub enum Lease<'a, T> {
    Shared(&'a T),
    Own(OwnLease<T>),
}

pub struct OwnLease<T> {
    /// Taken when dropped, before others are told.
    slot: Option<Arc<Slot<T>>>,
    each: Arc<Each<T>>,
}

// === impl Connected ===

impl<T> Clone for Connected<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Shared { name, connection } => {
                Self::Shared { name: Arc::clone(name), connection: Arc::clone(connection) }
            }
            Self::Each(each) => Self::Each(Arc::clone(each)),
        }
    }
}

impl<T: Send + Sync + 'static> Connected<T> {
    pub fn shared(name: &str, connection: T) -> Self {
        Self::Shared { name: Arc::from(name), connection: Arc::new(connection) }
    }

    /// `open` does no IO. It is tried here, without secrets, so that a missing grant shows when the spec is planned.
    pub fn each(
        name: &str,
        per: Per,
        secrets: Arc<dyn Secrets>,
        needed: Vec<String>,
        bounds: Bounds,
        open: impl Fn(Arc<dyn Secrets>) -> Result<T, Denied> + Send + Sync + 'static,
    ) -> Result<Self, Denied> {
        open(Arc::new(FixedSecrets::default()))?;
        Ok(Self::Each(Arc::new(Each {
            name: Arc::from(name),
            per,
            secrets,
            needed,
            open: Box::new(open),
            bounds,
            slots: Mutex::default(),
            freed: Notify::new(),
        })))
    }

    /// Its name in the spec.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Shared { name, .. } => name,
            Self::Each(each) => &each.name,
        }
    }

    /// The connection that this caller uses, or what the model is told instead.
    pub async fn of(&self, cx: &CallContext) -> Result<Lease<'_, T>, String> {
        match self {
            Self::Shared { connection, .. } => Ok(Lease::Shared(connection)),
            Self::Each(each) => each.of(cx).await.map(Lease::Own),
        }
    }
}

// === impl Each ===

impl<T: Send + Sync + 'static> Each<T> {
    async fn of(self: &Arc<Self>, cx: &CallContext) -> Result<OwnLease<T>, String> {
        let subject = self.subject(cx)?;
        let unusable = |error: &dyn fmt::Display| format!("the connection `{}`: {error}", self.name);
        let store = self.secrets.of(&subject).map_err(|error| unusable(&error))?;
        let values = self.needed.iter().map(|name| store.get(name)).collect::<Result<Vec<_>, _>>();
        let values = values.map_err(|error| unusable(&error))?;
        let deadline = Instant::now() + self.bounds.wait;
        loop {
            // Before looking, so that nothing is missed in between.
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Some(slot) = self.slot(&subject, &store, &values).map_err(|error| unusable(&error))? {
                return Ok(OwnLease { slot: Some(slot), each: Arc::clone(self) });
            }
            if tokio::time::timeout_at(deadline, freed).await.is_err() {
                let Bounds { most, wait, .. } = self.bounds;
                let busy = format!("all {most} connections of callers stayed in use for {}s", wait.as_secs_f64());
                return Err(unusable(&format_args!("{busy}; try again later")));
            }
        }
    }

    fn subject(&self, cx: &CallContext) -> Result<Subject, String> {
        let principal = &cx.principal;
        let (subject, word) = match self.per {
            Per::Principal => (Some(&principal.id).filter(|id| !id.is_empty()).cloned().map(Subject::Principal), "id"),
            Per::Tenant => {
                (principal.tenant.clone().filter(|tenant| !tenant.is_empty()).map(Subject::Tenant), "tenant")
            }
        };
        subject.ok_or_else(|| {
            format!(
                "the connection `{}` is another one for each {}, and you have no {word}",
                self.name,
                self.per.as_str()
            )
        })
    }

    /// Finds the connection or makes one; `None` where there is no room.
    fn slot(
        self: &Arc<Self>,
        subject: &Subject,
        store: &Arc<dyn Secrets>,
        values: &[Secret],
    ) -> Result<Option<Arc<Slot<T>>>, Denied> {
        // Closed after the lock is.
        let mut gone = Vec::new();
        let mut slots = self.lock();
        if let Some(slot) = slots.get(subject) {
            if slot.has(values) {
                slot.touch();
                return Ok(Some(Arc::clone(slot)));
            }
            // Calls that have it keep it until they end.
            gone.extend(slots.remove(subject));
        }
        if slots.len() >= self.bounds.most {
            let idle = slots.iter().filter(|(_, slot)| Arc::strong_count(slot) == 1);
            let Some(oldest) = idle.min_by_key(|(_, slot)| slot.used()).map(|(subject, _)| subject.clone()) else {
                return Ok(None);
            };
            gone.extend(slots.remove(&oldest));
        }
        let connection = (self.open)(Arc::clone(store))?;
        let slot = Arc::new(Slot { connection, secrets: values.to_vec(), used: Mutex::new(Instant::now()) });
        slots.insert(subject.clone(), Arc::clone(&slot));
        if slots.len() == 1 {
            tokio::spawn(Self::retire(Arc::downgrade(self), self.bounds.idle));
        }
        drop(slots);
        drop(gone);
        Ok(Some(slot))
    }

    /// Closes what nobody used for so long, until nothing is left.
    async fn retire(each: Weak<Self>, idle: Duration) {
        loop {
            let next = {
                let Some(each) = each.upgrade() else { return };
                let now = Instant::now();
                let mut slots = each.lock();
                let over = |slot: &Arc<Slot<T>>| Arc::strong_count(slot) == 1 && now - slot.used() >= idle;
                let gone: Vec<_> = slots.extract_if(|_, slot| over(slot)).collect();
                let next = slots.values().map(|slot| slot.used() + idle).min();
                drop(slots);
                drop(gone);
                match next {
                    // What is in use beyond its time is looked at again after another time.
                    Some(next) if next <= now => now + idle,
                    Some(next) => next,
                    None => return,
                }
            };
            tokio::time::sleep_until(next).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Subject, Arc<Slot<T>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Each<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, per, needed, bounds, .. } = self;
        f.debug_struct("Each")
            .field("name", name)
            .field("per", per)
            .field("needed", needed)
            .field("bounds", bounds)
            .finish()
    }
}

// === impl Slot ===

impl<T> Slot<T> {
    fn has(&self, values: &[Secret]) -> bool {
        self.secrets.iter().map(Secret::expose).eq(values.iter().map(Secret::expose))
    }

    fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

// === impl Lease ===

impl<T> Deref for Lease<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Shared(connection) => connection,
            Self::Own(lease) => &lease.slot.as_ref().expect("it is there until it is dropped").connection,
        }
    }
}

impl<T> Drop for OwnLease<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            slot.touch();
        }
        self.each.freed.notify_one();
    }
}

impl<T> fmt::Debug for OwnLease<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnLease").field("of", &self.each.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
