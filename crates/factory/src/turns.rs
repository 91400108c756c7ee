//! Work that takes all of a machine it gets: so many pieces at once, and of each owner one, so that nobody waits for all that
//! somebody else asked for before.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::Owner;

#[derive(Debug)]
pub(crate) struct Turns {
    all: Semaphore,
    /// Of those who work or wait.
    owners: Mutex<BTreeMap<Owner, Arc<Semaphore>>>,
}

/// Until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    // Given back before it is looked whether anybody else is there.
    _all: SemaphorePermit<'a>,
    _own: OwnedSemaphorePermit,
    _waiting: Waiting<'a>,
}

#[derive(Debug)]
struct Waiting<'a> {
    turns: &'a Turns,
    owner: Owner,
    own: Arc<Semaphore>,
}

impl Turns {
    pub(crate) const fn new(at_once: usize) -> Self {
        Self { all: Semaphore::const_new(at_once), owners: Mutex::new(BTreeMap::new()) }
    }

    pub(crate) async fn enter(&self, owner: &Owner) -> Turn<'_> {
        let own = self.owners().entry(owner.clone()).or_insert_with(|| Arc::new(Semaphore::new(1))).clone();
        let waiting = Waiting { turns: self, owner: owner.clone(), own: own.clone() };
        let own = own.acquire_owned().await.expect("nobody closes it");
        let all = self.all.acquire().await.expect("nobody closes it");
        Turn { _all: all, _own: own, _waiting: waiting }
    }

    fn owners(&self) -> MutexGuard<'_, BTreeMap<Owner, Arc<Semaphore>>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut owners = self.turns.owners();
        // The map's and this one: whoever else works or waits has one more.
        if Arc::strong_count(&self.own) == 2 {
            owners.remove(&self.owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, poll};

    use super::*;

    #[tokio::test]
    async fn who_asked_for_much_before_keeps_nobody_else_waiting() {
        let turns = Turns::new(2);
        let [ann, bob, eve] = ["ann", "bob", "eve"].map(|name| name.parse::<Owner>().unwrap());
        let first = turns.enter(&ann).await;
        let mut more: Vec<_> = (0..10).map(|_| Box::pin(turns.enter(&ann))).collect();
        for waiting in &mut more {
            assert!(poll!(waiting).is_pending());
        }
        let other = turns.enter(&bob).now_or_never().expect("one is free for others");
        let mut third = Box::pin(turns.enter(&eve));
        assert!(poll!(&mut third).is_pending(), "no more than two at once");
        drop(first);
        let third = third.now_or_never().expect("before all that was asked for once");
        drop((other, third));
        let next = more.remove(0).now_or_never().expect("its turn");
        drop((next, more));
        assert!(turns.owners().is_empty(), "who has none is not remembered");
    }
}
