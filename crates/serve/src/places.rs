//! So many at once of each owner; more wait. Who has none is not remembered.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) struct Places<K: Eq + Hash> {
    most: usize,
    owners: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// Of one who waits or has a place.
struct Waiting<'a, K: Eq + Hash> {
    places: &'a Places<K>,
    owner: K,
    own: Arc<Semaphore>,
}

pub(crate) struct Place<'a, K: Eq + Hash> {
    // Given back before it is looked whether anybody else is there.
    _permit: OwnedSemaphorePermit,
    _waiting: Waiting<'a, K>,
}

impl<K: Eq + Hash + Clone> Places<K> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, owners: Mutex::default() }
    }

    /// May be dropped while it waits.
    pub(crate) async fn enter(&self, owner: K) -> Place<'_, K> {
        let own = self.owners().entry(owner.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.most))).clone();
        let waiting = Waiting { places: self, owner, own };
        let permit = waiting.own.clone().acquire_owned().await.expect("the semaphore is never closed");
        Place { _permit: permit, _waiting: waiting }
    }
}

impl<K: Eq + Hash> Places<K> {
    fn owners(&self) -> MutexGuard<'_, HashMap<K, Arc<Semaphore>>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Waiting<'_, K> {
    fn drop(&mut self) {
        let mut owners = self.places.owners();
        // The map's and this one: whoever else comes or waits has one more.
        if Arc::strong_count(&self.own) == 2 {
            owners.remove(&self.owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, poll};

    use super::*;

    #[tokio::test]
    async fn an_owner_waits_for_its_own_places_only() {
        let places = Places::new(2);
        let (first, second) = (places.enter("ann").await, places.enter("ann").await);
        let mut third = Box::pin(places.enter("ann"));
        assert!(poll!(&mut third).is_pending());
        places.enter("bob").now_or_never().expect("another owner");
        drop(first);
        let third = third.now_or_never().expect("a place is free");
        let left = Box::pin(places.enter("ann"));
        drop(left);
        drop((second, third));
        assert!(places.owners().is_empty(), "who has none is not remembered");
    }
}
