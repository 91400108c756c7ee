//! Somebody's rmcp server, unchanged, behind our HTTP with API keys.
//!
//! `MCP_KEYS='{"a-long-key": "alice"}' cargo run -p mcp-serve --example wrap_existing -- --listen 127.0.0.1:8080`

mod listen;

use std::sync::Arc;

use mcp_serve::{BearerTokens, KeyList, http, server_of};

/// As it is written for rmcp alone.
mod existing {
    use rmcp::{
        ErrorData, RoleServer, ServerHandler,
        model::{
            CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorCode, JsonObject,
            ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
        },
        service::RequestContext,
    };

    pub struct Clock;

    impl ServerHandler for Clock {
        fn get_info(&self) -> ServerConfig {
            ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
        }

        async fn list_tools(
            &self,
            _: Option<PaginatedRequestParams>,
            _: RequestContext<RoleServer>,
        ) -> Result<ListToolsResult, ErrorData> {
            let mut schema = JsonObject::new();
            schema.insert("type".to_owned(), "object".into());
            Ok(ListToolsResult::with_all_items(vec![Tool::new("seconds", "Seconds since 1970", schema)]))
        }

        async fn call_tool(
            &self,
            request: CallToolRequestParams,
            _: RequestContext<RoleServer>,
        ) -> Result<CallToolResponse, ErrorData> {
            if request.name != "seconds" {
                return Err(ErrorData::new(ErrorCode::INVALID_PARAMS, format!("Unknown tool: {}", request.name), None));
            }
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            Ok(CallToolResult::success(vec![ContentBlock::text(now.as_secs().to_string())]).into())
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = std::env::var("MCP_KEYS").map_err(|_| "set MCP_KEYS to {\"key\": \"principal\"}")?;
    let callers = Arc::new(BearerTokens::new(KeyList::parse(&keys)?));
    let listener = listen::from_arguments(&http::Config::default(), &*callers).await?;
    // ANCHOR: existing
    let server = server_of(existing::Clock).await?;
    http::serve(server, listener, callers, http::Config::default(), listen::until_interrupted()).await?;
    // ANCHOR_END: existing
    Ok(())
}
