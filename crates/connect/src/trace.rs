//! The trace that requests to others go on with, as the task knows that asks them: `traceparent` and `tracestate` of W3C Trace Context. Where
//! nothing is traced, there is none.

use ::http::HeaderValue;

tokio::task_local! {
    static TRACE: Trace;
}

/// As it is told to whom is asked.
#[derive(Debug, Clone)]
pub struct Trace {
    pub parent: HeaderValue,
    /// What vendors say of it (`tracestate`).
    pub state: Option<HeaderValue>,
}

/// Requests of this work belong to this trace.
pub fn within<F: Future>(trace: Trace, work: F) -> impl Future<Output = F::Output> {
    TRACE.scope(trace, work)
}

pub(crate) fn current() -> Option<Trace> {
    TRACE.try_with(Clone::clone).ok()
}
