//! Reads that come one upon the other share a read lock.
//!
//! A read by key costs SQLite less than the lock around it, the look for a journal, and the look for a log: five calls of the
//! system, under a mutex that all connections to a file have in common. Where calls follow each other closely, the lock is
//! kept from one to the next, for two milliseconds at most. While it is kept nobody can change the file, so every read still
//! sees what was there when it began; who wants to write waits that much longer. With a write-ahead log a reader does not keep
//! writers away and would see what was, so there no lock is kept.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Inline, open::Session};

/// Between the end of a read and the beginning of the next.
const CLOSE: Duration = Duration::from_micros(200);
/// From when the lock was taken.
const LONGEST: Duration = Duration::from_millis(2);

/// What a connection knows of its lock.
#[derive(Debug, Default)]
pub struct Hold {
    state: State,
    /// When its last read ended.
    ended: Option<Instant>,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    /// Each read takes its own lock.
    #[default]
    Free,
    Held {
        since: Instant,
        /// There is no write-ahead log; that can be known when the lock was taken.
        known: bool,
    },
    /// There is a write-ahead log, or the file can be written through this server.
    Never,
}

impl Hold {
    pub fn never() -> Self {
        Self { state: State::Never, ended: None }
    }

    pub fn is_held(&self) -> bool {
        matches!(self.state, State::Held { .. })
    }
}

impl Session {
    /// Before a read. Says whether a lock is now kept that was not before, which somebody has to let go.
    pub fn before_read(&mut self) -> bool {
        let now = Instant::now();
        if let State::Held { since, known } = self.hold.state {
            if now.duration_since(since) < LONGEST && (known || self.is_without_log()) {
                self.hold.state = State::Held { since, known: true };
                return false;
            }
            self.let_go();
        }
        let follows = self.hold.ended.is_some_and(|ended| now.duration_since(ended) < CLOSE);
        if !follows || !matches!(self.hold.state, State::Free) {
            return false;
        }
        // Takes no lock yet: the read does, or fails to.
        let holds = self.connection.execute_batch("BEGIN").is_ok();
        if holds {
            self.hold.state = State::Held { since: now, known: false };
        }
        holds
    }

    pub fn after_read(&mut self) {
        // What failed badly has ended the transaction.
        if self.hold.is_held() && self.connection.is_autocommit() {
            self.hold.state = State::Free;
        }
        if !matches!(self.hold.state, State::Never) {
            self.hold.ended = Some(Instant::now());
        }
    }

    fn let_go(&mut self) {
        if self.hold.is_held() {
            self.connection.execute_batch("COMMIT").or_else(|_| self.connection.execute_batch("ROLLBACK")).ok();
            self.hold.state = State::Free;
        }
    }

    fn is_without_log(&mut self) -> bool {
        let mode = self.connection.prepare_cached("PRAGMA journal_mode");
        let mode = mode.and_then(|mut mode| mode.query_row([], |row| row.get::<_, String>(0)));
        let without = mode.is_ok_and(|mode| mode != "wal");
        if !without {
            self.let_go();
            self.hold.state = State::Never;
        }
        without
    }
}

/// Lets locks go that no read comes for, on a task of its own while there are any.
#[derive(Debug, Default, Clone)]
pub struct Letting(Arc<AtomicBool>);

impl Letting {
    /// A lock is kept by one of these connections.
    pub fn begin(&self, inline: &Arc<Inline>) {
        if self.0.swap(true, Ordering::AcqRel) {
            return;
        }
        let (letting, inline) = (self.clone(), Arc::clone(inline));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LONGEST / 2).await;
                if any_left(&inline) {
                    continue;
                }
                letting.0.store(false, Ordering::Release);
                // Somebody may have counted on this task a moment ago.
                if !any_left(&inline) || letting.0.swap(true, Ordering::AcqRel) {
                    return;
                }
            }
        });
    }
}

/// Whether a lock is still kept, for reads that come closely enough.
fn any_left(inline: &Inline) -> bool {
    let mut any = false;
    for place in inline {
        // In use: it is looked at again.
        let Ok(mut place) = place.try_lock() else {
            any = true;
            continue;
        };
        let Some(session) = place.as_mut() else { continue };
        if session.hold.ended.is_none_or(|ended| ended.elapsed() >= CLOSE) {
            session.let_go();
        }
        any |= session.hold.is_held();
    }
    any
}
