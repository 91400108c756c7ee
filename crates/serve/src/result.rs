//! What a tool answers, and the one writer that puts it on the wire.

use rmcp::model::{CallToolResult, ContentBlock, Task};
use serde_json::value::RawValue;

/// The answer of a tool, whichever way it was called.
#[derive(Debug, Clone)]
pub struct ToolResult {
    pub content: Content,
    pub is_error: bool,
}

/// What a call gives back, as a tool writes it.
#[derive(Debug, Clone)]
pub enum Content {
    /// A JSON object, as text. On the wire it is both `structuredContent` and one text block with the same JSON.
    Json(Box<RawValue>),
    /// Blocks only.
    Blocks(Vec<ContentBlock>),
    /// Blocks for people beside the structured object.
    Both { blocks: Vec<ContentBlock>, json: Box<RawValue> },
    /// The call goes on as a task. Only for a client that declared the extension ([`CallContext::client`](crate::CallContext)).
    Task(Box<Task>),
}

impl ToolResult {
    #[must_use]
    pub fn json(json: Box<RawValue>) -> Self {
        Self { content: Content::Json(json), is_error: false }
    }

    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: Content::Blocks(vec![ContentBlock::text(text.into())]), is_error: false }
    }

    /// A failure that the model is told of and can act on.
    #[must_use]
    pub fn error(message: impl Into<String>) -> Self {
        Self { is_error: true, ..Self::text(message) }
    }
}

impl From<ToolResult> for CallToolResult {
    fn from(result: ToolResult) -> Self {
        let value = |json: &RawValue| serde_json::from_str(json.get()).expect("raw JSON is JSON");
        let (content, structured) = match result.content {
            Content::Json(json) => (vec![ContentBlock::text(json.get())], Some(value(&json))),
            Content::Blocks(blocks) => (blocks, None),
            Content::Both { blocks, json } => (blocks, Some(value(&json))),
            // Whoever can't be given a task is told in words.
            Content::Task(task) => {
                (vec![ContentBlock::text(format!("this goes on as the task {}", task.task_id))], None)
            }
        };
        let mut answer = Self::success(content);
        answer.structured_content = structured;
        answer.is_error = result.is_error.then_some(true);
        answer
    }
}
