//! Values that stand in a schema and must fit it: defaults and examples.

use std::cell::LazyCell;

use jsonschema::{Registry, Validator};
use serde_json::{Value, json};

use super::{
    compile, compile_within, cut,
    walk::{Schema, Walk},
};
use crate::{Code, Diagnostic, Node, NodeValue, path::Path};

/// How many schemas may be compiled again for the values in one: those with references need all of it.
const MOST_COMPILED: usize = 100_000;
const WHOLE: &str = "schema:whole";

impl<'n> Walk<'n> {
    pub(super) fn check_instances(&mut self, whole: &LazyCell<Value, impl FnOnce() -> Value>) {
        let has =
            |schema: &Schema<'_>| ["default", "example", "examples"].iter().any(|key| schema.node.get(key).is_some());
        if !self.schemas.iter().any(has) {
            return;
        }
        let whole: &Value = whole;
        let registry = LazyCell::new(|| Registry::new().add(WHOLE, whole).and_then(|registry| registry.prepare()).ok());
        let mut compiled = 0;
        for index in 0..self.schemas.len() {
            let schema = &self.schemas[index];
            let node = schema.node;
            if !has(schema) {
                continue;
            }
            let refers = self.schemas[index..schema.end].iter().any(|schema| !schema.references.is_empty());
            compiled += if refers { self.schemas.len() } else { schema.end - index };
            let at = schema.at.clone();
            if compiled > MOST_COMPILED {
                let message = "the schema has too many defaults and examples to check".to_owned();
                return self.invalid(node.span, &at, message, None);
            }
            let pointer = self.pointer(schema);
            let validator = match (if refers { registry.as_ref() } else { None }, whole.pointer(&pointer)) {
                (Some(registry), _) => compile_within(&json!({ "$ref": reference(&pointer) }), registry),
                (_, Some(schema)) => compile(schema),
                _ => continue,
            };
            let Ok(validator) = validator else {
                self.invalid(node.span, &at, "the schema can't be compiled".to_owned(), None);
                continue;
            };
            for (keyword, code) in [("default", Code::SchemaDefault), ("example", Code::SchemaExample)] {
                if let Some(value) = node.get(keyword) {
                    self.check_instance(code, &validator, value, &at.key(keyword));
                }
            }
            if let Some(NodeValue::Sequence(values)) = node.get("examples").map(|node| &node.value) {
                for (position, value) in values.iter().enumerate() {
                    self.check_instance(Code::SchemaExample, &validator, value, &at.key("examples").index(position));
                }
            }
        }
    }

    fn check_instance(&mut self, code: Code, validator: &Validator, value: &'n Node, at: &Path) {
        let instance = value.to_json();
        let Some(error) = validator.iter_errors(&instance).next() else { return };
        let (mut node, mut path) = (value, at.clone());
        for segment in error.instance_path().as_str().split('/').skip(1) {
            let name = segment.replace("~1", "/").replace("~0", "~");
            let further = match (&node.value, name.parse()) {
                (NodeValue::Sequence(items), Ok(index)) => items.get(index).map(|item| (item, path.index(index))),
                _ => node.get(&name).map(|node| (node, path.key(&name))),
            };
            let Some(further) = further else { break };
            (node, path) = further;
        }
        let what = if code == Code::SchemaDefault { "the default" } else { "the example" };
        self.found.push(Diagnostic {
            code,
            message: format!("{what} does not fit its schema: {}", cut(&error.to_string())),
            span: node.span,
            path,
            help: None,
            fix: None,
        });
    }
}

/// A pointer as a fragment of a URI.
fn reference(pointer: &str) -> String {
    let mut text = format!("{WHOLE}#");
    for byte in pointer.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' | b'$' => text.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => text.push(byte.into()),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
