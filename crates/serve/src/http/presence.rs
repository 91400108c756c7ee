//! What stays open between requests, for whoever wants to know of it and to end it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::Principal;

/// Told in the order in which things happen, and while locks are held: it must not wait.
pub(crate) trait Presence: Send + Sync + 'static {
    /// Ends when the token is cancelled.
    fn opened(&self, open: Open, principal: &Principal) -> CancellationToken;

    fn closed(&self, open: &Open);

    /// Something went wrong on the way, not in a tool.
    fn failed(&self, session_id: Option<&str>, error: String);
}

#[derive(Debug, Clone)]
pub(crate) enum Open {
    /// Of an older client.
    Session(Arc<str>),
    /// `subscriptions/listen`; named by us.
    Listening(Arc<str>),
}

/// A stream that is told of while it lives.
pub(super) struct Present {
    presence: Arc<dyn Presence>,
    open: Open,
    pub(super) end: CancellationToken,
}

impl Present {
    pub(super) fn listening(presence: &Arc<dyn Presence>, principal: &Principal) -> Self {
        let open = Open::Listening(format!("listen-{}", crate::CallId::next()).into());
        Self { presence: presence.clone(), end: presence.opened(open.clone(), principal), open }
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.presence.closed(&self.open);
    }
}
