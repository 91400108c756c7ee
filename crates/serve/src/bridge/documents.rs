//! Metadata documents of clients: the id of a client is the https URL at which it describes itself.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, StatusCode};
use tokio::sync::Semaphore;
use url::Url;

use super::client::{Client, ClientMetadata};
use crate::{Fetch, FetchBounds};

/// How long a document is believed.
const LIFE: Duration = Duration::from_secs(10 * 60);
/// How long one that can't be used is not asked for again.
const FAILED: Duration = Duration::from_secs(30);
const MOST: usize = 1_000;
const MOST_AT_ONCE: usize = 8;
const BOUNDS: FetchBounds = FetchBounds { timeout: Duration::from_secs(5), max_body: 16 * 1024 };

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DocumentError {
    #[error("its URL must have a path, and neither a query, a fragment nor a password")]
    Url,
    #[error("it can't be read")]
    Unreachable,
    #[error("it is no metadata of a client")]
    Malformed,
    #[error("its `client_id` is not the URL at which it is")]
    Other,
    #[error("{0}")]
    Metadata(String),
}

/// What came of the last look, and until when it is believed.
type Known = (Instant, Result<Client, DocumentError>);

/// Read through a client that keeps private networks closed: strangers choose these URLs.
pub(super) struct Documents {
    fetch: Arc<dyn Fetch>,
    known: Mutex<HashMap<String, Known>>,
    /// Strangers make us ask; not for more at once than this.
    turns: Semaphore,
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Documents(..)")
    }
}

impl Documents {
    pub(super) fn new(fetch: Arc<dyn Fetch>) -> Self {
        Self { fetch, known: Mutex::default(), turns: Semaphore::new(MOST_AT_ONCE) }
    }

    pub(super) async fn client(&self, id: &str) -> Result<Client, DocumentError> {
        if let Some(client) = self.known(id) {
            return client;
        }
        let _turn = self.turns.acquire().await;
        // Somebody may have asked for it meanwhile.
        if let Some(client) = self.known(id) {
            return client;
        }
        let client = self.read(id).await;
        let until = Instant::now() + if client.is_ok() { LIFE } else { FAILED };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MOST {
            known.insert(id.to_owned(), (until, client.clone()));
        }
        client
    }

    fn known(&self, id: &str) -> Option<Result<Client, DocumentError>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (until, _)| *until > Instant::now());
        known.get(id).map(|(_, client)| client.clone())
    }

    async fn read(&self, id: &str) -> Result<Client, DocumentError> {
        let url = Url::parse(id).map_err(|_| DocumentError::Url)?;
        let plain = url.query().is_none() && url.fragment().is_none();
        if url.path() == "/" || !plain || !url.username().is_empty() || url.password().is_some() || url.as_str() != id {
            return Err(DocumentError::Url);
        }
        let request = Request::get(id).header("accept", "application/json").body(Bytes::new());
        let request = request.map_err(|_| DocumentError::Url)?;
        let document = self.fetch.fetch(request, BOUNDS).await.map_err(|error| {
            tracing::debug!(%error, client = id, "the metadata document of a client can't be read");
            DocumentError::Unreachable
        })?;
        if document.status() != StatusCode::OK {
            return Err(DocumentError::Unreachable);
        }
        let metadata: ClientMetadata = serde_json::from_slice(document.body()).map_err(|_| DocumentError::Malformed)?;
        if metadata.client_id.as_deref() != Some(id) {
            return Err(DocumentError::Other);
        }
        Client::of(metadata).map_err(|error| DocumentError::Metadata(error.to_string()))
    }
}
