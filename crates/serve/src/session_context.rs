//! What a request says of the circumstances it is made in: a project, a region, a customer's settings. The client chooses it,
//! so it says nothing about who calls, and only keys that are listed are read.
//!
//! It comes out of a query parameter, a header or `_meta`, is merged over a base, may be changed by a resolver, and is one
//! thing from then on: a factory finds it in its [`TenantContext`](crate::TenantContext), a tool in its
//! [`CallContext`](crate::CallContext), and a kept server is kept for it. What can't be read leaves the base as it is.

mod resolved;
mod sources;

use std::{fmt, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, request::Parts};
use serde::Deserialize;
use serde_json::{Map, Value};

pub use resolved::SessionContext;
pub use sources::{Encoding, HeaderSource, MetaSource, QueryParam};

use crate::{BoxFuture, Principal};

type Cause = Box<dyn std::error::Error + Send + Sync>;
type Resolver = Arc<
    dyn Fn(
            ContextRequest,
            Map<String, Value>,
            Map<String, Value>,
        ) -> BoxFuture<'static, Result<Map<String, Value>, Cause>>
        + Send
        + Sync,
>;

/// Where a context comes from. In files, names are written as in `queryParam`, and unknown ones are errors.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SessionContextOptions {
    /// Default yes. Otherwise nothing is read, and there is no base either.
    pub enabled: bool,
    /// What is there without any request: not the client's, so that its keys need not be listed.
    pub base: Map<String, Value>,
    pub query_param: Option<QueryParam>,
    /// Over what the query says.
    pub header: Option<HeaderSource>,
    /// Over both.
    pub meta: Option<MetaSource>,
    pub merge: Merge,
    #[serde(skip)]
    pub resolver: Option<ContextResolver>,
}

impl Default for SessionContextOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            base: Map::new(),
            query_param: None,
            header: None,
            meta: None,
            merge: Merge::default(),
            resolver: None,
        }
    }
}

/// What of a request is put over what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Merge {
    /// A key is the one or the other.
    #[default]
    Shallow,
    /// Objects are merged within.
    Deep,
}

/// Makes a context of a request, the base, and what was read of it; what it gives is the whole context. Where it fails,
/// the base is.
#[derive(Clone)]
pub struct ContextResolver(Resolver);

impl ContextResolver {
    pub fn new<F, Resolved, E>(resolve: F) -> Self
    where
        F: Fn(ContextRequest, Map<String, Value>, Map<String, Value>) -> Resolved + Send + Sync + 'static,
        Resolved: Future<Output = Result<Map<String, Value>, E>> + Send + 'static,
        E: Into<Cause>,
    {
        Self(Arc::new(move |request, base, parsed| {
            let resolved = resolve(request, base, parsed);
            Box::pin(async move { resolved.await.map_err(Into::into) })
        }))
    }
}

impl fmt::Debug for ContextResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContextResolver(..)")
    }
}

/// Names of keys alone: values are somebody's.
impl fmt::Debug for SessionContextOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionContextOptions")
            .field("enabled", &self.enabled)
            .field("base", &self.base.keys().collect::<Vec<_>>())
            .field("query_param", &self.query_param)
            .field("header", &self.header)
            .field("meta", &self.meta)
            .field("merge", &self.merge)
            .finish_non_exhaustive()
    }
}

/// What a resolver may look at.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ContextRequest {
    /// Out of the credential; everything else is the client's.
    pub principal: Arc<Principal>,
    /// Without the credential, cookies and whatever else is somebody's secret.
    pub headers: HeaderMap,
    pub query: Option<String>,
}

/// Contexts that can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionContextError {
    #[error("`sessionContext.{source_of}.allowedKeys` is needed: only keys that are listed are read")]
    NoKeys { source_of: &'static str },
    #[error(
        "`sessionContext.queryParam.allowedKeys` has `{key}`, which sounds like a secret, and a URL is in every log on its way; take it from a header or `_meta`, or set `allowSecrets`"
    )]
    SecretInUrl { key: String },
    #[error("`{name}` is no header that a context can come from")]
    Header { name: String },
    #[error("`sessionContext.{source_of}` needs a name")]
    NoName { source_of: &'static str },
}

