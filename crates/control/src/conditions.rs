//! Conditions on requests (RFC 9110): what is there is not sent again to who has it, and what was changed meanwhile is not
//! changed by who does not know.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::{
    body::Body,
    extract::{FromRequestParts, Request},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{self, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH},
        request::Parts,
    },
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http_body_util::{BodyExt as _, Limited};
use mcp_factory::{Caller, Expected};

use crate::{Problem, access::Admitted};

/// Of an answer that gets a tag.
const MOST: usize = 64 << 20;

/// Gives each whole answer of JSON a tag, and leaves out what the client has. An answer that has a tag already keeps it.
pub async fn tags(mut request: Request, next: Next) -> Response {
    let is_head = request.method() == Method::HEAD;
    if !(is_head || request.method() == Method::GET) {
        return next.run(request).await;
    }
    // Answered as if it were `GET`, so that its head is the same.
    *request.method_mut() = Method::GET;
    let known = request.headers().get_all(IF_NONE_MATCH).iter().cloned().collect::<Vec<_>>();
    let response = next.run(request).await;
    let response = if is_tagged(&response) { tagged(response, &known).await } else { response };
    if is_head { response.map(|_| Body::empty()) } else { response }
}

fn is_tagged(response: &Response) -> bool {
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    response.status() == StatusCode::OK && is_json
}

async fn tagged(response: Response, known: &[HeaderValue]) -> Response {
    let (mut head, body) = response.into_parts();
    let body = match Limited::new(body, MOST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            tracing::error!(error, "an answer broke off");
            let detail = "the factory failed; its log says why";
            return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail).into_response();
        }
    };
    let tag = head.headers.entry(ETAG).or_insert_with(|| {
        let mut hash = DefaultHasher::new();
        body.hash(&mut hash);
        HeaderValue::from_str(&format!("\"{:016x}\"", hash.finish())).expect("hexadecimal")
    });
    let tag = tag.to_str().unwrap_or_default().to_owned();
    // Whoever asks next may be somebody else.
    head.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if list(known.iter()).any(|it| it == "*" || it.strip_prefix("W/").unwrap_or(it) == tag) {
        head.status = StatusCode::NOT_MODIFIED;
        head.headers.remove(header::CONTENT_TYPE);
        head.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(head, Body::empty());
    }
    head.headers.insert(header::CONTENT_LENGTH, body.len().into());
    Response::from_parts(head, body.into())
}

/// The head of an answer with this tag.
pub fn etag(tag: &str) -> [(HeaderName, HeaderValue); 1] {
    [(ETAG, HeaderValue::from_str(&format!("\"{tag}\"")).expect("hexadecimal"))]
}

fn list<'a>(values: impl Iterator<Item = &'a HeaderValue>) -> impl Iterator<Item = &'a str> {
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',').map(str::trim))
}

/// Whoever asks, and what they expect of the server that they change.
#[derive(Debug)]
pub struct Expecting(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for Expecting {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Admitted(caller) = Admitted::from_request_parts(head, state).await?;
        Ok(Self(match expected(&head.headers)? {
            Some(expected) => caller.expecting(expected),
            None => caller,
        }))
    }
}

fn expected(headers: &HeaderMap) -> Result<Option<Expected>, Problem> {
    if headers.contains_key(IF_NONE_MATCH) {
        if headers.contains_key(IF_MATCH) || list(headers.get_all(IF_NONE_MATCH).iter()).ne(["*"]) {
            return Err(Problem::argument("`If-None-Match` of a change is `*`, and comes without `If-Match`"));
        }
        return Ok(Some(Expected::Nothing));
    }
    if !headers.contains_key(IF_MATCH) {
        return Ok(None);
    }
    let tags: Vec<&str> = list(headers.get_all(IF_MATCH).iter()).collect();
    if tags == ["*"] {
        return Ok(Some(Expected::Any));
    }
    // A weak tag never matches here.
    let tags = tags.iter().map(|tag| tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or_default());
    Ok(Some(Expected::Tags(tags.map(str::to_owned).collect())))
}
