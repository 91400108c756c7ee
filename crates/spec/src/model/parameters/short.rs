//! The short forms of parameters, and back.
//!
//! In them `required: true` belongs to the parameter; here it is lifted into the list that JSON Schema has, in nested objects
//! too. And objects that list properties are closed here, unless they say otherwise.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::{
    Code, Node, NodeValue,
    model::ParameterName,
    path::Path,
    read::{Key, Reader},
    syntax::Entry,
};

/// Keywords whose value is a schema.
const ONE: [&str; 8] = ["items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else"];
/// Keywords whose value is a list of schemas.
const MANY: [&str; 4] = ["prefixItems", "allOf", "anyOf", "oneOf"];
/// Keywords whose value is a map of schemas.
const NAMED: [&str; 4] = ["properties", "patternProperties", "dependentSchemas", "$defs"];

/// Keywords that say which other properties an object may have.
const SAYS: [&str; 3] = ["additionalProperties", "unevaluatedProperties", "patternProperties"];

/// Names that placeholders use for something else.
const RESERVED: [&str; 3] = ["principal", "trigger", "env"];

/// The schema of an object with these properties, closed.
pub(super) fn object(properties: Map<String, Value>, required: Vec<Value>) -> Map<String, Value> {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), Value::Array(required));
    }
    schema.insert("additionalProperties".to_owned(), false.into());
    schema
}

/// The map and the list form.
pub(super) fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Map<String, Value>> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut schemas = Vec::new();
    let mut declare = |name: &str, schema: &Node, at: &Path, reader: &mut Reader| {
        if !matches!(schema.value, NodeValue::Mapping(_)) {
            reader.wrong_type(schema, at, "the schema of a parameter, such as `{ type: string }`");
            properties.insert(name.to_owned(), Value::Bool(true));
            return;
        }
        let (schema, is_required) = lift(schema, at, reader);
        properties.insert(name.to_owned(), close(schema.to_json()));
        schemas.push((name.to_owned(), schema, at.clone()));
        if is_required {
            required.push(name.into());
        }
    };
    match &node.value {
        NodeValue::Mapping(entries) => {
            for entry in entries {
                let at = at.key(&entry.key);
                if check_name(&entry.key, entry.key_span, &at, reader) {
                    declare(&entry.key, &entry.value, &at, reader);
                }
            }
        }
        NodeValue::Sequence(items) => {
            let mut names = HashSet::new();
            for (index, item) in items.iter().enumerate() {
                let at = at.index(index);
                let NodeValue::Mapping(entries) = &item.value else {
                    reader.wrong_type(item, &at, "a parameter, such as `{ name: query, type: string }`");
                    continue;
                };
                let Some(name) = item.get("name") else {
                    reader.report(Code::Missing, item.span, &at, "`name` is missing".to_owned(), None);
                    continue;
                };
                let Some(text) = reader.text(name, &at.key("name"), "a name") else { continue };
                if !check_name(text, name.span, &at.key("name"), reader) {
                    continue;
                }
                if !names.insert(text) {
                    let message = format!("the parameter `{text}` is declared twice");
                    reader.report(Code::DuplicateName, name.span, &at.key("name"), message, None);
                    continue;
                }
                let schema = entries.iter().filter(|entry| &*entry.key != "name").cloned().collect();
                declare(text, &Node { span: item.span, value: NodeValue::Mapping(schema) }, &at, reader);
            }
        }
        _ => {
            reader.wrong_type(node, at, "a mapping of parameters, or a list of them");
            return None;
        }
    }
    let schema = object(properties, required);
    reader.check_parameters(node, &schemas, &schema);
    Some(schema)
}

/// A whole JSON Schema.
pub(super) fn read_whole(node: &Node, at: &Path, reader: &mut Reader) -> Option<Map<String, Value>> {
    if !matches!(node.value, NodeValue::Mapping(_)) {
        reader.wrong_type(node, at, "a JSON Schema of an object");
        return None;
    }
    reader.check_schema(node, at);
    if let Some(NodeValue::Mapping(properties)) = node.get("properties").map(|properties| &properties.value) {
        for entry in properties {
            check_name(&entry.key, entry.key_span, &at.key("properties").key(&entry.key), reader);
        }
    }
    if let Some(kind) = node.get("type")
        && kind.as_str() != Some("object")
    {
        let message = "the arguments of a tool are an object".to_owned();
        reader.report(
            Code::SchemaInvalid,
            kind.span,
            &at.key("type"),
            message,
            Some("write `type: object`".to_owned()),
        );
        return None;
    }
    let Value::Object(mut schema) = node.to_json() else { return None };
    schema.entry("type").or_insert_with(|| "object".into());
    schema.entry("properties").or_insert_with(|| json!({}));
    match close(Value::Object(schema)) {
        Value::Object(schema) => Some(schema),
        _ => None,
    }
}

