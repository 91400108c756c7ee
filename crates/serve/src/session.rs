//! What one session of an older client, or one conversation on stdio, keeps between its requests.
//!
//! It says nothing of the caller: who calls is read from each request.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use crate::{Change, Changes};

/// One per session; gone with it. Requests of 2026-07-28 have none: each stands alone.
pub struct SessionState {
    /// What its client calls it. Known where something of it is told.
    name: OnceLock<Arc<str>>,
    kept: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
    changes: Changes,
}

impl Default for SessionState {
    fn default() -> Self {
        Self { name: OnceLock::new(), kept: Mutex::default(), changes: Changes::with_room(Self::CHANGES) }
    }
}

impl fmt::Debug for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionState(..)")
    }
}

impl SessionState {
    /// There are thousands of sessions; one that misses news is told that everything may have changed.
    const CHANGES: usize = 4;

    /// The only value of its type in this session, made at its first use.
    ///
    /// # Panics
    /// Never: a value is kept under its own type.
    pub fn get_or_insert_with<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let value = kept.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(make())).clone();
        drop(kept);
        value.downcast().expect("a value is kept under its own type")
    }

    /// Tells the client of this session and nobody else. Never waits. The server must declare that it
    /// [changes](crate::Server::changes).
    pub fn notify(&self, change: Change) {
        self.changes.notify(change);
    }

    pub(crate) fn name(&self) -> Option<Arc<str>> {
        self.name.get().cloned()
    }

    pub(crate) fn set_name(&self, name: &str) {
        if self.name.get().is_none() {
            let _ = self.name.set(name.into());
        }
    }

    pub(crate) fn changes(&self) -> &Changes {
        &self.changes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_session_keeps_one_value_of_each_type() {
        let session = SessionState::default();
        session.get_or_insert_with(AtomicU32::default).fetch_add(1, Ordering::Relaxed);
        assert_eq!(session.get_or_insert_with(|| AtomicU32::new(7)).load(Ordering::Relaxed), 1);
        assert_eq!(*session.get_or_insert_with(|| "other".to_owned()), "other");
        assert_eq!(SessionState::default().get_or_insert_with(AtomicU32::default).load(Ordering::Relaxed), 0);
    }
}
