//! JSON Web Tokens (RFC 7519), signed, not encrypted. The configuration says which algorithms, whose tokens and for whom;
//! the token chooses only among that. Signatures are checked by `ring`.

mod claims;
mod key;

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use http::request::Parts;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

use super::{
    Authentication, Authenticator, Found, Jwks, Namespace, ProtectedResource, Verified,
    bearer::{Rejection, Tokens, Words},
    finds_bearer, namespace,
    verified::{Digest, now},
};
use crate::{Departures, Principal, TokenId};

pub(super) use claims::{is_for, list, name, seconds};
pub use key::Algorithm;
pub(super) use key::{Key, key_set};

/// Checks tokens that an issuer signed, without asking it about each.
pub struct Jwt {
    config: JwtConfig,
    keys: Keys,
    tokens: Tokens,
}

/// What a token has to be.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// `iss`, to the letter.
    pub issuer: String,
    /// What `aud` has to name.
    pub audience: String,
    /// All that are taken.
    pub algorithms: Vec<Algorithm>,
    /// For clocks that differ; at most a minute. Default none.
    pub leeway: Duration,
    /// The claim that names the principal; no other stands in for it. Default `sub`.
    pub principal_claim: String,
    /// What all of its principals belong to. With a `tenant_claim`, `tenant/claim`. Two issuers in one [`Chain`](crate::Chain)
    /// need it. Default none.
    pub tenant: Option<String>,
    /// Where it is named, a token without it is refused.
    pub tenant_claim: Option<String>,
    pub groups_claim: Option<String>,
    /// A text with blanks, or a list. Default `scope`, and where that is missing, `scp`.
    pub scopes_claim: String,
    /// Bytes of a token. Default 4,096.
    pub max_token: usize,
}

/// What can never work, or never safely.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    #[error("`{field}` is empty; it says whose tokens are taken, or for whom")]
    Empty { field: &'static str },
    #[error("no algorithm is allowed, so no token can be good")]
    NoAlgorithm,
    #[error("a shared secret and public keys can't be allowed at once: a public key could be taken for the secret")]
    Mixed,
    #[error("a leeway of {seconds} s is more than 60 s; set the clocks instead")]
    Leeway { seconds: u64 },
    #[error("`{tenant}` is no tenant; take 1 to 100 characters without `/` and control characters")]
    Tenant { tenant: String },
    #[error("the secret has {bytes} bytes; it needs at least 32, such as of `openssl rand -base64 32`")]
    ShortSecret { bytes: usize },
}

#[derive(Debug)]
enum Keys {
    Fixed(Vec<Key>),
    Remote(Jwks),
}

static WORDS: Words = Words {
    missing: "No JWT token provided",
    invalid: "Invalid JWT token",
    expired: "JWT token has expired",
    no_principal: "JWT does not contain user ID",
};

const SHORTEST_SECRET: usize = 32;
/// Seconds for which a token is not judged again.
const LONGEST_KEPT: u64 = 600;
const LONGEST_LEEWAY: Duration = Duration::from_mins(1);
/// Keys that a token without `kid` is tried with.
const MOST_TRIED: usize = 8;

impl JwtConfig {
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, algorithms: Vec<Algorithm>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            algorithms,
            leeway: Duration::ZERO,
            principal_claim: "sub".to_owned(),
            tenant: None,
            tenant_claim: None,
            groups_claim: None,
            scopes_claim: "scope".to_owned(),
            max_token: 4_096,
        }
    }

    fn check(&self, symmetric: bool) -> Result<(), JwtError> {
        let named = [
            ("issuer", &self.issuer),
            ("audience", &self.audience),
            ("principal_claim", &self.principal_claim),
            ("scopes_claim", &self.scopes_claim),
        ];
        if let Some((field, _)) = named.into_iter().find(|(_, value)| value.is_empty()) {
            return Err(JwtError::Empty { field });
        }
        if self.algorithms.is_empty() {
            return Err(JwtError::NoAlgorithm);
        }
        if self.algorithms.iter().any(|algorithm| algorithm.is_symmetric() != symmetric) {
            return Err(JwtError::Mixed);
        }
        if let Some(tenant) = self.tenant.as_ref().filter(|tenant| !namespace::is_tenant(tenant)) {
            return Err(JwtError::Tenant { tenant: tenant.chars().take(100).collect() });
        }
        if self.leeway > LONGEST_LEEWAY {
            return Err(JwtError::Leeway { seconds: self.leeway.as_secs() });
        }
        Ok(())
    }
}

impl Jwt {
    /// Tokens signed with a secret that the issuer and this server share (HS256, HS384, HS512).
    pub fn with_secret(config: JwtConfig, secret: &[u8]) -> Result<Self, JwtError> {
        config.check(true)?;
        if secret.len() < SHORTEST_SECRET {
            return Err(JwtError::ShortSecret { bytes: secret.len() });
        }
        Ok(Self::new(config, Keys::Fixed(vec![Key::secret(secret)])))
    }

    /// Tokens signed with keys that the issuer publishes.
    pub fn with_keys_of(config: JwtConfig, keys: Jwks) -> Result<Self, JwtError> {
        config.check(false)?;
        Ok(Self::new(config, Keys::Remote(keys)))
    }

