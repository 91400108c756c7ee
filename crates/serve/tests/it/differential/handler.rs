//! What both ways serve: a handler as it is written for rmcp.

use std::sync::Arc;

use mcp_serve::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult, CompletionInfo,
    ContentBlock, ErrorCode, GetPromptRequestParams, GetPromptResponse, GetPromptResult, JsonObject, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams, Prompt, PromptMessage,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
    Role, ServerCapabilities, ServerConfig, SubscriptionFilter, Tool,
};
use rmcp::{ErrorData, RoleServer, ServerHandler, service::RequestContext};
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy)]
pub struct Handler;

fn tools() -> Vec<Tool> {
    let object = |value: Value| -> JsonObject { value.as_object().expect("an object").clone() };
    let any = object(json!({"type": "object"}));
    let routed = object(json!({"type": "object", "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "count": {"type": "integer", "x-mcp-header": "Count"},
    }}));
    let tool = |name: &'static str| Tool::new(name, "a tool", any.clone());
    vec![tool("echo"), tool("text"), tool("failing"), tool("refuse"), Tool::new("routed", "a tool", routed)]
}

/// The handlers know no cursor.
fn one_page(request: Option<PaginatedRequestParams>) -> Result<(), ErrorData> {
    match request.and_then(|request| request.cursor) {
        None => Ok(()),
        Some(_) => Err(ErrorData::invalid_params("unknown cursor", None)),
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_completions();
        ServerConfig::new(capabilities.build()).with_instructions("Ask.")
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools().into_iter().find(|tool| tool.name == name)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        one_page(request)?;
        Ok(ListToolsResult::with_all_items(tools()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let text = |text: &str| vec![ContentBlock::text(text)];
        match &*request.name {
            "echo" | "routed" => {
                let arguments = Value::Object(request.arguments.unwrap_or_default());
                Ok(CallToolResult::structured(arguments).into())
            }
            "text" => Ok(CallToolResult::success(text("a text")).into()),
            "failing" => Ok(CallToolResult::error(text("the database is down")).into()),
            "refuse" => Err(ErrorData::new(ErrorCode(-31_999), "not today", Some(json!({"until": "tomorrow"})))),
            other => Err(ErrorData::invalid_params(format!("Unknown tool: {other}"), None)),
        }
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        one_page(request)?;
        Ok(ListResourcesResult::with_all_items(vec![Resource::new("doc://a", "A")]))
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        one_page(request)?;
        Ok(ListResourceTemplatesResult::with_all_items(vec![ResourceTemplate::new("doc://{name}", "Any")]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        if request.uri != "doc://a" {
            return Err(ErrorData::invalid_params("no such resource", None));
        }
        Ok(ReadResourceResult::new(vec![ResourceContents::text("the text", request.uri)]).into())
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        one_page(request)?;
        Ok(ListPromptsResult::with_all_items(vec![Prompt::new("greet", Some("Greets"), None)]))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if request.name != "greet" {
            return Err(ErrorData::invalid_params("no such prompt", None));
        }
        let who = request.arguments.as_ref().and_then(|arguments| arguments.get("who")).and_then(Value::as_str);
        let message = PromptMessage::new_text(Role::User, format!("Greet {}.", who.unwrap_or("nobody")));
        Ok(GetPromptResult::new(vec![message]).with_description("Greets").into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let filled = request.context.and_then(|context| context.arguments).map_or(0, |arguments| arguments.len());
        let values = vec![format!("{}{filled}", request.argument.value)];
        let mut info = CompletionInfo::new(values).expect("one value");
        info.has_more = Some(false);
        Ok(CompleteResult::new(info))
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }
}

pub fn shared() -> Arc<Handler> {
    Arc::new(Handler)
}
