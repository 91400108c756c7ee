//! `mcp`: a tool of another MCP server, under our names, limits and authentication.

use std::time::Duration;

use mcp_factory_connect::mcp::{Bounds, Server};
use mcp_factory_spec::model::{self, McpCall};
use mcp_serve::{CallContext, Content, ToolResult, model::ContentBlock};
use serde_json::{Map, Value, value::to_raw_value};

use crate::{
    per::Connected,
    plan::{Builder, Fault},
    shape::Shape,
};

/// Where the spec sets no size, an answer still ends.
const LARGEST: usize = 64 << 20;

#[derive(Debug)]
pub struct McpTool {
    server: Connected<Server>,
    /// What it is called there.
    tool: String,
    max_bytes: usize,
    shape: Option<Shape>,
}

impl McpTool {
    pub fn compile(call: &McpCall, tool: &model::Tool, builder: &mut Builder<'_>) -> Result<Self, Fault> {
        let connection = tool.connection.as_ref().map(|name| name.as_str());
        let max_bytes = tool.limits.max_bytes.at().map(|size| usize::try_from(size.bytes()).unwrap_or(LARGEST));
        Ok(Self {
            server: builder.connections.mcp(connection, call.tool.as_str())?,
            tool: call.tool.to_string(),
            max_bytes: max_bytes.unwrap_or(LARGEST),
            shape: tool.returns.as_ref().map(|returns| Shape::compile(returns.as_value())),
        })
    }

    pub async fn call(&self, cx: &CallContext, arguments: Map<String, Value>, timeout: Option<Duration>) -> ToolResult {
        let server = match self.server.of(cx).await {
            Ok(server) => server,
            Err(message) => return ToolResult::error(message),
        };
        let timeout = super::upstream_time(timeout);
        let bounds = Bounds { timeout, max_bytes: self.max_bytes, caller: Some(cx.principal.id.clone()) };
        match server.call(&self.tool, arguments, &bounds).await {
            Ok(result) => self.answer(result).unwrap_or_else(ToolResult::error),
            Err(error) => ToolResult::error(error.to_string()),
        }
    }

    /// Its content as it is; what `returns` does not list is dropped from what is structured.
    fn answer(&self, mut result: Value) -> Result<ToolResult, String> {
        let broken = |what: &str| format!("the MCP server `{}` {what}", self.server.name());
        match result["resultType"].as_str() {
            None | Some("complete") => {}
            Some("input_required") => return Err(broken("asks a person for something, which is not passed on")),
            Some(_) => return Err(broken("answers with something that is no result")),
        }
        let is_error = result["isError"] == true;
        let blocks = match result["content"].take() {
            Value::Null => Vec::new(),
            content => serde_json::from_value::<Vec<ContentBlock>>(content)
                .map_err(|_| broken("answers with content of a kind that is not known"))?,
        };
        let structured = Some(result["structuredContent"].take()).filter(Value::is_object);
        let content = match structured {
            Some(structured) => {
                let shaped = match self.shape.as_ref().filter(|_| !is_error) {
                    Some(shape) => shape.apply(structured.clone()),
                    None => structured.clone(),
                };
                let json = to_raw_value(&shaped).map_err(|_| broken("answers with what can't be written"))?;
                // Texts beside it would say what was dropped.
                match shaped == structured && !blocks.is_empty() {
                    true => Content::Both { blocks, json },
                    false => Content::Json(json),
                }
            }
            None => Content::Blocks(blocks),
        };
        Ok(ToolResult { content, is_error })
    }
}
