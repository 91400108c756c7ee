//! Changes of a server, told to those who are connected by the SDK: listeners of 2026-07-28 and sessions of older clients.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rmcp::{
    RoleServer, ServiceError,
    model::ResourceUpdatedNotificationParam,
    service::{Peer, SubscriptionContext, SubscriptionSendError, SubscriptionSink},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Change, changes::Listener, follow::Following};

/// Until the listener leaves or the server stops.
pub(super) async fn announce(subscription: &SubscriptionContext, mut changes: Following, stopping: &CancellationToken) {
    loop {
        tokio::select! {
            () = subscription.cancelled() => return,
            () = stopping.cancelled() => return,
            change = changes.next() => match change {
                // What was not accepted is refused by the sink.
                Some(change) => drop(send(subscription.sink(), change).await),
                None => return,
            },
        }
    }
}

async fn send(sink: &SubscriptionSink, change: Change) -> Result<(), SubscriptionSendError> {
    match change {
        Change::Tools => sink.notify_tool_list_changed().await,
        Change::Prompts => sink.notify_prompt_list_changed().await,
        Change::Resources => sink.notify_resource_list_changed().await,
        Change::Resource(uri) => sink.notify_resource_updated(&*uri).await,
    }
}

/// What one session of an older client subscribed to. Telling it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Subscriptions {
    uris: Arc<Mutex<HashSet<String>>>,
    telling: AtomicBool,
    ended: CancellationToken,
    _end: DropGuard,
}

impl Default for Subscriptions {
    fn default() -> Self {
        let ended = CancellationToken::new();
        Self { uris: Arc::default(), telling: AtomicBool::new(false), _end: ended.clone().drop_guard(), ended }
    }
}

impl Subscriptions {
    const MOST: usize = 1_000;
    /// Of all of them: they are kept for as long as the session lasts.
    const MOST_BYTES: usize = 64 * 1024;

    /// `false` if there are too many.
    pub(super) fn add(&self, uri: String) -> bool {
        let mut uris = lock(&self.uris);
        if uris.contains(&uri) {
            return true;
        }
        let bytes = uris.iter().map(String::len).sum::<usize>() + uri.len();
        let has_room = uris.len() < Self::MOST && bytes <= Self::MOST_BYTES;
        if has_room {
            uris.insert(uri);
        }
        has_room
    }

    pub(super) fn remove(&self, uri: &str) {
        lock(&self.uris).remove(uri);
    }

    /// Older clients hear of every list, and of the resources they named; once, however often they say `initialized`.
    pub(super) fn tell(&self, peer: Peer<RoleServer>, mut changes: Following, mut own: Listener) {
        if self.telling.swap(true, Ordering::Relaxed) {
            return;
        }
        let uris = self.uris.clone();
        tokio::spawn(self.ended.clone().run_until_cancelled_owned(async move {
            loop {
                // What is of the server, and what is of this session alone.
                let change = tokio::select! { change = changes.next() => change, change = own.next() => change };
                let Some(change) = change else { return };
                if tell(&peer, change, &uris).await.is_err() {
                    return;
                }
            }
        }));
    }
}

async fn tell(peer: &Peer<RoleServer>, change: Change, uris: &Mutex<HashSet<String>>) -> Result<(), ServiceError> {
    match change {
        Change::Tools => peer.notify_tool_list_changed().await,
        Change::Prompts => peer.notify_prompt_list_changed().await,
        Change::Resources => peer.notify_resource_list_changed().await,
        Change::Resource(uri) if lock(uris).contains(&*uri) => {
            peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(&*uri)).await
        }
        Change::Resource(_) => Ok(()),
    }
}

fn lock(uris: &Mutex<HashSet<String>>) -> MutexGuard<'_, HashSet<String>> {
    uris.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_keeps_so_many_names_and_no_longer_ones() {
        let many = Subscriptions::default();
        assert!((0..Subscriptions::MOST).all(|n| many.add(format!("a:{n}"))));
        assert!(!many.add("a:b".to_owned()) && many.add("a:7".to_owned()), "what is there is there");
        many.remove("a:7");
        assert!(many.add("a:b".to_owned()));
        let long = Subscriptions::default();
        assert!(!long.add("x".repeat(Subscriptions::MOST_BYTES + 1)));
        assert!(long.add("x".repeat(Subscriptions::MOST_BYTES)) && !long.add("a".to_owned()));
    }
}
