//! What tools, prompts and resources answer that ask nobody.

use std::time::Duration;

use mcp_serve::{
    CallContext, Change, Changes, Content, Error, LogLevel, PromptText, ToolResult,
    model::{ContentBlock, PromptMessage, ResourceContents, Role},
};
use serde_json::{Map, Value, json};

/// One pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/// No samples.
const SILENCE: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

fn blocks(blocks: Vec<ContentBlock>) -> ToolResult {
    ToolResult { content: Content::Blocks(blocks), is_error: false }
}

/// `None` for what asks its client, or is not there.
pub async fn call(
    cx: &CallContext,
    changes: &Changes,
    name: &str,
    arguments: &Map<String, Value>,
) -> Option<ToolResult> {
    Some(match name {
        "test_simple_text" => ToolResult::text("This is a simple text response for testing."),
        "test_image_content" => blocks(vec![ContentBlock::image(PIXEL, "image/png")]),
        "test_audio_content" => blocks(vec![ContentBlock::audio(SILENCE, "audio/wav")]),
        "test_embedded_resource" => blocks(vec![ContentBlock::resource(
            ResourceContents::text("This is an embedded resource content.", "test://embedded-resource")
                .with_mime_type("text/plain"),
        )]),
        "test_multiple_content_types" => blocks(vec![
            ContentBlock::text("Multiple content types test:"),
            ContentBlock::image(PIXEL, "image/png"),
            ContentBlock::resource(
                ResourceContents::text(
                    json!({ "test": "data", "value": 123 }).to_string(),
                    "test://mixed-content-resource",
                )
                .with_mime_type("application/json"),
            ),
        ]),
        "test_error_handling" => ToolResult::error("This tool intentionally returns an error for testing"),
        "test_tool_with_progress" => {
            for percent in [0, 50, 100] {
                cx.progress.report(percent.into(), Some(100.0), None);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            ToolResult::text("counted to 100")
        }
        "test_tool_with_logging" | "test_logging_tool" => {
            for message in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                cx.log(LogLevel::Info, name, message);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            ToolResult::text("logged")
        }
        "test_trigger_tool_change" => {
            changes.notify(Change::Tools);
            ToolResult::text("told")
        }
        "test_trigger_prompt_change" => {
            changes.notify(Change::Prompts);
            ToolResult::text("told")
        }
        "test_custom_header" | "json_schema_2020_12_tool" => {
            ToolResult::json(serde_json::value::to_raw_value(arguments).expect("arguments are JSON"))
        }
        _ => return None,
    })
}

pub fn read(uri: &str) -> Result<Vec<ResourceContents>, Error> {
    let text = |text: &str, kind: &str| ResourceContents::text(text, uri).with_mime_type(kind);
    let contents = match uri {
        "test://static-text" => text("This is the content of the static text resource.", "text/plain"),
        "test://static-binary" => ResourceContents::blob(PIXEL, uri).with_mime_type("image/png"),
        "test://watched-resource" => text("Nothing happened so far.", "text/plain"),
        _ => match uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data")) {
            Some(id) if !id.is_empty() && !id.contains('/') => {
                let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
                text(&data.to_string(), "application/json")
            }
            _ => return Err(Error::UnknownResource { uri: uri.to_owned() }),
        },
    };
    Ok(vec![contents])
}

/// `None` for what asks its client, or is not there.
pub fn prompt(name: &str, arguments: &Map<String, Value>) -> Option<PromptText> {
    let argument = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
    let text = |text: String| PromptMessage::new_text(Role::User, text);
    let messages = match name {
        "test_simple_prompt" => vec![text("This is a simple prompt for testing.".to_owned())],
        "test_prompt_with_arguments" => {
            vec![text(format!("Prompt with arguments: arg1='{}', arg2='{}'", argument("arg1"), argument("arg2")))]
        }
        "test_prompt_with_embedded_resource" => {
            let carried = ResourceContents::text("Embedded resource content for testing.", argument("resourceUri"))
                .with_mime_type("text/plain");
            vec![
                PromptMessage::new(Role::User, ContentBlock::resource(carried)),
                text("Please process the embedded resource above.".to_owned()),
            ]
        }
        "test_prompt_with_image" => vec![
            PromptMessage::new(Role::User, ContentBlock::image(PIXEL, "image/png")),
            text("Please analyze the image above.".to_owned()),
        ],
        _ => return None,
    };
    Some(PromptText { description: None, messages })
}
