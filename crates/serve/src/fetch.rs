//! How this crate asks others: for an issuer's keys, a token's state, a client's document, a credential. Who embeds it
//! decides how: some URLs are chosen by strangers, and must not reach a private network.

#[cfg(feature = "fetch")]
mod client;

use std::{borrow::Cow, fmt, time::Duration};

use bytes::Bytes;
use http::{Request, Response};

use crate::BoxFuture;

#[cfg(feature = "fetch")]
pub use client::HttpClient;

/// An HTTP client with bounds. It takes nothing from the environment and sends no credential but what the request has.
pub trait Fetch: fmt::Debug + Send + Sync + 'static {
    /// The whole answer, whatever its status. Redirects are not followed, unless bounded and checked like the first URL.
    fn fetch(&self, request: Request<Bytes>, bounds: FetchBounds)
    -> BoxFuture<'_, Result<Response<Bytes>, FetchError>>;
}

/// What a [`Fetch`] may take.
#[derive(Debug, Clone, Copy)]
pub struct FetchBounds {
    /// From the first packet to the last.
    pub timeout: Duration,
    /// Bytes of the answer's body. More is an error, not a cut answer.
    pub max_body: usize,
}

impl Default for FetchBounds {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), max_body: 256 * 1024 }
    }
}

/// For logs, errors and `Debug`: without what may be secret in it.
pub(crate) fn shown(url: &url::Url) -> String {
    let mut shown = url.clone();
    // A URL that can have neither has neither.
    let _ = (shown.set_username(""), shown.set_password(None));
    if url.query().is_some() {
        shown.set_query(Some("..."));
    }
    shown.set_fragment(None);
    shown.into()
}

/// Why there is no answer, in words that hold no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error("this address may not be asked: {0}")]
    Refused(Cow<'static, str>),
    #[error("no answer: {0}")]
    Unreachable(Cow<'static, str>),
    #[error("no answer in time")]
    Timeout,
    #[error("the answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
}

#[cfg(test)]
mod tests {
    ///
    #[test]
    fn what_may_be_secret_in_a_url_is_not_shown() {
        let shown = |url: &str| super::shown(&url::Url::parse(url).expect("a URL"));
        assert_eq!(
            shown("https://id:hunter2@a.example:8443/keys?token=hunter2#hunter2"),
            "https://a.example:8443/keys?..."
        );
        assert_eq!(shown("https://a.example/keys"), "https://a.example/keys");
        assert_eq!(shown("data:text,a"), "data:text,a");
    }
}
