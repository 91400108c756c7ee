//! Which secret is whose. A lookup takes one hash and one look into a map that no writer ever locks.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use super::{
    HashKey, Secret, SecretHash, Token, TokenError, TokenInfo, TokenRecord,
    token::{SecretRecord, check_secret},
};
use crate::{Gate, Limits, Principal, TokenId, sharded::Sharded};

/// Tokens that may be added, changed and removed while requests are checked against them. Clones share them.
#[derive(Clone)]
pub struct TokenRegistry(Arc<Inner>);

/// How a [`TokenRegistry`] is set up.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// Default: one of this process. Processes that share a store hand in the same.
    pub key: HashKey,
    /// Tokens at once. Default 100,000.
    pub max_tokens: usize,
    /// Characters a secret needs. Default 16.
    pub min_secret: usize,
}

impl RegistryOptions {
    pub const MAX_SECRET: usize = 4_096;
    /// Shorter ones are for trying things out.
    pub const GOOD_SECRET: usize = 16;
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self { key: HashKey::random(), max_tokens: 100_000, min_secret: Self::GOOD_SECRET }
    }
}

struct Inner {
    options: RegistryOptions,
    secrets: Sharded<SecretHash, Found>,
    tokens: Sharded<TokenId, Arc<Entry>>,
    /// Tokens with limits of their own: while there are none, no call looks for them.
    limited: AtomicUsize,
    /// Held by whoever changes something.
    writing: Mutex<Vec<Weak<dyn TokenObserver>>>,
}

/// What a secret leads to.
#[derive(Clone)]
struct Found {
    entry: Arc<Entry>,
    until: Option<SystemTime>,
}

struct Entry {
    record: TokenRecord,
    gate: Option<Arc<Gate>>,
}

/// Told of each change, one at a time and in their order, while the registry is held: it must not change it.
pub(crate) trait TokenObserver: Send + Sync {
    fn changed(&self, change: TokenChange, id: &TokenId);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenChange {
    Added,
    Updated,
    Removed,
}

impl Default for TokenRegistry {
    fn default() -> Self {
        Self::new(RegistryOptions::default())
    }
}

impl TokenRegistry {
    #[must_use]
    pub fn new(options: RegistryOptions) -> Self {
        Self(Arc::new(Inner {
            options,
            secrets: Sharded::new(),
            tokens: Sharded::new(),
            limited: AtomicUsize::new(0),
            writing: Mutex::default(),
        }))
    }

    pub fn add(&self, token: Token) -> Result<TokenId, TokenError> {
        let record = self.prepare(token)?;
        let id = record.id().clone();
        self.insert(vec![record])?;
        Ok(id)
    }

    /// All of them, or none.
    pub fn add_all(&self, tokens: impl IntoIterator<Item = Token>) -> Result<Vec<TokenId>, TokenError> {
        let records: Vec<_> = tokens.into_iter().map(|token| self.prepare(token)).collect::<Result<_, _>>()?;
        let ids = records.iter().map(|record| record.id().clone()).collect();
        self.insert(records)?;
        Ok(ids)
    }

    /// From the next request on. `None` when there is no such token.
    pub fn remove(&self, id: &str) -> Option<TokenInfo> {
        let observers = self.write();
        let entry = self.entry(id)?;
        self.replace(Some(&entry), None);
        tell(&observers, TokenChange::Removed, entry.record.id());
        Some(TokenInfo::of(&entry.record))
    }

    /// Changes scopes, expiry, limits and whatever else a token has, but its id. `None` when there is no such token.
    pub fn update(&self, id: &str, change: impl FnOnce(&mut TokenRecord)) -> Result<Option<TokenInfo>, TokenError> {
        let observers = self.write();
        let Some(entry) = self.entry(id) else { return Ok(None) };
        let mut record = entry.record.clone();
        change(&mut record);
        self.accept_update(&entry, &record)?;
        let info = TokenInfo::of(&record);
        self.replace(Some(&entry), Some(record));
        tell(&observers, TokenChange::Updated, &info.token);
        Ok(Some(info))
    }

