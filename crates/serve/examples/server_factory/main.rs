//! The factory of `factory.rs`, served to many users who show a JWT.
//!
//! `JWT_SECRET=... cargo run -p mcp-serve --example server_factory -- --listen 127.0.0.1:3000`, or with
//! `--stdio` for one user.

mod factory;
#[path = "../listen/mod.rs"]
mod listen;

use std::net::SocketAddr;

use mcp_serve::{
    Algorithm, EnvironmentPrincipal, Jwt, JwtConfig,
    wrap::{Tenant, Transport, WrapOptions, WrappedServer, wrap_server},
};

use crate::factory::{ServerOptions, create_server};

type Failure = Box<dyn std::error::Error + Send + Sync>;

// ANCHOR: wrap
fn options() -> WrapOptions {
    WrapOptions::default().resource_type("my-resource").server_factory(async |tenant: Tenant| {
        create_server(tenant.access_token(), tenant.user_id(), ServerOptions::default()).await
    })
}

fn wrapped(jwt_secret: &str, audience: &str, address: SocketAddr) -> Result<WrappedServer, Failure> {
    let tokens = JwtConfig::new("https://issuer.example.com", audience, vec![Algorithm::Hs256]);
    let users = Jwt::with_secret(tokens, jwt_secret.as_bytes())?;
    Ok(wrap_server(options().auth_provider(users).transport(Transport::sse(3000).at(address)))?)
}
// ANCHOR_END: wrap

// ANCHOR: stdio
/// For whoever started it, under the name in `MCP_USER_ID`.
async fn on_stdio() -> Result<(), Failure> {
    let user = EnvironmentPrincipal::default();
    let server = wrap_server(options().stdio_user(user).transport(Transport::Stdio))?;
    server.start().await?;
    Ok(server.wait().await?)
}
// ANCHOR_END: stdio

#[tokio::main]
async fn main() -> Result<(), Failure> {
    if std::env::args().nth(1).as_deref() == Some("--stdio") {
        return on_stdio().await;
    }
    let address = listen::address_or(SocketAddr::from(([127, 0, 0, 1], 3000)))?;
    let secret = std::env::var("JWT_SECRET").map_err(|_| "set JWT_SECRET to at least 32 bytes")?;
    let audience = std::env::var("JWT_AUDIENCE").unwrap_or_else(|_| format!("http://{address}/mcp"));
    // ANCHOR: start
    let server = wrapped(&secret, &audience, address)?;
    if let Some(address) = server.start().await? {
        eprintln!("listening on http://{address}/mcp");
    }
    listen::until_interrupted().await;
    server.stop().await?;
    // ANCHOR_END: start
    Ok(())
}
