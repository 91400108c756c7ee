//! Activations that were ended before their time, remembered for each caller until they would have ended anyway. Who ends more
//! than is remembered ends all of theirs that are older: nobody's is forgotten, and nobody is in another's way.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Of all who share a key.
#[derive(Debug, Default)]
pub(crate) struct Ended(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    of: HashMap<[u8; 32], OfCaller>,
    /// Milliseconds since 1970; whatever was made before is ended.
    none_before: u64,
}

#[derive(Debug, Default)]
struct OfCaller {
    ended: Vec<Made>,
    none_before: u64,
    /// From then on it need not be remembered.
    until: u64,
}

/// One activation: when it was made, and until when it is good, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) id: u128,
    pub(crate) at: u64,
    pub(crate) until: u64,
}

impl Ended {
    const MOST_OF_ONE: usize = 256;
    const MOST_CALLERS: usize = 10_000;

    /// When something counts as made that is made for this caller now.
    pub(crate) fn time_of_next(&self, caller: &[u8; 32], now: u64) -> u64 {
        let inner = self.lock();
        let own = inner.of.get(caller).map_or(0, |of| of.none_before);
        now.max(own).max(inner.none_before)
    }

    pub(crate) fn has(&self, caller: &[u8; 32], made: Made) -> bool {
        let inner = self.lock();
        let own = |of: &OfCaller| made.at < of.none_before || of.ended.iter().any(|ended| ended.id == made.id);
        made.at < inner.none_before || inner.of.get(caller).is_some_and(own)
    }

    pub(crate) fn end(&self, caller: [u8; 32], made: Made, now: u64) {
        let mut inner = self.lock();
        if inner.of.len() >= Self::MOST_CALLERS && !inner.of.contains_key(&caller) {
            inner.of.retain(|_, of| of.until > now);
            if inner.of.len() >= Self::MOST_CALLERS {
                // Rather too much than something that was ended.
                inner.of.clear();
                inner.none_before = inner.none_before.max(now).max(made.at) + 1;
                return;
            }
        }
        let of = inner.of.entry(caller).or_default();
        of.ended.retain(|ended| ended.until > now && ended.at >= of.none_before);
        of.until = of.until.max(made.until);
        if of.ended.len() < Self::MOST_OF_ONE {
            of.ended.push(made);
        } else {
            of.ended.clear();
            of.none_before = of.none_before.max(now).max(made.at) + 1;
            // What is older may be good for as long as this one would be if it were made now.
            of.until = of.until.max(of.none_before + (made.until - made.at));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn made(id: u128, at: u64) -> Made {
        Made { id, at, until: at + HOUR }
    }

    #[test]
    fn who_ends_more_than_is_remembered_ends_all_of_theirs_that_are_older_and_nobody_elses() {
        let (ended, alice, bob) = (Ended::default(), [1; 32], [2; 32]);
        let (kept, theirs) = (made(u128::MAX, 5), made(u128::MAX - 1, 5));
        let most = Ended::MOST_OF_ONE as u128;
        for id in 0..most {
            ended.end(alice, made(id, 10), 10);
        }
        assert!((0..most).all(|id| ended.has(&alice, made(id, 10))));
        assert!(!ended.has(&alice, kept) && ended.time_of_next(&alice, 10) == 10);
        ended.end(alice, made(most, 10), 10);
        assert!((0..=most).all(|id| ended.has(&alice, made(id, 10))));
        assert!(ended.has(&alice, kept), "it is older");
        assert!(!ended.has(&bob, theirs));
        let next = ended.time_of_next(&alice, 10);
        assert!(!ended.has(&alice, made(most + 1, next)), "what is made now is good");
        // And can be ended again.
        ended.end(alice, made(most + 1, next), 10);
        assert!(ended.has(&alice, made(most + 1, next)));
    }

    #[test]
    fn callers_are_forgotten_when_nothing_of_theirs_is_good_any_more() {
        let ended = Ended::default();
        let caller = |n: usize| {
            let mut caller = [0; 32];
            caller[..8].copy_from_slice(&n.to_be_bytes());
            caller
        };
        for n in 0..Ended::MOST_CALLERS {
            ended.end(caller(n), made(n as u128, 0), 0);
        }
        ended.end(caller(usize::MAX), made(1, HOUR + 1), HOUR + 1);
        assert_eq!(ended.lock().of.len(), 1);
        for n in 0..Ended::MOST_CALLERS {
            ended.end(caller(n), made(n as u128, HOUR + 1), HOUR + 1);
        }
        // Too many at once: everybody gets another one.
        assert!(ended.has(&caller(7), made(7, HOUR + 1)) && ended.has(&caller(usize::MAX), made(1, HOUR + 1)));
        let next = ended.time_of_next(&caller(7), HOUR + 1);
        assert!(!ended.has(&caller(7), made(8, next)));
    }
}
