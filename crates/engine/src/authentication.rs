//! A spec's `auth` becomes an authenticator. Issuers are asked only through `connect`'s guarded client: who writes a spec
//! names them, and must not reach by that what they may not reach otherwise.

mod guarded;

use std::{fmt, sync::Arc};

use mcp_factory_connect::{Denied, Grant, Policy, SecretError, Secrets};
use mcp_factory_spec::{
    Spec,
    model::{self, Access, Auth, Variable},
};
use mcp_serve::{
    Algorithm, ApiKeys, Authenticator, BearerTokens, Chain, Fetch, Introspection, IntrospectionConfig,
    IntrospectionError, IpNet, Jwks, JwksConfig, Jwt, JwtConfig, JwtError, KeyList, KeyListError, Keys,
    NoAuthentication, ProtectedResource, ProxyError, ProxyHeaders, ResourceError, TrustedProxy, Verified, Vouched,
    tokens::TokenRegistry,
};
use url::Url;

use guarded::Guarded;
pub use guarded::PublicWeb;

/// Where a server is, and what its owner may use.
#[derive(Debug, Clone)]
pub struct Premises {
    /// The URL of its endpoint, which tokens are for. Without one the spec has to say whom they are for.
    pub resource: Option<Url>,
    pub secrets: Arc<dyn Secrets>,
    pub policy: Policy,
    /// Where a factory issues keys for it.
    pub issued: Option<IssuedKeys>,
}

/// Keys that a factory issues for one server: in the registry they share, their ids begin alike.
#[derive(Debug, Clone)]
pub struct IssuedKeys {
    pub registry: TokenRegistry,
    pub prefix: String,
}

/// Why a server can't know its callers.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    #[error("`auth.type: {kind}` without `envVar` needs keys that a factory issues")]
    NoKeys { kind: &'static str },
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("`{variable}`: {source}")]
    Keys { variable: String, source: KeyListError },
    #[error("`auth.header` is no header name")]
    Header,
    #[error("`auth`: {0}")]
    Jwt(#[from] JwtError),
    #[error("`auth.introspection`: {0}")]
    Introspection(#[from] IntrospectionError),
    #[error("`permissions`: {0}")]
    Proxy(#[from] ProxyError),
    #[error(transparent)]
    Resource(#[from] ResourceError),
    #[error("`auth.audience` is left out, and the server has no URL of its own")]
    NoAudience,
    #[error("the issuer `{url}` is asked without TLS: {source}")]
    Unprotected { url: String, source: Denied },
}

impl AuthenticationError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NoKeys { .. } => "name a variable that holds the keys: `envVar: MCP_KEYS`, or let a factory serve it".to_owned(),
            Self::Secret(_) => {
                "keys are written `key1,key2` or {\"key\": \"principal\"}; a secret that is shared with an \
                                issuer has at least 32 characters"
                    .to_owned()
            }
            Self::Keys { variable, .. } => {
                format!("set it to `key1,key2` or to {{\"key\": \"principal\"}}, for example `export {variable}=...`")
            }
            Self::Jwt(JwtError::ShortSecret { .. }) => "make a longer one, and give it to the issuer too".to_owned(),
            Self::NoAudience => "name whom the tokens are for: `audience: https://mcp.example.com/mcp`".to_owned(),
            Self::Unprotected { .. } => "name it with `https`".to_owned(),
            Self::Resource(_) => "say where it is reached, as in `--public-url https://mcp.example.com`".to_owned(),
            Self::Proxy(_) => {
                "list the networks of the proxy in `trustedProxies`, or share a secret of 32 bytes or more with it and name \
                 its variable in `signature.envVar`; `tolerance` is at most 5m"
                    .to_owned()
            }
            Self::Header | Self::Jwt(_) | Self::Introspection(_) => "see docs/authentication.md".to_owned(),
        }
    }
}

