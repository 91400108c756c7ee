//! What can be set about a host.

use std::time::Duration;

use axum::Router;

use crate::{
    IpNet,
    http::{Config, ConfigError},
};

/// The defaults are for loopback. Behind a name, set `allowed_hosts`; for browsers, `allowed_origins`.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Below it are the names of servers. Default `/servers`.
    pub path: String,
    /// As in [`Config::allowed_hosts`].
    pub allowed_hosts: Vec<String>,
    /// As in [`Config::allowed_origins`].
    pub allowed_origins: Vec<String>,
    /// Connections at once, of all servers; more wait to be accepted. Default 4,096.
    pub max_connections: usize,
    /// As in [`Config::max_connections_per_address`]. Default 1,024.
    pub max_connections_per_address: usize,
    /// As in [`Config::proxies`].
    pub proxies: Vec<IpNet>,
    /// For the head of a request to arrive, and for the next request on an open connection. Default 30 s.
    pub head_timeout: Duration,
    /// For a client to take more of an answer. Default 30 s.
    pub write_timeout: Duration,
    /// For running calls to end at shutdown. Default 10 s.
    pub drain: Duration,
    /// Whatever is not below `path`; behind the same Host and Origin checks but without authentication.
    pub routes: Router,
}

impl Default for HostConfig {
    fn default() -> Self {
        let Config { allowed_hosts, allowed_origins, proxies, head_timeout, write_timeout, drain, routes, .. } =
            Config::default();
        Self {
            path: "/servers".to_owned(),
            allowed_hosts,
            allowed_origins,
            max_connections: 4_096,
            max_connections_per_address: 1_024,
            proxies,
            head_timeout,
            write_timeout,
            drain,
            routes,
        }
    }
}

impl HostConfig {
    /// Hosts and origins are read by the guard.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Self { path, max_connections, max_connections_per_address, head_timeout, write_timeout, .. } = self;
        if !path.starts_with('/')
            || path.ends_with('/')
            || path.contains(['?', '#'])
            || path.contains(char::is_whitespace)
        {
            return Err(ConfigError::Path { path: path.clone() });
        }
        let nonzero = |time: &Duration| usize::from(!time.is_zero());
        for (field, value) in [
            ("max_connections", *max_connections),
            ("max_connections_per_address", *max_connections_per_address),
            ("head_timeout", nonzero(head_timeout)),
            ("write_timeout", nonzero(write_timeout)),
        ] {
            if value == 0 {
                return Err(ConfigError::Zero { field });
            }
        }
        Ok(())
    }
}
