//! The way of tonic's requests through our HTTP client: one credential, one caller, one turn at the host.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use ::http::{HeaderMap, HeaderValue, Method, Request, Response};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use tonic::{Code, Status, body::Body};
use tower_service::Service;
use url::Url;

use crate::http::{Class, Client, Credentials, Error, Turn, redirect};

/// What one call, or one look at what the server offers, is sent through.
#[derive(Debug, Clone)]
pub struct Channel<'a> {
    http: &'a Client,
    base: Url,
    credentials: Credentials,
    _turn: Arc<Turn>,
}

type Answering<'a> = Pin<Box<dyn Future<Output = Result<Response<reqwest::Body>, Error>> + Send + 'a>>;

impl<'a> Channel<'a> {
    /// With a credential other than the one that was `rejected`.
    pub async fn open(http: &'a Client, caller: Option<&str>, rejected: Option<&HeaderValue>) -> Result<Self, Error> {
        let (base, credentials) = (http.base()?, http.credentials(rejected).await?);
        let turn = Arc::new(http.turn(&base, caller).await);
        Ok(Self { http, base, credentials, _turn: turn })
    }

    /// A token that was fetched for a call before this one.
    pub fn kept_token(&self) -> Option<&HeaderValue> {
        self.credentials.kept_token()
    }

    /// The connection's name in the spec.
    pub fn name(&self) -> &str {
        self.http.name()
    }

    pub fn error(&self, status: &Status) -> Error {
        // What the way had to say, which tonic carries along.
        if let Some(error) = std::error::Error::source(status).and_then(|source| source.downcast_ref::<Error>()) {
            return error.clone();
        }
        let class = match status.code() {
            Code::Unavailable => Class::Unavailable,
            Code::DeadlineExceeded => Class::Timeout,
            Code::OutOfRange | Code::Internal => Class::BadResponse,
            _ => Class::BadRequest,
        };
        let secrets = self.credentials.secrets();
        let said = secrets
            .iter()
            .fold(status.message().to_owned(), |text, secret| text.replace(secret.expose(), "[redacted]"));
        let said: String = said.chars().take(2000).collect();
        let colon = if said.is_empty() { "" } else { ": " };
        Error::new(class, format!("`{}` answered {}{colon}{said}", redirect::host(&self.base), name_of(status.code())))
    }

    async fn send(self, path: String, mut headers: HeaderMap, body: Body) -> Result<Response<reqwest::Body>, Error> {
        let broken = |_| Error::new(Class::BadRequest, "the request can't be written");
        let body: Bytes = body.collect().await.map_err(broken)?.to_bytes();
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        self.credentials.apply(&mut url, &mut headers);
        let response = self.http.ask(&Method::POST, &url, &headers, Some(&body)).await?;
        Ok(response.into())
    }
}

impl<'a> Service<Request<Body>> for Channel<'a> {
    type Response = Response<reqwest::Body>;
    type Error = Error;
    type Future = Answering<'a>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answering<'a> {
        let (parts, body) = request.into_parts();
        Box::pin(self.clone().send(parts.uri.path().to_owned(), parts.headers, body))
    }
}

/// As the documents of gRPC write it.
fn name_of(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
