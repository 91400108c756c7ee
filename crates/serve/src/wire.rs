//! JSON-RPC as bytes: one parser that borrows from the body, one writer of results, errors and notifications. Pure.

mod header;
mod reply;
mod request;
mod version;

pub use header::ParameterHeader;
pub(crate) use header::{Mismatch, agree};
pub(crate) use reply::{Hints, Refusal, Replies, SUBSCRIPTION_ID, code, news, notification, sse_event};
pub(crate) use request::depth;
pub use request::{Message, Meta, Params, ParseError, Request, Text, parse_request};
pub use version::Version;
