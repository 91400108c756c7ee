//! What a caller may see, asked for each request. Who the caller is was found out before: nothing a client says of itself
//! counts here.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{Toolsets, set::Set};
use crate::{BoxFuture, Error, Grant, Principal};

/// Where the toolsets of a caller come from. Clones share what they keep.
#[derive(Clone)]
pub struct Permissions(Arc<Inner>);

struct Inner {
    source: Source,
    /// What callers have of whom the source says nothing.
    default: Vec<String>,
    cache: Option<Cache>,
}

enum Source {
    Claim(String),
    Rules(Vec<Rule>),
    Config { map: HashMap<String, Vec<String>>, resolver: Option<Arc<dyn PermissionResolver>> },
}

/// Asks somebody else which toolsets a caller has.
pub trait PermissionResolver: Send + Sync + 'static {
    /// `None` leaves it to the map and the default. A failure is no toolset at all.
    fn resolve<'a>(
        &'a self,
        principal: &'a Principal,
    ) -> BoxFuture<'a, Result<Option<Vec<String>>, super::ModuleError>>;
}

impl<R: PermissionResolver + ?Sized> PermissionResolver for Arc<R> {
    fn resolve<'a>(
        &'a self,
        principal: &'a Principal,
    ) -> BoxFuture<'a, Result<Option<Vec<String>>, super::ModuleError>> {
        (**self).resolve(principal)
    }
}

/// A row: a group, a principal, or without either everyone. The union of all rows that match is what a caller has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub group: Option<String>,
    pub principal: Option<String>,
    pub toolsets: Vec<String>,
}

impl Rule {
    fn matches(&self, caller: &Principal) -> bool {
        self.group.as_ref().is_none_or(|group| caller.groups.contains(group))
            && self.principal.as_ref().is_none_or(|principal| *principal == caller.id)
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &self.0.source {
            Source::Claim(_) => "claim",
            Source::Rules(_) => "rules",
            Source::Config { .. } => "config",
        };
        f.debug_struct("Permissions").field("source", &source).finish_non_exhaustive()
    }
}

impl Permissions {
    fn new(source: Source) -> Self {
        Self(Arc::new(Inner { source, default: Vec::new(), cache: None }))
    }

    /// A claim of the principal: a list, or a text with commas between.
    #[must_use]
    pub fn claim(claim: impl Into<String>) -> Self {
        Self::new(Source::Claim(claim.into()))
    }

    #[must_use]
    pub fn rules(rules: Vec<Rule>) -> Self {
        Self::new(Source::Rules(rules))
    }

    /// The toolsets of each principal, by its id.
    pub fn map<K: Into<String>, T: Into<String>>(map: impl IntoIterator<Item = (K, Vec<T>)>) -> Self {
        let map = map.into_iter().map(|(id, keys)| (id.into(), keys.into_iter().map(Into::into).collect()));
        Self::new(Source::Config { map: map.collect(), resolver: None })
    }

    #[must_use]
    pub fn resolver(resolver: impl PermissionResolver) -> Self {
        Self::new(Source::Config { map: HashMap::new(), resolver: Some(Arc::new(resolver)) })
    }

    /// The resolver is asked first, then the map.
    #[must_use]
    pub fn resolver_or_map(resolver: impl PermissionResolver, map: HashMap<String, Vec<String>>) -> Self {
        Self::new(Source::Config { map, resolver: Some(Arc::new(resolver)) })
    }

    /// What callers have of whom the source says nothing.
    #[must_use]
    pub fn or_default<T: Into<String>>(self, keys: impl IntoIterator<Item = T>) -> Self {
        let default = keys.into_iter().map(Into::into).collect();
        self.with(|inner| inner.default = default)
    }

    /// What a resolver says is kept for so long. A change is noticed then, or at once with [`invalidate`](Self::invalidate).
    #[must_use]
    pub fn cached(self, ttl: Duration) -> Self {
        self.with(|inner| inner.cache = Some(Cache { ttl, kept: Mutex::default() }))
    }

    fn with(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Arc::into_inner(self.0).expect("permissions are not shared before they are used");
        change(&mut inner);
        Self(Arc::new(inner))
    }

    /// From now on the resolver is asked anew about this principal.
    pub fn invalidate(&self, tenant: Option<&str>, id: &str) {
        if let Some(cache) = &self.0.cache {
            let mut kept = cache.lock();
            kept.epoch += 1;
            kept.answers.remove(&(tenant.map(str::to_owned), id.to_owned()));
        }
    }

    /// The same for everybody.
    pub fn invalidate_all(&self) {
        if let Some(cache) = &self.0.cache {
            let mut kept = cache.lock();
            kept.epoch += 1;
            kept.answers.clear();
        }
    }

