//! A registry in PostgreSQL, which several factories may share. Its tables are in the schema `mcp_factory`.

use std::{
    collections::HashMap,
    error::Error as StdError,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mcp_factory_connect::{Policy, Secret, tls};
use tokio::{runtime::Handle, sync::Semaphore};
use tokio_postgres::{
    Client, Config, NoTls, Statement,
    config::{Host, SslMode},
    error::SqlState,
    types::{FromSql, IsNull, ToSql, Type, private::BytesMut, to_sql_checked},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{ATTEMPTS, Driver, Error, Outcome, migrations, value::Row, value::Value};

/// Where a PostgreSQL is, and who we are there. Shows no password.
#[derive(Clone)]
pub struct PostgresUrl {
    config: Box<Config>,
    tls: Option<Arc<tls::ClientConfig>>,
}

pub struct Postgres {
    url: PostgresUrl,
    idle: Mutex<Vec<Open>>,
    connections: Arc<Semaphore>,
}

struct Open {
    client: Client,
    prepared: HashMap<&'static str, Statement>,
}

/// At once, for one factory.
const CONNECTIONS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(10);
/// Held while tables are made, and by each writer to the end: several factories may begin at once, and write at once.
const LOCK: &str = "SELECT pg_advisory_xact_lock(5571202)";
/// One after another, as SQLite does it, since writers who find out at the end that they disagreed begin again, and may
/// disagree again. Each statement sees what was committed before it, so the writer sees all that others did.
const WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(5571202)";
const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Beyond these nobody waits any longer: for a lock, for an answer.
/// And what was said to be done is there after an outage, whatever the server does for others.
const SETTINGS: &str = "SET search_path TO mcp_factory; SET synchronous_commit = on; SET lock_timeout = '5s'; SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s'";

impl PostgresUrl {
    /// Other machines are reached over TLS, unless `sslmode=disable` says otherwise.
    pub fn parse(url: &Secret) -> Result<Self, Error> {
        let url = url.expose();
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(Error::Url);
        }
        let (url, authorities) = without_authorities(url);
        let url = url.replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require");
        let mut config: Config = url.parse().map_err(|_| Error::Url)?;
        let is_local = |host: &Host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
        };
        let is_local =
            config.get_hosts().iter().all(is_local) && config.get_hostaddrs().iter().all(|ip| ip.is_loopback());
        let tls = match (config.get_ssl_mode(), &authorities) {
            (SslMode::Disable, _) => None,
            (SslMode::Prefer, None) if is_local => None,
            (_, None) => Some(tls::verified()),
            (_, Some(path)) => Some(tls::verified_by(path, &Policy::operator()).map_err(|_| Error::Authorities)?),
        };
        if tls.is_some() {
            config.ssl_mode(SslMode::Require);
        }
        config.application_name("mcp-factory").connect_timeout(PATIENCE);
        Ok(Self { config: Box::new(config), tls })
    }

    /// The tables of tokens are beside ours.
    pub(crate) fn for_tokens(&self) -> (Config, Option<tls::ClientConfig>) {
        let mut config = (*self.config).clone();
        let options = config.get_options().map(|options| format!("{options} ")).unwrap_or_default();
        config.options(format!("{options}-c search_path=mcp_factory"));
        (config, self.tls.as_deref().cloned())
    }

    async fn connect(&self) -> Result<Open, Error> {
        let client = match &self.tls {
            Some(tls) => {
                self.config.connect(MakeRustlsConnect::new((**tls).clone())).await.map(|(client, connection)| {
                    tokio::spawn(connection);
                    client
                })
            }
            None => self.config.connect(NoTls).await.map(|(client, connection)| {
                tokio::spawn(connection);
                client
            }),
        };
        let client = client.map_err(|error| self.told(error))?;
        Ok(Open { client, prepared: HashMap::new() })
    }

    /// `db.example.com/registry`
    fn place(&self) -> String {
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(host) => host.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let hosts: Vec<String> = hosts.collect();
        format!("{}/{}", hosts.join(","), self.config.get_dbname().unwrap_or_default())
    }

    /// What went wrong, in words that help.
    fn told(&self, error: tokio_postgres::Error) -> Error {
        let place = || self.place();
        let Some(code) = error.code() else {
            return match error.is_closed()
                || StdError::source(&error).is_some_and(|source| source.is::<std::io::Error>())
            {
                true => Error::Unreachable { place: place(), source: Box::new(error) },
                false => Error::Failed(Box::new(error)),
            };
        };
        match *code {
            SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => Error::Contended,
            SqlState::LOCK_NOT_AVAILABLE | SqlState::QUERY_CANCELED => Error::Locked { place: place() },
            SqlState::DISK_FULL | SqlState::OUT_OF_MEMORY => Error::Full { place: place() },
            SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => Error::Damaged { place: place() },
            SqlState::READ_ONLY_SQL_TRANSACTION => Error::ReadOnly { place: place() },
            _ if code.code().starts_with("08") || code.code().starts_with("57P") || code.code().starts_with("53") => {
                Error::Unreachable { place: place(), source: Box::new(error) }
            }
            _ => Error::Failed(Box::new(error)),
        }
    }
}

