//! `get_result`: how a client that knows no tasks comes by the answer of one.

use std::time::Instant;

use mcp_serve::{
    CallContext, Content, Error, ToolResult,
    model::{ContentBlock, Tool, ToolAnnotations},
};
use serde_json::{Map, Value, json, value::to_raw_value};

use super::{Desk, WAIT, kept, store::Outcome};
use crate::pulse;

pub const NAME: &str = "get_result";

/// As lists show it.
pub fn entry() -> Tool {
    let schema = json!({
        "type": "object",
        "properties": { "task_id": { "type": "string", "minLength": 1, "maxLength": 64, "description": "The `task_id` of the answer that was not ready" } },
        "required": ["task_id"],
        "additionalProperties": false,
    });
    let description = "The result of a call that took too long to wait for. Waits a few seconds; call it again while the \
        task is still running.";
    let mut annotations = ToolAnnotations::new();
    annotations.read_only_hint = Some(true);
    Tool::new(NAME, description, super::object(schema)).with_title("Get a result").with_annotations(annotations)
}

/// The answer for a client that can't be given a task.
pub fn still_running(id: &str, what: &str) -> ToolResult {
    let told = json!({ "task_id": id, "status": "working" });
    let text = format!("{what}. Call `{NAME}` with {{\"task_id\": \"{id}\"}} to wait for its result.");
    let json = to_raw_value(&told).expect("an object is JSON");
    ToolResult { content: Content::Both { blocks: vec![ContentBlock::text(text)], json }, is_error: false }
}

/// What else a tool may answer that promises an output. `None` where the promise can't be put beside another.
pub fn or_still_running(promised: &Value) -> Option<Value> {
    if names_others(promised) {
        return None;
    }
    let working = json!({
        "type": "object",
        "properties": { "task_id": { "type": "string" }, "status": { "const": "working" } },
        "required": ["task_id", "status"],
        "additionalProperties": false,
    });
    Some(json!({ "type": "object", "anyOf": [promised, working] }))
}

/// References start at the root, which would be another one.
fn names_others(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains("$") || names_others(value)),
        Value::Array(items) => items.iter().any(names_others),
        _ => false,
    }
}

impl Desk {
    /// Waits for the answer. What is wrong is told in words: a model reads them.
    pub async fn get_result(
        &self,
        cx: &CallContext,
        arguments: &Map<String, Value>,
        allows: impl Fn(&str) -> Result<(), Error>,
    ) -> Result<ToolResult, Error> {
        let Some(id) = arguments.get("task_id").and_then(Value::as_str).filter(|_| arguments.len() == 1) else {
            return Ok(ToolResult::error(format!("`{NAME}` takes one argument, `task_id`, which is a text")));
        };
        pulse::during(cx, Some(WAIT), self.await_result(cx, id, allows)).await
    }

    async fn await_result(
        &self,
        cx: &CallContext,
        id: &str,
        allows: impl Fn(&str) -> Result<(), Error>,
    ) -> Result<ToolResult, Error> {
        let until = Instant::now() + WAIT;
        loop {
            let Some(kept) = self.find(cx, id).await? else {
                return Ok(ToolResult::error("there is no such task; it may have expired, then call the tool again"));
            };
            allows(&kept.tool)?;
            let left = until.saturating_duration_since(Instant::now());
            match &kept.outcome {
                Some(Outcome::Completed(text)) => {
                    return kept::read(text)
                        .ok_or_else(|| Error::Internal { source: "a kept answer is damaged".into() });
                }
                Some(Outcome::Failed(message)) => {
                    return Ok(ToolResult::error(format!("the call of `{}` failed: {message}", kept.tool)));
                }
                Some(Outcome::Cancelled) => {
                    return Ok(ToolResult::error(format!("the call of `{}` was cancelled", kept.tool)));
                }
                None if left.is_zero() => {
                    let running = self.tasks.0.running().get(id).map(super::Running::told);
                    let told = running.map_or_else(String::new, |told| format!(": {told}"));
                    return Ok(still_running(id, &format!("`{}` is still running{told}", kept.tool)));
                }
                None => self.tasks.wait(id, left).await,
            }
        }
    }
}
