//! Toolbox files, read: what each declares, whichever of the two forms it is written in.
//!
//! The flat form has one document for each thing (`kind: tool`, `name`, `type`); the nested one a map for each kind of thing
//! (`tools: { name: { kind: … } }`), where `kind` says what the flat form calls `type`. Both end as [`Item`]s.

use std::collections::BTreeSet;

use mcp_factory_spec::{
    Format, Node, NodeValue,
    syntax::{self, Position},
};
use serde_json::{Map, Value};

use crate::{Finding, Level};

/// What a file may declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Source,
    AuthService,
    Tool,
    Toolset,
    Group,
    Prompt,
    Resource,
    ResourceTemplate,
    EmbeddingModel,
}

/// One thing that a file declares.
#[derive(Debug, Clone)]
pub struct Item {
    pub kind: Kind,
    /// Empty for the default group, which has none.
    pub name: String,
    /// Without `kind` and `name`. What is taken of them is removed, so that the rest can be told.
    pub fields: Map<String, Value>,
    pub place: String,
    pub position: Position,
}

impl Kind {
    /// By the name of either form.
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "source" | "sources" => Self::Source,
            "authService" | "authServices" | "authSource" | "authSources" => Self::AuthService,
            "tool" | "tools" => Self::Tool,
            "toolset" | "toolsets" => Self::Toolset,
            "group" | "groups" => Self::Group,
            "prompt" | "prompts" => Self::Prompt,
            "resource" | "resources" => Self::Resource,
            "resourceTemplate" | "resourceTemplates" => Self::ResourceTemplate,
            "embeddingModel" | "embeddingModels" => Self::EmbeddingModel,
            _ => return None,
        })
    }

    /// As the nested form calls them all.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Source => "sources",
            Self::AuthService => "authServices",
            Self::Tool => "tools",
            Self::Toolset => "toolsets",
            Self::Group => "groups",
            Self::Prompt => "prompts",
            Self::Resource => "resources",
            Self::ResourceTemplate => "resourceTemplates",
            Self::EmbeddingModel => "embeddingModels",
        }
    }
}

impl Item {
    /// Takes a field out.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.fields.shift_remove(key).filter(|value| !value.is_null())
    }

    pub fn take_text(&mut self, key: &str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            other => {
                // What is no text is told with the rest.
                self.fields.insert(key.to_owned(), other);
                None
            }
        }
    }

    pub fn take_list(&mut self, key: &str) -> Vec<Value> {
        match self.take(key) {
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.fields.insert(key.to_owned(), other);
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    pub fn take_names(&mut self, key: &str) -> Vec<String> {
        self.take_list(key).into_iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }

    pub fn finding(&self, level: Level, message: String, hint: Option<String>) -> Finding {
        Finding { level, place: self.place.clone(), position: Some(self.position), message, hint }
    }
}

/// What the files declare, in their order. What was declared twice counts once, as it was said first.
pub fn read(files: &[(&str, &[u8])], found: &mut Vec<Finding>) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut known = BTreeSet::new();
    for (file, bytes) in files {
        let Ok(text) = std::str::from_utf8(bytes) else {
            let message = format!("`{file}` is no UTF-8 text");
            found.push(Finding { level: Level::Error, place: String::new(), position: None, message, hint: None });
            continue;
        };
        for document in documents(text) {
            let mut reading = Reading { file, is_one_of_several: files.len() > 1, document, found, items: Vec::new() };
            reading.read();
            for item in reading.items {
                if !known.insert((item.kind, item.name.clone())) {
                    let message = format!("`{}` is declared more than once: the first one counts", item.name);
                    found.push(item.finding(Level::LeftOut, message, None));
                } else {
                    items.push(item);
                }
            }
        }
    }
    items
}

/// A document of a file, and what stands before it.
#[derive(Debug, Clone, Copy)]
struct Document<'t> {
    text: &'t str,
    lines_before: u32,
    bytes_before: u32,
}

