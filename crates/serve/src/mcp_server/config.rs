//! What can be said in a file about these servers. Names are written as in `exposurePolicy`; unknown fields are errors, with
//! the name that was meant.

use std::{collections::HashMap, net::IpAddr};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

use super::{Startup, near};
use crate::{
    Authenticator,
    http::{self, ConfigError},
    middleware::{CallLog, Middleware, ObserveLayer},
    session_context::SessionContextOptions,
    toolsets::{ExposurePolicy, Modern, OnLimit},
};

/// Of [`create_mcp_server`](super::create_mcp_server).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct McpServerConfig {
    /// What clients see where the options bring no server of their own. Default `mcp-server`.
    pub name: String,
    /// Default `1.0.0`.
    pub version: String,
    pub startup: Option<Startup>,
    pub exposure_policy: Option<PolicyConfig>,
    /// Left out: where callers turn toolsets on. Static ones have `list_tools` alone.
    pub register_meta_tools: Option<bool>,
    /// How requests of 2026-07-28 reach what is not on from the start. Default: by an activation handle.
    pub modern: Modern,
    pub http: HttpConfig,
    /// What requests may say of their circumstances.
    pub session_context: Option<SessionContextOptions>,
    /// A JSON Schema of what clients may configure, for `/.well-known/mcp-config`. Left out: the keys of `sessionContext`.
    pub config_schema: Option<Map<String, Value>>,
    /// Warnings are errors.
    pub strict: bool,
}

impl Default for McpServerConfig {
    fn default() -> Self {
        Self {
            name: "mcp-server".to_owned(),
            version: "1.0.0".to_owned(),
            startup: None,
            exposure_policy: None,
            register_meta_tools: None,
            modern: Modern::Handle,
            http: HttpConfig::default(),
            session_context: None,
            config_schema: None,
            strict: false,
        }
    }
}

/// Of [`create_permission_based_mcp_server`](super::create_permission_based_mcp_server). It has no `startup`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "PermissionBasedFile")]
pub struct PermissionBasedConfig {
    /// Default `mcp-server`.
    pub name: String,
    /// Default `1.0.0`.
    pub version: String,
    /// Needed, unless the options bring [`Permissions`](crate::toolsets::Permissions) of their own.
    pub permissions: Option<PermissionsConfig>,
    /// Only `namespaceToolsWithSetKey` is used; the rest is removed with a warning.
    pub exposure_policy: Option<PolicyConfig>,
    pub http: HttpConfig,
    pub session_context: Option<SessionContextOptions>,
    pub config_schema: Option<Map<String, Value>>,
    /// Warnings are errors.
    pub strict: bool,
}

impl Default for PermissionBasedConfig {
    fn default() -> Self {
        let McpServerConfig { name, version, http, .. } = McpServerConfig::default();
        Self {
            name,
            version,
            permissions: None,
            exposure_policy: None,
            http,
            session_context: None,
            config_schema: None,
            strict: false,
        }
    }
}

/// As it is written. It knows `startup` to say why it is not there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PermissionBasedFile {
    name: Option<String>,
    version: Option<String>,
    permissions: Option<PermissionsConfig>,
    exposure_policy: Option<PolicyConfig>,
    #[serde(default)]
    http: HttpConfig,
    session_context: Option<SessionContextOptions>,
    config_schema: Option<Map<String, Value>>,
    #[serde(default)]
    strict: bool,
    startup: Option<IgnoredAny>,
}

/// S3-12.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "Permission-based servers determine toolsets from client permissions. The 'startup' option is not allowed. Remove it from your configuration."
)]
pub struct StartupNotAllowed;

impl TryFrom<PermissionBasedFile> for PermissionBasedConfig {
    type Error = StartupNotAllowed;

    fn try_from(file: PermissionBasedFile) -> Result<Self, StartupNotAllowed> {
        let PermissionBasedFile { name, version, permissions, exposure_policy, http, startup, .. } = file;
        if startup.is_some() {
            return Err(StartupNotAllowed);
        }
        let default = Self::default();
        Ok(Self {
            name: name.unwrap_or(default.name),
            version: version.unwrap_or(default.version),
            permissions,
            exposure_policy,
            http,
            session_context: file.session_context,
            config_schema: file.config_schema,
            strict: file.strict,
        })
    }
}

/// Where the toolsets of a caller come from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "source", rename_all = "lowercase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum PermissionsConfig {
    /// A header that a trusted proxy vouches for: the toolsets, with commas between.
    Headers {
        /// Default `mcp-toolset-permissions`; case does not matter.
        #[serde(default = "permissions_header")]
        header_name: String,
    },
    /// The map, by the id of the principal; a resolver of the options is asked first.
    Config {
        static_map: Option<HashMap<String, Vec<String>>>,
        #[serde(default)]
        default_permissions: Vec<String>,
    },
}

