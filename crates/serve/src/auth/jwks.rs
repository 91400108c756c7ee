//! The public keys of an issuer (JWK Set, RFC 7517), from a URL or where its metadata says.
//!
//! ```text
//!   none --fetch--> fresh --(fresh_for)--> stale, used while they are fetched anew --(stale_for)--> none
//! ```
//! One fetch at a time, in a task of its own: a caller that leaves takes nothing along. A `kid` that is not known fetches
//! too, but only `unknown_every` so often, so that made-up ones ask the issuer nothing more.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{
    HeaderMap, Request, Response, StatusCode,
    header::{ACCEPT, CACHE_CONTROL},
};
use serde::Deserialize;
use tokio::{sync::watch, time::Instant};
use url::Url;

use super::{
    Algorithm,
    jwt::{Key, key_set},
};
use crate::{Fetch, FetchBounds, FetchError, fetch::shown};

/// Keys that are fetched when they are needed.
#[derive(Clone)]
pub struct Jwks(Arc<Inner>);

/// How often an issuer is asked.
#[derive(Debug, Clone)]
pub struct JwksConfig {
    /// Keys are fetched anew after that time; less, if the issuer says so. Default 10 min.
    pub fresh_for: Duration,
    /// While the issuer is down its keys go on being used for that time. Default 12 h.
    pub stale_for: Duration,
    /// A key that is not known is looked for that often at most. Default 10 s.
    pub unknown_every: Duration,
    /// After a failure the issuer is asked again after that time, doubled up to a minute. Default 1 s.
    pub retry_after: Duration,
}

impl Default for JwksConfig {
    fn default() -> Self {
        Self {
            fresh_for: Duration::from_mins(10),
            stale_for: Duration::from_hours(12),
            unknown_every: Duration::from_secs(10),
            retry_after: Duration::from_secs(1),
        }
    }
}

enum Place {
    Url(Url),
    /// Where the metadata of this issuer says (RFC 8414, OpenID Connect Discovery).
    MetadataOf(String),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.debug_tuple("Url").field(&shown(url)).finish(),
            Self::MetadataOf(issuer) => f.debug_tuple("MetadataOf").field(&plain(issuer)).finish(),
        }
    }
}

/// An issuer is a URL, or names nobody who could be asked.
fn plain(issuer: &str) -> String {
    Url::parse(issuer).map_or_else(|_| "no URL".to_owned(), |url| shown(&url))
}

struct Inner {
    place: Place,
    fetch: Arc<dyn Fetch>,
    config: JwksConfig,
    keys: ArcSwapOption<Kept>,
    asking: Mutex<Asking>,
    /// Counts what was asked.
    asked: watch::Sender<u64>,
}

#[derive(Debug)]
struct Kept {
    keys: Arc<[Key]>,
    fetched: Instant,
    fresh_until: Instant,
}

#[derive(Debug, Default)]
struct Asking {
    running: bool,
    /// In a row.
    failures: u32,
    not_before: Option<Instant>,
}

/// Why there are no keys. For the log.
#[derive(Debug, thiserror::Error)]
enum JwksError {
    #[error("`{url}` gives no answer")]
    Fetch { url: String, source: FetchError },
    #[error("`{url}` answers {status}")]
    Status { url: String, status: StatusCode },
    #[error("`{url}` gives no set of keys")]
    NoSet { url: String },
    #[error("the issuer `{issuer}` has no metadata that names it and its keys")]
    NoMetadata { issuer: String },
    #[error("`{url}` is less protected than the issuer")]
    Unprotected { url: String },
}

const LONGEST_BACKOFF: Duration = Duration::from_mins(1);

impl Jwks {
    #[must_use]
    pub fn at(url: Url, fetch: Arc<dyn Fetch>, config: JwksConfig) -> Self {
        Self::new(Place::Url(url), fetch, config)
    }

    /// Finds them by the issuer's metadata, which must name this very issuer.
    #[must_use]
    pub fn of_issuer(issuer: impl Into<String>, fetch: Arc<dyn Fetch>, config: JwksConfig) -> Self {
        Self::new(Place::MetadataOf(issuer.into()), fetch, config)
    }

    fn new(place: Place, fetch: Arc<dyn Fetch>, config: JwksConfig) -> Self {
        let (keys, asking) = (ArcSwapOption::empty(), Mutex::default());
        Self(Arc::new(Inner { place, fetch, config, keys, asking, asked: watch::Sender::new(0) }))
    }

    /// Keys that may judge such a token, without waiting. Stale ones are fetched anew meanwhile.
    pub(super) fn at_hand(&self, algorithm: Algorithm, kid: Option<&str>) -> Option<Arc<[Key]>> {
        let kept = self.0.keys.load();
        let kept = kept.as_ref()?;
        let now = Instant::now();
        if now >= kept.fetched + self.0.config.stale_for || !kept.hold(algorithm, kid) {
            return None;
        }
        if now >= kept.fresh_until {
            drop(self.ask());
        }
        Some(kept.keys.clone())
    }

