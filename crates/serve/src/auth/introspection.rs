//! Tokens that only their issuer can read (RFC 7662). What it says is kept for a while: a good token's answer to its expiry
//! or [`IntrospectionConfig::keep`], whichever comes first, a bad one's for a few seconds. An issuer that is down is no
//! reason to send anybody away.

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{
    HeaderValue, Request, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
    request::Parts,
};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use url::{Url, form_urlencoded};

use super::{
    Authentication, Authenticator, Found, Namespace, ProtectedResource, Verified,
    bearer::{Rejection, Tokens, Words},
    finds_bearer,
    jwt::{is_for, list, name, seconds},
    namespace,
    verified::{Finding, now},
};
use crate::{Departures, Fetch, FetchBounds, Principal, Scopes, TokenId, fetch};

/// Asks the authorization server about each token that it does not know.
pub struct Introspection {
    config: IntrospectionConfig,
    authorization: HeaderValue,
    fetch: Arc<dyn Fetch>,
    tokens: Tokens,
    turns: Semaphore,
}

/// Where an [`Introspection`] asks, and what an answer has to say for a token to be good.
#[derive(Clone)]
pub struct IntrospectionConfig {
    pub url: Url,
    /// What an `iss` in the answer has to be.
    pub issuer: String,
    /// What `aud` in the answer has to name.
    pub audience: String,
    /// Default `sub`.
    pub principal_claim: String,
    /// What all of its principals belong to. With a `tenant_claim`, `tenant/claim`. Two issuers in one [`Chain`](crate::Chain)
    /// need it. Default none.
    pub tenant: Option<String>,
    pub tenant_claim: Option<String>,
    pub groups_claim: Option<String>,
    /// How long a good answer is believed: after so long a token that was revoked there is refused here. Default 30 s.
    pub keep: Duration,
    /// The same for a bad one. Default 5 s.
    pub keep_refused: Duration,
    /// Bytes of a token. Default 4,096.
    pub max_token: usize,
}

/// Without what may be secret in a URL.
impl fmt::Debug for IntrospectionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("IntrospectionConfig");
        shown.field("url", &fetch::shown(&self.url)).field("issuer", &self.issuer).field("audience", &self.audience);
        shown.finish_non_exhaustive()
    }
}

/// Why it can't ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IntrospectionError {
    #[error("the client id or secret for introspection is empty")]
    NoCredentials,
    #[error("the tenant must have 1 to 100 characters without `/` and control characters")]
    Tenant,
}

impl IntrospectionConfig {
    #[must_use]
    pub fn new(url: Url, issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            url,
            issuer: issuer.into(),
            audience: audience.into(),
            principal_claim: "sub".to_owned(),
            tenant: None,
            tenant_claim: None,
            groups_claim: None,
            keep: Duration::from_secs(30),
            keep_refused: Duration::from_secs(5),
            max_token: 4_096,
        }
    }
}

static WORDS: Words = Words {
    missing: "a bearer token is needed",
    invalid: "this token is not known",
    expired: "this token is not known",
    no_principal: "this token does not say whose it is",
};

/// Questions at once. More wait.
const AT_ONCE: usize = 32;
/// For a turn.
const PATIENCE: Duration = Duration::from_secs(5);
const RETRY_AFTER: Duration = Duration::from_secs(2);

impl Introspection {
    /// `id` and `secret` are this server's own, as a client of the authorization server.
    pub fn new(
        config: IntrospectionConfig,
        (id, secret): (&str, &str),
        fetch: Arc<dyn Fetch>,
    ) -> Result<Self, IntrospectionError> {
        if id.is_empty() || secret.is_empty() {
            return Err(IntrospectionError::NoCredentials);
        }
        if config.tenant.as_ref().is_some_and(|tenant| !namespace::is_tenant(tenant)) {
            return Err(IntrospectionError::Tenant);
        }
        // RFC 6749, 2.3.1: encoded as a form before they are put together.
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = BASE64_STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
        let mut authorization = HeaderValue::try_from(format!("Basic {pair}")).expect("base64 is header text");
        authorization.set_sensitive(true);
        Ok(Self {
            tokens: Tokens::new(&WORDS, config.max_token),
            config,
            authorization,
            fetch,
            turns: Semaphore::new(AT_ONCE),
        })
    }

    /// Challenges lead to its document, and every caller needs its scopes.
    #[must_use]
    pub fn of_resource(mut self, resource: ProtectedResource) -> Self {
        self.tokens.resource = Some(resource);
        self
    }

    /// Keeps what was verified together with others, to be revoked together.
    #[must_use]
    pub fn sharing(mut self, verified: Arc<Verified>) -> Self {
        self.tokens.verified = verified;
        self
    }