fn permissions_header() -> String {
    "mcp-toolset-permissions".to_owned()
}

/// The `exposurePolicy` of a file: see [`ExposurePolicy`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyConfig {
    pub max_active_toolsets: Option<usize>,
    /// Default: tools are called `toolset.tool`.
    pub namespace_tools_with_set_key: Option<bool>,
    pub allowlist: Option<Vec<String>>,
    pub denylist: Option<Vec<String>>,
}

impl PolicyConfig {
    pub(super) fn policy(self, on_limit: Option<OnLimit>) -> ExposurePolicy {
        let default = ExposurePolicy::default();
        ExposurePolicy {
            allow: self.allowlist,
            deny: self.denylist.unwrap_or(default.deny),
            max_active: self.max_active_toolsets,
            on_limit,
            namespace: self.namespace_tools_with_set_key.unwrap_or(default.namespace),
        }
    }
}

/// Where a server listens, and who may reach it there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Default `127.0.0.1`. Beyond loopback it needs authentication.
    pub host: String,
    /// Default 3000; 0 is a free one.
    pub port: u16,
    /// Before `/mcp`, `/tools` and the others. Default `/`.
    pub base_path: String,
    /// Whether pages of `corsOrigins` may call. Default: no page but those on loopback.
    pub cors: bool,
    /// Each by name: `https://app.example.com`.
    pub cors_origins: Vec<String>,
    /// Names under which the server is reached; see [`http::Config::allowed_hosts`].
    pub allowed_hosts: Vec<String>,
    /// A line in the log for each call, without arguments. Default: no.
    pub logger: bool,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 3000,
            base_path: "/".to_owned(),
            cors: false,
            cors_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            logger: false,
        }
    }
}

/// Why it can't listen like that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpConfigError {
    #[error("`http.basePath` must begin with `/`, and not end with it")]
    BasePath,
    #[error("`http.corsOrigins` must name the pages that may call; `*` is every page")]
    AnyOrigin,
    #[error("`http.cors` lets the pages of `http.corsOrigins` call, and there are none; name them")]
    NoOrigins,
    #[error("`http.corsOrigins` is not used without `http.cors`; set it to true")]
    OriginsWithoutCors,
    #[error(transparent)]
    Http(#[from] ConfigError),
}

impl HttpConfig {
    /// Listens there. Beyond loopback it needs authentication.
    #[must_use]
    pub fn at(address: std::net::SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port(), ..Self::default() }
    }

    /// `/` is nothing.
    pub(super) fn base(&self) -> &str {
        self.base_path.strip_suffix('/').unwrap_or(&self.base_path)
    }

    /// On top of what the options say.
    pub(super) fn apply(
        &self,
        mut http: http::Config,
        authenticator: &dyn Authenticator,
    ) -> Result<http::Config, HttpConfigError> {
        if self.base_path != "/" && (!self.base_path.starts_with('/') || self.base_path.ends_with('/')) {
            return Err(HttpConfigError::BasePath);
        }
        if self.cors_origins.iter().any(|origin| origin == "*") {
            return Err(HttpConfigError::AnyOrigin);
        }
        match (self.cors, self.cors_origins.is_empty()) {
            (true, true) => return Err(HttpConfigError::NoOrigins),
            (false, false) => return Err(HttpConfigError::OriginsWithoutCors),
            _ => {}
        }
        http.path = format!("{}/mcp", self.base());
        http.allowed_origins.extend_from_slice(&self.cors_origins);
        http.allowed_hosts.extend_from_slice(&self.allowed_hosts);
        http.health = r#"{"ok":true}"#;
        if self.logger && http.middleware.is_none() {
            http.middleware = Some(Middleware::new(ObserveLayer::new(CallLog)));
        }
        if let Ok(address) = self.host.parse::<IpAddr>() {
            http.check((address, self.port).into(), authenticator)?;
        }
        Ok(http)
    }
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[error("{problem}{}", .meant.as_ref().map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default())]
pub struct FileError {
    pub problem: String,
    pub meant: Option<String>,
}

impl From<serde_json::Error> for FileError {
    /// Serde says what it does not know, and what it would.
    fn from(error: serde_json::Error) -> Self {
        let problem = error.to_string();
        let meant = problem.strip_prefix("unknown field ").and_then(|names| {
            let names: Vec<&str> = names.split('`').skip(1).step_by(2).collect();
            let (field, known) = names.split_first()?;
            near(field, known).map(str::to_owned)
        });
        Self { problem, meant }
    }
}

impl McpServerConfig {
    pub fn from_json(text: &str) -> Result<Self, FileError> {
        Ok(serde_json::from_str(text)?)
    }
}

impl PermissionBasedConfig {
    pub fn from_json(text: &str) -> Result<Self, FileError> {
        Ok(serde_json::from_str(text)?)
    }
}

#[cfg(test)]
mod tests;
