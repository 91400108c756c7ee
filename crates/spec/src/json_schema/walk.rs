//! Going through a schema: every keyword has what it takes, and every schema within is known by its place.

use std::{cell::OnceCell, collections::HashMap};

use serde_json::json;

use super::{
    DEEPEST, MOST, MOST_FOUND, Part, compile, cut,
    keywords::{KEYWORDS, TYPES, Takes, is_in_place, passes_closing_on, takes, type_meant_by},
};
use crate::{
    Code, Diagnostic, Fix, Node, NodeValue, Span,
    path::{Path, Step},
    read::{kind_of, list, unquoted_placeholder},
    suggest::nearest,
    syntax::Entry,
};

#[derive(Default)]
pub(super) struct Walk<'n> {
    /// In the order of the document, so that what is within one stands right behind it.
    pub(super) schemas: Vec<Schema<'n>>,
    /// Of each part how long the way to it is, and its pointer in the whole.
    parts: Vec<(usize, String)>,
    /// Where schemas are, by their pointers; made when something refers to one.
    pub(super) places: OnceCell<HashMap<String, usize>>,
    pub(super) anchors: HashMap<&'n str, usize>,
    pub(super) found: Vec<Diagnostic>,
    /// Whether judging a value by the schema might never end, so that nobody may try.
    pub(super) runs_away: bool,
    is_too_large: bool,
    /// Whether there is something that only whoever compiles the schema can judge.
    pub(super) is_beyond_it: bool,
}

/// One schema, wherever it stands.
pub(super) struct Schema<'n> {
    pub(super) node: &'n Node,
    pub(super) at: Path,
    /// Which of the parts it is in.
    part: usize,
    /// Behind the last schema within it.
    pub(super) end: usize,
    pub(super) children: Vec<Child>,
    pub(super) references: Vec<(&'n str, &'n Node)>,
}

pub(super) struct Child {
    pub(super) schema: usize,
    /// Whether it judges the same value.
    pub(super) in_place: bool,
}

impl<'n> Walk<'n> {
    /// One of the schemas that the whole is made of.
    pub(super) fn part(&mut self, part: &Part<'n>, closed: bool) {
        self.parts.push((part.at.length(), part.pointer.clone()));
        self.schema(part.schema, part.at, 0, closed);
    }

    /// Where a schema stands in the whole.
    pub(super) fn pointer(&self, schema: &Schema<'_>) -> String {
        let (before, pointer) = &self.parts[schema.part];
        let mut pointer = pointer.clone();
        for step in &schema.at.steps()[*before..] {
            match step {
                Step::Key(key) => {
                    pointer.push('/');
                    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                }
                Step::Index(index) => pointer.push_str(&format!("/{index}")),
            }
        }
        pointer
    }

    /// `owns` says whether the schema describes a value of its own, which the language closes.
    fn schema(&mut self, node: &'n Node, at: &Path, depth: usize, owns: bool) -> Option<usize> {
        let entries = match &node.value {
            NodeValue::Mapping(entries) => &entries[..],
            NodeValue::Bool(_) => &[],
            _ => {
                self.expected(node, at, "a schema", None);
                return None;
            }
        };
        if depth > DEEPEST {
            self.runs_away = true;
            self.invalid(node.span, at, format!("the schema is deeper than {DEEPEST} levels"), None);
            return None;
        }
        if self.schemas.len() == MOST {
            if !self.is_too_large {
                self.is_too_large = true;
                self.runs_away = true;
                self.invalid(node.span, at, format!("the schema consists of more than {MOST} schemas"), None);
            }
            return None;
        }
        let index = self.schemas.len();
        self.schemas.push(Schema {
            node,
            at: at.clone(),
            part: self.parts.len() - 1,
            end: index + 1,
            children: Vec::new(),
            references: Vec::new(),
        });
        for entry in entries {
            self.keyword(index, entry, depth, owns);
        }
        self.schemas[index].end = self.schemas.len();
        self.check_contradictions(node, at, owns);
        Some(index)
    }