fn check_name(name: &str, span: crate::Span, at: &Path, reader: &mut Reader) -> bool {
    if RESERVED.contains(&name) {
        let message = format!("`{name}` can't be the name of a parameter: placeholders use it for something else");
        reader.report(Code::Name, span, at, message, None);
    }
    ParameterName::read_key(name, span, at, reader).is_some()
}

/// Takes `required: true|false` off a schema, and lifts it into the lists of the objects within.
fn lift(schema: &Node, at: &Path, reader: &mut Reader) -> (Node, bool) {
    let NodeValue::Mapping(entries) = &schema.value else { return (schema.clone(), false) };
    let mut is_required = false;
    let mut lifted: Vec<Entry> = Vec::with_capacity(entries.len());
    let mut required: Vec<Node> = Vec::new();
    for entry in entries {
        let at = at.key(&entry.key);
        match (&*entry.key, &entry.value.value) {
            ("required", NodeValue::Bool(value)) => {
                is_required = *value;
                continue;
            }
            ("required", NodeValue::Sequence(_)) => {}
            ("required", _) => {
                reader.wrong_type(&entry.value, &at, "`true` or `false`");
                continue;
            }
            _ => {}
        }
        let mut entry = entry.clone();
        let key = &*entry.key;
        let stray = entry.value.get("required").is_some_and(|required| matches!(required.value, NodeValue::Bool(_)));
        match &mut entry.value.value {
            NodeValue::Mapping(named) if NAMED.contains(&key) => {
                for property in named {
                    let (schema, property_required) = lift(&property.value, &at.key(&property.key), reader);
                    property.value = schema;
                    if property_required && key == "properties" {
                        let value = NodeValue::String(property.key.clone());
                        required.push(Node { span: property.key_span, value });
                    }
                }
            }
            NodeValue::Sequence(many) if MANY.contains(&key) => {
                for (index, schema) in many.iter_mut().enumerate() {
                    *schema = lift(schema, &at.index(index), reader).0;
                }
            }
            // A stray `required: true` stays where it stands for no property, so that it is reported.
            NodeValue::Mapping(_) if ONE.contains(&key) && !stray => {
                entry.value = lift(&entry.value, &at, reader).0;
            }
            _ => {}
        }
        lifted.push(entry);
    }
    if !required.is_empty() {
        match lifted.iter_mut().find(|entry| &*entry.key == "required").map(|entry| &mut entry.value.value) {
            Some(NodeValue::Sequence(listed)) => {
                let known: HashSet<String> = listed.iter().filter_map(Node::as_str).map(str::to_owned).collect();
                listed.extend(
                    required.into_iter().filter(|name| !name.as_str().is_some_and(|name| known.contains(name))),
                );
            }
            Some(_) => {}
            None => lifted.push(Entry {
                key: "required".into(),
                key_span: schema.span,
                value: Node { span: schema.span, value: NodeValue::Sequence(required) },
            }),
        }
    }
    (Node { span: schema.span, value: NodeValue::Mapping(lifted) }, is_required)
}

/// Closes the objects that list properties and don't say otherwise.
pub(crate) fn close(mut schema: Value) -> Value {
    let Value::Object(fields) = &mut schema else { return schema };
    each_object(fields, &|schema| {
        if schema.contains_key("properties") && !SAYS.iter().any(|key| schema.contains_key(*key)) {
            schema.insert(closing_keyword(schema).to_owned(), false.into());
        }
    });
    schema
}

/// Leaves out what [`close`] adds. Where it would not add the same again, all stays.
pub(super) fn open(schema: &Value) -> Value {
    match schema {
        Value::Object(schema) => Value::Object(open_object(schema)),
        other => other.clone(),
    }
}

pub(super) fn open_object(schema: &Map<String, Value>) -> Map<String, Value> {
    let mut opened = schema.clone();
    if comes_back(schema) {
        open_all(&mut opened);
    }
    opened
}

