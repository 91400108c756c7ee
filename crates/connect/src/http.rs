//! A bounded HTTP client for one upstream: its time, its bytes, its redirects and its retries all end, and it reaches only
//! addresses it was allowed to.
//!
//! It resolves names itself, checks every answer and connects to what it checked, so a name that changes between check and
//! use changes nothing. Redirects are followed by hand and checked again. Nothing of a credential is in an error.

mod answer;
mod auth;
mod cache;
mod error;
mod guard;
mod hosts;
pub(crate) mod redirect;
mod retry;
mod send;
mod target;
mod token;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use ::http::{HeaderMap, Method, StatusCode};
use bytes::Bytes;

pub use answer::Answer;
pub use auth::Auth;
pub(crate) use auth::Credentials;
use cache::Cache;
pub use error::{Class, Error};
use guard::Guard;
pub use guard::{ResolveFuture, Resolver, SystemResolver};
pub use hosts::Hosts;
pub(crate) use hosts::Turn;
pub use target::Link;
pub use token::ClientCredentials;
use token::Tokens;

use crate::{Denied, Grant, Policy, Secrets};

/// Shared by all calls to one upstream; keeps connections open between them.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    secrets: Arc<dyn Secrets>,
    guard: Guard,
    inner: OnceLock<reqwest::Client>,
    tokens: Tokens,
    cache: Arc<Cache>,
}

#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The connection's name in the spec, for messages.
    pub name: String,
    pub base: Base,
    pub auth: Auth,
    /// Sent with every request to the upstream.
    pub headers: HeaderMap,
    /// Also needs the grant.
    pub allow_private_network: bool,
    /// Further hosts that a redirect may lead to (without credentials): `host` or `host:port`.
    pub allow_hosts: Vec<String>,
    /// A redirect may lead to every host, for what is public and asked for once. What is private stays closed.
    pub any_host: bool,
    pub connect_timeout: Duration,
    /// For one call in all, with its redirects and retries.
    pub timeout: Duration,
    /// How often an idempotent request is tried again.
    pub retries: u32,
    pub retry_backoff: (Duration, Duration),
    /// How many requests go to one host at once; shared with other connections.
    pub hosts: Arc<Hosts>,
    /// Of answers that are kept to be asked for again.
    pub kept_bytes: usize,
    pub protocol: Protocol,
}

/// What is spoken with the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http,
    /// HTTP/2, without asking first. Its URLs may begin with `grpc:` and `grpcs:`, too.
    Grpc,
}

#[derive(Debug, Clone)]
pub enum Base {
    /// A URL that holds no secret.
    Url(String),
    /// The name of a secret that holds the URL.
    Secret(String),
}

#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    /// Begins with `/`, already percent-encoded; goes behind the base URL's path.
    pub path: String,
    /// Encoded here, behind whatever query the base URL has.
    pub query: Vec<(String, String)>,
    /// Instead of the base URL's query, already encoded: that of a [`Link`].
    pub whole_query: Option<String>,
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
    /// On whose behalf: what an upstream calls private is kept for nobody else.
    pub caller: Option<String>,
    /// Instead of the client's own.
    pub timeout: Option<Duration>,
    pub max_bytes: usize,
    pub oversize: Oversize,
}

/// What to do with a body that is larger than wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oversize {
    /// Cut it, and say so in [`Response::truncated`].
    Truncate,
    Refuse,
}

#[derive(Debug, Clone)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub truncated: bool,
}

impl Client {
    /// Checks the configuration against the policy. Does no IO.
    pub fn new(config: ClientConfig, secrets: Arc<dyn Secrets>, policy: Arc<Policy>) -> Result<Self, Denied> {
        Self::with_resolver(config, secrets, &policy, Arc::new(SystemResolver))
    }

    /// The same, with names looked up elsewhere. What is found is checked all the same.
    pub fn with_resolver(
        config: ClientConfig,
        secrets: Arc<dyn Secrets>,
        policy: &Policy,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Self, Denied> {
        if config.allow_private_network {
            policy.check(Grant::PrivateNetworks)?;
        }
        let policy = Arc::new(policy.clone());
        let guard = Guard { resolver, allow_private: config.allow_private_network, policy };
        let (inner, tokens, cache) = (OnceLock::new(), Tokens::default(), Arc::new(Cache::new(config.kept_bytes)));
        Ok(Self { config, secrets, guard, inner, tokens, cache })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// When it is the caller's turn at the upstream.
    pub(crate) async fn turn(&self, url: &url::Url, caller: Option<&str>) -> Turn {
        self.config.hosts.enter(url, caller).await
    }

    /// Any status is a response; an error is what has none.
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        let (max_bytes, oversize) = (request.max_bytes, request.oversize);
        self.open(request).await?.collect(max_bytes, oversize).await
    }

    /// The same, with the body still to be read; its limits are then the reader's.
    pub async fn open(&self, request: Request) -> Result<Answer, Error> {
        Box::pin(send::send(self, request)).await
    }
}

impl ClientConfig {
    #[must_use]
    pub fn new(name: impl Into<String>, base: Base) -> Self {
        Self {
            name: name.into(),
            base,
            auth: Auth::None,
            headers: HeaderMap::new(),
            allow_private_network: false,
            allow_hosts: Vec::new(),
            any_host: false,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            retries: 2,
            retry_backoff: (Duration::from_millis(200), Duration::from_secs(5)),
            hosts: Arc::default(),
            kept_bytes: 4 << 20,
            protocol: Protocol::default(),
        }
    }
}

impl Request {
    #[must_use]
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            whole_query: None,
            headers: HeaderMap::new(),
            body: None,
            caller: None,
            timeout: None,
            max_bytes: 1 << 20,
            oversize: Oversize::Truncate,
        }
    }
}

#[cfg(test)]
mod tests;
