//! The same server for one user on standard input and output: the standalone entry of `server_factory/factory.rs`.
#![allow(dead_code, reason = "the factory has more than one user needs")]

#[path = "server_factory/factory.rs"]
mod factory;

// ANCHOR: standalone
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let options = factory::ServerOptions::default();
    let server = factory::create_server("", "local", options).await?;
    rmcp::serve_server(server, rmcp::transport::stdio()).await?.waiting().await?;
    Ok(())
}
// ANCHOR_END: standalone
