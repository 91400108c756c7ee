//! From bytes to a [`Spec`], with everything that is wrong with it.
//!
//! Reading never stops at the first problem: what is unusable is reported and stood in for, so that the rest is still
//! checked. Nothing here touches the file system; a [`Probe`] answers for it.

mod collections;
mod fields;
mod object;
mod scalars;
mod written;

use std::collections::HashMap;

pub(crate) use collections::Key;
pub(crate) use fields::{Fields, camel_case, spells};
pub(crate) use object::{Field, MISSING, Object, keyed, object, put, tagged, words};
pub(crate) use written::{name, parsed, quantity};

use serde_json::{Map, Value};

use crate::{
    Code, Diagnostic, Fix, Format, Node, NodeValue, Probe, Severity, Span, Spec, Verdict, check, json_schema,
    path::Path, secrets, suggest::nearest, syntax, syntax::Entry,
};

/// A document to read.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// What the document is called in diagnostics.
    pub name: &'a str,
    pub bytes: &'a [u8],
    pub format: Format,
}

impl<'a> Source<'a> {
    /// A document whose format its name tells.
    #[must_use]
    pub fn new(name: &'a str, bytes: &'a [u8]) -> Self {
        Self { name, bytes, format: Format::of_file(name) }
    }
}

/// What came of a document.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The server, unless there is an error.
    pub spec: Option<Spec>,
    /// Everything that was found, by place.
    pub diagnostics: Vec<Diagnostic>,
    pub verdict: Verdict,
}

/// Reads a document. All problems are found at once; `probe` answers for the files that the spec names.
#[must_use]
pub fn read(source: &Source<'_>, probe: &dyn Probe) -> Reading {
    let (root, mut diagnostics) = syntax::read(source.bytes, source.format);
    let mut spec = None;
    if let Some(root) = &root {
        let mut reader = Reader::default();
        spec = <Spec as Field>::read(root, &Path::default(), &mut reader);
        if let Some(spec) = &mut spec {
            let text = std::str::from_utf8(source.bytes).unwrap_or_default();
            check::check(spec, text, root, probe, &mut reader);
        }
        // What the text itself gets wrong is not told a second time for what it means.
        diagnostics.extend(secrets::check(source.bytes, root));
        let told: Vec<Span> = diagnostics.iter().map(|diagnostic| diagnostic.span).collect();
        diagnostics.extend(reader.into_diagnostics().into_iter().filter(|diagnostic| !told.contains(&diagnostic.span)));
    }
    diagnostics.sort_by_key(|diagnostic| std::cmp::Reverse(diagnostic.code.severity()));
    diagnostics.truncate(MOST);
    diagnostics.sort_by_key(|diagnostic| diagnostic.span.start.offset);
    for diagnostic in &mut diagnostics {
        // A message may repeat what stands in the document, and not everybody who has it goes through `render`.
        diagnostic.message = secrets::redact(&diagnostic.message);
        diagnostic.help = diagnostic.help.take().map(|help| secrets::redact(&help));
    }
    let verdict = Verdict::of(&diagnostics);
    Reading { spec: spec.filter(|_| verdict < Verdict::Error), diagnostics, verdict }
}

/// Reads the canonical form of a spec that [`read`] took: what was checked then is not checked again, which is most of the
/// work. Nothing, where it is no spec of this language.
#[must_use]
pub fn reread(canonical: &[u8]) -> Option<Spec> {
    let (root, diagnostics) = syntax::read(canonical, Format::Json);
    let mut reader = Reader { is_known: true, ..Reader::default() };
    let spec = <Spec as Field>::read(&root?, &Path::default(), &mut reader);
    let is_wrong = |found: &[Diagnostic]| Verdict::of(found) == Verdict::Error;
    spec.filter(|_| !is_wrong(&diagnostics) && !is_wrong(&reader.diagnostics))
}

/// More than this nobody reads, and a hostile document could make millions.
const MOST: usize = 500;

