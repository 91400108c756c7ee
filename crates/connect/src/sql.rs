//! One façade over PostgreSQL, MySQL and SQLite. A statement is prepared once per connection, its arguments are bound, and
//! every row goes straight from the driver's bytes into the caller's [`RowSink`]: there is no value tree in between.
//!
//! Dropping the future of [`Database::run`], or its timeout, reaches the database. Several statements in one text are
//! refused everywhere.

mod calendar;
mod error;
mod mysql;
mod pool;
mod postgres;
mod row;
mod server;
mod source;
mod sqlite;
mod statement;
mod table;

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde_json::Value;

pub use error::{Class, Error};
pub use row::{Cell, Column, Columns, RowSink};
pub use statement::{Access, Hint, Parameter, Statement};

use crate::{Denied, Grant, Policy, Secrets};

/// A connection of a spec. Opened by the first call that needs it, shared by all.
#[derive(Debug)]
pub struct Database {
    config: Arc<DatabaseConfig>,
    driver: Driver,
}

#[derive(Debug)]
enum Driver {
    Postgres(server::Server<postgres::Connector>),
    Mysql(server::Server<mysql::Connector>),
    Sqlite(sqlite::Sqlite),
}

#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// The connection's name in the spec, for messages.
    pub name: String,
    pub backend: Backend,
    pub source: Source,
    pub pool: PoolConfig,
    /// Enforced by the database's session, whatever a statement says of itself.
    pub read_only: bool,
    /// The schema that unqualified names mean (`search_path` of PostgreSQL, `USE` of MySQL).
    pub schema: Option<String>,
    /// SQL that is run once, when a sqlite file is made.
    pub seed: Option<Seed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Postgres,
    Mysql,
    Sqlite,
}

#[derive(Debug, Clone)]
pub enum Source {
    /// A URL that holds no secret.
    Url(String),
    /// The name of a secret that holds the URL (or for sqlite the path).
    Secret(String),
    /// A sqlite file, relative paths already resolved against the spec's folder.
    Path(PathBuf),
    /// A sqlite database in memory, shared by the connections of one [`Database`] and gone with it.
    Memory,
}

#[derive(Debug, Clone, Copy)]
pub struct PoolConfig {
    pub max: usize,
    pub acquire_timeout: Duration,
    pub idle_timeout: Duration,
}

#[derive(Debug, Clone)]
pub enum Seed {
    Text(String),
    File(PathBuf),
}

/// What differs from call to call.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// For everything: waiting for a connection, connecting, running, reading rows.
    pub timeout: Duration,
    /// What the statement can ask who it is run for, and row security with it: settings of the call's transaction in
    /// PostgreSQL (`app.user`), variables of the session in MySQL (``@`app.user` ``). A connection of which one call sets them has
    /// to be used by calls that set the same ones.
    pub session: Vec<(String, String)>,
}

/// What a statement did, beside its rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Rows changed by INSERT, UPDATE and DELETE; for other statements 0.
    pub rows_affected: u64,
    /// The statement returns rows (perhaps none of them).
    pub has_rows: bool,
    /// The sink broke off before the last row.
    pub stopped: bool,
}

impl Database {
    /// Checks the configuration against the policy. Does no IO: an unset secret or a server that is down shows in the
    /// first [`run`](Self::run).
    pub fn new(config: DatabaseConfig, secrets: Arc<dyn Secrets>, policy: Arc<Policy>) -> Result<Self, Denied> {
        if let Source::Path(path) = &config.source {
            policy.check(Grant::Path(path.clone()))?;
        }
        let config = Arc::new(config);
        let driver = match config.backend {
            Backend::Sqlite => Driver::Sqlite(sqlite::Sqlite::new(config.clone(), secrets, policy)),
            Backend::Postgres => {
                let connector = postgres::Connector { config: config.clone(), secrets, policy };
                Driver::Postgres(server::Server::new(connector, config.clone()))
            }
            Backend::Mysql => {
                let connector = mysql::Connector::new(config.clone(), secrets, policy);
                Driver::Mysql(server::Server::new(connector, config.clone()))
            }
        };
        Ok(Self { config, driver })
    }

    #[must_use]
    pub fn backend(&self) -> Backend {
        self.config.backend
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Runs one statement with one argument per parameter (`null` is a typed NULL), and gives the sink back. A sink may be
    /// [reset](RowSink::reset) and filled again from the start when a statement is run a second time.
    pub async fn run<S: RowSink>(
        &self,
        statement: &Statement,
        arguments: Vec<Value>,
        sink: S,
        options: &RunOptions,
    ) -> Result<(S, Outcome), Error> {
        match &self.driver {
            Driver::Postgres(postgres) => postgres.run(statement, arguments, sink, options).await,
            Driver::Sqlite(sqlite) => sqlite.run(statement, arguments, sink, options).await,
            Driver::Mysql(mysql) => mysql.run(statement, arguments, sink, options).await,
        }
    }

    /// Opens a connection and asks the database for its version: for health checks and validation.
    pub async fn check(&self, timeout: Duration) -> Result<String, Error> {
        match &self.driver {
            Driver::Postgres(postgres) => postgres.check(timeout).await,
            Driver::Sqlite(sqlite) => sqlite.check(timeout).await,
            Driver::Mysql(mysql) => mysql.check(timeout).await,
        }
    }

    /// Lets no new call in and closes idle connections.
    pub async fn close(&self) {
        match &self.driver {
            Driver::Postgres(postgres) => postgres.close(),
            Driver::Sqlite(sqlite) => sqlite.close(),
            Driver::Mysql(mysql) => mysql.close(),
        }
    }
}

impl DatabaseConfig {
    #[must_use]
    pub fn new(name: impl Into<String>, backend: Backend, source: Source) -> Self {
        Self {
            name: name.into(),
            backend,
            source,
            pool: PoolConfig::default(),
            read_only: false,
            schema: None,
            seed: None,
        }
    }
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self { max: 10, acquire_timeout: Duration::from_secs(5), idle_timeout: Duration::from_mins(10) }
    }
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), session: Vec::new() }
    }
}
