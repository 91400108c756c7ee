//! Calls that somebody looks at before they are made.

use std::{
    fmt,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::Either;
use tower_layer::Layer;
use tower_service::Service;

use super::{Answer, ToolCall};
use crate::{Error, ToolResult};

/// Looks at a call before it is made. What is wrong is told to the model, which can mend it.
pub trait Validate: Send + Sync + 'static {
    /// What is wrong, in words for the model.
    fn validate(&self, call: &ToolCall) -> Result<(), String>;
}

impl<F: Fn(&ToolCall) -> Result<(), String> + Send + Sync + 'static> Validate for F {
    fn validate(&self, call: &ToolCall) -> Result<(), String> {
        self(call)
    }
}

/// Makes only calls that a [`Validate`] finds right.
#[derive(Clone)]
pub struct ValidateLayer(Arc<dyn Validate>);

impl fmt::Debug for ValidateLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ValidateLayer(..)")
    }
}

impl ValidateLayer {
    pub fn new(validate: impl Validate) -> Self {
        Self(Arc::new(validate))
    }
}

impl<S> Layer<S> for ValidateLayer {
    type Service = Validating<S>;

    fn layer(&self, inner: S) -> Validating<S> {
        Validating { validate: self.clone(), inner }
    }
}

/// The service that [`ValidateLayer`] puts around another one.
#[derive(Debug, Clone)]
pub struct Validating<S> {
    validate: ValidateLayer,
    inner: S,
}

impl<S> Service<ToolCall> for Validating<S>
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
        match self.validate.0.validate(&call) {
            Ok(()) => Either::Right(self.inner.call(call)),
            Err(wrong) => Either::Left(ready(Ok(ToolResult::error(wrong)))),
        }
    }
}
