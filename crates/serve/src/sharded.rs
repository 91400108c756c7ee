//! A map that many read and few change. Readers take no lock and wait for nobody; a writer copies the part that it changes.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hash},
    sync::Arc,
};

use arc_swap::ArcSwap;

/// Writers must not meet: whoever owns the map lets one in at a time.
pub(crate) struct Sharded<K, V> {
    shards: Box<[ArcSwap<HashMap<K, V>>]>,
    hasher: RandomState,
}

/// With 100,000 entries a change copies about 400 of them.
const SHARDS: usize = 256;

impl<K: Hash + Eq + Clone, V: Clone> Sharded<K, V> {
    pub(crate) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| ArcSwap::from_pointee(HashMap::new())).collect();
        Self { shards, hasher: RandomState::new() }
    }

    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        // The upper bits: the maps inside use their own hash.
        (self.hasher.hash_one(key) >> 56) as usize % SHARDS
    }

    pub(crate) fn with<Q, T>(&self, key: &Q, read: impl FnOnce(&V) -> T) -> Option<T>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.shards[self.shard(key)].load().get(key).map(read)
    }

    /// Copies each part once, however many entries change in it.
    pub(crate) fn change(&self, inserted: impl IntoIterator<Item = (K, V)>, removed: impl IntoIterator<Item = K>) {
        let mut changed: HashMap<usize, HashMap<K, V>> = HashMap::new();
        for key in removed {
            let shard = self.shard(&key);
            changed.entry(shard).or_insert_with(|| (**self.shards[shard].load()).clone()).remove(&key);
        }
        for (key, value) in inserted {
            let shard = self.shard(&key);
            changed.entry(shard).or_insert_with(|| (**self.shards[shard].load()).clone()).insert(key, value);
        }
        for (shard, map) in changed {
            self.shards[shard].store(Arc::new(map));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.load().len()).sum()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = V> + '_ {
        self.shards.iter().flat_map(|shard| shard.load().values().cloned().collect::<Vec<_>>())
    }
}
