//! What happens in a [`PerBearerServer`](super::PerBearerServer), told to whoever wants to know. Telling never waits.

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::broadcast;

use super::{ServerInfo, SessionInfo, Timestamp};
use crate::TokenId;

/// One event. As JSON it is `{"event": "toolCalled", "payload": {…}}`. `token` is the public id of a token; no event holds
/// a secret.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", content = "payload", rename_all = "camelCase")]
#[non_exhaustive]
pub enum Event {
    Started(ServerInfo),
    Stopped,
    SessionCreated(SessionInfo),
    SessionDestroyed(SessionInfo),
    /// A client that needs no session (2026-07-28) uses a server for the first time.
    ClientSeen(ClientSeen),
    ToolCalled(ToolCalled),
    TokenAdded(TokenId),
    TokenRemoved(TokenId),
    TokenUpdated(TokenId),
    /// A token's first server was made.
    ServerRegistered(ServerRegistered),
    /// The token of a server that was made before is gone.
    ServerRemoved(ServerRemoved),
    /// The server of an updated token was made.
    ServerUpdated(ServerUpdated),
    /// A factory failed or panicked. The caller was told to try again, and the next request does.
    ServerFailed(ServerFailed),
    TransportError(TransportError),
}

/// Payload of [`Event::ClientSeen`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientSeen {
    /// Always null: there is none.
    pub session_id: Option<Arc<str>>,
    pub token: TokenId,
    pub server_name: String,
    pub seen_at: Timestamp,
}

/// Payload of [`Event::ToolCalled`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolCalled {
    /// Null for a call without a session (2026-07-28).
    pub session_id: Option<Arc<str>>,
    pub token: TokenId,
    pub tool_name: String,
    /// Null unless [`Options::event_arguments`](super::Options::event_arguments) is set, as they are the caller's; and where
    /// they are longer than 4 KiB, as events wait for listeners.
    pub arguments: Option<Map<String, Value>>,
    pub called_at: Timestamp,
    /// In milliseconds.
    #[serde(serialize_with = "millis")]
    pub duration: Duration,
    /// Neither an error nor cancelled.
    pub success: bool,
}

fn millis<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// Payload of [`Event::ServerRegistered`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerRegistered {
    pub token: TokenId,
    pub server_name: String,
    pub server_version: String,
    pub registered_at: Timestamp,
}

/// Payload of [`Event::ServerRemoved`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerRemoved {
    pub token: TokenId,
    pub server_name: String,
    pub removed_at: Timestamp,
    pub had_active_sessions: bool,
}

/// Payload of [`Event::ServerUpdated`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerUpdated {
    pub token: TokenId,
    pub old_server_name: String,
    pub new_server_name: String,
    pub updated_at: Timestamp,
}

/// Payload of [`Event::ServerFailed`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerFailed {
    pub token: TokenId,
    pub error: String,
    pub failed_at: Timestamp,
}

/// Payload of [`Event::TransportError`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransportError {
    pub session_id: Option<Arc<str>>,
    pub error: String,
}

impl Event {
    /// `sessionCreated`, `toolCalled` and so on.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started(_) => "started",
            Self::Stopped => "stopped",
            Self::SessionCreated(_) => "sessionCreated",
            Self::SessionDestroyed(_) => "sessionDestroyed",
            Self::ClientSeen(_) => "clientSeen",
            Self::ToolCalled(_) => "toolCalled",
            Self::TokenAdded(_) => "tokenAdded",
            Self::TokenRemoved(_) => "tokenRemoved",
            Self::TokenUpdated(_) => "tokenUpdated",
            Self::ServerRegistered(_) => "serverRegistered",
            Self::ServerRemoved(_) => "serverRemoved",
            Self::ServerUpdated(_) => "serverUpdated",
            Self::ServerFailed(_) => "serverFailed",
            Self::TransportError(_) => "transportError",
        }
    }
}

/// Events as they come. Who is slower than they are loses the oldest, and can tell how many.
#[derive(Debug)]
pub struct EventStream {
    receiver: broadcast::Receiver<Arc<Event>>,
    dropped: u64,
}

impl EventStream {
    /// The next event, or `None` when the server is gone.
    pub async fn recv(&mut self) -> Option<Arc<Event>> {
        loop {
            match self.receiver.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(missed)) => self.dropped += missed,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// How many came while nobody took them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Where events are told.
pub(super) struct Events {
    stream: broadcast::Sender<Arc<Event>>,
    listeners: Mutex<Vec<SyncSender<Arc<Event>>>>,
    listening: std::sync::atomic::AtomicBool,
    dropped: Arc<AtomicU64>,
    log: bool,
}

/// Events that wait for one listener.
const KEPT: usize = 1_024;

impl Events {
    pub(super) fn new(log: bool) -> Self {
        Self {
            stream: broadcast::Sender::new(KEPT),
            listeners: Mutex::default(),
            listening: false.into(),
            dropped: Arc::default(),
            log,
        }
    }

    pub(super) fn subscribe(&self) -> EventStream {
        EventStream { receiver: self.stream.subscribe(), dropped: 0 }
    }

    /// A thread of its own, so that it may block or call back; a panic ends this event only.
    pub(super) fn listen(&self, listener: impl Fn(&Event) + Send + 'static) {
        let (sender, events) = sync_channel::<Arc<Event>>(KEPT);
        let spawned = std::thread::Builder::new().name("mcp-events".to_owned()).spawn(move || {
            for event in events {
                if std::panic::catch_unwind(AssertUnwindSafe(|| listener(&event))).is_err() {
                    tracing::error!(event = event.name(), "a listener panicked");
                }
            }
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "a listener has no thread and hears nothing");
            return;
        }
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        self.listening.store(true, Ordering::Release);
    }

    /// Whether telling is worth the work.
    pub(super) fn has_audience(&self) -> bool {
        self.log || self.listening.load(Ordering::Acquire) || self.stream.receiver_count() > 0
    }

    /// Events that listeners did not take in time.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn tell(&self, event: Event) {
        if self.log {
            let payload = serde_json::to_string(&event).unwrap_or_default();
            tracing::info!(event = event.name(), payload, "an event");
        }
        let event = Arc::new(event);
        if self.listening.load(Ordering::Acquire) {
            let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.retain(|listener| match listener.try_send(event.clone()) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                    true
                }
                Err(TrySendError::Disconnected(_)) => false,
            });
        }
        let _ = self.stream.send(event);
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}
