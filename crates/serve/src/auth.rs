//! Who is calling? Answered from the head of this request and from nothing else.

mod bearer;
mod chain;
mod challenge;
mod environment;
mod introspection;
mod jwks;
mod jwt;
mod keys;
mod namespace;
mod proxy;
mod resource;
mod verified;
mod vouched;

use std::{collections::BTreeSet, fmt, net::SocketAddr, sync::Arc, time::SystemTime};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, InvalidHeaderValue},
    request::Parts,
};

use crate::{BoxFuture, Departures, Gate, Principal, tokens::TokenRegistry};

pub use chain::{Chain, ChainError};
pub use challenge::Challenge;
pub use environment::{EnvironmentError, EnvironmentPrincipal};
pub use introspection::{Introspection, IntrospectionConfig, IntrospectionError};
pub use jwks::{Jwks, JwksConfig};
pub use jwt::{Algorithm, Jwt, JwtConfig, JwtError};
pub use keys::{KeyList, KeyListError};
pub use namespace::Namespace;
pub use proxy::{IpNet, ProxyError, ProxyHeaders, TrustedProxy};
pub(crate) use resource::WELL_KNOWN;
pub use resource::{ProtectedResource, ResourceError};
pub use verified::{TooManyRevocations, Verified};
pub use vouched::Vouched;

/// Turns the credential of a request into its principal.
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// Who calls, or how they may show it. Asked with every request; what it takes long for should be cached.
    fn authenticate<'a>(&'a self, head: &'a Parts) -> Authentication<'a>;

    /// The same for a stream that is open since, by the head of the request that opened it. Never says that a credential was
    /// used before.
    fn judge_again<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        self.authenticate(head)
    }

    /// Until when the credential of this request is good, as far as that is known beforehand. Streams end then.
    fn expires_at(&self, _head: &Parts, principal: &Principal) -> Option<SystemTime> {
        let seconds = principal.claims.get("exp")?.as_u64()?;
        SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(seconds))
    }

    /// Handed in by whoever serves with it, to be told from now on of callers whom it does not let in any more. Without that,
    /// streams are looked at every few seconds.
    fn report_to(&self, _departures: &Departures) {}

    /// Whose names its principals have, where issuers gave them. A [`Chain`] takes none that may be mixed up.
    fn namespaces(&self) -> Vec<Namespace> {
        Vec::new()
    }

    /// Puts a credential that a person typed where [`authenticate`](Self::authenticate) looks for one.
    fn present(&self, headers: &mut HeaderMap, credential: &str) -> Result<(), InvalidHeaderValue> {
        put(headers, AUTHORIZATION, &format!("Bearer {credential}"))
    }

    /// Whether there is a credential for this one to judge. Decides nothing about whether it is good.
    fn finds(&self, head: &Parts) -> Found {
        if head.headers.contains_key(AUTHORIZATION) { Found::Own(AUTHORIZATION) } else { Found::Nothing }
    }

    /// What this server is to OAuth clients: they are told in challenges, and by a document of its own.
    fn protected_resource(&self) -> Option<&ProtectedResource> {
        None
    }

    /// Whether requests must carry their [`Peer`].
    fn reads_peer(&self) -> bool {
        false
    }

    /// Who connects for many callers; see [`Config::proxies`](crate::http::Config::proxies).
    fn proxies(&self) -> Vec<IpNet> {
        Vec::new()
    }

    /// Whether everybody is the same caller. Such a server binds loopback only, and its lists may be cached for all.
    fn is_open(&self) -> bool {
        false
    }

    /// Whether [`Principal::token`] names an entry of a list, which stays when its secret changes. Then sessions and kept
    /// servers belong to the entry, else to the principal alone: a token that is refreshed names another one each time.
    fn names_entry(&self, _principal: &Principal) -> bool {
        false
    }

    /// Limits of this caller's own, besides what the server allows everybody. Asked once for each call.
    fn gate(&self, _principal: &Principal) -> Option<Arc<Gate>> {
        None
    }
}

/// Where keys are looked up: in a list fixed at the start, in a registry that changes, or in both.
#[derive(Debug)]
pub struct Keys {
    list: Option<KeyList>,
    issued: Option<Issued>,
    /// Whose callers they name, where it is not their own.
    issuer: String,
}