/// Whether [`close`] gives the same again of what is opened.
fn comes_back(schema: &Map<String, Value>) -> bool {
    let is_listed = schema.contains_key("properties");
    let says = SAYS.iter().filter(|key| schema.contains_key(**key)).count();
    let same = !is_listed || if is_closed(schema) { says == 1 } else { says > 0 };
    let object = |value: &Value| value.as_object().is_none_or(comes_back);
    same && schema.iter().all(|(key, value)| match (holds(key), value) {
        (Holds::Named, Value::Object(named)) => named.values().all(object),
        (Holds::One, value) => object(value),
        (Holds::Many, Value::Array(many)) => many.iter().all(object),
        _ => true,
    })
}

fn open_all(schema: &mut Map<String, Value>) {
    each_object(schema, &|schema| {
        if is_closed(schema) {
            let closing = closing_keyword(schema);
            schema.shift_remove(closing);
        }
    });
}

/// Whether it is as [`close`] leaves an object that lists properties.
fn is_closed(schema: &Map<String, Value>) -> bool {
    schema.contains_key("properties") && schema.get(closing_keyword(schema)) == Some(&Value::Bool(false))
}

/// What closes an object: where it is composed of several schemas, each must know what the others list.
fn closing_keyword(schema: &Map<String, Value>) -> &'static str {
    let composed = ["allOf", "anyOf", "oneOf", "if", "$ref", "dependentSchemas"];
    if composed.iter().any(|key| schema.contains_key(*key)) { "unevaluatedProperties" } else { "additionalProperties" }
}

/// Applies `change` to every schema that stands for a value of its own, innermost first. The parts of `allOf` and its like do
/// not: they describe the same value as their parent.
fn each_object(schema: &mut Map<String, Value>, change: &dyn Fn(&mut Map<String, Value>)) {
    let object = |value: &mut Value| {
        if let Value::Object(schema) = value {
            each_object(schema, change);
        }
    };
    for (key, value) in schema.iter_mut() {
        match (holds(key), value) {
            (Holds::Named, Value::Object(named)) => named.values_mut().for_each(object),
            (Holds::One, value) => object(value),
            (Holds::Many, Value::Array(many)) => many.iter_mut().for_each(object),
            _ => {}
        }
    }
    change(schema);
}

/// What a keyword holds for values of their own.
enum Holds {
    One,
    Many,
    Named,
    Nothing,
}

fn holds(keyword: &str) -> Holds {
    match keyword {
        "items" | "additionalProperties" => Holds::One,
        "prefixItems" => Holds::Many,
        "properties" | "patternProperties" => Holds::Named,
        _ => Holds::Nothing,
    }
}

/// The map form of a schema, if it has one.
pub(super) fn shorten(schema: &Map<String, Value>) -> Option<Map<String, Value>> {
    let plain =
        schema.keys().all(|key| matches!(key.as_str(), "type" | "properties" | "required" | "additionalProperties"));
    if !plain || schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        return None;
    }
    let properties = schema.get("properties")?.as_object()?;
    let required = schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let names: HashSet<&str> = required.iter().filter_map(Value::as_str).collect();
    let mut short = Map::new();
    for (name, property) in properties {
        let Value::Object(mut property) = open(property) else { return None };
        if names.contains(name.as_str()) {
            if property.contains_key("required") {
                property = nested(property)?;
            }
            property.insert("required".to_owned(), true.into());
        }
        short.insert(name.clone(), Value::Object(property));
    }
    let ordered: Vec<&str> =
        short.iter().filter(|(_, schema)| schema["required"] == true).map(|(name, _)| name.as_str()).collect();
    (required.len() == ordered.len() && required.iter().zip(ordered).all(|(listed, name)| listed == name))
        .then_some(short)
}

/// An object's list of required properties, written at the properties instead.
fn nested(mut schema: Map<String, Value>) -> Option<Map<String, Value>> {
    let Value::Array(required) = schema.shift_remove("required")? else { return None };
    let names: HashSet<&str> = required.iter().filter_map(Value::as_str).collect();
    let properties = schema.get_mut("properties")?.as_object_mut()?;
    let in_order: Vec<&String> = properties.keys().filter(|name| names.contains(name.as_str())).collect();
    if in_order.len() != required.len() || in_order.into_iter().zip(&required).any(|(name, listed)| listed != name) {
        return None;
    }
    for (name, property) in properties {
        if !names.contains(name.as_str()) {
            continue;
        }
        let Value::Object(mut inner) = property.take() else { return None };
        if inner.contains_key("required") {
            inner = nested(inner)?;
        }
        inner.insert("required".to_owned(), true.into());
        *property = Value::Object(inner);
    }
    Some(schema)
}

#[cfg(test)]
mod tests;
