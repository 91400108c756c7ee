//! What a call says before its answer: how far it is, and log messages. One channel for both keeps their order.
//!
//! Nothing here waits. What the connection can't take at the moment is dropped: news is no data.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::{logging::Message, progress::Step};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum News {
    Step(Step),
    Message(Message),
}

/// News that waits for the connection; more is dropped.
const WAITING: usize = 64;

pub(crate) fn channel() -> (mpsc::Sender<News>, mpsc::Receiver<News>) {
    mpsc::channel(WAITING)
}

/// So many at once, then one more each `every`: a tool may report from a loop.
#[derive(Debug)]
pub(crate) struct Throttle {
    every: Duration,
    burst: Duration,
    /// The moment at which nothing more is held against it.
    full_at: Option<Instant>,
}

impl Throttle {
    pub(crate) fn new(burst: u32, every: Duration) -> Self {
        Self { every, burst: every * burst, full_at: None }
    }

    pub(crate) fn admits(&mut self) -> bool {
        let now = Instant::now();
        let after = self.full_at.unwrap_or(now).max(now) + self.every;
        let admitted = after - now <= self.burst;
        if admitted {
            self.full_at = Some(after);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_admitted_and_then_what_the_time_allows() {
        let mut throttle = Throttle::new(3, Duration::from_secs(3600));
        let admitted: Vec<bool> = (0..5).map(|_| throttle.admits()).collect();
        assert_eq!(admitted, [true, true, true, false, false]);
    }
}
