//! Calls of one principal, so many in a time.

use std::{
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::Either;
use tower_layer::Layer;
use tower_service::Service;

use super::{Answer, ToolCall};
use crate::{Error, Gate, Limits, Rate, ToolResult};

/// Calls of one principal, of all tools or of each; the rest is [`Error::RateLimited`].
#[derive(Debug, Clone)]
pub struct RateLimitLayer(Arc<Gate>);

impl RateLimitLayer {
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self(Arc::new(Gate::new(&Limits { rate: Some(rate), concurrency: None })))
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> RateLimit<S> {
        RateLimit { gate: self.0.clone(), inner }
    }
}

/// The service that [`RateLimitLayer`] puts around another one.
#[derive(Debug, Clone)]
pub struct RateLimit<S> {
    gate: Arc<Gate>,
    inner: S,
}

impl<S> Service<ToolCall> for RateLimit<S>
where
    S: Service<ToolCall, Response = ToolResult, Error = Error>,
{
    type Response = ToolResult;
    type Error = Error;
    type Future = Either<Ready<Answer>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: ToolCall) -> Self::Future {
        match self.gate.enter(&call.cx.principal) {
            Ok(_) => Either::Right(self.inner.call(call)),
            Err(refused) => Either::Left(ready(Err(refused))),
        }
    }
}
