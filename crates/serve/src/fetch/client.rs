//! [`Fetch`] over `reqwest`, for URLs that the operator chose: it goes wherever it is told to. No proxy, no redirect, TLS
//! by rustls with the roots of Mozilla.

use std::{error::Error as _, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::BodyExt;
use rustls::{ClientConfig, RootCertStore, crypto::ring};

use super::{Fetch, FetchBounds, FetchError};
use crate::BoxFuture;

/// Keeps connections; cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpClient(reqwest::Client);

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpClient {
    #[must_use]
    pub fn new() -> Self {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the default protocol versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .no_proxy()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .user_agent(concat!("mcp-serve/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true)
            .tls_backend_preconfigured(tls)
            .build()
            .expect("every option is fixed, and they fit each other");
        Self(client)
    }

    async fn whole(&self, request: Request<Bytes>, bounds: FetchBounds) -> Result<Response<Bytes>, FetchError> {
        let request = reqwest::Request::try_from(request.map(reqwest::Body::from)).map_err(|error| told(&error))?;
        let answer: Response<reqwest::Body> = self.0.execute(request).await.map_err(|error| told(&error))?.into();
        let (head, mut rest) = answer.into_parts();
        let mut body = BytesMut::new();
        while let Some(frame) = rest.frame().await {
            if let Ok(data) = frame.map_err(|error| told(&error))?.into_data() {
                if body.len() + data.len() > bounds.max_body {
                    return Err(FetchError::TooLarge { limit: bounds.max_body });
                }
                body.extend_from_slice(&data);
            }
        }
        Ok(Response::from_parts(head, body.freeze()))
    }
}

/// The text of a `reqwest::Error` has the URL in it, with whatever is secret there: only its last cause is told.
fn told(error: &reqwest::Error) -> FetchError {
    let mut cause = error.source();
    while let Some(next) = cause.and_then(std::error::Error::source) {
        cause = Some(next);
    }
    FetchError::Unreachable(cause.map_or("the request can't be sent".into(), |cause| cause.to_string().into()))
}

impl Fetch for HttpClient {
    fn fetch(
        &self,
        request: Request<Bytes>,
        bounds: FetchBounds,
    ) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(async move {
            tokio::time::timeout(bounds.timeout, self.whole(request, bounds)).await.unwrap_or(Err(FetchError::Timeout))
        })
    }
}