    fn keyword(&mut self, index: usize, entry: &'n Entry, depth: usize, owns: bool) {
        let (key, node) = (&*entry.key, &entry.value);
        let takes = takes(key);
        self.is_beyond_it |= is_beyond(key, takes, node);
        if takes.map_or(key.starts_with("x-"), |takes| is_as_taken(takes, node)) {
            return;
        }
        let at = self.schemas[index].at.key(key);
        let Some(takes) = takes else { return self.unknown(entry, &at) };
        let child = |walk: &mut Self, node: &'n Node, at: &Path| {
            if let Some(schema) = walk.schema(node, at, depth + 1, owns && passes_closing_on(key)) {
                walk.schemas[index].children.push(Child { schema, in_place: is_in_place(key) });
            }
        };
        match (takes, &node.value) {
            (Takes::Schema, NodeValue::Sequence(_)) if key == "items" => {
                let help = "`prefixItems` lists schemas by their position".to_owned();
                self.expected(node, &at, "a schema", Some(help));
            }
            (Takes::Schema, _) => child(self, node, &at),
            (Takes::Schemas, NodeValue::Sequence(items)) if !items.is_empty() => {
                for (position, item) in items.iter().enumerate() {
                    child(self, item, &at.index(position));
                }
            }
            (Takes::Schemas, _) => self.expected(node, &at, "a list of schemas that is not empty", None),
            (Takes::NamedSchemas, NodeValue::Mapping(named)) => {
                for entry in named {
                    let at = at.key(&entry.key);
                    if key == "patternProperties" {
                        self.pattern(&entry.key, entry.key_span, &at);
                    }
                    child(self, &entry.value, &at);
                }
            }
            (Takes::NamedSchemas, _) => self.expected(node, &at, "schemas by name", None),
            (Takes::Reference, NodeValue::String(target)) => self.schemas[index].references.push((target, node)),
            (Takes::Anchor, NodeValue::String(name)) if is_anchor(name) => {
                if self.anchors.insert(name, index).is_some() {
                    self.invalid(node.span, &at, format!("the anchor `{name}` stands in the schema twice"), None);
                }
            }
            (Takes::Anchor, _) => self.expected(node, &at, "a name", None),
            (Takes::Identifier, NodeValue::String(_)) if self.pointer(&self.schemas[index]).is_empty() => {}
            (Takes::Identifier, _) => {
                let message = "`$id` can stand at the top of a schema only".to_owned();
                self.invalid(node.span, &at, message, Some("name schemas under `$defs`".to_owned()));
            }
            _ => self.plain(takes, node, &at),
        }
    }

    fn plain(&mut self, takes: Takes, node: &'n Node, at: &Path) {
        let number = match &node.value {
            NodeValue::Number(number, _) => number.as_f64(),
            _ => None,
        };
        match (takes, &node.value) {
            (Takes::Pattern, NodeValue::String(pattern)) => self.pattern(pattern, node.span, at),
            (Takes::Type, _) => self.types(node, at),
            (Takes::Values, NodeValue::Sequence(_)) => {
                self.invalid(node.span, at, "`enum` is empty: nothing can satisfy it".to_owned(), None);
            }
            (Takes::Dialect, NodeValue::String(dialect)) => {
                if dialect.trim_end_matches('#') != "https://json-schema.org/draft/2020-12/schema" {
                    let help = Some("expected `https://json-schema.org/draft/2020-12/schema`".to_owned());
                    self.invalid(node.span, at, format!("`{dialect}` is not the dialect of schemas here"), help);
                }
            }
            (Takes::Names, NodeValue::Bool(_)) => {
                let help = "in a whole schema `required` of the object lists the names of its properties".to_owned();
                self.expected(node, at, "a list of names", Some(help));
            }
            (Takes::Names, _) => self.names(node, at),
            (Takes::NamedNames, NodeValue::Mapping(named)) => {
                named.iter().for_each(|entry| self.names(&entry.value, &at.key(&entry.key)));
            }
            (Takes::PositiveNumber, _) if number.is_some_and(|number| number > 0.0) => {}
            (Takes::Count, _) if number.is_some_and(|number| number >= 0.0 && number.fract() == 0.0) => {}
            _ => {
                let expected = match takes {
                    Takes::Number => "a number",
                    Takes::PositiveNumber => "a number above 0",
                    Takes::Count => "a whole number, 0 or more",
                    Takes::Flag => "`true` or `false`",
                    Takes::Values | Takes::List => "a list of values",
                    Takes::NamedNames => "lists of names by name",
                    Takes::Mapping => "a mapping",
                    Takes::Pattern => "a regular expression",
                    Takes::Dialect => "the URI of a dialect",
                    Takes::Reference => "a reference such as `#/$defs/name`",
                    _ => "text",
                };
                self.expected(node, at, expected, None);
            }
        }
    }

    fn types(&mut self, node: &'n Node, at: &Path) {
        let words = match &node.value {
            NodeValue::Sequence(words) if !words.is_empty() => &words[..],
            _ => std::slice::from_ref(node),
        };
        let mut seen: Vec<&str> = Vec::new();
        for word in words {
            match &word.value {
                NodeValue::String(text) if seen.contains(&&**text) => {
                    self.invalid(word.span, at, format!("the type `{text}` is listed twice"), None);
                }
                NodeValue::String(text) if TYPES.contains(&&**text) => seen.push(text),
                NodeValue::String(text) => {
                    let help = type_meant_by(text).map(|meant| format!("did you mean `{meant}`?"));
                    self.invalid(word.span, at, format!("`{text}` is not a type; types are {}", list(&TYPES)), help);
                }
                NodeValue::Null => {
                    let help = "in YAML the type `\"null\"` is written in quotes".to_owned();
                    self.expected(word, at, "a type", Some(help));
                }
                _ => self.expected(word, at, "a type, or a list of types", None),
            }
        }
    }

    fn names(&mut self, node: &'n Node, at: &Path) {
        let NodeValue::Sequence(names) = &node.value else {
            return self.expected(node, at, "a list of names", None);
        };
        let mut seen = std::collections::HashSet::new();
        for (position, name) in names.iter().enumerate() {
            match name.as_str() {
                None => self.expected(name, &at.index(position), "a name", None),
                Some(text) if !seen.insert(text) => {
                    self.invalid(name.span, &at.index(position), format!("`{text}` is listed twice"), None);
                }
                Some(_) => {}
            }
        }
    }

    fn pattern(&mut self, pattern: &str, span: Span, at: &Path) {
        if compile(&json!({ "pattern": pattern })).is_err() {
            let message = format!("`{}` is not a regular expression, or one that is too large", cut(pattern));
            self.invalid(span, at, message, None);
        }
    }

    fn unknown(&mut self, entry: &Entry, at: &Path) {
        if self.found.len() >= MOST_FOUND {
            return;
        }
        let near = nearest(&entry.key, KEYWORDS.iter().map(|(name, _)| *name));
        self.found.push(Diagnostic {
            code: Code::SchemaUnknownKeyword,
            message: format!("JSON Schema has no keyword `{}`", entry.key),
            span: entry.key_span,
            path: at.clone(),
            help: Some(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "keywords of your own begin with `x-`".to_owned(),
            }),
            fix: near.map(|near| Fix { span: entry.key_span, replacement: near.to_owned() }),
        });
    }

    fn expected(&mut self, node: &Node, at: &Path, expected: &str, help: Option<String>) {
        let message = format!("expected {expected}, found {}", kind_of(node));
        self.invalid(node.span, at, message, help.or_else(|| unquoted_placeholder(node)));
    }

    pub(super) fn invalid(&mut self, span: Span, at: &Path, message: String, help: Option<String>) {
        if self.found.len() < MOST_FOUND {
            let code = Code::SchemaInvalid;
            self.found.push(Diagnostic { code, message, span, path: at.clone(), help, fix: None });
        }
    }
}

/// Whether nothing is to be said of a value, as of most.
fn is_as_taken(takes: Takes, node: &Node) -> bool {
    match (takes, &node.value) {
        (Takes::Type, NodeValue::String(text)) => TYPES.contains(&&**text),
        (Takes::Values, NodeValue::Sequence(values)) => !values.is_empty(),
        (Takes::Anything, _)
        | (Takes::Number, NodeValue::Number(..))
        | (Takes::Flag, NodeValue::Bool(_))
        | (Takes::Text, NodeValue::String(_))
        | (Takes::List, NodeValue::Sequence(_))
        | (Takes::Mapping, NodeValue::Mapping(_)) => true,
        _ => false,
    }
}

/// Names of schemas and dialects, and counts that no value can have.
fn is_beyond(keyword: &str, takes: Option<Takes>, node: &Node) -> bool {
    match (takes, &node.value) {
        (Some(Takes::Anchor | Takes::Dialect | Takes::Identifier), _) => true,
        (Some(Takes::Count), NodeValue::Number(number, _)) => number.as_u64().is_none(),
        _ => matches!(keyword, "$dynamicRef" | "$vocabulary"),
    }
}

fn is_anchor(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && name.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"-_.".contains(&letter))
}
