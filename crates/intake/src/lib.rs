//! What becomes a spec. A document that somebody else wrote goes in; a spec in the language of `mcp-factory-spec` comes out, with
//! everything that was found on the way: what is wrong, what was left out, and what was decided.
//!
//! Nothing is fetched or read here: whoever calls hands in the documents. What comes out was read by the language's own
//! reader, so it is a spec that validates, or there is none.

mod choice;
pub mod database;
mod exposure;
mod finding;
pub mod graphql;
pub mod grpc;
pub mod mcp;
mod name;
mod network;
pub mod openapi;
pub mod postman;
mod settle;
mod text;
pub mod toolbox;
pub mod update;

pub use finding::{Finding, Level};
pub use settle::Proposal;

/// Above so many tools a list of all costs a model more than finding some does.
pub const MANY: usize = 60;

/// More tools than this has no spec; there is no use in making them.
pub(crate) const MOST: usize = 10_000;

/// Why there is no spec of so many.
pub(crate) fn too_many(what: &str, number: usize, hint: &str) -> Finding {
    let message = format!("{number} {what} are more than the {MOST} tools that a server can have");
    Finding { level: Level::Error, place: String::new(), position: None, message, hint: Some(hint.to_owned()) }
}
