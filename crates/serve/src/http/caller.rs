//! Who calls a route of the embedding program.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::{Response, request::Parts};

use super::{CurrentAuthenticator, Endpoint, body::refuse};
use crate::{Authentication, CallContext, CallId, Principal, Server, wire::Refusal};

/// For handlers of [`Config::routes`](super::Config::routes), which come without authentication: an argument of this type
/// lets nobody in whom the server would not answer. The others get its challenge.
#[derive(Debug, Clone)]
pub struct Caller(pub Arc<Principal>);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Response<axum::body::Body>;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let rejection = |refusal| refuse(refusal, None).map(axum::body::Body::new);
        let Some(CurrentAuthenticator(authenticator)) = head.extensions.get::<CurrentAuthenticator>().cloned() else {
            tracing::error!("a route asks who calls, but no endpoint of ours serves it");
            return Err(rejection(Refusal::internal(CallId::next())));
        };
        let outcome = match authenticator.authenticate(head) {
            Authentication::Ready(outcome) => outcome,
            Authentication::Pending(outcome) => outcome.await,
        };
        outcome.map(Self).map_err(|challenge| rejection(challenge.refusal()))
    }
}

/// The same with the server that answers this caller, for routes that show something of it.
pub(crate) struct CallersServer {
    pub(crate) server: Arc<dyn Server>,
    /// As a call that stands alone has it.
    pub(crate) cx: CallContext,
}

impl<S: Send + Sync> FromRequestParts<S> for CallersServer {
    type Rejection = Response<axum::body::Body>;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let rejection = |refusal| refuse(refusal, None).map(axum::body::Body::new);
        let Some(endpoint) = head.extensions.get::<Endpoint>().cloned() else {
            tracing::error!("a route asks who calls, but no endpoint of ours serves it");
            return Err(rejection(Refusal::internal(CallId::next())));
        };
        let (serving, admitted) = endpoint.admitted(head).await.map_err(rejection)?;
        Ok(Self { server: serving.server().clone(), cx: admitted.into() })
    }
}
