//! Where each caller has the toolsets that they are permitted, and nothing else decides.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    CreateError, McpServerHandle, Parts, PermissionBasedConfig, PermissionsConfig, build_orchestrator,
    build_session_context_resolver, handle::Transport, orchestrator::CatalogOf, warn,
};
use crate::{
    http,
    toolsets::{self, ExposurePolicy, Initial, Mode, OnLimit, PermissionResolver, Permissions},
};

/// What [`create_permission_based_mcp_server`] is given. A catalog is needed, and where permissions come from.
///
/// What is on from the start is what a caller is permitted, so that there is nothing to say about it:
///
/// ```compile_fail
/// # use mcp_serve::mcp_server::{PermissionBasedOptions, Startup};
/// let options = PermissionBasedOptions::default().startup(Startup::default());
/// ```
///
/// ```compile_fail
/// # use mcp_serve::mcp_server::{PermissionBasedConfig, Startup};
/// let config = PermissionBasedConfig { startup: Some(Startup::default()), ..PermissionBasedConfig::default() };
/// ```
///
/// ```
/// # use mcp_serve::{mcp_server::PermissionBasedOptions, toolsets::{Catalog, Permissions}};
/// let options = PermissionBasedOptions::default()
///     .catalog(Catalog::new())
///     .permissions(Permissions::map([("alice", vec!["reading"])]));
/// ```
#[must_use]
#[derive(Default)]
pub struct PermissionBasedOptions {
    pub(super) parts: Parts,
    pub(super) config: PermissionBasedConfig,
    permissions: Option<Permissions>,
    resolver: Option<Arc<dyn PermissionResolver>>,
    ttl: Option<Duration>,
    on_limit: Option<OnLimit>,
}

impl fmt::Debug for PermissionBasedOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermissionBasedOptions").field("config", &self.config).finish_non_exhaustive()
    }
}

impl PermissionBasedOptions {
    /// Instead of what the configuration says.
    pub fn permissions(mut self, permissions: Permissions) -> Self {
        self.permissions = Some(permissions);
        self
    }

    /// Asked first; the map of the configuration after it, and the default then.
    pub fn resolver(mut self, resolver: impl PermissionResolver) -> Self {
        self.resolver = Some(Arc::new(resolver));
        self
    }

    /// What the resolver says is kept for so long; see [`McpServerHandle::invalidate`]. Left out, it is asked with each request.
    pub fn permission_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Taken to say that it is not used, as all of a policy that would choose toolsets.
    pub fn on_limit_exceeded(mut self, told: impl Fn(&[&str], &[&str]) + Send + Sync + 'static) -> Self {
        self.on_limit = Some(Arc::new(told));
        self
    }
}

/// Checks everything, and listens nowhere: that is for [`McpServerHandle::start`]. All modules are loaded then, so that nobody's
/// toolset is missed later.
pub async fn create_permission_based_mcp_server(
    options: PermissionBasedOptions,
) -> Result<McpServerHandle, CreateError> {
    let PermissionBasedOptions { mut parts, mut config, permissions, resolver, ttl, on_limit } = options;
    let given = config.exposure_policy.take().unwrap_or_default().policy(on_limit);
    let (catalog, policy, warnings) = validate_permission_options(parts.catalog.take(), given, config.strict)?;
    let mut http = config.http.apply(parts.http, &*parts.authenticator)?;
    let schema = build_session_context_resolver(config.session_context.take(), &mut http)?;
    let permissions = build_permission_resolver(permissions, config.permissions.take(), resolver, ttl)?;
    let options = build_permission_orchestrator(policy, permissions.clone(), &http);
    let orchestrator = build_orchestrator(parts.made, catalog, options, (config.name, config.version))?;
    // Who may see what is asked with each request, so that a server for each is only needed where it would differ (W2-11).
    let source = orchestrator.create_bundle_factory(parts.bundles).await?;
    let transport = Transport {
        source,
        authenticator: parts.authenticator,
        http,
        config: config.http,
        config_schema: config.config_schema.or(schema),
        #[cfg(feature = "endpoints")]
        endpoints: parts.endpoints,
        permissions: Some(permissions),
        warnings,
    };
    transport.build()
}

fn validate_permission_options(
    catalog: Option<CatalogOf>,
    policy: ExposurePolicy,
    strict: bool,
) -> Result<(CatalogOf, ExposurePolicy, Vec<String>), CreateError> {
    let catalog = catalog.ok_or(CreateError::CatalogRequired)?;
    let (policy, warnings) = policy.sanitised();
    warn(&warnings, strict)?;
    catalog.of_nobody().check(&policy)?;
    Ok((catalog, policy, warnings))
}

fn build_permission_resolver(
    given: Option<Permissions>,
    config: Option<PermissionsConfig>,
    resolver: Option<Arc<dyn PermissionResolver>>,
    ttl: Option<Duration>,
) -> Result<Permissions, CreateError> {
    let permissions = match (given, config, resolver) {
        (Some(permissions), None, None) => return Ok(permissions),
        (Some(_), ..) => return Err(CreateError::PermissionsTwice),
        (None, None, None) => return Err(CreateError::PermissionsRequired),
        (None, None, Some(resolver)) => Permissions::resolver(resolver),
        (None, Some(PermissionsConfig::Headers { .. }), Some(_)) => return Err(CreateError::ResolverOfHeaders),
        (None, Some(PermissionsConfig::Headers { header_name }), None) => {
            Permissions::claim(header_name.to_ascii_lowercase())
        }
        (None, Some(PermissionsConfig::Config { static_map, default_permissions }), resolver) => {
            let permissions = match (resolver, static_map) {
                (None, None) => return Err(CreateError::NoPermissionSource),
                (None, Some(map)) => Permissions::map(map),
                (Some(resolver), map) => Permissions::resolver_or_map(resolver, map.unwrap_or_default()),
            };
            permissions.or_default(default_permissions)
        }
    };
    Ok(match ttl {
        Some(ttl) => permissions.cached(ttl),
        None => permissions,
    })
}

/// Static for each caller, and without meta-tools: nobody widens their own set (S3-65).
fn build_permission_orchestrator(
    policy: ExposurePolicy,
    permissions: Permissions,
    http: &http::Config,
) -> toolsets::Options {
    toolsets::Options {
        mode: Mode::Static,
        initial: Initial::All,
        policy,
        meta_tools: Some(false),
        permissions: Some(permissions),
        state_key: http.state_key.clone(),
        ..toolsets::Options::default()
    }
}
