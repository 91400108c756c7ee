//! Stops a statement that runs: when its time is over, or when nobody waits for it any more. SQLite asks from time to time.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rusqlite::Connection;

/// Virtual machine steps between two questions: some ten microseconds.
const STEPS: i32 = 1_000;

/// One per connection. Runs are numbered, so that a late cancellation never hits the next one.
#[derive(Debug, Default)]
pub struct Watch {
    run: AtomicU64,
    cancelled: AtomicU64,
    /// Nanoseconds since the first use of this module.
    deadline: AtomicU64,
    /// Whether to wait for locks.
    patient: AtomicBool,
}

/// Cancels a run when the future that waits for it is dropped.
#[derive(Debug)]
pub struct CancelOnDrop {
    pub watch: Arc<Watch>,
    pub run: u64,
}

fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

impl Watch {
    #[expect(
        clippy::disallowed_methods,
        reason = "SQLite tells nobody that a lock is free; on a thread for blocking work"
    )]
    pub fn install(connection: &mut Connection) -> rusqlite::Result<Arc<Self>> {
        let watch = Arc::new(Self::default());
        let progress = watch.clone();
        connection.progress_handler(
            STEPS,
            Some(move || {
                // A kernel lets a thread of the same class run on until its next tick, milliseconds later, though another
                // was woken for a call that needs microseconds. Who runs for long asks by itself.
                if progress.patient.load(Relaxed) {
                    std::thread::yield_now();
                }
                progress.is_over()
            }),
        )?;
        let busy = watch.clone();
        connection.busy_handler(Some(move |attempts: i32| {
            let wait = busy.patient.load(Relaxed) && !busy.is_over();
            if wait {
                std::thread::sleep(Duration::from_millis(u64::from(attempts.clamp(1, 10).unsigned_abs())));
            }
            wait
        }))?;
        Ok(watch)
    }

    /// Starts the next run and gives its number.
    pub fn begin(&self, budget: Duration, patient: bool) -> u64 {
        let budget = u64::try_from(budget.as_nanos()).unwrap_or(u64::MAX);
        self.deadline.store(now().saturating_add(budget), Relaxed);
        self.patient.store(patient, Relaxed);
        self.run.fetch_add(1, Relaxed) + 1
    }

    pub fn cancel(&self, run: u64) {
        self.cancelled.fetch_max(run, Relaxed);
    }

    pub fn is_over(&self) -> bool {
        self.cancelled.load(Relaxed) == self.run.load(Relaxed) || now() >= self.deadline.load(Relaxed)
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.watch.cancel(self.run);
    }
}
