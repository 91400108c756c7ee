//! What callers hand in, as JSON schemas.

use serde_json::{Map, Value, json};

use super::{Types, describe, unwrapped};

/// How deep input objects are described.
const DEEPEST: usize = 4;
/// Fields of input objects of one tool that are described: filters hold each other, and grow with each level.
const MOST_FIELDS: usize = 200;

pub struct Inputs<'s> {
    types: &'s Types<'s>,
    /// Fields that may still be described.
    left: usize,
}

impl<'s> Inputs<'s> {
    pub fn new(types: &'s Types<'s>) -> Self {
        Self { types, left: MOST_FIELDS }
    }

    pub fn schema(&mut self, kind: &Value) -> Value {
        self.within(kind, 0)
    }

    fn within(&mut self, kind: &Value, depth: usize) -> Value {
        if depth > 32 {
            return json!({});
        }
        match kind["kind"].as_str() {
            Some("NON_NULL") => return self.within(&kind["ofType"], depth + 1),
            Some("LIST") => return json!({ "type": "array", "items": self.within(&kind["ofType"], depth + 1) }),
            _ => {}
        }
        let name = kind["name"].as_str().unwrap_or_default();
        let known = self.types.get(name);
        match (known["kind"].as_str(), name) {
            (_, "String" | "ID") => json!({ "type": "string" }),
            (_, "Int") => json!({ "type": "integer" }),
            (_, "Float") => json!({ "type": "number" }),
            (_, "Boolean") => json!({ "type": "boolean" }),
            (Some("ENUM"), _) => {
                let values = known["enumValues"].as_array().into_iter().flatten().map(|value| value["name"].clone());
                match values.filter(Value::is_string).collect::<Vec<_>>() {
                    values if values.is_empty() => json!({ "type": "string" }),
                    values => json!({ "type": "string", "enum": values }),
                }
            }
            (Some("INPUT_OBJECT"), _) => self.object(known, depth),
            // A scalar of theirs may be anything.
            _ => json!({}),
        }
    }

    /// One that would be too much is any object: what it takes, the endpoint says.
    fn object(&mut self, known: &Value, depth: usize) -> Value {
        let fields = known["inputFields"].as_array().map(Vec::as_slice).unwrap_or_default();
        if depth >= DEEPEST || fields.len() > self.left {
            return json!({ "type": "object" });
        }
        self.left -= fields.len();
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for field in fields {
            let name = field["name"].as_str().unwrap_or_default().to_owned();
            if unwrapped(&field["type"]).0 && !field["defaultValue"].is_string() {
                required.push(Value::from(name.as_str()));
            }
            let mut schema = self.within(&field["type"], depth + 1);
            describe(field, 200, &mut schema);
            properties.insert(name, schema);
        }
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    }
}
