//! What a [`PerBearerServer`](super::PerBearerServer) says of itself.

use std::{sync::Arc, time::SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::{TokenId, tokens::TokenInfo};

/// A moment; as JSON `2026-07-28T12:00:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub SystemTime);

impl Timestamp {
    pub(super) fn now() -> Self {
        Self(SystemTime::now())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&DateTime::<Utc>::from(self.0).to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// Where it is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerInfo {
    /// Of the endpoint, with the real port.
    pub url: String,
    pub port: u16,
    pub host: String,
    pub endpoint: String,
    pub started_at: Timestamp,
}

/// A session of an older client, or an open `subscriptions/listen` stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    /// Of a stream, a name of ours.
    pub session_id: Arc<str>,
    pub token: TokenId,
    pub server_name: String,
    pub created_at: Timestamp,
}

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    pub registered_tokens: usize,
    /// Servers that are made and kept.
    pub active_servers: usize,
    pub active_sessions: usize,
    pub tokens: Vec<TokenId>,
    pub sessions: Vec<SessionInfo>,
}

/// What may be shown of a token, and of the server behind it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BearerInfo {
    #[serde(flatten)]
    pub token: TokenInfo,
    /// Once it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}
