//! What stays open between requests, for whoever wants to know of it.

use std::sync::Arc;

use crate::Principal;

/// Told in the order in which things happen, and while locks are held: it must not wait.
pub(crate) trait Presence: Send + Sync + 'static {
    fn opened(&self, open: Open, principal: &Principal);

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
}

impl Present {
    pub(super) fn listening(presence: &Arc<dyn Presence>, principal: &Principal) -> Self {
        let open = Open::Listening(format!("listen-{}", crate::CallId::next()).into());
        presence.opened(open.clone(), principal);
        Self { presence: presence.clone(), open }
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.presence.closed(&self.open);
    }
}