    async fn ask(&self, token: &[u8]) -> Result<Finding, Rejection> {
        let unavailable = Rejection::Unavailable { retry_after: RETRY_AFTER };
        // Whoever sends made-up tokens makes others wait, but not for ever.
        let Ok(turn) = tokio::time::timeout(PATIENCE, self.turns.acquire()).await else {
            tracing::warn!("more tokens are to be looked up than the issuer answers for");
            return Err(unavailable);
        };
        let _turn = turn.expect("the semaphore is never closed");
        let text = std::str::from_utf8(token).map_err(|_| Rejection::Invalid)?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", text)
            .append_pair("token_type_hint", "access_token")
            .finish();
        let request = Request::post(self.config.url.as_str())
            .header(AUTHORIZATION, &self.authorization)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .map_err(|_| unavailable)?;
        let answer = self.fetch.fetch(request, FetchBounds::default()).await.map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "tokens can't be looked up");
            unavailable
        })?;
        if answer.status() != StatusCode::OK {
            tracing::warn!(status = %answer.status(), "tokens can't be looked up; is the client of introspection right?");
            return Err(unavailable);
        }
        let claims: Map<String, Value> = serde_json::from_slice(answer.body()).map_err(|_| {
            tracing::warn!("the answer to introspection is no object");
            unavailable
        })?;
        let now = now();
        let issued = seconds(claims.get("iat")).unwrap_or_default();
        Ok(match self.judge(claims, token, now) {
            Some((principal, expires)) => {
                let until = now.saturating_add(self.config.keep.as_secs().max(1));
                Finding {
                    principal: Some(Arc::new(principal)),
                    issued,
                    until: expires.map_or(until, |at| at.min(until)),
                }
            }
            None => Finding {
                principal: None,
                issued,
                until: now.saturating_add(self.config.keep_refused.as_secs().max(1)),
            },
        })
    }

    /// Whose it is and when it expires. What the issuer says is believed as far as it is about a token for this server.
    fn judge(&self, claims: Map<String, Value>, token: &[u8], now: u64) -> Option<(Principal, Option<u64>)> {
        let config = &self.config;
        if claims.get("active") != Some(&Value::Bool(true)) || !is_for(&claims, &config.audience) {
            return None;
        }
        if claims.get("iss").is_some_and(|issuer| issuer.as_str() != Some(&config.issuer)) {
            return None;
        }
        // A refresh token, an id token or one bound to a key is no bearer token.
        let is_bearer = |kind: &Value| {
            kind.as_str()
                .is_some_and(|kind| kind.eq_ignore_ascii_case("bearer") || kind.eq_ignore_ascii_case("access_token"))
        };
        if claims.get("token_type").is_some_and(|kind| !is_bearer(kind)) {
            return None;
        }
        let expires = seconds(claims.get("exp")).ok()?;
        let from = seconds(claims.get("nbf")).ok()?;
        if expires.is_some_and(|at| at <= now) || from.is_some_and(|from| from > now) {
            return None;
        }
        let id = name(claims.get(&config.principal_claim))?.to_owned();
        let tenant = namespace::tenant(config.tenant.as_deref(), config.tenant_claim.as_deref(), &claims)?;
        let groups = match &config.groups_claim {
            None => Vec::new(),
            Some(claim) => list(claims.get(claim), false)?,
        };
        let scopes = Scopes::Only(list(claims.get("scope"), true)?.into_iter().collect());
        Some((Principal { id, tenant, groups, scopes, claims, token: Some(TokenId::of(token)) }, expires))
    }
}

impl Authenticator for Introspection {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        let (token, digest) = match self.tokens.unknown(head) {
            Ok(unknown) => unknown,
            Err(known) => return known,
        };
        let verified = &self.tokens.verified;
        if verified.is_refused(&digest) {
            return Authentication::Ready(self.tokens.answer(Err(Rejection::Invalid)));
        }
        Authentication::Pending(Box::pin(async move {
            let found = verified.find_out(digest, self.ask(token)).await;
            self.tokens.answer(found.and_then(|principal| principal.ok_or(Rejection::Invalid)))
        }))
    }

    fn finds(&self, head: &Parts) -> Found {
        finds_bearer(head, |_| true)
    }

    fn namespaces(&self) -> Vec<Namespace> {
        let IntrospectionConfig { issuer, principal_claim, tenant, tenant_claim, .. } = self.config.clone();
        vec![Namespace { issuer, principal_claim: Some(principal_claim), tenant, tenant_claim }]
    }

    fn report_to(&self, departures: &Departures) {
        self.tokens.verified.report_to(departures);
    }

    fn protected_resource(&self) -> Option<&ProtectedResource> {
        self.tokens.resource.as_ref()
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection").field("issuer", &self.config.issuer).finish_non_exhaustive()
    }
}
