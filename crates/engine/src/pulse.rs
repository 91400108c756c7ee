//! A sign of life of every call that lasts, whatever it does: callers who asked for progress hear of it each second.

use std::time::{Duration, Instant};

use mcp_serve::CallContext;

use crate::tool::humane;

const EVERY: Duration = Duration::from_secs(1);

/// Costs nothing where nobody asked.
pub async fn during<T>(cx: &CallContext, limit: Option<Duration>, work: impl Future<Output = T>) -> T {
    if !cx.progress.is_wanted() {
        return work.await;
    }
    let began = Instant::now();
    let mut ticks = tokio::time::interval_at((began + EVERY).into(), EVERY);
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            outcome = &mut work => return outcome,
            _ = ticks.tick() => cx.progress.beat(began.elapsed(), &message(began.elapsed(), limit)),
        }
    }
}

/// `still running, 3s of at most 30s`.
fn message(running: Duration, limit: Option<Duration>) -> String {
    let running = humane(Duration::from_secs(running.as_secs_f64().round() as u64));
    match limit {
        Some(limit) => format!("still running, {running} of at most {}", humane(limit)),
        None => format!("still running, {running}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_says_how_long_it_runs_and_may_run() {
        assert_eq!(
            message(Duration::from_millis(2_998), Some(Duration::from_secs(30))),
            "still running, 3s of at most 30s"
        );
        assert_eq!(message(Duration::from_secs(61), None), "still running, 61s");
    }
}
