//! What never reached a tool, prompt or resource. One place maps these to JSON-RPC codes and HTTP statuses.

/// Messages are public: they are sent to the caller.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is the protocol's own.
    #[error("Unknown tool: {name}{}", .suggestion.as_deref().map(|s| format!("; did you mean `{s}`?")).unwrap_or_default())]
    UnknownTool { name: String, suggestion: Option<String> },
    #[error("unknown prompt `{name}`")]
    UnknownPrompt { name: String },
    #[error("unknown resource `{uri}`")]
    UnknownResource { uri: String },
    /// Or somebody else's.
    #[error("unknown task; it may have expired")]
    UnknownTask,
    /// The request can't be served to a client that did not declare these capabilities.
    #[error("the client did not declare a capability that this needs")]
    MissingCapability { required: serde_json::Value },
    #[error("{message}")]
    InvalidParams { message: String },
    #[error("this needs the scope{} {}", if .scopes.len() == 1 { "" } else { "s" }, .scopes.join(", "))]
    InsufficientScope { scopes: Vec<String> },
    /// Whatever it is, this caller gets nothing here.
    #[error("Access denied")]
    AccessDenied,
    /// The caller asked too often; it may ask again after `retry_after`.
    #[error("too many requests; try again in {} s", .retry_after.as_secs().max(1))]
    RateLimited { retry_after: std::time::Duration },
    /// As many calls are running as the server allows at once.
    #[error("too many calls at once; try again in a moment")]
    Busy,
    /// No line of an audit log could be kept of the call, so that it was not begun; see
    /// [`AuditLog`](crate::middleware::AuditLog).
    #[error("what is called can't be written down at the moment, so that nothing was done; try again in a moment")]
    Unaudited,
    /// The person is asked first; see [`CallContext::elicit`](crate::CallContext::elicit). On the wire it is no error.
    #[error("a person has to answer first")]
    InputRequired(Box<rmcp::model::InputRequiredResult>),
    /// A protocol error of somebody's own, passed on as it is (codes that the protocol keeps for itself become -32603).
    #[error("{message}")]
    Raised { code: i32, message: std::borrow::Cow<'static, str>, data: Option<serde_json::Value> },
    /// The cause goes to the log, never to the caller.
    #[error("internal error")]
    Internal { source: Box<dyn std::error::Error + Send + Sync> },
}

impl Error {
    /// In `error.data.code` of a [`RateLimited`](Self::RateLimited) caller's answer (S2-47).
    pub const RATE_LIMITED: &'static str = "RATE_LIMIT_EXCEEDED";

    pub(crate) fn needs_tasks() -> Self {
        Self::MissingCapability { required: serde_json::json!({ "extensions": { crate::tasks::EXTENSION: {} } }) }
    }
}
