//! A tool call, whichever way it came, with its line in the log.

use std::time::Instant;

use serde_json::{Map, Value};

use crate::{CallContext, Error, ToolResult, live::Serving};

/// Calls the tool. Dropping the future cancels the call, which the log tells too.
pub(crate) async fn call_tool(
    serving: &Serving,
    cx: &CallContext,
    name: &str,
    arguments: Map<String, Value>,
) -> Result<ToolResult, Error> {
    let mut line = Line::begin(cx, name);
    let outcome = match &serving.front().middleware {
        None => serving.server.call_tool(cx, name, arguments).await,
        Some(middleware) => middleware.call(&serving.server, cx, name, arguments).await,
    };
    line.outcome = match &outcome {
        Ok(result) if result.is_error => "tool error",
        Ok(_) => "ok",
        Err(Error::Internal { .. }) => "internal error",
        Err(_) => "refused",
    };
    outcome
}

/// Written when the call is over, however it ended. Where nobody reads it, it costs one comparison.
struct Line<'a> {
    cx: &'a CallContext,
    tool: &'a str,
    began: Option<Instant>,
    outcome: &'static str,
}

impl<'a> Line<'a> {
    fn begin(cx: &'a CallContext, name: &'a str) -> Self {
        let began = tracing::enabled!(tracing::Level::DEBUG).then(Instant::now);
        // Names come from callers, who may send what they like.
        let tool = &name[..name.floor_char_boundary(128)];
        Self { cx, tool, began, outcome: "cancelled" }
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let Some(began) = self.began else { return };
        let outcome = if std::thread::panicking() { "panicked" } else { self.outcome };
        let took_ms = began.elapsed().as_secs_f64() * 1000.0;
        let CallContext { call_id, principal, .. } = self.cx;
        tracing::debug!(request = %call_id, principal = principal.id, tool = self.tool, outcome, took_ms, "tool called");
    }
}
