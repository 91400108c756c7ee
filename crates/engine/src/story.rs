//! What a caller who asked for log messages is told of a call: how it went, and what the model may overlook in its answer.

use std::time::Instant;

use mcp_serve::{CallContext, Content, LogLevel, ToolResult};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

/// Tells how the call went, and costs nothing where nobody asked. Says nothing that the answer does not: arguments may be
/// private.
pub async fn told(cx: &CallContext, tool: &str, work: impl Future<Output = ToolResult>) -> ToolResult {
    if !cx.log.wants(LogLevel::Emergency) {
        return work.await;
    }
    let began = Instant::now();
    let result = work.await;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    if is_cut(&result) {
        cx.log(LogLevel::Notice, tool, json!({ "message": "the answer was cut", "tookMs": took_ms }));
    }
    let (level, message) =
        if result.is_error { (LogLevel::Info, "answered with an error") } else { (LogLevel::Debug, "answered") };
    cx.log(level, tool, json!({ "message": message, "tookMs": took_ms }));
    result
}

fn is_cut(result: &ToolResult) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        truncated: Option<IgnoredAny>,
    }
    match &result.content {
        Content::Json(json) | Content::Both { json, .. } => {
            serde_json::from_str(json.get()).is_ok_and(|answer: Answer| answer.truncated.is_some())
        }
        Content::Blocks(_) | Content::Task(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer;

    #[test]
    fn a_cut_answer_is_known_by_what_it_says() {
        let cut = answer::value(json!({ "items": [], "truncated": { "reason": "rows" } }));
        assert!(is_cut(&cut));
        for whole in [json!({ "items": [{ "truncated": true }] }), json!([1]), json!("x")] {
            assert!(!is_cut(&answer::value(whole)));
        }
        assert!(!is_cut(&ToolResult::text("truncated")));
    }
}
