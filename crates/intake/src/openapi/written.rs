//! How lists and objects are written where a request has room for texts: in a query, a form, a path, a header.

use serde_json::{Map, Value};

use super::{
    document::{At, Version},
    merge,
    parameter::Taken,
    schema::Schemas,
};
use crate::text::append;

/// How an array or object is written into one place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Written {
    /// The name once for each.
    Repeated,
    /// In one text, with this between.
    Joined(&'static str),
    /// `name[key]`.
    Deep,
    Json,
}

pub fn written(parameter: At<'_>, place: &str, version: Version) -> Written {
    if version == Version::V2 {
        return match parameter.text("collectionFormat") {
            Some("multi") => Written::Repeated,
            Some("ssv") => Written::Joined(" "),
            Some("tsv") => Written::Joined("\t"),
            Some("pipes") => Written::Joined("|"),
            _ => Written::Joined(","),
        };
    }
    let style = parameter.text("style").unwrap_or(if matches!(place, "query" | "cookie") { "form" } else { "simple" });
    let explode = parameter.flag("explode").unwrap_or(style == "form");
    match style {
        "deepObject" => Written::Deep,
        "form" if explode => Written::Repeated,
        "spaceDelimited" if !explode => Written::Joined(" "),
        "pipeDelimited" if !explode => Written::Joined("|"),
        "spaceDelimited" | "pipeDelimited" => Written::Repeated,
        _ => Written::Joined(","),
    }
}

/// A value in a query or a form.
#[derive(Debug, Clone, Copy)]
pub struct Field<'n> {
    pub name: &'n str,
    /// `query`, or `body` for a form's.
    pub place: &'static str,
    pub written: Written,
    pub is_required: bool,
}

impl Field<'_> {
    /// The keys that it stands under, and their placeholders.
    pub fn spread(
        self,
        schema: Map<String, Value>,
        schemas: &Schemas<'_, '_>,
        taken: &mut Taken,
    ) -> Vec<(String, Value)> {
        let mut schema = meant(schema, schemas);
        let mut style = None;
        match (shape(&schema, schemas), self.written) {
            (Shape::Scalar, _) => {}
            (Shape::Object, Written::Repeated) => return self.by_key(schema, schemas, taken),
            (Shape::Object, Written::Deep) if is_flat(&schema, schemas) => return self.by_key(schema, schemas, taken),
            (_, Written::Deep) => style = Some("deepObject"),
            (Shape::Array, Written::Repeated) => {
                if let Some(Value::Object(items)) = schema.get("items")
                    && self::shape(items, schemas) != Shape::Scalar
                {
                    let items = as_text(items, Written::Json, schemas);
                    schema.insert("items".to_owned(), Value::Object(items));
                }
            }
            (_, written) => {
                style = delimiter(&schema, written, schemas);
                if style.is_none() {
                    schema = as_text(&schema, written, schemas);
                }
            }
        }
        let placeholder = taken.take_styled(self.name, self.place, schema, self.is_required, style);
        vec![(self.name.to_owned(), format!("{{{placeholder}}}").into())]
    }

    /// A parameter for each key of an object; of choices, for the keys of all of them.
    fn by_key(self, schema: Map<String, Value>, schemas: &Schemas<'_, '_>, taken: &mut Taken) -> Vec<(String, Value)> {
        let mut pairs = Vec::new();
        let mut schema = meant(schema, schemas);
        if !schema.contains_key("properties")
            && let Some(Value::Array(choices)) = schema.get("anyOf")
        {
            let is_object = |choice: &Value| choice.as_object().is_some_and(|it| shape(it, schemas) == Shape::Object);
            let (objects, others): (Vec<Value>, Vec<Value>) = choices.iter().cloned().partition(is_object);
            let mut all = Map::new();
            let mut any = Map::new();
            for object in objects.iter().filter_map(Value::as_object) {
                let object = schemas.definition(object).unwrap_or_else(|| object.clone());
                if is_open(&object) {
                    any.insert("additionalProperties".to_owned(), true.into());
                }
                let fields = object.get("properties").and_then(Value::as_object).into_iter().flatten();
                for (key, field) in fields {
                    all.entry(key).or_insert_with(|| field.clone());
                }
            }
            if !all.is_empty() {
                any.insert("properties".to_owned(), all.into());
            }
            pairs.extend(Self { is_required: false, ..self }.by_key(any, schemas, taken));
            if !others.is_empty() {
                schema.insert("anyOf".to_owned(), others.into());
                let placeholder = taken.take(self.name, self.place, schema, false);
                pairs.push((self.name.to_owned(), format!("{{{placeholder}}}").into()));
            }
            return pairs;
        }
        if is_open(&schema) {
            // None can be written as a name that is known now.
            let said = if self.place == "query" { "the query parameter" } else { "the form's field" };
            taken.left_out.push(match schema.contains_key("properties") {
                true => format!("of {said} `{}`, keys that the document does not name", self.name),
                false => format!("{said} `{}`, an object of any keys", self.name),
            });
        }
        let required: Vec<Value> = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let Some(Value::Object(fields)) = schema.shift_remove("properties") else { return pairs };
        for (field, inner) in fields {
            let Value::Object(mut inner) = inner else { continue };
            let key = if self.written == Written::Deep { format!("{}[{field}]", self.name) } else { field.clone() };
            let is_required = self.is_required && required.iter().any(|name| *name == field);
            if self::shape(&inner, schemas) == Shape::Object {
                inner = as_text(&inner, Written::Json, schemas);
            }
            let placeholder = taken.take(&key, self.place, inner, is_required);
            pairs.push((key, format!("{{{placeholder}}}").into()));
        }
        pairs
    }
}

