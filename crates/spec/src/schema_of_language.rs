//! The JSON Schema (draft 2020-12) of the language, from the same declarations that read it.

use serde_json::{Map, Value, json};

use crate::{
    model::Spec,
    read::{Field, Object, camel_case},
};

/// The schema of a whole spec, for editors and other programs. It knows the canonical spelling of every field.
#[must_use]
pub fn language_schema() -> Value {
    let mut schemas = Schemas::default();
    let root = schemas.closed::<Spec>();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "MCP Factory server spec",
    });
    let parts = schema.as_object_mut().expect("an object was just written");
    if let Value::Object(root) = root {
        parts.extend(root);
    }
    parts.insert(
        "anyOf".to_owned(),
        json!([{ "required": ["tools"] }, { "required": ["resources"] }, { "required": ["prompts"] }]),
    );
    parts.insert("$defs".to_owned(), Value::Object(schemas.definitions));
    schema
}

/// The named parts that were met.
#[derive(Default)]
pub(crate) struct Schemas {
    definitions: Map<String, Value>,
}

impl Schemas {
    /// A reference to the schema of `T`.
    pub(crate) fn object<T: Object>(&mut self) -> Value {
        let name = definition_name::<T>();
        if !self.definitions.contains_key(&name) {
            self.definitions.insert(name.clone(), Value::Null);
            let schema = self.closed::<T>();
            self.definitions.insert(name.clone(), schema);
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    /// A reference to a schema that no type declares.
    pub(crate) fn define(&mut self, name: &str, schema: fn() -> Value) -> Value {
        self.definitions.entry(name).or_insert_with(schema);
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    fn closed<T: Object>(&mut self) -> Value {
        let mut shape = Shape::default();
        T::describe(&mut shape, self);
        let mut schema = shape.into_schema();
        let about = prose(T::ABOUT);
        if !about.is_empty() {
            schema["description"] = about.into();
        }
        schema
    }
}

/// Two modules may each have a `Http`: the module tells them apart.
fn definition_name<T: Object>() -> String {
    let mut path: Vec<&str> = std::any::type_name::<T>().split("::").collect();
    let name = path.pop().unwrap_or(T::NAME);
    path.last().map_or_else(|| name.to_owned(), |module| format!("{module}.{name}"))
}

fn prose(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// The fields of a mapping, and the forms it may take.
#[derive(Default, Clone)]
pub(crate) struct Shape {
    about: String,
    properties: Map<String, Value>,
    required: Vec<String>,
    branches: Vec<Shape>,
}

impl Shape {
    pub(crate) fn field<T: Field>(
        &mut self,
        schemas: &mut Schemas,
        key: &str,
        about: &[&str],
        default: Option<fn() -> T>,
    ) {
        let mut schema = described(T::schema(schemas), about);
        match default {
            Some(default) if !default().is_absent() => {
                if let Value::Object(schema) = &mut schema {
                    schema.insert("default".to_owned(), default().write());
                }
            }
            Some(_) => {}
            None if T::absent().is_none() => self.required.push(camel_case(key)),
            None => {}
        }
        self.properties.insert(camel_case(key), schema);
    }

    pub(crate) fn optional<T: Field>(&mut self, schemas: &mut Schemas, key: &str, about: &[&str]) {
        self.properties.insert(camel_case(key), described(T::schema(schemas), about));
    }

    /// A field that is already there may also be a `T`.
    pub(crate) fn or<T: Field>(&mut self, schemas: &mut Schemas, key: &str, about: &[&str]) {
        let other = T::schema(schemas);
        if let Some(schema) = self.properties.get_mut(key) {
            *schema = described(json!({ "anyOf": [other, schema.take()] }), about);
        }
    }

    pub(crate) fn constant(&mut self, key: &str, value: Value, about: &[&str]) {
        self.properties.insert(key.to_owned(), described(json!({ "const": value }), about));
        self.required.push(key.to_owned());
    }

    /// One of the forms it may take.
    pub(crate) fn branch(&mut self) -> &mut Shape {
        self.branches.push(Shape::default());
        self.branches.last_mut().expect("one was just pushed")
    }

    pub(crate) fn alternative(&mut self, tag: &str, word: &str, about: &[&str]) -> &mut Shape {
        let branch = self.branch();
        branch.about = prose(about);
        branch.constant(tag, word.into(), &[]);
        branch
    }

    fn into_schema(self) -> Value {
        let mut forms = self.forms();
        if forms.len() == 1 {
            return forms.swap_remove(0).into_closed();
        }
        json!({ "oneOf": forms.into_iter().map(Shape::into_closed).collect::<Vec<_>>() })
    }

    /// Every complete form: what is common, and one branch.
    fn forms(mut self) -> Vec<Shape> {
        let branches = std::mem::take(&mut self.branches);
        if branches.is_empty() {
            return vec![self];
        }
        let mut forms = Vec::new();
        for form in branches.into_iter().flat_map(Shape::forms) {
            let mut whole = self.clone();
            whole.properties.extend(form.properties);
            whole.required.extend(form.required);
            whole.about = if form.about.is_empty() { whole.about } else { form.about };
            forms.push(whole);
        }
        forms
    }

    fn into_closed(self) -> Value {
        let mut schema = json!({ "type": "object", "properties": self.properties, "additionalProperties": false });
        if !self.required.is_empty() {
            schema["required"] = self.required.into();
        }
        if !self.about.is_empty() {
            schema["description"] = self.about.into();
        }
        schema
    }
}

fn described(schema: Value, about: &[&str]) -> Value {
    let about = prose(about);
    if about.is_empty() {
        return schema;
    }
    match schema {
        Value::Object(mut schema) => {
            schema.insert("description".to_owned(), about.into());
            Value::Object(schema)
        }
        _ => json!({ "description": about }),
    }
}
