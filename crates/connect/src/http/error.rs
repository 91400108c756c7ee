//! Why a request has no response. Names the host and what happened; never a header, a query or user info of a URL.

use std::fmt;

/// Its text is meant for whoever wrote or called the tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    class: Class,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Can't be reached, or broke off.
    Unavailable,
    Timeout,
    /// An address or a redirect that this client must not follow.
    Refused,
    /// A request that can't be sent as it is.
    BadRequest,
    /// An answer that is too large, or no HTTP.
    BadResponse,
    /// The connection is not set up: a secret that is not set, a URL that is none.
    Configuration,
}

impl Error {
    pub(crate) fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into() }
    }

    #[must_use]
    pub fn class(&self) -> Class {
        self.class
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