/// A line of `---` begins another document; no text of YAML holds one at its beginning otherwise.
fn documents(text: &str) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let (mut start, mut first_line, mut at) = (0, 0, 0);
    let mut push = |start: usize, end: usize, line: usize| {
        let text = &text[start..end];
        let says = |line: &str| !matches!(line.trim(), "" | "---" | "...") && !line.trim_start().starts_with('#');
        if text.lines().any(says) {
            let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            documents.push(Document { text, lines_before: count(line), bytes_before: count(start) });
        }
    };
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let marks = line.starts_with("---") && line[3..].chars().next().is_none_or(char::is_whitespace);
        if marks && at > start {
            push(start, at, first_line);
            (start, first_line) = (at, number);
        }
        at += line.len();
    }
    // The last document may be closed.
    push(start, at, first_line);
    documents
}

struct Reading<'a, 't> {
    file: &'a str,
    is_one_of_several: bool,
    document: Document<'t>,
    found: &'a mut Vec<Finding>,
    items: Vec<Item>,
}

impl Reading<'_, '_> {
    fn read(&mut self) {
        let text = self.document.text.trim_end();
        let text = text.strip_suffix("\n...").unwrap_or(text);
        let (root, diagnostics) = syntax::read_within(text.as_bytes(), Format::Yaml, syntax::limits::BYTES);
        for diagnostic in diagnostics {
            let level = if root.is_some() { Level::Note } else { Level::Error };
            let (message, hint) = (diagnostic.message, diagnostic.help);
            let position = Some(self.position(diagnostic.span.start));
            self.found.push(Finding { level, place: self.file.to_owned(), position, message, hint });
        }
        let Some(root) = root else { return };
        let NodeValue::Mapping(entries) = &root.value else {
            return self.tell(&root, Level::Error, "a Toolbox file is a mapping".to_owned());
        };
        if let Some(kind) = root.get("kind").and_then(Node::as_str) {
            let name = root.get("name").and_then(Node::as_str).unwrap_or_default();
            return match Kind::of(kind) {
                Some(kind) if !name.is_empty() || kind == Kind::Group => self.item(kind, name, &root, false),
                Some(_) => self.tell(&root, Level::LeftOut, format!("a `{kind}` without a name")),
                None => self.tell(&root, Level::LeftOut, format!("`{name}`: there is no kind `{kind}`")),
            };
        }
        for entry in entries {
            match (Kind::of(&entry.key), &entry.value.value) {
                (Some(kind), NodeValue::Mapping(named)) => {
                    named.iter().for_each(|named| self.item(kind, &named.key, &named.value, true));
                }
                (Some(_), NodeValue::Null) => {}
                _ => self.tell(&entry.value, Level::LeftOut, format!("`{}` has no counterpart", entry.key)),
            }
        }
    }

    fn item(&mut self, kind: Kind, name: &str, node: &Node, nested: bool) {
        let mut fields = match node.to_json() {
            Value::Object(fields) => fields,
            // The nested form's toolsets are lists.
            Value::Array(tools) if kind == Kind::Toolset => Map::from_iter([("tools".to_owned(), tools.into())]),
            _ => return self.tell(node, Level::LeftOut, format!("`{name}` is no mapping")),
        };
        let said = fields.shift_remove("kind");
        if nested && let Some(said) = said {
            fields.insert("type".to_owned(), said);
        }
        if !nested {
            fields.shift_remove("name");
        }
        let place = self.place(&format!("/{}/{name}", kind.plural()));
        self.items.push(Item { kind, name: name.to_owned(), fields, place, position: self.position(node.span.start) });
    }

    fn place(&self, pointer: &str) -> String {
        if self.is_one_of_several { format!("{}#{pointer}", self.file) } else { pointer.to_owned() }
    }

    fn tell(&mut self, node: &Node, level: Level, message: String) {
        let (place, position) = (self.file.to_owned(), Some(self.position(node.span.start)));
        self.found.push(Finding { level, place, position, message, hint: None });
    }

    /// Where something is in the file, of which the document is a part.
    fn position(&self, within: Position) -> Position {
        Position {
            offset: within.offset + self.document.bytes_before,
            line: within.line + self.document.lines_before,
            column: within.column,
        }
    }
}
