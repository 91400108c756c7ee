//! Outbound credentials: what a server shows to somebody else's API on behalf of its caller.
//!
//! They come from a [`TokenResolver`], per principal and resource, and never from what the caller sent: a resolver is given
//! a [`Principal`], which holds no credential. [`Cached`] keeps them for a while, bounded, and asks once for all who wait.

mod api;
mod cached;
mod expiry;
mod fixed;

use std::{fmt, str::FromStr, sync::Arc, time::SystemTime};

use http::StatusCode;

pub use api::{ApiTokens, ApiTokensConfig, ApiTokensError};
pub use cached::{Cached, CachedConfig};
pub use fixed::{ClaimTokens, EnvironmentTokens, FixedTokens, JwtTokenResolver};

use crate::{BoxFuture, Principal, tokens::Secret};

/// Finds the credential of a principal for a resource. Implemented for functions too, by [`resolver_fn`].
pub trait TokenResolver: fmt::Debug + Send + Sync + 'static {
    /// `None`: this principal has none.
    fn resolve<'a>(
        &'a self,
        principal: &'a Principal,
        resource: &'a Resource,
    ) -> BoxFuture<'a, Result<Option<Arc<Credential>>, ResolveError>>;

    /// Another one, as the resource refused that one. Whoever comes second gets what the first one fetched.
    fn refresh<'a>(
        &'a self,
        principal: &'a Principal,
        resource: &'a Resource,
        _refused: &'a Credential,
    ) -> BoxFuture<'a, Result<Option<Arc<Credential>>, ResolveError>> {
        self.resolve(principal, resource)
    }
}

/// The kind of thing a credential opens: `github`, `calendar`. Lower case letters, digits, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resource(Arc<str>);

/// Why this is no name of a resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    #[error("resourceType is required")]
    Missing,
    #[error("`{0}` is no resource type; it is made of the letters a-z, digits, `_` and `-`")]
    Malformed(String),
}

impl Resource {
    const LONGEST: usize = 64;

    /// Upper case letters become lower case.
    pub fn new(name: &str) -> Result<Self, ResourceError> {
        if name.is_empty() {
            return Err(ResourceError::Missing);
        }
        let name = name.to_ascii_lowercase();
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        if name.len() > Self::LONGEST || !name.bytes().all(allowed) {
            return Err(ResourceError::Malformed(name.chars().take(Self::LONGEST).collect()));
        }
        Ok(Self(name.into()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Resource {
    type Err = ResourceError;

    fn from_str(name: &str) -> Result<Self, ResourceError> {
        Self::new(name)
    }
}

/// What opens a resource. Its token is wiped when dropped, and shown by nothing.
#[derive(Debug, Clone)]
pub struct Credential {
    token: Secret,
    /// When it is no use any more, as whoever made it said.
    pub expires_at: Option<SystemTime>,
    /// The principal's name there, for people.
    pub account: Option<String>,
}

impl Credential {
    /// Bytes of a token.
    pub const LONGEST: usize = 4096;

    /// Refuses what no header can carry.
    pub fn new(token: impl Into<Secret>) -> Result<Self, ResolveError> {
        let token = token.into();
        let text = token.reveal();
        if text.is_empty() || text.len() > Self::LONGEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ResolveError::Unusable);
        }
        Ok(Self { token, expires_at: None, account: None })
    }

    #[must_use]
    pub fn expiring(self, at: SystemTime) -> Self {
        Self { expires_at: Some(at), ..self }
    }

    /// For the request to the resource, and nowhere else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.token.reveal()
    }

    fn is_over(&self, now: SystemTime) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// Why there is no credential. Nothing of it is the caller's authentication, so it is never a 401 (S2-47).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    #[error("there is no access to `{resource}` for this caller yet; connect an account of `{resource}` first")]
    NotLinked { resource: Resource },
    #[error("access to `{resource}` can't be had at the moment; try again later")]
    Unavailable { resource: Resource },
    #[error("what the resolver found is no token: it must have 1 to {} visible ASCII characters", Credential::LONGEST)]
    Unusable,
}

impl ResolveError {
    pub const CODE: &'static str = "TOKEN_RESOLUTION_FAILED";

    /// 403 where the caller can do something about it, 502 where it can't.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotLinked { .. } => StatusCode::FORBIDDEN,
            Self::Unavailable { .. } | Self::Unusable => StatusCode::BAD_GATEWAY,
        }
    }
}

/// The credentials of one principal for one resource: what a tool holds instead of a token. Ask it in each call, so that
/// a rotated credential is used from the next call on.
#[derive(Debug, Clone)]
pub struct TokenSource {
    resolver: Arc<dyn TokenResolver>,
    principal: Arc<Principal>,
    resource: Resource,
}

impl TokenSource {
    #[must_use]
    pub fn new(resolver: Arc<dyn TokenResolver>, principal: Arc<Principal>, resource: Resource) -> Self {
        Self { resolver, principal, resource }
    }

    #[must_use]
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// [`ResolveError::NotLinked`] where there is none.
    pub async fn credential(&self) -> Result<Arc<Credential>, ResolveError> {
        self.found(self.resolver.resolve(&self.principal, &self.resource).await)
    }

    /// After the resource refused one.
    pub async fn refresh(&self, refused: &Credential) -> Result<Arc<Credential>, ResolveError> {
        self.found(self.resolver.refresh(&self.principal, &self.resource, refused).await)
    }

    fn found(&self, found: Result<Option<Arc<Credential>>, ResolveError>) -> Result<Arc<Credential>, ResolveError> {
        found?.ok_or_else(|| ResolveError::NotLinked { resource: self.resource.clone() })
    }
}

/// A resolver of your own in a closure.
pub fn resolver_fn<F, R>(resolve: F) -> impl TokenResolver
where
    F: Fn(Arc<Principal>, Resource) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Option<Credential>, ResolveError>> + Send + 'static,
{
    Function(resolve)
}

struct Function<F>(F);

impl<F> fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenResolver(function)")
    }
}

impl<F, R> TokenResolver for Function<F>
where
    F: Fn(Arc<Principal>, Resource) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Option<Credential>, ResolveError>> + Send + 'static,
{
    fn resolve<'a>(
        &'a self,
        principal: &'a Principal,
        resource: &'a Resource,
    ) -> BoxFuture<'a, Result<Option<Arc<Credential>>, ResolveError>> {
        let found = (self.0)(Arc::new(principal.clone()), resource.clone());
        Box::pin(async move { Ok(found.await?.map(Arc::new)) })
    }
}

#[cfg(test)]
mod tests;
