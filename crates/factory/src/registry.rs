//! What is remembered, in SQLite or in PostgreSQL: users, servers and their versions, what is deployed, what was called, who
//! did what. Plain SQL that both take; what differs is in `sqlite` and `postgres`.
//!
//! Every question is asked for an [`Owner`], and its text is looked at for that when it is compiled (`statement`). Work is
//! done in transactions, as if one came after the other: a reader sees one moment, a writer that comes too late begins again.

mod audit;
mod calls;
mod catalogue;
mod clock;
mod connections;
mod deployments;
mod factories;
mod grants;
mod idempotency;
mod imports;
mod keys;
mod migrations;
mod postgres;
mod replicas;
mod secrets;
mod servers;
mod sqlite;
mod statement;
mod test_runs;
mod users;
mod value;
mod versions;

use std::{fmt, path::PathBuf, sync::Arc};

pub use audit::{AuditEntry, Deed};
pub use calls::{Calls, LATENCIES, latency_class};
pub use catalogue::{Listed, Selection, Which};
pub use clock::{Clock, Timestamp};
pub use connections::{MOST as MOST_SHARED, SharedRow};
pub use deployments::Deployment;
pub use factories::Beat;
pub use grants::{GrantRow, MOST as MOST_GRANTS};
pub use idempotency::Answered;
pub use imports::Import;
pub use keys::SealedKey;
pub use postgres::PostgresUrl;
pub use replicas::Replica;
pub use secrets::{MOST as MOST_SECRETS, SealedSecret, SecretInfo};
pub use servers::{Deployed, Filter, Server};
pub use test_runs::TestRun;
pub use users::{Limits, Role, RoleError, User};
pub use versions::{Capabilities, Capability, Dependency, DependencyKind, Indexed, NewVersion, VersionInfo};

use crate::{Operator, Owner};
use statement::{OfAll, OfOwner};
use value::{Column, Row, Value};

/// Clones share one.
#[derive(Clone)]
pub struct Registry {
    backend: Backend,
    clock: Arc<Clock>,
}

#[derive(Clone)]
enum Backend {
    Sqlite(Arc<sqlite::Sqlite>),
    Postgres(Arc<postgres::Postgres>),
}

/// Where a registry is kept.
#[derive(Debug, Clone)]
pub enum Place {
    /// A file, made if there is none. Its folder is made too; nobody else may look into either.
    File(PathBuf),
    Postgres(PostgresUrl),
}

/// All or nothing of what is done in it.
pub struct Transaction<'a> {
    driver: &'a mut dyn Driver,
    clock: &'a Clock,
    /// Somebody else was faster: all of it has to be done again.
    contended: bool,
}

/// One open transaction of a database.
trait Driver {
    fn query(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>, Error>;
    fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, Error>;
}

/// Part of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// Behind this one; empty from the start.
    pub after: String,
    pub limit: u32,
}

/// Entries of a list, and where it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<T> {
    pub entries: Vec<T>,
    pub next: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the registry `{place}` is locked by another program; try again when that is done")]
    Locked { place: String },
    #[error("there is no room left where the registry `{place}` is; nothing was changed")]
    Full { place: String },
    #[error("`{place}` is damaged, or no registry at all; put a copy in its place that was made before")]
    Damaged { place: String },
    #[error(
        "the registry was made by a newer version of this program: its schema is {found}, known are those up to {known}"
    )]
    Newer { found: i64, known: i64 },
    #[error("the registry can't be kept in `{}`", .path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("`{place}` may not be written to")]
    ReadOnly { place: String },
    #[error("the URL of the registry is none of PostgreSQL; write `postgresql://user@host/database`")]
    Url,
    #[error("the certificate authorities in `sslrootcert` can't be read")]
    Authorities,
    #[error("the registry at {place} can't be reached")]
    Unreachable { place: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("too many others change the registry at the same time; try again")]
    Contended,
    #[error("something is stored in the registry that this program did not write")]
    Content,
    #[error("the registry failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How often a writer begins again.
const ATTEMPTS: u32 = 20;

impl Registry {
    /// Makes what is not there yet, and brings what is old up to date.
    pub async fn open(place: Place) -> Result<Self, Error> {
        let backend = match place {
            Place::File(path) => Backend::Sqlite(Arc::new(sqlite::Sqlite::open(path).await?)),
            Place::Postgres(url) => Backend::Postgres(Arc::new(postgres::Postgres::open(url).await?)),
        };
        let registry = Self { backend, clock: Arc::new(Clock::default()) };
        registry.set_clock().await?;
        Ok(registry)
    }

