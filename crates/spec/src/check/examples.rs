//! Arguments that stand in a spec, against the schema of the tool that gets them.

use serde_json::{Map, Value};

use super::{
    Checker,
    pieces::{self, Piece},
};
use crate::{
    Code,
    model::{Call, Expectation, Tool, Trigger, ValueTemplate},
    path::Path,
};

impl Checker<'_> {
    pub(super) fn check_examples(&mut self, tool: &Tool, at: &Path) {
        let list = at.key("examples");
        for (index, example) in tool.examples.iter().enumerate() {
            // A call that must fail may well be one that the schema refuses.
            if example.expectation == Expectation::Failure {
                continue;
            }
            let at = self.reader.place(&list, index);
            let schema = Value::Object(tool.input_schema());
            let arguments = Value::Object(example.arguments.clone());
            self.check_instance(Code::SchemaExample, &schema, &arguments, &at.key("arguments"), &tool.name);
        }
    }

    pub(super) fn check_arguments(&mut self, tool: &Tool, trigger: &Trigger, at: &Path) {
        self.check_mapped(tool, &trigger.arguments, &at.key("arguments"));
    }

    pub(super) fn check_call(&mut self, tool: &Tool, call: &Call, at: &Path) {
        self.check_mapped(tool, &call.with, &at.key("with"));
    }

    /// Arguments as far as they are literal: what is missing, what is too much, and the values without placeholders.
    fn check_mapped(&mut self, tool: &Tool, arguments: &indexmap::IndexMap<String, ValueTemplate>, at: &Path) {
        let mut schema = tool.input_schema();
        let mut literal = Map::new();
        for (name, value) in arguments {
            if is_literal(value) {
                literal.insert(name.clone(), unescaped(value));
            } else if let Some(Value::Object(properties)) = schema.get_mut("properties")
                && properties.contains_key(name)
            {
                properties.insert(name.clone(), Value::Bool(true));
                literal.insert(name.clone(), Value::Null);
            } else {
                literal.insert(name.clone(), Value::Null);
            }
        }
        self.check_instance(Code::TriggerArguments, &Value::Object(schema), &Value::Object(literal), at, &tool.name);
    }

    fn check_instance(&mut self, code: Code, schema: &Value, instance: &Value, at: &Path, tool: &str) {
        // A schema that does not compile has been reported where it stands.
        let Ok(validator) = jsonschema::draft202012::new(schema) else { return };
        for error in validator.iter_errors(instance) {
            let mut place = at.clone();
            for segment in error.instance_path().as_str().split('/').skip(1) {
                let segment = segment.replace("~1", "/").replace("~0", "~");
                place = match segment.parse() {
                    Ok(index) => place.index(index),
                    Err(_) => place.key(&segment),
                };
            }
            self.report(code, &place, format!("`{tool}` refuses this: {error}"), None);
        }
    }
}

fn is_literal(value: &Value) -> bool {
    match value {
        Value::String(text) => pieces::parse(text).is_ok_and(|pieces| !pieces.iter().any(Piece::is_placeholder)),
        Value::Array(items) => items.iter().all(is_literal),
        Value::Object(fields) => fields.values().all(is_literal),
        _ => true,
    }
}

/// What a literal value is when braces are no longer doubled.
fn unescaped(value: &Value) -> Value {
    match value {
        Value::String(text) => text.replace("{{", "{").replace("}}", "}").into(),
        Value::Array(items) => items.iter().map(unescaped).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), unescaped(value))).collect(),
        other => other.clone(),
    }
}
