//! What comes between a request and a tool: `tower` layers around each tool call, composed once, whichever way the call came.
//!
//! A tuple of layers is a layer; its first is the outermost.
//!
//! ```
//! # use std::time::Duration;
//! use mcp_serve::{http::Config, middleware::{AuditLog, Metrics, Middleware, ObserveLayer, RateLimitLayer, TimeoutLayer}};
//! # use mcp_serve::Rate;
//! let metrics = Metrics::default();
//! let log = AuditLog::new(std::io::stderr()).expect("a thread");
//! let audit = log.audit().with_arguments(["order_id"]);
//! let layers = (
//!     ObserveLayer::new((audit, metrics.clone())),
//!     RateLimitLayer::new(Rate { calls: 60, per: Duration::from_secs(60) }),
//!     TimeoutLayer::new(Duration::from_secs(30)),
//! );
//! let config = Config { middleware: Some(Middleware::new(layers)), ..Config::default() };
//! ```

mod audit;
mod limit;
mod metrics;
mod observe;
mod retry;
mod timeout;
mod validate;

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use serde_json::{Map, Value};
use tower_layer::Layer;
use tower_service::Service;

pub use audit::{Audit, AuditLog, AuditRecord, CallLog};
pub use limit::{RateLimit, RateLimitLayer};
pub use metrics::{Metrics, ToolCounts};
pub use observe::{Observe, ObserveLayer, Observer, Outcome};
pub use retry::{Retry, RetryLayer};
pub use timeout::{Timeout, TimeoutLayer};
pub use validate::{Validate, ValidateLayer, Validating};

use crate::{BoxFuture, CallContext, Error, Server, ToolResult};

/// One call of a tool, as layers see it.
#[derive(Clone)]
#[non_exhaustive]
pub struct ToolCall {
    pub cx: CallContext,
    pub tool: String,
    pub arguments: Map<String, Value>,
    /// The caller's.
    pub server: Arc<dyn Server>,
}

/// Without arguments: they are the caller's.
impl fmt::Debug for ToolCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolCall").field("tool", &self.tool).field("request", &self.cx.call_id).finish_non_exhaustive()
    }
}

impl ToolCall {
    /// Whether doing it twice is the same as doing it once, as the server's list says.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        let tools = self.server.tools(&self.cx);
        let tool = tools.items().iter().find(|tool| tool.name == self.tool);
        let hints = tool.and_then(|tool| tool.annotations.as_ref());
        hints.is_some_and(|hints| hints.idempotent_hint == Some(true) || hints.read_only_hint == Some(true))
    }
}

/// The innermost service: the tool itself.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct CallTool;

/// How a call ended.
pub type Answer = Result<ToolResult, Error>;

impl Service<ToolCall> for CallTool {
    type Response = ToolResult;
    type Error = Error;
    type Future = BoxFuture<'static, Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: ToolCall) -> Self::Future {
        let ToolCall { cx, tool, arguments, server } = call;
        Box::pin(async move { server.call_tool(&cx, &tool, arguments).await })
    }
}

/// Layers around every tool call of a server; see [`Config::middleware`](crate::http::Config::middleware).
#[derive(Clone)]
pub struct Middleware(Arc<dyn Stack>);

impl fmt::Debug for Middleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Middleware(..)")
    }
}

trait Stack: Send + Sync {
    fn call(&self, call: ToolCall) -> BoxFuture<'static, Answer>;
}

/// Cloned for each call, as `tower` has it: layers share what they count.
struct Layered<S>(S);

impl<S> Stack for Layered<S>
where
    S: Service<ToolCall, Response = ToolResult, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    fn call(&self, call: ToolCall) -> BoxFuture<'static, Answer> {
        let mut service = self.0.clone();
        Box::pin(async move {
            std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(call).await
        })
    }
}

impl Middleware {
    #[must_use]
    pub fn new<L>(layers: L) -> Self
    where
        L: Layer<CallTool>,
        L::Service: Service<ToolCall, Response = ToolResult, Error = Error> + Clone + Send + Sync + 'static,
        <L::Service as Service<ToolCall>>::Future: Send,
    {
        Self(Arc::new(Layered(layers.layer(CallTool))))
    }

    pub(crate) fn call(
        &self,
        server: &Arc<dyn Server>,
        cx: &CallContext,
        tool: &str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'static, Answer> {
        self.0.call(ToolCall { cx: cx.clone(), tool: tool.to_owned(), arguments, server: server.clone() })
    }
}
