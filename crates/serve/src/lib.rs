//! Serves MCP to many callers. A library of its own: it knows no spec and no factory.
//!
//! One pipeline: credential -> [`Authenticator`] -> [`Principal`] -> [`Server`] -> result, over Streamable HTTP and stdio,
//! for the stateless protocol (2026-07-28) and for older clients.

mod auth;
mod changes;
mod context;
mod error;
pub mod http;
mod limits;
mod listing;
mod principal;
mod progress;
mod result;
mod sdk;
mod server;
pub mod stdio;
pub mod wire;

pub use auth::{
    ApiKeys, Authentication, Authenticator, BearerTokens, Challenge, KeyList, KeyListError, NoAuthentication,
};
pub use changes::{Change, Changes};
pub use context::{CallContext, CallId};
pub use error::Error;
pub use limits::{Gate, Limits, Permit, Rate};
pub use listing::Listing;
pub use principal::{Principal, Scopes, TokenId};
pub use progress::Progress;
pub use result::{Content, ToolResult};
pub use rmcp::model;
pub use server::{BoxFuture, Capabilities, Completion, CompletionReference, PromptText, Server};

/// From the operating system; a machine without randomness can't serve safely.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    bytes
}
