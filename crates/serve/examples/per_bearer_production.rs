//! Production: tokens in a database that all replicas share, OAuth metadata, and errors where somebody sees them.
//!
//! `HASH_KEY=$(openssl rand -base64 32) TOKENS=tokens.db OAUTH_ISSUER=https://login.example.com \
//!  cargo run -p mcp-serve --example per_bearer_production -- --listen 127.0.0.1:8080`

mod listen;

use std::sync::Arc;

use mcp_serve::{
    Server, TenantContext, ToolResult, ToolServer, ToolServerError,
    per_bearer::{Event, OAuth, Options, PerBearerServer, create_per_bearer_mcp_server},
    tokens::{HashKey, RegistryOptions, SharedTokens, TokenRegistry, TokenStore},
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

// ANCHOR: production
/// The principal comes with the token out of the database.
fn customer_server(caller: &TenantContext) -> Result<Arc<dyn Server>, ToolServerError> {
    let plan = caller.principal.claims.get("plan").and_then(|plan| plan.as_str()).unwrap_or("free").to_owned();
    ToolServer::new(format!("server of {}", caller.user_id()), "1.0.0")
        .tool("plan", "Says which plan you have", move |_, _| std::future::ready(Ok(ToolResult::text(&plan))))
        .build()
}

/// What another process adds to the store or removes from it is so here, too.
pub async fn start(
    options: Options,
    store: impl TokenStore,
    key: HashKey,
    oauth2: OAuth,
) -> Result<(PerBearerServer, SharedTokens), Failure> {
    let registry = TokenRegistry::new(RegistryOptions { key, ..RegistryOptions::default() });
    let tokens = SharedTokens::open(registry.clone(), store).await?;
    let server = create_per_bearer_mcp_server(Options { oauth2: Some(oauth2), ..options })
        .with_registry(registry)
        .with_factory(async |caller: TenantContext| customer_server(&caller))
        .on_event(|event| match event {
            Event::TransportError(failed) => tracing::error!(session = ?failed.session_id, error = failed.error),
            Event::ServerFailed(failed) => tracing::error!(token = %failed.token, error = failed.error),
            _ => {}
        })
        .start()
        .await?;
    Ok((server, tokens))
}
// ANCHOR_END: production

#[cfg(feature = "store-sqlite")]
#[tokio::main]
async fn main() -> Result<(), Failure> {
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("set {name}"));
    let issuer = variable("OAUTH_ISSUER")?;
    let oauth2 = OAuth {
        authorization_endpoint: format!("{issuer}/authorize"),
        token_endpoint: format!("{issuer}/token"),
        registration_endpoint: None,
        issuer,
    };
    let store = mcp_serve::tokens::SqliteTokens::open(variable("TOKENS")?).await?;
    let key = HashKey::from_base64(&variable("HASH_KEY")?)?;
    let (server, _tokens) = start(Options::at(listen::address()?), store, key, oauth2).await?;
    eprintln!("listening on {}", server.get_server_info().expect("just started").url);
    listen::until_interrupted().await;
    Ok(server.stop().await?)
}

#[cfg(not(feature = "store-sqlite"))]
fn main() {}
