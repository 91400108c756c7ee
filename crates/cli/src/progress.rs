//! Word for somebody at a terminal who waits for longer than half a second.

use std::{
    io::{IsTerminal as _, Write as _},
    pin::pin,
    time::Duration,
};

use tokio::time::interval;

use crate::terminal;

const PATIENCE: Duration = Duration::from_millis(500);
const TURN: Duration = Duration::from_millis(100);

/// Tells what is being done while it is; nothing is left of it. Programs that read standard error are told nothing.
pub async fn tell<T>(what: &str, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if what.is_empty() || !std::io::stderr().is_terminal() {
        return work.await;
    }
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
        return done;
    }
    // A line that is broken would stay.
    let room = terminal::width(&std::io::stderr()).unwrap_or(80).saturating_sub(3);
    let mut turns = interval(TURN);
    let mut signs = ['|', '/', '-', '\\'].into_iter().cycle();
    let done = loop {
        tokio::select! {
            biased;
            done = &mut work => break done,
            _ = turns.tick() => {
                let sign = signs.next().unwrap_or('|');
                let _ = write!(std::io::stderr(), "\r{sign} {}", terminal::cut(what, room));
            }
        }
    };
    let _ = write!(std::io::stderr(), "\r\x1b[K");
    done
}
