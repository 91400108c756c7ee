//! Where tasks are kept: one SQLite file, that several processes share, or memory where there is no place for a file.
//!
//! Who runs a task holds a lock on a file of its own while it lives, so that others can tell a task that still runs from one
//! whose process was killed. All calls block; nothing here knows of the runtime.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// Whose task it is. Part of every question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub server: String,
    pub principal: String,
    /// Empty for none.
    pub tenant: String,
}

/// What a task came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An answer of the tool, also one that is an error, in the form of [`super::kept`].
    Completed(String),
    /// The message of a failure that no tool answered.
    Failed(String),
    Cancelled,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub tool: String,
    /// `None` while it runs.
    pub outcome: Option<Outcome>,
    /// As in RFC 3339.
    pub created: String,
    pub updated: String,
    pub ttl: Duration,
    /// It runs in this process, or did when it was killed.
    pub ours: bool,
}

/// What is kept at most.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub of_owner: u32,
    pub running_of_owner: u32,
    pub running: u32,
    pub in_all: u32,
    pub bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { of_owner: 256, running_of_owner: 16, running: 100, in_all: 10_000, bytes: 1 << 30 }
    }
}

/// What a caller is told when its task is lost.
pub const STOPPED: &str = "the server was stopped while it ran";

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("tasks can't be kept in `{}`", .path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("the store of tasks failed")]
    Sql(#[from] rusqlite::Error),
    #[error("the store of tasks was made by a newer version of this program")]
    Newer,
}

#[derive(Debug)]
pub struct Store {
    connection: Mutex<Connection>,
    /// Names this process among those that share the file.
    runner: String,
    folder: Option<PathBuf>,
    bounds: Bounds,
    /// Held until the process ends, however it does.
    _alive: Option<File>,
}

const SCHEMA: &str = "
    CREATE TABLE tasks (
        id TEXT PRIMARY KEY,
        server TEXT NOT NULL,
        principal TEXT NOT NULL,
        tenant TEXT NOT NULL,
        tool TEXT NOT NULL,
        runner TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('working', 'completed', 'failed', 'cancelled')),
        created INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        expires INTEGER NOT NULL,
        bytes INTEGER NOT NULL DEFAULT 0,
        outcome TEXT
    ) STRICT;
    CREATE INDEX tasks_of_owner ON tasks (server, principal, tenant, status);
    CREATE INDEX tasks_to_sweep ON tasks (expires);
    CREATE INDEX tasks_in_all ON tasks (status, runner, bytes);
    PRAGMA user_version = 1;";
const VERSION: i64 = 1;

impl Store {
    /// `None` keeps tasks as long as the process.
    pub fn open(folder: Option<&Path>, runner: String, bounds: Bounds) -> Result<Self, StoreError> {
        let Some(folder) = folder else {
            let connection = Connection::open_in_memory()?;
            connection.execute_batch(SCHEMA)?;
            return Ok(Self { connection: Mutex::new(connection), runner, folder: None, bounds, _alive: None });
        };
        let failed = |source| StoreError::Folder { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let private = |path: &Path| OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        let alive = private(&lock_file(folder, &runner)).and_then(|file| file.lock().map(|()| file)).map_err(failed)?;
        let file = folder.join("tasks.db");
        private(&file).map_err(failed)?;
        let mut connection = Connection::open(&file)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        // Synced with every commit: a task that was promised is there after a power failure too.
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
        let making = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        match making.query_row("PRAGMA user_version", [], |row| row.get(0))? {
            0 => making.execute_batch(SCHEMA)?,
            VERSION => {}
            _ => return Err(StoreError::Newer),
        }
        making.commit()?;
        let (connection, folder) = (Mutex::new(connection), Some(folder.to_owned()));
        let store = Self { connection, runner, folder, bounds, _alive: Some(alive) };
        store.bury(now())?;
        Ok(store)
    }

    /// Begins to keep a task; `false` if there are as many as may be.
    pub fn insert(&self, id: &str, owner: &Owner, tool: &str, ttl: Duration) -> Result<bool, StoreError> {
        let now = now();
        self.sweep_at(now)?;
        if !self.has_room(owner)? {
            // Those that were killed count no longer.
            self.bury(now)?;
            if !self.has_room(owner)? {
                return Ok(false);
            }
        }
        let ttl = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX / 2);
        let Owner { server, principal, tenant } = owner;
        self.lock().execute(
            "INSERT INTO tasks (id, server, principal, tenant, tool, runner, status, created, updated, expires)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'working', ?7, ?7, ?8)",
            params![id, server, principal, tenant, tool, self.runner, now, now.saturating_add(ttl)],
        )?;
        Ok(true)
    }

    /// The task, unless it is somebody else's, expired, or never was.
    pub fn find(&self, id: &str, owner: &Owner) -> Result<Option<Kept>, StoreError> {
        let found = self.read(id, owner)?;
        let Some((kept, runner)) = found else { return Ok(None) };
        if kept.outcome.is_none() && runner != self.runner && !self.lives(&runner) {
            self.bury(now())?;
            return Ok(self.read(id, owner)?.map(|(kept, _)| kept));
        }
        Ok(Some(kept))
    }

