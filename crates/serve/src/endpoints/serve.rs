//! The way of one request to an endpoint: who calls, whether they may, what they send, the handler, its answer.

use std::panic::AssertUnwindSafe;

use axum::body::HttpBody;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL},
    request::Parts,
};

use super::{
    AtPath, Compiled, CustomEndpoints, EndpointRequest, Schema,
    answer::Failure,
    request::{Incoming, client_id},
};
use crate::{
    Authentication, CallId, Error, Live, Principal,
    http::{Body, is_not_encoded, read_body, refuse},
    wire::{Refusal, Version},
};

/// The path is one of these.
pub(crate) async fn serve<B>(live: &Live, endpoints: &CustomEndpoints, request: Request<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes>,
{
    let (head, body) = request.into_parts();
    let mut response = match answer(live, endpoints, &head, body).await {
        Ok(response) => response,
        Err(Stopped::Refused(refusal)) => refuse(refusal, None),
        Err(Stopped::Failed(failure)) => failure.send(),
    };
    // It is this caller's, and the URL says nothing of who that is.
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

enum Stopped {
    /// By what stands before MCP, too.
    Refused(Refusal),
    Failed(Failure),
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

async fn answer<B>(live: &Live, endpoints: &CustomEndpoints, head: &Parts, body: B) -> Result<Response<Body>, Stopped>
where
    B: HttpBody<Data = Bytes>,
{
    let front = live.front();
    let outcome = match front.authenticator.authenticate(head) {
        Authentication::Ready(outcome) => outcome,
        Authentication::Pending(outcome) => outcome.await,
    };
    let principal = outcome.map_err(|challenge| challenge.refusal())?;
    let (Some(paths), path) = (&endpoints.0, head.uri.path()) else { return Err(not_found().into()) };
    let found = paths.by_path.at(path).map_err(|_| not_found())?;
    let at = &paths.paths[*found.value];
    let Some(endpoint) = at.methods.iter().find(|endpoint| endpoint.method == head.method) else {
        return Ok(not_allowed(at));
    };
    let request_id = CallId::next();
    let refused = |error: Error| Refusal::of(&error, request_id, Version::V2026_07_28);
    let config = live.config();
    is_not_encoded(&head.headers)?;
    // A body that is awaited holds no place that calls need.
    let body = read_body(body, config.max_body, config.body_timeout).await?;
    let _permit =
        front.gate.enter_with(front.authenticator.gate(&principal).as_deref(), &principal).map_err(refused)?;
    let toolsets = match paths.toolsets.as_ref().filter(|_| endpoint.permission_aware) {
        None => None,
        Some(toolsets) => Some(toolsets.toolsets_of(&principal).await.map_err(refused)?),
    };
    let params = found.params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let read = Incoming { head, body, max_depth: config.max_depth, params }.read(endpoint)?;
    let client_id = client_id(&principal, front.authenticator.is_open(), &head.headers);
    let (params, query, body) = (read.params, read.query, read.body);
    let request =
        EndpointRequest { principal: principal.clone(), client_id, body, query, params, toolsets, request_id };
    let answer = async { Ok(run(endpoint, &at.path, request, &principal).await) };
    Ok(front.since.unless_gone(&principal, answer).await.map_err(refused)??)
}

async fn run(
    endpoint: &Compiled,
    path: &str,
    request: EndpointRequest,
    principal: &Principal,
) -> Result<Response<Body>, Failure> {
    let id = request.request_id;
    // The handler may panic before it gives a future, too.
    let answer = AssertUnwindSafe(async { (endpoint.handler)(request).await }).catch_unwind().await;
    let response = match answer {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            tracing::error!(request = %id, path, principal = principal.id, error = &*error, "an endpoint failed");
            return Err(Failure::Internal { request: id });
        }
        Err(_panic) => {
            tracing::error!(request = %id, path, principal = principal.id, "an endpoint ended in a panic");
            return Err(Failure::Internal { request: id });
        }
    };
    let promised = endpoint.schemas.response.as_ref().filter(|_| response.status.is_success());
    let wrong = promised.map(|schema| Schema::wrong(schema, &response.body)).unwrap_or_default();
    if !wrong.is_empty() {
        tracing::error!(request = %id, path, ?wrong, "an endpoint's answer is not what its schema says");
        return Err(Failure::Response { request: id });
    }
    Ok(response.send())
}

fn not_found() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, crate::wire::code::INVALID_REQUEST, "there is nothing at this path")
}

fn not_allowed(at: &AtPath) -> Response<Body> {
    let methods: Vec<&str> = at.methods.iter().map(|endpoint| endpoint.method.as_str()).collect();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    let allow = HeaderValue::try_from(methods.join(", ")).expect("methods are header text");
    response.headers_mut().insert(ALLOW, allow);
    response
}
