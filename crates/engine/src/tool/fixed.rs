//! `static`: an answer that is always the same, made once when the server starts.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mcp_factory_spec::model::Static;
use mcp_serve::{
    Content, ToolResult,
    model::{ContentBlock, Resource},
};

use crate::{answer, plan::Builder};

/// Pictures and sounds are sent whole.
const LARGEST_FILE: u64 = 8 << 20;

pub fn compile(fixed: &Static, builder: &Builder<'_>) -> Result<ToolResult, String> {
    let encoded = |file: &str| Ok::<_, String>(STANDARD.encode(builder.read_file(file, LARGEST_FILE)?));
    let block = match fixed {
        Static::Text(text) => return Ok(ToolResult::text(text)),
        Static::Json(value) => return Ok(answer::value(value.clone())),
        Static::Image { file, mime_type } => ContentBlock::image(encoded(file)?, mime_type),
        Static::Audio { file, mime_type } => ContentBlock::audio(encoded(file)?, mime_type),
        Static::Resource(uri) => ContentBlock::resource_link(Resource::new(uri, uri)),
    };
    Ok(ToolResult { content: Content::Blocks(vec![block]), is_error: false })
}
