//! A prototype: a server behind a token, in one statement.
//!
//! `cargo run -p mcp-serve --example per_bearer_prototype -- --listen 127.0.0.1:8080`, with the token `test`.

mod listen;

use mcp_serve::{
    TenantContext, ToolResult, ToolServer,
    per_bearer::{Options, PerBearerError, PerBearerServer, create_per_bearer_mcp_server},
};

// ANCHOR: prototype
pub async fn start(options: Options) -> Result<PerBearerServer, PerBearerError> {
    create_per_bearer_mcp_server(options)
        .add_token("test", async |_: TenantContext| {
            ToolServer::new("test", "1.0.0")
                .tool("hello", "Says hello", async |_, _| Ok(ToolResult::text("hello")))
                .build()
        })
        .start()
        .await
}
// ANCHOR_END: prototype

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = start(Options::at(listen::address()?)).await?;
    eprintln!("listening on {}", server.get_server_info().expect("just started").url);
    listen::until_interrupted().await;
    Ok(server.stop().await?)
}
