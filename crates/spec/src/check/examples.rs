//! Arguments that stand in a spec, against the schema of the tool that gets them.

use indexmap::IndexMap;
use serde_json::Value;

use super::{Checker, catalogue::Catalogue};
use crate::{
    Code,
    model::{Expectation, Tool, ValueTemplate},
    path::Path,
    template::Text,
};

impl Checker<'_> {
    pub(super) fn check_examples<'s>(&mut self, tool: &'s Tool, catalogue: &Catalogue<'s>, at: &Path) {
        let list = at.key("examples");
        for (index, example) in tool.examples.iter().enumerate() {
            // A call that must fail may well be one that the schema refuses.
            if example.expectation == Expectation::Failure {
                continue;
            }
            let Some(validator) = catalogue.validator(tool) else { return };
            let at = self.reader.place(&list, index).key("arguments");
            let arguments = Value::Object(example.arguments.clone());
            for error in validator.iter_errors(&arguments) {
                let place = within(&at, error.instance_path().as_str());
                self.report(Code::SchemaExample, &place, format!("`{}` refuses this: {error}", tool.name), None);
            }
        }
    }

    /// Arguments as far as they are literal: what is missing, what is too much, and the values without placeholders.
    pub(super) fn check_arguments<'s>(
        &mut self,
        tool: &'s Tool,
        arguments: &IndexMap<String, ValueTemplate>,
        catalogue: &Catalogue<'s>,
        at: &Path,
    ) {
        let Some(validator) = catalogue.validator(tool) else { return };
        let literal = |value: &ValueTemplate| if is_literal(value) { unescaped(value) } else { Value::Null };
        let instance = arguments.iter().map(|(name, value)| (name.clone(), literal(value))).collect();
        for error in validator.iter_errors(&Value::Object(instance)) {
            let place = error.instance_path().as_str();
            let argument = place.split('/').nth(1).map(unescaped_segment);
            // What a placeholder will stand for is not known yet.
            if argument.is_some_and(|name| arguments.get(&name).is_some_and(|value| !is_literal(value))) {
                continue;
            }
            let place = within(at, place);
            self.report(Code::TriggerArguments, &place, format!("`{}` refuses this: {error}", tool.name), None);
        }
    }
}

/// The place of a JSON pointer below another place.
fn within(at: &Path, pointer: &str) -> Path {
    pointer.split('/').skip(1).map(unescaped_segment).fold(at.clone(), |at, segment| match segment.parse() {
        Ok(index) => at.index(index),
        Err(_) => at.key(&segment),
    })
}

fn unescaped_segment(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

fn is_literal(value: &Value) -> bool {
    match value {
        Value::String(text) => Text::parse(text).is_ok_and(|text| text.placeholders().next().is_none()),
        Value::Array(items) => items.iter().all(is_literal),
        Value::Object(fields) => fields.values().all(is_literal),
        _ => true,
    }
}

/// What a literal value is when braces are no longer doubled.
fn unescaped(value: &Value) -> Value {
    match value {
        Value::String(text) => Text::parse(text).map_or_else(|_| text.clone(), |text| text.plain(|_| None)).into(),
        Value::Array(items) => items.iter().map(unescaped).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), unescaped(value))).collect(),
        other => other.clone(),
    }
}
