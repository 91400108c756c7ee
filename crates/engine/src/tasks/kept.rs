//! An answer as it is kept: its JSON once, not twice as on the wire.

use mcp_serve::{Content, ToolResult, model::ContentBlock};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Where the spec sets no limit to bytes.
const MOST: u64 = 64 << 20;
/// What may stand around the bytes that are limited.
const ROOM: u64 = 64 << 10;

#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blocks: Option<Vec<ContentBlock>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    json: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_error: bool,
}

/// One that is larger than the tool may answer is not kept.
pub fn write(result: ToolResult, max_bytes: Option<u64>) -> String {
    let is_error = result.is_error;
    let kept = match result.content {
        Content::Json(json) => Kept { blocks: None, json: Some(json), is_error },
        Content::Blocks(blocks) => Kept { blocks: Some(blocks), json: None, is_error },
        Content::Both { blocks, json } => Kept { blocks: Some(blocks), json: Some(json), is_error },
        // Tasks make no tasks.
        Content::Task(_) => Kept { blocks: None, json: None, is_error },
    };
    let text = serde_json::to_string(&kept).expect("answers are JSON");
    let most = max_bytes.unwrap_or(MOST).min(MOST) + ROOM;
    if text.len() as u64 <= most {
        return text;
    }
    let message = format!("the answer has {} bytes, and no more than {most} are kept; ask for less", text.len());
    write(ToolResult::error(message), None)
}

/// `None` for what this program did not write.
pub fn read(text: &str) -> Option<ToolResult> {
    let Kept { blocks, json, is_error } = serde_json::from_str(text).ok()?;
    let content = match (blocks, json) {
        (None, Some(json)) => Content::Json(json),
        (Some(blocks), None) => Content::Blocks(blocks),
        (Some(blocks), Some(json)) => Content::Both { blocks, json },
        (None, None) => Content::Blocks(Vec::new()),
    };
    Some(ToolResult { content, is_error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_was_answered() {
        let json = RawValue::from_string("{\"n\":9007199254740993}".to_owned()).unwrap();
        for result in [
            ToolResult::json(json.clone()),
            ToolResult::text("done"),
            ToolResult::error("not done"),
            ToolResult { content: Content::Both { blocks: vec![ContentBlock::text("see")], json }, is_error: false },
        ] {
            let kept = write(result.clone(), None);
            assert_eq!(format!("{:?}", read(&kept).unwrap()), format!("{result:?}"));
        }
        assert!(read("nonsense").is_none());
    }

    #[test]
    fn what_is_larger_than_the_tool_may_answer_is_said_to_be() {
        let result = read(&write(ToolResult::text("x".repeat(100_000)), Some(1000))).unwrap();
        assert!(result.is_error);
        assert!(format!("{result:?}").contains("no more than 66536"), "{result:?}");
    }
}
