//! The connections of a host, so that what runs for one server can be cut without a look-out in each call.

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::body::HttpBody;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio_util::sync::CancellationToken;

/// One connection. It carries one request at a time, so that whoever cuts it knows what ends.
#[derive(Debug)]
pub(in crate::http) struct Conversation {
    /// Told when it is to end: with the host, or at once if it is cut.
    pub(in crate::http) closing: CancellationToken,
    /// The number of the server that answers now; 0 is none that could end alone.
    at: AtomicU64,
    cut: AtomicU64,
    /// Requests that are not answered yet, to the last byte.
    busy: AtomicUsize,
    /// More of the body of a request is waited for: nothing runs yet that could be lost.
    awaits: AtomicBool,
    /// The last moment at which it was not idle, in milliseconds of its life.
    last: AtomicU64,
    began: Instant,
    makes_room: AtomicBool,
}

/// A request of a connection, until its answer is sent.
#[derive(Debug)]
pub(in crate::http) struct Busy(Arc<Conversation>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.moves();
        self.0.busy.fetch_sub(1, SeqCst);
    }
}

/// The body of a request. While more of it is waited for, its connection makes room as an idle one does: else who sends
/// beginnings of bodies keeps everybody out, each for as long as a body may take.
#[derive(Debug)]
pub(in crate::http) struct Arriving {
    body: Incoming,
    of: Arc<Conversation>,
    awaits: bool,
    /// It was waited for before: what comes byte by byte is as old as its first.
    waited: bool,
}

impl Arriving {
    pub(in crate::http) fn new(body: Incoming, of: &Arc<Conversation>) -> Self {
        Self { body, of: of.clone(), awaits: false, waited: false }
    }

    fn awaits(&mut self, awaits: bool) {
        if self.awaits != awaits {
            self.awaits = awaits;
            if !std::mem::replace(&mut self.waited, true) {
                self.of.moves();
            }
            self.of.awaits.store(awaits, SeqCst);
        }
    }
}

impl HttpBody for Arriving {
    type Data = <Incoming as HttpBody>::Data;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.awaits(frame.is_pending());
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.awaits(false);
    }
}

/// How long a body may take before its connection counts as idle.
const PROMPT: Duration = Duration::from_secs(1);

impl Conversation {
    pub(in crate::http) fn new(closing: CancellationToken) -> Self {
        Self {
            closing,
            at: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            busy: AtomicUsize::new(0),
            awaits: AtomicBool::new(false),
            last: AtomicU64::new(0),
            began: Instant::now(),
            makes_room: AtomicBool::new(false),
        }
    }

    pub(in crate::http) fn begin(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, SeqCst);
        Busy(self.clone())
    }

    fn moves(&self) {
        self.last.store(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX), SeqCst);
    }

    fn is_idle(&self) -> bool {
        self.awaits.load(SeqCst) || self.busy.load(SeqCst) == 0
    }

    /// Whether it has to end now, with whatever part of a request came so far. Asked by the connection's own task, like
    /// [`is_cut`](Self::is_cut).
    pub(in crate::http) fn gives_way(&self) -> bool {
        self.makes_room.load(SeqCst) && self.is_idle()
    }

    /// Since when it is idle.
    fn idle_since(&self) -> Option<Instant> {
        let idle = self.is_idle() && !self.closing.is_cancelled();
        let since = self.began + Duration::from_millis(self.last.load(SeqCst));
        let is_request = self.awaits.load(SeqCst);
        idle.then_some(since).filter(|since| !is_request || since.elapsed() >= PROMPT)
    }

    /// Asked by the connection's own task, which is the one that says where it is: between the two nothing changes.
    pub(in crate::http) fn is_cut(&self) -> bool {
        let cut = self.cut.load(SeqCst);
        cut != 0 && cut == self.at.load(SeqCst)
    }

    pub(super) fn arrive(&self, server: u64) {
        self.at.store(server, SeqCst);
    }

    pub(super) fn leave(&self) {
        self.at.store(0, SeqCst);
    }

    fn cut(&self, server: u64) {
        if self.at.load(SeqCst) == server {
            self.cut.store(server, SeqCst);
            self.closing.cancel();
        }
    }
}

#[derive(Default)]
pub(in crate::http) struct Conversations(Mutex<Open>);

#[derive(Default)]
struct Open {
    all: HashMap<u64, Arc<Conversation>>,
    next: u64,
}

impl Conversations {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::http) fn list(self: &Arc<Self>, conversation: Arc<Conversation>) -> Listed {
        let mut open = self.lock();
        open.next += 1;
        let number = open.next;
        open.all.insert(number, conversation);
        Listed { of: self.clone(), number }
    }

    /// Ends the connection that is idle longest, if one is: who says nothing holds no place that somebody else needs.
    pub(in crate::http) fn make_room(&self) {
        let open = self.lock();
        let idle = open.all.values().filter_map(|conversation| Some((conversation.idle_since()?, conversation)));
        if let Some((_, longest)) = idle.min_by_key(|(since, _)| *since) {
            longest.makes_room.store(true, SeqCst);
            longest.closing.cancel();
        }
    }

    /// Ends the connections that carry a request for this server.
    pub(super) fn cut(&self, server: u64) {
        self.lock().all.values().for_each(|conversation| conversation.cut(server));
    }
}

/// A connection that can be found, until it ends.
pub(in crate::http) struct Listed {
    of: Arc<Conversations>,
    number: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.of.lock().all.remove(&self.number);
    }
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listed").field(&self.number).finish()
    }
}
