//! The connections of a plan, made when the first tool asks for one and shared by all that do.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use mcp_factory_connect::{
    Policy,
    http::{self, Client, ClientConfig},
    sql::{Backend, Database, DatabaseConfig, PoolConfig, Seed, Source},
};
use mcp_factory_spec::{
    Spec,
    model::{Connection, ConnectionKind, HttpServer, OutboundAuth, Pool, SqlServer, Sqlite},
    sql::Dialect,
};

use super::{Fault, Surroundings};

/// Databases and upstreams by the names of their connections.
#[derive(Debug)]
pub struct Connections<'a> {
    spec: &'a Spec,
    surroundings: &'a Surroundings,
    policy: Arc<Policy>,
    databases: HashMap<String, SqlConnection>,
    clients: HashMap<String, Arc<Client>>,
}

/// A database, and what a plan has to know of it.
#[derive(Debug, Clone)]
pub struct SqlConnection {
    pub database: Arc<Database>,
    pub dialect: Dialect,
    /// The spec made this database, so a test may write to it.
    pub seeded: bool,
}

impl<'a> Connections<'a> {
    pub fn new(spec: &'a Spec, surroundings: &'a Surroundings) -> Self {
        Self {
            spec,
            surroundings,
            policy: Arc::new(surroundings.policy.clone()),
            databases: HashMap::new(),
            clients: HashMap::new(),
        }
    }

    pub fn database(&mut self, name: Option<&str>) -> Result<SqlConnection, Fault> {
        let connection = self.declared(name)?;
        if let Some(known) = self.databases.get(connection.name.as_str()) {
            return Ok(known.clone());
        }
        let name = connection.name.to_string();
        let (config, dialect, seeded) = match &connection.kind {
            Some(ConnectionKind::Postgresql(server)) => {
                (self.server(&name, Backend::Postgres, server), Dialect::Postgres, false)
            }
            Some(ConnectionKind::Mysql(server)) => (self.server(&name, Backend::Mysql, server), Dialect::Mysql, false),
            Some(ConnectionKind::Sqlite(file)) => (self.file(&name, file)?, Dialect::Sqlite, file.seed.is_some()),
            _ => return Err(format!("the connection `{name}` is no SQL database").into()),
        };
        let database = Database::new(config, Arc::clone(&self.surroundings.secrets), Arc::clone(&self.policy))?;
        let connection = SqlConnection { database: Arc::new(database), dialect, seeded };
        self.databases.insert(name, connection.clone());
        Ok(connection)
    }

    pub fn client(&mut self, name: Option<&str>) -> Result<Arc<Client>, Fault> {
        let connection = self.declared(name)?;
        if let Some(known) = self.clients.get(connection.name.as_str()) {
            return Ok(Arc::clone(known));
        }
        let name = connection.name.to_string();
        let Some(ConnectionKind::Http(server)) = &connection.kind else {
            return Err(format!("the connection `{name}` is no HTTP API").into());
        };
        let client =
            Client::new(upstream(&name, server)?, Arc::clone(&self.surroundings.secrets), Arc::clone(&self.policy))?;
        let client = Arc::new(client);
        self.clients.insert(name, Arc::clone(&client));
        Ok(client)
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
        let folder = &self.surroundings.folder;
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

fn pool(pool: &Pool) -> PoolConfig {
    PoolConfig {
        max: pool.max.get() as usize,
        acquire_timeout: pool.acquire_timeout.get(),
        idle_timeout: pool.idle_timeout.get(),
    }
}

fn upstream(name: &str, server: &HttpServer) -> Result<ClientConfig, String> {
    let base = match (&server.env_var, &server.url) {
        (Some(variable), _) => http::Base::Secret(variable.to_string()),
        (None, Some(url)) => http::Base::Url(url.as_str().to_owned()),
        (None, None) => return Err(format!("the connection `{name}` has neither `url` nor `envVar`")),
    };
    let mut config = ClientConfig::new(name, base);
    for (header, value) in &server.headers {
        if value.contains(['{', '}']) {
            return Err(format!("placeholders in the headers of the connection `{name}` can't be filled yet"));
        }
        let header = ::http::HeaderName::try_from(header.as_str()).map_err(|error| error.to_string())?;
        let value = ::http::HeaderValue::try_from(&**value).map_err(|_| format!("`{header}` has no header value"))?;
        config.headers.append(header, value);
    }
    config.auth = match &server.auth {
        Some(OutboundAuth::Bearer(auth)) => http::Auth::Bearer { secret: auth.env_var.to_string() },
        Some(OutboundAuth::Basic(auth)) => http::Auth::Basic {
            user_secret: auth.user_env_var.to_string(),
            password_secret: auth.password_env_var.to_string(),
        },
        Some(OutboundAuth::Header(auth)) => {
            http::Auth::Header { name: auth.name.to_string(), secret: auth.env_var.to_string() }
        }
        Some(OutboundAuth::Query(auth)) => {
            http::Auth::Query { name: auth.name.clone(), secret: auth.env_var.to_string() }
        }
        // `support` has refused the others.
        Some(_) | None => http::Auth::None,
    };
    config.allow_private_network = server.allow_private_network;
    config.allow_hosts.clone_from(&server.allow_hosts);
    config.retries = server.retries.attempts.get();
    if let Some(backoff) = server.retries.backoff {
        config.retry_backoff = (backoff.first.get(), backoff.longest.get());
    }
    Ok(config)
}
