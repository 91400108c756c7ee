//! The changes of a caller's server, which may become another server meanwhile.

use std::sync::Arc;

use tokio::sync::broadcast::{self, error::RecvError};

use crate::{Change, Changes, Live, Renewal, Served, TenantContext, changes::Listener, live::Serving};

/// Listens for as long as it lives. A server of the caller's own is kept for so long.
pub(crate) struct Following {
    listener: Option<Listener>,
    renewed: Option<Renewed>,
}

/// Where callers have servers of their own.
struct Renewed {
    live: Live,
    caller: TenantContext,
    renewals: broadcast::Receiver<Renewal>,
    /// Goes on to be, so that what it has to say is heard.
    served: Arc<Served>,
    is_due: bool,
}

impl Following {
    pub(crate) fn of(live: &Live, serving: &Serving) -> Self {
        // From before the first look on, so that nothing is lost in between.
        let renewed = serving.own().and_then(|(served, caller)| {
            let renewals = live.front().renewals()?;
            let (served, caller) = (served.clone(), caller.clone());
            Some(Renewed { live: live.clone(), caller, renewals, served, is_due: false })
        });
        Self { listener: serving.server.changes().map(Changes::listen), renewed }
    }

    /// `None` when the server is gone. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Option<Change> {
        loop {
            let Self { listener, renewed } = self;
            let Some(renewed) = renewed else { return hear(listener).await };
            if !renewed.is_due {
                tokio::select! {
                    biased;
                    () = renewed.wait() => {}
                    change = hear(listener) => match change {
                        Some(change) if renewed.declares(&change) => return Some(change),
                        Some(_) => {}
                        // It went away by itself; there may be another one.
                        None => self.listener = None,
                    },
                }
                continue;
            }
            match renewed.live.serving(|| renewed.caller.clone()).await {
                Ok(serving) => {
                    if let Some((served, _)) = serving.own() {
                        renewed.served = served.clone();
                    }
                    *listener = serving.server.changes().map(Changes::listen_anew);
                }
                // The next request is told why.
                Err(_) => *listener = Some(Listener::missed_all()),
            }
            renewed.is_due = false;
        }
    }
}

/// Waits for ever where nothing can change.
async fn hear(listener: &mut Option<Listener>) -> Option<Change> {
    match listener {
        Some(listener) => listener.next().await,
        None => std::future::pending().await,
    }
}

impl Renewed {
    /// A server that has no prompts has no other ones now.
    fn declares(&self, change: &Change) -> bool {
        let declared = self.served.server.capabilities();
        match change {
            Change::Tools => declared.tools,
            Change::Prompts => declared.prompts,
            Change::Resources | Change::Resource(_) => declared.resources,
        }
    }

    async fn wait(&mut self) {
        loop {
            match self.renewals.recv().await {
                Ok(renewal) if !renewal.concerns(&self.caller.principal) => {}
                Ok(_) | Err(RecvError::Lagged(_)) => return self.is_due = true,
                Err(RecvError::Closed) => return std::future::pending().await,
            }
        }
    }
}
