//! A call that failed may be made again.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tower_layer::Layer;
use tower_service::Service;

use super::{Answer, ToolCall};
use crate::{BoxFuture, Error, ToolResult};

/// Makes a call up to so many times. Without further word only calls of tools that are declared idempotent or read-only,
/// and only after internal errors.
#[derive(Clone)]
pub struct RetryLayer {
    attempts: u32,
    delay: Duration,
    retry: Arc<dyn Fn(&Answer) -> bool + Send + Sync>,
    all_tools: bool,
}

impl fmt::Debug for RetryLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempts, delay, all_tools, .. } = self;
        f.debug_struct("RetryLayer")
            .field("attempts", attempts)
            .field("delay", delay)
            .field("all_tools", all_tools)
            .finish_non_exhaustive()
    }
}

impl RetryLayer {
    /// `attempts` in all; between two of them `delay`, doubled with each.
    #[must_use]
    pub fn new(attempts: u32, delay: Duration) -> Self {
        let internal = |answer: &Answer| matches!(answer, Err(Error::Internal { .. }));
        Self { attempts, delay, retry: Arc::new(internal), all_tools: false }
    }

    /// After which answers another attempt is made.
    #[must_use]
    pub fn when(self, retry: impl Fn(&Answer) -> bool + Send + Sync + 'static) -> Self {
        Self { retry: Arc::new(retry), ..self }
    }

    /// Tools too that may do twice what they are called for twice.
    #[must_use]
    pub fn all_tools(self) -> Self {
        Self { all_tools: true, ..self }
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Retry<S> {
        Retry { policy: self.clone(), inner }
    }
}

/// The service that [`RetryLayer`] puts around another one.
#[derive(Debug, Clone)]
pub struct Retry<S> {
    policy: RetryLayer,
    inner: S,
}

impl<S> Service<ToolCall> for Retry<S>
where
    S: Service<ToolCall, Response = ToolResult, Error = Error> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = ToolResult;
    type Error = Error;
    type Future = BoxFuture<'static, Answer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: ToolCall) -> Self::Future {
        let policy = self.policy.clone();
        let mut inner = self.inner.clone();
        // The one that is ready makes the first attempt.
        let first = self.inner.call(call.clone());
        Box::pin(async move {
            let mut answer = first.await;
            let mut delay = policy.delay;
            for _ in 1..policy.attempts {
                if !(policy.retry)(&answer) || !(policy.all_tools || call.is_idempotent()) {
                    break;
                }
                tokio::time::sleep(delay).await;
                delay = delay.saturating_mul(2);
                std::future::poll_fn(|cx| inner.poll_ready(cx)).await?;
                answer = inner.call(call.clone()).await;
            }
            answer
        })
    }
}
