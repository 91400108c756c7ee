//! Serves MCP to many callers. A library of its own: it knows no spec and no factory.
//!
//! One pipeline: credential -> [`Authenticator`] -> [`Principal`] -> [`Server`] -> result, over Streamable HTTP and stdio,
//! for the stateless protocol (2026-07-28) and for older clients.
//!
//! ```no_run
//! use std::sync::Arc;
//! use mcp_serve::{CallContext, NoAuthentication, ToolResult, ToolServer, http};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let server = ToolServer::new("hello", "1.0.0")
//!     .tool("hello", "Says hello", async |cx: CallContext, _| {
//!         Ok(ToolResult::text(format!("hello, {}", cx.principal.id)))
//!     })
//!     .build()?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! let open = Arc::new(NoAuthentication::default());
//! http::serve(server, listener, open, http::Config::default(), std::future::pending()).await?;
//! # Ok(()) }
//! ```
//!
//! # What to use
//!
//! - **A server**: [`ToolServer`] of closures, [`server_of`] any `rmcp::ServerHandler`, or the trait [`Server`].
//! - **One for each caller**: a [`ServerFactory`] behind [`Instances`], or the wrapper of the server factory pattern,
//!   [`wrap::wrap_server`].
//! - **One for each bearer token**, changed while it runs: [`per_bearer`]. Many servers at one listener: [`http::Host`].
//! - **Tools in groups**, with a transport: [`mcp_server::create_mcp_server`]; around a server of yours: [`toolsets`].
//! - **Who calls**: [`ApiKeys`], [`BearerTokens`], [`Jwt`], [`Introspection`], a [`Chain`] of them, or your own
//!   [`Authenticator`]. A server that anybody may call listens on loopback only; all others check it with each request.
//!   A proxy may vouch for callers ([`TrustedProxy`], [`Vouched`]); clients that only speak OAuth come in with keys through
//!   a [`Bridge`].
//! - **Credentials for others' APIs**: a [`resolver::TokenResolver`]. What a caller came with goes nowhere.
//! - **Around calls**: [`middleware`], `tower` layers for audit, rates, time, retries. Beside them: `endpoints` (a feature) and
//!   [`session_context`].
//!
//! # Errors
//!
//! What the model can act on (bad arguments, a database that is down) is a [`ToolResult`] that says so
//! ([`ToolResult::error`]). An [`Error`] is for what never reached a tool: an unknown name, a missing scope, too many calls.
//! One place gives it its JSON-RPC code and HTTP status. The cause of [`Error::Internal`] and of a panic goes to the log
//! under an id, and the caller is told the id.
//!
//! # Limits
//!
//! Everything that callers can make grow is bounded: bodies, headers, nesting, connections, sessions, calls at once and in
//! time ([`Limits`]), servers that are kept and made ([`InstanceOptions`]), credentials that are kept
//! ([`resolver::CachedConfig`]), audit lines that wait ([`middleware::AuditLog`]), questions that wait. Of what all share, one
//! principal has a share. Defaults are at the fields of [`http::Config`].
//!
//! # Cancellation
//!
//! A call is cancelled by dropping its future: when the client closes the request (2026-07-28), sends
//! `notifications/cancelled` (before), or the server's time to drain is over. What a tool holds must end with it; there is no
//! token to watch, and nothing of a call runs on unless it says so ([`Tasks`]). Futures of this crate may be dropped at any
//! await.

mod approvals;
mod auth;
mod bridge;
mod call;
mod changes;
mod client;
mod closures;
mod context;
mod departures;
#[cfg(feature = "endpoints")]
pub mod endpoints;
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
pub mod mcp_server;
pub mod middleware;
mod news;
mod page;
pub mod per_bearer;
mod places;
mod principal;
mod progress;
pub mod resolver;
mod result;
mod sdk;
mod server;
mod servers;
mod session;
pub mod session_context;
mod sharded;
mod standing;
pub mod stdio;
mod tasks;
pub mod tokens;
pub mod toolsets;
mod trace;
mod visible;
pub mod wire;
pub mod wrap;

pub use approvals::{Approval, ApprovalError, ApprovalRequest, Approvals, Ticket};
pub use auth::{
    Algorithm, ApiKeys, Authentication, Authenticator, BearerTokens, Chain, ChainError, Challenge, EnvironmentError,
    EnvironmentPrincipal, Found, Introspection, IntrospectionConfig, IntrospectionError, IpNet, Jwks, JwksConfig, Jwt,
    JwtConfig, JwtError, KeyList, KeyListError, Keys, Namespace, NoAuthentication, Peer, ProtectedResource, ProxyError,
    ProxyHeaders, ResourceError, TooManyRevocations, TrustedProxy, Verified, Vouched,
};
pub use bridge::{Bridge, BridgeKey, BridgeOptions};
pub use changes::{Change, Changes};
pub use client::ClientSupport;
pub use closures::{ToolServer, ToolServerError};
pub use context::{CallContext, CallId, Grant};
pub use departures::{Departures, Whose};
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
pub use session_context::SessionContext;
pub use tasks::Tasks;
pub use trace::{NoTraceParent, TraceParent};
pub use visible::visible;
pub use wire::ParameterHeader;

/// From the operating system; a machine without randomness can't serve safely.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    bytes
}
