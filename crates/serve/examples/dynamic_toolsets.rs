//! A shop whose tools come in groups: clients turn on what they need.
//!
//! `cargo run -p mcp-serve --example dynamic_toolsets -- --listen 127.0.0.1:9090`
//!
//! `STARTUP='{"toolsets": "ALL"}'` makes it static: every client has everything.

#[path = "listen/mod.rs"]
mod listen;

use mcp_serve::{
    ToolResult,
    mcp_server::{HttpConfig, McpServerHandle, McpServerOptions, Startup, create_mcp_server, validate_startup_config},
    model::Tool,
    toolsets::{Catalog, OwnTool, Toolset},
};
use serde_json::json;

type Failure = Box<dyn std::error::Error + Send + Sync>;

// ANCHOR: tool
fn tool(name: &'static str, description: &'static str, answer: &'static str) -> OwnTool {
    let schema = json!({ "type": "object", "properties": { "order": { "type": "string" } } });
    let tool = Tool::new(name, description, schema.as_object().cloned().unwrap_or_default());
    OwnTool::new(tool, move |caller, _arguments| async move {
        Ok(ToolResult::text(format!("{answer}, for {}", caller.principal.id)))
    })
}
// ANCHOR_END: tool

// ANCHOR: catalog
pub fn catalog() -> Catalog {
    Catalog::new()
        .toolset(
            Toolset::new("orders", "Look orders up")
                .decision_criteria("The customer asks where something is")
                .own(tool("find", "Find an order", "it is on its way"))
                .own(tool("track", "Track a parcel", "it is in Hamburg")),
        )
        .toolset(Toolset::new("billing", "Bills and refunds").module("billing"))
        .toolset(Toolset::new("stock", "What there is").own(tool("count", "Count an article", "there are 3")))
        // Made when somebody turns `billing` on; one that fails is tried again then.
        .module("billing", async || Ok(vec![tool("refund", "Pay money back", "it was paid")]))
}
// ANCHOR_END: catalog

// ANCHOR: dynamic
pub async fn start(startup: Startup, http: HttpConfig) -> Result<McpServerHandle, Failure> {
    let options = McpServerOptions::default().catalog(catalog()).startup(startup).with(|config| {
        config.name = "shop".to_owned();
        config.exposure_policy.get_or_insert_default().max_active_toolsets = Some(3);
        config.http = http;
    });
    let server = create_mcp_server(options).await?;
    server.start().await?;
    Ok(server)
}
// ANCHOR_END: dynamic

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let startup = match std::env::var("STARTUP") {
        Ok(startup) => validate_startup_config(&serde_json::from_str(&startup)?)?,
        Err(_) => Startup::default(),
    };
    let server = start(startup, HttpConfig::at(listen::address()?)).await?;
    for warning in server.warnings() {
        eprintln!("{warning}");
    }
    eprintln!("listening on http://{}/mcp", server.local_addr().ok_or("it was started")?);
    listen::until_interrupted().await;
    Ok(server.close().await?)
}