    /// Gives a token another secret. The ones it has are good for `overlap` more, so that clients can change over.
    pub fn rotate(
        &self,
        id: &str,
        secret: impl Into<Secret>,
        overlap: Duration,
    ) -> Result<Option<TokenInfo>, TokenError> {
        let change = self.rotation(&secret.into(), overlap)?;
        self.update(id, change)
    }

    pub(super) fn rotation(
        &self,
        secret: &Secret,
        overlap: Duration,
    ) -> Result<impl Fn(&mut TokenRecord) + use<>, TokenError> {
        let hash = check_secret(secret, &self.0.options, &self.0.options.key)?;
        Ok(move |record: &mut TokenRecord| {
            let now = SystemTime::now();
            // Beyond what a clock can say: as long as it was good anyhow.
            let last = now.checked_add(overlap);
            record.secrets.retain(|known| known.hash != hash && known.expires_at.is_none_or(|time| time > now));
            for known in &mut record.secrets {
                known.expires_at = known.expires_at.into_iter().chain(last).min();
            }
            record.secrets.insert(0, SecretRecord { hash, expires_at: None });
        })
    }

    /// Returns how many there were.
    pub fn clear(&self) -> usize {
        let observers = self.write();
        let entries: Vec<_> = self.0.tokens.values().collect();
        let hashes = entries.iter().flat_map(|entry| entry.record.secrets.iter().map(|secret| secret.hash));
        self.0.secrets.change([], hashes);
        self.0.tokens.change([], entries.iter().map(|entry| entry.record.id().clone()));
        self.0.limited.store(0, Ordering::Relaxed);
        for entry in &entries {
            tell(&observers, TokenChange::Removed, entry.record.id());
        }
        entries.len()
    }

    /// Of the token with this id or, for an operator who has nothing else at hand, with this secret.
    #[must_use]
    pub fn find(&self, id_or_secret: &str) -> Option<TokenId> {
        let by_id = self.0.tokens.with(id_or_secret, |entry| entry.record.id().clone());
        by_id.or_else(|| {
            let hash = self.0.options.key.hash(id_or_secret.as_bytes());
            self.0.secrets.with(&hash, |found| found.entry.record.id().clone())
        })
    }

    #[must_use]
    pub fn get(&self, id: &str) -> Option<TokenInfo> {
        self.0.tokens.with(id, |entry| TokenInfo::of(&entry.record))
    }