    fn new(config: JwtConfig, keys: Keys) -> Self {
        Self { tokens: Tokens::new(&WORDS, config.max_token), config, keys }
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

    /// What was verified, to be revoked.
    #[must_use]
    pub fn verified(&self) -> &Arc<Verified> {
        &self.tokens.verified
    }

    /// A good token, with the keys at hand. Its claims are read only once its signature is known to be good.
    fn accept(&self, token: &Token<'_>, keys: &[Key], digest: Digest) -> Result<Arc<Principal>, Rejection> {
        let kid = token.header.kid.as_deref();
        let may = |key: &&Key| key.is_for(token.algorithm) && (kid.is_none() || key.id().is_none() || key.id() == kid);
        let signed = keys
            .iter()
            .filter(may)
            .take(MOST_TRIED)
            .any(|key| key.verify(token.algorithm, token.message, &token.signature));
        if !signed {
            return Err(Rejection::Invalid);
        }
        let claims: Map<String, Value> =
            decode(token.claims).and_then(|json| serde_json::from_slice(&json).ok()).ok_or(Rejection::Invalid)?;
        let accepted = claims::judge(&self.config, claims, TokenId::of(token.whole), now())?;
        let expires = match &self.keys {
            Keys::Fixed(_) => accepted.expires,
            // An issuer may withdraw a key: what it signed is judged anew from time to time.
            Keys::Remote(_) => accepted.expires.min(now().saturating_add(LONGEST_KEPT)),
        };
        self.tokens
            .verified
            .keep(digest, Arc::new(accepted.principal), accepted.issued, expires)
            .ok_or(Rejection::Invalid)
    }
}

impl Authenticator for Jwt {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        let (text, digest) = match self.tokens.unknown(head) {
            Ok(unknown) => unknown,
            Err(known) => return known,
        };
        let Some(token) = Token::read(text).filter(|token| self.config.algorithms.contains(&token.algorithm)) else {
            return Authentication::Ready(self.tokens.answer(Err(Rejection::Invalid)));
        };
        let keys = match &self.keys {
            Keys::Fixed(keys) => return Authentication::Ready(self.tokens.answer(self.accept(&token, keys, digest))),
            Keys::Remote(keys) => keys,
        };
        if let Some(known) = keys.at_hand(token.algorithm, token.header.kid.as_deref()) {
            return Authentication::Ready(self.tokens.answer(self.accept(&token, &known, digest)));
        }
        Authentication::Pending(Box::pin(async move {
            let judged = match keys.find(token.algorithm, token.header.kid.as_deref()).await {
                Ok(Some(found)) => self.accept(&token, &found, digest),
                Ok(None) => Err(Rejection::Invalid),
                Err(retry_after) => Err(Rejection::Unavailable { retry_after }),
            };
            self.tokens.answer(judged)
        }))
    }

    /// Its own are those of its issuer, as far as they say so themselves.
    fn finds(&self, head: &Parts) -> Found {
        #[derive(Deserialize)]
        struct Issuer {
            iss: String,
        }
        finds_bearer(head, |text| {
            text.len() <= self.config.max_token
                && Token::read(text)
                    .and_then(|token| decode(token.claims))
                    .and_then(|json| serde_json::from_slice(&json).ok())
                    .is_some_and(|claims: Issuer| claims.iss == self.config.issuer)
        })
    }

    fn namespaces(&self) -> Vec<Namespace> {
        let JwtConfig { issuer, principal_claim, tenant, tenant_claim, .. } = self.config.clone();
        vec![Namespace { issuer, principal_claim: Some(principal_claim), tenant, tenant_claim }]
    }

    fn report_to(&self, departures: &Departures) {
        self.tokens.verified.report_to(departures);
    }

    fn protected_resource(&self) -> Option<&ProtectedResource> {
        self.tokens.resource.as_ref()
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt").field("issuer", &self.config.issuer).field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// A token that was taken apart and not judged.
struct Token<'a> {
    whole: &'a [u8],
    header: Header,
    algorithm: Algorithm,
    claims: &'a [u8],
    message: &'a [u8],
    signature: Vec<u8>,
}

/// Members that are there twice are an error, and so are none of our types.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    /// Extensions that have to be understood; we understand none.
    crit: Option<IgnoredAny>,
    /// Compressed or encrypted content.
    zip: Option<IgnoredAny>,
    enc: Option<IgnoredAny>,
}

const LONGEST_KID: usize = 512;

impl<'a> Token<'a> {
    fn read(whole: &'a [u8]) -> Option<Self> {
        let mut parts = whole.split(|byte| *byte == b'.');
        let (head, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let header: Header = serde_json::from_slice(&decode(head)?).ok()?;
        let is_token = header.typ.as_deref().is_none_or(|typ| {
            let typ = typ.strip_prefix("application/").unwrap_or(typ);
            typ.eq_ignore_ascii_case("jwt") || typ.eq_ignore_ascii_case("at+jwt")
        });
        let plain = header.crit.is_none() && header.zip.is_none() && header.enc.is_none();
        if !is_token || !plain || header.kid.as_ref().is_some_and(|kid| kid.len() > LONGEST_KID) {
            return None;
        }
        let algorithm = Algorithm::parse(&header.alg)?;
        let message = &whole[..head.len() + 1 + claims.len()];
        Some(Self { whole, header, algorithm, claims, message, signature: decode(signature)? })
    }
}

fn decode(part: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(part).ok()
}
