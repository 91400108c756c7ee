//! The connections of a plan, made when the first tool asks for one and shared by all that do.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use ::http::{HeaderMap, HeaderName, HeaderValue};
use mcp_factory_connect::{
    Denied, Policy, Secrets,
    command::ProgramError,
    grpc::{self, DescriptorPool},
    http::{self, Client, ClientConfig, Hosts},
    mcp,
    sql::{Backend, Database, DatabaseConfig, PoolConfig, Seed, Source},
};
use mcp_factory_spec::{
    Spec,
    model::{Connection, ConnectionKind, McpServer, OutboundAuth, Pool, SqlServer, Sqlite, Url, Variable},
    sql::Dialect,
    template::Text,
};

use super::{Fault, Shared, SharedGround, Surroundings};
use crate::{
    per::{Bounds, Connected},
    session::Session,
    values::Values,
};

/// Callers whose own connections to a database are kept open. Each may have as many as the pool's `max`.
const MOST_DATABASES: usize = 32;
/// The same for an HTTP API, where they cost less.
const MOST_CLIENTS: usize = 256;
/// The same for other MCP servers, which may be programs.
const MOST_SERVERS: usize = 32;
/// Of answers that are asked for again, where each caller has a connection.
const KEPT_BYTES_EACH: usize = 256 << 10;

/// Databases and upstreams by the names of their connections.
#[derive(Debug)]
pub struct Connections<'a> {
    spec: &'a Spec,
    surroundings: &'a Surroundings,
    shared: &'a Shared,
    policy: Arc<Policy>,
    databases: HashMap<String, SqlConnection>,
    upstreams: HashMap<String, Upstream>,
    grpc: HashMap<String, Connected<grpc::Client>>,
    servers: HashMap<String, Connected<mcp::Server>>,
    hosts: Arc<Hosts>,
}

/// An HTTP API, and what goes with every request to it.
#[derive(Debug, Clone)]
pub struct Upstream {
    pub client: Connected<Client>,
    /// Those of the connection's headers that say who calls; the client knows the others.
    pub headers: Vec<(HeaderName, Text)>,
}

impl Upstream {
    /// What says who calls is never just left out.
    pub fn headers_for(&self, values: &Values<'_>) -> Result<HeaderMap, String> {
        let header = |(name, text): &(HeaderName, Text)| {
            let value = text.header(|name| values.get(name)).map_err(|problem| problem.to_string())?;
            let value = value.ok_or_else(|| {
                let upstream = self.client.name();
                format!("the connection `{upstream}` tells who calls in its header `{name}`, and the caller has nothing for it")
            })?;
            let value =
                HeaderValue::try_from(value).map_err(|_| format!("the header `{name}` can't hold that value"))?;
            Ok((name.clone(), value))
        };
        self.headers.iter().map(header).collect()
    }
}

/// A database, and what a plan has to know of it.
#[derive(Debug, Clone)]
pub struct SqlConnection {
    pub database: Connected<Database>,
    pub dialect: Dialect,
    /// The spec made this database, so a test may write to it.
    pub seeded: bool,
    /// What each call tells the database of its caller.
    pub session: Arc<Session>,
}

impl<'a> Connections<'a> {
    pub fn new(spec: &'a Spec, surroundings: &'a Surroundings, shared: &'a Shared) -> Self {
        Self {
            spec,
            surroundings,
            shared,
            policy: Arc::new(surroundings.policy.clone()),
            databases: HashMap::new(),
            upstreams: HashMap::new(),
            grpc: HashMap::new(),
            servers: HashMap::new(),
            hosts: Arc::default(),
        }
    }

