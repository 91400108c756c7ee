//! What a browser asks for before it lets a web page of an allowed origin read the answers.

use axum::{Router, body::HttpBody};
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE, VARY,
    },
    request::Parts,
};
use tower_service::Service;

use super::{Body, body::status};

/// Of MCP.
pub(super) const METHODS: &str = "POST, GET, DELETE";

/// Of what stands beside it.
pub(super) const METHODS_BESIDE: &str = "GET, POST, PUT, DELETE, PATCH";

/// The answer to the browser's question before the request. It carries no credential, so it comes before authentication.
pub(super) fn preflight(head: &Parts, origin: &HeaderValue, methods: &'static str) -> Option<Response<Body>> {
    if head.method != Method::OPTIONS || !head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = allow(status(StatusCode::NO_CONTENT), origin.clone());
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    // Credentials and `Mcp-Param-*` have names of their own. The page is allowed, and so is what it sends.
    if let Some(asked) = head.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    Some(response)
}

/// Lets the page read this answer. Cookies are never asked for.
pub(super) fn allow(mut response: Response<Body>, origin: HeaderValue) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let readable = HeaderValue::from_static("Mcp-Session-Id, WWW-Authenticate, Retry-After");
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, readable);
    headers.append(VARY, HeaderValue::from_static("Origin"));
    response
}

/// An answer of routes beside MCP, for `origin` where a web page calls. What they say about pages by themselves stays, and
/// pages of ours that people see (who consents, who approves) are no other page's to read.
pub(super) async fn routed<B>(mut routes: Router, request: Request<B>, origin: Option<HeaderValue>) -> Response<Body>
where
    B: HttpBody<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
{
    let (head, body) = request.into_parts();
    let preflight = origin.as_ref().and_then(|origin| preflight(&head, origin, METHODS_BESIDE));
    let response = match routes.call(Request::from_parts(head, axum::body::Body::new(body))).await {
        Ok(response) => response.map(Body::routes),
        Err(never) => match never {},
    };
    match origin {
        Some(origin) if !response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) => match preflight {
            Some(preflight) => preflight,
            None if is_page(&response) => response,
            None => allow(response, origin),
        },
        _ => response,
    }
}

const TEXT_HTML: &str = "text/html";

fn is_page(response: &Response<Body>) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| {
        kind.trim_start().get(..TEXT_HTML.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(TEXT_HTML))
    })
}
