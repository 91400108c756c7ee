//! Credentials that are the same for every caller, or known from the start.

use std::{collections::HashMap, sync::Arc};

use super::{Credential, ResolveError, Resource, TokenResolver};
use crate::{BoxFuture, Principal, tokens::Secret};

/// Given from the start, per principal and resource, or for everybody.
#[derive(Debug, Default)]
pub struct FixedTokens {
    of_one: HashMap<(String, Option<String>, Resource), Arc<Credential>>,
    of_all: HashMap<Resource, Arc<Credential>>,
}

impl FixedTokens {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One credential for all callers: the service's own account.
    #[must_use]
    pub fn for_everybody(mut self, resource: Resource, credential: Credential) -> Self {
        self.of_all.insert(resource, Arc::new(credential));
        self
    }

    /// Goes before the one for everybody.
    #[must_use]
    pub fn for_principal(mut self, principal: &Principal, resource: Resource, credential: Credential) -> Self {
        let key = (principal.id.clone(), principal.tenant.clone(), resource);
        self.of_one.insert(key, Arc::new(credential));
        self
    }
}

impl TokenResolver for FixedTokens {
    fn resolve<'a>(
        &'a self,
        principal: &'a Principal,
        resource: &'a Resource,
    ) -> BoxFuture<'a, Result<Option<Arc<Credential>>, ResolveError>> {
        let key = (principal.id.clone(), principal.tenant.clone(), resource.clone());
        let found = self.of_one.get(&key).or_else(|| self.of_all.get(resource)).cloned();
        Box::pin(std::future::ready(Ok(found)))
    }
}

/// Credentials that the caller's own token carries among its claims, which the issuer put there: `{"tokens": {"github": "…"}}`.
///
/// Whoever holds such a token holds what is in it, and a tool that looks at the claims of its caller sees it. Where there is a
/// choice, keep credentials where callers don't carry them about: [`ApiTokens`](super::ApiTokens).
#[derive(Debug, Clone)]
pub struct ClaimTokens {
    claim: String,
}

/// The name that earlier programs know it by.
pub type JwtTokenResolver = ClaimTokens;

impl Default for ClaimTokens {
    fn default() -> Self {
        Self::new("tokens")
    }
}

impl ClaimTokens {
    /// Of the claim of this name: an object with a text for each resource.
    pub fn new(claim: impl Into<String>) -> Self {
        Self { claim: claim.into() }
    }
}

impl TokenResolver for ClaimTokens {
    fn resolve<'a>(
        &'a self,
        principal: &'a Principal,
        resource: &'a Resource,
    ) -> BoxFuture<'a, Result<Option<Arc<Credential>>, ResolveError>> {
        let token = principal.claims.get(&self.claim).and_then(|tokens| tokens.get(resource.as_str()));
        let found = match token {
            None | Some(serde_json::Value::Null) => Ok(None),
            Some(serde_json::Value::String(token)) => {
                Credential::new(token.as_str()).map(|token| Some(Arc::new(token)))
            }
            Some(_) => Err(ResolveError::Unusable),
        };
        Box::pin(std::future::ready(found))
    }
}

/// `<RESOURCE>_ACCESS_TOKEN` of the environment, read at each call: `GITHUB_ACCESS_TOKEN`, `MY_API_ACCESS_TOKEN` for
/// `my-api`. The same for every caller, so for servers of one caller or one account.
#[derive(Debug, Clone, Copy, Default)]
pub struct EnvironmentTokens;

impl EnvironmentTokens {
    #[must_use]
    pub fn variable(resource: &Resource) -> String {
        format!("{}_ACCESS_TOKEN", resource.as_str().to_ascii_uppercase().replace('-', "_"))
    }

    fn read(resource: &Resource) -> Result<Option<Arc<Credential>>, ResolveError> {
        match std::env::var(Self::variable(resource)) {
            Ok(token) if token.is_empty() => Ok(None),
            Ok(token) => Ok(Some(Arc::new(Credential::new(Secret::from(token))?))),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(ResolveError::Unusable),
        }
    }
}

impl TokenResolver for EnvironmentTokens {
    fn resolve<'a>(
        &'a self,
        _: &'a Principal,
        resource: &'a Resource,
    ) -> BoxFuture<'a, Result<Option<Arc<Credential>>, ResolveError>> {
        Box::pin(std::future::ready(Self::read(resource)))
    }
}