    /// In the order of their ids.
    #[must_use]
    pub fn list(&self) -> Vec<TokenInfo> {
        let mut tokens: Vec<_> = self.0.tokens.values().map(|entry| TokenInfo::of(&entry.record)).collect();
        tokens.sort_by(|a, b| a.token.as_str().cmp(b.token.as_str()));
        tokens
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.tokens.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// That somebody belongs to whose token has an id that begins so.
    pub(crate) fn tenants(&self, prefix: &str) -> BTreeSet<Option<String>> {
        let entries = self.0.tokens.values().filter(|entry| entry.record.id().as_str().starts_with(prefix));
        entries.map(|entry| entry.record.principal.tenant.clone()).collect()
    }

    /// Takes as long for a secret that was removed as for one that never was.
    pub(crate) fn principal_of(&self, secret: &[u8]) -> Option<Arc<Principal>> {
        if secret.len() > RegistryOptions::MAX_SECRET {
            return None;
        }
        let hash = self.0.options.key.hash(secret);
        let (principal, until) =
            self.0.secrets.with(&hash, |found| (found.entry.record.principal.clone(), found.until))?;
        until.is_none_or(|until| SystemTime::now() < until).then_some(principal)
    }

    /// Until when a secret is good, where it is good and that is known.
    pub(crate) fn expires_at(&self, secret: &[u8]) -> Option<SystemTime> {
        self.0.secrets.with(&self.0.options.key.hash(secret), |found| found.until)?
    }

    /// Whether the credential of this caller is one of these tokens.
    pub(crate) fn names_entry(&self, principal: &Principal) -> bool {
        principal.token.as_ref().is_some_and(|token| self.0.tokens.with(token, |_| ()).is_some())
    }

    /// Where a call with this caller's token has to enter too.
    pub(crate) fn gate(&self, principal: &Principal) -> Option<Arc<Gate>> {
        if self.0.limited.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.0.tokens.with(principal.token.as_ref()?, |entry| entry.gate.clone())?
    }

    pub(crate) fn observe(&self, observer: Weak<dyn TokenObserver>) {
        let mut observers = self.write();
        observers.retain(|known| known.strong_count() > 0 && !known.ptr_eq(&observer));
        observers.push(observer);
    }

    pub(super) fn key(&self) -> &HashKey {
        &self.0.options.key
    }

    pub(crate) fn prepare(&self, token: Token) -> Result<TokenRecord, TokenError> {
        token.into_record(&self.0.options.key, &self.0.options)
    }

    pub(crate) fn record(&self, id: &str) -> Option<TokenRecord> {
        self.0.tokens.with(id, |entry| entry.record.clone())
    }

    pub(super) fn has_room(&self, more: usize) -> Result<(), TokenError> {
        let most = self.0.options.max_tokens;
        if self.len() + more > most { Err(TokenError::Full { most }) } else { Ok(()) }
    }

    /// What a store says: new, changed, or the same as before. Gives those that claim a secret of another token: whose it is
    /// nobody knows, so that they let nobody in.
    pub(super) fn put(&self, mut records: Vec<TokenRecord>) -> Result<Vec<TokenId>, TokenError> {
        let contested = self.contested(&records);
        if !contested.is_empty() {
            records.retain(|record| !contested.contains(record.id()));
        }
        let observers = self.write();
        if self.is_empty() && observers.is_empty() {
            // The first load, in one go.
            drop(observers);
            self.insert(records)?;
            return Ok(contested);
        }
        for id in &contested {
            tracing::error!(token = %crate::visible(id.as_str()), "a stored token has a secret of another one; it is refused");
            if let Some(entry) = self.entry(id.as_str()) {
                self.replace(Some(&entry), None);
                tell(&observers, TokenChange::Removed, id);
            }
        }
        // One that finds no room must not keep others from being changed.
        let mut outcome = Ok(contested);
        for record in records {
            let known = self.entry(record.id().as_str());
            if known.is_none()
                && let Err(full) = self.has_room(1)
            {
                outcome = Err(full);
                continue;
            }
            if known.as_ref().is_some_and(|entry| entry.record == record) {
                continue;
            }
            let change = if known.is_some() { TokenChange::Updated } else { TokenChange::Added };
            let id = record.id().clone();
            self.replace(known.as_deref(), Some(record));
            tell(&observers, change, &id);
        }
        outcome
    }

    pub(crate) fn insert(&self, records: Vec<TokenRecord>) -> Result<(), TokenError> {
        let observers = self.write();
        self.has_room(records.len())?;
        let mut ids = HashSet::with_capacity(records.len());
        let mut hashes = HashSet::with_capacity(records.len());
        for record in &records {
            if !ids.insert(record.id()) || self.0.tokens.with(record.id(), |_| ()).is_some() {
                return Err(TokenError::Exists { id: record.id().clone() });
            }
            for secret in &record.secrets {
                if !hashes.insert(secret.hash) || self.0.secrets.with(&secret.hash, |_| ()).is_some() {
                    return Err(TokenError::SecretTaken);
                }
            }
        }
        let entries: Vec<_> = records.into_iter().map(|record| Arc::new(Entry::new(record, None))).collect();
        let limited = entries.iter().filter(|entry| entry.gate.is_some()).count();
        self.0.tokens.change(entries.iter().map(|entry| (entry.record.id().clone(), entry.clone())), []);
        self.0.limited.fetch_add(limited, Ordering::Relaxed);
        self.0.secrets.change(entries.iter().flat_map(Entry::found), []);
        for entry in &entries {
            tell(&observers, TokenChange::Added, entry.record.id());
        }
        Ok(())
    }

    /// Those that share a secret with another of them, or with one that is known and not among them.
    fn contested(&self, records: &[TokenRecord]) -> Vec<TokenId> {
        let ids: HashSet<_> = records.iter().map(TokenRecord::id).collect();
        let mut owners: HashMap<SecretHash, &TokenId> = HashMap::with_capacity(records.len());
        let mut contested = Vec::new();
        for record in records {
            for secret in &record.secrets {
                let stays = |found: &Found| !ids.contains(found.entry.record.id());
                match owners.insert(secret.hash, record.id()) {
                    None if self.0.secrets.with(&secret.hash, stays) != Some(true) => {}
                    other => contested.extend(other.into_iter().chain([record.id()]).cloned()),
                }
            }
        }
        contested.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        contested.dedup();
        contested
    }

    fn accept_update(&self, entry: &Entry, record: &TokenRecord) -> Result<(), TokenError> {
        record.check()?;
        let id = entry.record.id();
        if record.id() != id {
            return Err(TokenError::Renamed { id: id.clone() });
        }
        let taken = |secret: &SecretRecord| {
            self.0.secrets.with(&secret.hash, |found| found.entry.record.id() != id).unwrap_or(false)
        };
        if record.secrets.iter().any(taken) { Err(TokenError::SecretTaken) } else { Ok(()) }
    }

    /// In one step for each secret: none that stays is ever unknown meanwhile.
    fn replace(&self, old: Option<&Entry>, new: Option<TokenRecord>) {
        let gate = old.and_then(|entry| entry.gate.clone());
        let new = new.map(|record| Arc::new(Entry::new(record, gate.as_ref())));
        // One that went over to another token stays there.
        let is_own = |entry: &Entry, hash| {
            self.0.secrets.with(&hash, |found| found.entry.record.id() == entry.record.id()).unwrap_or(false)
        };
        let gone = old.into_iter().flat_map(|entry| {
            let hashes = entry.record.secrets.iter().map(|secret| secret.hash);
            hashes.filter(move |hash| is_own(entry, *hash))
        });
        let limited = |entry: Option<&Entry>| usize::from(entry.is_some_and(|entry| entry.gate.is_some()));
        self.0.limited.fetch_add(limited(new.as_deref()), Ordering::Relaxed);
        self.0.secrets.change(new.iter().flat_map(Entry::found), gone);
        let id = old.map(|entry| entry.record.id().clone());
        self.0.tokens.change(new.iter().map(|entry| (entry.record.id().clone(), entry.clone())), id);
        self.0.limited.fetch_sub(limited(old), Ordering::Relaxed);
    }

    fn entry(&self, id: &str) -> Option<Arc<Entry>> {
        self.0.tokens.with(id, Arc::clone)
    }

    fn write(&self) -> MutexGuard<'_, Vec<Weak<dyn TokenObserver>>> {
        self.0.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(observers: &[Weak<dyn TokenObserver>], change: TokenChange, id: &TokenId) {
    for observer in observers.iter().filter_map(Weak::upgrade) {
        observer.changed(change, id);
    }
}

impl Entry {
    /// Limits that stay the same go on counting.
    fn new(record: TokenRecord, before: Option<&Arc<Gate>>) -> Self {
        let gate = (record.limits != Limits::none()).then(|| match before {
            Some(gate) => gate.with_limits(&record.limits),
            None => Arc::new(Gate::new(&record.limits)),
        });
        Self { record, gate }
    }

    fn found(self: &Arc<Self>) -> impl Iterator<Item = (SecretHash, Found)> + '_ {
        self.record.secrets.iter().map(|secret| {
            let until = match (secret.expires_at, self.record.expires_at) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            (secret.hash, Found { entry: self.clone(), until })
        })
    }
}

impl fmt::Debug for TokenRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenRegistry({} tokens)", self.len())
    }
}
