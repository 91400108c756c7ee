//! What an endpoint answers, and how it says that it can't.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use super::Schema;
use crate::{CallId, http::Body};

/// A status and JSON.
#[derive(Debug, Clone)]
pub struct EndpointResponse {
    pub status: StatusCode,
    /// `null` is sent as no body at all.
    pub body: Value,
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl EndpointResponse {
    /// With 200.
    #[must_use]
    pub fn json(body: Value) -> Self {
        Self::with_status(StatusCode::OK, body)
    }

    #[must_use]
    pub fn with_status(status: StatusCode, body: Value) -> Self {
        Self { status, body, headers: Vec::new() }
    }

    pub(super) fn send(self) -> Response<Body> {
        let mut response = match self.body {
            Value::Null => Response::new(Body::empty()),
            body => crate::http::json(serde_json::to_vec(&body).expect("a value is JSON")),
        };
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<Value> for EndpointResponse {
    fn from(body: Value) -> Self {
        Self::json(body)
    }
}

/// Why there is no answer of the handler's. The same words as in the API that people know (S3-74).
#[derive(Debug)]
pub(super) enum Failure {
    Invalid { field: &'static str, details: Vec<Value> },
    Internal { request: CallId },
    Response { request: CallId },
}

/// Of all that is wrong, so much is told.
const MOST_DETAILS: usize = 20;

impl Failure {
    pub(super) fn one(field: &'static str, path: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid { field, details: vec![json!({ "path": path, "message": message.into() })] }
    }

    pub(super) fn send(self) -> Response<Body> {
        let (status, error) = match self {
            Self::Invalid { field, details } => {
                let message = format!("Validation failed for {field}");
                let error =
                    json!({ "code": "VALIDATION_ERROR", "message": message, "field": field, "details": details });
                (StatusCode::BAD_REQUEST, error)
            }
            Self::Internal { request } => (
                StatusCode::INTERNAL_SERVER_ERROR,
                json!({ "code": "INTERNAL_ERROR", "message": "Internal server error", "requestId": request.to_string() }),
            ),
            Self::Response { request } => {
                let message = "The answer is not what this endpoint promises";
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    json!({ "code": "RESPONSE_VALIDATION_ERROR", "message": message, "requestId": request.to_string() }),
                )
            }
        };
        EndpointResponse::with_status(status, json!({ "error": error })).send()
    }
}

impl Schema {
    /// What is wrong with a value, without the value itself.
    pub(super) fn wrong(&self, value: &Value) -> Vec<Value> {
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        let errors = self.validator.iter_errors(value).take(MOST_DETAILS);
        errors
            .map(|error| json!({ "path": error.instance_path().to_string(), "message": error.masked().to_string() }))
            .collect()
    }

    pub(super) fn check(this: Option<&Self>, field: &'static str, value: &Value) -> Result<(), Failure> {
        match this.map(|schema| schema.wrong(value)) {
            Some(details) if !details.is_empty() => Err(Failure::Invalid { field, details }),
            _ => Ok(()),
        }
    }
}