    fn read(&self, id: &str, owner: &Owner) -> Result<Option<(Kept, String)>, StoreError> {
        let Owner { server, principal, tenant } = owner;
        let kept = |row: &Row<'_>| {
            let runner: String = row.get(0)?;
            let text: Option<String> = row.get(6)?;
            let outcome = match row.get_ref(2)?.as_str()? {
                "completed" => Some(Outcome::Completed(text.unwrap_or_default())),
                "failed" => Some(Outcome::Failed(text.unwrap_or_default())),
                "cancelled" => Some(Outcome::Cancelled),
                _ => None,
            };
            let ttl = u64::try_from(row.get::<_, i64>(5)?).unwrap_or_default();
            let kept = Kept {
                tool: row.get(1)?,
                outcome,
                created: row.get(3)?,
                updated: row.get(4)?,
                ttl: Duration::from_millis(ttl),
                ours: runner == self.runner,
            };
            Ok((kept, runner))
        };
        let query = "SELECT runner, tool, status,
                 strftime('%Y-%m-%dT%H:%M:%fZ', created / 1000.0, 'unixepoch'),
                 strftime('%Y-%m-%dT%H:%M:%fZ', updated / 1000.0, 'unixepoch'), expires - created, outcome
             FROM tasks WHERE id = ?1 AND server = ?2 AND principal = ?3 AND tenant = ?4 AND expires > ?5";
        let found = self.lock().query_row(query, params![id, server, principal, tenant, now()], kept).optional()?;
        Ok(found)
    }

    /// Keeps what a running task came to; the first word stands.
    pub fn finish(&self, id: &str, outcome: &Outcome) -> Result<bool, StoreError> {
        let (status, text) = match outcome {
            Outcome::Completed(result) => ("completed", result.as_str()),
            Outcome::Failed(message) => ("failed", message.as_str()),
            Outcome::Cancelled => ("cancelled", ""),
        };
        let changed = self.lock().execute(
            "UPDATE tasks SET status = ?2, outcome = ?3, bytes = ?4, updated = ?5 WHERE id = ?1 AND status = 'working'",
            params![id, status, text, i64::try_from(text.len()).unwrap_or(i64::MAX), now()],
        )?;
        Ok(changed > 0)
    }

    /// Forgets what is over its time.
    pub fn sweep(&self) -> Result<(), StoreError> {
        self.sweep_at(now())
    }

    fn sweep_at(&self, now: i64) -> Result<(), StoreError> {
        self.lock().execute("DELETE FROM tasks WHERE expires <= ?1", [now])?;
        Ok(())
    }

    fn has_room(&self, owner: &Owner) -> Result<bool, StoreError> {
        let connection = self.lock();
        let Owner { server, principal, tenant } = owner;
        let (of_owner, running_of_owner): (u32, u32) = connection.query_row(
            "SELECT count(*), count(*) FILTER (WHERE status = 'working') FROM tasks
             WHERE server = ?1 AND principal = ?2 AND tenant = ?3",
            params![server, principal, tenant],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let (in_all, running, bytes): (u32, u32, i64) = connection.query_row(
            "SELECT count(*), count(*) FILTER (WHERE status = 'working'), coalesce(sum(bytes), 0) FROM tasks",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        let Bounds { of_owner: most_of_owner, .. } = self.bounds;
        Ok(of_owner < most_of_owner
            && running_of_owner < self.bounds.running_of_owner
            && running < self.bounds.running
            && in_all < self.bounds.in_all
            && u64::try_from(bytes).unwrap_or_default() < self.bounds.bytes)
    }

    /// Tasks of processes that are gone have failed.
    fn bury(&self, now: i64) -> Result<(), StoreError> {
        let runners: Vec<String> = self
            .lock()
            .prepare("SELECT DISTINCT runner FROM tasks WHERE status = 'working' AND runner <> ?1")?
            .query_map([&self.runner], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for runner in runners.iter().filter(|runner| !self.lives(runner)) {
            self.lock().execute(
                "UPDATE tasks SET status = 'failed', outcome = ?2, updated = ?3 WHERE runner = ?1 AND status = 'working'",
                params![runner, STOPPED, now],
            )?;
        }
        self.clear_locks();
        Ok(())
    }

    /// Whether another process holds its lock.
    fn lives(&self, runner: &str) -> bool {
        let Some(folder) = &self.folder else { return false };
        match File::open(lock_file(folder, runner)) {
            Ok(file) => matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)),
            Err(_) => false,
        }
    }

    /// The files of processes that are gone.
    fn clear_locks(&self) {
        let Some(entries) = self.folder.as_ref().and_then(|folder| fs::read_dir(folder).ok()) else { return };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let runner = name.strip_prefix("runner-").and_then(|name| name.strip_suffix(".lock"));
            if runner.is_some_and(|runner| runner != self.runner && !self.lives(runner)) {
                // Whoever else clears up at this moment has done it then.
                let _ = fs::remove_file(&path);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _ = fs::remove_file(lock_file(folder, &self.runner));
        }
    }
}

fn lock_file(folder: &Path, runner: &str) -> PathBuf {
    folder.join(format!("runner-{runner}.lock"))
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
