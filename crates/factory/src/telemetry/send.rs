//! How telemetry leaves: by an HTTP client with the TLS that everything here has, on the program's own runtime. It is told by
//! threads that have none.

use std::{fmt, pin::Pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use mcp_factory_connect::tls;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;

#[derive(Clone)]
pub(super) struct Sender {
    client: reqwest::Client,
    runtime: Handle,
}

/// Of an answer, of which nothing is read but how many were refused.
const MOST: usize = 1 << 20;

impl Sender {
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured((*tls::verified()).clone())
            .connect_timeout(Duration::from_secs(5))
            // Longer than any that the exporter has.
            .timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, runtime: Handle::current() })
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender(..)")
    }
}

impl HttpClient for Sender {
    fn send_bytes<'a, 'async_trait>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'async_trait>>
    where
        'a: 'async_trait,
        Self: 'async_trait,
    {
        let client = self.client.clone();
        let sending = self.runtime.spawn(async move {
            let mut answer = client.execute(request.try_into()?).await.map_err(reqwest::Error::without_url)?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let mut body = Vec::new();
            while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
                if body.len() + chunk.len() > MOST {
                    return Err("the collector answers with more than a megabyte".into());
                }
                body.extend_from_slice(&chunk);
            }
            let mut answer = Response::new(Bytes::from(body));
            (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
            Ok(answer)
        });
        Box::pin(async move { sending.await? })
    }
}