    pub fn database(&mut self, name: Option<&str>) -> Result<SqlConnection, Fault> {
        let connection = self.declared(name)?;
        if let Some(known) = self.databases.get(connection.name.as_str()) {
            return Ok(known.clone());
        }
        let name = connection.name.to_string();
        let mut session = Session::default();
        let (config, dialect, seeded) = match &connection.kind {
            Some(ConnectionKind::Postgresql(server)) => {
                session = Session::compile(&name, &server.session)?;
                (self.server(&name, Backend::Postgres, server), Dialect::Postgres, false)
            }
            Some(ConnectionKind::Mysql(server)) => {
                session = Session::compile(&name, &server.session)?;
                (self.server(&name, Backend::Mysql, server), Dialect::Mysql, false)
            }
            Some(ConnectionKind::Sqlite(file)) => (self.file(&name, file)?, Dialect::Sqlite, file.seed.is_some()),
            _ => return Err(format!("the connection `{name}` is no SQL database").into()),
        };
        let needed = match &config.source {
            Source::Secret(name) => vec![name.clone()],
            Source::Url(_) | Source::Path(_) | Source::Memory => Vec::new(),
        };
        let PoolConfig { idle_timeout, acquire_timeout, .. } = config.pool;
        let bounds = Bounds { most: MOST_DATABASES, idle: idle_timeout, wait: acquire_timeout };
        let open = move |secrets, policy| Database::new(config.clone(), secrets, policy);
        let database = self.connected(connection, needed, bounds, open)?;
        let connection = SqlConnection { database, dialect, seeded, session: Arc::new(session) };
        self.databases.insert(name, connection.clone());
        Ok(connection)
    }

    pub fn upstream(&mut self, name: Option<&str>) -> Result<Upstream, Fault> {
        let connection = self.declared(name)?;
        if let Some(known) = self.upstreams.get(connection.name.as_str()) {
            return Ok(known.clone());
        }
        let name = connection.name.to_string();
        let Some(ConnectionKind::Http(server) | ConnectionKind::Graphql(server)) = &connection.kind else {
            return Err(format!("the connection `{name}` is no HTTP API").into());
        };
        let mut config = client_config(&name, server.url.as_ref(), server.env_var.as_ref(), &server.auth)?;
        config.hosts = Arc::clone(&self.hosts);
        config.allow_private_network = server.allow_private_network;
        config.allow_hosts.clone_from(&server.allow_hosts);
        config.retries = server.retries.attempts.get();
        if let Some(backoff) = server.retries.backoff {
            config.retry_backoff = (backoff.first.get(), backoff.longest.get());
        }
        if connection.per.is_some() {
            config.kept_bytes = KEPT_BYTES_EACH;
        }
        let mut headers = Vec::new();
        for (header, value) in &server.headers {
            let header = HeaderName::try_from(header.as_str()).map_err(|error| error.to_string())?;
            let text = Text::parse(value).map_err(|problem| problem.to_string())?;
            if text.placeholders().next().is_some() {
                headers.push((header, text));
            } else {
                let value = ::http::HeaderValue::try_from(text.plain(|_| None));
                config.headers.append(header.clone(), value.map_err(|_| format!("`{header}` has no header value"))?);
            }
        }
        let open = move |secrets, policy| Client::new(config.clone(), secrets, policy);
        let needed = secrets_of(server.env_var.as_ref(), &server.auth);
        let client = self.connected(connection, needed, clients(), open)?;
        let upstream = Upstream { client, headers };
        self.upstreams.insert(name, upstream.clone());
        Ok(upstream)
    }

    /// The server that has this tool, if the connection lets it be used.
    pub fn mcp(&mut self, name: Option<&str>, tool: &str) -> Result<Connected<mcp::Server>, Fault> {
        let connection = self.declared(name)?;
        let name = connection.name.to_string();
        let Some(ConnectionKind::Mcp(server)) = &connection.kind else {
            return Err(format!("the connection `{name}` is no MCP server").into());
        };
        if !server.tools.is_empty() && !server.tools.iter().any(|pattern| pattern.matches(tool)) {
            return Err(
                format!("the connection `{name}` lets its tool `{tool}` not be used: it is not among `tools`").into()
            );
        }
        if let Some(known) = self.servers.get(&name) {
            return Ok(known.clone());
        }
        let McpServer { url, argv, auth, .. } = server;
        let PoolConfig { idle_timeout, acquire_timeout, .. } = PoolConfig::default();
        let bounds = Bounds { most: MOST_SERVERS, idle: idle_timeout, wait: acquire_timeout };
        let needed = secrets_of(None, auth.as_slice());
        let connected = match url {
            Some(url) => {
                let url = url::Url::parse(url.as_str()).map_err(|error| error.to_string())?;
                let mut config = ClientConfig::new(&name, http::Base::Url(String::new()));
                config.auth = auth_of(auth.as_slice());
                config.hosts = Arc::clone(&self.hosts);
                let open = move |secrets, policy| mcp::Server::at(&url, config.clone(), secrets, policy);
                self.connected(connection, needed, bounds, open)?
            }
            None => {
                let ground = self.shared.get(&name);
                let folder = ground.map_or(&self.surroundings.folder, |ground| &ground.folder).clone();
                let policy = ground.map_or(&self.surroundings.policy, |ground| &ground.policy);
                // What can't be started shows now, and what is not granted.
                match mcp::Server::program(&name, argv, &folder, policy) {
                    Ok(server) => Connected::shared(&name, server),
                    Err(ProgramError::Denied(denied)) => return Err(denied.into()),
                    Err(error) => return Err(error.to_string().into()),
                }
            }
        };
        self.servers.insert(name, connected.clone());
        Ok(connected)
    }

