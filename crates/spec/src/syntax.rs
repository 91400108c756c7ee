//! Bytes become a [`Node`] tree with positions. YAML 1.2 core and JSON, strict and bounded.
//!
//! Both readers end in the same tree, so nothing behind them knows which language was written. What the text says twice,
//! or says in a way that people read differently than machines do, is refused here. Work and memory are bounded by
//! construction: a size before anything is read, a depth, a number of values, a number of values that aliases copy, and
//! a number of findings.

mod findings;
mod json;
mod keys;
mod node;
mod number;
mod places;
mod texts;
mod trail;
mod yaml;

#[cfg(test)]
mod tests;

pub use node::{Entry, Node, NodeValue, Position, Span};
pub(crate) use places::Places;
pub(crate) use trail::Trail;

use self::findings::Findings;
use crate::{Code, Diagnostic};

/// What a document may be at most.
pub mod limits {
    pub const BYTES: usize = 16 << 20;
    pub const DEPTH: usize = 64;
    /// Values that aliases copy, in the whole document.
    pub const ALIAS_NODES: usize = 10_000;
    /// Values and keys, in a document of so many bytes. What people write takes more bytes each; what takes fewer is made to
    /// keep a machine busy, and this bounds the time and the memory that each byte of it can cost.
    #[must_use]
    pub const fn nodes(bytes: usize) -> usize {
        100_000 + bytes / 12
    }
    /// Diagnostics that one reading gives.
    pub const DIAGNOSTICS: usize = 1_000;
}

/// The two spellings of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Yaml,
    Json,
}

impl Format {
    /// By the name of the file: `.json` is JSON, everything else YAML.
    #[must_use]
    pub fn of_file(name: &str) -> Self {
        let ending = name.len().checked_sub(5).and_then(|at| name.get(at..));
        if ending.is_some_and(|ending| ending.eq_ignore_ascii_case(".json")) { Self::Json } else { Self::Yaml }
    }
}

/// Reads a document. Problems that leave a readable rest (a key twice, a tag) still give the tree, without what was
/// refused, so that everything else can be reported in the same go: the tree is to be trusted only if nothing was found.
#[must_use]
pub fn read(text: &[u8], format: Format) -> (Option<Node>, Vec<Diagnostic>) {
    read_with(text, format, limits::BYTES, false)
}

/// The same for what others wrote, which is no spec: it may have another size, and YAML of it merge keys (`<<: *base`), which are
/// applied.
#[must_use]
pub fn read_within(text: &[u8], format: Format, most: usize) -> (Option<Node>, Vec<Diagnostic>) {
    read_with(text, format, most, true)
}

fn read_with(text: &[u8], format: Format, most: usize, merges: bool) -> (Option<Node>, Vec<Diagnostic>) {
    let mut findings = Findings::default();
    let root = match plain_text(text, most) {
        Ok(text) => {
            let places = Places::new(text);
            match format {
                Format::Yaml => yaml::read(text, &places, merges, &mut findings),
                Format::Json => json::read(text, &places, &mut findings),
            }
        }
        Err((valid, message)) => {
            let places = Places::new(valid);
            findings.add(Code::SyntaxLimits, places.span(valid.len(), valid.len()), message);
            None
        }
    };
    (root, findings.into_vec())
}

/// The document as text, or the text before the first byte that can't be in one, and what is wrong with that.
fn plain_text(bytes: &[u8], most: usize) -> Result<&str, (&str, String)> {
    if bytes.len() > most {
        let message = format!("the document is {} bytes long, over the limit of {}MiB", bytes.len(), most >> 20);
        return Err(("", message));
    }
    let (text, wrong) = match std::str::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let valid = std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("valid up to there");
            (valid, Some("the document is not UTF-8 text"))
        }
    };
    match (memchr::memchr(0, text.as_bytes()), wrong) {
        (Some(at), _) => Err((&text[..at], "a NUL byte in the document".to_owned())),
        (None, Some(wrong)) => Err((text, wrong.to_owned())),
        (None, None) => Ok(text),
    }
}
