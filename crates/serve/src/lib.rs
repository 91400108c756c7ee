//! Serves MCP to many callers. A library of its own: it knows no spec and no factory.
//!
//! One pipeline: credential -> [`Authenticator`] -> [`Principal`] -> [`Server`] -> result, over Streamable HTTP and stdio,
//! for the stateless protocol (2026-07-28) and for older clients.

mod context;
mod error;
mod listing;
mod principal;
mod result;
mod server;

pub use context::{CallContext, CallId};
pub use error::Error;
pub use listing::Listing;
pub use principal::{Principal, Scopes, TokenId};
pub use result::{Content, ToolResult};
pub use rmcp::model;
pub use server::{BoxFuture, Capabilities, Completion, CompletionReference, PromptText, Server};

/// Reports how far a call is. Does nothing when the caller did not ask.
#[derive(Debug, Clone, Default)]
pub struct Progress {}

impl Progress {
    #[must_use]
    pub fn none() -> Self {
        Self {}
    }
}
