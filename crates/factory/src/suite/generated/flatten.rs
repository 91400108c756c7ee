//! A schema without its detours: references followed, `allOf` merged in, one of the alternatives chosen.

use fastrand::Rng;
use serde_json::{Map, Value};

/// A schema can refer to itself.
const DEEPEST: usize = 16;

/// The keywords of the schema and of everything that it is put together from.
pub fn flatten(schema: &Value, root: &Value, rng: &mut Rng) -> Value {
    flatten_at(schema, root, rng, 0)
}

fn flatten_at(schema: &Value, root: &Value, rng: &mut Rng, depth: usize) -> Value {
    let Some(object) = schema.as_object() else { return Value::Object(Map::new()) };
    if depth > DEEPEST {
        return Value::Object(Map::new());
    }
    let mut flat = object.clone();
    let mut parts: Vec<&Value> = Vec::new();
    if let Some(Value::String(reference)) = flat.shift_remove("$ref") {
        parts.extend(reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer)));
    }
    flat.shift_remove("allOf");
    parts.extend(object.get("allOf").and_then(Value::as_array).into_iter().flatten());
    for keyword in ["anyOf", "oneOf"] {
        flat.shift_remove(keyword);
        if let Some(branches) = object.get(keyword).and_then(Value::as_array).filter(|branches| !branches.is_empty()) {
            parts.push(&branches[rng.usize(..branches.len())]);
        }
    }
    let mut flat = Value::Object(flat);
    for part in parts {
        let part = flatten_at(part, root, rng, depth + 1);
        merge(&mut flat, part);
    }
    flat
}

/// Both at once. Where that is not clear, the first stays: the validator judges what comes of it.
fn merge(into: &mut Value, other: Value) {
    let (Value::Object(into), Value::Object(other)) = (into, other) else { return };
    for (keyword, theirs) in other {
        let Some(ours) = into.get_mut(&keyword) else {
            into.insert(keyword, theirs);
            continue;
        };
        match keyword.as_str() {
            "properties" => {
                let (Value::Object(ours), Value::Object(theirs)) = (ours, theirs) else { continue };
                for (name, theirs) in theirs {
                    match ours.get_mut(&name) {
                        Some(ours) => merge(ours, theirs),
                        None => drop(ours.insert(name, theirs)),
                    }
                }
            }
            "items" => merge(ours, theirs),
            "required" => {
                let (Value::Array(ours), Value::Array(theirs)) = (ours, theirs) else { continue };
                ours.extend(theirs);
            }
            "enum" | "type" => *ours = common(ours, &theirs),
            "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties"
                if theirs.as_f64() > ours.as_f64() =>
            {
                *ours = theirs;
            }
            "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties"
                if theirs.as_f64() < ours.as_f64() =>
            {
                *ours = theirs;
            }
            _ => {}
        }
    }
}

/// What both list; a type alone is a list of one.
fn common(ours: &Value, theirs: &Value) -> Value {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let integers = list(ours).contains(&"number".into());
    let theirs = list(theirs);
    let kept = list(ours).into_iter().filter(|value| theirs.contains(value));
    let narrower = theirs.iter().filter(|value| integers && **value == "integer").cloned();
    Value::Array(kept.chain(narrower).collect())
}