/// Who may call the server of this spec. Nothing is asked yet.
///
/// Where a header says which toolsets callers have, a proxy vouches for it. It says who calls too, where `auth` says nothing.
pub fn authenticator(spec: &Spec, premises: &Premises) -> Result<Arc<dyn Authenticator>, AuthenticationError> {
    let callers = callers(spec, premises)?;
    let Access::Header(header) = &spec.access else { return Ok(callers) };
    let proxy = proxy(header, premises)?;
    Ok(if callers.is_open() { Arc::new(proxy) } else { Arc::new(Vouched::new(callers, proxy)?) })
}

fn proxy(permissions: &model::HeaderPermissions, premises: &Premises) -> Result<TrustedProxy, AuthenticationError> {
    let name = |name: &model::HeaderName| name.as_str().parse().map_err(|_| AuthenticationError::Header);
    let mut headers = ProxyHeaders { claims: vec![name(&permissions.header)?], ..ProxyHeaders::default() };
    let Some(signature) = &permissions.signature else {
        let nets = permissions.trusted_proxies.iter().map(ToString::to_string);
        let nets = nets.map(|net| IpNet::parse(&net).expect("the language takes networks only")).collect();
        return Ok(TrustedProxy::from_peers(nets, headers)?);
    };
    headers.signature = name(&signature.header)?;
    let secret = premises.secrets.get(signature.env_var.as_str())?;
    Ok(TrustedProxy::signed(secret.expose().as_bytes(), signature.tolerance.get(), headers)?)
}

fn callers(spec: &Spec, premises: &Premises) -> Result<Arc<dyn Authenticator>, AuthenticationError> {
    Ok(match &spec.auth {
        Auth::None => Arc::new(NoAuthentication::default()),
        Auth::ApiKey(auth) => {
            let keys = good_keys("api_key", auth.env_var.as_ref(), premises)?;
            let header = auth.header.as_str().parse().map_err(|_| AuthenticationError::Header)?;
            Arc::new(ApiKeys::new(header, keys))
        }
        Auth::Bearer(auth) => Arc::new(BearerTokens::new(good_keys("bearer", auth.env_var.as_ref(), premises)?)),
        Auth::Jwt(auth) => Arc::new(jwt(spec, auth, premises)?),
        Auth::Oauth2(auth) => oauth2(spec, auth, premises)?,
    })
}

/// The keys that people have, where that is how callers are known.
pub fn key_list(spec: &Spec, premises: &Premises) -> Result<Option<KeyList>, AuthenticationError> {
    match &spec.auth {
        Auth::ApiKey(auth) => keys("api_key", auth.env_var.as_ref(), premises).map(Some),
        Auth::Bearer(auth) => keys("bearer", auth.env_var.as_ref(), premises).map(Some),
        Auth::None | Auth::Jwt(_) | Auth::Oauth2(_) => Ok(None),
    }
}

/// What tokens for this server name as their audience, where it takes signed tokens.
#[must_use]
pub fn audience(spec: &Spec, resource: Option<&Url>) -> Option<String> {
    let said = match &spec.auth {
        Auth::Jwt(auth) => &auth.audience,
        Auth::Oauth2(auth) => &auth.audience,
        Auth::None | Auth::ApiKey(_) | Auth::Bearer(_) => return None,
    };
    said.clone().or_else(|| resource.map(|url| url.as_str().trim_end_matches('/').to_owned()))
}

/// All scopes that some tool needs.
#[must_use]
pub fn scopes(spec: &Spec) -> Vec<String> {
    let mut scopes: Vec<String> = spec.tools.iter().flat_map(|tool| tool.scopes.iter().cloned()).collect();
    scopes.sort();
    scopes.dedup();
    scopes
}

/// Those of the spec's own list, and those that were issued.
fn good_keys(
    kind: &'static str,
    variable: Option<&Variable>,
    premises: &Premises,
) -> Result<Keys, AuthenticationError> {
    let Some(issued) = &premises.issued else { return Ok(keys(kind, variable, premises)?.into()) };
    let issued = Keys::below(issued.registry.clone(), issued.prefix.as_str());
    Ok(match variable {
        Some(_) => issued.and(keys(kind, variable, premises)?),
        None => issued,
    })
}

