//! Opens connections to MySQL, and tells what went wrong without the URL.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use mysql_async::{Conn, DriverError, Error as Mysql, Opts, OptsBuilder, SslOpts, prelude::Queryable};

use super::{
    super::{
        Class, DatabaseConfig, Error, pool,
        source::{self, configuration},
    },
    server_error,
};
use crate::{Denied, Grant, Policy, Secrets, address, tls};

/// An idle connection is asked whether it is still there when it was idle for longer than this.
const TRUSTED_IDLE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub struct Connector {
    pub config: Arc<DatabaseConfig>,
    secrets: Arc<dyn Secrets>,
    policy: Arc<Policy>,
    /// The server has none, and the URL does not insist on it.
    without_tls: AtomicBool,
}

#[derive(Debug)]
pub struct Connection {
    pub conn: Conn,
    /// The mode that the session is in.
    pub read_only: bool,
    /// To open another one, that kills what this one does.
    pub opts: Opts,
}

impl pool::Connector for Connector {
    type Connection = Connection;

    async fn connect(&self) -> Result<Connection, Error> {
        let (builder, opportunistic) = self.parse()?;
        let opts = Opts::from(builder.clone());
        let place = place(&opts);
        let builder = builder.resolved_ips(self.addresses(&opts, &place).await?);
        let plain = || Opts::from(builder.clone().ssl_opts(None));
        let opts = if opportunistic && self.without_tls.load(Relaxed) { plain() } else { Opts::from(builder.clone()) };
        let (conn, opts) = match Conn::new(opts.clone()).await {
            Ok(conn) => (conn, opts),
            Err(Mysql::Driver(DriverError::NoClientSslFlagFromServer)) if opportunistic => {
                self.without_tls.store(true, Relaxed);
                (Conn::new(plain()).await.map_err(|error| self.unreachable(&place, &error))?, plain())
            }
            Err(error) => return Err(self.unreachable(&place, &error)),
        };
        Ok(Connection { conn, read_only: false, opts })
    }

    async fn answers(&self, connection: &mut Connection, idle: Duration) -> bool {
        if idle < TRUSTED_IDLE {
            return !connection.conn.is_disconnected();
        }
        let ping = tokio::time::timeout(self.config.pool.acquire_timeout, connection.conn.ping());
        matches!(ping.await, Ok(Ok(())))
    }
}

impl Connector {
    pub fn new(config: Arc<DatabaseConfig>, secrets: Arc<dyn Secrets>, policy: Arc<Policy>) -> Self {
        tls::install_provider();
        Self { config, secrets, policy, without_tls: AtomicBool::new(false) }
    }

    /// The second value tells whether to do without TLS where the server has none.
    fn parse(&self) -> Result<(OptsBuilder, bool), Error> {
        let url = self.config.source.url(&*self.secrets)?;
        let (url, options) = source::take_options(url.expose(), &["ssl-mode", "sslmode", "ssl-ca"]);
        // MariaDB's own scheme means the same.
        let text = url.expose().replacen("mariadb://", "mysql://", 1);
        let invalid = || configuration(format!("`{}` has a URL that is none of MySQL", self.config.name));
        let opts = Opts::from_url(&text).map_err(|_| invalid())?;
        let mode = options[0].as_ref().or(options[1].as_ref()).map_or("preferred", String::as_str);
        let mode = mode.to_ascii_lowercase().replace('-', "_");
        let ssl = match mode.as_str() {
            "disabled" | "disable" => None,
            "preferred" | "prefer" if options[2].is_none() => {
                Some(SslOpts::default().with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true))
            }
            "preferred" | "prefer" | "required" | "require" | "verify_ca" | "verify_identity" => {
                Some(SslOpts::default())
            }
            _ => return Err(configuration(format!("`{}` has an unknown `ssl-mode` in its URL", self.config.name))),
        };
        let ssl = match (ssl, &options[2]) {
            (Some(ssl), Some(path)) => {
                self.policy.check(Grant::Path(path.into()))?;
                Some(ssl.with_root_certs(vec![PathBuf::from(path).into()]).with_disable_built_in_roots(true))
            }
            (ssl, _) => ssl,
        };
        let opportunistic = matches!(mode.as_str(), "preferred" | "prefer");
        let database = self.config.schema.clone().or_else(|| opts.db_name().map(str::to_owned));
        let builder = OptsBuilder::from_opts(opts)
            .db_name(database)
            .prefer_socket(false)
            .ssl_opts(ssl)
            .stmt_cache_size(256)
            .client_found_rows(true)
            .connect_attribute("program_name", "mcp-factory")
            .init(vec!["SET time_zone = '+00:00'"]);
        Ok((builder, opportunistic))
    }

    /// Without the grant for private networks: resolves here, and connects to what was checked.
    async fn addresses(&self, opts: &Opts, place: &str) -> Result<Option<Vec<std::net::IpAddr>>, Error> {
        if self.policy.grants(&Grant::PrivateNetworks) {
            return Ok(None);
        }
        if opts.socket().is_some() {
            return Err(Denied { grant: Grant::PrivateNetworks }.into());
        }
        let host = opts.ip_or_hostname().trim_start_matches('[').trim_end_matches(']');
        let found = tokio::net::lookup_host((host, opts.tcp_port())).await.map_err(|_| {
            Error::new(Class::Unavailable, format!("`{}` at {place}: the name can't be resolved", self.config.name))
        })?;
        let found: Vec<_> = found.map(|address| address.ip()).collect();
        for address in &found {
            address::check(*address, &self.policy)?;
        }
        Ok(Some(found))
    }

    fn unreachable(&self, place: &str, error: &Mysql) -> Error {
        let name = &self.config.name;
        if let Mysql::Server(error) = error {
            let mapped = server_error(error);
            let class = if mapped.class() == Class::Configuration { Class::Configuration } else { Class::Unavailable };
            let message = format!("`{name}` at {place} refused the connection: {}", error.message);
            return Error::new(class, message).with_code(error.state.clone());
        }
        let cause = std::iter::successors(std::error::Error::source(error), |cause| cause.source()).last();
        let cause = cause.map_or_else(|| error.to_string(), ToString::to_string);
        Error::new(Class::Unavailable, format!("`{name}` at {place} can't be reached: {cause}"))
    }
}

/// `db.example.com:3306/shop`
fn place(opts: &Opts) -> String {
    let database = opts.db_name().map_or_else(String::new, |name| format!("/{name}"));
    match opts.socket() {
        Some(socket) => format!("{socket}{database}"),
        None => format!("{}:{}{database}", opts.ip_or_hostname(), opts.tcp_port()),
    }
}
