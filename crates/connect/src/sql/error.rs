//! Why a statement has no result. The database's own message is kept; an address or a password never is in it.

use std::fmt;

/// Its text is meant for whoever wrote or called the tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    class: Class,
    message: String,
    /// SQLSTATE, or SQLite's extended result code by name.
    code: Option<String>,
}

/// What a caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The database can't be reached, or went away. Trying later may help.
    Unavailable,
    /// The time was over; the statement was stopped.
    Timeout,
    /// No connection was free in time, or the rows were locked by somebody else.
    Busy,
    /// An argument does not fit the type the database wants.
    BadArgument,
    /// A constraint of the data: unique, foreign key, check, not null.
    Constraint,
    /// The statement writes where only reading is allowed.
    ReadOnly,
    /// A value came back that can't be given on exactly.
    Unreadable,
    /// The database refused the statement: syntax, names, types, permissions, its own limits.
    Rejected,
    /// The connection is not set up: a secret that is not set, a URL that is none, a missing grant.
    Configuration,
}

impl Error {
    pub(crate) fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), code: None }
    }

    pub(crate) fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    #[must_use]
    pub fn class(&self) -> Class {
        self.class
    }

    /// SQLSTATE, or the name of SQLite's result code.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.code {
            Some(code) => write!(f, " ({code})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
