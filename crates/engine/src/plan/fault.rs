//! Why one part of a spec can't be compiled here, before it is known where in the spec that part stands.

use mcp_factory_connect::Denied;

/// A code and a message; [`Builder::report`](super::Builder::report) adds the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub code: &'static str,
    pub message: String,
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self { code: "plan/unusable", message }
    }
}

impl From<Denied> for Fault {
    fn from(denied: Denied) -> Self {
        Self { code: denied.grant.code(), message: denied.to_string() }
    }
}
