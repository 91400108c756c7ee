//! What is told about a document beside the spec that came of it.

use std::fmt;

use mcp_factory_spec::{Node, syntax::Position};

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

impl Finding {
    /// What takes a document that is of another kind than it was given as.
    pub(crate) fn other_kind(root: &Node) -> Option<String> {
        let has = |of: Option<&Node>, keys: &[&str]| of.is_some_and(|of| keys.iter().all(|key| of.get(key).is_some()));
        let (kind, option) = if has(Some(root), &["openapi"]) || has(Some(root), &["swagger"]) {
            ("an OpenAPI document", "`--openapi`")
        } else if has(Some(root), &["info", "item"]) || has(root.get("collection"), &["info", "item"]) {
            ("a Postman collection", "`--postman`")
        } else if has(Some(root), &["__schema"]) || has(root.get("data"), &["__schema"]) {
            ("what a GraphQL endpoint says of its schema", "`--graphql`, with the URL of the endpoint,")
        } else {
            return None;
        };
        Some(format!("it is {kind}, which {option} takes"))
    }

    /// Of what servers answer in place of a document: a page for people, such as one to sign in at.
    pub(crate) fn of_page(place: &str, bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii_start();
        let begins = |tag: &[u8]| bytes.get(..tag.len()).is_some_and(|first| first.eq_ignore_ascii_case(tag));
        let is_page = [&b"<!doctype"[..], b"<html", b"<head", b"<!--", b"<?xml"].into_iter().any(begins);
        is_page.then(|| Self {
            level: Level::Error,
            place: place.to_owned(),
            position: None,
            message: "it is a page (HTML or XML), and no document".to_owned(),
            hint: Some(
                "give the place of the document itself, or save it and give the file; there may be a sign-in before it"
                    .to_owned(),
            ),
        })
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