fn keys(kind: &'static str, variable: Option<&Variable>, premises: &Premises) -> Result<KeyList, AuthenticationError> {
    let variable = variable.ok_or(AuthenticationError::NoKeys { kind })?;
    let secret = premises.secrets.get(variable.as_str())?;
    KeyList::parse(secret.expose())
        .map_err(|source| AuthenticationError::Keys { variable: variable.to_string(), source })
}

fn jwt(spec: &Spec, auth: &model::Jwt, premises: &Premises) -> Result<Jwt, AuthenticationError> {
    let audience = audience(spec, premises.resource.as_ref()).ok_or(AuthenticationError::NoAudience)?;
    let config = JwtConfig {
        principal_claim: auth.principal_claim.clone(),
        tenant_claim: auth.tenant_claim.clone(),
        groups_claim: auth.groups_claim.clone(),
        scopes_claim: auth.scopes_claim.clone(),
        ..config(&auth.issuer, audience, auth.algorithms())
    };
    if let Some(variable) = &auth.secret_env_var {
        let secret = premises.secrets.get(variable.as_str())?;
        // Whom to ask for such a token only the owner of the secret knows: there is no metadata to lead to.
        return Ok(Jwt::with_secret(config, secret.expose().as_bytes())?);
    }
    let fetch = fetch(premises);
    let keys = match &auth.jwks_url {
        Some(url) => Jwks::at(protected(url, premises)?, fetch, JwksConfig::default()),
        None => Jwks::of_issuer(
            protected(&auth.issuer, premises).map(|_| auth.issuer.as_str())?,
            fetch,
            JwksConfig::default(),
        ),
    };
    let jwt = Jwt::with_keys_of(config, keys)?;
    Ok(match resource(spec, &auth.issuer, &[], premises)? {
        Some(resource) => jwt.of_resource(resource),
        None => jwt,
    })
}

fn oauth2(
    spec: &Spec,
    auth: &model::Oauth2,
    premises: &Premises,
) -> Result<Arc<dyn Authenticator>, AuthenticationError> {
    use model::Algorithm as A;
    let audience = audience(spec, premises.resource.as_ref()).ok_or(AuthenticationError::NoAudience)?;
    protected(&auth.issuer, premises)?;
    let resource = resource(spec, &auth.issuer, &auth.scopes, premises)?.ok_or(AuthenticationError::NoAudience)?;
    let verified = Arc::new(Verified::default());
    let fetch = fetch(premises);
    let all = [A::Rs256, A::Rs384, A::Rs512, A::Ps256, A::Ps384, A::Ps512, A::Es256, A::Es384, A::EdDsa];
    let config = config(&auth.issuer, audience.clone(), &all);
    let keys = Jwks::of_issuer(auth.issuer.as_str(), fetch.clone(), JwksConfig::default());
    let jwt = Jwt::with_keys_of(config, keys)?.sharing(verified.clone()).of_resource(resource.clone());
    let Some(introspection) = &auth.introspection else { return Ok(Arc::new(jwt)) };
    let config = IntrospectionConfig {
        max_token: MOST_TOKEN_BYTES,
        ..IntrospectionConfig::new(protected(&introspection.url, premises)?, auth.issuer.as_str(), audience)
    };
    let id = premises.secrets.get(introspection.client_id_env_var.as_str())?;
    let secret = premises.secrets.get(introspection.client_secret_env_var.as_str())?;
    let introspection = Introspection::new(config, (id.expose(), secret.expose()), fetch)?;
    let introspection = introspection.sharing(verified).of_resource(resource);
    // What is signed by the issuer is judged by its keys; it is asked about the rest.
    Ok(Arc::new(Chain::new(vec![Arc::new(jwt), Arc::new(introspection)]).expect("two, and neither is open")))
}

