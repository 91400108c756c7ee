//! Metadata documents of clients: the id of a client is the https URL at which it describes itself.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode};
use tokio::{sync::Semaphore, time::Instant};
use url::Url;

use super::client::{Client, ClientMetadata};
use crate::{Fetch, FetchBounds};

/// How long a document is believed.
const LIFE: Duration = Duration::from_secs(10 * 60);
/// How long one that can't be used is not asked for again.
const FAILED: Duration = Duration::from_secs(30);
const MOST: usize = 1_000;
const MOST_OF_HOST: usize = 50;
/// Strangers make us ask; not for more at once than this.
const MOST_AT_ONCE: usize = 16;
const MOST_AT_ONCE_OF_HOST: usize = 2;
const BOUNDS: FetchBounds = FetchBounds { timeout: Duration::from_secs(5), max_body: 16 * 1024 };
/// For a turn and the answer. Who waits longer is told to try again.
const PATIENCE: Duration = Duration::from_secs(8);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DocumentError {
    #[error("its URL must have a path, and neither a query, a fragment nor a password")]
    Url,
    #[error("it can't be read")]
    Unreachable,
    #[error("too many are asked for at the moment; try again in a minute")]
    Busy,
    #[error("it is no metadata of a client")]
    Malformed,
    #[error("its `client_id` is not the URL at which it is")]
    Other,
    #[error("{0}")]
    Metadata(String),
}

/// Read through a client that keeps private networks closed: strangers choose these URLs.
pub(super) struct Documents {
    fetch: Arc<dyn Fetch>,
    known: Mutex<HashMap<String, Known>>,
    turns: Semaphore,
    /// Of hosts that are asked or waited for now, so that a slow one has no more than its share of turns.
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// What came of the last look.
struct Known {
    host: String,
    until: Instant,
    client: Result<Client, DocumentError>,
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Documents(..)")
    }
}

impl Documents {
    pub(super) fn new(fetch: Arc<dyn Fetch>) -> Self {
        Self { fetch, known: Mutex::default(), turns: Semaphore::new(MOST_AT_ONCE), hosts: Mutex::default() }
    }

    pub(super) async fn client(&self, id: &str) -> Result<Client, DocumentError> {
        if let Some(client) = self.known(id) {
            return client;
        }
        let host = host(id)?;
        // Not remembered: it says nothing of the document.
        tokio::time::timeout(PATIENCE, self.ask(id, &host)).await.unwrap_or(Err(DocumentError::Busy))
    }

    async fn ask(&self, id: &str, host: &str) -> Result<Client, DocumentError> {
        let own = Turns::at(&self.hosts, host);
        // First the host's: who waits for a slow one takes nobody's turn.
        let _own = own.turns.acquire().await;
        let _turn = self.turns.acquire().await;
        // Somebody may have asked for it meanwhile.
        if let Some(client) = self.known(id) {
            return client;
        }
        let client = self.read(id).await;
        self.keep(id, host, client.clone());
        client
    }

    fn known(&self, id: &str) -> Option<Result<Client, DocumentError>> {
        let mut known = lock(&self.known);
        known.retain(|_, known| known.until > Instant::now());
        known.get(id).map(|known| known.client.clone())
    }

    /// Where there is no room, one of the same host goes, or one of the host that has most.
    fn keep(&self, id: &str, host: &str, client: Result<Client, DocumentError>) {
        let until = Instant::now() + if client.is_ok() { LIFE } else { FAILED };
        let mut known = lock(&self.known);
        if !known.contains_key(id) {
            let mut counts: HashMap<&str, usize> = HashMap::new();
            for known in known.values() {
                *counts.entry(&known.host).or_default() += 1;
            }
            let own_is_full = counts.get(host).is_some_and(|count| *count >= MOST_OF_HOST);
            let most = || counts.iter().max_by_key(|(_, count)| **count).map(|(host, _)| *host);
            let leaves = if own_is_full { Some(host) } else { most().filter(|_| known.len() >= MOST) };
            let oldest = known.iter().filter(|(_, known)| leaves == Some(&*known.host)).min_by_key(|(_, it)| it.until);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                known.remove(&oldest);
            }
        }
        known.insert(id.to_owned(), Known { host: host.to_owned(), until, client });
    }

    async fn read(&self, id: &str) -> Result<Client, DocumentError> {
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

/// The turns of one host, while somebody wants one.
struct Turns<'a> {
    hosts: &'a Mutex<HashMap<String, Arc<Semaphore>>>,
    host: &'a str,
    turns: Arc<Semaphore>,
}

