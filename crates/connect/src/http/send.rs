//! One call: its credential is read, it is sent when its turn has come, redirected, tried again, all before one deadline.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use ::http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE},
};
use bytes::{Bytes, BytesMut};
use tokio::time::Instant;
use url::Url;

use super::{
    Answer, Class, Client, Error, Protocol, Request,
    answer::{Keep, Place},
    auth::Credentials,
    cache::{Kept, Keys, may_keep},
    guard::{Forbidden, Unresolved},
    hosts::{Hosts, Turn},
    redirect::{self, Next},
    retry,
    target::{Hop, MAX_HEADER_BYTES, MAX_HEADERS},
};
use crate::{Secret, tls, trace};

/// A connection of many calls whose other end is gone must not hold them all up to their deadlines.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// When a call ends, and how long it had.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    pub at: Instant,
    timeout: Duration,
}

/// An answer before its body is read.
struct Reached {
    response: reqwest::Response,
    turn: Turn,
    url: Url,
    /// The answer, if it is kept, and under what.
    kept: Option<(Keys, Option<Arc<Kept>>)>,
}

pub(super) async fn send(client: &Client, request: Request) -> Result<Answer, Error> {
    let timeout = request.timeout.unwrap_or(client.config.timeout);
    let deadline = Deadline { at: Instant::now() + timeout, timeout };
    let origin = client.base()?;
    let hop = client.first_hop(&origin, &request)?;
    let waiting = AtomicBool::new(false);
    let work = client.authorised(&hop, &origin, request.caller.as_deref(), deadline.at, &waiting);
    let Ok(reached) = tokio::time::timeout_at(deadline.at, work).await else {
        return Err(deadline.passed(&origin, waiting.load(Ordering::Relaxed).then_some(&client.config.hosts)));
    };
    let (Reached { response, turn, url, kept }, secrets) = reached?;
    let place = Place { origin, url, auth: client.config.auth.clone(), deadline, secrets };
    check_head(&place.origin, response.headers())?;
    let Some((keys, kept)) = kept else { return Ok(Answer::coming(response, turn, place, None)) };
    match kept {
        Some(kept) if response.status() == StatusCode::NOT_MODIFIED => {
            let headers = kept.renewed(response.headers());
            if may_keep(StatusCode::OK, &headers) {
                client.cache.keep(&keys, Kept { headers: headers.clone(), body: kept.body.clone() });
            } else {
                client.cache.forget(&keys);
            }
            Ok(Answer::kept(&kept, headers, place))
        }
        _ => {
            let keep = Keep { cache: Arc::clone(&client.cache), keys, body: BytesMut::new() };
            Ok(Answer::coming(response, turn, place, Some(keep)))
        }
    }
}

impl Client {
    /// With the credential; where that was an old token and is refused, once more with a new one.
    async fn authorised(
        &self,
        hop: &Hop,
        origin: &Url,
        caller: Option<&str>,
        deadline: Instant,
        waiting: &AtomicBool,
    ) -> Result<(Reached, Vec<Secret>), Error> {
        let credentials = self.credentials(None).await?;
        let reached = self.attempts(hop, origin, caller, &credentials, deadline, waiting).await?;
        let refused = reached.response.status() == StatusCode::UNAUTHORIZED && reached.url.origin() == origin.origin();
        let Some(header) = credentials.kept_token().filter(|_| refused) else {
            return Ok((reached, credentials.secrets()));
        };
        drop(reached);
        let credentials = self.credentials(Some(header)).await?;
        let reached = self.attempts(hop, origin, caller, &credentials, deadline, waiting).await?;
        Ok((reached, credentials.secrets()))
    }