/// `sslrootcert` is not for the driver, but for us.
fn without_authorities(url: &str) -> (String, Option<String>) {
    let Some((base, options)) = url.split_once('?') else { return (url.to_owned(), None) };
    let (ours, others): (Vec<&str>, Vec<&str>) =
        options.split('&').partition(|option| option.starts_with("sslrootcert="));
    let path = ours.first().and_then(|option| option.split_once('=')).map(|(_, path)| path.to_owned());
    (format!("{base}?{}", others.join("&")), path)
}

impl Postgres {
    pub async fn open(url: PostgresUrl) -> Result<Self, Error> {
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        let postgres = Self { url, idle: Mutex::default(), connections };
        let mut open = postgres.url.connect().await?;
        postgres.migrate(&mut open.client).await?;
        open.client.batch_execute(SETTINGS).await.map_err(|error| postgres.url.told(error))?;
        postgres.idle.lock().unwrap_or_else(PoisonError::into_inner).push(open);
        Ok(postgres)
    }

    pub fn place(&self) -> String {
        self.url.place()
    }

    async fn migrate(&self, client: &mut Client) -> Result<(), Error> {
        let failed = |error| self.url.told(error);
        let transaction = client.transaction().await.map_err(failed)?;
        transaction.batch_execute(LOCK).await.map_err(failed)?;
        // Who may not make a schema can be given one.
        let exists = transaction.query_one("SELECT to_regnamespace('mcp_factory') IS NOT NULL", &[]).await;
        if !exists.map_err(failed)?.get::<_, bool>(0) {
            transaction.batch_execute("CREATE SCHEMA mcp_factory").await.map_err(failed)?;
        }
        transaction.batch_execute("SET LOCAL search_path TO mcp_factory").await.map_err(failed)?;
        transaction.batch_execute(migrations::MAKE).await.map_err(failed)?;
        let found = transaction.query_one(migrations::FOUND, &[]).await.map_err(failed)?.get(0);
        for (number, migration) in migrations::missing(found)? {
            // Texts are compared byte by byte, as in SQLite.
            transaction.batch_execute(&migration.replace(" TEXT", " TEXT COLLATE \"C\"")).await.map_err(failed)?;
            transaction.execute(&dollars(migrations::DONE), &[&number]).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    pub async fn run<T, E>(
        self: Arc<Self>,
        writes: bool,
        mut work: impl FnMut(&mut dyn Driver) -> Result<T, Outcome<E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let permit = Arc::clone(&self.connections).acquire_owned().await.expect("it is never closed");
        let runtime = Handle::current();
        // The work is written for both databases, and so it waits on a thread that may.
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            for _ in 0..ATTEMPTS {
                let mut open = self.take(&runtime)?;
                match self.attempt(&runtime, &mut open, writes, &mut work) {
                    Ok(done) => {
                        self.keep(open);
                        return Ok(done);
                    }
                    // Not kept where the rollback failed: it would be in a transaction still.
                    Err(outcome) => {
                        if runtime.block_on(open.client.batch_execute("ROLLBACK")).is_ok() {
                            self.keep(open);
                        }
                        if let Outcome::Failed(error) = outcome {
                            return Err(error);
                        }
                    }
                }
            }
            Err(Error::Contended.into())
        });
        done.await.unwrap_or_else(|panicked| Err(Error::Failed(Box::new(panicked)).into()))
    }

