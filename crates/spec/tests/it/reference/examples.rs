//! An example of every field, taken from documents that are known to be valid.

use std::collections::BTreeMap;

use mcp_factory_spec::{Format, syntax};
use serde_json::Value;

use super::{documents, flow, forms, resolve};

/// Longer ones do not fit into a table.
const LONGEST: usize = 110;
const GOOD: usize = 64;

/// By part of the language, form and field.
pub struct Examples<'s> {
    schema: &'s Value,
    best: BTreeMap<(String, String, String), (usize, String)>,
}

impl<'s> Examples<'s> {
    pub fn collect(schema: &'s Value, blocks: impl Iterator<Item = &'static str>) -> Self {
        let mut examples = Self { schema, best: BTreeMap::new() };
        let read = |bytes: &[u8], format| syntax::read(bytes, format).0.map(|root| root.to_json());
        for block in blocks.filter(|block| block.starts_with("name:")) {
            let value = read(block.as_bytes(), Format::Yaml).expect("a valid document");
            examples.visit_part("Spec", schema, &value, 0);
        }
        let valid = documents::load().into_iter().filter(|document| document.labels.is_empty());
        for document in valid.filter(|document| !document.name.contains("snake-case")) {
            let Some(value) = read(&document.bytes, Format::of_file(&document.name)) else { continue };
            let rank = if document.name.starts_with("servers/") { 1 } else { 2 };
            examples.visit_part("Spec", schema, &value, rank);
        }
        examples
    }

    pub fn get(&self, part: &str, form: &str, field: &str) -> Option<&str> {
        let key = (part.to_owned(), form.to_owned(), field.to_owned());
        self.best.get(&key).map(|(_, example)| example.as_str())
    }

    pub fn of_any_form(&self, part: &str, field: &str) -> Option<&str> {
        let found = self.best.iter().find(|((of, _, name), _)| of == part && name == field);
        found.map(|(_, (_, example))| example.as_str())
    }

    fn visit(&mut self, schema: &'s Value, value: &Value, rank: usize) {
        if let Some((part, schema)) = resolve(self.schema, schema) {
            return self.visit_part(part, schema, value, rank);
        }
        for alternative in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
            self.visit(alternative, value, rank);
        }
        match value {
            Value::Array(items) => {
                if let Some(schema) = schema.get("items") {
                    items.iter().for_each(|item| self.visit(schema, item, rank));
                }
            }
            Value::Object(fields) => {
                if let Some(schema) = schema.get("additionalProperties") {
                    fields.values().for_each(|field| self.visit(schema, field, rank));
                }
            }
            _ => {}
        }
    }

    fn visit_part(&mut self, part: &str, schema: &'s Value, value: &Value, rank: usize) {
        let Value::Object(fields) = value else { return };
        for (form, schema) in forms(schema) {
            let Some(properties) = schema["properties"].as_object() else { continue };
            let fits = fields.iter().all(|(name, field)| {
                properties.get(name).is_some_and(|known| known.get("const").is_none_or(|constant| constant == field))
            });
            if !fits {
                continue;
            }
            for (name, field) in fields {
                let usual = properties[name].get("default") == Some(field);
                self.offer((part.to_owned(), form.clone(), name.clone()), field, rank + 10 * usize::from(usual));
                self.visit(&properties[name], field, rank);
            }
        }
    }

    /// The first document that has one of a good length decides; a short one is better than a long one.
    fn offer(&mut self, key: (String, String, String), value: &Value, rank: usize) {
        let text = flow::pair(&key.2, value);
        let length = text.chars().count();
        if length > LONGEST {
            return;
        }
        let breaks = if text.contains("\\n") { 5_000 } else { 0 };
        let badness = breaks + if length > GOOD { 1_000 + length } else { rank * 100 + GOOD - length };
        let best = self.best.entry(key).or_insert((usize::MAX, String::new()));
        if badness < best.0 {
            *best = (badness, text);
        }
    }
}
