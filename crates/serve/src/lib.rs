//! Serves MCP to many callers. A library of its own: it knows no spec and no factory.
//!
//! One pipeline: credential -> [`Authenticator`] -> [`Principal`] -> [`Server`] -> result, over Streamable HTTP and stdio,
//! for the stateless protocol (2026-07-28) and for older clients.
//!
//! ```no_run
//! use std::sync::Arc;
//! use mcp_serve::{BoxFuture, CallContext, Capabilities, Error, Listing, NoAuthentication, Server, ToolResult, http, model};
//! use serde_json::{Map, Value};
//!
//! struct Hello(model::Implementation, Arc<Listing<model::Tool>>);
//!
//! impl Server for Hello {
//!     fn implementation(&self) -> &model::Implementation { &self.0 }
//!     fn capabilities(&self) -> Capabilities { Capabilities { tools: true, ..Capabilities::default() } }
//!     fn tools(&self, _: &CallContext) -> Arc<Listing<model::Tool>> { self.1.clone() }
//!     fn call_tool<'a>(&'a self, cx: &'a CallContext, _: &'a str, _: Map<String, Value>)
//!         -> BoxFuture<'a, Result<ToolResult, Error>> {
//!         Box::pin(async { Ok(ToolResult::text(format!("hello, {}", cx.principal.id))) })
//!     }
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let tools = Listing::new(vec![model::Tool::new("hello", "Says hello", model::JsonObject::new())])?;
//! let server = Arc::new(Hello(model::Implementation::new("hello", "1.0.0"), tools));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! let open = Arc::new(NoAuthentication::default());
//! http::serve(server, listener, open, http::Config::default(), std::future::pending()).await?;
//! # Ok(()) }
//! ```

mod approvals;
mod auth;
mod bridge;
mod call;
mod changes;
mod client;
mod context;
mod departures;
mod error;
mod factory;
mod fetch;
mod follow;
mod handler;
pub mod http;
mod init;
mod input;
mod instances;
mod limits;
mod listing;
mod live;
mod logging;
pub mod middleware;
mod news;
mod page;
mod principal;
mod progress;
pub mod resolver;
mod result;
mod sdk;
mod server;
mod servers;
mod session;
pub mod stdio;
mod tasks;
pub mod tokens;
mod visible;
pub mod wire;
pub mod wrap;

pub use approvals::{Approval, ApprovalError, ApprovalRequest, Approvals, Ticket};
pub use auth::{
    Algorithm, ApiKeys, Authentication, Authenticator, BearerTokens, Chain, ChainError, Challenge, EnvironmentError,
    EnvironmentPrincipal, Found, Introspection, IntrospectionConfig, IntrospectionError, IpNet, Jwks, JwksConfig, Jwt,
    JwtConfig, JwtError, KeyList, KeyListError, Keys, NoAuthentication, Peer, ProtectedResource, ProxyError,
    ProxyHeaders, ResourceError, TooManyRevocations, TrustedProxy, Verified,
};
pub use bridge::{Bridge, BridgeKey, BridgeOptions};
pub use changes::{Change, Changes};
pub use client::ClientSupport;
pub use context::{CallContext, CallId, Grant};
pub use departures::Whose;
pub use error::Error;
pub use factory::{Extras, FactoryError, ServerFactory, TenantContext};
#[cfg(feature = "fetch")]
pub use fetch::HttpClient;
pub use fetch::{Fetch, FetchBounds, FetchError};
pub use handler::{HandlerError, server_of};
pub use init::{BackOff, Init, InitError};
pub use input::{Answer, Ask, Elicitation, Reply, StateKey, Subject};
pub use instances::{InstanceMode, InstanceOptions, InstanceStats, Instances, ServerKey};
pub use limits::{Gate, Limits, Permit, Rate};
pub use listing::Listing;
pub use live::Live;
pub use logging::{Log, LogLevel};
pub use principal::{Principal, Scopes, TokenId};
pub use progress::{LastWord, Progress};
pub use result::{Content, ToolResult};
pub use rmcp::model;
pub use server::{BoxFuture, Capabilities, Completion, CompletionReference, PromptText, Server};
pub use servers::{Finding, Renewal, Served, Servers};
pub use session::SessionState;
pub use tasks::Tasks;
pub use visible::visible;
pub use wire::ParameterHeader;

/// From the operating system; a machine without randomness can't serve safely.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    bytes
}