    /// Whose file of descriptors, if it has one, is read by `read`.
    pub fn grpc(
        &mut self,
        name: Option<&str>,
        read: impl FnOnce(Option<&SharedGround>, &str) -> Result<DescriptorPool, String>,
    ) -> Result<Connected<grpc::Client>, Fault> {
        let connection = self.declared(name)?;
        if let Some(known) = self.grpc.get(connection.name.as_str()) {
            return Ok(known.clone());
        }
        let name = connection.name.to_string();
        let Some(ConnectionKind::Grpc(server)) = &connection.kind else {
            return Err(format!("the connection `{name}` is no gRPC server").into());
        };
        if matches!(server.auth, Some(OutboundAuth::Query(_))) {
            return Err(
                format!("the connection `{name}` has `auth` in a query, and gRPC has none: use `header`").into()
            );
        }
        let mut config = client_config(&name, server.url.as_ref(), server.env_var.as_ref(), server.auth.as_slice())?;
        config.hosts = Arc::clone(&self.hosts);
        config.allow_private_network = server.allow_private_network;
        let ground = self.shared.get(name.as_str());
        let descriptors = server.descriptors.as_deref().map(|file| read(ground, file)).transpose()?;
        let open = move |secrets, policy| grpc::Client::new(config.clone(), descriptors.clone(), secrets, policy);
        let needed = secrets_of(server.env_var.as_ref(), server.auth.as_slice());
        let client = self.connected(connection, needed, clients(), open)?;
        self.grpc.insert(name, client.clone());
        Ok(client)
    }

    /// One connection for all, with the owner's secrets, or one for each caller, with the caller's.
    fn connected<T: Send + Sync + 'static>(
        &self,
        connection: &Connection,
        needed: Vec<String>,
        bounds: Bounds,
        open: impl Fn(Arc<dyn Secrets>, Arc<Policy>) -> Result<T, Denied> + Send + Sync + 'static,
    ) -> Result<Connected<T>, Denied> {
        let name = connection.name.as_str();
        let (secrets, policy) = match self.shared.get(name) {
            Some(ground) => (Arc::clone(&ground.secrets), Arc::new(ground.policy.clone())),
            None => (Arc::clone(&self.surroundings.secrets), Arc::clone(&self.policy)),
        };
        match connection.per {
            None => Ok(Connected::shared(name, open(secrets, policy)?)),
            Some(per) => {
                Connected::each(name, per, secrets, needed, bounds, move |secrets| open(secrets, Arc::clone(&policy)))
            }
        }
    }

    fn declared(&self, name: Option<&str>) -> Result<&'a Connection, String> {
        let name = name.ok_or("no connection is named")?;
        let found = self.spec.connections.iter().find(|connection| connection.name.as_str() == name);
        found.ok_or_else(|| format!("there is no connection `{name}`"))
    }

    fn server(&self, name: &str, backend: Backend, server: &SqlServer) -> DatabaseConfig {
        let source = match (&server.env_var, &server.url) {
            (Some(variable), _) => Source::Secret(variable.to_string()),
            (None, Some(url)) => Source::Url(url.as_str().to_owned()),
            (None, None) => Source::Url(String::new()),
        };
        DatabaseConfig {
            pool: pool(&server.pool),
            read_only: server.read_only,
            schema: server.schema.clone(),
            ..DatabaseConfig::new(name, backend, source)
        }
    }

    fn file(&self, name: &str, file: &Sqlite) -> Result<DatabaseConfig, String> {
        let folder = self.shared.get(name).map_or(&self.surroundings.folder, |ground| &ground.folder);
        let source = match (&self.surroundings.fresh_seeds, &file.seed, &file.path, &file.env_var) {
            (Some(fresh), Some(_), _, _) => Source::Path(fresh.join(format!("{name}.db"))),
            (_, _, Some(path), _) => Source::Path(folder.join(PathBuf::from(path))),
            (_, _, None, Some(variable)) => Source::Secret(variable.to_string()),
            (_, _, None, None) => return Err(format!("the connection `{name}` has neither `path` nor `envVar`")),
        };
        Ok(DatabaseConfig {
            read_only: file.read_only,
            seed: file.seed.as_ref().map(|seed| Seed::File(folder.join(seed))),
            ..DatabaseConfig::new(name, Backend::Sqlite, source)
        })
    }
}

