//! Tokens that were judged before, until they expire. A hit is the fast path of every authenticator that has to work for its
//! answer: a keyed hash, a look, and the principal is shared. No token is kept, only its hash under a secret of the process.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use hmac::{Hmac, KeyInit, Mac};
use quick_cache::sync::Cache;
use sha2::Sha256;

use crate::{Departures, Principal, TokenId, Whose, departures::Reports};

/// Shared by the authenticators whose tokens are to be revoked together.
pub struct Verified {
    key: Hmac<Sha256>,
    good: Cache<Digest, Good>,
    /// In seconds since 1970, until when. Apart, so that no number of bad tokens takes the place of a good one.
    refused: Cache<Digest, u64>,
    revoked: RwLock<Revoked>,
    reports: Reports,
}

/// The most revocations are kept; a process that needs more should ask its issuer ([`Introspection`](super::Introspection)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are {MOST_REVOKED} revocations already; nothing was revoked")]
pub struct TooManyRevocations;

pub(super) type Digest = [u8; 32];

/// Who judged. A token that is good for one authenticator is not for the next one, though both share what they know.
#[derive(Debug)]
pub(super) struct Judge([u8; 16]);

impl Default for Judge {
    fn default() -> Self {
        Self(crate::random())
    }
}

/// Whose a token is.
#[derive(Debug, Clone)]
struct Good {
    principal: Arc<Principal>,
    /// In seconds since 1970.
    until: u64,
}

#[derive(Debug, Default)]
struct Revoked {
    tokens: HashSet<TokenId>,
    /// Tokens of these that were issued until then.
    principals: HashMap<(Option<String>, String), u64>,
}

const MOST_REVOKED: usize = 100_000;

impl Default for Verified {
    fn default() -> Self {
        Self::new(10_000)
    }
}

impl Verified {
    /// At most so many tokens are kept; the least used are judged again.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            key: Hmac::new_from_slice(&crate::random::<32>()).expect("every length is a key"),
            good: Cache::new(most.max(1)),
            refused: Cache::new((most / 4).max(1)),
            revoked: RwLock::default(),
            reports: Reports::default(),
        }
    }

    /// From the next request on, this token is nobody's, for the rest of the process. What is open with it ends.
    pub fn revoke(&self, token: &TokenId) -> Result<(), TooManyRevocations> {
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        if !revoked.tokens.contains(token) && revoked.len() >= MOST_REVOKED {
            return Err(TooManyRevocations);
        }
        revoked.tokens.insert(token.clone());
        self.forget(|principal| principal.token.as_ref() == Some(token));
        drop(revoked);
        self.reports.tell(&Whose::Token(token.clone()));
        Ok(())
    }

    /// From the next request on, no token that this principal has now is good, and what is open with them ends. One that is
    /// issued later is good.
    pub fn revoke_principal(&self, id: &str, tenant: Option<&str>) -> Result<(), TooManyRevocations> {
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        let name = (tenant.map(str::to_owned), id.to_owned());
        if !revoked.principals.contains_key(&name) && revoked.len() >= MOST_REVOKED {
            return Err(TooManyRevocations);
        }
        revoked.principals.insert(name, now());
        self.forget(|principal| principal.id == id && principal.tenant.as_deref() == tenant);
        drop(revoked);
        self.reports.tell(&Whose::Principal { id: id.to_owned(), tenant: tenant.map(str::to_owned) });
        Ok(())
    }

    /// Where it is told what is revoked from now on.
    pub(super) fn report_to(&self, departures: &Departures) {
        self.reports.to(departures);
    }

    fn forget(&self, gone: impl Fn(&Principal) -> bool) {
        self.good.retain(|_, good| !gone(&good.principal));
    }

    pub(super) fn digest(&self, judge: &Judge, token: &[u8]) -> Digest {
        self.key.clone().chain_update(judge.0).chain_update(token).finalize().into_bytes().into()
    }

    /// Whose it is, where that was found out and while it is true.
    pub(super) fn get(&self, token: &Digest) -> Option<Arc<Principal>> {
        self.good.get(token).filter(|good| good.until > now()).map(|good| good.principal)
    }

    /// Whether it was found out a moment ago that it is nobody's.
    pub(super) fn is_refused(&self, token: &Digest) -> bool {
        self.refused.get(token).is_some_and(|until| until > now())
    }

    /// Keeps it until then, unless it was revoked.
    pub(super) fn keep(
        &self,
        token: Digest,
        principal: Arc<Principal>,
        issued: Option<u64>,
        until: u64,
    ) -> Option<Arc<Principal>> {
        // Held while it is put there: what is revoked meanwhile is then found and forgotten.
        let revoked = self.revoked.read().unwrap_or_else(PoisonError::into_inner);
        if revoked.covers(&principal, issued) {
            return None;
        }
        self.good.insert(token, Good { principal: principal.clone(), until });
        drop(revoked);
        Some(principal)
    }

    /// What was found out, or what `ask` finds out now. Those who want to know the same meanwhile wait for it.
    pub(super) async fn find_out<E>(
        &self,
        token: Digest,
        ask: impl Future<Output = Result<Finding, E>>,
    ) -> Result<Option<Arc<Principal>>, E> {
        let mut ask = std::pin::pin!(ask);
        loop {
            match self.refused.get_value_or_guard_async(&token).await {
                Ok(until) if until > now() => return Ok(None),
                Ok(_) => drop(self.refused.remove_if(&token, |until| *until <= now())),
                Err(place) => {
                    // Whoever asked before found out that it is good.
                    if let Some(known) = self.get(&token) {
                        return Ok(Some(known));
                    }
                    let Finding { principal, issued, until } = ask.as_mut().await?;
                    if let Some(good) = principal.and_then(|principal| self.keep(token, principal, issued, until)) {
                        return Ok(Some(good));
                    }
                    // Somebody may have put the same there.
                    let _ = place.insert(until);
                    return Ok(None);
                }
            }
        }
    }
}