/// Tokens of a registry that are good here.
#[derive(Debug)]
struct Issued {
    registry: TokenRegistry,
    /// Their ids begin with it.
    prefix: Box<str>,
    /// And are such as these.
    fits: fn(&str) -> bool,
}

impl From<KeyList> for Keys {
    fn from(list: KeyList) -> Self {
        Self { list: Some(list), issued: None, issuer: String::new() }
    }
}

impl From<TokenRegistry> for Keys {
    fn from(registry: TokenRegistry) -> Self {
        Self::below(registry, "")
    }
}

impl Keys {
    /// Those tokens alone whose ids begin with `prefix`: of one server among several that share a registry. All others are
    /// as unknown as if there were none.
    #[must_use]
    pub fn below(registry: TokenRegistry, prefix: impl Into<Box<str>>) -> Self {
        let issued = Issued { registry, prefix: prefix.into(), fits: |_| true };
        Self { list: None, issued: Some(issued), issuer: String::new() }
    }

    /// Those tokens alone whose ids are such as these. All others are as unknown as if there were none.
    #[must_use]
    pub fn such_as(registry: TokenRegistry, fits: fn(&str) -> bool) -> Self {
        Self { list: None, issued: Some(Issued { registry, prefix: "".into(), fits }), issuer: String::new() }
    }

    /// Those of a list too.
    #[must_use]
    pub fn and(self, list: KeyList) -> Self {
        Self { list: Some(list), ..self }
    }

    /// Says that the callers of these keys are those of an issuer in the same [`Chain`], who come with a key instead of a
    /// token. Without it, a chain takes no issuer that may name somebody like a caller of a key: they would be one caller.
    #[must_use]
    pub fn of_callers_of(self, issuer: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), ..self }
    }

    /// Of a registry, as far as it is known now: what is added later is for whoever adds it to keep apart.
    fn namespaces(&self) -> Vec<Namespace> {
        let listed = self.list.iter().flat_map(KeyList::tenants);
        let issued = self.issued.iter().flat_map(|issued| issued.registry.tenants(&issued.prefix));
        let tenants: BTreeSet<Option<String>> = listed.chain(issued).collect();
        let issuer = &self.issuer;
        let of = |tenant| Namespace { issuer: issuer.clone(), principal_claim: None, tenant, tenant_claim: None };
        tenants.into_iter().map(of).collect()
    }

    fn principal_of(&self, key: &[u8]) -> Option<Arc<Principal>> {
        let issued = self.issued.as_ref().and_then(|issued| issued.principal_of(key));
        issued.or_else(|| self.list.as_ref()?.principal_of(key))
    }

    fn names_entry(&self, principal: &Principal) -> bool {
        self.issued.as_ref().is_some_and(|issued| issued.has(principal) && issued.registry.names_entry(principal))
    }

    fn gate(&self, principal: &Principal) -> Option<Arc<Gate>> {
        self.issued.as_ref().filter(|issued| issued.has(principal))?.registry.gate(principal)
    }

    fn expires_at(&self, key: &[u8]) -> Option<SystemTime> {
        self.issued.as_ref()?.registry.expires_at(key)
    }

    fn report_to(&self, departures: &Departures) {
        if let Some(issued) = &self.issued {
            issued.registry.observe(departures.live().clone());
        }
    }
}

impl Issued {
    fn principal_of(&self, key: &[u8]) -> Option<Arc<Principal>> {
        self.registry.principal_of(key).filter(|principal| self.has(principal))
    }

    fn has(&self, principal: &Principal) -> bool {
        principal
            .token
            .as_ref()
            .is_some_and(|token| token.as_str().starts_with(&*self.prefix) && (self.fits)(token.as_str()))
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

/// What a request has where an [`Authenticator`] looks, judged by its form alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Nothing,
    /// In this header, of a form or an issuer that is not its own.
    Foreign(HeaderName),
    /// In this header.
    Own(HeaderName),
}

/// Who is at the other end of the connection; among the extensions of a request where
/// [`Authenticator::reads_peer`] wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

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

    fn names_entry(&self, principal: &Principal) -> bool {
        self.keys.names_entry(principal)
    }

    fn expires_at(&self, head: &Parts, _principal: &Principal) -> Option<SystemTime> {
        self.keys.expires_at(head.headers.get(&self.header)?.as_bytes())
    }

    fn report_to(&self, departures: &Departures) {
        self.keys.report_to(departures);
    }

    fn namespaces(&self) -> Vec<Namespace> {
        self.keys.namespaces()
    }

