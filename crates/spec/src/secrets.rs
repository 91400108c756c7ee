//! Finds secrets that stand in a document (SPEC rule 4): they are named there, never written.
//!
//! Three ways to be one: a known shape or a URL with a password anywhere, prose included, and any text under a key that is
//! named like a secret. What only names a secret (`passwordEnvVar`, `tokenUrl`), describes one (a parameter `token` with
//! its schema) or passes one on (`"{token}"`) is none. One look at every character; at most [`limits::DIAGNOSTICS`] are told.

mod named;
mod redact;
mod shape;
mod word;

#[cfg(test)]
mod tests;

use std::{cell::OnceCell, ops::Range};

pub use redact::redact;
pub(crate) use redact::redact_line;

use crate::{
    Code, Diagnostic, Node, NodeValue, Span,
    syntax::{Entry, Places, Trail, limits},
};

/// What somebody wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    range: Range<usize>,
    what: &'static str,
}

/// One `spec/secret` for every secret in the document, at the secret itself where the text says it as it is.
#[must_use]
pub fn check(text: &[u8], root: &Node) -> Vec<Diagnostic> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let mut search = Search { text, places: OnceCell::new(), found: Vec::new() };
    search.node(root, None, &Trail::Root);
    search.found
}

/// All secrets that the text itself shows to be ones, in order, without overlaps.
fn in_text(text: &str) -> Vec<Found> {
    let mut found = shape::find(text);
    found.extend(word::find(text));
    found.sort_by_key(|one| (one.range.start, std::cmp::Reverse(one.range.end)));
    let mut end = 0;
    found.retain(|one| {
        let apart = one.range.start >= end;
        end = end.max(one.range.end);
        apart
    });
    found
}

struct Search<'a> {
    text: &'a str,
    /// Most documents hold none, and need no places.
    places: OnceCell<Places<'a>>,
    found: Vec<Diagnostic>,
}

/// The key named like a secret that a value stands under, and how it stands there.
#[derive(Clone, Copy)]
enum Under<'a> {
    /// The value itself.
    Value(&'a str),
    /// An element of a list.
    Element(&'a str),
    /// A schema, whose default and examples are values.
    Schema(&'a str),
}

impl Search<'_> {
    fn node(&mut self, node: &Node, under: Option<Under<'_>>, trail: &Trail<'_>) {
        if self.found.len() >= limits::DIAGNOSTICS {
            return;
        }
        match &node.value {
            NodeValue::String(value) => self.string(value, node.span, under, trail),
            NodeValue::Sequence(items) => {
                let under = match under {
                    Some(Under::Value(key) | Under::Element(key)) => Some(Under::Element(key)),
                    _ => None,
                };
                for (index, item) in items.iter().enumerate() {
                    self.node(item, under, &trail.index(index));
                }
            }
            NodeValue::Mapping(entries) => {
                for entry in entries {
                    self.entry(entry, under, trail);
                }
            }
            NodeValue::Null | NodeValue::Bool(_) | NodeValue::Number(..) => {}
        }
    }

    fn entry(&mut self, entry: &Entry, under: Option<Under<'_>>, trail: &Trail<'_>) {
        let Entry { key, key_span, value } = entry;
        // The path to a key that is a secret would show it.
        self.string(key, *key_span, None, trail);
        let mapping = matches!(value.value, NodeValue::Mapping(_));
        let list = matches!(value.value, NodeValue::Sequence(_));
        let here = match under {
            Some(Under::Value(name) | Under::Schema(name)) if matches!(&**key, "default" | "const" | "example") => {
                Some(Under::Value(name))
            }
            Some(Under::Value(name) | Under::Schema(name)) if &**key == "examples" => Some(Under::Element(name)),
            _ if named::is_secret(key) && (!list || named::is_plural(key)) => {
                Some(if mapping { Under::Schema(key) } else { Under::Value(key) })
            }
            _ => None,
        };
        self.node(value, here, &trail.key(key));
    }

    fn string(&mut self, value: &str, span: Span, under: Option<Under<'_>>, trail: &Trail<'_>) {
        let found = in_text(value);
        if let (true, Some(Under::Value(key) | Under::Element(key))) = (found.is_empty(), under)
            && !named::is_reference(value)
        {
            let message = format!("`{key}` holds a secret");
            self.add(span, message, trail);
        }
        let mut from = span.start.offset as usize;
        let mut last = None;
        for Found { range, what } in found {
            let place = self.place(&value[range], &mut from, span);
            // What can't be told apart in the source is told once.
            if last.replace(place) != Some(place) {
                self.add(place, what.to_owned(), trail);
            }
        }
    }

    /// Where a part of a value stands, or the whole value where it is written in another way (escapes, folded lines).
    fn place(&self, part: &str, from: &mut usize, span: Span) -> Span {
        let end = span.end.offset as usize;
        match self.text.get(*from..end).and_then(|source| source.find(part)) {
            Some(at) => {
                let start = *from + at;
                *from = start + part.len();
                self.places.get_or_init(|| Places::new(self.text)).span(start, *from)
            }
            None => {
                // Nor is the rest looked for: a long text with many would be searched as often.
                *from = end;
                span
            }
        }
    }

    fn add(&mut self, span: Span, message: String, trail: &Trail<'_>) {
        if self.found.len() >= limits::DIAGNOSTICS {
            return;
        }
        let help = "put it into an environment variable, and name that with a field like `envVar`; change the secret if \
                    others have seen this document";
        self.found.push(Diagnostic {
            code: Code::Secret,
            message,
            span,
            path: trail.path(),
            help: Some(help.to_owned()),
            fix: None,
        });
    }
}
