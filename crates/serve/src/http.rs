//! Streamable HTTP: both protocol eras at one endpoint.
//!
//! 2026-07-28 and session-less requests of older clients are answered here, straight from the [`Server`]; sessions are the
//! SDK's. Whatever the way, a request passes Host and Origin checks, authentication and the limits first.

mod body;
mod config;
mod connections;
mod endpoint;
mod guard;
mod sessions;
mod stateless;
mod stream;

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::{Authenticator, Server};

pub use body::Body;
pub use config::{Config, ConfigError};
pub use connections::Summary;
pub use endpoint::Endpoint;

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the listening socket has no address")]
    Listener(#[source] std::io::Error),
}

/// Serves until `shutdown` ends, then stops accepting, ends listen streams and sessions and waits for the calls that run,
/// at most [`Config::drain`].
///
/// ```no_run
/// use std::sync::Arc;
/// use mcp_serve::{BoxFuture, CallContext, Capabilities, Error, Listing, NoAuthentication, Server, ToolResult, http, model};
///
/// struct Hello(model::Implementation, Arc<Listing<model::Tool>>);
///
/// impl Server for Hello {
///     fn implementation(&self) -> &model::Implementation { &self.0 }
///     fn capabilities(&self) -> Capabilities { Capabilities { tools: true, ..Capabilities::default() } }
///     fn tools(&self, _: &CallContext) -> Arc<Listing<model::Tool>> { self.1.clone() }
///     fn call_tool<'a>(&'a self, cx: &'a CallContext, name: &'a str, _: serde_json::Map<String, serde_json::Value>)
///         -> BoxFuture<'a, Result<ToolResult, Error>> {
///         Box::pin(async move { Ok(ToolResult::text(format!("{name} says hello to {}", cx.principal.id))) })
///     }
/// }
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let tools = Listing::new(vec![model::Tool::new("hello", "Says hello", model::JsonObject::new())])?;
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// let server = Arc::new(Hello(model::Implementation::new("hello", "1.0.0"), tools));
/// http::serve(server, listener, Arc::new(NoAuthentication::default()), http::Config::default(), async {}).await?;
/// # Ok(()) }
/// ```
pub async fn serve(
    server: Arc<dyn Server>,
    listener: TcpListener,
    authenticator: Arc<dyn Authenticator>,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<Summary, ServeError> {
    let address = listener.local_addr().map_err(ServeError::Listener)?;
    config.check(address, &*authenticator)?;
    let endpoint = Endpoint::new(server, authenticator, config)?;
    Ok(connections::run(endpoint, listener, shutdown).await)
}
