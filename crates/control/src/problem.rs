//! What went wrong, as RFC 9457 has it. The code is the same wherever the verb was called.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{AppendHeaders, IntoResponse, Response},
};
use mcp_factory::{Error, intake};
use serde_json::{Value, json};

#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// Further members.
    more: Vec<(&'static str, Value)>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), more: Vec::new(), headers: Vec::new() }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "there is nothing at this path")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this path does not take this method")
    }

    pub(crate) fn media_type(takes: &str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", format!("this takes a body of {takes}"))
    }

    pub(crate) fn argument(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid-argument", detail)
    }

    pub(crate) fn to_json(&self) -> Value {
        let Self { status, code, detail, more, headers: _ } = self;
        let title = status.canonical_reason().unwrap_or_default();
        let mut problem = json!({ "title": title, "status": status.as_u16(), "code": code, "detail": detail });
        for (name, value) in more {
            problem[name] = value.clone();
        }
        problem
    }

    #[must_use]
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With the member that clients of the official registry read.
    pub(crate) fn into_registry(self) -> Self {
        let detail = self.detail.clone();
        self.with("error", detail.into())
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: Value) -> Self {
        self.more.push((name, value));
        self
    }
}

impl Problem {
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }
}

/// What the framework itself refuses, such as a path that is no text, is a problem too.
pub async fn everywhere(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let is_problem = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM);
    // Whether the factory is ready is no refusal.
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !(status.is_client_error() || status.is_server_error()) || is_problem || is_json {
        return response;
    }
    let code = match status {
        StatusCode::BAD_REQUEST => "invalid-argument",
        StatusCode::NOT_FOUND => "not-found",
        StatusCode::METHOD_NOT_ALLOWED => "method-not-allowed",
        StatusCode::PAYLOAD_TOO_LARGE => "too-large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "media-type",
        status if status.is_client_error() => "refused",
        _ => "internal",
    };
    let (head, _) = response.into_parts();
    let mut problem = Problem::new(status, code, "the request can't be read").into_response();
    let kept = head.headers.into_iter().filter_map(|(name, value)| Some((name?, value)));
    let kept = kept.filter(|(name, _)| ![header::CONTENT_TYPE, header::CONTENT_LENGTH].contains(name));
    problem.headers_mut().extend(kept);
    problem
}

const PROBLEM: &str = "application/problem+json";

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = status(error.code());
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            // What went wrong inside is nobody's business outside.
            tracing::error!(error = &error as &dyn std::error::Error, "a verb failed");
            return Self::new(status, error.code(), "the factory failed; its log says why");
        }
        let said = error.to_string();
        let said = if matches!(error, Error::Intake(_)) { intake::for_senders(&said) } else { said.as_str().into() };
        let mut problem = Self::new(status, error.code(), said);
        if let Some(what) = error.missing() {
            problem = problem.with("missing", what.into());
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return problem.with_header(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        problem
    }
}

/// One place for all codes; what is not here is our own fault.
fn status(code: &str) -> StatusCode {
    match code {
        "invalid-spec" | "invalid-argument" => StatusCode::BAD_REQUEST,
        "unauthenticated" => StatusCode::UNAUTHORIZED,
        "forbidden" => StatusCode::FORBIDDEN,
        "not-found" => StatusCode::NOT_FOUND,
        "changed" => StatusCode::PRECONDITION_FAILED,
        "too-large" => StatusCode::PAYLOAD_TOO_LARGE,
        "quota" => StatusCode::TOO_MANY_REQUESTS,
        "name-taken" | "version-exists" | "file-taken" | "needed" | "owns-servers" | "user-exists" | "last-admin"
        | "local-admin" | "never-deployed" | "conflicts" | "imported-before" | "not-imported" | "other-kind"
        | "unrelated" | "not-running" | "busy" => StatusCode::CONFLICT,
        "idempotency-key-reused"
        | "not-deployable"
        | "takes-no-keys"
        | "call-failed"
        | "invalid-document"
        | "unreadable" => StatusCode::UNPROCESSABLE_ENTITY,
        "registry-busy" | "registry-unreachable" => StatusCode::SERVICE_UNAVAILABLE,
        "registry-full" => StatusCode::INSUFFICIENT_STORAGE,
        "no-target" => StatusCode::NOT_IMPLEMENTED,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, problem) = (self.status, self.to_json().to_string());
        let kind = [(header::CONTENT_TYPE, PROBLEM)];
        (status, kind, AppendHeaders(self.headers), problem).into_response()
    }
}
