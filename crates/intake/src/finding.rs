//! What is told about a document beside the spec that came of it.

use std::fmt;

use mcp_factory_spec::syntax::Position;

/// How much something matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something was decided that somebody may want to look at.
    Note,
    /// Part of something is not in the spec: a parameter of an operation, a column of a table.
    Partly,
    /// Something that would be a tool is not in the spec.
    LeftOut,
    /// There is no spec.
    Error,
}

/// One thing, at one place of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    /// A JSON pointer into the document, with its file in front where that is another one.
    pub place: String,
    pub position: Option<Position>,
    /// A lowercase sentence without a final period.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Level {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Partly | Self::LeftOut => "left out",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.level.as_str(), self.message)?;
        let position = self.position.map(|Position { line, column, .. }| format!("line {line}, column {column}"));
        let place = Some(&self.place).filter(|place| !place.is_empty());
        let at: Vec<&str> = place.into_iter().chain(&position).map(String::as_str).collect();
        if !at.is_empty() {
            write!(f, " (at {})", at.join(", "))?;
        }
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}
