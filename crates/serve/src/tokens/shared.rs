//! A registry that is the same as a store, wherever the store is changed.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Secret, StoreError, Token, TokenError, TokenInfo, TokenRecord, TokenRegistry, TokenStore};
use crate::TokenId;

/// Changes go to the store first and are in the registry when they return; those of other processes follow by themselves.
/// While the store is down, requests are checked against what is known. Clones share one.
#[derive(Debug, Clone)]
pub struct SharedTokens {
    following: Arc<Following>,
    _end: Arc<DropGuard>,
}

#[derive(Debug)]
struct Following {
    registry: TokenRegistry,
    store: Arc<dyn TokenStore>,
    /// Held while news are fetched, so that they come in their order.
    revision: Mutex<Option<u64>>,
    unreadable: std::sync::Mutex<BTreeSet<String>>,
}

impl SharedTokens {
    /// Fails when the registry's key is not the store's.
    pub async fn open(registry: TokenRegistry, store: impl TokenStore) -> Result<Self, StoreError> {
        Self::follow(registry, Arc::new(store)).await
    }

    /// The same for a store that is shared in this process.
    pub async fn follow(registry: TokenRegistry, store: Arc<dyn TokenStore>) -> Result<Self, StoreError> {
        store.agree(registry.key().fingerprint()).await?;
        let following =
            Arc::new(Following { registry, store, revision: Mutex::default(), unreadable: Default::default() });
        following.catch_up().await?;
        let end = CancellationToken::new();
        tokio::spawn({
            let (following, end) = (following.clone(), end.clone());
            async move { end.run_until_cancelled(following.watch()).await }
        });
        Ok(Self { following, _end: Arc::new(end.drop_guard()) })
    }

    /// What requests are checked against.
    #[must_use]
    pub fn registry(&self) -> &TokenRegistry {
        &self.following.registry
    }

    /// Tokens that the store has and that can't be read, or that claim a secret of another one. They let nobody in.
    #[must_use]
    pub fn unreadable(&self) -> Vec<TokenId> {
        self.following.unreadable().iter().cloned().map(TokenId).collect()
    }

    pub async fn add(&self, token: Token) -> Result<TokenId, StoreError> {
        let mut ids = self.add_all([token]).await?;
        Ok(ids.swap_remove(0))
    }

    /// All of them, or none.
    pub async fn add_all(&self, tokens: impl IntoIterator<Item = Token>) -> Result<Vec<TokenId>, StoreError> {
        let registry = self.registry();
        let records: Vec<_> = tokens.into_iter().map(|token| registry.prepare(token)).collect::<Result<_, _>>()?;
        registry.has_room(records.len())?;
        self.following.store.add(&records).await?;
        self.following.catch_up().await?;
        Ok(records.iter().map(|record| record.id().clone()).collect())
    }

    /// `None` when there is no such token.
    pub async fn update(&self, id: &str, change: impl Fn(&mut TokenRecord)) -> Result<Option<TokenInfo>, StoreError> {
        loop {
            let Some(before) = self.registry().record(id) else { return Ok(None) };
            let mut after = before.clone();
            change(&mut after);
            after.check()?;
            if after.id() != before.id() {
                return Err(TokenError::Renamed { id: before.id().clone() }.into());
            }
            let is_done = self.following.store.update(&before, &after).await?;
            self.following.catch_up().await?;
            if is_done {
                return Ok(Some(TokenInfo::of(&after)));
            }
            // Somebody else was faster: change what is there now. If that is what was known before, it was not written by us.
            if self.registry().record(id).is_some_and(|now| now == before) {
                return Err(StoreError::Foreign { id: before.id().clone() });
            }
        }
    }

    /// As [`TokenRegistry::rotate`].
    pub async fn rotate(
        &self,
        id: &str,
        secret: impl Into<Secret>,
        overlap: Duration,
    ) -> Result<Option<TokenInfo>, StoreError> {
        let change = self.registry().rotation(&secret.into(), overlap)?;
        self.update(id, change).await
    }

    /// `None` when there was none.
    pub async fn remove(&self, id: &str) -> Result<Option<TokenInfo>, StoreError> {
        let Ok(name) = TokenId::new(id) else { return Ok(None) };
        // Looked up first: whoever follows the store may hear of the removal before it returns here.
        let known = self.registry().get(id);
        let was_stored = self.following.store.remove(&name).await?;
        let info = known.or_else(|| self.registry().get(id)).filter(|_| was_stored);
        // At once, whatever becomes of the news.
        self.registry().remove(id);
        self.following.catch_up().await?;
        Ok(info)
    }
}

impl Following {
    /// After a failure of the store.
    const RETRY: Duration = Duration::from_secs(1);

    async fn catch_up(&self) -> Result<u64, StoreError> {
        let mut known = self.revision.lock().await;
        let loaded = self.store.load(*known).await?;
        let changed = loaded.tokens.iter().map(|token| token.id().as_str());
        let changed: Vec<_> = changed.chain(loaded.removed.iter().map(TokenId::as_str)).map(str::to_owned).collect();
        for id in loaded.removed.iter().chain(&loaded.unreadable) {
            self.registry.remove(id.as_str());
        }
        if loaded.whole {
            let ids: std::collections::HashSet<_> = loaded.tokens.iter().map(TokenRecord::id).collect();
            for token in self.registry.list() {
                if !ids.contains(&token.token) {
                    self.registry.remove(token.token.as_str());
                }
            }
        }
        let contested = self.registry.put(loaded.tokens);
        {
            let mut unreadable = self.unreadable();
            if loaded.whole {
                unreadable.clear();
            }
            unreadable.retain(|id| !changed.contains(id));
            let contested = contested.as_deref().unwrap_or_default();
            unreadable.extend(loaded.unreadable.iter().chain(contested).map(ToString::to_string));
        }
        contested?;
        *known = Some(loaded.revision);
        Ok(loaded.revision)
    }

    fn unreadable(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.unreadable.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn watch(&self) {
        loop {
            let known = self.revision.lock().await.unwrap_or_default();
            let news = async {
                self.store.changed(known).await?;
                self.catch_up().await
            };
            if let Err(error) = news.await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the token store can't be followed");
                tokio::time::sleep(Self::RETRY).await;
            }
        }
    }
}
