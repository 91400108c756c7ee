//! Keywords that exclude each other, so that no value could satisfy them together.

use serde_json::Number;

use super::{keywords::TYPES, walk::Walk};
use crate::{Node, NodeValue, path::Path, read::list};

/// The smaller, the larger, and whether they must differ.
const BOUNDS: [(&str, &str, bool); 8] = [
    ("minimum", "maximum", false),
    ("minimum", "exclusiveMaximum", true),
    ("exclusiveMinimum", "maximum", true),
    ("exclusiveMinimum", "exclusiveMaximum", true),
    ("minLength", "maxLength", false),
    ("minItems", "maxItems", false),
    ("minProperties", "maxProperties", false),
    ("minContains", "maxContains", false),
];

/// Keywords by which an object may have properties that `properties` does not list.
const OPENS: [&str; 3] = ["additionalProperties", "unevaluatedProperties", "patternProperties"];
const COMPOSES: [&str; 6] = ["allOf", "anyOf", "oneOf", "if", "$ref", "dependentSchemas"];

impl<'n> Walk<'n> {
    pub(super) fn check_contradictions(&mut self, schema: &'n Node, at: &Path, owns: bool) {
        for (smaller, larger, differ) in BOUNDS {
            if let (Some((low, node)), Some((high, _))) = (number(schema, smaller), number(schema, larger))
                && (low > high || differ && low == high)
            {
                let relation = if low > high { "is above" } else { "leaves nothing below" };
                let message = format!("`{smaller}` {relation} `{larger}`: nothing can satisfy both");
                self.invalid(node.span, &at.key(smaller), message, None);
            }
        }
        self.check_values(schema, at);
        if is_closed(schema, owns) {
            self.check_required(schema, at);
        }
    }

    fn check_values(&mut self, schema: &'n Node, at: &Path) {
        let types: Vec<&str> = match schema.get("type").map(|node| &node.value) {
            Some(NodeValue::String(word)) => vec![word],
            Some(NodeValue::Sequence(words)) => words.iter().filter_map(Node::as_str).collect(),
            _ => return,
        };
        // A type that is not one has been reported.
        if types.is_empty() || !types.iter().all(|word| TYPES.contains(word)) {
            return;
        }
        for keyword in ["enum", "const"] {
            let Some(node) = schema.get(keyword) else { continue };
            let values = match &node.value {
                NodeValue::Sequence(values) if keyword == "enum" => &values[..],
                _ if keyword == "const" => std::slice::from_ref(node),
                _ => continue,
            };
            if !values.is_empty() && !values.iter().any(|value| types.iter().any(|word| is_of(value, word))) {
                let message = format!("no value of `{keyword}` is of the type {}", list(&types));
                self.invalid(node.span, &at.key(keyword), message, None);
            }
        }
    }

    fn check_required(&mut self, schema: &'n Node, at: &Path) {
        let Some(NodeValue::Sequence(names)) = schema.get("required").map(|node| &node.value) else { return };
        for (position, node) in names.iter().enumerate() {
            let Some(name) = node.as_str() else { continue };
            let property = schema.get("properties").and_then(|properties| properties.get(name));
            let refused = match property.map(|property| &property.value) {
                None => "is not one of its properties and the object is closed",
                Some(NodeValue::Bool(false)) => "is a property that is never allowed",
                Some(_) => continue,
            };
            let help = Some("list it under `properties`, or say `additionalProperties: true`".to_owned());
            let message = format!("`{name}` is required, yet {refused}: nothing can satisfy this");
            self.invalid(node.span, &at.key("required").index(position), message, help);
        }
    }
}

/// Whether properties that are not listed are refused: said so, or because the language closes such objects.
fn is_closed(schema: &Node, owns: bool) -> bool {
    if schema.get("patternProperties").is_some() {
        return false;
    }
    match schema.get("additionalProperties").map(|node| &node.value) {
        Some(value) => *value == NodeValue::Bool(false),
        None => {
            let has = |key: &&str| schema.get(key).is_some();
            owns && schema.get("properties").is_some() && !OPENS.iter().any(has) && !COMPOSES.iter().any(has)
        }
    }
}

fn number<'n>(schema: &'n Node, keyword: &str) -> Option<(f64, &'n Node)> {
    let node = schema.get(keyword)?;
    match &node.value {
        NodeValue::Number(number, _) => Some((number.as_f64()?, node)),
        _ => None,
    }
}

fn is_of(value: &Node, word: &str) -> bool {
    match &value.value {
        NodeValue::Null => word == "null",
        NodeValue::Bool(_) => word == "boolean",
        NodeValue::Number(number, _) => word == "number" || word == "integer" && is_whole(number),
        NodeValue::String(_) => word == "string",
        NodeValue::Sequence(_) => word == "array",
        NodeValue::Mapping(_) => word == "object",
    }
}

fn is_whole(number: &Number) -> bool {
    number.as_f64().is_none_or(|number| number.fract() == 0.0)
}
