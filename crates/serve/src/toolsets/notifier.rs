//! Who is told that a list of tools is another one: the session whose list it is, or the listeners of all. Telling never
//! fails what changed the list.

use std::panic::AssertUnwindSafe;

use super::{ModuleError, Toolsets};
use crate::{Change, Changes, SessionState};

/// Tells that a list of tools changed. Must not wait.
pub trait ToolsChangedNotifier: Send + Sync + 'static {
    /// Tells once.
    fn tools_changed(&self) -> Result<(), NotifyError>;
}

/// Why nobody was told.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// To be expected: clients come and go. Nobody is told of it.
    #[error("nobody is connected")]
    NotConnected,
    #[error("who should be told that the list of tools changed can't be")]
    Failed(#[source] ModuleError),
}

/// The client of one session, older than 2026-07-28.
impl ToolsChangedNotifier for SessionState {
    fn tools_changed(&self) -> Result<(), NotifyError> {
        self.changes().tools_changed()
    }
}

/// All who listen: `subscriptions/listen`, and sessions.
impl ToolsChangedNotifier for Changes {
    fn tools_changed(&self) -> Result<(), NotifyError> {
        if self.notify_all(Change::Tools) { Ok(()) } else { Err(NotifyError::NotConnected) }
    }
}

impl Toolsets {
    /// Whether everybody was told who is there to be told.
    pub(super) fn notify(&self, clients: &dyn ToolsChangedNotifier) -> bool {
        let told = tell(clients);
        self.notifier.as_deref().is_none_or(tell) && told
    }
}

fn tell(notifier: &dyn ToolsChangedNotifier) -> bool {
    // The embedding program's code: its panic is not ours.
    match std::panic::catch_unwind(AssertUnwindSafe(|| notifier.tools_changed())) {
        Ok(Ok(()) | Err(NotifyError::NotConnected)) => true,
        Ok(Err(NotifyError::Failed(error))) => {
            tracing::warn!(error = &*error, "not told that the list of tools changed");
            false
        }
        Err(_) => {
            tracing::error!("telling that the list of tools changed panicked");
            false
        }
    }
}
