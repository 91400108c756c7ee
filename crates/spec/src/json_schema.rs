//! JSON Schemas within a spec: draft 2020-12, checked with exact places before anything is compiled.
//!
//! A schema is refused where it is not one, where nothing could satisfy it, where it reaches outside itself, and where judging
//! a value by it could run away. Formats are annotations. Nothing is ever fetched.

mod contradictions;
mod instances;
mod keywords;
mod references;
mod walk;

use std::cell::LazyCell;

use jsonschema::{Draft, PatternOptions, Registry, ValidationError, ValidationOptions, Validator};
use serde_json::Value;

use crate::{Code, Diagnostic, Node, Span, model, path::Path};
use walk::Walk;

/// How deep schemas may stand within each other.
const DEEPEST: usize = 64;
/// How many schemas one may consist of.
const MOST: usize = 10_000;
/// More findings than this nobody reads.
const MOST_FOUND: usize = 500;

/// What came of a schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    pub found: Vec<Diagnostic>,
    /// Whether judging a value by the schema might never end, so that nobody may try.
    pub runs_away: bool,
}

/// A schema that stands alone, such as `inputSchema` or `returns`, and whose objects the language closes.
#[must_use]
pub fn check(schema: &Node, at: &Path) -> Checked {
    check_parts(&[Part { schema, at, pointer: String::new() }], || model::close(schema.to_json()), schema.span, true)
}

/// A schema that stays as it was written, such as what an example's result must fit.
#[must_use]
pub fn check_plain(schema: &Node, at: &Path) -> Checked {
    check_parts(&[Part { schema, at, pointer: String::new() }], || schema.to_json(), schema.span, false)
}

/// One of the schemas that a whole one is made of.
pub(crate) struct Part<'n> {
    pub(crate) schema: &'n Node,
    pub(crate) at: &'n Path,
    /// Where it stands in the whole.
    pub(crate) pointer: String,
}

/// Schemas that become parts of `whole`, in which their references are resolved.
pub(crate) fn check_within(parts: &[Part<'_>], whole: impl FnOnce() -> Value, span: Span) -> Checked {
    check_parts(parts, whole, span, true)
}

/// Most are judged as they were read: the `whole` is made only for what has to be compiled.
fn check_parts(parts: &[Part<'_>], whole: impl FnOnce() -> Value, span: Span, closed: bool) -> Checked {
    let mut walk = Walk::default();
    let whole = LazyCell::new(whole);
    for part in parts {
        walk.part(part, closed);
    }
    walk.check_references();
    let runs_away = walk.runs_away;
    if walk.found.iter().any(|found| found.code == Code::SchemaInvalid) {
        return Checked { found: walk.found, runs_away };
    }
    // What the walk found nothing wrong with compiles, and compiling takes longer than all else.
    if walk.is_beyond_it
        && let (Err(error), Some(part)) = (compile(&whole), parts.first())
    {
        let message = cut(&error.to_string());
        let path = part.at.clone();
        walk.found.push(Diagnostic { code: Code::SchemaInvalid, message, span, path, help: None, fix: None });
        return Checked { found: walk.found, runs_away };
    }
    walk.check_instances(&whole);
    Checked { found: walk.found, runs_away }
}

/// What judges values by a schema that was checked: offline, and with patterns that can't run away.
pub fn compile(schema: &Value) -> Result<Validator, Box<ValidationError<'static>>> {
    options().build(schema).map_err(Box::new)
}

fn options<'r>() -> ValidationOptions<'r> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .offline()
        .with_pattern_options(PatternOptions::fancy_regex().backtrack_limit(100_000).size_limit(1 << 20))
}

fn compile_within(schema: &Value, registry: &Registry<'_>) -> Result<Validator, Box<ValidationError<'static>>> {
    options().with_registry(registry).build(schema).map_err(Box::new)
}

/// The beginning of a text that may be long.
fn cut(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
