//! Text and values with `{name}` placeholders: taken apart once, filled in for each call by the rules of the place where they
//! stand. `{{` and `}}` are braces.
//!
//! Nothing that is filled in is read again: a value that looks like a placeholder stays what it is.

mod json;

use std::borrow::Cow;

use serde_json::Value;

pub use json::Json;

/// Text such as `/customers/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Placeholder(Placeholder),
}

/// One `{name}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    /// `sku`, `principal.claims.org`, `trigger.body.sku`.
    pub name: String,
    /// Where it stands in the text, in bytes.
    pub offset: usize,
}

/// Text that can't be taken apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// In bytes.
    pub offset: usize,
    pub message: String,
}

/// A value that can't stand where its placeholder does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    #[error("`{name}` was left out and is needed here")]
    Missing { name: String },
    #[error("`{name}` must not be empty: it stands in a path")]
    Empty { name: String },
    #[error("`{name}` makes a path segment that is `.` or `..`, which would lead elsewhere")]
    Climbs { name: String },
    #[error("`{name}` has a line break or another control character, which a header can't hold")]
    Control { name: String },
}

impl Text {
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let mut segments = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let offset = text.len() - rest.len() + at;
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            let after = &rest[at + 1..];
            if let Some(doubled) = after.strip_prefix(brace) {
                literal.push_str(brace);
                rest = doubled;
                continue;
            }
            let problem = |message: String| Problem { offset, message };
            if brace == "}" {
                return Err(problem("a `}` that closes nothing; write `}}` for a brace".to_owned()));
            }
            let Some((name, behind)) = after.split_once('}') else {
                return Err(problem("a `{` that is not closed; write `{{` for a brace".to_owned()));
            };
            if !is_name(name) {
                return Err(problem(format!(
                    "`{{{name}}}` is no placeholder; write `{{name}}`, or `{{{{` for a brace"
                )));
            }
            if !literal.is_empty() {
                segments.push(Segment::Literal(std::mem::take(&mut literal)));
            }
            segments.push(Segment::Placeholder(Placeholder { name: name.to_owned(), offset }));
            rest = behind;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            segments.push(Segment::Literal(literal));
        }
        Ok(Self { segments })
    }

    /// The placeholders, in order.
    pub fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Placeholder(placeholder) => Some(placeholder),
            Segment::Literal(_) => None,
        })
    }

    /// The placeholder that is the whole text: its value keeps its type.
    #[must_use]
    pub fn whole(&self) -> Option<&Placeholder> {
        match self.segments.as_slice() {
            [Segment::Placeholder(placeholder)] => Some(placeholder),
            _ => None,
        }
    }

    /// For people: what was left out is left out.
    pub fn plain<'v>(&self, value: impl Fn(&str) -> Option<Cow<'v, Value>>) -> String {
        let fill =
            |placeholder: &Placeholder| Ok(value(&placeholder.name).map(|value| text_of(&value)).unwrap_or_default());
        self.fill(fill).unwrap_or_default()
    }

    /// `None` if anything in it was left out.
    pub fn text<'v>(&self, value: impl Fn(&str) -> Option<Cow<'v, Value>>) -> Option<String> {
        self.fill(|placeholder| Ok(text_of(&*required(placeholder, &value)?))).ok()
    }

    /// A URL path: a value is one piece of a segment, whatever it holds.
    pub fn path<'v>(&self, value: impl Fn(&str) -> Option<Cow<'v, Value>>) -> Result<String, ValueError> {
        let mut last = None;
        let path = self.fill(|placeholder| {
            let text = text_of(&*required(placeholder, &value)?);
            if text.is_empty() {
                return Err(ValueError::Empty { name: placeholder.name.clone() });
            }
            last = Some(placeholder.name.clone());
            Ok(encode_segment(&text))
        })?;
        // Dots can't be encoded so that nobody reads them as dots again.
        match last {
            Some(name) if path.split('/').any(|segment| segment == "." || segment == "..") => {
                Err(ValueError::Climbs { name })
            }
            _ => Ok(path),
        }
    }

    /// A header's value: `None` if anything in it was left out.
    pub fn header<'v>(&self, value: impl Fn(&str) -> Option<Cow<'v, Value>>) -> Result<Option<String>, ValueError> {
        let filled = self.fill(|placeholder| {
            let text = text_of(&*required(placeholder, &value)?);
            if text.chars().any(|character| character.is_control() && character != '\t') {
                return Err(ValueError::Control { name: placeholder.name.clone() });
            }
            Ok(text)
        });
        match filled {
            Ok(text) => Ok(Some(text)),
            Err(ValueError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn fill(&self, mut value: impl FnMut(&Placeholder) -> Result<String, ValueError>) -> Result<String, ValueError> {
        let mut filled = String::new();
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) => filled.push_str(literal),
                Segment::Placeholder(placeholder) => filled.push_str(&value(placeholder)?),
            }
        }
        Ok(filled)
    }
}

fn required<'v>(
    placeholder: &Placeholder,
    value: impl Fn(&str) -> Option<Cow<'v, Value>>,
) -> Result<Cow<'v, Value>, ValueError> {
    value(&placeholder.name).ok_or_else(|| ValueError::Missing { name: placeholder.name.clone() })
}

fn is_name(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    name.len() <= 256
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.split('.').all(|step| !step.is_empty() && step.chars().all(word))
}

/// Text as it is, anything else as JSON.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Everything but the unreserved characters of RFC 3986, percent-encoded.
fn encode_segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(b"0123456789ABCDEF"[usize::from(byte >> 4)]));
            encoded.push(char::from(b"0123456789ABCDEF"[usize::from(byte & 15)]));
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