/// Collects what is found while a document is read.
#[derive(Default)]
pub(crate) struct Reader {
    diagnostics: Vec<Diagnostic>,
    /// How many of each severity.
    found: [usize; 3],
    /// For lists that lost an element: where the remaining ones stand in the source.
    places: HashMap<Path, Vec<usize>>,
    runs_away: bool,
    /// The schemas of the document were checked before.
    is_known: bool,
}

impl Reader {
    pub(crate) fn report(&mut self, code: Code, span: Span, at: &Path, message: String, help: Option<String>) {
        self.add(Diagnostic { code, message, span, path: at.clone(), help, fix: None });
    }

    pub(crate) fn add(&mut self, diagnostic: Diagnostic) {
        if !self.is_full(diagnostic.code) {
            self.found[diagnostic.code.severity() as usize] += 1;
            self.diagnostics.push(diagnostic);
        }
    }

    /// Whether nobody would read another one of these.
    pub(crate) fn is_full(&self, code: Code) -> bool {
        self.found[code.severity() as usize] >= MOST
    }

    pub(crate) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    pub(crate) fn wrong_type(&mut self, node: &Node, at: &Path, expected: &str) {
        let message = format!("expected {expected}, found {}", kind_of(node));
        self.report(Code::Type, node.span, at, message, unquoted_placeholder(node));
    }

