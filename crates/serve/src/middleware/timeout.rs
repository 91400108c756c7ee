//! A call may take so long.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use tower_layer::Layer;
use tower_service::Service;

use super::{Answer, ToolCall};
use crate::{BoxFuture, Error, ToolResult};

/// What takes longer is cancelled, and the model is told.
#[derive(Debug, Clone, Copy)]
pub struct TimeoutLayer(Duration);

impl TimeoutLayer {
    #[must_use]
    pub fn new(after: Duration) -> Self {
        Self(after)
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Timeout<S> {
        Timeout { after: self.0, inner }
    }
}

/// The service that [`TimeoutLayer`] puts around another one.
#[derive(Debug, Clone)]
pub struct Timeout<S> {
    after: Duration,
    inner: S,
}

impl<S> Service<ToolCall> for Timeout<S>
where
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
        let after = self.after;
        let answer = tokio::time::timeout(after, self.inner.call(call));
        Box::pin(async move {
            answer.await.unwrap_or_else(|_| Ok(ToolResult::error(format!("the tool did not answer within {after:?}"))))
        })
    }
}
