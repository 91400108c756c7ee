//! What can be set about an HTTP endpoint, and what must not be.

use std::{net::SocketAddr, time::Duration};

use axum::Router;

use super::guard::Guard;
use crate::{Authenticator, IpNet, Limits, StateKey, middleware::Middleware, session_context::SessionContexts};

/// The defaults are for loopback. Behind a name, set `allowed_hosts`; for browsers, `allowed_origins`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where MCP is served. Default `/mcp`.
    pub path: String,
    /// Other paths that lead to the same. Default: none.
    pub aliases: Vec<String>,
    /// Names under which the server is reached besides loopback and the address it listens on: `example.com` for any port,
    /// `example.com:8443` for one.
    pub allowed_hosts: Vec<String>,
    /// Web pages that may call besides those on loopback: `https://app.example.com`.
    pub allowed_origins: Vec<String>,
    pub limits: Limits,
    /// Bytes of a request body. Of those larger than 64 KiB, 32 are read at once, 8 of one principal; more wait, for
    /// [`body_timeout`](Self::body_timeout) at most. Default 4 MiB.
    pub max_body: usize,
    /// Nesting of a call's arguments. Default 64.
    pub max_depth: usize,
    /// Connections at once. Where there are as many, the one that is idle longest makes room for the next, and so does one
    /// whose request is not there after a second; where all have a request that was read, the next waits. Default 1,024.
    pub max_connections: usize,
    /// Of these, the ones of one address (of IPv6: of one /64), so that nobody takes all; more are closed. Default 256.
    pub max_connections_per_address: usize,
    /// Proxies in front, whose connections are of many callers and have no such limit. The peers that a
    /// [`TrustedProxy`](crate::TrustedProxy) trusts are among them anyway. Default: loopback.
    pub proxies: Vec<IpNet>,
    /// For the head of a request to arrive, and for the next request on an open connection. Default 30 s.
    pub head_timeout: Duration,
    /// For the body of a request to arrive. Default 30 s.
    pub body_timeout: Duration,
    /// For a client to take more of an answer. Default 30 s.
    pub write_timeout: Duration,
    /// Between comments on a stream that says nothing else. Default 15 s.
    pub keep_alive: Duration,
    /// How long clients may keep lists. Default 5 s: a changed server is noticed by those who don't listen for changes.
    pub list_ttl: Duration,
    /// Sessions of older clients at once. Default 1,000.
    pub max_sessions: usize,
    /// Of these, the ones of one principal, where callers are told apart; and as many `subscriptions/listen` streams. Default 100.
    pub max_sessions_per_principal: usize,
    /// After which a session without requests ends. Default 30 min.
    pub session_idle: Duration,
    /// What signs the questions that clients of 2026-07-28 carry. Default: one of this process.
    pub state_key: StateKey,
    /// Around each tool call, whichever way it comes. Default: nothing.
    pub middleware: Option<Middleware>,
    /// For calls and sessions of a caller whose key was removed or revoked to end by themselves. Default 5 s.
    pub grace: Duration,
    /// For running calls to end at shutdown. Default 10 s.
    pub drain: Duration,
    /// What of a request, besides its caller, factories and tools learn. Default: nothing.
    pub context: Option<SessionContexts>,
    /// Whether `traceparent` of callers is read, from `_meta` or the header. Default no.
    pub trace_context: bool,
    /// Served beside MCP, behind the same Host and Origin checks but without authentication.
    pub routes: Router,
    /// Served beside MCP, with the same authentication and limits. Default: none.
    #[cfg(feature = "endpoints")]
    pub endpoints: crate::endpoints::CustomEndpoints,
    /// The JSON that `GET /healthz` answers with, without authentication: nothing that strangers should not know.
    /// Default `{"status":"ok"}`.
    pub health: &'static str,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: "/mcp".to_owned(),
            aliases: Vec::new(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            limits: Limits::default(),
            max_body: Self::DEFAULT_MAX_BODY,
            max_depth: 64,
            max_connections: 1_024,
            max_connections_per_address: 256,
            proxies: IpNet::loopback(),
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
            list_ttl: Duration::from_millis(Self::DEFAULT_LIST_TTL_MS),
            max_sessions: 1_000,
            max_sessions_per_principal: 100,
            session_idle: Duration::from_secs(30 * 60),
            state_key: StateKey::default(),
            middleware: None,
            grace: Duration::from_secs(5),
            drain: Duration::from_secs(10),
            context: None,
            trace_context: false,
            routes: Router::new(),
            #[cfg(feature = "endpoints")]
            endpoints: crate::endpoints::CustomEndpoints::default(),
            health: r#"{"status":"ok"}"#,
        }
    }
}

