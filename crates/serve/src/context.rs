//! What one call carries besides its arguments.

use std::sync::Arc;

use crate::{Principal, Progress};

/// One per call. There is no token to cancel with: the caller drops the call's future.
#[derive(Debug, Clone)]
pub struct CallContext {
    pub principal: Arc<Principal>,
    /// The id of this call, the same over retries of it inside the server.
    pub call_id: CallId,
    pub progress: Progress,
}

impl CallContext {
    #[must_use]
    pub fn new(principal: Arc<Principal>) -> Self {
        Self { principal, call_id: CallId::next(), progress: Progress::none() }
    }
}

/// Unguessable across processes, unique within one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallId(pub(crate) u128);

impl CallId {
    pub(crate) fn next() -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(u128::from(NEXT.fetch_add(1, Ordering::Relaxed)))
    }
}