/// What a schema that is only a reference means, with what is said where it stands.
fn meant(mut schema: Map<String, Value>, schemas: &Schemas<'_, '_>) -> Map<String, Value> {
    let Some(mut meant) = schemas.definition(&schema) else { return schema };
    meant.extend(schema.shift_remove("description").map(|about| ("description".to_owned(), about)));
    meant
}

/// The style of a list of texts and numbers that is one text.
pub fn delimiter(schema: &Map<String, Value>, written: Written, schemas: &Schemas<'_, '_>) -> Option<&'static str> {
    let items = schema.get("items").and_then(Value::as_object);
    let is_plain = items.is_none_or(|items| shape(items, schemas) == Shape::Scalar);
    match written {
        _ if shape(schema, schemas) != Shape::Array || !is_plain => None,
        Written::Joined(" ") => Some("spaceDelimited"),
        Written::Joined("\t") => Some("tabDelimited"),
        Written::Joined("|") => Some("pipeDelimited"),
        Written::Joined(_) | Written::Repeated => Some("commaDelimited"),
        Written::Deep | Written::Json => None,
    }
}

/// An object that takes keys beside those that it lists.
pub fn is_open(schema: &Map<String, Value>) -> bool {
    let others = schema.get("additionalProperties").is_some_and(|others| *others != Value::Bool(false));
    others || schema.contains_key("patternProperties") || !schema.contains_key("properties")
}

/// An object each of whose keys is known and one text: a parameter for each says all of it.
pub fn is_flat(schema: &Map<String, Value>, schemas: &Schemas<'_, '_>) -> bool {
    let is_text = |field: &Value| field.as_object().is_some_and(|field| shape(field, schemas) == Shape::Scalar);
    let fields = schema.get("properties").and_then(Value::as_object);
    !is_open(schema) && !schema.contains_key("anyOf") && fields.is_some_and(|fields| fields.values().all(is_text))
}

/// The furthest that a value can be from one text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    Scalar,
    Array,
    Object,
}

pub fn shape(schema: &Map<String, Value>, schemas: &Schemas<'_, '_>) -> Shape {
    if may_be("object", schema, schemas) {
        Shape::Object
    } else if may_be("array", schema, schemas) {
        Shape::Array
    } else {
        Shape::Scalar
    }
}

/// Whether a value may be of the type, by the schema, what that refers to, or a choice in it.
pub fn may_be(kind: &str, schema: &Map<String, Value>, schemas: &Schemas<'_, '_>) -> bool {
    may_be_within(kind, schema, schemas, 0)
}

/// How far choices of choices are looked into.
const DEEPEST: usize = 8;

fn may_be_within(kind: &str, schema: &Map<String, Value>, schemas: &Schemas<'_, '_>, depth: usize) -> bool {
    let within = |part: &Map<String, Value>| may_be_within(kind, part, schemas, depth + 1);
    let parts = ["anyOf", "allOf"].iter().filter_map(|keyword| schema.get(*keyword)?.as_array());
    depth < DEEPEST
        && (merge::is_of(schema, kind)
            || kind == "object" && !schema.contains_key("type") && schema.contains_key("properties")
            || schemas.definition(schema).is_some_and(|meant| within(&meant))
            || parts.flatten().filter_map(Value::as_object).any(within))
}

/// How an array or object is written behind what stands before it in the path.
pub fn written_in_path(name: &str, style: &str, is_exploded: bool, shape: Shape) -> String {
    match (shape, style, is_exploded) {
        (Shape::Object, _, false) => "as `key,value,key,value`".to_owned(),
        (Shape::Object, "label", true) => "as `key=value.key=value`".to_owned(),
        (Shape::Object, "matrix", true) => "as `key=value;key=value`".to_owned(),
        (Shape::Object, _, true) => "as `key=value,key=value`".to_owned(),
        (_, "label", true) => "with `.` between".to_owned(),
        (_, "matrix", true) => format!("with `;{name}=` between"),
        _ => "with a comma between".to_owned(),
    }
}

/// A value that stands in one text: callers write it so.
pub fn as_text(schema: &Map<String, Value>, written: Written, schemas: &Schemas<'_, '_>) -> Map<String, Value> {
    as_text_written(
        schema,
        match written {
            Written::Json => "as JSON",
            Written::Joined("|") => "with `|` between",
            Written::Joined(" ") => "with a blank between",
            Written::Joined("\t") => "with a tab between",
            _ if shape(schema, schemas) == Shape::Object => "as `key,value,key,value`",
            _ => "with a comma between",
        },
        schemas,
    )
}

pub fn as_text_written(schema: &Map<String, Value>, how: &str, schemas: &Schemas<'_, '_>) -> Map<String, Value> {
    let mut about = schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    if shape(schema, schemas) != Shape::Scalar {
        append(&mut about, &format!("Written {how}."));
    }
    let mut text = Map::new();
    text.insert("type".to_owned(), "string".into());
    if !about.is_empty() {
        text.insert("description".to_owned(), about.into());
    }
    text
}
