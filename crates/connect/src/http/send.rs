//! One call: the URL is put together, sent, redirected, tried again, and its answer read, all before one deadline.

use std::time::SystemTime;

use ::http::{
    HeaderMap, HeaderName, Method,
    header::{
        CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};
use bytes::{Bytes, BytesMut};
use percent_encoding::percent_decode_str;
use tokio::time::Instant;
use url::Url;

use super::{
    Base, Class, Client, Error, Oversize, Request, Response,
    auth::Credentials,
    guard::{Forbidden, Unresolved},
    redirect::{self, Next},
    retry,
};
use crate::tls;

/// Of a request and of a response: so many, and no more bytes in all.
const MAX_HEADERS: usize = 100;
const MAX_HEADER_BYTES: usize = 64 << 10;

const MAX_URL: usize = 16 << 10;

/// These belong to the connection, or would make the request another one.
const REFUSED_HEADERS: [HeaderName; 8] =
    [CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// One hop of the way.
struct Hop {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Bytes>,
}

pub(super) async fn send(client: &Client, request: Request) -> Result<Response, Error> {
    let timeout = request.timeout.unwrap_or(client.config.timeout);
    let deadline = Instant::now() + timeout;
    let origin = client.base()?;
    let credentials = client.config.auth.read(&*client.secrets)?;
    let hop = client.first_hop(&origin, &request)?;
    let (max_bytes, oversize) = (request.max_bytes, request.oversize);
    let all = async {
        let response = client.attempts(hop, &origin, &credentials, deadline).await?;
        client.read(response, &origin, max_bytes, oversize).await
    };
    tokio::time::timeout_at(deadline, all).await.unwrap_or_else(|_| {
        let message = format!("`{}` did not answer within {}s", redirect::host(&origin), timeout.as_secs_f64());
        Err(Error::new(Class::Timeout, message))
    })
}

impl Client {
    fn base(&self) -> Result<Url, Error> {
        let wrong = |what: &str| Error::new(Class::Configuration, format!("the URL of `{}` {what}", self.config.name));
        let url = match &self.config.base {
            Base::Url(url) => Url::parse(url),
            Base::Secret(name) => {
                let url =
                    self.secrets.get(name).map_err(|error| Error::new(Class::Configuration, error.to_string()))?;
                Url::parse(url.expose())
            }
        };
        let mut url = url.map_err(|_| wrong("is not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(wrong("is not of http or https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("holds a user or password; use `auth` instead"));
        }
        url.set_fragment(None);
        Ok(url)
    }

    fn first_hop(&self, origin: &Url, request: &Request) -> Result<Hop, Error> {
        let mut url = origin.clone();
        check_path(&request.path)?;
        url.set_path(&format!("{}{}", origin.path().trim_end_matches('/'), request.path));
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        if url.as_str().len() > MAX_URL {
            return Err(Error::new(Class::BadRequest, format!("the URL is longer than {MAX_URL} bytes")));
        }
        let mut headers = self.config.headers.clone();
        for name in request.headers.keys() {
            if REFUSED_HEADERS.contains(name) || name.as_str().starts_with("proxy-") {
                return Err(Error::new(Class::BadRequest, format!("the header `{name}` can't be set by a request")));
            }
            headers.remove(name);
        }
        headers.extend(request.headers.clone());
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
            return Err(Error::new(Class::BadRequest, "the request has too many headers, or too long ones"));
        }
        Ok(Hop { method: request.method.clone(), url, headers, body: request.body.clone() })
    }

    async fn attempts(
        &self,
        hop: Hop,
        origin: &Url,
        credentials: &Credentials,
        deadline: Instant,
    ) -> Result<reqwest::Response, Error> {
        let retries = if retry::is_idempotent(&hop.method) { self.config.retries } else { 0 };
        let mut attempt = 0;
        loop {
            let result = self.follow(&hop, origin, credentials).await;
            let asked_for = match &result {
                Ok(response) if retry::is_temporary(response.status()) => {
                    retry::asked_for(response.headers(), SystemTime::now())
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

    async fn follow(&self, first: &Hop, origin: &Url, credentials: &Credentials) -> Result<reqwest::Response, Error> {
        let (mut method, mut url) = (first.method.clone(), first.url.clone());
        let (mut headers, mut body) = (first.headers.clone(), first.body.clone());
        credentials.apply(&mut url, &mut headers);
        for _ in 0..=redirect::MAX {
            let response = self.send_one(&method, &url, &headers, body.as_ref()).await?;
            match redirect::next(response.status(), response.headers(), &url, origin, &method, &self.config.allow_hosts)
            {
                Next::Answer => return Ok(response),
                Next::Refuse(refusal) => {
                    let message = format!("the answer of `{}` is refused: {refusal}", redirect::host(&url));
                    return Err(Error::new(Class::Refused, message));
                }
                Next::Follow { url: next, method: next_method, keep_body, same_origin } => {
                    (method, url) = (next_method, next);
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

    async fn send_one(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: Option<&Bytes>,
    ) -> Result<reqwest::Response, Error> {
        self.guard.check_literal(url).map_err(|forbidden| Error::new(Class::Refused, forbidden.to_string()))?;
        let mut request = self.inner().request(method.clone(), url.clone()).headers(headers.clone());
        if let Some(body) = body {
            request = request.body(body.clone());
        }
        request.send().await.map_err(|error| failure(url, &error))
    }

    async fn read(
        &self,
        mut response: reqwest::Response,
        origin: &Url,
        max_bytes: usize,
        oversize: Oversize,
    ) -> Result<Response, Error> {
        let bytes: usize = response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if bytes > MAX_HEADER_BYTES {
            let message = format!("the answer of `{}` has too long headers", redirect::host(origin));
            return Err(Error::new(Class::BadResponse, message));
        }
        let too_large = || {
            let message = format!("the answer of `{}` is larger than {max_bytes} bytes", redirect::host(origin));
            Error::new(Class::BadResponse, message)
        };
        if oversize == Oversize::Refuse && response.content_length().is_some_and(|length| length > max_bytes as u64) {
            return Err(too_large());
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = BytesMut::new();
        let mut truncated = false;
        while let Some(chunk) = response.chunk().await.map_err(|error| failure(origin, &error))? {
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
        Ok(Response { status, headers, body: body.freeze(), truncated })
    }

    fn inner(&self) -> &reqwest::Client {
        self.inner.get_or_init(|| {
            reqwest::Client::builder()
                .no_proxy()
                .http1_only()
                .http1_max_headers(MAX_HEADERS)
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .user_agent(concat!("mcp-factory/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(self.config.connect_timeout)
                .pool_max_idle_per_host(16)
                .tcp_nodelay(true)
                .tls_backend_preconfigured((*tls::verified()).clone())
                .dns_resolver(self.guard.clone())
                .build()
                .expect("every option is fixed, and they fit each other")
        })
    }
}

/// A path keeps its meaning whatever stands in its placeholders: nothing in it climbs, or ends it.
fn check_path(path: &str) -> Result<(), Error> {
    let wrong = |what: &str| Err(Error::new(Class::BadRequest, format!("the path of the request {what}")));
    if !path.starts_with('/') {
        return wrong("does not begin with `/`");
    }
    if path.bytes().any(|byte| byte <= b' ' || byte == 0x7f || matches!(byte, b'?' | b'#' | b'\\')) {
        return wrong("holds a character that has to be percent-encoded");
    }
    let climbs = |segment: &str| matches!(&*percent_decode_str(segment).collect::<Vec<_>>(), b"." | b"..");
    if path.split('/').any(climbs) {
        return wrong("has a segment `.` or `..`");
    }
    Ok(())
}

/// The text of a `reqwest::Error` has the URL in it, with whatever is secret there: only its causes are told.
fn failure(url: &Url, error: &reqwest::Error) -> Error {
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