/// What an authorization server says of a token.
pub(super) struct Finding {
    pub(super) principal: Option<Arc<Principal>>,
    pub(super) issued: Option<u64>,
    pub(super) until: u64,
}

impl Revoked {
    fn len(&self) -> usize {
        self.tokens.len() + self.principals.len()
    }

    /// A token that does not say when it was issued may be one of the old ones.
    fn covers(&self, principal: &Principal, issued: Option<u64>) -> bool {
        principal.token.as_ref().is_some_and(|token| self.tokens.contains(token))
            || (!self.principals.is_empty()
                && self
                    .principals
                    .get(&(principal.tenant.clone(), principal.id.clone()))
                    .is_some_and(|until| issued.is_none_or(|issued| issued <= *until)))
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("tokens", &self.good.len()).finish_non_exhaustive()
    }
}

/// In seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Scopes, auth::verified};

    fn principal(id: &str, token: &[u8]) -> Arc<Principal> {
        let principal = Principal {
            id: id.to_owned(),
            token: Some(TokenId::of(token)),
            scopes: Scopes::All,
            ..(*Principal::local()).clone()
        };
        Arc::new(principal)
    }

    #[test]
    fn a_token_is_known_until_it_expires_and_no_longer() {
        let judge = Judge::default();
        let verified = Verified::default();
        let (good, over) = (verified.digest(&judge, b"good"), verified.digest(&judge, b"over"));
        verified.keep(good, principal("alice", b"good"), None, verified::now() + 60).expect("kept");
        verified.keep(over, principal("alice", b"over"), None, verified::now()).expect("kept");
        let found = verified.get(&good).expect("known");
        let again = verified.get(&good).expect("known");
        assert!(Arc::ptr_eq(&found, &again), "shared, not copied");
        assert!(verified.get(&over).is_none());
        assert!(verified.get(&verified.digest(&judge, b"other")).is_none());
    }

    #[test]
    fn a_revoked_token_is_nobodys_even_if_it_is_verified_again() {
        let judge = Judge::default();
        let verified = Verified::default();
        let digest = verified.digest(&judge, b"token");
        let alice = principal("alice", b"token");
        verified.keep(digest, alice.clone(), Some(1), u64::MAX).expect("kept");
        verified.revoke(&TokenId::of(b"token")).expect("revoked");
        assert!(verified.get(&digest).is_none());
        assert!(verified.keep(digest, alice, Some(1), u64::MAX).is_none());
        verified
            .keep(verified.digest(&judge, b"next"), principal("alice", b"next"), Some(1), u64::MAX)
            .expect("another token");
    }

    #[test]
    fn a_revoked_principal_needs_a_newer_token() {
        let judge = Judge::default();
        let verified = Verified::default();
        let now = verified::now();
        let keep =
            |issued| verified.keep(verified.digest(&judge, b"t"), principal("alice", b"t"), issued, u64::MAX).is_some();
        assert!(keep(Some(now - 5)));
        verified.revoke_principal("alice", None).expect("revoked");
        verified.revoke_principal("bob", None).expect("revoked");
        assert!(verified.get(&verified.digest(&judge, b"t")).is_none());
        assert!(!keep(Some(now - 5)) && !keep(None));
        assert!(keep(Some(now + 60)));
    }

    /// W1-10.
    #[test]
    fn no_number_of_tokens_grows_it() {
        let judge = Judge::default();
        let verified = Verified::new(100);
        for token in 0..10_000_u32 {
            let digest = verified.digest(&judge, &token.to_le_bytes());
            verified.keep(digest, principal("alice", b"x"), None, u64::MAX).expect("kept");
        }
        assert!(verified.good.len() <= 100, "{}", verified.good.len());
    }

    /// Anybody can send tokens that are nobody's; an issuer is asked about each.
    #[tokio::test]
    async fn no_number_of_bad_tokens_takes_the_place_of_a_good_one() {
        let judge = Judge::default();
        let verified = Verified::new(100);
        let ask = async |text: &str, principal: Option<Arc<Principal>>| {
            let finding = async { Ok::<_, ()>(Finding { principal, issued: None, until: u64::MAX }) };
            verified.find_out(verified.digest(&judge, text.as_bytes()), finding).await.expect("found out")
        };
        for good in 0..50 {
            let name = format!("good {good}");
            ask(&name, Some(principal(&name, name.as_bytes()))).await.expect("good");
        }
        for bad in 0..10_000 {
            assert!(ask(&format!("bad {bad}"), None).await.is_none());
        }
        let known = |text: String| verified.get(&verified.digest(&judge, text.as_bytes()));
        assert_eq!((0..50).filter(|good| known(format!("good {good}")).is_some()).count(), 50);
        assert!(verified.is_refused(&verified.digest(&judge, b"bad 9999")) && verified.refused.len() <= 25);
    }
}
