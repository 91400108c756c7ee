//! Why a statement has no result. The database's own message is kept; an address or a password never is in it.

use std::fmt;

use crate::Denied;

/// Its text is meant for whoever wrote or called the tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    class: Class,
    message: String,
    /// SQLSTATE, or SQLite's extended result code by name.
    code: Option<String>,
    denied: Option<Denied>,
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
        Self { class, message: message.into(), code: None, denied: None }
    }

    pub(crate) fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    pub(crate) fn timeout(after: std::time::Duration) -> Self {
        Self::new(Class::Timeout, format!("the statement was stopped after {}", Seconds(after)))
    }

    pub(crate) fn busy(connection: &str, max: usize, after: std::time::Duration) -> Self {
        let them = if max == 1 { "the one connection".to_owned() } else { format!("all {max} connections") };
        Self::new(
            Class::Busy,
            format!("{them} of `{connection}` stayed in use for {}; try again later", Seconds(after)),
        )
    }

    pub(crate) fn closed(connection: &str) -> Self {
        Self::new(Class::Unavailable, format!("`{connection}` is being closed"))
    }

    pub(crate) fn argument(parameter: &super::Parameter, what: impl fmt::Display) -> Self {
        Self::new(Class::BadArgument, format!("argument `{}` {what}", parameter.name))
    }

    pub(crate) fn changed_session() -> Self {
        let message = "the statement changed what the database is told of the caller, so nothing is taken from it";
        Self::new(Class::Rejected, message)
    }

    pub(crate) fn wrong_count(wanted: usize, declared: usize, given: usize) -> Self {
        let message =
            format!("the statement has {wanted} parameters, {declared} were declared and {given} arguments given");
        Self::new(Class::Rejected, message)
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

    /// What the policy does not grant, where that is why.
    #[must_use]
    pub fn denied(&self) -> Option<&Denied> {
        self.denied.as_ref()
    }

    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        Self { denied: Some(denied.clone()), ..Self::new(Class::Configuration, denied.to_string()) }
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

/// `5s`, `250ms`
struct Seconds(std::time::Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.subsec_millis() {
            0 => write!(f, "{}s", self.0.as_secs()),
            _ => write!(f, "{}ms", self.0.as_millis()),
        }
    }
}