/// Options that were checked. Clones are the same.
#[derive(Clone)]
pub struct SessionContexts(Arc<Inner>);

struct Inner {
    base: SessionContext,
    query: Option<QueryParam>,
    header: Option<(HeaderName, HeaderSource)>,
    meta: Option<MetaSource>,
    merge: Merge,
    resolver: Option<ContextResolver>,
}

impl fmt::Debug for SessionContexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionContexts").field("base", &self.0.base).finish_non_exhaustive()
    }
}

impl SessionContexts {
    /// `None` where they are not enabled.
    pub fn new(options: SessionContextOptions) -> Result<Option<Self>, SessionContextError> {
        let SessionContextOptions { enabled, base, query_param, header, meta, merge, resolver } = options;
        if let Some(query) = &query_param {
            query.check()?;
        }
        let header = header.map(|header| Ok((header.check()?, header))).transpose()?;
        if let Some(meta) = &meta {
            meta.check()?;
        }
        let base = SessionContext::new(base);
        Ok(enabled.then(|| Self(Arc::new(Inner { base, query: query_param, header, meta, merge, resolver }))))
    }

    /// What there is without a request, as on stdio.
    pub(crate) fn base(&self) -> &SessionContext {
        &self.0.base
    }

    /// Whether the body of a request has to be read first.
    pub(crate) fn reads_meta(&self) -> bool {
        self.0.meta.is_some()
    }

    /// The context of one request. `credential` is the header that it was authenticated by.
    pub(crate) async fn of(
        &self,
        head: &Parts,
        principal: &Arc<Principal>,
        credential: Option<HeaderName>,
        body: Option<&[u8]>,
    ) -> SessionContext {
        let Inner { base, query, header, meta, merge, resolver } = &*self.0;
        let read = [
            query.as_ref().and_then(|query| query.read(head.uri.query())),
            header.as_ref().and_then(|(name, header)| header.read(name, &head.headers)),
            meta.as_ref().zip(body).and_then(|(meta, body)| meta.read(body)),
        ];
        let mut parsed = Map::new();
        for read in read.into_iter().flatten() {
            merge.put(&mut parsed, read);
        }
        if let Some(ContextResolver(resolver)) = resolver {
            let request = ContextRequest {
                principal: principal.clone(),
                headers: without_secrets(&head.headers, credential.as_ref()),
                query: head.uri.query().map(str::to_owned),
            };
            let resolving = async { resolver(request, base.map().clone(), parsed).await };
            return match AssertUnwindSafe(resolving).catch_unwind().await {
                Ok(Ok(resolved)) => SessionContext::new(resolved),
                Ok(Err(error)) => {
                    tracing::warn!(principal = principal.id, error = &*error, "the base context: the resolver failed");
                    base.clone()
                }
                Err(_panic) => {
                    tracing::error!(principal = principal.id, "the base context: the resolver panicked");
                    base.clone()
                }
            };
        }
        if parsed.is_empty() {
            return base.clone();
        }
        let mut whole = base.map().clone();
        merge.put(&mut whole, parsed);
        SessionContext::new(whole)
    }
}

impl Merge {
    fn put(self, under: &mut Map<String, Value>, over: Map<String, Value>) {
        for (key, value) in over {
            match (self, under.get_mut(&key), value) {
                (Self::Deep, Some(Value::Object(under)), Value::Object(over)) => self.put(under, over),
                (_, _, value) => {
                    under.insert(key, value);
                }
            }
        }
    }
}

fn without_secrets(headers: &HeaderMap, credential: Option<&HeaderName>) -> HeaderMap {
    let mut headers = headers.clone();
    for name in sources::SECRET_HEADERS.iter().chain(credential) {
        headers.remove(name);
    }
    headers
}

#[cfg(test)]
mod tests;