/// How many clients of an upstream are kept, where each caller has one.
fn clients() -> Bounds {
    let PoolConfig { idle_timeout, acquire_timeout, .. } = PoolConfig::default();
    Bounds { most: MOST_CLIENTS, idle: idle_timeout, wait: acquire_timeout }
}

fn pool(pool: &Pool) -> PoolConfig {
    PoolConfig {
        max: pool.max.get() as usize,
        acquire_timeout: pool.acquire_timeout.get(),
        idle_timeout: pool.idle_timeout.get(),
    }
}

/// The names of all secrets that requests to a server need.
fn secrets_of(url: Option<&Variable>, auths: &[OutboundAuth]) -> Vec<String> {
    let auths = auths.iter().flat_map(|auth| match auth {
        OutboundAuth::Principal(_) => Vec::new(),
        OutboundAuth::Bearer(auth) => vec![&auth.env_var],
        OutboundAuth::Basic(auth) => vec![&auth.user_env_var, &auth.password_env_var],
        OutboundAuth::Header(auth) => vec![&auth.env_var],
        OutboundAuth::Query(auth) => vec![&auth.env_var],
        OutboundAuth::Cookie(auth) => vec![&auth.env_var],
        OutboundAuth::Oauth2ClientCredentials(auth) => vec![&auth.client_id_env_var, &auth.client_secret_env_var],
    });
    url.into_iter().chain(auths).map(ToString::to_string).collect()
}

/// A server that is asked over HTTP, whatever it speaks.
fn client_config(
    name: &str,
    url: Option<&Url>,
    variable: Option<&Variable>,
    auths: &[OutboundAuth],
) -> Result<ClientConfig, String> {
    let base = match (variable, url) {
        (Some(variable), _) => http::Base::Secret(variable.to_string()),
        (None, Some(url)) => http::Base::Url(url.as_str().to_owned()),
        (None, None) => return Err(format!("the connection `{name}` has neither `url` nor `envVar`")),
    };
    let mut config = ClientConfig::new(name, base);
    config.auth = auth_of(auths);
    Ok(config)
}

fn auth_of(auths: &[OutboundAuth]) -> http::Auth {
    let [auth] = auths else {
        return match auths {
            [] => http::Auth::None,
            several => http::Auth::Several(several.iter().map(|one| auth_of(std::slice::from_ref(one))).collect()),
        };
    };
    match auth {
        OutboundAuth::Bearer(auth) => http::Auth::Bearer { secret: auth.env_var.to_string() },
        OutboundAuth::Basic(auth) => http::Auth::Basic {
            user_secret: auth.user_env_var.to_string(),
            password_secret: auth.password_env_var.to_string(),
        },
        OutboundAuth::Header(auth) => {
            http::Auth::Header { name: auth.name.to_string(), secret: auth.env_var.to_string() }
        }
        OutboundAuth::Query(auth) => http::Auth::Query { name: auth.name.clone(), secret: auth.env_var.to_string() },
        OutboundAuth::Cookie(auth) => {
            http::Auth::Cookie { name: auth.name.to_string(), secret: auth.env_var.to_string() }
        }
        OutboundAuth::Oauth2ClientCredentials(auth) => http::Auth::ClientCredentials(http::ClientCredentials {
            token_url: auth.token_url.as_str().to_owned(),
            id_secret: auth.client_id_env_var.to_string(),
            secret_secret: auth.client_secret_env_var.to_string(),
            scopes: auth.scopes.clone(),
        }),
        // `support` has refused the caller's own.
        OutboundAuth::Principal(_) => http::Auth::None,
    }
}
