//! Opens connections to PostgreSQL, and tells what went wrong without the URL.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio_postgres::{
    Client, Config,
    config::{Host, SslMode},
    error::SqlState,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    super::{
        Class, DatabaseConfig, Error, pool,
        source::{self, configuration},
    },
    Prepared,
};
use crate::{Policy, Secrets, address, tls};

#[derive(Debug)]
pub struct Connector {
    pub config: Arc<DatabaseConfig>,
    pub secrets: Arc<dyn Secrets>,
    pub policy: Arc<Policy>,
}

pub struct Connection {
    pub client: Client,
    pub prepared: HashMap<Arc<str>, Arc<Prepared>>,
    /// Sets what a call says of its caller, and asks what is set.
    pub settings: Option<Settings>,
    pub tls: MakeRustlsConnect,
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub set: tokio_postgres::Statement,
    pub ask: tokio_postgres::Statement,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl pool::Connector for Connector {
    type Connection = Connection;

    async fn connect(&self) -> Result<Connection, Error> {
        let (mut config, tls) = self.parse()?;
        config.application_name("mcp-factory").connect_timeout(self.config.pool.acquire_timeout);
        let place = place(&config);
        self.pin(&mut config, &place).await?;
        let unavailable = |error: &tokio_postgres::Error| connect_error(&self.config.name, &place, error);
        let (client, connection) = config.connect(tls.clone()).await.map_err(|error| unavailable(&error))?;
        // Ends with the client. What it has to say, the statements say too.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        if let Some(setup) = self.setup() {
            client.batch_execute(&setup).await.map_err(|error| unavailable(&error))?;
        }
        Ok(Connection { client, prepared: HashMap::new(), settings: None, tls })
    }

    async fn answers(&self, connection: &mut Connection, _idle: Duration) -> bool {
        !connection.client.is_closed()
    }
}

impl Connector {
    fn parse(&self) -> Result<(Config, MakeRustlsConnect), Error> {
        let url = self.config.source.url(&*self.secrets)?;
        let invalid = || configuration(format!("`{}` has a URL that is none of PostgreSQL", self.config.name));
        let url = url.expose();
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(invalid());
        }
        let (url, options) = source::take_options(url, &["sslmode", "sslrootcert"]);
        let mode = options[0].as_deref().unwrap_or("prefer");
        let mut config: Config = url.expose().parse().map_err(|_| invalid())?;
        config.ssl_mode(match mode {
            "disable" => SslMode::Disable,
            "allow" | "prefer" => SslMode::Prefer,
            "require" | "verify-ca" | "verify-full" => SslMode::Require,
            _ => return Err(configuration(format!("`{}` has an unknown `sslmode` in its URL", self.config.name))),
        });
        // As with libpq, `prefer` hides what is sent from those who only listen; the others prove who answers.
        let tls = match (mode, &options[1]) {
            ("allow" | "prefer", None) => tls::unverified(),
            (_, None) => tls::verified(),
            (_, Some(path)) => tls::verified_by(path, &self.policy).map_err(|error| match error {
                tls::RootsError::Denied(denied) => denied.into(),
                error => configuration(error.to_string()),
            })?,
        };
        Ok((config, MakeRustlsConnect::new((*tls).clone())))
    }

    /// Without the grant for private networks: resolves here, and connects to what was checked.
    async fn pin(&self, config: &mut Config, place: &str) -> Result<(), Error> {
        if self.policy.grants(&crate::Grant::PrivateNetworks) {
            return Ok(());
        }
        if !config.get_hostaddrs().is_empty() {
            for address in config.get_hostaddrs() {
                address::check(*address, &self.policy)?;
            }
            return Ok(());
        }
        let ports = config.get_ports().to_vec();
        let mut pinned = Config::new();
        for (index, host) in config.get_hosts().to_vec().into_iter().enumerate() {
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            let Host::Tcp(host) = host else {
                return Err(crate::Denied { grant: crate::Grant::PrivateNetworks }.into());
            };
            let found = tokio::net::lookup_host((host.as_str(), port)).await.map_err(|_| {
                Error::new(Class::Unavailable, format!("`{}` at {place}: the name can't be resolved", self.config.name))
            })?;
            let mut first = None;
            for found in found {
                address::check(found.ip(), &self.policy)?;
                first.get_or_insert(found.ip());
            }
            if let Some(first) = first {
                pinned.hostaddr(first);
            }
        }
        for address in pinned.get_hostaddrs() {
            config.hostaddr(*address);
        }
        Ok(())
    }

    /// What a call may have left is gone behind it; what is prepared stays.
    pub fn reset(&self) -> String {
        let mut reset = String::from(
            "CLOSE ALL; RESET SESSION AUTHORIZATION; RESET ALL; UNLISTEN *; \
             SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES;",
        );
        reset.push_str(&self.setup().unwrap_or_default());
        reset
    }

    fn setup(&self) -> Option<String> {
        let mut setup = String::new();
        if self.config.read_only {
            setup.push_str("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;");
        }
        if let Some(schema) = &self.config.schema {
            setup.push_str("SET search_path TO \"");
            setup.push_str(&schema.replace('"', "\"\""));
            setup.push_str("\";");
        }
        (!setup.is_empty()).then_some(setup)
    }
}

/// `db.example.com:5432/shop`
fn place(config: &Config) -> String {
    let ports = config.get_ports();
    let mut place = String::new();
    for (index, host) in config.get_hosts().iter().enumerate() {
        if index > 0 {
            place.push(',');
        }
        match host {
            Host::Tcp(host) => place.push_str(host),
            Host::Unix(path) => place.push_str(&path.display().to_string()),
        }
        place.push_str(&format!(":{}", ports.get(index).or(ports.first()).copied().unwrap_or(5432)));
    }
    if let Some(database) = config.get_dbname() {
        place.push('/');
        place.push_str(database);
    }
    place
}

fn connect_error(name: &str, place: &str, error: &tokio_postgres::Error) -> Error {
    if let Some(db) = error.as_db_error() {
        let class = match db.code() {
            &SqlState::INVALID_PASSWORD
            | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION
            | &SqlState::INVALID_CATALOG_NAME => Class::Configuration,
            _ => Class::Unavailable,
        };
        let message = format!("`{name}` at {place} refused the connection: {}", db.message());
        return Error::new(class, message).with_code(db.code().code());
    }
    let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), |source| source.to_string());
    Error::new(Class::Unavailable, format!("`{name}` at {place} can't be reached: {cause}"))
}