    /// The keys that this caller is given, known or not.
    async fn of(&self, principal: &Principal) -> Vec<String> {
        let Inner { source, default, .. } = &*self.0;
        match source {
            Source::Claim(claim) => principal.claims.get(claim).map_or_else(
                || default.clone(),
                |claim| {
                    let mut keys = default.clone();
                    keys.extend(keys_of(claim));
                    keys
                },
            ),
            Source::Rules(rules) => {
                let rules = rules.iter().filter(|rule| rule.matches(principal));
                rules.flat_map(|rule| &rule.toolsets).chain(default).cloned().collect()
            }
            Source::Config { map, resolver } => {
                let resolved = match resolver {
                    None => None,
                    Some(resolver) => match self.ask(&**resolver, principal).await {
                        Ok(resolved) => resolved,
                        Err(error) => {
                            tracing::warn!(
                                principal = principal.id,
                                error = &*error,
                                "no permissions: the resolver failed"
                            );
                            return Vec::new();
                        }
                    },
                };
                resolved.or_else(|| map.get(&principal.id).cloned()).unwrap_or_else(|| default.clone())
            }
        }
    }

    async fn ask(
        &self,
        resolver: &dyn PermissionResolver,
        principal: &Principal,
    ) -> Result<Option<Vec<String>>, super::ModuleError> {
        let Some(cache) = &self.0.cache else { return resolver.resolve(principal).await };
        let key = (principal.tenant.clone(), principal.id.clone());
        let epoch = {
            let kept = cache.lock();
            let answer = kept.answers.get(&key).and_then(|answers| answers.iter().find(|it| it.is_for(principal)));
            if let Some(answer) = answer.filter(|answer| answer.at.elapsed() < cache.ttl) {
                return Ok(answer.keys.clone());
            }
            kept.epoch
        };
        let keys = resolver.resolve(principal).await?;
        let mut kept = cache.lock();
        // What was asked before somebody invalidated it may be what it was before.
        if kept.epoch == epoch {
            kept.insert(key, Answer { caller: principal.clone(), at: Instant::now(), keys: keys.clone() }, cache.ttl);
        }
        drop(kept);
        Ok(keys)
    }
}

fn keys_of(claim: &Value) -> Vec<String> {
    let trimmed = |text: &str| Some(text.trim().to_owned()).filter(|key| !key.is_empty());
    match claim {
        Value::String(text) => text.split(',').filter_map(trimmed).collect(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).filter_map(trimmed).collect(),
        _ => Vec::new(),
    }
}

struct Cache {
    ttl: Duration,
    kept: Mutex<Kept>,
}

impl Cache {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Kept {
    epoch: u64,
    /// By tenant and id; each credential of them has an answer of its own, and so have other rights with the same one.
    answers: HashMap<(Option<String>, String), Vec<Answer>>,
}

struct Answer {
    /// As the resolver saw it.
    caller: Principal,
    at: Instant,
    keys: Option<Vec<String>>,
}

impl Answer {
    /// A proxy may say less of the next request with the same credential, or with none.
    fn is_for(&self, caller: &Principal) -> bool {
        self.caller.token == caller.token && self.caller.has_the_rights_of(caller)
    }
}

const MOST_PRINCIPALS: usize = 10_000;
const MOST_ANSWERS: usize = 8;

impl Kept {
    fn insert(&mut self, key: (Option<String>, String), answer: Answer, ttl: Duration) {
        if self.answers.len() >= MOST_PRINCIPALS && !self.answers.contains_key(&key) {
            self.answers.retain(|_, answers| answers.iter().any(|answer| answer.at.elapsed() < ttl));
            if self.answers.len() >= MOST_PRINCIPALS {
                self.answers.clear();
            }
        }
        let answers = self.answers.entry(key).or_default();
        answers.retain(|known| !known.is_for(&answer.caller) && known.at.elapsed() < ttl);
        if answers.len() >= MOST_ANSWERS {
            answers.remove(0);
        }
        answers.push(answer);
    }
}

/// What [`Server::admit`](crate::Server::admit) gives.
pub(super) struct Granted {
    /// Means nothing to another generation.
    generation: u64,
    set: Set,
    /// Keys that were given, of which there is no toolset.
    failed: Vec<String>,
}

impl Granted {
    fn read(grant: Option<&Grant>, generation: u64) -> Option<&Self> {
        let granted = grant.and_then(|grant| grant.downcast_ref::<Self>());
        granted.filter(|granted| granted.generation == generation)
    }

    pub(super) fn of(grant: Option<&Grant>, generation: u64) -> Set {
        Self::read(grant, generation).map_or_else(Set::default, |granted| granted.set)
    }

