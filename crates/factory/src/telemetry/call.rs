//! One call: a span around it, whose trace goes on upstream, and how long it took.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use http::HeaderValue;
use mcp_factory_connect::trace;
use mcp_serve::{
    BoxFuture, Error, ToolResult, TraceParent,
    middleware::{Outcome, ToolCall},
};
use opentelemetry::{
    Context as Trace, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, TraceState, Tracer as _},
};
use opentelemetry_sdk::trace::Span;
use tower_layer::Layer;
use tower_service::Service;

use super::Telemetry;

/// Around the calls of one server.
#[derive(Debug, Clone)]
pub struct TraceLayer {
    telemetry: Telemetry,
    server: Arc<str>,
}

#[derive(Debug, Clone)]
pub struct Traced<S> {
    layer: TraceLayer,
    inner: S,
}

impl TraceLayer {
    pub(super) fn new(telemetry: Telemetry, server: &str) -> Self {
        Self { telemetry, server: server.into() }
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced { layer: self.clone(), inner }
    }
}

impl<S> Service<ToolCall> for Traced<S>
where
    S: Service<ToolCall, Response = ToolResult, Error = Error>,
    S::Future: Send + 'static,
{
    type Response = ToolResult;
    type Error = Error;
    type Future = BoxFuture<'static, Result<ToolResult, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut call: ToolCall) -> Self::Future {
        let mut running = Running::begin(&self.layer, &call);
        let parent = running.span.as_ref().map(|span| parent_of(span.span_context())).or(call.cx.trace);
        call.cx.trace = parent;
        let state = call.cx.trace_state.as_deref().and_then(|state| HeaderValue::try_from(state).ok());
        let work = self.inner.call(call);
        let parent = parent.and_then(|parent| HeaderValue::try_from(parent.to_string()).ok());
        let trace = parent.map(|parent| trace::Trace { parent, state });
        Box::pin(async move {
            let answer = match trace {
                Some(trace) => trace::within(trace, work).await,
                None => work.await,
            };
            running.end(Outcome::of(&answer));
            answer
        })
    }
}

/// A call until it ends, however that comes.
struct Running {
    telemetry: Telemetry,
    server: Arc<str>,
    tool: String,
    span: Option<Span>,
    began: Instant,
    ended: bool,
}

impl Running {
    fn begin(TraceLayer { telemetry, server }: &TraceLayer, call: &ToolCall) -> Self {
        let tools = call.server.tools(&call.cx);
        // What there is not may be anything that somebody sent, and never the same twice.
        let is_known = tools.items().iter().any(|tool| tool.name == call.tool);
        let tool = if is_known { call.tool.clone() } else { "unknown".to_owned() };
        let span = telemetry.0.tracer.as_ref().map(|tracer| {
            let builder = tracer.span_builder(format!("tools/call {tool}")).with_kind(SpanKind::Server);
            let mut attributes = attributes(server, &tool);
            attributes.push(KeyValue::new("mcp.call.id", call.cx.call_id.to_string()));
            let parent = match call.cx.trace {
                Some(parent) => {
                    let state = call.cx.trace_state.as_deref().and_then(|state| state.parse().ok());
                    Trace::new().with_remote_span_context(context_of(parent, state.unwrap_or_default()))
                }
                None => Trace::new(),
            };
            tracer.build_with_context(builder.with_attributes(attributes), &parent)
        });
        Self { telemetry: telemetry.clone(), server: server.clone(), tool, span, began: Instant::now(), ended: false }
    }

    fn end(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let error = match outcome {
            Outcome::Ok | Outcome::InputRequired => None,
            Outcome::ToolError => Some("tool_error"),
            Outcome::Refused => Some("refused"),
            Outcome::InternalError => Some("internal_error"),
            Outcome::Cancelled => Some("cancelled"),
            Outcome::Panicked => Some("panicked"),
        };
        if let Some(span) = &mut self.span {
            if let Some(error) = error {
                span.set_attribute(KeyValue::new("error.type", error));
                span.set_status(Status::error(outcome.as_str()));
            }
            span.end();
        }
        if let Some(duration) = &self.telemetry.0.duration {
            let mut attributes = attributes(&self.server, &self.tool);
            attributes.extend(error.map(|error| KeyValue::new("error.type", error)));
            duration.record(self.began.elapsed().as_secs_f64(), &attributes);
        }
    }
}

/// Dropped before it ended: the caller left, or the tool panicked.
impl Drop for Running {
    fn drop(&mut self) {
        self.end(if std::thread::panicking() { Outcome::Panicked } else { Outcome::Cancelled });
    }
}

/// As the conventions for MCP name them, and the server.
fn attributes(server: &Arc<str>, tool: &str) -> Vec<KeyValue> {
    vec![
        KeyValue::new("mcp.method.name", "tools/call"),
        KeyValue::new("gen_ai.operation.name", "execute_tool"),
        KeyValue::new("gen_ai.tool.name", tool.to_owned()),
        KeyValue::new("mcp.server.name", server.clone()),
    ]
}

fn context_of(parent: TraceParent, state: TraceState) -> SpanContext {
    let flags = if parent.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let (trace, span) = (TraceId::from(parent.trace_id), SpanId::from(parent.span_id));
    SpanContext::new(trace, span, flags, true, state)
}

fn parent_of(context: &SpanContext) -> TraceParent {
    TraceParent {
        trace_id: u128::from_be_bytes(context.trace_id().to_bytes()),
        span_id: u64::from_be_bytes(context.span_id().to_bytes()),
        sampled: context.is_sampled(),
    }
}