    pub(crate) fn text<'n>(&mut self, node: &'n Node, at: &Path, expected: &str) -> Option<&'n str> {
        let text = node.as_str();
        if text.is_none() {
            self.wrong_type(node, at, expected);
        }
        text
    }

    /// One of a closed set of words.
    pub(crate) fn word(&mut self, node: &Node, at: &Path, words: &[&'static str]) -> Option<&'static str> {
        let text = self.text(node, at, &format!("one of {}", list(words)))?;
        if let Some(word) = words.iter().find(|word| **word == text) {
            return Some(word);
        }
        let near = nearest(text, words.iter().copied());
        self.add(Diagnostic {
            code: Code::Enum,
            message: format!("`{text}` is not one of {}", list(words)),
            span: node.span,
            path: at.clone(),
            help: near.map(|near| format!("did you mean `{near}`?")),
            fix: None,
        });
        None
    }

    /// Whether something within this place is wrong.
    pub(crate) fn is_wrong(&self, at: &Path) -> bool {
        self.diagnostics.iter().any(|told| told.code.severity() == Severity::Error && told.path.is_within(at))
    }

    /// What has been told so far.
    pub(crate) fn mark(&self) -> usize {
        self.diagnostics.len()
    }

    /// Of what was told since, keeps what was not told before, in other words.
    pub(crate) fn keep_new(&mut self, mark: usize, reword: impl Fn(&str) -> String) {
        for mut diagnostic in self.diagnostics.split_off(mark) {
            let known = |told: &Diagnostic| told.code == diagnostic.code && told.path == diagnostic.path;
            if !self.diagnostics.iter().any(known) {
                diagnostic.message = reword(&diagnostic.message);
                self.diagnostics.push(diagnostic);
            }
        }
    }

    fn unknown_field(&mut self, entry: &Entry, at: &Path, known: &[String], missing: &[String]) {
        if self.is_full(Code::UnknownField) {
            return;
        }
        let near = nearest(&entry.key, known.iter().map(String::as_str)).map(str::to_owned);
        let help = match &near {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None if known.is_empty() => None,
            None => Some(format!("the fields here are {}", list(known))),
        };
        self.add(Diagnostic {
            code: Code::UnknownField,
            message: format!("unknown field `{}`", entry.key),
            span: entry.key_span,
            path: at.clone(),
            help,
            // A field that is there already is none that somebody wanted to write.
            fix: near.filter(|near| missing.contains(near)).map(|near| {
                let plain = (entry.key_span.end.offset - entry.key_span.start.offset) as usize == entry.key.len();
                let replacement = if plain { near } else { format!("\"{near}\"") };
                Fix { span: entry.key_span, replacement }
            }),
        });
    }

    /// Remembers where the elements that could be read stand.
    fn places(&mut self, list: &Path, places: Vec<usize>) {
        self.places.insert(list.clone(), places);
    }

    /// Whether a list has elements that could not be read.
    pub(crate) fn is_incomplete(&self, list: &Path) -> bool {
        self.places.contains_key(list)
    }

    /// Where the `index`th element of a list as read stands in the source.
    pub(crate) fn place(&self, list: &Path, index: usize) -> Path {
        let place = self.places.get(list).and_then(|places| places.get(index)).copied();
        list.index(place.unwrap_or(index))
    }
}

impl Reader {
    /// A JSON Schema within the spec.
    pub(crate) fn check_schema(&mut self, schema: &Node, at: &Path) {
        if !self.is_known {
            self.add_checked(json_schema::check(schema, at));
        }
    }

    /// A JSON Schema that the language does not close.
    pub(crate) fn check_plain_schema(&mut self, schema: &Node, at: &Path) {
        if !self.is_known {
            self.add_checked(json_schema::check_plain(schema, at));
        }
    }

    /// The schemas of single parameters, whose references are resolved in the `whole` that is made of them.
    pub(crate) fn check_parameters(
        &mut self,
        node: &Node,
        schemas: &[(String, Node, Path)],
        whole: &Map<String, Value>,
    ) {
        if self.is_known {
            return;
        }
        let parts: Vec<_> = schemas
            .iter()
            .map(|(name, schema, at)| json_schema::Part { schema, at, pointer: format!("/properties/{name}") })
            .collect();
        self.add_checked(json_schema::check_within(&parts, || Value::Object(whole.clone()), node.span));
    }

    fn add_checked(&mut self, checked: json_schema::Checked) {
        self.runs_away |= checked.runs_away;
        checked.found.into_iter().for_each(|found| self.add(found));
    }

    /// Whether no value may be judged by the schemas of the document, since that might never end.
    pub(crate) fn runs_away(&self) -> bool {
        self.runs_away
    }

    /// A placeholder that YAML took for a mapping.
    pub(crate) fn unquoted(&mut self, node: &Node, at: &Path) {
        let message = "a placeholder without quotes".to_owned();
        self.report(Code::ToolPlaceholder, node.span, at, message, unquoted_placeholder(node));
    }

    /// Placeholders that YAML took for mappings, anywhere in a value.
    pub(crate) fn unquoted_placeholders(&mut self, node: &Node, at: &Path) {
        match &node.value {
            NodeValue::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.unquoted_placeholders(item, &at.index(index));
                }
            }
            NodeValue::Mapping(entries) => {
                // `{name}` has no text where its null is, `{name: null}` has.
                if let [entry] = &entries[..]
                    && entry.value.value == NodeValue::Null
                    && entry.value.span.start.offset == entry.value.span.end.offset
                {
                    return self.unquoted(node, at);
                }
                for entry in entries {
                    self.unquoted_placeholders(&entry.value, &at.key(&entry.key));
                }
            }
            _ => {}
        }
    }
}

/// `` `a`, `b` or `c` ``.
pub(crate) fn list<T: AsRef<str>>(words: &[T]) -> String {
    let mut text = String::new();
    for (position, word) in words.iter().enumerate() {
        if position > 0 {
            text.push_str(if position + 1 == words.len() { " or " } else { ", " });
        }
        text.push('`');
        text.push_str(word.as_ref());
        text.push('`');
    }
    text
}

pub(crate) fn kind_of(node: &Node) -> &'static str {
    match &node.value {
        NodeValue::Null => "nothing",
        NodeValue::Bool(_) => "a boolean",
        NodeValue::Number(..) => "a number",
        NodeValue::String(_) => "text",
        NodeValue::Sequence(_) => "a list",
        NodeValue::Mapping(_) => "a mapping",
    }
}

/// YAML reads an unquoted `{path}` as a mapping with one null value.
pub(crate) fn unquoted_placeholder(node: &Node) -> Option<String> {
    let NodeValue::Mapping(entries) = &node.value else { return None };
    match &entries[..] {
        [entry] if entry.value.value == NodeValue::Null => Some(format!(
            "YAML reads `{{{0}}}` as a mapping; to make it a placeholder, quote it: \"{{{0}}}\"",
            entry.key
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