    fn present(&self, headers: &mut HeaderMap, credential: &str) -> Result<(), InvalidHeaderValue> {
        put(headers, self.header.clone(), credential)
    }

    fn authenticate<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        Authentication::Ready(match only(head, &self.header) {
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

    fn finds(&self, head: &Parts) -> Found {
        if head.headers.contains_key(&self.header) { Found::Own(self.header.clone()) } else { Found::Nothing }
    }
}

/// `Authorization: Bearer ...` with a token out of a list or a registry.
#[derive(Debug)]
pub struct BearerTokens {
    tokens: Keys,
    resource: Option<ProtectedResource>,
}

impl BearerTokens {
    #[must_use]
    pub fn new(tokens: impl Into<Keys>) -> Self {
        Self { tokens: tokens.into(), resource: None }
    }

    /// Tells OAuth clients where they get tokens. Every caller needs its scopes.
    #[must_use]
    pub fn of_resource(self, resource: ProtectedResource) -> Self {
        Self { resource: Some(resource), ..self }
    }

    fn needed(&self) -> HeaderValue {
        const REALM: HeaderValue = HeaderValue::from_static("Bearer realm=\"mcp\"");
        self.resource.as_ref().map_or(REALM, ProtectedResource::unauthenticated)
    }

    fn invalid(&self) -> HeaderValue {
        const INVALID: HeaderValue = HeaderValue::from_static("Bearer realm=\"mcp\", error=\"invalid_token\"");
        self.resource.as_ref().map_or(INVALID, ProtectedResource::invalid_token)
    }
}

impl Authenticator for BearerTokens {
    fn gate(&self, principal: &Principal) -> Option<Arc<Gate>> {
        self.tokens.gate(principal)
    }

    fn names_entry(&self, principal: &Principal) -> bool {
        self.tokens.names_entry(principal)
    }

    fn expires_at(&self, head: &Parts, _principal: &Principal) -> Option<SystemTime> {
        self.tokens.expires_at(bearer(&head.headers)?)
    }

    fn report_to(&self, departures: &Departures) {
        self.tokens.report_to(departures);
    }

    fn namespaces(&self) -> Vec<Namespace> {
        self.tokens.namespaces()
    }

    fn authenticate<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        const HINT: &str = "send `Authorization: Bearer <token>`";
        Authentication::Ready(match only(head, &AUTHORIZATION) {
            Err(challenge) => Err(challenge),
            Ok(None) => Err(Challenge::unauthenticated(self.needed(), "a bearer token is needed", HINT)),
            Ok(Some(_)) => match bearer(&head.headers) {
                None => Err(Challenge::unauthenticated(self.needed(), "the credential is no bearer token", HINT)),
                Some(token) => match self.tokens.principal_of(token) {
                    None => Err(Challenge::unauthenticated(self.invalid(), "this token is not known", HINT)),
                    Some(principal) => bearer::scopes(&principal, self.resource.as_ref()).map(|()| principal),
                },
            },
        })
    }

    fn finds(&self, head: &Parts) -> Found {
        finds_bearer(head, |_| true)
    }

    fn protected_resource(&self) -> Option<&ProtectedResource> {
        self.resource.as_ref()
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(value)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// The only value of a header. A second one could be of a second caller, and one in the URL is in every log on its way.
pub(crate) fn only<'a>(head: &'a Parts, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Challenge> {
    if head.uri.query().is_some_and(names_credential) {
        let hint = format!("send it in the header `{name}`");
        return Err(Challenge::malformed("a credential does not belong into the URL", hint));
    }
    let mut values = head.headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        let message = format!("the header `{name}` is given more than once");
        return Err(Challenge::malformed(message, "send one credential"));
    }
    Ok(value)
}

fn names_credential(query: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes())
        .any(|(name, _)| name.eq_ignore_ascii_case("access_token") || name.eq_ignore_ascii_case("api_key"))
}

/// A bearer token, judged by its form.
fn finds_bearer(head: &Parts, is_own: impl Fn(&[u8]) -> bool) -> Found {
    match bearer(&head.headers) {
        Some(token) if is_own(token) => Found::Own(AUTHORIZATION),
        None if !head.headers.contains_key(AUTHORIZATION) => Found::Nothing,
        _ => Found::Foreign(AUTHORIZATION),
    }
}

pub(crate) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests;
