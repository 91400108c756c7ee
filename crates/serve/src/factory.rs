//! Makes the server of one caller. A factory gets a [`TenantContext`] and nothing else, so that it can't make a server that
//! is nobody's.

use std::{borrow::Cow, collections::BTreeMap, error::Error as StdError, fmt, sync::Arc, time::Duration};

use http::{HeaderValue, StatusCode, header::RETRY_AFTER, request::Parts};
use serde_json::json;

use crate::{
    BoxFuture, CallId, Principal, Scopes, Server, SessionContext, TokenId,
    resolver::ResolveError,
    wire::{Refusal, Version, code},
};

/// Whose server is to be made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TenantContext {
    pub principal: Arc<Principal>,
    /// Of what the request sent, what is allowed to say something about the server.
    pub extras: Extras,
    /// What it says of its circumstances, where [`Config::context`](crate::http::Config::context) lets it.
    pub context: SessionContext,
    pub(crate) names_entry: bool,
    /// Callers are not told apart: it is not one who has what this one has.
    pub(crate) is_anybody: bool,
}

impl TenantContext {
    #[must_use]
    pub fn new(principal: Arc<Principal>) -> Self {
        let (extras, context) = (Extras::default(), SessionContext::default());
        Self { principal, extras, context, names_entry: false, is_anybody: false }
    }

    #[must_use]
    pub fn with_extras(self, extras: Extras) -> Self {
        Self { extras, ..self }
    }

    #[must_use]
    pub fn with_context(self, context: SessionContext) -> Self {
        Self { context, ..self }
    }

    /// The token by which the caller came, where it is an entry of a registry: it stays when its secret is rotated.
    #[must_use]
    pub fn entry(&self) -> Option<&TokenId> {
        self.principal.token.as_ref().filter(|_| self.names_entry)
    }

    #[must_use]
    pub fn user_id(&self) -> &str {
        &self.principal.id
    }

    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.principal.tenant.as_deref()
    }

    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.principal.scopes
    }
}

/// Makes servers. Async closures are factories too:
///
/// ```
/// # use std::sync::Arc;
/// # use mcp_serve::{FactoryError, Instances, InstanceOptions, Server, TenantContext};
/// # fn notes_of(user: &str) -> Arc<dyn Server> { unimplemented!() }
/// let servers = Instances::new(
///     async |caller: TenantContext| Ok::<_, FactoryError>(notes_of(caller.user_id())),
///     InstanceOptions::default(),
/// );
/// ```
pub trait ServerFactory: Send + Sync + 'static {
    /// Makes the server of this caller. After a failure the next request tries again, later each time.
    fn create(&self, caller: TenantContext) -> BoxFuture<'static, Result<Arc<dyn Server>, FactoryError>>;
}

impl<F, Made, E> ServerFactory for F
where
    F: Fn(TenantContext) -> Made + Send + Sync + 'static,
    Made: Future<Output = Result<Arc<dyn Server>, E>> + Send + 'static,
    E: Into<FactoryError>,
{
    fn create(&self, caller: TenantContext) -> BoxFuture<'static, Result<Arc<dyn Server>, FactoryError>> {
        let made = self(caller);
        Box::pin(async move { made.await.map_err(Into::into) })
    }
}

/// Why a caller has no server. The cause goes to the log, never to the caller.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FactoryError {
    /// This caller is to have none, and is told so.
    #[error("{message}")]
    Refused { message: Cow<'static, str> },
    /// What the caller's server needs of somebody else's could not be had (S2-47): 403 where the caller can do something
    /// about it, 502 where not.
    #[error(transparent)]
    Unresolved(#[from] ResolveError),
    /// This caller may not call now anyway, or has as many servers made as one may; see
    /// [`InstanceOptions`](crate::InstanceOptions).
    #[error("too many requests; try again in {} s", .retry_after.as_secs().max(1))]
    TooMany { retry_after: Duration },
    #[error("the server can't be made at the moment")]
    Unavailable {
        #[source]
        source: Arc<dyn StdError + Send + Sync>,
        retry_after: Duration,
    },
    #[error("making the server panicked")]
    Panicked { retry_after: Duration },
}

impl FactoryError {
    pub fn refused(message: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused { message: message.into() }
    }

    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Unavailable { source: Arc::from(source.into()), retry_after: Duration::ZERO }
    }

    /// After which another attempt may succeed.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        if let Self::Unavailable { retry_after, .. } | Self::Panicked { retry_after } = &mut self {
            *retry_after = after.max(*retry_after);
        }
        self
    }

    /// As the caller is told. What went wrong goes to the log under the same id.
    pub(crate) fn refusal(&self, principal: &Principal) -> Refusal {
        let retry_after = match self {
            Self::Refused { message } => {
                return Refusal::new(StatusCode::FORBIDDEN, code::FORBIDDEN, message.clone());
            }
            Self::Unresolved(error) => return unresolved(error, principal),
            Self::TooMany { retry_after } => {
                let error = crate::Error::RateLimited { retry_after: *retry_after };
                return Refusal::of(&error, CallId::next(), Version::V2026_07_28);
            }
            Self::Unavailable { retry_after, .. } | Self::Panicked { retry_after } => *retry_after,
        };
        let request = CallId::next();
        let cause = StdError::source(self).map(tracing::field::display);
        tracing::error!(%request, principal = principal.id, error = %self, cause, "a caller has no server");
        let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
        let message = format!("your server can't be made at the moment (request {request}); try again in a moment");
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, code::BUSY, message)
            .with_header(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }
}

