//! What the answer of a tool has in it, as far as the spec says: a step that names a field which no answer can have would fail
//! in every call.

use serde_json::{Map, Value, json};

use super::did_you_mean;
use crate::model::{Static, Tool, ToolKind};

/// The schema of the answer on the wire; `None` where nothing is known of it.
pub(super) fn schema(tool: &Tool) -> Option<Value> {
    let statement = matches!(tool.kind, Some(ToolKind::Sql(_)));
    let Some(returns) = tool.returns.as_ref().map(|returns| returns.as_value()) else {
        return match &tool.kind {
            Some(ToolKind::Sql(_)) if !tool.single => Some(object(&["items", "nextCursor", "rowsAffected"], json!({}))),
            Some(ToolKind::Command(_)) => Some(object(&["value", "notice"], json!({}))),
            Some(ToolKind::Static(Static::Json(value))) if value.is_object() => Some(literal(value)),
            _ => None,
        };
    };
    let kind = returns.get("type").and_then(Value::as_str);
    let items = returns.get("items").cloned().unwrap_or_else(|| json!({}));
    match (statement, kind) {
        (true, Some("object")) if tool.single => Some(returns.clone()),
        (true, _) if tool.single => Some(items),
        (true, Some("object")) => Some(list(returns.clone())),
        (true, _) | (false, Some("array")) => Some(list(items)),
        (false, Some("object")) => Some(returns.clone()),
        (false, Some("string" | "integer" | "number" | "boolean")) => {
            Some(object(&["value", "truncated", "notice"], json!({})))
        }
        (false, _) => None,
    }
}

/// Whether the path can lead somewhere; where it leads nowhere, what is there instead.
pub(super) fn find(schema: &Value, path: &str) -> Result<(), String> {
    let mut schema = schema;
    for step in path.split('.') {
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            if let Some(property) = properties.get(step) {
                schema = property;
                continue;
            }
            // These are on the wire whatever `returns` says.
            let added = matches!(step, "truncated" | "notice");
            let open = !matches!(schema.get("additionalProperties"), None | Some(Value::Bool(false)));
            if added || open {
                return Ok(());
            }
            let names = properties.keys().map(String::as_str);
            return Err(did_you_mean(step, names.clone().take(100)).unwrap_or_else(|| {
                let names: Vec<&str> = names.take(20).collect();
                format!("that answer has {}", crate::read::list(&names))
            }));
        }
        let Some(items) = schema.get("items") else { return Ok(()) };
        if step.bytes().any(|byte| !byte.is_ascii_digit()) {
            return Err(format!("there is a list, whose items have numbers: `0.{step}` is in the first"));
        }
        schema = items;
    }
    Ok(())
}

fn list(items: Value) -> Value {
    let mut list = object(&["items", "nextCursor", "rowsAffected"], json!({}));
    list["properties"]["items"] = json!({ "type": "array", "items": items });
    list
}

fn object(names: &[&str], value: Value) -> Value {
    let properties: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), value.clone())).collect();
    json!({ "type": "object", "properties": properties })
}

/// A value that is always the same.
fn literal(value: &Value) -> Value {
    let fields = value.as_object().into_iter().flatten();
    json!({ "properties": fields.map(|(name, _)| (name.clone(), json!({}))).collect::<Map<_, _>>() })
}
