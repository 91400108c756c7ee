//! The factory of `factory.rs`, served to many users who show a JWT.
//!
//! `JWT_SECRET=... cargo run -p mcp-serve --example server_factory -- --listen 127.0.0.1:3000`

mod factory;
#[path = "../listen/mod.rs"]
mod listen;

use std::net::SocketAddr;

use mcp_serve::{
    Algorithm, Jwt, JwtConfig,
    wrap::{Tenant, Transport, WrapOptions, WrappedServer, wrap_server},
};

use crate::factory::{ServerOptions, create_server};

type Failure = Box<dyn std::error::Error + Send + Sync>;

// ANCHOR: wrap
fn wrapped(jwt_secret: &str, audience: &str, address: SocketAddr) -> Result<WrappedServer, Failure> {
    let tokens = JwtConfig::new("https://issuer.example.com", audience, vec![Algorithm::Hs256]);
    let options = WrapOptions::default()
        .server_factory(async |tenant: Tenant| {
            create_server(tenant.access_token(), tenant.user_id(), ServerOptions::default()).await
        })
        .auth_provider(Jwt::with_secret(tokens, jwt_secret.as_bytes())?)
        .resource_type("my-resource")
        .transport(Transport::sse(3000).at(address));
    Ok(wrap_server(options)?)
}
// ANCHOR_END: wrap

#[tokio::main]
async fn main() -> Result<(), Failure> {
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
