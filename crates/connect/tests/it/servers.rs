//! What holds for every database server: a statement ends with its call, and an outage passes.

use std::{sync::Arc, time::Duration};

use mcp_factory_connect::{
    FixedSecrets, Policy,
    sql::{Backend, Class, Database, DatabaseConfig, RunOptions, Source},
};
use mcp_factory_testing::{Mariadb, Postgres};

use crate::collect::{Collect, execute, open, read, rows, run};

pub enum Server {
    Postgres(Postgres),
    Mariadb(Mariadb),
}

impl Server {
    fn start(backend: Backend) -> Self {
        match backend {
            Backend::Mysql => Self::Mariadb(Mariadb::start()),
            _ => Self::Postgres(Postgres::start()),
        }
    }

    fn backend(&self) -> Backend {
        match self {
            Self::Postgres(_) => Backend::Postgres,
            Self::Mariadb(_) => Backend::Mysql,
        }
    }

    fn config(&self) -> DatabaseConfig {
        let url = match self {
            Self::Postgres(server) => server.url(),
            Self::Mariadb(server) => server.url(),
        };
        DatabaseConfig::new("db", self.backend(), Source::Url(url))
    }

    fn stop(&self) {
        match self {
            Self::Postgres(server) => server.stop(),
            Self::Mariadb(server) => server.stop(),
        }
    }

    fn restart(&self) {
        match self {
            Self::Postgres(server) => server.restart(),
            Self::Mariadb(server) => server.restart(),
        }
    }

    /// The URL with a password in it, where it is, and the password.
    fn secret(&self) -> (String, String, &'static str) {
        match self {
            Self::Postgres(server) => (
                server.url().replace("factory@", "factory:hunter2@"),
                format!("127.0.0.1:{}/postgres", server.port()),
                "hunter2",
            ),
            Self::Mariadb(server) => (server.url(), format!("127.0.0.1:{}/factory", server.port()), "sesame"),
        }
    }
}

/// A statement that takes ten minutes.
pub fn sleep(backend: Backend) -> &'static str {
    if backend == Backend::Mysql { "SELECT SLEEP(600)" } else { "SELECT pg_sleep(600)" }
}

/// Waits until no session sleeps.
pub async fn quiet(observer: &Database) {
    let sleeping = match observer.backend() {
        Backend::Mysql => "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'",
        _ => "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'",
    };
    while rows(observer, sleeping).await != [["I64(0)"]] {
        tokio::task::yield_now().await;
    }
}

async fn calls_end(server: Server) {
    let observer = open(server.config());
    let mut small = server.config();
    small.pool.max = 1;
    small.pool.acquire_timeout = Duration::from_millis(500);
    let database = Arc::new(open(small));
    let sleep = read(sleep(server.backend()), &[]);

    let options = RunOptions { timeout: Duration::from_millis(300), ..RunOptions::default() };
    let error = database.run(&sleep, vec![], Collect::default(), &options).await.unwrap_err();
    assert_eq!((error.class(), error.message()), (Class::Timeout, "the statement was stopped after 300ms"));
    quiet(&observer).await;

    let call = run(&database, &sleep, vec![]);
    assert!(tokio::time::timeout(Duration::from_millis(300), call).await.is_err());
    quiet(&observer).await;
    assert_eq!(rows(&database, "SELECT 1").await, [["I64(1)"]]);

    let holder = tokio::spawn({
        let (database, sleep) = (database.clone(), sleep.clone());
        async move { run(&database, &sleep, vec![]).await.map(|_| ()) }
    });
    tokio::task::yield_now().await;
    let error = run(&database, &read("SELECT 1", &[]), vec![]).await.unwrap_err();
    assert_eq!(error.class(), Class::Busy);
    assert_eq!(error.message(), "the one connection of `db` stayed in use for 500ms; try again later");
    holder.abort();
}

async fn outages_pass(server: Server, product: &str) {
    let (url, place, password) = server.secret();
    let secrets: FixedSecrets = [("DATABASE_URL", url)].into_iter().collect();
    let config = DatabaseConfig::new("shop", server.backend(), Source::Secret("DATABASE_URL".into()));
    let database = Database::new(config, Arc::new(secrets), Arc::new(Policy::operator())).unwrap();
    let version = database.check(Duration::from_secs(5)).await.unwrap();
    assert!(version.starts_with(product), "{version}");
    assert_eq!(rows(&database, "SELECT 1").await, [["I64(1)"]]);
    server.stop();
    for _ in 0..2 {
        let error = run(&database, &read("SELECT 1", &[]), vec![]).await.unwrap_err();
        assert_eq!(error.class(), Class::Unavailable);
        assert!(!error.to_string().contains(password), "{error}");
        assert!(error.message().starts_with(&format!("`shop` at {place} can't be reached")), "{error}");
    }
    server.restart();
    assert_eq!(rows(&database, "SELECT 1").await, [["I64(1)"]]);
    // A connection that broke while it lay idle is noticed before a write is sent on it.
    server.stop();
    server.restart();
    execute(&database, "CREATE TABLE back (a INT)").await;
}

#[tokio::test]
async fn timeouts_and_dropped_calls_reach_postgresql() {
    calls_end(Server::start(Backend::Postgres)).await;
}

#[tokio::test]
async fn timeouts_and_dropped_calls_reach_mariadb() {
    calls_end(Server::start(Backend::Mysql)).await;
}

#[tokio::test]
async fn an_outage_is_told_clearly_and_gone_when_postgresql_is_back() {
    outages_pass(Server::start(Backend::Postgres), "PostgreSQL 1").await;
}

#[tokio::test]
async fn an_outage_is_told_clearly_and_gone_when_mariadb_is_back() {
    outages_pass(Server::start(Backend::Mysql), "MariaDB 1").await;
}