    pub(super) fn failed(grant: Option<&Grant>, generation: u64) -> &[String] {
        Self::read(grant, generation).map_or(&[], |granted| &granted.failed)
    }
}

/// Which toolsets somebody has, by their keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallerToolsets {
    pub allowed: Vec<String>,
    /// Keys that the caller is given and that lead to no toolset.
    pub failed: Vec<String>,
}

impl Toolsets {
    /// What a caller may see now, whether it is on or not. [`Error::AccessDenied`] for who is given nothing that there is.
    pub async fn toolsets_of(&self, principal: &Principal) -> Result<CallerToolsets, Error> {
        let Some(permissions) = &self.permissions else {
            return Ok(CallerToolsets { allowed: self.owned_keys(self.allowed), failed: Vec::new() });
        };
        let (set, failed) = self.permitted_to(permissions, principal).await;
        if set.is_empty() && !failed.is_empty() {
            return Err(Error::AccessDenied);
        }
        Ok(CallerToolsets { allowed: self.owned_keys(set.and(self.allowed)), failed })
    }

    fn owned_keys(&self, set: Set) -> Vec<String> {
        self.keys(set).into_iter().map(str::to_owned).collect()
    }

    pub(super) async fn grant(&self, permissions: &Permissions, principal: &Principal) -> Result<Grant, Error> {
        let (set, failed) = self.permitted_to(permissions, principal).await;
        if !failed.is_empty() {
            if set.is_empty() {
                return Err(Error::AccessDenied);
            }
            tracing::debug!(principal = principal.id, ?failed, "permissions name toolsets that there are not");
        }
        Ok(Arc::new(Granted { generation: self.generation, set, failed }))
    }

    async fn permitted_to(&self, permissions: &Permissions, principal: &Principal) -> (Set, Vec<String>) {
        let (mut set, mut failed) = (Set::default(), Vec::new());
        for key in permissions.of(principal).await {
            match self.place(&key) {
                Some(place) => set = set.or(Set::one(place)),
                None => failed.push(key),
            }
        }
        (set, failed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Scopes;

    /// Says what it is asked with.
    struct ByRights;

    impl PermissionResolver for ByRights {
        fn resolve<'a>(
            &'a self,
            caller: &'a Principal,
        ) -> BoxFuture<'a, Result<Option<Vec<String>>, super::super::ModuleError>> {
            let scopes = format!("{:?}", caller.scopes);
            let claim = caller.claims.get("x-toolsets").map(ToString::to_string);
            Box::pin(async move { Ok(Some(caller.groups.iter().cloned().chain([scopes]).chain(claim).collect())) })
        }
    }

    /// S3-62, S3-63: a proxy says more of one request than of the next, and there is no token that tells them apart.
    #[tokio::test]
    async fn what_is_kept_for_wide_rights_is_not_given_to_narrow_ones() {
        let permissions = Permissions::resolver(ByRights).cached(Duration::from_hours(1));
        let narrow =
            Principal { scopes: Scopes::Only(["read".to_owned()].into()), ..(*Principal::trusted("ann")).clone() };
        let mut all = vec![narrow.clone(); 4];
        all[0].groups.push("admins".to_owned());
        all[1].scopes = Scopes::All;
        all[2].claims.insert("x-toolsets".to_owned(), json!("books"));
        for principal in all.iter().chain(&all) {
            let fresh = ByRights.resolve(principal).await.expect("never fails").expect("always known");
            assert_eq!(permissions.of(principal).await, fresh, "{principal:?}");
        }
    }

    #[test]
    fn a_claim_is_a_list_or_a_text_with_commas() {
        assert_eq!(keys_of(&json!(["a", " b ", 1, ""])), ["a", "b"]);
        assert_eq!(keys_of(&json!("a, b,,c")), ["a", "b", "c"]);
        assert_eq!(keys_of(&json!({ "a": true })), [""; 0]);
        assert_eq!(keys_of(&json!(true)), [""; 0]);
    }

    #[test]
    fn rules_that_match_are_united() {
        let row = |group: Option<&str>, principal: Option<&str>| Rule {
            group: group.map(str::to_owned),
            principal: principal.map(str::to_owned),
            toolsets: Vec::new(),
        };
        let caller = Principal { groups: vec!["eng".to_owned()], ..(*Principal::trusted("alice")).clone() };
        assert!(row(None, None).matches(&caller));
        assert!(row(Some("eng"), None).matches(&caller));
        assert!(row(None, Some("alice")).matches(&caller));
        assert!(row(Some("eng"), Some("alice")).matches(&caller));
        assert!(!row(Some("eng"), Some("bob")).matches(&caller));
        assert!(!row(Some("ops"), Some("alice")).matches(&caller));
    }
}