    async fn attempts(
        &self,
        hop: &Hop,
        origin: &Url,
        caller: Option<&str>,
        credentials: &Credentials,
        deadline: Instant,
        waiting: &AtomicBool,
    ) -> Result<Reached, Error> {
        let retries = if retry::is_idempotent(&hop.method) { self.config.retries } else { 0 };
        let mut attempt = 0;
        loop {
            let result = self.follow(hop, origin, caller, credentials, waiting).await;
            let asked_for = match &result {
                Ok(reached) if retry::is_temporary(reached.response.status()) => {
                    retry::asked_for(reached.response.headers(), SystemTime::now())
                }
                Err(error) if error.class() == Class::Unavailable => None,
                _ => return result,
            };
            let wait = asked_for.unwrap_or_else(|| retry::backoff(attempt, self.config.retry_backoff));
            if attempt >= retries || Instant::now() + wait >= deadline {
                return result;
            }
            drop(result);
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn follow(
        &self,
        first: &Hop,
        origin: &Url,
        caller: Option<&str>,
        credentials: &Credentials,
        waiting: &AtomicBool,
    ) -> Result<Reached, Error> {
        let (mut method, mut url) = (first.method.clone(), first.url.clone());
        let (mut headers, mut body) = (first.headers.clone(), first.body.clone());
        credentials.apply(&mut url, &mut headers);
        let keys = Keys::of(&method, &url, &headers, caller);
        let mut kept = keys.map(|keys| (self.cache.find(&keys), keys)).map(|(kept, keys)| (keys, kept));
        if let Some((_, Some(kept))) = &kept {
            headers.extend(kept.conditions());
        }
        let hosts = (!self.config.any_host).then_some(&self.config.allow_hosts[..]);
        for _ in 0..=redirect::MAX {
            waiting.store(true, Ordering::Relaxed);
            let turn = self.config.hosts.enter(&url, caller).await;
            waiting.store(false, Ordering::Relaxed);
            let response = self.ask(&method, &url, &headers, body.as_ref()).await?;
            match redirect::next(response.status(), response.headers(), &url, origin, &method, hosts) {
                Next::Answer => return Ok(Reached { response, turn, url, kept }),
                Next::Refuse(refusal) => {
                    let message = format!("the answer of `{}` is refused: {refusal}", redirect::host(&url));
                    return Err(Error::new(Class::Refused, message));
                }
                Next::Follow { url: next, method: next_method, keep_body, same_origin } => {
                    (method, url) = (next_method, next);
                    // What is somewhere else today is not asked for here again.
                    kept = None;
                    headers =
                        if same_origin { first.headers.clone() } else { redirect::headers_for_others(&first.headers) };
                    if same_origin {
                        credentials.apply(&mut url, &mut headers);
                    }
                    if !keep_body {
                        body = None;
                        headers.remove(CONTENT_TYPE);
                    }
                }
            }
        }
        let message = format!("`{}` redirects more than {} times", redirect::host(origin), redirect::MAX);
        Err(Error::new(Class::Refused, message))
    }

    /// One request without redirects and retries, when its turn has come.
    pub(super) async fn send_one(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: Option<&Bytes>,
    ) -> Result<(reqwest::Response, Turn), Error> {
        let turn = self.config.hosts.enter(url, None).await;
        Ok((self.ask(method, url, headers, body).await?, turn))
    }

    pub(crate) async fn ask(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: Option<&Bytes>,
    ) -> Result<reqwest::Response, Error> {
        self.guard.check_literal(url).map_err(|forbidden| Error::new(Class::Refused, forbidden.to_string()))?;
        let mut request = self.inner().request(method.clone(), url.clone()).headers(headers.clone());
        if let Some(trace) = trace::current() {
            // In place of one that a spec says.
            let state = trace.state.map(|state| (HeaderName::from_static("tracestate"), state));
            let parent = (HeaderName::from_static("traceparent"), trace.parent);
            request = request.headers(HeaderMap::from_iter([parent].into_iter().chain(state)));
        }
        if let Some(body) = body {
            request = request.body(body.clone());
        }
        request.send().await.map_err(|error| failure(url, &error))
    }

    fn inner(&self) -> &reqwest::Client {
        self.inner.get_or_init(|| self.connector(&tls::verified()))
    }

    pub(super) fn connector(&self, tls: &rustls::ClientConfig) -> reqwest::Client {
        // Who says nothing takes any coding (RFC 9110), and some servers compress then.
        let plain = (ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let builder = match self.config.protocol {
            Protocol::Http => reqwest::Client::builder()
                .http1_only()
                .http1_max_headers(MAX_HEADERS)
                .default_headers(HeaderMap::from_iter([plain])),
            Protocol::Grpc => reqwest::Client::builder()
                .http2_prior_knowledge()
                .http2_max_header_list_size(MAX_HEADER_BYTES as u32)
                .http2_keep_alive_interval(KEEP_ALIVE),
        };
        builder
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .user_agent(concat!("mcp-factory/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.config.connect_timeout)
            .pool_max_idle_per_host(self.config.hosts.at_once())
            .tcp_nodelay(true)
            .tls_backend_preconfigured(tls.clone())
            .dns_resolver(self.guard.clone())
            .build()
            .expect("every option is fixed, and they fit each other")
    }
}

impl Deadline {
    pub async fn limit<T>(&self, origin: &Url, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::time::timeout_at(self.at, work).await.unwrap_or_else(|_| Err(self.passed(origin, None)))
    }

    /// `busy`: it was never asked, because so many others were being answered.
    fn passed(&self, origin: &Url, busy: Option<&Arc<Hosts>>) -> Error {
        let (host, seconds) = (redirect::host(origin), self.timeout.as_secs_f64());
        let message = match busy {
            None => format!("`{host}` did not answer within {seconds}s"),
            Some(hosts) => format!(
                "`{host}` was not asked: for {seconds}s as many requests to it were under way as it gets at once ({}, and {} of \
                 one caller); try again later",
                hosts.at_once(),
                hosts.at_once_each()
            ),
        };
        Error::new(Class::Timeout, message)
    }
}

fn check_head(origin: &Url, headers: &HeaderMap) -> Result<(), Error> {
    let wrong =
        |what: &str| Error::new(Class::BadResponse, format!("the answer of `{}` {what}", redirect::host(origin)));
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > MAX_HEADER_BYTES {
        return Err(wrong("has too long headers"));
    }
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get(CONTENT_ENCODING).is_some_and(|value| !plain(value)) {
        return Err(wrong("is compressed, which is not read"));
    }
    Ok(())
}

/// The text of a `reqwest::Error` has the URL in it, with whatever is secret there: only its causes are told.
pub(super) fn failure(url: &Url, error: &reqwest::Error) -> Error {
    let host = redirect::host(url);
    let causes = || std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    if let Some(forbidden) = causes().find_map(|cause| cause.downcast_ref::<Forbidden>()) {
        return Error::new(Class::Refused, forbidden.to_string());
    }
    if let Some(unresolved) = causes().find_map(|cause| cause.downcast_ref::<Unresolved>()) {
        return Error::new(Class::Unavailable, format!("`{host}` can't be reached: {unresolved}"));
    }
    let cause = causes().last().map_or_else(String::new, |cause| format!(": {cause}"));
    if error.is_timeout() {
        return Error::new(Class::Unavailable, format!("`{host}` can't be reached: connecting took too long"));
    }
    if error.is_connect() {
        return Error::new(Class::Unavailable, format!("`{host}` can't be reached{cause}"));
    }
    if error.is_builder() {
        return Error::new(Class::BadRequest, format!("the request to `{host}` can't be sent"));
    }
    Error::new(Class::Unavailable, format!("the connection to `{host}` broke off{cause}"))
}