    fn attempt<T, E: From<Error>>(
        &self,
        runtime: &Handle,
        open: &mut Open,
        writes: bool,
        work: &mut impl FnMut(&mut dyn Driver) -> Result<T, Outcome<E>>,
    ) -> Result<T, Outcome<E>> {
        let begin = if writes { WRITE } else { READ };
        runtime.block_on(open.client.batch_execute(begin)).map_err(|error| self.url.told(error))?;
        let done = work(&mut Running { runtime, open, url: &self.url })?;
        runtime.block_on(open.client.batch_execute("COMMIT")).map_err(|error| self.url.told(error))?;
        Ok(done)
    }

    fn take(&self, runtime: &Handle) -> Result<Open, Error> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match idle {
                Some(open) if open.client.is_closed() => {}
                Some(open) => return Ok(open),
                None => {
                    return runtime.block_on(async {
                        let open = self.url.connect().await?;
                        open.client.batch_execute(SETTINGS).await.map_err(|error| self.url.told(error))?;
                        Ok(open)
                    });
                }
            }
        }
    }

    fn keep(&self, open: Open) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(open);
    }
}

struct Running<'a> {
    runtime: &'a Handle,
    open: &'a mut Open,
    url: &'a PostgresUrl,
}

impl Running<'_> {
    fn prepared(&mut self, sql: &'static str) -> Result<Statement, Error> {
        if let Some(known) = self.open.prepared.get(sql) {
            return Ok(known.clone());
        }
        let prepared = self.runtime.block_on(self.open.client.prepare(&dollars(sql)));
        let prepared = prepared.map_err(|error| self.url.told(error))?;
        self.open.prepared.insert(sql, prepared.clone());
        Ok(prepared)
    }
}

impl Driver for Running<'_> {
    fn query(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>, Error> {
        let statement = self.prepared(sql)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        let rows = self.runtime.block_on(self.open.client.query(&statement, &values));
        let rows = rows.map_err(|error| self.url.told(error))?;
        let read = |row: &tokio_postgres::Row| {
            let values = (0..row.len()).map(|column| row.try_get(column));
            Ok(Row::new(values.collect::<Result<_, _>>().map_err(|error| self.url.told(error))?))
        };
        rows.iter().map(read).collect()
    }

    fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, Error> {
        let statement = self.prepared(sql)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        let changed = self.runtime.block_on(self.open.client.execute(&statement, &values));
        changed.map_err(|error| self.url.told(error))
    }
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match (self, ty) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Integer(number), &Type::INT8) => number.to_sql(ty, out),
            (Self::Text(text), _) if <&str as ToSql>::accepts(ty) => text.as_str().to_sql(ty, out),
            _ => Err(format!("{self:?} is no {ty}").into()),
        }
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::INT8 || <&str as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        match *ty {
            Type::INT8 => i64::from_sql(ty, raw).map(Self::Integer),
            _ => String::from_sql(ty, raw).map(Self::Text),
        }
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(ty: &Type) -> bool {
        <Self as ToSql>::accepts(ty)
    }
}

/// PostgreSQL's way to write a parameter.
fn dollars(sql: &str) -> String {
    sql.replace('?', "$")
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({})", self.place())
    }
}
