//! A server of toolsets with its transport, made by one function: [`create_mcp_server`] where callers turn toolsets on or
//! all of them have the same, [`create_permission_based_mcp_server`] where each has what they are permitted. A face of the
//! library's pipeline: [`Toolsets`](crate::toolsets::Toolsets) behind a [`Live`](crate::Live).
//!
//! ```no_run
//! # use mcp_serve::{ToolResult, mcp_server::{McpServerOptions, create_mcp_server}, model::Tool};
//! # use mcp_serve::toolsets::{Catalog, OwnTool, Toolset};
//! # fn find_orders() -> OwnTool { unimplemented!() }
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let catalog = Catalog::new().toolset(Toolset::new("reading", "Look things up").own(find_orders()));
//! let server = create_mcp_server(McpServerOptions::default().catalog(catalog)).await?;
//! println!("listening on {}", server.start().await?);
//! # Ok(()) }
//! ```
//!
//! What one client turns on is of its session or its activation, and no other client's. Where a server is made by a
//! factory, or the catalog depends on who calls, each caller has a server of their own in DYNAMIC mode; a STATIC server is
//! one for all.

mod config;
mod handle;
mod orchestrator;
mod permission_based;
mod routes;
mod startup;

use std::{fmt, sync::Arc, time::Duration};

use serde_json::{Map, Value};

pub use self::{
    config::{
        FileError, HttpConfig, HttpConfigError, McpServerConfig, PermissionBasedConfig, PermissionsConfig,
        PolicyConfig, StartupNotAllowed,
    },
    handle::{McpServerHandle, StartError},
    permission_based::{PermissionBasedOptions, create_permission_based_mcp_server},
    startup::{Startup, StartupError, validate_startup_config},
};
use self::{
    handle::Transport,
    orchestrator::{CatalogOf, Made, Orchestrator},
    startup::Resolved,
};
#[cfg(feature = "endpoints")]
use crate::endpoints::{CustomEndpoint, EndpointsError};
use crate::{
    Authenticator, FactoryError, InstanceOptions, NoAuthentication, Server, ServerFactory, TenantContext,
    ToolServerError, http,
    session_context::{SessionContextError, SessionContextOptions, SessionContexts},
    toolsets::{self, Catalog, CatalogError, ExposurePolicy, Mode, OnLimit, ToolsChangedNotifier},
};

/// What [`create_mcp_server`] is given. A catalog is needed.
#[must_use]
#[derive(Default)]
pub struct McpServerOptions {
    parts: Parts,
    on_limit: Option<OnLimit>,
    notifier: Option<Arc<dyn ToolsChangedNotifier>>,
    config: McpServerConfig,
}

/// What both kinds of servers are made of.
struct Parts {
    made: Option<Made>,
    catalog: Option<CatalogOf>,
    authenticator: Arc<dyn Authenticator>,
    http: http::Config,
    bundles: InstanceOptions,
    #[cfg(feature = "endpoints")]
    endpoints: Vec<CustomEndpoint>,
}

impl Default for Parts {
    fn default() -> Self {
        let idle = Duration::from_secs(60 * 60);
        Self {
            made: None,
            catalog: None,
            authenticator: Arc::new(NoAuthentication::default()),
            http: http::Config { session_idle: idle, ..http::Config::default() },
            bundles: InstanceOptions { max_instances: 1_000, idle, ..InstanceOptions::default() },
            #[cfg(feature = "endpoints")]
            endpoints: Vec::new(),
        }
    }
}

