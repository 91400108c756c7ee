//! [`Fetch`] through the HTTP client of `connect`, with its guard.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{Request, Response};
use mcp_factory_connect::{
    Denied, Grant, Policy, Secrets,
    http::{self as upstream, Base, Class, Client, ClientConfig, Oversize},
    secrets::FixedSecrets,
};
use mcp_serve::{BoxFuture, Fetch, FetchBounds, FetchError};
use url::Url;

#[derive(Debug)]
pub(super) struct Guarded {
    secrets: Arc<dyn Secrets>,
    policy: Arc<Policy>,
    /// By origin: the issuer's, and where its metadata leads.
    clients: Mutex<BTreeMap<String, Arc<Client>>>,
}

/// Metadata that leads to ever other places is none.
const MOST_ORIGINS: usize = 8;

impl Guarded {
    pub(super) fn new(secrets: Arc<dyn Secrets>, policy: Policy) -> Self {
        Self { secrets, policy: Arc::new(policy), clients: Mutex::default() }
    }

    fn client(&self, url: &Url) -> Result<Arc<Client>, FetchError> {
        let origin = url.origin().ascii_serialization();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&origin) {
            return Ok(client.clone());
        }
        if clients.len() >= MOST_ORIGINS {
            return Err(FetchError::Refused("the issuer leads to too many places".into()));
        }
        let config = ClientConfig {
            allow_private_network: self.policy.grants(&Grant::PrivateNetworks),
            retries: 1,
            // What is kept is kept by who asks.
            kept_bytes: 0,
            ..ClientConfig::new(format!("the issuer at {origin}"), Base::Url(origin.clone()))
        };
        let client = Client::new(config, self.secrets.clone(), self.policy.clone())
            .map_err(|denied: Denied| FetchError::Refused(denied.to_string().into()))?;
        Ok(clients.entry(origin).or_insert(Arc::new(client)).clone())
    }
}

/// Asks wherever strangers say, and never a private network. Keeps nothing of one place for another.
#[derive(Debug)]
pub struct PublicWeb;

impl Fetch for PublicWeb {
    fn fetch(
        &self,
        request: Request<Bytes>,
        bounds: FetchBounds,
    ) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(async move {
            let nothing = Arc::new(std::iter::empty::<(&str, &str)>().collect::<FixedSecrets>());
            Guarded::new(nothing, Policy::none()).fetch(request, bounds).await
        })
    }
}

impl Fetch for Guarded {
    fn fetch(
        &self,
        request: Request<Bytes>,
        bounds: FetchBounds,
    ) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let url = Url::parse(&head.uri.to_string()).map_err(|_| FetchError::Refused("it is no URL".into()))?;
            let client = self.client(&url)?;
            let asked = upstream::Request {
                whole_query: url.query().map(str::to_owned),
                headers: head.headers,
                body: (!body.is_empty()).then_some(body),
                timeout: Some(bounds.timeout),
                max_bytes: bounds.max_body,
                oversize: Oversize::Refuse,
                ..upstream::Request::new(head.method, url.path())
            };
            let answer = client.send(asked).await.map_err(|error| match error.class() {
                Class::Timeout => FetchError::Timeout,
                Class::Refused | Class::BadRequest | Class::Configuration => {
                    FetchError::Refused(error.to_string().into())
                }
                Class::Unavailable | Class::BadResponse => FetchError::Unreachable(error.to_string().into()),
            })?;
            let mut response = Response::new(answer.body);
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            Ok(response)
        })
    }
}

#[cfg(test)]
mod public_web {
    use super::*;

    #[tokio::test]
    async fn strangers_lead_to_no_private_network() {
        for url in ["https://127.0.0.1/client", "https://10.0.0.1/client", "https://[::ffff:169.254.169.254]/client"] {
            let request = Request::get(url).body(Bytes::new()).expect("a request");
            let refused = PublicWeb.fetch(request, FetchBounds::default()).await.expect_err(url);
            assert!(matches!(refused, FetchError::Refused(_)), "{url}: {refused}");
        }
    }
}
