//! SQLite without a queue in front of it.
//!
//! A read is run at once, on the task that asks, under a budget of a millisecond: a lookup by key never leaves its thread. A
//! statement that needs more is interrupted, its sink is reset, and it is run again on a thread of its own; it is
//! remembered and goes there directly until it has been quick for a while. Long reads are bounded in number, never hold a
//! connection that quick ones use, and come after them when cores are scarce. What writes is found out by SQLite itself,
//! has one connection and waits for it in line.

mod execute;
mod hold;
mod open;
#[cfg(test)]
mod tests;
mod threads;
mod watch;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::{
    sync::{OnceCell, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

pub(super) use self::execute::Shape;
use self::{execute::Failure, hold::Letting, open::Session, watch::CancelOnDrop};
use super::{
    Access, Class, DatabaseConfig, Error, Outcome, RowSink, RunOptions, Source, Statement,
    source::{self, Target},
};
use crate::{Policy, Secrets};

/// What a read may take on the thread of its caller.
const INLINE_BUDGET: Duration = Duration::from_millis(1);

/// How much longer than its own timeout a thread is waited for, before it is left to stop by itself.
const GRACE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Sqlite {
    config: Arc<DatabaseConfig>,
    secrets: Arc<dyn Secrets>,
    policy: Arc<Policy>,
    opened: OnceCell<Opened>,
    memory: Target,
}

#[derive(Debug)]
struct Opened {
    inline: Arc<Inline>,
    letting: Letting,
    /// Whoever fills a place has it, so that one connection is opened at a time and the others look again after it.
    filling: Arc<tokio::sync::Mutex<()>>,
    reads: Arc<Lane>,
    writes: Arc<Lane>,
}

/// For reads that are done at once. As many places as there are threads to run them, so that one is always free. The first
/// is filled from the start, another when a read finds those that are filled in use; it stays filled. Most databases of a
/// single caller never need a second one.
type Inline = [Mutex<Option<Session>>];

enum Attempt {
    Ran(Result<Outcome, Failure>),
    /// What is filled is in use; this place is empty.
    Vacant(usize),
}

/// Connections whose statements run on threads of their own.
#[derive(Debug)]
struct Lane {
    target: Target,
    config: Arc<DatabaseConfig>,
    access: Access,
    permits: Arc<Semaphore>,
    /// What they leave empty is filled from here.
    inline: Arc<Inline>,
    idle: Mutex<Vec<Session>>,
}

impl Sqlite {
    pub fn new(config: Arc<DatabaseConfig>, secrets: Arc<dyn Secrets>, policy: Arc<Policy>) -> Self {
        Self { config, secrets, policy, opened: OnceCell::new(), memory: Target::unique_memory() }
    }

    pub async fn run<S: RowSink>(
        &self,
        statement: &Statement,
        arguments: Vec<Value>,
        mut sink: S,
        options: &RunOptions,
    ) -> Result<(S, Outcome), Error> {
        let deadline = Instant::now() + options.timeout;
        if !options.session.is_empty() {
            return Err(Error::new(Class::Configuration, "sqlite has no session settings"));
        }
        let opened = match self.opened.get() {
            Some(opened) => opened,
            None => self.open(deadline, options).await?,
        };
        if statement.0.pace.writes() {
            return opened.writes.run(statement, arguments, sink, deadline, options).await;
        }
        if !statement.0.pace.is_slow() {
            let result = loop {
                match opened.run_inline(&self.config, statement, &arguments, &mut sink) {
                    Attempt::Ran(result) => break result,
                    Attempt::Vacant(place) => opened.fill(place, deadline, options).await?,
                }
            };
            match result {
                Ok(outcome) => return Ok((sink, outcome)),
                Err(Failure::Error(error)) => return Err(error),
                Err(Failure::Writes) => {
                    statement.0.pace.found_to_write();
                    return opened.writes.run(statement, arguments, sink, deadline, options).await;
                }
                Err(Failure::Interrupted) => statement.0.pace.exceeded(),
                Err(Failure::Locked(_)) => {}
            }
            sink.reset();
        }
        opened.reads.run(statement, arguments, sink, deadline, options).await
    }

    pub async fn check(&self, timeout: Duration) -> Result<String, Error> {
        let options = RunOptions { timeout, ..RunOptions::default() };
        self.open(Instant::now() + timeout, &options).await?;
        Ok(format!("SQLite {}", rusqlite::version()))
    }

    pub fn close(&self) {
        if let Some(opened) = self.opened.get() {
            for lane in [&opened.reads, &opened.writes] {
                lane.permits.close();
                lane.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
            }
        }
    }

    async fn open(&self, deadline: Instant, options: &RunOptions) -> Result<&Opened, Error> {
        self.opened
            .get_or_try_init(|| async {
                let target = match &self.config.source {
                    Source::Memory => self.memory.clone(),
                    source => Target::File(self.file(source)?),
                };
                let config = self.config.clone();
                let opening = tokio::task::spawn_blocking(move || Opened::new(&config, target));
                match tokio::time::timeout_at(deadline, opening).await {
                    Ok(opened) => opened.map_err(|_| Error::new(Class::Unavailable, "opening the database failed"))?,
                    Err(_) => Err(Error::timeout(options.timeout)),
                }
            })
            .await
    }

    /// The path is judged as it is written and as what it is: a link inside a granted folder leads nowhere else.
    fn file(&self, source: &Source) -> Result<PathBuf, Error> {
        let check = |path: &PathBuf| self.policy.check(crate::Grant::Path(path.clone()));
        let path = source::sqlite_path(source, &*self.secrets)?;
        check(&path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let real = path.canonicalize().or_else(|_| {
            let name = path.file_name().ok_or(std::io::ErrorKind::InvalidInput)?;
            folder.canonicalize().map(|folder| folder.join(name))
        });
        // Where there is no such folder, opening says so.
        let real = real.unwrap_or(path);
        check(&real)?;
        Ok(real)
    }
}

impl Opened {
    fn new(config: &Arc<DatabaseConfig>, target: Target) -> Result<Self, Error> {
        open::create(config, &target)?;
        let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 16);
        let inline: Arc<Inline> = (0..threads).map(|_| Mutex::default()).collect();
        let lane = |access, permits, inline| Lane {
            target: target.clone(),
            config: config.clone(),
            access,
            permits: Arc::new(Semaphore::new(permits)),
            inline,
            idle: Mutex::default(),
        };
        let writes = lane(Access::Write, 1, Arc::new([]));
        if config.read_only {
            // A database in memory lives as long as a connection to it.
            if config.source.is_memory() {
                writes.put(Session::open(config, &target, Access::Read)?);
            }
        } else {
            writes.put(Session::open(config, &target, Access::Write)?);
        }
        let reads = lane(Access::Read, config.pool.max, inline.clone());
        reads.put(Session::open(config, &target, Access::Read)?);
        Ok(Self {
            inline,
            letting: Letting::default(),
            filling: Arc::default(),
            reads: Arc::new(reads),
            writes: Arc::new(writes),
        })
    }

    /// Takes the connection of this thread, or any that is free, without waiting.
    fn run_inline<S: RowSink>(
        &self,
        config: &DatabaseConfig,
        statement: &Statement,
        arguments: &[Value],
        sink: &mut S,
    ) -> Attempt {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static FIRST: usize = NEXT.fetch_add(1, Ordering::Relaxed);
        }
        let first = FIRST.with(|first| *first);
        let mut vacant = None;
        for offset in 0..self.inline.len() {
            let index = (first + offset) % self.inline.len();
            let mut place = match self.inline[index].try_lock() {
                Ok(place) => place,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => continue,
            };
            let Some(session) = place.as_mut() else {
                vacant.get_or_insert(index);
                continue;
            };
            if session.before_read() {
                self.letting.begin(&self.inline);
            }
            session.watch.begin(INLINE_BUDGET, false);
            let result = execute::execute(session, config, statement, arguments, sink);
            session.after_read();
            return Attempt::Ran(result);
        }
        vacant.map_or_else(
            || Attempt::Ran(Err(Failure::Locked(Error::new(Class::Busy, "every connection is in use")))),
            Attempt::Vacant,
        )
    }

    /// Opens a connection for a place that was empty. It needs nothing that a long read may hold: neither a permit of
    /// theirs nor one of their threads. What was begun is ended and kept even if its caller goes away.
    async fn fill(&self, place: usize, deadline: Instant, options: &RunOptions) -> Result<(), Error> {
        let filling = async {
            let turn = self.filling.clone().lock_owned().await;
            // In use or filled meanwhile: it is worth another look at all of them.
            if !self.inline[place].try_lock().is_ok_and(|place| place.is_none()) {
                return Ok(());
            }
            let reads = self.reads.clone();
            let work = move || {
                let _turn = turn;
                if reads.permits.is_closed() {
                    return Err(Error::closed(&reads.config.name));
                }
                let session = Session::open(&reads.config, &reads.target, Access::Read)?;
                // Not held while it is opened: others would take the place for one that is filled and in use.
                let mut place = reads.inline[place].lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                // A long read that has ended may have been first.
                place.get_or_insert(session);
                Ok(())
            };
            let opening = tokio::task::spawn_blocking(work).await;
            opening.map_err(|_| Error::new(Class::Unavailable, "opening the database failed"))?
        };
        tokio::time::timeout_at(deadline, filling).await.unwrap_or_else(|_| Err(Error::timeout(options.timeout)))
    }
}

impl Lane {
    async fn run<S: RowSink>(
        self: &Arc<Self>,
        statement: &Statement,
        arguments: Vec<Value>,
        mut sink: S,
        deadline: Instant,
        options: &RunOptions,
    ) -> Result<(S, Outcome), Error> {
        let permit = self.permit(deadline, options).await?;
        let lane = self.clone();
        let statement = statement.clone();
        let (started, watching) = tokio::sync::oneshot::channel();
        let work = move || {
            // The permit goes when the connection is back, so there are never more of them than permits.
            let _permit = permit;
            let session = lane.take()?;
            let begun = std::time::Instant::now();
            let run = session.watch.begin(deadline.saturating_duration_since(Instant::now()), true);
            // It cancels wherever it is dropped: here when nobody waits any more, on its way when nobody takes it out.
            drop(started.send(CancelOnDrop { watch: session.watch.clone(), run }));
            let result = execute::execute(&session, &lane.config, &statement, &arguments, &mut sink);
            lane.put(session);
            if begun.elapsed() < INLINE_BUDGET / 2 {
                statement.0.pace.kept();
            }
            result.map(|outcome| (sink, outcome)).map_err(Failure::into_error)
        };
        // A write holds the lock that others wait for, so it is done as soon as can be.
        let task = match self.access {
            Access::Read => threads::spawn(work)?,
            Access::Write => tokio::task::spawn_blocking(work),
        };
        let finish = async {
            // Until the run has begun there is nothing to cancel.
            let _guard = watching.await;
            task.await
        };
        match tokio::time::timeout_at(deadline + GRACE, finish).await {
            Ok(Ok(Err(error))) if error.class() == Class::Timeout => Err(Error::timeout(options.timeout)),
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Error::new(Class::Unavailable, "the statement broke off")),
            Err(_) => Err(Error::timeout(options.timeout)),
        }
    }

    async fn permit(&self, deadline: Instant, options: &RunOptions) -> Result<OwnedSemaphorePermit, Error> {
        let until = deadline.min(Instant::now() + self.config.pool.acquire_timeout);
        match tokio::time::timeout_at(until, self.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(Error::closed(&self.config.name)),
            Err(_) => Err(Error::busy(
                &self.config.name,
                match self.access {
                    Access::Read => self.config.pool.max,
                    Access::Write => 1,
                },
                self.config.pool.acquire_timeout.min(options.timeout),
            )),
        }
    }

    fn take(&self) -> Result<Session, Error> {
        let idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
        idle.map_or_else(|| Session::open(&self.config, &self.target, self.access), Ok)
    }

    fn put(&self, session: Session) {
        if self.permits.is_closed() {
            return;
        }
        let places = self.inline.iter().filter_map(|place| place.try_lock().ok());
        if let Some(mut place) = places.into_iter().find(|place| place.is_none()) {
            *place = Some(session);
        } else {
            self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(session);
        }
    }
}
