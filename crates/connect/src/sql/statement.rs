//! One statement in the words of its database.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering::Relaxed},
};

/// Made once and run often: it carries what is learned about it. Clones share that.
#[derive(Debug, Clone)]
pub struct Statement(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub text: Arc<str>,
    pub parameters: Vec<Parameter>,
    pub access: Access,
    /// Of a statement on SQLite.
    pub pace: Pace,
    pub shape: Mutex<Option<super::sqlite::Shape>>,
}

/// Whether a statement is better run away from its caller's thread. A run over budget counts against it for a while, runs
/// that stay well within it count the other way.
#[derive(Debug, Default)]
pub(super) struct Pace(AtomicU32);

/// What a placeholder stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// As the caller knows it, for messages.
    pub name: Arc<str>,
    pub hint: Hint,
}

/// What the schema says of an argument. The database's own inference comes first; this decides where it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hint {
    #[default]
    Any,
    Boolean,
    Integer,
    Number,
    Text,
    /// A string with base64 in it (`contentEncoding: base64`).
    Bytes,
    /// An object, or an array that stays one value.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Run under a session that refuses to write, and run again where that is safe.
    Read,
    Write,
}

impl Pace {
    /// Quick runs that make up for one that was not.
    const PENALTY: u32 = 8;
    const MAX: u32 = 64;

    pub fn is_slow(&self) -> bool {
        self.0.load(Relaxed) > 0
    }

    pub fn exceeded(&self) {
        let _ = self.0.fetch_update(Relaxed, Relaxed, |debt| Some((debt * 2).clamp(Self::PENALTY, Self::MAX)));
    }

    pub fn kept(&self) {
        let _ = self.0.fetch_update(Relaxed, Relaxed, |debt| debt.checked_sub(1));
    }
}

impl Statement {
    /// The text has the placeholders of its database: `$1` for PostgreSQL and `?1` for SQLite (a number may come again),
    /// `?` for MySQL (one parameter per `?`, so a name that stands twice is given twice).
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>, parameters: Vec<Parameter>, access: Access) -> Self {
        Self(Arc::new(Inner { text: text.into(), parameters, access, pace: Pace::default(), shape: Mutex::default() }))
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.0.parameters
    }

    #[must_use]
    pub fn access(&self) -> Access {
        self.0.access
    }
}

impl Parameter {
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, hint: Hint) -> Self {
        Self { name: name.into(), hint }
    }
}
