//! Sockets: accepting, serving, ending. Each connection is one task; dropping it drops the calls that run on it.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use http::StatusCode;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    body::refuse,
    host::conversations::{Arriving, Conversation, Conversations},
    site::{Site, Sockets},
};
use crate::{CallId, Peer, wire::Refusal};

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Connections that were open when the shutdown began.
    pub open: usize,
    /// Of these, the ones that did not end in time.
    pub forced: usize,
    pub took: Duration,
}

pub(crate) async fn run(site: impl Into<Site>, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Summary {
    let site = site.into();
    let sockets = site.sockets();
    let connections = TaskTracker::new();
    let closing = CancellationToken::new();
    let force = CancellationToken::new();
    let forced = Arc::new(AtomicUsize::new(0));
    let places = Arc::new(Semaphore::new(sockets.max_connections));
    let addresses = site.addresses();
    let all = Arc::new(Conversations::default());
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = async {
            let stream = listener.accept().await;
            // Whose address has as many as it may displaces nobody.
            let share = stream.as_ref().ok().and_then(|(_, peer)| addresses.take(peer.ip()).ok());
            let Some(share) = share else { return (stream, None) };
            let place = loop {
                if places.available_permits() == 0 {
                    all.make_room();
                }
                // All may be busy now, and idle in a moment.
                let place = tokio::time::timeout(LOOK_AGAIN, places.clone().acquire_owned()).await;
                if let Ok(place) = place {
                    break place.expect("the semaphore is never closed");
                }
            };
            (stream, Some((place, share)))
        };
        let (stream, room) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accepted => accepted,
        };
        let stream = match stream {
            Ok((stream, peer)) => match Prompt::new(stream) {
                Ok(stream) => (stream, Peer(peer)),
                // It was closed before it began.
                Err(_) => continue,
            },
            Err(error) => {
                if !is_of_the_connection(&error) {
                    // Out of descriptors or memory: going on at once would only spin.
                    tracing::error!(error = &error as &dyn std::error::Error, "can't accept connections");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                continue;
            }
        };
        let Some(room) = room else {
            tracing::debug!(peer = %stream.1.0.ip(), "an address has as many connections as it may");
            continue;
        };
        // Tokens of their own: a shared one is a lock that all connections would take on every poll.
        let ((conversation, listed), force) = (site.converse(closing.child_token()), force.child_token());
        let (site, forced) = (site.clone(), forced.clone());
        let held = (room, listed, all.list(conversation.clone()));
        connections.spawn(async move {
            let _held = held;
            if !converse(&site, sockets, stream, &conversation, &force).await {
                forced.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    drop(listener);
    let began = Instant::now();
    let open = connections.len();
    connections.close();
    closing.cancel();
    site.end_streams();
    let drained = async {
        // Calls in sessions first: their streams end with them.
        site.idle().await;
        site.end_sessions();
        connections.wait().await;
    };
    if tokio::time::timeout(sockets.drain, drained).await.is_err() {
        site.end_sessions();
        force.cancel();
        connections.wait().await;
    }
    Summary { open, forced: forced.load(Ordering::Relaxed), took: began.elapsed() }
}

fn is_of_the_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// A connection that sends at once. Otherwise each event of a stream would wait 40 ms for an acknowledgement (Nagle's
/// algorithm and delayed acknowledgements).
#[derive(Debug)]
struct Prompt(TcpStream);

impl Prompt {
    fn new(stream: TcpStream) -> std::io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }
}

/// Serves one connection; `false` if it had to be cut so that serving could end.
async fn converse(
    site: &Site,
    sockets: Sockets,
    (stream, peer): (Prompt, Peer),
    conversation: &Arc<Conversation>,
    force: &CancellationToken,
) -> bool {
    let Prompt(stream) = stream;
    let local = stream.local_addr().ok().map(|address| address.ip());
    let service = service_fn(|request: http::Request<_>| async move {
        let busy = conversation.begin();
        let request = request.map(|body| Arriving::new(body, conversation));
        let answer = AssertUnwindSafe(site.handle(request, local, peer, conversation)).catch_unwind().await;
        let answer = answer.unwrap_or_else(|_panic| {
            let request = CallId::next();
            tracing::error!(%request, "answering a request panicked");
            refuse(Refusal { status: StatusCode::INTERNAL_SERVER_ERROR, ..Refusal::internal(request) }, None)
        });
        Ok::<_, Infallible>(answer.map(|body| body.until_sent(busy)))
    });
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(sockets.write_timeout));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(sockets.head_timeout)
        .max_header_size(MAX_HEAD)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = conversation.closing.cancelled() => {
            if conversation.is_cut() || conversation.gives_way() {
                return true;
            }
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                ended = connection => ended,
                () = force.cancelled() => return false,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
    true
}

/// For a connection that is to make room.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Bytes of a request line and its headers.
const MAX_HEAD: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_connections_without_nagle_are_served() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let _client = TcpStream::connect(listener.local_addr().expect("address")).await.expect("connects");
        let (accepted, _) = listener.accept().await.expect("accepts");
        assert!(!accepted.nodelay().expect("option"), "this is what would be served without `Prompt`");
        let Prompt(served) = Prompt::new(accepted).expect("a connection");
        assert!(served.nodelay().expect("option"));
    }
}
