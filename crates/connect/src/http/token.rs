//! OAuth 2 client credentials (RFC 6749, 4.4): one token for all calls, fetched by the first that needs it while the others
//! wait, kept until shortly before it expires, and given up when the upstream refuses it.
//!
//! Neither the credentials nor a token is in an error; of what the token endpoint says, only its error code is.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use ::http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use tokio::{sync::Mutex, time::Instant};
use url::{Url, form_urlencoded};

use super::{Class, Client, Error, redirect, retry};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCredentials {
    pub token_url: String,
    pub id_secret: String,
    pub secret_secret: String,
    pub scopes: Vec<String>,
}

/// What is kept of one client's tokens.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    state: Mutex<State>,
    attempts: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    failure: Option<Error>,
}

#[derive(Debug, Clone)]
struct Token {
    header: HeaderValue,
    expires: Instant,
}

/// A token, and whether it is older than the call.
pub(super) struct Found {
    pub header: HeaderValue,
    pub kept: bool,
}

const LARGEST_ANSWER: usize = 64 << 10;
/// For a token that does not say how long it lives.
const LIFETIME: Duration = Duration::from_mins(5);
const LONGEST_LIFETIME: Duration = Duration::from_hours(24);
/// No token is used in the last of its time: it has to arrive before it expires.
const MARGIN: Duration = Duration::from_secs(30);

impl Tokens {
    /// A token that is not `rejected`. Who waited for an attempt that failed shares its failure.
    pub async fn get(
        &self,
        client: &Client,
        credentials: &ClientCredentials,
        rejected: Option<&HeaderValue>,
    ) -> Result<Found, Error> {
        let before = self.attempts.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        let usable = |token: &&Token| token.expires > Instant::now() && Some(&token.header) != rejected;
        if let Some(token) = state.token.as_ref().filter(usable) {
            return Ok(Found { header: token.header.clone(), kept: true });
        }
        if self.attempts.load(Ordering::Acquire) != before
            && let Some(failure) = &state.failure
        {
            return Err(failure.clone());
        }
        let fetched = fetch(client, credentials).await;
        self.attempts.fetch_add(1, Ordering::Release);
        state.failure = fetched.as_ref().err().cloned();
        state.token = fetched.as_ref().ok().cloned();
        fetched.map(|token| Found { header: token.header, kept: false })
    }
}

async fn fetch(client: &Client, credentials: &ClientCredentials) -> Result<Token, Error> {
    let name = client.name();
    let wrong = |what: &str| Error::new(Class::Configuration, format!("the `tokenUrl` of `{name}` {what}"));
    let url = Url::parse(&credentials.token_url).map_err(|_| wrong("is not a URL"))?;
    match url.scheme() {
        "https" => {}
        "http" if client.config.allow_private_network => {}
        _ => return Err(wrong("is not of https: the client's secret goes there")),
    }
    let headers = headers(client, credentials)?;
    let body = form(&credentials.scopes);
    let mut attempt = 0;
    loop {
        let result = ask(client, &url, &headers, &body).await;
        let again = matches!(&result, Err(error) if error.class() == Class::Unavailable);
        if !again || attempt >= client.config.retries {
            return result;
        }
        tokio::time::sleep(retry::backoff(attempt, client.config.retry_backoff)).await;
        attempt += 1;
    }
}

fn form(scopes: &[String]) -> Bytes {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if !scopes.is_empty() {
        form.append_pair("scope", &scopes.join(" "));
    }
    form.finish().into()
}

fn headers(client: &Client, credentials: &ClientCredentials) -> Result<HeaderMap, Error> {
    let get = |name: &str| {
        let secret = client.secrets.get(name).map_err(|error| Error::new(Class::Configuration, error.to_string()))?;
        // Section 2.3.1: id and secret are form-encoded before they are put together.
        Ok::<_, Error>(form_urlencoded::byte_serialize(secret.expose().as_bytes()).collect::<String>())
    };
    let pair = format!("{}:{}", get(&credentials.id_secret)?, get(&credentials.secret_secret)?);
    let mut basic =
        HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).expect("base64 can stand in a header");
    basic.set_sensitive(true);
    Ok([
        (AUTHORIZATION, basic),
        (ACCEPT, HeaderValue::from_static("application/json")),
        (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
    ]
    .into_iter()
    .collect())
}

async fn ask(client: &Client, url: &Url, headers: &HeaderMap, body: &Bytes) -> Result<Token, Error> {
    let asked = Instant::now();
    let (mut response, _turn) = client.send_one(&Method::POST, url, headers, Some(body)).await?;
    let endpoint = format!("the token endpoint `{}` of `{}`", redirect::host(url), client.name());
    let wrong = |class, what: String| Error::new(class, format!("{endpoint} {what}"));
    let status = response.status();
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| super::send::failure(url, &error))? {
        if answer.len() + chunk.len() > LARGEST_ANSWER {
            return Err(wrong(Class::BadResponse, format!("answered more than {LARGEST_ANSWER} bytes")));
        }
        answer.extend_from_slice(&chunk);
    }
    if status != ::http::StatusCode::OK {
        let class =
            if status.is_server_error() || status.as_u16() == 429 { Class::Unavailable } else { Class::Configuration };
        let code = error_code(&answer).map(|code| format!(", `{code}`")).unwrap_or_default();
        return Err(wrong(class, format!("gave no token ({status}{code})")));
    }
    let no_token = |what: &str| wrong(Class::BadResponse, what.to_owned());
    let answer: Answer = serde_json::from_slice(&answer).map_err(|_| no_token("answered no token"))?;
    if !answer.token_type.eq_ignore_ascii_case("bearer") {
        return Err(no_token("gave a token that is no bearer token"));
    }
    let mut header = HeaderValue::try_from(format!("Bearer {}", answer.access_token))
        .map_err(|_| no_token("gave a token that can't stand in a header"))?;
    header.set_sensitive(true);
    let lifetime = answer.expires_in.map_or(LIFETIME, |seconds| Duration::from_secs_f64(seconds.0));
    let lifetime = lifetime.min(LONGEST_LIFETIME);
    Ok(Token { header, expires: asked + lifetime - MARGIN.min(lifetime / 10) })
}

#[derive(serde::Deserialize)]
struct Answer {
    access_token: String,
    token_type: String,
    expires_in: Option<Seconds>,
}

/// A number, which some write as text.
struct Seconds(f64);

impl<'de> serde::Deserialize<'de> for Seconds {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Number(number) => number.as_f64(),
            serde_json::Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let seconds = seconds.filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0);
        seconds.map(|seconds| Self(seconds.min(1e9))).ok_or_else(|| serde::de::Error::custom("no number of seconds"))
    }
}

/// `invalid_client` and its like. Anything longer or stranger may be an echo of what was sent.
fn error_code(answer: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(answer).ok()?;
    let code = answer.get("error")?.as_str()?;
    let known = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "temporarily_unavailable",
        "server_error",
        "access_denied",
        "invalid_target",
    ];
    known.contains(&code).then(|| code.to_owned())
}
