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
