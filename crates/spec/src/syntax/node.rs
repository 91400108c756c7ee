//! A document as read: every value and every key with its place. YAML and JSON both end here.

use std::sync::Arc;

use serde_json::Number;

/// A place in the source. Lines and columns count from 1, columns in characters; `offset` is in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    pub offset: u32,
    pub line: u32,
    pub column: u32,
}

/// From the first character to behind the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    pub start: Position,
    pub end: Position,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub span: Span,
    pub value: NodeValue,
}

#[derive(Debug, Clone, PartialEq)]
pub enum NodeValue {
    Null,
    Bool(bool),
    /// The number, and what it looked like in the source (`1.0` is a good version only in quotes).
    Number(Number, Box<str>),
    String(Arc<str>),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// One `key: value`. Keys are unique within a mapping: the readers see to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: Arc<str>,
    pub key_span: Span,
    pub value: Node,
}

impl Node {
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            NodeValue::Mapping(entries) => entries.iter().find(|entry| &*entry.key == key).map(|entry| &entry.value),
            _ => None,
        }
    }

    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            NodeValue::String(text) => Some(text),
            _ => None,
        }
    }

    /// The plain value, for parts of the language that are JSON (schemas, arguments, static answers).
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.value {
            NodeValue::Null => Value::Null,
            NodeValue::Bool(value) => Value::Bool(*value),
            NodeValue::Number(number, _) => Value::Number(number.clone()),
            NodeValue::String(text) => Value::String((**text).to_owned()),
            NodeValue::Sequence(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            NodeValue::Mapping(entries) => {
                Value::Object(entries.iter().map(|entry| ((*entry.key).to_owned(), entry.value.to_json())).collect())
            }
        }
    }
}
