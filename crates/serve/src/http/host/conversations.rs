//! The connections of a host, so that what runs for one server can be cut without a look-out in each call.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Instant,
};

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
        let Conversation { began, last, busy, .. } = &*self.0;
        last.store(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX), SeqCst);
        busy.fetch_sub(1, SeqCst);
    }
}

impl Conversation {
    pub(in crate::http) fn new(closing: CancellationToken) -> Self {
        Self {
            closing,
            at: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            busy: AtomicUsize::new(0),
            last: AtomicU64::new(0),
            began: Instant::now(),
            makes_room: AtomicBool::new(false),
        }
    }

    pub(in crate::http) fn begin(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, SeqCst);
        Busy(self.clone())
    }

    /// Whether it has to end now, with whatever part of a request came so far. Asked by the connection's own task, like
    /// [`is_cut`](Self::is_cut).
    pub(in crate::http) fn gives_way(&self) -> bool {
        self.makes_room.load(SeqCst) && self.busy.load(SeqCst) == 0
    }

    /// Since when it is idle.
    fn idle_since(&self) -> Option<Instant> {
        let idle = self.busy.load(SeqCst) == 0 && !self.closing.is_cancelled();
        idle.then(|| self.began + std::time::Duration::from_millis(self.last.load(SeqCst)))
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
