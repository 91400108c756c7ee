//! A registry in one file. One connection writes; others read beside it.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{
    Connection, ErrorCode, ToSql, TransactionBehavior, ffi::SQLITE_IOERR_SHMSIZE, types::ToSqlOutput, types::ValueRef,
};
use tokio::sync::Semaphore;

use super::{ATTEMPTS, Driver, Error, Outcome, migrations, value::Row, value::Value};

pub struct Sqlite {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    reading: Arc<Semaphore>,
}

/// How long another program may hold the file.
const PATIENCE: Duration = Duration::from_secs(5);
/// At once; a question takes less than a millisecond.
const READERS: usize = 4;

impl Sqlite {
    pub async fn open(path: PathBuf) -> Result<Self, Error> {
        blocking(move || {
            make(&path)?;
            let mut writer = connect(&path)?;
            let failed = |error| told(&path, error);
            // Whatever was said to be done is there after a power failure too.
            writer.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL").map_err(failed)?;
            migrate(&mut writer, &path)?;
            let reading = Arc::new(Semaphore::new(READERS));
            Ok(Self { path, writer: Mutex::new(writer), readers: Mutex::default(), reading })
        })
        .await
    }

    pub fn place(&self) -> String {
        self.path.display().to_string()
    }

    pub async fn run<T, E>(
        self: Arc<Self>,
        writes: bool,
        work: impl FnMut(&mut dyn Driver) -> Result<T, Outcome<E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        if writes {
            return blocking(move || {
                let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
                self.attempt(&mut writer, TransactionBehavior::Immediate, work)
            })
            .await;
        }
        let permit = Arc::clone(&self.reading).acquire_owned().await.expect("it is never closed");
        blocking(move || {
            let _permit = permit;
            let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut reader = idle.map_or_else(|| self.reader(), Ok)?;
            let outcome = self.attempt(&mut reader, TransactionBehavior::Deferred, work);
            self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
            outcome
        })
        .await
    }

    fn reader(&self) -> Result<Connection, Error> {
        let reader = connect(&self.path)?;
        reader.pragma_update(None, "query_only", true).map_err(|error| told(&self.path, error))?;
        Ok(reader)
    }

    fn attempt<T, E: From<Error>>(
        &self,
        connection: &mut Connection,
        behavior: TransactionBehavior,
        mut work: impl FnMut(&mut dyn Driver) -> Result<T, Outcome<E>>,
    ) -> Result<T, E> {
        for _ in 0..ATTEMPTS {
            let transaction =
                connection.transaction_with_behavior(behavior).map_err(|error| told(&self.path, error))?;
            match work(&mut Open { transaction: &transaction, path: &self.path }) {
                Ok(done) => {
                    transaction.commit().map_err(|error| told(&self.path, error))?;
                    return Ok(done);
                }
                Err(Outcome::Failed(error)) => return Err(error),
                Err(Outcome::Again) => {}
            }
        }
        Err(Error::Locked { place: self.place() }.into())
    }
}

struct Open<'a> {
    transaction: &'a rusqlite::Transaction<'a>,
    path: &'a Path,
}

impl Driver for Open<'_> {
    fn query(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>, Error> {
        let rows = || {
            let mut statement = self.transaction.prepare_cached(sql)?;
            let columns = statement.column_count();
            let mut rows = statement.query(rusqlite::params_from_iter(values))?;
            let mut read = Vec::new();
            while let Some(row) = rows.next()? {
                let values = (0..columns).map(|column| value(row.get_ref(column)?));
                read.push(Row::new(values.collect::<Result<_, rusqlite::Error>>()?));
            }
            Ok(read)
        };
        rows().map_err(|error| told(self.path, error))
    }

    fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, Error> {
        let changed = || self.transaction.prepare_cached(sql)?.execute(rusqlite::params_from_iter(values));
        changed().map(|changed| changed as u64).map_err(|error| told(self.path, error))
    }
}

fn value(column: ValueRef<'_>) -> Result<Value, rusqlite::Error> {
    Ok(match column {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        other => Value::Text(other.as_str()?.to_owned()),
    })
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// The file is there before SQLite opens it, for its owner only; what SQLite puts beside it gets the same mode.
fn make(path: &Path) -> Result<(), Error> {
    let failed = |source| Error::Folder { path: path.to_owned(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    match OpenOptions::new().append(true).create(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(_) if fs::metadata(path).is_ok_and(|file| file.permissions().readonly()) => {
            Err(Error::ReadOnly { place: path.display().to_string() })
        }
        Err(source) => Err(failed(source)),
    }
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let opened = || {
        let connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        connection.set_prepared_statement_cache_capacity(64);
        // Small, as there is one for each reader; the file is in the machine's memory anyway.
        connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA cache_size = -256")?;
        Ok(connection)
    };
    opened().map_err(|error| told(path, error))
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    let failed = |error| told(path, error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive).map_err(failed)?;
    transaction.execute_batch(migrations::MAKE).map_err(failed)?;
    let found = transaction.query_row(migrations::FOUND, [], |row| row.get(0)).map_err(failed)?;
    for (number, migration) in migrations::missing(found)? {
        transaction.execute_batch(migration).map_err(failed)?;
        transaction.execute(migrations::DONE, [number]).map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

/// What went wrong, in words that help.
fn told(path: &Path, error: rusqlite::Error) -> Error {
    let place = || path.display().to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Locked { place: place() },
        Some(ErrorCode::DiskFull) => Error::Full { place: place() },
        // Without room for the index of its log it can't even be read.
        _ if error.sqlite_error().is_some_and(|it| it.extended_code == SQLITE_IOERR_SHMSIZE) => {
            Error::Full { place: place() }
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::Damaged { place: place() },
        Some(ErrorCode::ReadOnly) => Error::ReadOnly { place: place() },
        _ => Error::Failed(Box::new(error)),
    }
}

async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(panicked) => Err(Error::Failed(Box::new(panicked)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Backend, Deed, Page, Place, Registry};

    #[tokio::test]
    async fn a_full_disk_is_told_and_nothing_is_half_written() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(Place::File(folder.path().join("registry.db"))).await.unwrap();
        let Backend::Sqlite(sqlite) = &registry.backend else { panic!("another backend") };
        // What SQLite says then is what it says when the disk is full.
        let pages: i64 = {
            let writer = sqlite.writer.lock().unwrap();
            let pages = writer.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
            writer.pragma_update_and_check(None, "max_page_count", pages + 5, |_| Ok(())).unwrap();
            pages
        };
        assert!(pages > 0);
        let local = crate::Owner::local();
        let deeds = move |count: usize| {
            let (local, registry) = (local.clone(), registry.clone());
            let work = move |transaction: &mut crate::registry::Transaction<'_>| {
                for _ in 0..count {
                    let subject = "x".repeat(200);
                    let deed = Deed { actor: &local, token: None, verb: "test", subject: &subject, outcome: "done" };
                    transaction.audit(&local, &deed)?;
                }
                transaction.audited(&local, &Page::default()).map(|paged| paged.entries.len())
            };
            async move { registry.write(work).await }
        };
        assert_eq!(deeds(1).await.unwrap(), 1);
        let error = deeds(1_000).await.unwrap_err();
        assert!(matches!(error, Error::Full { .. }), "{error:?}");
        assert_eq!(deeds(1).await.unwrap(), 2, "what was there is there, and small things go on");
    }
}