    /// Sees one moment, and changes nothing.
    pub async fn read<T, E>(
        &self,
        work: impl FnMut(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.run(false, work).await
    }

    /// All of it, or nothing if it fails. Goes on when nobody waits for it any more.
    pub async fn write<T, E>(
        &self,
        work: impl FnMut(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.run(true, work).await
    }

    async fn run<T, E>(
        &self,
        writes: bool,
        mut work: impl FnMut(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let clock = Arc::clone(&self.clock);
        let work = move |driver: &mut dyn Driver| {
            let mut transaction = Transaction { driver, clock: &clock, contended: false };
            match work(&mut transaction) {
                _ if transaction.contended => Err(Outcome::Again),
                outcome => outcome.map_err(Outcome::Failed),
            }
        };
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.clone().run(writes, work).await,
            Backend::Postgres(postgres) => postgres.clone().run(writes, work).await,
        }
    }

    /// Whether several factories may use it at once.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.backend, Backend::Postgres(_))
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Time goes on from the last that was written down.
    async fn set_clock(&self) -> Result<(), Error> {
        const LATEST: OfAll = OfAll::new("SELECT coalesce(max(id), '') FROM audit");
        let latest: String = self
            .read(|transaction| {
                let mut rows = transaction.all(LATEST, Operator::acting(), &[])?;
                rows.pop().ok_or(Error::Content)?.take()
            })
            .await?;
        let behind = Clock::time_of(&latest).map(|time| self.clock.seen(Timestamp(time.0 + 1))).unwrap_or_default();
        if behind > std::time::Duration::from_secs(60) {
            tracing::warn!(
                behind_seconds = behind.as_secs(),
                "the machine's clock is behind the registry; times stand still until it has caught up, set it right"
            );
        }
        Ok(())
    }
}

/// Why a transaction is not committed.
enum Outcome<E> {
    Failed(E),
    /// Somebody else was faster.
    Again,
}

impl<E: From<Error>> From<Error> for Outcome<E> {
    fn from(error: Error) -> Self {
        match error {
            Error::Contended => Self::Again,
            error => Self::Failed(error.into()),
        }
    }
}

impl Transaction<'_> {
    /// Now, as long as the transaction lasts or longer.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn id(&self) -> String {
        self.clock.id()
    }

    fn rows(&mut self, statement: OfOwner, owner: &Owner, values: &[Value]) -> Result<Vec<Row>, Error> {
        let rows = self.driver.query(statement.0, with(owner, values));
        self.noticed(rows)
    }

    fn row(&mut self, statement: OfOwner, owner: &Owner, values: &[Value]) -> Result<Option<Row>, Error> {
        Ok(self.rows(statement, owner, values)?.into_iter().next())
    }

    /// Returns how many rows were changed.
    fn execute(&mut self, statement: OfOwner, owner: &Owner, values: &[Value]) -> Result<u64, Error> {
        let changed = self.driver.execute(statement.0, with(owner, values));
        self.noticed(changed)
    }

    fn all(&mut self, statement: OfAll, _: Operator, values: &[Value]) -> Result<Vec<Row>, Error> {
        let rows = self.driver.query(statement.0, values.to_vec());
        self.noticed(rows)
    }

    fn noticed<T>(&mut self, outcome: Result<T, Error>) -> Result<T, Error> {
        self.contended |= matches!(outcome, Err(Error::Contended));
        outcome
    }
}

fn with(owner: &Owner, values: &[Value]) -> Vec<Value> {
    std::iter::once(Value::from(owner)).chain(values.iter().cloned()).collect()
}

impl Page {
    pub const MOST: u32 = 200;

    /// One more than is shown, to see whether there is more.
    fn rows(&self) -> i64 {
        i64::from(self.limit.clamp(1, Self::MOST)) + 1
    }

    /// Where a list goes on that has the newest first. Ids are hexadecimal.
    fn before(&self) -> &str {
        if self.after.is_empty() { "~" } else { &self.after }
    }

    /// Of the rows that were asked for.
    fn cut<T>(&self, mut entries: Vec<T>, place: impl Fn(&T) -> String) -> Paged<T> {
        let limit = self.limit.clamp(1, Self::MOST) as usize;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| more).map(place);
        Paged { entries, next }
    }
}

impl Default for Page {
    fn default() -> Self {
        Self { after: String::new(), limit: 50 }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.place(),
            Backend::Postgres(postgres) => postgres.place(),
        };
        f.debug_struct("Registry").field("place", &place).finish_non_exhaustive()
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("contended", &self.contended).finish_non_exhaustive()
    }
}
