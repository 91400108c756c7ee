//! Schemas of what was saved: a value says its type, and an example of it.

use serde_json::{Map, Value, json};

use super::variables::pieces;
use crate::{openapi::document::At, toolbox::source::is_secret};

/// How deep a sample says what there is.
const DEEPEST: usize = 6;
/// How long a text may be to stand as an example.
const LONGEST: usize = 100;

/// The schema of a field with this value.
pub fn schema(key: &str, value: &Value) -> Map<String, Value> {
    match of(key, value, 0) {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

/// Whether a value can be shown: none that may be a secret, and none that stands for another.
pub fn may_be_shown(key: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => {
            let is_plain = pieces(text).iter().all(|piece| matches!(piece, super::variables::Piece::Text(_)));
            is_plain && !text.is_empty() && text.len() <= LONGEST && !is_secret(key, text)
        }
        Value::Number(_) => !is_secret(key, ""),
        Value::Bool(_) => true,
        _ => false,
    }
}

fn of(key: &str, value: &Value, depth: usize) -> Value {
    let mut schema = match value {
        Value::Null => json!({}),
        Value::Bool(_) => json!({ "type": "boolean" }),
        Value::Number(number) if number.is_f64() => json!({ "type": "number" }),
        Value::Number(_) => json!({ "type": "integer" }),
        Value::String(_) => json!({ "type": "string" }),
        Value::Array(items) => match items.first() {
            Some(first) if depth < DEEPEST => json!({ "type": "array", "items": of(key, first, depth + 1) }),
            _ => json!({ "type": "array" }),
        },
        Value::Object(fields) => {
            if depth >= DEEPEST || fields.is_empty() {
                return json!({ "type": "object" });
            }
            let fields: Map<String, Value> =
                fields.iter().map(|(key, value)| (key.clone(), of(key, value, depth + 1))).collect();
            // One sample does not say all that there can be.
            json!({ "type": "object", "properties": fields, "additionalProperties": true })
        }
    };
    let is_scalar = matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_));
    if is_scalar && may_be_shown(key, value) {
        schema["examples"] = json!([value]);
    }
    schema
}

/// The names of what the first good answer has. Its types are not promised by anybody.
pub fn of_answers(item: At<'_>) -> Option<Value> {
    let responses = item.get("response").into_iter().flat_map(At::items);
    let good = |response: &At<'_>| {
        let code = response.get("code").map(|code| code.node.to_json()).and_then(|code| code.as_u64());
        code.is_none_or(|code| (200..300).contains(&code))
    };
    let bodies = responses.filter(good).filter_map(|response| response.text("body"));
    let answer =
        bodies.filter(|body| body.len() < 1 << 20).find_map(|body| serde_json::from_str::<Value>(body).ok())?;
    match &answer {
        Value::Object(fields) if !fields.is_empty() => Some(named(fields)),
        Value::Array(items) => {
            let fields = items.first()?.as_object()?;
            Some(json!({ "type": "array", "items": named(fields) }))
        }
        _ => None,
    }
}

fn named(fields: &Map<String, Value>) -> Value {
    let fields: Map<String, Value> = fields.keys().take(100).map(|key| (key.clone(), json!({}))).collect();
    json!({ "type": "object", "properties": fields, "additionalProperties": true })
}
