//! The one place that reads signals.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ends at the first SIGINT or SIGTERM. A second one ends the process at once, with the exit code of that signal.
pub fn shutdown() -> std::io::Result<impl Future<Output = ()> + Send> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        let name = either(&mut interrupt, &mut terminate).await.0;
        tracing::info!(signal = name, "shutting down; once more ends at once");
        tokio::spawn(async move {
            let (_, code) = either(&mut interrupt, &mut terminate).await;
            std::process::exit(code);
        });
    })
}

/// SIGHUP, which asks to read the spec again.
pub struct Hangups(Signal);

impl Hangups {
    pub fn listen() -> std::io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) -> (&'static str, i32) {
    tokio::select! {
        _ = interrupt.recv() => ("SIGINT", 130),
        _ = terminate.recv() => ("SIGTERM", 143),
    }
}
