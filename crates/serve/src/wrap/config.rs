//! What can be said in a file about a wrapped server, and what must not be. Unknown fields are errors.

use std::{net::SocketAddr, time::Duration};

use ::http::{HeaderName, header::CONTENT_TYPE};
use serde::{Deserialize, Deserializer};

use super::DEFAULT_TIMEOUT;
use crate::{
    Authenticator, Limits, Rate,
    http::{self, ConfigError},
    resolver::{Resource, ResourceError},
};

/// Names in files are written as in `resourceType`; times are milliseconds.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WrapConfig {
    /// Lower case letters, digits, `_` and `-`; upper case becomes lower case.
    pub resource_type: String,
    pub transport: Option<Transport>,
    /// Default `mcp-auth-wrapped-server`. What clients see is what the factory makes of it.
    pub name: String,
    /// Default `1.0.0`.
    pub version: String,
    /// Default: a new server for each request.
    pub instance_mode: WrapInstanceMode,
    /// Needed for [`WrapInstanceMode::Pooled`].
    pub instance_pool: Option<InstancePool>,
    pub middleware: Middleware,
    /// For one call, and for a server to be made. Default 30 s.
    #[serde(rename = "requestTimeoutMs", deserialize_with = "milliseconds")]
    pub request_timeout: Duration,
    /// What of a request the factory may see: `ghost_owner` is the header `X-Ghost-Owner`, else the query parameter of that
    /// name. Default: nothing.
    pub extras: Vec<String>,
    /// See [`http::Config::allowed_hosts`].
    pub allowed_hosts: Vec<String>,
}

impl Default for WrapConfig {
    fn default() -> Self {
        Self {
            resource_type: String::new(),
            transport: None,
            name: "mcp-auth-wrapped-server".to_owned(),
            version: "1.0.0".to_owned(),
            instance_mode: WrapInstanceMode::default(),
            instance_pool: None,
            middleware: Middleware::default(),
            request_timeout: DEFAULT_TIMEOUT,
            extras: Vec::new(),
            allowed_hosts: Vec::new(),
        }
    }
}

/// How users come.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum Transport {
    /// One user, `stdio-user`.
    Stdio,
    /// Streamable HTTP.
    Http {
        /// Default `127.0.0.1`.
        #[serde(default = "loopback")]
        host: String,
        /// Default 3000; 0 is a free one.
        #[serde(default = "three_thousand")]
        port: u16,
        /// Default `/mcp`. `{basePath}/message` leads to the same.
        #[serde(default = "mcp", rename = "basePath")]
        base_path: String,
        /// Web pages that may call: `https://app.example.com`. Default: those on loopback.
        #[serde(default, rename = "corsOrigin")]
        cors_origin: Vec<String>,
    },
    /// What was called so before: Streamable HTTP, with a warning.
    Sse {
        #[serde(default = "loopback")]
        host: String,
        #[serde(default = "three_thousand")]
        port: u16,
        #[serde(default = "mcp", rename = "basePath")]
        base_path: String,
        #[serde(default, rename = "corsOrigin")]
        cors_origin: Vec<String>,
    },
}

fn loopback() -> String {
    "127.0.0.1".to_owned()
}

fn three_thousand() -> u16 {
    3000
}

fn mcp() -> String {
    "/mcp".to_owned()
}

impl Transport {
    /// Streamable HTTP on loopback.
    #[must_use]
    pub fn http(port: u16) -> Self {
        Self::Http { host: loopback(), port, base_path: mcp(), cors_origin: Vec::new() }
    }

    /// The same elsewhere. Beyond loopback it needs authentication.
    #[must_use]
    pub fn at(mut self, address: SocketAddr) -> Self {
        if let Self::Http { host, port, .. } | Self::Sse { host, port, .. } = &mut self {
            *host = address.ip().to_string();
            *port = address.port();
        }
        self
    }

    /// The same under its old name.
    #[must_use]
    pub fn sse(port: u16) -> Self {
        Self::Sse { host: loopback(), port, base_path: mcp(), cors_origin: Vec::new() }
    }
}

/// Whether servers are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WrapInstanceMode {
    #[default]
    Ephemeral,
    Pooled,
}

/// How many servers are kept, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InstancePool {
    pub max_size: usize,
    #[serde(deserialize_with = "milliseconds")]
    pub idle_timeout: Duration,
    #[serde(deserialize_with = "milliseconds")]
    pub max_lifetime: Duration,
}

/// What stands around each call.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Middleware {
    pub rate_limit: RateLimit,
    pub logging: Logging,
}