/// What is wrong with a configuration. It is told before anything is served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "`{address}` can be reached by others, and nobody would have to say who they are; set up authentication or listen on 127.0.0.1"
    )]
    OpenToOthers { address: SocketAddr },
    #[error("the path `{path}` must begin with `/` and hold no query, fragment or blank")]
    Path { path: String },
    #[error("the path `{path}` is taken by the health check")]
    PathTaken { path: String },
    #[error("`{host}` is no allowed host; write a name or address with or without a port, as in `example.com:8443`")]
    Host { host: String },
    #[error("`{origin}` is no allowed origin; write scheme, name and port, as in `https://app.example.com`")]
    Origin { origin: String },
    #[error("`{field}` must not be zero")]
    Zero { field: &'static str },
    #[cfg(feature = "endpoints")]
    #[error(transparent)]
    Endpoints(#[from] crate::endpoints::EndpointsError),
}

impl Config {
    pub(crate) const DEFAULT_MAX_BODY: usize = 4 * 1024 * 1024;
    pub(crate) const DEFAULT_LIST_TTL_MS: u64 = 5_000;

    /// Whether it is safe to serve like this on `address`. [`serve`](super::serve) refuses to start otherwise.
    pub fn check(&self, address: SocketAddr, authenticator: &dyn Authenticator) -> Result<(), ConfigError> {
        if authenticator.is_open() && !address.ip().to_canonical().is_loopback() {
            return Err(ConfigError::OpenToOthers { address });
        }
        if !self.path.starts_with('/') || self.path.contains(['?', '#']) || self.path.contains(char::is_whitespace) {
            return Err(ConfigError::Path { path: self.path.clone() });
        }
        if self.path == super::endpoint::HEALTH {
            return Err(ConfigError::PathTaken { path: self.path.clone() });
        }
        let nonzero = |time: Duration| usize::from(!time.is_zero());
        for (field, value) in [
            ("max_body", self.max_body),
            ("max_depth", self.max_depth),
            ("max_connections", self.max_connections),
            ("max_connections_per_address", self.max_connections_per_address),
            ("head_timeout", nonzero(self.head_timeout)),
            ("body_timeout", nonzero(self.body_timeout)),
            ("write_timeout", nonzero(self.write_timeout)),
            ("keep_alive", nonzero(self.keep_alive)),
            ("session_idle", nonzero(self.session_idle)),
            ("limits.concurrency", self.limits.concurrency.unwrap_or(1)),
            ("limits.rate", self.limits.rate.map_or(1, |rate| (rate.calls as usize).min(nonzero(rate.per)))),
        ] {
            if value == 0 {
                return Err(ConfigError::Zero { field });
            }
        }
        #[cfg(feature = "endpoints")]
        self.check_endpoints()?;
        Guard::new(&self.allowed_hosts, &self.allowed_origins).map(drop)
    }

    /// S3-74: what is reserved is so as it is written, and an endpoint that would never be reached is told at the start.
    #[cfg(feature = "endpoints")]
    fn check_endpoints(&self) -> Result<(), ConfigError> {
        let metadata = format!("{}{}", crate::auth::WELL_KNOWN, self.path);
        let reserved = [&*self.path, super::endpoint::HEALTH, crate::auth::WELL_KNOWN, &metadata];
        for path in reserved.into_iter().chain(self.aliases.iter().map(String::as_str)) {
            self.endpoints.leaves(path)?;
        }
        Ok(self.endpoints.leaves_below(&self.path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ApiKeys, KeyList, NoAuthentication};

    fn check(config: &Config, address: &str) -> Result<(), ConfigError> {
        config.check(address.parse().expect("address"), &NoAuthentication::default())
    }

    #[test]
    fn without_authentication_only_loopback_is_served() {
        let config = Config::default();
        for address in ["127.0.0.1:80", "127.8.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert_eq!(check(&config, address), Ok(()), "{address}");
        }
        for address in ["0.0.0.0:80", "[::]:80", "192.168.1.2:80", "8.8.8.8:80"] {
            assert!(matches!(check(&config, address), Err(ConfigError::OpenToOthers { .. })), "{address}");
            let keys = ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse("a-long-key").expect("list"));
            assert_eq!(config.check(address.parse().expect("address"), &keys), Ok(()));
        }
    }

    #[test]
    fn what_can_never_work_is_refused_at_the_start() {
        let default = Config::default;
        for (config, message) in [
            (Config { path: "mcp".into(), ..default() }, "must begin with `/`"),
            (Config { path: "/healthz".into(), ..default() }, "health check"),
            (Config { allowed_hosts: vec!["https://example.com".into()], ..default() }, "no allowed host"),
            (Config { allowed_origins: vec!["example.com".into()], ..default() }, "no allowed origin"),
            (Config { max_body: 0, ..default() }, "`max_body` must not be zero"),
            (
                Config { limits: Limits { concurrency: Some(0), rate: None }, ..default() },
                "`limits.concurrency` must not be zero",
            ),
        ] {
            let error = check(&config, "127.0.0.1:80").expect_err(message).to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