impl<'a> Turns<'a> {
    fn at(hosts: &'a Mutex<HashMap<String, Arc<Semaphore>>>, host: &'a str) -> Self {
        let new = || Arc::new(Semaphore::new(MOST_AT_ONCE_OF_HOST));
        let turns = lock(hosts).entry(host.to_owned()).or_insert_with(new).clone();
        Self { hosts, host, turns }
    }
}

impl Drop for Turns<'_> {
    fn drop(&mut self) {
        let mut hosts = lock(self.hosts);
        // The map's and ours.
        if Arc::strong_count(&self.turns) == 2 {
            hosts.remove(self.host);
        }
    }
}

/// Of a URL at which a client may describe itself.
fn host(id: &str) -> Result<String, DocumentError> {
    let url = Url::parse(id).map_err(|_| DocumentError::Url)?;
    let plain = url.query().is_none() && url.fragment().is_none();
    if url.path() == "/" || !plain || !url.username().is_empty() || url.password().is_some() || url.as_str() != id {
        return Err(DocumentError::Url);
    }
    url.host_str().map(str::to_owned).ok_or(DocumentError::Url)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use http::Response;
    use serde_json::json;

    use super::*;
    use crate::{BoxFuture, FetchError};

    /// Hosts that begin with `slow` never answer.
    #[derive(Debug, Default)]
    struct Web {
        asked: AtomicUsize,
        waiting: AtomicUsize,
    }

    impl Fetch for Web {
        fn fetch(
            &self,
            request: Request<Bytes>,
            bounds: FetchBounds,
        ) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
            Box::pin(async move {
                self.asked.fetch_add(1, Ordering::SeqCst);
                let id = request.uri().to_string();
                if request.uri().host().is_some_and(|host| host.starts_with("slow")) {
                    self.waiting.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(bounds.timeout).await;
                    self.waiting.fetch_sub(1, Ordering::SeqCst);
                    return Err(FetchError::Timeout);
                }
                let document = json!({ "client_id": id, "redirect_uris": ["https://a.example/cb"] });
                Ok(Response::new(document.to_string().into()))
            })
        }
    }

    fn documents() -> (Arc<Web>, Documents) {
        let web = Arc::new(Web::default());
        (web.clone(), Documents::new(web))
    }

    #[tokio::test(start_paused = true)]
    async fn one_slow_host_takes_its_share_of_turns_and_not_those_of_others() {
        let (web, documents) = documents();
        let ids: Vec<_> = (0..200).map(|n| format!("https://slow.example/{n}")).collect();
        let slow = join_all(ids.iter().map(|id| documents.client(id)));
        let other = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(web.waiting.load(Ordering::SeqCst), MOST_AT_ONCE_OF_HOST);
            let began = Instant::now();
            documents.client("https://quick.example/client").await.expect("its own turn");
            began.elapsed()
        };
        let (slow, took) = tokio::join!(slow, other);
        assert!(took < Duration::from_secs(1), "{took:?}");
        let count = |error: &DocumentError| slow.iter().filter(|it| it.as_ref().err() == Some(error)).count();
        assert_eq!(count(&DocumentError::Unreachable), MOST_AT_ONCE_OF_HOST);
        assert_eq!(count(&DocumentError::Busy), 200 - MOST_AT_ONCE_OF_HOST, "they don't wait for ever");
        assert!(lock(&documents.hosts).is_empty(), "nobody asks any more");
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_host_has_kept_does_not_push_out_what_is_of_others() {
        let (web, documents) = documents();
        let own = "https://assistant.example/client";
        documents.client(own).await.expect("a client");
        for n in 0..10 * MOST {
            documents.client(&format!("https://greedy.example/{n}")).await.expect("a client");
        }
        let asked = web.asked.load(Ordering::SeqCst);
        documents.client(own).await.expect("still known");
        assert_eq!(web.asked.load(Ordering::SeqCst), asked);
        assert_eq!(lock(&documents.known).len(), 1 + MOST_OF_HOST);
        for n in 0..2 * MOST {
            documents.client(&format!("https://h{n}.example/client")).await.expect("a client");
        }
        assert!(lock(&documents.known).len() <= MOST);
    }
}
