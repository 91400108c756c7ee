//! What requests bring: bodies, read whole within a size and a time, and queries. What is unknown in them is refused.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
};
use http_body_util::{BodyExt as _, Limited};
use serde::de::DeserializeOwned;

use crate::Problem;

/// More than any user may send; how much that is the factory knows.
const MOST: usize = 16 << 20;
const TIMEOUT: Duration = Duration::from_secs(30);
/// Of what is told of a field, with the names of those there are.
const LONGEST: usize = 400;

#[derive(Debug)]
pub struct Whole(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Whole {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        is_not_encoded(request.headers())?;
        let body = Limited::new(request.into_body(), MOST).collect();
        match tokio::time::timeout(TIMEOUT, body).await {
            Ok(Ok(body)) => Ok(Self(body.to_bytes())),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                let detail = format!("the body is larger than {MOST} bytes");
                Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail))
            }
            Ok(Err(_)) => Err(Problem::argument("the body broke off")),
            Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "late", "the body did not arrive in time")),
        }
    }
}

/// What was compressed is not unpacked here: it may become any size.
fn is_not_encoded(headers: &HeaderMap) -> Result<(), Problem> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    if codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    let detail = "the body comes with a `Content-Encoding`, and is taken without; send it as it is";
    let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-encoding", detail);
    // RFC 9110 §12.5.3: what is taken instead.
    Err(problem.with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}

/// What a body is, without parameters; `None` where nothing is said.
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or("?");
    Some(kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// A body of JSON; an empty one is an empty object.
#[derive(Debug)]
pub struct Sent<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = media_type(request.headers());
        let Whole(body) = Whole::from_request(request, state).await?;
        if !body.is_empty() && kind.is_some_and(|kind| kind != "application/json") {
            return Err(Problem::media_type("`application/json`"));
        }
        let body = match body.trim_ascii() {
            b"" => b"{}",
            body => body,
        };
        serde_json::from_slice(body).map(Self).map_err(|error| Problem::argument(wrong(&error)))
    }
}

/// Where it is wrong, and which field, but no value that was in it: that may be a secret.
fn wrong(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Data => {
            let (what, field) = told(error);
            format!("the body {what}, at line {line}, column {column}{field}")
        }
        _ => format!("the body is no JSON, at line {line}, column {column}"),
    }
}

/// The same of a part of it that was read on its own.
pub fn wrong_fields(error: &serde_json::Error) -> String {
    let (what, field) = told(error);
    format!("{what}{field}")
}

fn told(error: &serde_json::Error) -> (&'static str, String) {
    let said = error.to_string();
    let said = said.rsplit_once(" at line ").map_or(&*said, |(said, _)| said);
    // The last is our own text about what a body is made of.
    let names_a_field =
        ["unknown field `", "missing field `", "duplicate field `", "`from"].iter().any(|it| said.starts_with(it));
    let field = Some(said).filter(|said| names_a_field && said.len() <= LONGEST);
    ("has other fields or values than it takes", field.map(|said| format!(": {said}")).unwrap_or_default())
}

/// What stands behind the `?`.
#[derive(Debug)]
pub struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::from_request_parts(head, state).await;
        query.map(|Query(asked)| Self(asked)).map_err(|rejection| Problem::argument(rejection.body_text()))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is only read into")]
    struct Body {
        name: String,
        #[serde(default)]
        count: u32,
    }

    #[test]
    fn a_wrong_field_is_named_and_no_value_is() {
        for (body, said) in [
            (r#"{"nmae": "x"}"#, "column 7: unknown field `nmae`, expected `name` or `count`"),
            (r#"{"count": 1}"#, "column 12: missing field `name`"),
            (r#"{"name": "x", "count": "hunter2"}"#, "column 32"),
            (r#"{"name": 7.125}"#, "column 14"),
            (&format!(r#"{{"{}": 1}}"#, "x".repeat(5_000)), "column 5003"),
            (r#"{"name": "#, "the body is no JSON, at line 1, column 9"),
        ] {
            let error = serde_json::from_str::<Body>(body).unwrap_err();
            assert!(wrong(&error).ends_with(said), "{body}: {}", wrong(&error));
        }
    }
}
