//! Tokens that several servers of one process share.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::{Loaded, StoreError, TokenStore};
use crate::{
    BoxFuture, TokenId,
    tokens::{SecretHash, TokenRecord},
};

/// Lives as long as the process. Also the model that the other stores are tested against.
#[derive(Debug)]
pub struct MemoryTokens {
    kept: Mutex<Kept>,
    revision: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    tokens: BTreeMap<String, TokenRecord>,
    key: Option<[u8; 32]>,
}

impl Kept {
    fn hashes(&self, besides: Option<&TokenId>) -> HashSet<SecretHash> {
        let others = self.tokens.values().filter(|token| Some(token.id()) != besides);
        others.flat_map(|token| token.secrets.iter().map(|secret| secret.hash)).collect()
    }
}

impl Default for MemoryTokens {
    fn default() -> Self {
        Self { kept: Mutex::default(), revision: watch::Sender::new(0) }
    }
}

impl MemoryTokens {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed_now(&self) {
        self.revision.send_modify(|revision| *revision += 1);
    }
}

impl TokenStore for MemoryTokens {
    fn agree<'a>(&'a self, key: [u8; 32]) -> BoxFuture<'a, Result<(), StoreError>> {
        let agreed = *self.kept().key.get_or_insert(key);
        Box::pin(async move { if agreed == key { Ok(()) } else { Err(StoreError::OtherKey) } })
    }

    /// Always everything: it is at hand.
    fn load<'a>(&'a self, _since: Option<u64>) -> BoxFuture<'a, Result<Loaded, StoreError>> {
        let kept = self.kept();
        let tokens = kept.tokens.values().cloned().collect();
        let loaded = Loaded { tokens, whole: true, revision: *self.revision.borrow(), ..Loaded::default() };
        Box::pin(async move { Ok(loaded) })
    }

    fn add<'a>(&'a self, tokens: &'a [TokenRecord]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut kept = self.kept();
            let (mut ids, mut hashes) = (HashSet::new(), kept.hashes(None));
            for token in tokens {
                let new = ids.insert(token.id().as_str()) && !kept.tokens.contains_key(token.id().as_str());
                if !new || !token.secrets.iter().all(|secret| hashes.insert(secret.hash)) {
                    return Err(StoreError::Conflict);
                }
            }
            kept.tokens.extend(tokens.iter().map(|token| (token.id().to_string(), token.clone())));
            self.changed_now();
            Ok(())
        })
    }

    fn update<'a>(
        &'a self,
        before: &'a TokenRecord,
        after: &'a TokenRecord,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut kept = self.kept();
            if kept.tokens.get(before.id().as_str()) != Some(before) {
                return Ok(false);
            }
            let others = kept.hashes(Some(before.id()));
            if after.secrets.iter().any(|secret| others.contains(&secret.hash)) {
                return Err(StoreError::Conflict);
            }
            kept.tokens.insert(after.id().to_string(), after.clone());
            self.changed_now();
            Ok(true)
        })
    }

    fn remove<'a>(&'a self, id: &'a TokenId) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let removed = self.kept().tokens.remove(id.as_str()).is_some();
            if removed {
                self.changed_now();
            }
            Ok(removed)
        })
    }

    fn changed<'a>(&'a self, since: u64) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut revision = self.revision.subscribe();
        Box::pin(async move {
            let _ = revision.wait_for(|revision| *revision > since).await;
            Ok(())
        })
    }
}