impl fmt::Debug for McpServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpServerOptions").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The setters that both kinds of options have.
macro_rules! parts {
    ($options:ident, $config:ident) => {
        impl $options {
            /// The toolsets that there are.
            pub fn catalog(mut self, catalog: Catalog) -> Self {
                self.parts.catalog = Some(CatalogOf::One(catalog));
                self
            }

            /// The toolsets that there are for this caller: modules load with what is known of whom they load for. Where
            /// all callers share one server it is asked once, about nobody.
            pub fn catalog_for(mut self, catalog: impl Fn(&TenantContext) -> Catalog + Send + Sync + 'static) -> Self {
                self.parts.catalog = Some(CatalogOf::Each(Arc::new(catalog)));
                self
            }

            /// What toolsets name the tools of, and who answers for prompts and resources. Left out: a server of no tools.
            pub fn server(mut self, server: Arc<dyn Server>) -> Self {
                self.parts.made = Some(Made::One(server));
                self
            }

            /// The same, made anew for each caller, or once for nobody where all callers share one server.
            pub fn server_factory(mut self, factory: impl ServerFactory) -> Self {
                self.parts.made = Some(Made::Each(Arc::new(factory)));
                self
            }

            /// Says who calls. Left out, everybody on this machine does.
            pub fn auth_provider(mut self, authenticator: impl Authenticator) -> Self {
                self.parts.authenticator = Arc::new(authenticator);
                self
            }

            /// What the configuration of a file does not say: limits, time-outs, layers around calls, further routes.
            pub fn http(mut self, change: impl FnOnce(&mut http::Config)) -> Self {
                change(&mut self.parts.http);
                self
            }

            /// Plain HTTP beside MCP, below the base path, for the same callers. A path that is ours is an error. Where callers have
            /// servers of their own, none can be [permission-aware](CustomEndpoint::permission_aware).
            #[cfg(feature = "endpoints")]
            pub fn endpoints(mut self, endpoints: impl IntoIterator<Item = CustomEndpoint>) -> Self {
                self.parts.endpoints.extend(endpoints);
                self
            }

            /// What requests may say of their circumstances; see [`session_context`](crate::session_context).
            pub fn session_context(mut self, context: SessionContextOptions) -> Self {
                self.config.session_context = Some(context);
                self
            }

            /// How many callers' own servers are kept, and for how long. Default: 1,000, and 1 h after the last request.
            pub fn bundles(mut self, bundles: InstanceOptions) -> Self {
                self.parts.bundles = bundles;
                self
            }

            /// Everything that a file can say, at once.
            pub fn config(mut self, config: $config) -> Self {
                self.config = config;
                self
            }

            pub fn with(mut self, change: impl FnOnce(&mut $config)) -> Self {
                change(&mut self.config);
                self
            }
        }
    };
}
parts!(McpServerOptions, McpServerConfig);
parts!(PermissionBasedOptions, PermissionBasedConfig);

impl McpServerOptions {
    pub fn startup(mut self, startup: Startup) -> Self {
        self.config.startup = Some(startup);
        self
    }

    /// Told of each activation that was refused for `maxActiveToolsets`: what was asked for, and what was on.
    pub fn on_limit_exceeded(mut self, told: impl Fn(&[&str], &[&str]) + Send + Sync + 'static) -> Self {
        self.on_limit = Some(Arc::new(told));
        self
    }

