//! What slow tools cost a test: a bound for the calls that nobody wrote, and word of how far it is.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use tokio::time::{Interval, MissedTickBehavior, interval_at, timeout};

use super::{cases::Case, client::Era, report::Origin};

/// How often somebody who waits hears of it.
const PAUSE: Duration = Duration::from_secs(2);

/// How long calls of one kind of one tool that nobody wrote may take together.
#[derive(Debug)]
pub struct Budget {
    each: Duration,
    left: Duration,
}

impl Budget {
    pub const fn new(each: Duration) -> Self {
        Self { each, left: each }
    }

    /// Calls of another tool or kind have time of their own.
    pub const fn renew(&mut self) {
        self.left = self.each;
    }

    /// What the call came to; `None` if it was given up. Written calls have the time that their tool has.
    pub async fn spend<T>(&mut self, case: &Case, call: impl Future<Output = T>) -> Option<T> {
        if case.origin == Origin::Written {
            return Some(call.await);
        }
        let began = Instant::now();
        let outcome = timeout(self.left, call).await.ok();
        self.left = self.left.saturating_sub(began.elapsed());
        outcome
    }
}

/// Says how far the tests of an era are, while they last.
#[derive(Debug)]
pub struct Progress {
    era: Era,
    begun: usize,
    all: usize,
    ticks: Interval,
}

impl Progress {
    pub fn new(era: Era, all: usize) -> Self {
        let mut ticks = interval_at(tokio::time::Instant::now() + PAUSE, PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { era, begun: 0, all, ticks }
    }

    pub async fn beside<T>(&mut self, case: &Case, call: impl Future<Output = T>) -> T {
        self.begun += 1;
        let mut call = pin!(call);
        loop {
            tokio::select! {
                biased;
                outcome = &mut call => return outcome,
                _ = self.ticks.tick() => {
                    let (era, number, of) = (self.era.as_str(), self.begun, self.all);
                    tracing::info!(era, tool = case.tool, test = case.name, number, of, "testing");
                }
            }
        }
    }

    pub const fn leave_out(&mut self, calls: usize) {
        self.begun += calls;
    }
}
