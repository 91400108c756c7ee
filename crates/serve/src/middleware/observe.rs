//! Who sees calls begin and end, however they end.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tower_layer::Layer;
use tower_service::Service;

use super::{Answer, ToolCall};
use crate::{BoxFuture, Error, ToolResult};

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    Ok,
    /// The tool failed, and said so to the model.
    ToolError,
    /// It never reached the tool: unknown, not allowed, too often.
    Refused,
    /// A person is asked first.
    InputRequired,
    InternalError,
    /// The caller left.
    Cancelled,
    Panicked,
}

impl Outcome {
    pub const ALL: [Self; 7] = [
        Self::Ok,
        Self::ToolError,
        Self::Refused,
        Self::InputRequired,
        Self::InternalError,
        Self::Cancelled,
        Self::Panicked,
    ];

    #[must_use]
    pub fn of(answer: &Answer) -> Self {
        match answer {
            Ok(result) if result.is_error => Self::ToolError,
            Ok(_) => Self::Ok,
            Err(Error::Internal { .. }) => Self::InternalError,
            Err(Error::InputRequired(_)) => Self::InputRequired,
            Err(_) => Self::Refused,
        }
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ToolError => "tool error",
            Self::Refused => "refused",
            Self::InputRequired => "input required",
            Self::InternalError => "internal error",
            Self::Cancelled => "cancelled",
            Self::Panicked => "panicked",
        }
    }
}

/// Sees every call once. It must neither wait nor panic. Two or three of them in a tuple are one.
pub trait Observer: Send + Sync + 'static {
    /// What is kept of a call until it ends.
    type Seen: Send + 'static;

    /// A call is about to be made.
    fn begin(&self, call: &ToolCall) -> Self::Seen;

    /// Whether the call that began may go on to its tool, asked where it is not to run unseen. Default: it may.
    fn admit(&self) -> Result<(), Error> {
        Ok(())
    }

    /// It ended, or was dropped.
    fn end(&self, seen: Self::Seen, outcome: Outcome, took: Duration);
}

impl<A: Observer, B: Observer> Observer for (A, B) {
    type Seen = (A::Seen, B::Seen);

    fn begin(&self, call: &ToolCall) -> Self::Seen {
        (self.0.begin(call), self.1.begin(call))
    }

    fn admit(&self) -> Result<(), Error> {
        self.0.admit().and_then(|()| self.1.admit())
    }

    fn end(&self, (a, b): Self::Seen, outcome: Outcome, took: Duration) {
        self.0.end(a, outcome, took);
        self.1.end(b, outcome, took);
    }
}

impl<A: Observer, B: Observer, C: Observer> Observer for (A, B, C) {
    type Seen = (A::Seen, B::Seen, C::Seen);

    fn begin(&self, call: &ToolCall) -> Self::Seen {
        (self.0.begin(call), self.1.begin(call), self.2.begin(call))
    }

    fn admit(&self) -> Result<(), Error> {
        self.0.admit().and_then(|()| self.1.admit()).and_then(|()| self.2.admit())
    }

    fn end(&self, (a, b, c): Self::Seen, outcome: Outcome, took: Duration) {
        self.0.end(a, outcome, took);
        self.1.end(b, outcome, took);
        self.2.end(c, outcome, took);
    }
}

/// Shows calls to an [`Observer`].
#[derive(Debug)]
pub struct ObserveLayer<O>(Arc<O>);

impl<O> ObserveLayer<O> {
    pub fn new(observer: O) -> Self {
        Self(Arc::new(observer))
    }
}

impl<O, S> Layer<S> for ObserveLayer<O> {
    type Service = Observe<O, S>;

    fn layer(&self, inner: S) -> Observe<O, S> {
        Observe { observer: self.0.clone(), inner }
    }
}

/// The service that [`ObserveLayer`] puts around another one.
#[derive(Debug)]
pub struct Observe<O, S> {
    observer: Arc<O>,
    inner: S,
}

impl<O, S: Clone> Clone for Observe<O, S> {
    fn clone(&self) -> Self {
        Self { observer: self.observer.clone(), inner: self.inner.clone() }
    }
}

impl<O, S> Service<ToolCall> for Observe<O, S>
where
    O: Observer,
    S: Service<ToolCall, Response = ToolResult, Error = Error>,
    S::Future: Send + 'static,
{
    type Response = ToolResult;
    type Error = Error;
    type Future = BoxFuture<'static, Answer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: ToolCall) -> Self::Future {
        let seen = self.observer.begin(&call);
        let observer = self.observer.clone();
        let admitted = observer.admit();
        let mut watch = Watch { observer, seen: Some(seen), began: Instant::now(), outcome: Outcome::Cancelled };
        if let Err(refused) = admitted {
            watch.outcome = Outcome::Refused;
            return Box::pin(std::future::ready(Err(refused)));
        }
        let answer = self.inner.call(call);
        Box::pin(async move {
            // All of it: a field alone would be a copy.
            let mut watch = watch;
            let answer = answer.await;
            watch.outcome = Outcome::of(&answer);
            answer
        })
    }
}

/// Tells the end, also of a call that was dropped.
struct Watch<O: Observer> {
    observer: Arc<O>,
    seen: Option<O::Seen>,
    began: Instant,
    outcome: Outcome,
}

impl<O: Observer> Drop for Watch<O> {
    fn drop(&mut self) {
        let Some(seen) = self.seen.take() else { return };
        let outcome = if std::thread::panicking() { Outcome::Panicked } else { self.outcome };
        self.observer.end(seen, outcome, self.began.elapsed());
    }
}
