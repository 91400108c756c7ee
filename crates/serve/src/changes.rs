//! What changed while callers were connected: the hub behind `subscriptions/listen` and the old list_changed notifications.

use std::sync::Arc;

use tokio::sync::broadcast;

/// A server that can change keeps one and gives it out by [`Server::changes`](crate::Server::changes).
#[derive(Debug, Clone)]
pub struct Changes(broadcast::Sender<Change>);

/// What is another one from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Tools,
    Prompts,
    Resources,
    /// The content of one resource.
    Resource(Arc<str>),
}

impl Default for Changes {
    fn default() -> Self {
        Self::new()
    }
}

impl Changes {
    /// News that a slow listener may miss before it is told that everything may have changed.
    const KEPT: usize = 16;

    #[must_use]
    pub fn new() -> Self {
        Self::with_room(Self::KEPT)
    }

    pub(crate) fn with_room(kept: usize) -> Self {
        Self(broadcast::Sender::new(kept))
    }

    /// Tells every listener. Never waits.
    pub fn notify(&self, change: Change) {
        let _ = self.notify_all(change);
    }

    /// Whether there is one.
    pub(crate) fn notify_all(&self, change: Change) -> bool {
        self.0.send(change).is_ok()
    }

    pub(crate) fn listen(&self) -> Listener {
        Listener { changes: self.0.subscribe(), missed: 0 }
    }

    /// For who knew another server before: all lists may have changed.
    pub(crate) fn listen_anew(&self) -> Listener {
        Listener { changes: self.0.subscribe(), missed: 3 }
    }
}

/// Turns missed news into "all lists may have changed".
#[derive(Debug)]
pub(crate) struct Listener {
    changes: broadcast::Receiver<Change>,
    missed: u8,
}

impl Listener {
    /// Of a server that can't be reached at the moment.
    pub(crate) fn missed_all() -> Self {
        Changes::with_room(1).listen_anew()
    }

    /// `None` when the server is gone.
    pub(crate) async fn next(&mut self) -> Option<Change> {
        loop {
            match self.missed {
                3 => return self.missed(Change::Tools),
                2 => return self.missed(Change::Prompts),
                1 => return self.missed(Change::Resources),
                _ => {}
            }
            match self.changes.recv().await {
                Ok(change) => return Some(change),
                Err(broadcast::error::RecvError::Lagged(_)) => self.missed = 3,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    fn missed(&mut self, change: Change) -> Option<Change> {
        self.missed -= 1;
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_that_missed_news_is_told_that_all_lists_may_have_changed() {
        let changes = Changes::new();
        let mut listener = changes.listen();
        for _ in 0..=Changes::KEPT {
            changes.notify(Change::Resource("a:b".into()));
        }
        assert_eq!(listener.next().await, Some(Change::Tools));
        assert_eq!(listener.next().await, Some(Change::Prompts));
        assert_eq!(listener.next().await, Some(Change::Resources));
        assert_eq!(listener.next().await, Some(Change::Resource("a:b".into())));
    }

    #[tokio::test]
    async fn a_listener_ends_with_its_server() {
        let changes = Changes::new();
        let mut listener = changes.listen();
        drop(changes);
        assert_eq!(listener.next().await, None);
    }
}
