//! For clients that only speak OAuth: a small authorization server in front of keys that an operator issued.
//!
//! A person opens a page of ours, sees which program asks and where the answer goes, and types their key. The program gets
//! tokens that expire, never the key. Nothing here knows who anybody is: what a token stands for is asked of the
//! [`Authenticator`] behind, with the key that is sealed into it, on every request. Who revokes the key ends the tokens.
//!
//! PKCE with S256 always, codes once, refresh tokens once, tokens for one server only, redirects exactly as registered,
//! the issuer named in every answer. What was used is remembered in memory: after a restart people are asked again. (RFC 6749, 7009, 7591, 7636, 8414, 8707, 9207, and MCP's authorization).

mod authorize;
mod client;
mod documents;
mod families;
mod seal;
mod token;

use std::{
    collections::BTreeSet,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::{
    Extensions, HeaderMap, Request, StatusCode,
    header::{AUTHORIZATION, InvalidHeaderValue},
    request::Parts,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use url::Url;
use zeroize::Zeroizing;

use self::{documents::Documents, families::Families, seal::Purpose};
use crate::{
    Authentication, Authenticator, Challenge, Departures, Fetch, Found, Gate, IpNet, Namespace, Principal,
    ProtectedResource, ResourceError, Scopes,
    auth::{bearer, only},
    departures::Reports,
    http::CurrentAuthenticator,
};

pub use seal::BridgeKey;

/// How a [`Bridge`] is set up.
#[derive(Debug)]
pub struct BridgeOptions {
    /// Shown to people: what the program will use.
    pub name: String,
    /// Where the server is reached: `https://mcp.example.com/mcp`.
    pub resource: Url,
    /// What a token may be limited to. Told to clients.
    pub scopes: Vec<String>,
    pub key: BridgeKey,
    /// Reads the metadata documents of clients. It must keep private networks closed: strangers choose the URLs. Without
    /// it, clients register.
    pub documents: Option<Arc<dyn Fetch>>,
    /// Default 1 h.
    pub access_life: Duration,
    /// Without being used. Default 30 days.
    pub refresh_life: Duration,
}

impl BridgeOptions {
    #[must_use]
    pub fn new(name: impl Into<String>, resource: Url) -> Self {
        Self {
            name: name.into(),
            resource,
            scopes: Vec::new(),
            key: BridgeKey::default(),
            documents: None,
            access_life: Duration::from_secs(60 * 60),
            refresh_life: Duration::from_secs(30 * 24 * 60 * 60),
        }
    }
}

/// An [`Authenticator`] that also takes the tokens it gave for the credentials of another one.
#[derive(Debug, Clone)]
pub struct Bridge {
    own: Arc<Inner>,
    behind: Arc<dyn Authenticator>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    issuer: Url,
    issuer_text: String,
    resource: ProtectedResource,
    scopes: Vec<String>,
    key: BridgeKey,
    documents: Option<Documents>,
    access_life: Duration,
    refresh_life: Duration,
    families: Families,
    guesses: Semaphore,
    reports: Reports,
}

/// What a person agreed to. Sealed into codes and tokens.
#[derive(Clone, Serialize, Deserialize)]
struct Grant {
    #[serde(rename = "k")]
    credential: Zeroizing<String>,
    #[serde(rename = "c")]
    client: [u8; 32],
    #[serde(rename = "f")]
    family: u128,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
    /// Seconds since 1970.
    #[serde(rename = "u")]
    until: u64,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("scopes", &self.scopes).field("until", &self.until).finish_non_exhaustive()
    }
}

/// Whether this is a token of a bridge, which stands for a program, not for the person.
pub(crate) fn is_token(credential: &[u8]) -> bool {
    credential.starts_with(Purpose::Access.prefix().as_bytes())
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

impl Bridge {
    /// `behind` judges the keys. It must know its callers apart.
    pub fn new(behind: Arc<dyn Authenticator>, options: BridgeOptions) -> Result<Self, ResourceError> {
        let BridgeOptions { name, resource, scopes, key, documents, access_life, refresh_life } = options;
        let mut issuer = resource.clone();
        issuer.set_path("/");
        let issuer_text = issuer.origin().ascii_serialization();
        let resource = ProtectedResource::new(&resource, std::slice::from_ref(&issuer_text), Vec::new(), &scopes)?;
        let own = Inner {
            name,
            issuer,
            issuer_text,
            resource,
            scopes,
            key,
            documents: documents.map(Documents::new),
            access_life,
            refresh_life,
            families: Families::default(),
            guesses: Semaphore::new(16),
            reports: Reports::default(),
        };
        Ok(Self { own: Arc::new(own), behind })
    }

    /// The same bridge, in front of keys that were read anew: what people agreed to stands, as far as their keys do.
    #[must_use]
    pub fn before(&self, behind: Arc<dyn Authenticator>) -> Self {
        Self { own: self.own.clone(), behind }
    }

    /// To be served beside the MCP endpoint, at the root of its origin.
    pub fn routes(&self) -> Router {
        Router::new()
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/oauth/authorize", get(authorize::show).post(authorize::decide))
            .route("/oauth/token", post(token::token))
            .route("/oauth/register", post(token::register))
            .route("/oauth/revoke", post(token::revoke))
            .with_state(self.clone())
    }

    fn issuer(&self) -> &str {
        &self.own.issuer_text
    }

    /// RFC 8707. A slash at the end makes no other server.
    fn is_resource(&self, uri: &str) -> bool {
        uri.trim_end_matches('/') == self.own.resource.resource()
    }

    fn seal<T: Serialize>(&self, purpose: Purpose, content: &T) -> String {
        self.own.key.seal(purpose, self.own.resource.resource(), content)
    }

    fn open<T: DeserializeOwned>(&self, purpose: Purpose, text: &str) -> Option<T> {
        self.own.key.open(purpose, self.own.resource.resource(), text)
    }

    fn head(&self, credential: &str) -> Result<Parts, InvalidHeaderValue> {
        let (mut head, ()) = Request::new(()).into_parts();
        self.behind.present(&mut head.headers, credential)?;
        Ok(head)
    }

    /// Whose key this is, says who judges the requests of now: `extensions` are those of a request to our routes.
    async fn principal(&self, extensions: &Extensions, credential: &str) -> Result<Arc<Principal>, Challenge> {
        // A token of ours is no key: it would live on in what is made of it.
        if credential.is_empty() || is_token(credential.as_bytes()) {
            return Err(self.invalid());
        }
        let Some(CurrentAuthenticator(current)) = extensions.get() else { return Err(self.invalid()) };
        let (mut head, ()) = Request::new(()).into_parts();
        current.present(&mut head.headers, credential).map_err(|_| self.invalid())?;
        match current.authenticate(&head) {
            Authentication::Ready(outcome) => outcome,
            Authentication::Pending(outcome) => outcome.await,
        }
    }

    fn invalid(&self) -> Challenge {
        let hint = "ask for a new token: use your refresh token, or begin anew";
        Challenge::unauthenticated(self.own.resource.invalid_token(), "this token is not good", hint)
    }

    /// The way in that we offer, beside those of the authenticator behind.
    fn also(&self, challenge: Challenge) -> Challenge {
        if challenge.status() != StatusCode::UNAUTHORIZED {
            return challenge;
        }
        let ours = Challenge::unauthenticated(self.own.resource.unauthenticated(), "", "");
        challenge.or([ours])
    }

    /// What the key behind a token allows, as far as the person let it.
    fn judged(&self, outcome: Result<Arc<Principal>, Challenge>, grant: &Grant) -> Result<Arc<Principal>, Challenge> {
        let principal = match outcome {
            Ok(principal) => principal,
            Err(challenge) if challenge.status() == StatusCode::SERVICE_UNAVAILABLE => return Err(challenge),
            Err(challenge) if challenge.status() == StatusCode::FORBIDDEN => return Err(self.lacking()),
            Err(_) => return Err(self.invalid()),
        };
        let Some(granted) = &grant.scopes else { return Ok(principal) };
        let allowed: BTreeSet<_> = granted.iter().filter(|scope| principal.scopes.allow(scope)).cloned().collect();
        // The key has what every caller needs; what the person let the program have may not.
        if !self.needed().iter().all(|scope| allowed.contains(scope)) {
            return Err(self.lacking());
        }
        Ok(Arc::new(Principal { scopes: Scopes::Only(allowed), ..(*principal).clone() }))
    }

    /// The scopes that every caller needs.
    fn needed(&self) -> &[String] {
        self.behind.protected_resource().map_or(&[], ProtectedResource::scopes)
    }

    fn lacking(&self) -> Challenge {
        let needed = self.needed();
        Challenge::insufficient_scope(self.own.resource.insufficient_scope(needed), needed)
    }
}

impl Authenticator for Bridge {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        let token =
            bearer(&head.headers).filter(|token| is_token(token)).and_then(|token| std::str::from_utf8(token).ok());
        let Some(token) = token else {
            return match self.behind.authenticate(head) {
                Authentication::Ready(outcome) => Authentication::Ready(outcome.map_err(|error| self.also(error))),
                Authentication::Pending(outcome) => {
                    Authentication::Pending(Box::pin(async { outcome.await.map_err(|error| self.also(error)) }))
                }
            };
        };
        // Two credentials could be of two callers.
        let alone = match only(head, &AUTHORIZATION) {
            Ok(_) if matches!(self.behind.finds(head), Found::Own(name) if name != AUTHORIZATION) => {
                Err(Challenge::malformed("more than one credential", "send the token alone"))
            }
            checked => checked.map(drop),
        };
        if let Err(challenge) = alone {
            return Authentication::Ready(Err(challenge));
        }
        let grant: Option<Grant> = self.open(Purpose::Access, token);
        let good = |grant: &Grant| grant.until > seconds() && self.own.families.is_good(grant.family);
        let Some(grant) = grant.filter(good) else { return Authentication::Ready(Err(self.invalid())) };
        let Ok(own) = self.head(&grant.credential) else { return Authentication::Ready(Err(self.invalid())) };
        if let Authentication::Ready(outcome) = self.behind.authenticate(&own) {
            return Authentication::Ready(self.judged(outcome, &grant));
        }
        Authentication::Pending(Box::pin(async move {
            let outcome = match self.behind.authenticate(&own) {
                Authentication::Ready(outcome) => outcome,
                Authentication::Pending(outcome) => outcome.await,
            };
            self.judged(outcome, &grant)
        }))
    }

    fn judge_again<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        let is_own = bearer(&head.headers).is_some_and(is_token);
        if is_own { self.authenticate(head) } else { self.behind.judge_again(head) }
    }

    fn expires_at(&self, head: &Parts, principal: &Principal) -> Option<SystemTime> {
        let token = bearer(&head.headers).filter(|token| is_token(token));
        let Some(token) = token else { return self.behind.expires_at(head, principal) };
        let grant: Grant = self.open(Purpose::Access, std::str::from_utf8(token).ok()?)?;
        let ours = UNIX_EPOCH.checked_add(Duration::from_secs(grant.until));
        let behind = self.behind.expires_at(&self.head(&grant.credential).ok()?, principal);
        ours.into_iter().chain(behind).min()
    }

    fn proxies(&self) -> Vec<IpNet> {
        self.behind.proxies()
    }

    fn namespaces(&self) -> Vec<Namespace> {
        self.behind.namespaces()
    }

    fn report_to(&self, departures: &Departures) {
        self.own.reports.to(departures);
        self.behind.report_to(departures);
    }

    /// Its own tokens are for nobody else to look at: a key is in them.
    fn finds(&self, head: &Parts) -> Found {
        if bearer(&head.headers).is_some_and(is_token) { Found::Own(AUTHORIZATION) } else { self.behind.finds(head) }
    }

    fn names_entry(&self, principal: &Principal) -> bool {
        self.behind.names_entry(principal)
    }

    fn protected_resource(&self) -> Option<&ProtectedResource> {
        Some(&self.own.resource)
    }

    fn reads_peer(&self) -> bool {
        self.behind.reads_peer()
    }

    fn gate(&self, principal: &Principal) -> Option<Arc<Gate>> {
        self.behind.gate(principal)
    }

    fn present(&self, headers: &mut HeaderMap, credential: &str) -> Result<(), InvalidHeaderValue> {
        self.behind.present(headers, credential)
    }

    fn is_open(&self) -> bool {
        self.behind.is_open()
    }
}

/// RFC 8414.
async fn metadata(State(bridge): State<Bridge>) -> Response {
    let issuer = bridge.issuer();
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/authorize"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "registration_endpoint": format!("{issuer}/oauth/register"),
        "revocation_endpoint": format!("{issuer}/oauth/revoke"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": true,
        "client_id_metadata_document_supported": bridge.own.documents.is_some(),
    });
    if !bridge.own.scopes.is_empty() {
        document["scopes_supported"] = json!(bridge.own.scopes);
    }
    token::reply(StatusCode::OK, &document)
}
