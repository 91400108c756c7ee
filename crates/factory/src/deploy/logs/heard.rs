//! What is traced while a server works goes to its log, too: a task knows whose ring listens, so that no span is made for it.

use std::{
    fmt::{self, Write as _},
    task::{Context, Poll},
};

use mcp_serve::{BoxFuture, Error, ToolResult, middleware::ToolCall};
use tower_layer::Layer;
use tower_service::Service;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{filter::LevelFilter, layer, registry::LookupSpan};

use super::{Level, LogRing, Said, cut};

tokio::task_local! {
    static HEARD_BY: LogRing;
}

/// What is traced in this work is heard by the ring.
pub(in crate::deploy) fn heard_by<F: Future>(ring: LogRing, work: F) -> impl Future<Output = F::Output> {
    HEARD_BY.scope(ring, work)
}

/// Lets the ring hear calls.
#[derive(Debug, Clone)]
pub(in crate::deploy) struct HearLayer(pub(in crate::deploy) LogRing);

#[derive(Debug, Clone)]
pub(in crate::deploy) struct Hear<S>(LogRing, S);

impl<S> Layer<S> for HearLayer {
    type Service = Hear<S>;

    fn layer(&self, inner: S) -> Hear<S> {
        Hear(self.0.clone(), inner)
    }
}

impl<S> Service<ToolCall> for Hear<S>
where
    S: Service<ToolCall, Response = ToolResult, Error = Error>,
    S::Future: Send + 'static,
{
    type Response = ToolResult;
    type Error = Error;
    type Future = BoxFuture<'static, Result<ToolResult, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.1.poll_ready(cx)
    }

    fn call(&mut self, call: ToolCall) -> Self::Future {
        Box::pin(heard_by(self.0.clone(), self.1.call(call)))
    }
}

/// For the program's subscriber: hands what is traced to the ring that hears it. Events below `info` are nobody's, and cost
/// what they cost without it.
pub fn tap<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl layer::Layer<S> {
    layer::Layer::with_filter(Tap, LevelFilter::INFO)
}

#[derive(Debug)]
struct Tap;

impl<S: Subscriber> layer::Layer<S> for Tap {
    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        let _nobody = HEARD_BY.try_with(|ring| {
            let mut parts = Parts { ring, message: String::new(), fields: Vec::new() };
            event.record(&mut parts);
            let metadata = event.metadata();
            let level = match *metadata.level() {
                tracing::Level::ERROR => Level::Error,
                tracing::Level::WARN => Level::Warning,
                _ => Level::Info,
            };
            let (message, fields) = (parts.message.into(), parts.fields.into());
            ring.push(level, Said::Text { source: metadata.target().to_owned().into(), message, fields });
        });
    }
}

/// Of an event.
struct Parts<'a> {
    ring: &'a LogRing,
    message: String,
    fields: Vec<(&'static str, Box<str>)>,
}

/// Fields of an event that are kept.
const MOST_FIELDS: usize = 16;

impl Visit for Parts<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let value = cut(self.ring.redacted(value));
        if field.name() == "message" {
            self.message = value.into();
        } else if self.fields.len() < MOST_FIELDS {
            self.fields.push((field.name(), value));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}");
        self.record_str(field, &text);
    }

    fn record_error(&mut self, field: &Field, mut error: &(dyn std::error::Error + 'static)) {
        let mut text = error.to_string();
        while let Some(source) = error.source() {
            let _ = write!(text, ": {source}");
            error = source;
        }
        self.record_str(field, &text);
    }
}