    /// The same, after asking the issuer. `None` if it has no such key; the error says when to try again.
    pub(super) async fn find(&self, algorithm: Algorithm, kid: Option<&str>) -> Result<Option<Arc<[Key]>>, Duration> {
        if let Some(mut asked) = self.ask() {
            // Sent when it is over, whatever comes of it. It can't go away: we hold it.
            let _ = asked.changed().await;
        }
        if let Some(keys) = self.at_hand(algorithm, kid) {
            return Ok(Some(keys));
        }
        let asking = self.0.asking();
        let down = asking.failures > 0 || self.0.keys.load().is_none();
        if !down {
            return Ok(None);
        }
        let wait =
            asking.not_before.map_or(self.0.config.retry_after, |at| at.saturating_duration_since(Instant::now()));
        Err(wait.max(Duration::from_secs(1)))
    }

    /// Begins to ask, unless that is going on or it is too early; then the next answer is heard of.
    fn ask(&self) -> Option<watch::Receiver<u64>> {
        let mut asking = self.0.asking();
        let heard = self.0.asked.subscribe();
        if asking.running {
            return Some(heard);
        }
        if asking.not_before.is_some_and(|at| at > Instant::now()) {
            return None;
        }
        asking.running = true;
        drop(asking);
        let end = End(self.0.clone());
        tokio::spawn(async move {
            let outcome = end.0.fetch_keys().await;
            end.0.note(outcome);
            drop(end);
        });
        Some(heard)
    }
}

/// Tells those who wait, even after a panic.
struct End(Arc<Inner>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.asking().running = false;
        self.0.asked.send_modify(|asked| *asked += 1);
    }
}

impl Inner {
    fn asking(&self) -> MutexGuard<'_, Asking> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, outcome: Result<(Vec<Key>, Option<Duration>), JwksError>) {
        let now = Instant::now();
        let mut asking = self.asking();
        match outcome {
            Ok((keys, max_age)) => {
                let fresh_for = max_age.map_or(self.config.fresh_for, |age| age.min(self.config.fresh_for));
                let fresh_until = now + fresh_for.max(self.config.unknown_every);
                self.keys.store(Some(Arc::new(Kept { keys: keys.into(), fetched: now, fresh_until })));
                *asking = Asking { running: true, failures: 0, not_before: Some(now + self.config.unknown_every) };
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the keys of an issuer can't be fetched");
                let wait = self.config.retry_after.saturating_mul(1 << asking.failures.min(16)).min(LONGEST_BACKOFF);
                asking.failures = asking.failures.saturating_add(1);
                asking.not_before = Some(now + wait);
            }
        }
    }

    async fn fetch_keys(&self) -> Result<(Vec<Key>, Option<Duration>), JwksError> {
        let url = match &self.place {
            Place::Url(url) => url.clone(),
            Place::MetadataOf(issuer) => self.discover(issuer).await?,
        };
        let answer = self.get(&url).await?;
        if answer.status() != StatusCode::OK {
            return Err(JwksError::Status { url: shown(&url), status: answer.status() });
        }
        let keys = key_set(answer.body())
            .filter(|keys| !keys.is_empty())
            .ok_or_else(|| JwksError::NoSet { url: shown(&url) })?;
        Ok((keys, max_age(answer.headers())))
    }

    async fn get(&self, url: &Url) -> Result<Response<Bytes>, JwksError> {
        let request = Request::get(url.as_str()).header(ACCEPT, "application/json").body(Bytes::new());
        let failed = |source| JwksError::Fetch { url: shown(url), source };
        let request = request.map_err(|_| failed(FetchError::Refused("it is no URL that can be asked".into())))?;
        self.fetch.fetch(request, FetchBounds::default()).await.map_err(failed)
    }

    async fn discover(&self, issuer: &str) -> Result<Url, JwksError> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: String,
            jwks_uri: String,
        }
        let no_metadata = || JwksError::NoMetadata { issuer: plain(issuer) };
        let own = Url::parse(issuer).map_err(|_| no_metadata())?;
        let mut last = no_metadata();
        for place in metadata_places(&own) {
            let answer = match self.get(&place).await {
                Ok(answer) if answer.status() == StatusCode::OK => answer,
                Ok(_) => continue,
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            // Metadata of somebody else (mix-up) is none.
            let Ok(metadata) = serde_json::from_slice::<Metadata>(answer.body()) else { continue };
            if metadata.issuer != issuer {
                continue;
            }
            let Ok(url) = Url::parse(&metadata.jwks_uri) else { continue };
            if own.scheme() == "https" && url.scheme() != "https" {
                return Err(JwksError::Unprotected { url: shown(&url) });
            }
            return Ok(url);
        }
        Err(last)
    }
}

/// RFC 8414, 3.1, and OpenID Connect Discovery 1.0, 4.
fn metadata_places(issuer: &Url) -> impl Iterator<Item = Url> {
    let path = issuer.path().trim_end_matches('/');
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url.set_query(None);
        url.set_fragment(None);
        url
    };
    let places = [
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
        format!("{path}/.well-known/openid-configuration"),
    ];
    // Of an issuer without a path the last two are one.
    places.map(at).into_iter().take(if path.is_empty() { 2 } else { 3 })
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let directives = headers.get(CACHE_CONTROL)?.to_str().ok()?;
    directives
        .split(',')
        .find_map(|directive| directive.trim().strip_prefix("max-age=")?.parse().ok())
        .map(Duration::from_secs)
}

impl Kept {
    fn hold(&self, algorithm: Algorithm, kid: Option<&str>) -> bool {
        // A key without an id may be any.
        self.keys.iter().any(|key| key.is_for(algorithm) && (kid.is_none() || key.id().is_none() || key.id() == kid))
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwks").field("place", &self.0.place).finish_non_exhaustive()
    }
}
