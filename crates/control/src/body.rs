//! Bodies of requests, read whole within a size and a time.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::StatusCode,
};
use http_body_util::{BodyExt as _, Limited};

use crate::Problem;

/// More than any user may send; how much that is the factory knows.
const MOST: usize = 16 << 20;
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Whole(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Whole {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
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
