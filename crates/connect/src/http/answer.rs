//! An answer whose body is still on its way. Dropping it closes the connection, so whoever has seen enough stops reading.

use std::sync::Arc;

use ::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use tokio::time::Instant;
use url::Url;

use super::{
    Auth, Class, Error, Link, Oversize, Response,
    cache::{self, Cache, Kept, Keys},
    hosts::Turn,
    redirect,
    send::{Deadline, failure},
    target,
};
use crate::Secret;

/// Its chunks end with the call's deadline at the latest.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    length: Option<u64>,
    body: Body,
    pub(super) place: Place,
    keep: Option<Keep>,
}

/// Where the answer is from.
#[derive(Debug)]
pub(super) struct Place {
    pub origin: Url,
    pub url: Url,
    pub auth: Auth,
    pub deadline: Deadline,
    /// What it was asked with.
    pub secrets: Vec<Secret>,
}

#[derive(Debug)]
enum Body {
    /// With the turn at the host, which lasts as long as the answer does.
    Coming {
        response: reqwest::Response,
        _turn: Turn,
    },
    Kept(Option<Bytes>),
}

/// A body that is collected on its way.
#[derive(Debug)]
pub(super) struct Keep {
    pub cache: Arc<Cache>,
    pub keys: Keys,
    pub body: BytesMut,
}

impl Answer {
    pub(super) fn coming(response: reqwest::Response, turn: Turn, place: Place, keep: Option<Keep>) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let keep = keep.filter(|_| cache::may_keep(status, &headers));
        let length = response.content_length();
        let keep = keep.filter(|_| length.is_none_or(|length| length <= cache::LARGEST as u64));
        Self { status, headers, length, body: Body::Coming { response, _turn: turn }, place, keep }
    }

    pub(super) fn kept(kept: &Kept, headers: HeaderMap, place: Place) -> Self {
        let length = Some(kept.body.len() as u64);
        Self { status: StatusCode::OK, headers, length, body: Body::Kept(Some(kept.body.clone())), place, keep: None }
    }

    /// How long the whole body is, where the upstream says so.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The next piece of the body, or `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let response = match &mut self.body {
            Body::Kept(body) => return Ok(body.take().filter(|body| !body.is_empty())),
            Body::Coming { response, .. } => response,
        };
        let chunk = self.place.deadline.limit(&self.place.origin, async {
            response.chunk().await.map_err(|error| failure(&self.place.origin, &error))
        });
        let chunk = chunk.await?;
        match (&chunk, &mut self.keep) {
            (Some(chunk), Some(keep)) if keep.body.len() + chunk.len() <= cache::LARGEST => {
                keep.body.extend_from_slice(chunk);
            }
            (Some(_), keep) => *keep = None,
            (None, keep) => {
                if let Some(keep) = keep.take() {
                    keep.cache.keep(&keep.keys, Kept { headers: self.headers.clone(), body: keep.body.freeze() });
                }
            }
        }
        Ok(chunk)
    }

    /// The body, whole or cut.
    pub async fn collect(mut self, max_bytes: usize, oversize: Oversize) -> Result<Response, Error> {
        let host = redirect::host(&self.place.origin);
        let too_large =
            || Error::new(Class::BadResponse, format!("the answer of `{host}` is larger than {max_bytes} bytes"));
        if oversize == Oversize::Refuse && self.length().is_some_and(|length| length > max_bytes as u64) {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        let mut truncated = false;
        while let Some(chunk) = self.chunk().await? {
            let room = max_bytes - body.len();
            if chunk.len() > room {
                if oversize == Oversize::Refuse {
                    return Err(too_large());
                }
                body.extend_from_slice(&chunk[..room]);
                truncated = true;
                break;
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status: self.status, headers: self.headers, body: body.freeze(), truncated })
    }

    /// What a link to the next page means here; refused if it leads anywhere else.
    pub fn link(&self, link: &str) -> Result<Link, Error> {
        target::link(&self.place.origin, &self.place.url, &self.place.auth, link)
    }

    /// Takes the credential out of a text that is to be shown: upstreams repeat what they refuse.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.place.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose(), "[redacted]"))
    }

    /// The upstream's host, for messages.
    #[must_use]
    pub fn host(&self) -> String {
        redirect::host(&self.place.origin)
    }

    /// When this call ends.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.place.deadline.at
    }
}