fn unresolved(error: &ResolveError, principal: &Principal) -> Refusal {
    let data = json!({ "code": ResolveError::CODE });
    if let ResolveError::NotLinked { .. } = error {
        return Refusal::new(StatusCode::FORBIDDEN, code::FORBIDDEN, error.to_string()).with_data(data);
    }
    let request = CallId::next();
    tracing::error!(%request, principal = principal.id, %error, "a caller has no server");
    Refusal::new(error.status(), code::BAD_GATEWAY, format!("{error} (request {request})")).with_data(data)
}

impl From<Box<dyn StdError + Send + Sync>> for FactoryError {
    fn from(source: Box<dyn StdError + Send + Sync>) -> Self {
        Self::unavailable(source)
    }
}

/// Values of a request that its server may depend on, by name: `ghost_owner` is the header `X-Ghost-Owner`, else the query
/// parameter `ghost_owner`. Only names that [`Servers::extras`](crate::Servers::extras) lists are read. The client chooses
/// them, so they say nothing about who it is.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Extras(Option<Arc<BTreeMap<Box<str>, Box<str>>>>);

impl Extras {
    /// Bytes of one value.
    pub const MAX_VALUE: usize = 1_024;

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.as_ref()?.get(name).map(|value| &**value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|extras| extras.iter()).map(|(name, value)| (&**name, &**value))
    }

    /// A value that is there twice, too long or no text is refused: it could mean something else to whoever reads it next.
    pub(crate) fn of(head: &Parts, names: &[String]) -> Result<Self, Refusal> {
        let mut extras = BTreeMap::new();
        for name in names {
            let refused = || {
                let message = format!("`{name}` must be given once, as text of at most {} bytes", Self::MAX_VALUE);
                Refusal::new(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, message)
            };
            let mut headers = head.headers.get_all(format!("x-{}", name.replace('_', "-"))).iter();
            let value: Cow<'_, str> = if let Some(value) = headers.next() {
                if headers.next().is_some() {
                    return Err(refused());
                }
                value.to_str().map_err(|_| refused())?.into()
            } else {
                let query = head.uri.query().unwrap_or_default();
                let mut values = url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| *key == **name);
                let Some((_, value)) = values.next() else { continue };
                if values.next().is_some() {
                    return Err(refused());
                }
                value
            };
            if value.len() > Self::MAX_VALUE || value.chars().any(char::is_control) {
                return Err(refused());
            }
            extras.insert(name.as_str().into(), (&*value).into());
        }
        Ok(if extras.is_empty() { Self(None) } else { Self(Some(Arc::new(extras))) })
    }
}

impl<N: Into<Box<str>>, V: Into<Box<str>>> FromIterator<(N, V)> for Extras {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(extras: I) -> Self {
        let extras: BTreeMap<_, _> = extras.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        if extras.is_empty() { Self(None) } else { Self(Some(Arc::new(extras))) }
    }
}

/// Names only: values are the client's.
impl fmt::Debug for Extras {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn extras(request: http::request::Builder) -> Result<Extras, Refusal> {
        let (head, ()) = request.body(()).expect("a request").into_parts();
        Extras::of(&head, &["ghost_owner".to_owned(), "region".to_owned()])
    }

    /// S2-7, W1-14.
    #[test]
    fn only_listed_names_reach_a_factory() {
        let request = Request::get("/mcp?region=north&secret=1")
            .header("x-ghost-owner", "ann")
            .header("x-api-key", "a-key")
            .header("authorization", "Bearer x");
        let extras = extras(request).expect("extras");
        assert_eq!(extras.iter().collect::<Vec<_>>(), [("ghost_owner", "ann"), ("region", "north")]);
        assert_eq!(extras.get("secret"), None);
        assert!(!format!("{extras:?}").contains("ann"), "values are the client's");
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for request in [
            Request::get("/mcp").header("x-region", "a").header("x-region", "b"),
            Request::get("/mcp?region=a&region=b"),
            Request::get("/mcp?region=a%00"),
            Request::get("/mcp").header("x-region", "a".repeat(Extras::MAX_VALUE + 1)),
            Request::get("/mcp").header("x-region", [0xff_u8].as_slice()),
        ] {
            assert_eq!(extras(request).expect_err("refused").status, StatusCode::BAD_REQUEST);
        }
    }

    /// S2-6.
    #[tokio::test]
    async fn async_closures_are_factories() {
        fn factory(factory: impl ServerFactory) -> impl ServerFactory {
            factory
        }
        let refuses = factory(async |caller: TenantContext| {
            Err::<Arc<dyn Server>, _>(FactoryError::refused(format!("nothing for {}", caller.user_id())))
        });
        let refused = refuses.create(TenantContext::new(Principal::trusted("ann"))).await;
        assert_eq!(refused.err().expect("refused").to_string(), "nothing for ann");
    }
}
