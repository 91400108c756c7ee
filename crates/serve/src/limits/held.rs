//! How many of the places that all share each caller has.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Acquire},
    },
};

#[derive(Debug, Default)]
pub(super) struct Held(RwLock<Callers>);

#[derive(Debug, Default)]
struct Callers {
    running: HashMap<Box<str>, Arc<AtomicUsize>>,
    /// Number of callers at which those who have none are forgotten next.
    forget_at: usize,
}

/// One place.
#[derive(Debug)]
pub(super) struct Share(Arc<AtomicUsize>);

impl Drop for Share {
    fn drop(&mut self) {
        self.0.fetch_sub(1, AcqRel);
    }
}

const REMEMBERED: usize = 1_000;

impl Held {
    /// `None` for a caller who has as many as that.
    pub(super) fn take(&self, caller: &str, most: usize) -> Option<Share> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).running.get(caller).cloned();
        let running = known.unwrap_or_else(|| self.of(caller));
        // Given back where it was too many.
        let share = Share(running);
        (share.0.fetch_add(1, AcqRel) < most).then_some(share)
    }

    fn of(&self, caller: &str) -> Arc<AtomicUsize> {
        let mut callers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if callers.running.len() >= callers.forget_at.max(REMEMBERED) {
            // Whoever holds one, or is about to, has a clone.
            callers.running.retain(|_, running| Arc::strong_count(running) > 1 || running.load(Acquire) > 0);
            callers.forget_at = callers.running.len() * 2;
        }
        callers.running.entry(caller.into()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_place_is_forgotten_and_who_has_one_is_not() {
        let held = Held::default();
        let first = held.take("first", 1).expect("a place");
        for caller in 0..REMEMBERED * 3 {
            held.take(&caller.to_string(), 1).expect("a place");
        }
        assert!(held.0.read().expect("lock").running.len() <= REMEMBERED);
        assert!(held.take("first", 1).is_none());
        drop(first);
        held.take("first", 1).expect("a place");
    }
}
