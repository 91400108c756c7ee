//! The connections of a host, so that what runs for one server can be cut without a look-out in each call.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
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
}

impl Conversation {
    pub(in crate::http) fn new(closing: CancellationToken) -> Self {
        Self { closing, at: AtomicU64::new(0), cut: AtomicU64::new(0) }
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
pub(super) struct Conversations(Mutex<Open>);

#[derive(Default)]
struct Open {
    all: HashMap<u64, Arc<Conversation>>,
    next: u64,
}

impl Conversations {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn list(self: &Arc<Self>, conversation: Arc<Conversation>) -> Listed {
        let mut open = self.lock();
        open.next += 1;
        let number = open.next;
        open.all.insert(number, conversation);
        Listed { of: self.clone(), number }
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
