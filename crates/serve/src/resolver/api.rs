//! Credentials from a service of the operator, over HTTP (S2-46).
//!
//! `GET {base}{path}` with `Authorization: Bearer {service token}` answers
//! `{access_token, expires_at?, provider_user_id?, provider_username?}`. Put [`Cached`](super::Cached) before it.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use url::{Host, Url};
use zeroize::Zeroizing;

use super::{Credential, ResolveError, Resource, TokenResolver, expiry};
use crate::{BoxFuture, Fetch, FetchBounds, Principal, fetch::shown as shown_url, tokens::Secret};

/// Where the service is and how it is asked.
#[derive(Clone)]
pub struct ApiTokensConfig {
    /// `https://`, or `http://` on loopback.
    pub url: Url,
    /// Shows who asks. A header's worth of visible ASCII.
    pub service_token: Secret,
    /// Default [`DEFAULT_PATH`](Self::DEFAULT_PATH). `:userId` and `:resourceType` are segments of their own.
    pub path: String,
    /// Default 5 s.
    pub timeout: Duration,
    /// Whether a missing credential ends the call, or leaves it without one. Default: it ends the call.
    pub missing_is_an_error: bool,
    /// Sent besides.
    pub headers: HeaderMap,
}

impl ApiTokensConfig {
    pub const DEFAULT_PATH: &'static str = "/api/credentials/:userId/:resourceType";

    #[must_use]
    pub fn new(url: Url, service_token: impl Into<Secret>) -> Self {
        Self {
            url,
            service_token: service_token.into(),
            path: Self::DEFAULT_PATH.to_owned(),
            timeout: Duration::from_secs(5),
            missing_is_an_error: true,
            headers: HeaderMap::new(),
        }
    }
}

/// Without what may be secret in a URL or a header.
impl fmt::Debug for ApiTokensConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ApiTokensConfig");
        shown.field("url", &shown_url(&self.url)).field("path", &self.path).finish_non_exhaustive()
    }
}

/// What is wrong with the configuration of an [`ApiTokens`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiTokensError {
    #[error("`{url}` would be sent the service token unencrypted; use https, or http on loopback")]
    Unencrypted { url: String },
    #[error("`{url}` must be a scheme and a host, with or without a path")]
    Url { url: String },
    #[error(
        "the path `{path}` must begin with `/` and name both `:userId` and `:resourceType` as segments of their own"
    )]
    Path { path: String },
    #[error("the service token can't be sent in a header")]
    ServiceToken,
}

/// Asks a service at each call.
#[derive(Debug)]
pub struct ApiTokens {
    config: ApiTokensConfig,
    authorization: HeaderValue,
    fetch: Arc<dyn Fetch>,
}

/// What the service says, in any of three spellings.
#[derive(Deserialize)]
struct Found {
    #[serde(default, alias = "accessToken", alias = "token")]
    access_token: Option<String>,
    #[serde(default, alias = "expiresAt")]
    expires_at: Option<Value>,
    #[serde(default)]
    provider_user_id: Option<String>,
    #[serde(default)]
    provider_username: Option<String>,
}

impl ApiTokens {
    pub fn new(config: ApiTokensConfig, fetch: Arc<dyn Fetch>) -> Result<Self, ApiTokensError> {
        let url = &config.url;
        let loopback = match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => return Err(ApiTokensError::Url { url: shown_url(url) }),
        };
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            "http" => return Err(ApiTokensError::Unencrypted { url: shown_url(url) }),
            _ => return Err(ApiTokensError::Url { url: shown_url(url) }),
        }
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err(ApiTokensError::Url { url: shown_url(url) });
        }
        let named = |name: &str| config.path.split('/').filter(|segment| *segment == name).count() == 1;
        let known =
            config.path.split('/').all(|part| !part.contains(':') || [":userId", ":resourceType"].contains(&part));
        if !config.path.starts_with('/') || !named(":userId") || !named(":resourceType") || !known {
            return Err(ApiTokensError::Path { path: config.path });
        }
        let bearer = Zeroizing::new(format!("Bearer {}", config.service_token.reveal()));
        let mut authorization = HeaderValue::from_str(&bearer).map_err(|_| ApiTokensError::ServiceToken)?;
        authorization.set_sensitive(true);
        Ok(Self { config, authorization, fetch })
    }

    /// `None` for an id that would be another path.
    fn url(&self, principal: &Principal, resource: &Resource) -> Option<Url> {
        if [".", "..", ""].contains(&principal.id.as_str()) {
            return None;
        }
        let mut url = self.config.url.clone();
        let mut segments = url.path_segments_mut().ok()?;
        segments.pop_if_empty();
        for segment in self.config.path.split('/').skip(1) {
            segments.push(match segment {
                ":userId" => &principal.id,
                ":resourceType" => resource.as_str(),
                literal => literal,
            });
        }
        drop(segments);
        if let Some(tenant) = &principal.tenant {
            // Ids are unique within a tenant only.
            url.query_pairs_mut().append_pair("tenant", tenant);
        }
        Some(url)
    }

    async fn ask(&self, principal: &Principal, resource: &Resource) -> Result<Option<Arc<Credential>>, ResolveError> {
        let not_linked = || match self.config.missing_is_an_error {
            true => Err(ResolveError::NotLinked { resource: resource.clone() }),
            false => Ok(None),
        };
        let unavailable = || ResolveError::Unavailable { resource: resource.clone() };
        let Some(url) = self.url(principal, resource) else { return not_linked() };
        let mut request = Request::get(url.as_str()).body(Bytes::new()).map_err(|_| unavailable())?;
        *request.headers_mut() = self.config.headers.clone();
        request.headers_mut().insert(header::AUTHORIZATION, self.authorization.clone());
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let bounds = FetchBounds { timeout: self.config.timeout, max_body: 64 * 1024 };
        let answer = self.fetch.fetch(request, bounds).await.map_err(|error| {
            tracing::warn!(resource = resource.as_str(), %error, "the credential service did not answer");
            unavailable()
        })?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::NO_CONTENT => return not_linked(),
            status => {
                tracing::warn!(resource = resource.as_str(), %status, "the credential service refused");
                return Err(unavailable());
            }
        }
        let Ok(found) = serde_json::from_slice::<Found>(answer.body()) else {
            tracing::warn!(
                resource = resource.as_str(),
                "the answer of the credential service is not what was agreed on"
            );
            return Err(unavailable());
        };
        let Some(token) = found.access_token.filter(|token| !token.is_empty()).map(Secret::from) else {
            return not_linked();
        };
        let mut credential = Credential::new(token)?;
        credential.account = found.provider_username.or(found.provider_user_id);
        match found.expires_at {
            None | Some(Value::Null) => {}
            Some(written) => credential.expires_at = Some(expiry::parse(&written).ok_or_else(unavailable)?),
        }
        Ok(Some(Arc::new(credential)))
    }
}

impl TokenResolver for ApiTokens {
    fn resolve<'a>(
        &'a self,
        principal: &'a Principal,
        resource: &'a Resource,
    ) -> BoxFuture<'a, Result<Option<Arc<Credential>>, ResolveError>> {
        Box::pin(self.ask(principal, resource))
    }
}
