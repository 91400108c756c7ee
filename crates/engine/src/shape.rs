//! `returns`, compiled: which fields of an answer stay, and as what they are written.

use std::sync::Arc;

use serde_json::{Map, Value};

/// How deep a `returns` is followed; what lies below stays as it is.
const MAX_DEPTH: usize = 32;

/// The shape of one value.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    pub types: Types,
    pub content: ShapeContent,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ShapeContent {
    /// Nothing is said about what lies within.
    Free,
    Items(Arc<Shape>),
    Object(Arc<ObjectShape>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct ObjectShape {
    pub fields: Vec<Field>,
    /// Fields that are not listed are dropped, unless `additionalProperties` says otherwise.
    pub keep_others: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub shape: Shape,
    pub required: bool,
}

/// The JSON types that a value may be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Types {
    pub string: bool,
    pub number: bool,
    pub integer: bool,
    pub boolean: bool,
    pub null: bool,
    pub array: bool,
    pub object: bool,
}

impl Types {
    pub const ANY: Self =
        Self { string: true, number: true, integer: true, boolean: true, null: true, array: true, object: true };

    fn of(schema: &Value) -> Self {
        let mut types = Self::default();
        let mut add = |name: &str| match name {
            "string" => types.string = true,
            "number" => types.number = true,
            "integer" => types.integer = true,
            "boolean" => types.boolean = true,
            "null" => types.null = true,
            "array" => types.array = true,
            "object" => types.object = true,
            _ => {}
        };
        match schema.get("type") {
            Some(Value::String(one)) => add(one),
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).for_each(add),
            _ => return Self::ANY,
        }
        types
    }

    /// A number is wanted and text is not.
    #[must_use]
    pub fn numeric(self) -> bool {
        (self.number || self.integer) && !self.string
    }

    #[must_use]
    pub fn only_string(self) -> bool {
        self.string && !self.number && !self.integer
    }

    #[must_use]
    pub fn only_boolean(self) -> bool {
        self.boolean && !self.string && !self.number && !self.integer
    }

    /// An array or object is wanted and text is not.
    #[must_use]
    pub fn structured(self) -> bool {
        (self.array || self.object) && !self.string
    }
}

impl Shape {
    pub const ANY: Self = Self { types: Types::ANY, content: ShapeContent::Free };

    #[must_use]
    pub fn compile(schema: &Value) -> Self {
        Self::compile_at(schema, 0)
    }

    fn compile_at(schema: &Value, depth: usize) -> Self {
        if depth >= MAX_DEPTH || schema.get("$ref").is_some() {
            return Self::ANY;
        }
        let content = if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            let required: Vec<&str> = schema
                .get("required")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let fields = properties.iter().map(|(name, property)| Field {
                name: name.clone(),
                shape: Self::compile_at(property, depth + 1),
                required: required.contains(&name.as_str()),
            });
            let keep_others = !matches!(schema.get("additionalProperties"), None | Some(Value::Bool(false)));
            ShapeContent::Object(Arc::new(ObjectShape { fields: fields.collect(), keep_others }))
        } else if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
            ShapeContent::Items(Arc::new(Self::compile_at(items, depth + 1)))
        } else {
            ShapeContent::Free
        };
        Self { types: Types::of(schema), content }
    }

    /// The shape of one row: `returns` describes the rows (an array), or with `single` the one row (an object).
    #[must_use]
    pub fn of_rows(schema: Option<&Value>) -> Self {
        match schema.map(Self::compile) {
            None => Self::ANY,
            Some(Self { content: ShapeContent::Items(items), .. }) => (*items).clone(),
            Some(shape) => shape,
        }
    }

    /// Drops what the shape does not list and writes scalars as the type it asks for, where nothing is lost.
    #[must_use]
    pub fn apply(&self, value: Value) -> Value {
        match (&self.content, value) {
            (ShapeContent::Object(shape), Value::Object(object)) => Value::Object(shape.apply(object)),
            (ShapeContent::Items(items), Value::Array(array)) => {
                Value::Array(array.into_iter().map(|item| items.apply(item)).collect())
            }
            (ShapeContent::Free, Value::Number(number)) if self.types.only_string() => {
                Value::String(number.to_string())
            }
            (ShapeContent::Free, Value::String(text)) if self.types.numeric() => {
                serde_json::from_str(&text).ok().filter(Value::is_number).unwrap_or(Value::String(text))
            }
            (_, value) => value,
        }
    }
}

impl ObjectShape {
    fn apply(&self, mut object: Map<String, Value>) -> Map<String, Value> {
        let mut shaped = Map::new();
        for field in &self.fields {
            match object.shift_remove(&field.name) {
                Some(Value::Null) if !field.shape.types.null && !field.required => {}
                Some(value) => {
                    shaped.insert(field.name.clone(), field.shape.apply(value));
                }
                None => {}
            }
        }
        if self.keep_others {
            shaped.extend(object);
        }
        shaped
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: Value, value: Value, expected: Value) {
        assert_eq!(Shape::compile(&schema).apply(value), expected);
    }

    #[test]
    fn fields_that_are_not_listed_are_dropped_at_every_depth() {
        let schema = json!({ "type": "array", "items": { "type": "object", "properties": {
            "id": {}, "owner": { "type": "object", "properties": { "name": {} } } } } });
        let value = json!([{ "id": 1, "secret": 2, "owner": { "name": "a", "email": "b" } }]);
        check(schema, value, json!([{ "id": 1, "owner": { "name": "a" } }]));
    }

    #[test]
    fn an_open_object_keeps_the_others() {
        let schema = json!({ "type": "object", "properties": { "id": {} }, "additionalProperties": true });
        check(schema, json!({ "x": 1, "id": 2 }), json!({ "id": 2, "x": 1 }));
    }

    #[test]
    fn a_number_becomes_the_text_that_was_asked_for_and_back() {
        check(json!({ "type": "string" }), json!(12), json!("12"));
        check(json!({ "type": "number" }), json!("12.50"), json!(12.50));
        check(json!({ "type": "number" }), json!("twelve"), json!("twelve"));
    }

    #[test]
    fn a_null_that_the_shape_does_not_have_is_left_out() {
        let schema = json!({ "type": "object", "properties": { "a": { "type": "string" }, "b": { "type": ["string", "null"] } } });
        check(schema, json!({ "a": null, "b": null }), json!({ "b": null }));
    }
}