/// Calls of one user. Default: 600 in a minute.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RateLimit {
    pub enabled: bool,
    pub max_requests: u32,
    #[serde(rename = "windowMs", deserialize_with = "milliseconds")]
    pub window: Duration,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { enabled: true, max_requests: 600, window: Duration::from_secs(60) }
    }
}

/// A line for each call: user, tool, outcome and time. Never arguments or answers.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Logging {
    pub enabled: bool,
}

impl Default for Logging {
    fn default() -> Self {
        Self { enabled: true }
    }
}

fn milliseconds<'de, D: Deserializer<'de>>(value: D) -> Result<Duration, D::Error> {
    u64::deserialize(value).map(Duration::from_millis)
}

/// What is wrong with a configuration, or missing in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationError {
    #[error("{field} is required")]
    Required { field: &'static str },
    #[error("resourceType: {0}")]
    ResourceType(ResourceError),
    #[error("instancePool is required when instanceMode is pooled")]
    PoolMissing,
    #[error("instancePool.{field} must be at least {least}")]
    PoolTooSmall { field: &'static str, least: &'static str },
    #[error("basePath must start with `/` and not end with it")]
    BasePath,
    #[error("corsOrigin must name the pages that may call; `*` is every page")]
    AnyOrigin,
    #[error("`{name}` is no name of an extra; it is made of the letters a-z, digits and `_`")]
    Extra { name: String },
    #[error("{field} must be more than 0")]
    Zero { field: &'static str },
    #[error(transparent)]
    Http(#[from] ConfigError),
}

pub(super) struct Checked {
    pub(super) resource: Resource,
    pub(super) transport: Transport,
    pub(super) pool: Option<InstancePool>,
    pub(super) http: http::Config,
    pub(super) warnings: Vec<String>,
}

impl WrapConfig {
    pub(super) fn check(&self, authenticator: &dyn Authenticator) -> Result<Checked, ConfigurationError> {
        let resource = Resource::new(&self.resource_type).map_err(|error| match error {
            ResourceError::Missing => ConfigurationError::Required { field: "resourceType" },
            malformed => ConfigurationError::ResourceType(malformed),
        })?;
        let transport = self.transport.clone().ok_or(ConfigurationError::Required { field: "transport" })?;
        let pool = self.pool()?;
        let is_name =
            |name: &str| !name.is_empty() && name.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if let Some(name) = self.extras.iter().find(|name| !is_name(name)) {
            return Err(ConfigurationError::Extra { name: name.clone() });
        }
        if self.request_timeout.is_zero() {
            return Err(ConfigurationError::Zero { field: "requestTimeoutMs" });
        }
        let mut warnings = Vec::new();
        let mut http = http::Config { limits: self.limits()?, ..http::Config::default() };
        http.allowed_hosts.clone_from(&self.allowed_hosts);
        match &transport {
            Transport::Stdio => {}
            Transport::Http { host, base_path, cors_origin, .. }
            | Transport::Sse { host, base_path, cors_origin, .. } => {
                if !base_path.starts_with('/') || base_path.ends_with('/') {
                    return Err(ConfigurationError::BasePath);
                }
                if cors_origin.iter().any(|origin| origin == "*") {
                    return Err(ConfigurationError::AnyOrigin);
                }
                http.path.clone_from(base_path);
                http.aliases = vec![format!("{base_path}/message")];
                http.allowed_origins.clone_from(cors_origin);
                http.routes = http.routes.route(&format!("{base_path}/health"), axum::routing::get(health));
                if let Ok(address) = host.parse::<std::net::IpAddr>() {
                    http.check((address, 0).into(), authenticator)?;
                }
            }
        }
        if matches!(transport, Transport::Sse { .. }) {
            let old = "transport type `sse` is deprecated: it is served as Streamable HTTP; write `http`";
            tracing::warn!("{old}");
            warnings.push(old.to_owned());
        }
        Ok(Checked { resource, transport, pool, http, warnings })
    }

    fn pool(&self) -> Result<Option<InstancePool>, ConfigurationError> {
        if self.instance_mode == WrapInstanceMode::Ephemeral {
            return Ok(None);
        }
        let pool = self.instance_pool.ok_or(ConfigurationError::PoolMissing)?;
        let small = |field, least| Err(ConfigurationError::PoolTooSmall { field, least });
        if pool.max_size == 0 {
            return small("maxSize", "1");
        }
        if pool.idle_timeout < Duration::from_secs(1) {
            return small("idleTimeout", "1000 ms");
        }
        if pool.max_lifetime < pool.idle_timeout {
            return small("maxLifetime", "idleTimeout");
        }
        Ok(Some(pool))
    }

    fn limits(&self) -> Result<Limits, ConfigurationError> {
        let RateLimit { enabled, max_requests, window } = self.middleware.rate_limit;
        if enabled && max_requests == 0 {
            return Err(ConfigurationError::Zero { field: "middleware.rateLimit.maxRequests" });
        }
        if enabled && window.is_zero() {
            return Err(ConfigurationError::Zero { field: "middleware.rateLimit.windowMs" });
        }
        let rate = enabled.then_some(Rate { calls: max_requests, per: window });
        Ok(Limits { rate, ..Limits::default() })
    }
}

/// Says that it lives, and no more (W1-15).
async fn health() -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(CONTENT_TYPE, "application/json")], r#"{"status":"ok"}"#)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{BearerTokens, KeyList, NoAuthentication};

    fn read(config: Value) -> Result<WrapConfig, String> {
        serde_json::from_value(config).map_err(|error| error.to_string())
    }

    fn checked(config: Value) -> Result<Checked, ConfigurationError> {
        let keys = KeyList::parse(r#"{"a-key-of-alice-0123456789abcdef": "alice"}"#).expect("keys");
        read(config).expect("is read").check(&BearerTokens::new(keys))
    }

    /// S2-42, W1-18.
    #[test]
    fn defaults_are_those_of_the_pattern_but_loopback() {
        let config = read(json!({ "resourceType": "Notes", "transport": { "type": "http" } })).expect("is read");
        assert_eq!((&*config.name, &*config.version), ("mcp-auth-wrapped-server", "1.0.0"));
        assert_eq!(config.instance_mode, WrapInstanceMode::Ephemeral);
        assert_eq!(config.request_timeout, Duration::from_secs(30));
        assert_eq!(config.transport, Some(Transport::http(3000)));
        let checked = config.check(&NoAuthentication::default()).expect("fits");
        assert_eq!((checked.resource.as_str(), &*checked.http.path), ("notes", "/mcp"));
        assert_eq!(checked.http.aliases, ["/mcp/message"]);
        assert!(checked.http.limits.rate.is_some(), "nobody may call without end");
    }

    /// X-7, W1-1: a field that nothing reads is an error.
    #[test]
    fn what_is_not_known_is_not_taken() {
        for unknown in [
            json!({ "enableTracing": true }),
            json!({ "transport": { "type": "http", "path": "/x" } }),
            json!({ "transport": { "type": "websocket" } }),
            json!({ "instanceMode": "shared" }),
            json!({ "middleware": { "logging": { "logBodies": true } } }),
            json!({ "transport": { "type": "http", "port": 70_000 } }),
        ] {
            assert!(read(unknown.clone()).is_err(), "{unknown}");
        }
    }

    /// S2-43, S2-49, C7.
    #[test]
    fn what_is_wrong_or_unsafe_is_an_error_at_the_start() {
        let with = |change: Value| {
            let mut config = json!({ "resourceType": "notes", "transport": { "type": "http" } });
            for (name, value) in change.as_object().expect("an object") {
                config[name] = value.clone();
            }
            checked(config).map(drop)
        };
        assert_eq!(with(json!({})), Ok(()));
        let pool = |size: u32, idle: u32, life: u32| {
            with(json!({
                "instanceMode": "pooled",
                "instancePool": { "maxSize": size, "idleTimeout": idle, "maxLifetime": life },
            }))
        };
        assert_eq!(pool(1, 1000, 1000), Ok(()));
        for wrong in [pool(0, 1000, 1000), pool(1, 999, 1000), pool(1, 1000, 999)] {
            assert!(matches!(wrong, Err(ConfigurationError::PoolTooSmall { .. })), "{wrong:?}");
        }
        assert_eq!(with(json!({ "instanceMode": "pooled" })), Err(ConfigurationError::PoolMissing));
        for path in ["mcp", "/mcp/", ""] {
            let wrong = with(json!({ "transport": { "type": "http", "basePath": path } }));
            assert_eq!(wrong, Err(ConfigurationError::BasePath), "{path}");
        }
        let any = with(json!({ "transport": { "type": "http", "corsOrigin": ["*"] } }));
        assert_eq!(any, Err(ConfigurationError::AnyOrigin));
        assert!(matches!(with(json!({ "extras": ["Authorization"] })), Err(ConfigurationError::Extra { .. })));
        assert!(matches!(with(json!({ "requestTimeoutMs": 0 })), Err(ConfigurationError::Zero { .. })));
        let open = read(json!({ "resourceType": "x", "transport": { "type": "http", "host": "0.0.0.0" } }));
        let open = open.expect("is read").check(&NoAuthentication::default()).map(drop);
        assert!(matches!(open, Err(ConfigurationError::Http(ConfigError::OpenToOthers { .. }))));
    }
}