/// Tokens of people in many groups are longer than the library's default.
const MOST_TOKEN_BYTES: usize = 16 * 1024;
/// Clocks that are set by the network differ by less.
const LEEWAY: std::time::Duration = std::time::Duration::from_secs(5);

fn config(issuer: &model::Url, audience: String, algorithms: &[model::Algorithm]) -> JwtConfig {
    let algorithms = algorithms.iter().map(|known| algorithm(*known)).collect();
    JwtConfig { leeway: LEEWAY, max_token: MOST_TOKEN_BYTES, ..JwtConfig::new(issuer.as_str(), audience, algorithms) }
}

fn algorithm(algorithm: model::Algorithm) -> Algorithm {
    use model::Algorithm as A;
    match algorithm {
        A::Rs256 => Algorithm::Rs256,
        A::Rs384 => Algorithm::Rs384,
        A::Rs512 => Algorithm::Rs512,
        A::Ps256 => Algorithm::Ps256,
        A::Ps384 => Algorithm::Ps384,
        A::Ps512 => Algorithm::Ps512,
        A::Es256 => Algorithm::Es256,
        A::Es384 => Algorithm::Es384,
        A::EdDsa => Algorithm::EdDsa,
        A::Hs256 => Algorithm::Hs256,
        A::Hs384 => Algorithm::Hs384,
        A::Hs512 => Algorithm::Hs512,
    }
}

fn resource(
    spec: &Spec,
    issuer: &model::Url,
    needed: &[String],
    premises: &Premises,
) -> Result<Option<ProtectedResource>, AuthenticationError> {
    let Some(url) = &premises.resource else { return Ok(None) };
    let issuers = [issuer.as_str().to_owned()];
    Ok(Some(ProtectedResource::new(url, &issuers, needed.to_vec(), &scopes(spec))?))
}

/// Keys that come without TLS could be anybody's; within a private network that may be meant.
fn protected(url: &model::Url, premises: &Premises) -> Result<Url, AuthenticationError> {
    let parts = url.parts();
    if parts.scheme() != "https" {
        premises
            .policy
            .check(Grant::PrivateNetworks)
            .map_err(|source| AuthenticationError::Unprotected { url: url.to_string(), source })?;
        let is_local = matches!(parts.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if !is_local {
            tracing::warn!(issuer = %url, "this issuer is asked without TLS; who is between could let anybody in");
        }
    }
    Ok(parts)
}

fn fetch(premises: &Premises) -> Arc<dyn Fetch> {
    Arc::new(Guarded::new(premises.secrets.clone(), premises.policy.clone()))
}

/// One line for people, without a secret.
impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(spec, audience) = self;
        let for_whom = || audience.as_deref().unwrap_or("this server's own URL");
        match &spec.auth {
            Auth::None if matches!(spec.access, Access::Header(_)) => f.write_str("headers of a proxy"),
            Auth::None => f.write_str("none; loopback only"),
            Auth::ApiKey(auth) => write!(f, "keys in the header {}", auth.header),
            Auth::Bearer(_) => f.write_str("bearer tokens"),
            Auth::Jwt(auth) => {
                let by = if auth.secret_env_var.is_some() { "a shared secret" } else { "the issuer's keys" };
                write!(f, "tokens of {} for {}, checked with {by}", auth.issuer, for_whom())
            }
            Auth::Oauth2(auth) => {
                let how = if auth.introspection.is_some() { " or by asking it" } else { "" };
                write!(f, "tokens of {} for {}, checked with its keys{how}", auth.issuer, for_whom())
            }
        }
    }
}

/// How callers are known.
#[derive(Debug)]
pub struct Summary<'a>(&'a Spec, Option<String>);

impl<'a> Summary<'a> {
    #[must_use]
    pub fn of(spec: &'a Spec) -> Self {
        Self(spec, audience(spec, None))
    }
}
