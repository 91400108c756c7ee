//! Development: short tokens, and everything that happens is shown.
//!
//! `cargo run -p mcp-serve --example per_bearer_development`, with the tokens `dev` and `test`.

mod listen;

use mcp_serve::{
    CallContext, TenantContext, ToolResult, ToolServer,
    per_bearer::{Event, Options, PerBearerError, PerBearerServer, create_per_bearer_mcp_server},
};

// ANCHOR: development
pub async fn start(options: Options, show: fn(String)) -> Result<PerBearerServer, PerBearerError> {
    create_per_bearer_mcp_server(Options { logging: true, ..options })
        .add_token("dev", async |_: TenantContext| {
            let whoami = async |cx: CallContext, _| Ok(ToolResult::text(format!("you are {}", cx.principal.id)));
            ToolServer::new("dev", "0.1.0").tool("whoami", "Says who calls", whoami).build()
        })
        .add_token("test", async |_: TenantContext| ToolServer::new("test", "0.1.0").build())
        .on_event(move |event| match event {
            Event::Started(info) => show(format!("listening on {}", info.url)),
            Event::SessionCreated(session) => show(format!("session of {}: {}", session.token, session.server_name)),
            Event::ToolCalled(call) => show(format!("{} called {} in {:?}", call.token, call.tool_name, call.duration)),
            _ => {}
        })
        .start()
        .await
}
// ANCHOR_END: development

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = start(Options::at(listen::address()?), |line| eprintln!("{line}")).await?;
    listen::until_interrupted().await;
    Ok(server.stop().await?)
}
