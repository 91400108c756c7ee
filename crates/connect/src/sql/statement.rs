//! One statement in the words of its database.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
};

use serde_json::Value;

use super::{Class, Error};

/// Made once and run often: it carries what is learned about it. Clones share that.
#[derive(Debug, Clone)]
pub struct Statement(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub text: Arc<str>,
    /// The text with the hints: what decides how it is prepared.
    pub key: Arc<str>,
    pub parameters: Vec<Parameter>,
    pub access: Access,
    /// It leaves nothing in its session.
    pub keeps_session: bool,
    /// Of a statement on SQLite.
    pub pace: Pace,
    pub shape: Mutex<Option<super::sqlite::Shape>>,
}

/// Where a statement is best run: whether it writes, and whether it is to leave its caller's thread. A run over budget counts against it for a while, runs
/// that stay well within it count the other way.
#[derive(Debug, Default)]
pub(super) struct Pace {
    debt: AtomicU32,
    writes: AtomicBool,
}

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
        self.debt.load(Relaxed) > 0
    }

    pub fn writes(&self) -> bool {
        self.writes.load(Relaxed)
    }

    pub fn found_to_write(&self) {
        self.writes.store(true, Relaxed);
    }

    pub fn exceeded(&self) {
        let _ = self.debt.fetch_update(Relaxed, Relaxed, |debt| Some((debt * 2).clamp(Self::PENALTY, Self::MAX)));
    }

    pub fn kept(&self) {
        let _ = self.debt.fetch_update(Relaxed, Relaxed, |debt| debt.checked_sub(1));
    }
}

impl Statement {
    /// The text has the placeholders of its database: `$1` for PostgreSQL and `?1` for SQLite (a number may come again),
    /// `?` for MySQL (one parameter per `?`, so a name that stands twice is given twice).
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>, parameters: Vec<Parameter>, access: Access) -> Self {
        let text = text.into();
        let hints = parameters.iter().map(|parameter| char::from(b'a' + parameter.hint as u8)).collect::<String>();
        let key = format!("{hints}\0{text}").into();
        let keeps_session = access == Access::Read;
        let (pace, shape) = (Pace::default(), Mutex::default());
        Self(Arc::new(Inner { text, key, parameters, access, keeps_session, pace, shape }))
    }

    /// Known to leave nothing in the session of its connection, so that it need not be set back.
    #[must_use]
    pub fn keeping_session(mut self) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.keeps_session = true;
        }
        self
    }

    /// What changes a session or a transaction is no statement of a tool: it would reach the next one.
    pub(super) fn check_single(&self, arguments: &[Value]) -> Result<(), Error> {
        const REFUSED: [&str; 24] = [
            "ABORT",
            "BEGIN",
            "CHECKPOINT",
            "CLOSE",
            "COMMIT",
            "COPY",
            "DEALLOCATE",
            "DECLARE",
            "DISCARD",
            "END",
            "FETCH",
            "LISTEN",
            "LOCK",
            "NOTIFY",
            "PREPARE",
            "RELEASE",
            "RESET",
            "ROLLBACK",
            "SAVEPOINT",
            "SET",
            "START",
            "UNLISTEN",
            "USE",
            "XA",
        ];
        // Comments hold comments in PostgreSQL, and nowhere else.
        for nested in [false, true] {
            let word: String = code(self.text(), nested).chars().take_while(char::is_ascii_alphabetic).collect();
            if REFUSED.contains(&word.to_ascii_uppercase().as_str()) {
                return Err(Error::new(Class::Rejected, format!("`{word}` can't be a statement of its own here")));
            }
        }
        if self.parameters().len() != arguments.len() {
            return Err(Error::wrong_count(self.parameters().len(), self.parameters().len(), arguments.len()));
        }
        Ok(())
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

/// The text from where its code begins, behind blanks, comments and `;`.
fn code(text: &str, nested: bool) -> &str {
    let mut rest = text;
    let mut depth = 0;
    loop {
        rest = rest.trim_start_matches(|sign: char| sign.is_whitespace() || sign.is_control() || sign == ';');
        let behind = match rest.as_bytes() {
            [b'/', b'*', ..] if depth == 0 || nested => {
                depth += 1;
                Some(&rest[2..])
            }
            [b'*', b'/', ..] if depth > 0 => {
                depth -= 1;
                Some(&rest[2..])
            }
            _ if depth > 0 => rest.char_indices().nth(1).map(|(next, _)| &rest[next..]),
            [b'-', b'-', ..] | [b'#', ..] => rest.split_once(['\n', '\r']).map(|(_, behind)| behind),
            _ => return rest,
        };
        rest = behind.unwrap_or_default();
    }
}

impl Parameter {
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, hint: Hint) -> Self {
        Self { name: name.into(), hint }
    }
}