    /// Told besides the client when its list changed. That it can't be told fails nothing; who enabled a toolset is told so
    /// by `E_NOTIFY_FAILED`.
    pub fn notifier(mut self, notifier: impl ToolsChangedNotifier) -> Self {
        self.notifier = Some(Arc::new(notifier));
        self
    }
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("a catalog of toolsets is required")]
    CatalogRequired,
    #[error(transparent)]
    Startup(#[from] StartupError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Http(#[from] HttpConfigError),
    #[error("the server can't be made")]
    Factory(#[from] FactoryError),
    #[error("the server can't be made")]
    Server(#[from] ToolServerError),
    #[error("permissions are required: say where the toolsets of a caller come from")]
    PermissionsRequired,
    #[error("permissions are given twice: by the configuration, and by the options")]
    PermissionsTwice,
    #[error("`permissions.source: config` needs a `staticMap` or a resolver")]
    NoPermissionSource,
    #[error("`permissions.source: headers` has no resolver: the header says it all")]
    ResolverOfHeaders,
    #[error(transparent)]
    SessionContext(#[from] SessionContextError),
    #[cfg(feature = "endpoints")]
    #[error(transparent)]
    Endpoints(#[from] EndpointsError),
    #[error("in strict mode nothing may be left out: {}", .warnings.join("; "))]
    Strict { warnings: Vec<String> },
}

/// Checks everything, and listens nowhere: that is for [`McpServerHandle::start`].
pub async fn create_mcp_server(options: McpServerOptions) -> Result<McpServerHandle, CreateError> {
    let Checked { parts, catalog, config, resolved, policy, notifier } = validate_options(options)?;
    let options = toolsets::Options {
        mode: resolved.mode,
        modern: config.modern,
        initial: resolved.initial,
        policy,
        meta_tools: Some(resolved.meta_tools),
        notifier,
        state_key: parts.http.state_key.clone(),
        ..toolsets::Options::default()
    };
    let orchestrator = build_orchestrator(parts.made, catalog, options, (config.name, config.version))?;
    // S3-30: one server for all callers, or a bundle for each.
    let source = match resolved.mode {
        Mode::Static => orchestrator.shared().await?,
        Mode::Dynamic => orchestrator.create_bundle_factory(parts.bundles).await?,
    };
    let transport = Transport {
        source,
        authenticator: parts.authenticator,
        http: parts.http,
        config: config.http,
        config_schema: config.config_schema,
        #[cfg(feature = "endpoints")]
        endpoints: parts.endpoints,
        permissions: None,
        warnings: resolved.warnings,
    };
    transport.build()
}

struct Checked {
    parts: Parts,
    catalog: CatalogOf,
    config: McpServerConfig,
    resolved: Resolved,
    policy: ExposurePolicy,
    notifier: Option<Arc<dyn ToolsChangedNotifier>>,
}

fn validate_options(options: McpServerOptions) -> Result<Checked, CreateError> {
    let McpServerOptions { mut parts, on_limit, notifier, mut config } = options;
    let catalog = parts.catalog.take().ok_or(CreateError::CatalogRequired)?;
    let policy = config.exposure_policy.take().unwrap_or_default().policy(on_limit);
    let of_nobody = catalog.of_nobody();
    of_nobody.check(&policy)?;
    let known: Vec<String> = of_nobody.keys().map(str::to_owned).collect();
    let startup = config.startup.take().unwrap_or_default();
    let mut resolved = startup::resolve(&startup, config.register_meta_tools, &known, &policy)?;
    parts.http = config.http.apply(parts.http, &*parts.authenticator)?;
    let schema = build_session_context_resolver(config.session_context.take(), &mut parts.http)?;
    if schema.is_some() && resolved.mode == Mode::Static {
        resolved.warnings.push(
            "`sessionContext` has little effect in STATIC mode: all clients share one server, and tools alone see it"
                .to_owned(),
        );
    }
    config.config_schema = config.config_schema.take().or(schema);
    warn(&resolved.warnings, config.strict)?;
    Ok(Checked { parts, catalog, config, resolved, policy, notifier })
}

/// Gives the schema of what clients may say, where they may say anything.
fn build_session_context_resolver(
    options: Option<SessionContextOptions>,
    http: &mut http::Config,
) -> Result<Option<Map<String, Value>>, CreateError> {
    let Some(options) = options else { return Ok(None) };
    let keys = options.query_param.iter().flat_map(|source| &source.allowed_keys);
    let keys = keys.chain(options.header.iter().flat_map(|source| &source.allowed_keys));
    let keys = keys.chain(options.meta.iter().flat_map(|source| &source.allowed_keys));
    let schema = routes::schema_of(keys);
    http.context = SessionContexts::new(options)?;
    Ok(http.context.is_some().then_some(schema))
}

/// Never in silence.
fn warn(warnings: &[String], strict: bool) -> Result<(), CreateError> {
    if strict && !warnings.is_empty() {
        return Err(CreateError::Strict { warnings: warnings.to_vec() });
    }
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(())
}

fn build_orchestrator(
    made: Option<Made>,
    catalog: CatalogOf,
    options: toolsets::Options,
    (name, version): (String, String),
) -> Result<Orchestrator, CreateError> {
    let made = match made {
        Some(made) => made,
        None => Made::One(crate::ToolServer::new(name, version).build()?),
    };
    Ok(Orchestrator { made, catalog, options })
}

/// The name that was meant, of those that there are.
fn near<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    const ALIKE: f64 = 0.6;
    let plain = |name: &str| name.to_ascii_lowercase().replace(['_', '-'], "");
    let name = plain(&name.chars().take(64).collect::<String>());
    if name.is_empty() {
        return None;
    }
    let score = |known: &&str| {
        let known = plain(known);
        let inside = name.contains(&known) || (name.len() > 3 && known.contains(&name));
        let alike = strsim::normalized_damerau_levenshtein(&name, &known);
        if inside { alike.max(ALIKE) } else { alike }
    };
    let scored = known.iter().copied().map(|known| (score(&known), known)).filter(|(score, _)| *score >= ALIKE);
    scored.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, known)| known)
}
