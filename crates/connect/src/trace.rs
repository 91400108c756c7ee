//! The trace that requests to others go on with, as the task knows that asks them: `traceparent` of W3C Trace Context. Where
//! nothing is traced, there is none.

use ::http::HeaderValue;

tokio::task_local! {
    static TRACEPARENT: HeaderValue;
}

/// Requests of this work belong to this trace.
pub fn within<F: Future>(traceparent: HeaderValue, work: F) -> impl Future<Output = F::Output> {
    TRACEPARENT.scope(traceparent, work)
}

pub(crate) fn current() -> Option<HeaderValue> {
    TRACEPARENT.try_with(Clone::clone).ok()
}
