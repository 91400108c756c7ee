//! Who is calling? Answered from the head of this request and from nothing else.

mod keys;

use std::{borrow::Cow, fmt, sync::Arc};

use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{AUTHORIZATION, InvalidHeaderValue},
    request::Parts,
};
use serde_json::json;

use crate::{
    BoxFuture, Gate, Principal,
    tokens::TokenRegistry,
    wire::{Refusal, code},
};

pub use keys::{KeyList, KeyListError};

/// Turns the credential of a request into its principal.
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> Authentication<'a>;

    /// Puts a credential that a person typed where [`authenticate`](Self::authenticate) looks for one.
    fn present(&self, headers: &mut HeaderMap, credential: &str) -> Result<(), InvalidHeaderValue> {
        put(headers, AUTHORIZATION, &format!("Bearer {credential}"))
    }

    /// Whether everybody is the same caller. Such a server binds loopback only, and its lists may be cached for all.
    fn is_open(&self) -> bool {
        false
    }

    /// Limits of this caller's own, besides what the server allows everybody. Asked once for each call.
    fn gate(&self, _principal: &Principal) -> Option<Arc<Gate>> {
        None
    }
}

/// Where keys are looked up: a list fixed at the start, or a registry that changes.
#[derive(Debug)]
pub struct Keys(Source);

#[derive(Debug)]
enum Source {
    List(KeyList),
    Registry(TokenRegistry),
}

impl From<KeyList> for Keys {
    fn from(list: KeyList) -> Self {
        Self(Source::List(list))
    }
}

impl From<TokenRegistry> for Keys {
    fn from(registry: TokenRegistry) -> Self {
        Self(Source::Registry(registry))
    }
}

impl Keys {
    fn principal_of(&self, key: &[u8]) -> Option<Arc<Principal>> {
        match &self.0 {
            Source::List(list) => list.principal_of(key),
            Source::Registry(registry) => registry.principal_of(key),
        }
    }

    fn gate(&self, principal: &Principal) -> Option<Arc<Gate>> {
        match &self.0 {
            Source::List(_) => None,
            Source::Registry(registry) => registry.gate(principal),
        }
    }
}

/// What an [`Authenticator`] found out, at once or after asking somebody.
pub enum Authentication<'a> {
    Ready(Result<Arc<Principal>, Challenge>),
    Pending(BoxFuture<'a, Result<Arc<Principal>, Challenge>>),
}

impl fmt::Debug for Authentication<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready(Ok(_)) => "Ready(Ok)",
            Self::Ready(Err(_)) => "Ready(Err)",
            Self::Pending(_) => "Pending",
        })
    }
}

/// Why a request is not served, in words that never repeat the credential.
#[derive(Debug, Clone)]
pub struct Challenge {
    status: StatusCode,
    scheme: Option<HeaderValue>,
    message: Cow<'static, str>,
    hint: Cow<'static, str>,
}

impl Challenge {
    /// 401: no credential, or one that nobody has.
    pub fn unauthenticated(
        www_authenticate: HeaderValue,
        message: impl Into<Cow<'static, str>>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            scheme: Some(www_authenticate),
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// 400: a credential that can't be read, or more than one.
    pub fn malformed(message: impl Into<Cow<'static, str>>, hint: impl Into<Cow<'static, str>>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, scheme: None, message: message.into(), hint: hint.into() }
    }

    pub(crate) fn refusal(self) -> Refusal {
        let code = if self.status == StatusCode::UNAUTHORIZED { code::UNAUTHENTICATED } else { code::INVALID_REQUEST };
        let refusal = Refusal::new(self.status, code, self.message).with_data(json!({ "hint": self.hint }));
        match self.scheme {
            Some(scheme) => refusal.with_header(http::header::WWW_AUTHENTICATE, scheme),
            None => refusal,
        }
    }
}

/// Everybody is `anonymous`. For loopback.
#[derive(Debug)]
pub struct NoAuthentication(Arc<Principal>);

impl Default for NoAuthentication {
    fn default() -> Self {
        Self(Principal::anonymous())
    }
}

impl Authenticator for NoAuthentication {
    fn authenticate<'a>(&'a self, _head: &'a Parts) -> Authentication<'a> {
        Authentication::Ready(Ok(self.0.clone()))
    }

    fn is_open(&self) -> bool {
        true
    }
}

/// A key in a header of its own.
#[derive(Debug)]
pub struct ApiKeys {
    header: HeaderName,
    keys: Keys,
}

impl ApiKeys {
    pub const DEFAULT_HEADER: HeaderName = HeaderName::from_static("x-api-key");

    #[must_use]
    pub fn new(header: HeaderName, keys: impl Into<Keys>) -> Self {
        Self { header, keys: keys.into() }
    }

    fn challenge(&self, message: &'static str) -> Challenge {
        let scheme = HeaderValue::try_from(format!("ApiKey realm=\"mcp\", header=\"{}\"", self.header))
            .expect("header names are header text");
        Challenge::unauthenticated(scheme, message, format!("send your key in the header `{}`", self.header))
    }
}

impl Authenticator for ApiKeys {
    fn gate(&self, principal: &Principal) -> Option<Arc<Gate>> {
        self.keys.gate(principal)
    }

    fn present(&self, headers: &mut HeaderMap, credential: &str) -> Result<(), InvalidHeaderValue> {
        put(headers, self.header.clone(), credential)
    }

    fn authenticate<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        Authentication::Ready(match only(&head.headers, &self.header) {
            Err(challenge) => Err(challenge),
            // Two credentials could be of two callers.
            Ok(Some(_)) if self.header != AUTHORIZATION && bearer(&head.headers).is_some() => {
                Err(Challenge::malformed("more than one credential", "send either the key or a bearer token"))
            }
            Ok(Some(key)) => {
                self.keys.principal_of(key.as_bytes()).ok_or_else(|| self.challenge("this key is not known"))
            }
            Ok(None) => Err(self.challenge("a key is needed")),
        })
    }
}

/// `Authorization: Bearer ...` with a token out of a list or a registry.
#[derive(Debug)]
pub struct BearerTokens {
    tokens: Keys,
}

impl BearerTokens {
    #[must_use]
    pub fn new(tokens: impl Into<Keys>) -> Self {
        Self { tokens: tokens.into() }
    }
}

impl Authenticator for BearerTokens {
    fn gate(&self, principal: &Principal) -> Option<Arc<Gate>> {
        self.tokens.gate(principal)
    }

    fn authenticate<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        const HINT: &str = "send `Authorization: Bearer <token>`";
        const REALM: HeaderValue = HeaderValue::from_static("Bearer realm=\"mcp\"");
        const INVALID: HeaderValue = HeaderValue::from_static("Bearer realm=\"mcp\", error=\"invalid_token\"");
        Authentication::Ready(match only(&head.headers, &AUTHORIZATION) {
            Err(challenge) => Err(challenge),
            Ok(None) => Err(Challenge::unauthenticated(REALM, "a bearer token is needed", HINT)),
            Ok(Some(_)) => match bearer(&head.headers) {
                None => Err(Challenge::unauthenticated(REALM, "the credential is no bearer token", HINT)),
                Some(token) => self
                    .tokens
                    .principal_of(token)
                    .ok_or_else(|| Challenge::unauthenticated(INVALID, "this token is not known", HINT)),
            },
        })
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(value)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// The only value of a header. A second one could be of a second caller.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Challenge> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        let message = format!("the header `{name}` is given more than once");
        return Err(Challenge::malformed(message, "send one credential"));
    }
    Ok(value)
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests;
