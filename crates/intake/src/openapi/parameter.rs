//! Parameters of an operation: where each goes in the request, and what a tool takes for it.

use std::collections::BTreeMap;

use mcp_factory_spec::NodeValue;
use serde_json::{Map, Value, json};

use super::{
    document::{At, Version},
    merge,
    schema::Schemas,
};
use crate::{name::Names, text};

/// Everything that a tool takes, and where it puts it.
#[derive(Debug, Default)]
pub struct Taken {
    pub names: Names,
    pub properties: Map<String, Value>,
    pub required: Vec<String>,
    /// What the document calls it, its placeholder, and what stands before that in the path.
    pub path: Vec<(String, String, String)>,
    pub query: Map<String, Value>,
    pub headers: Map<String, Value>,
    pub cookies: Map<String, Value>,
    /// What the document says that query parameters are where they are left out, of those that count something.
    pub defaults: BTreeMap<String, u64>,
    pub left_out: Vec<String>,
}

impl Taken {
    /// A parameter of the tool. Its name is the placeholder.
    pub fn take(&mut self, name: &str, place: &str, schema: Map<String, Value>, is_required: bool) -> String {
        let name = self.names.parameter(name, place);
        self.properties.insert(name.clone(), Value::Object(schema));
        if is_required {
            self.required.push(name.clone());
        }
        name
    }
}

/// Names that the request has anyhow.
const NOT_TAKEN: [&str; 7] =
    ["accept", "content-type", "authorization", "host", "content-length", "connection", "accept-encoding"];

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

/// What is read of one parameter.
pub fn take<'d>(
    parameter: At<'d>,
    schemas: &Schemas<'_, 'd>,
    version: Version,
    taken: &mut Taken,
    credential: &[String],
) {
    let (Some(name), Some(place)) = (parameter.text("name"), parameter.text("in")) else { return };
    let is_required = parameter.flag("required") == Some(true);
    let content = parameter.get("content").and_then(|content| content.entries().next()).map(|(_, media)| media);
    // Up to 2.0 a parameter is its own schema.
    let described = match content {
        Some(media) => media.get("schema"),
        None if version == Version::V2 => Some(parameter),
        None => parameter.get("schema").or(Some(parameter).filter(|it| it.get("type").is_some())),
    };
    let mut schema = described.map(|at| schemas.convert(at)).unwrap_or_default();
    schema.shift_remove("required").filter(|_| version == Version::V2);
    describe(parameter, &mut schema);
    let written = if content.is_some() { Written::Json } else { written(parameter, place, version) };
    let shape = shape(&schema);
    match place {
        "path" => {
            let style = parameter.text("style").unwrap_or("simple");
            let is_exploded = parameter.flag("explode") == Some(true);
            if shape != Shape::Scalar {
                let how = match written {
                    Written::Json => "as JSON".to_owned(),
                    _ => written_in_path(name, style, is_exploded, shape),
                };
                schema = as_text_written(&schema, &how);
            }
            merge::never_null(&mut schema);
            let taken_name = taken.take(name, "path", schema, true);
            let before = match style {
                // The keys of the object stand for its name.
                "matrix" if is_exploded && shape == Shape::Object => ";".to_owned(),
                "matrix" => format!(";{name}="),
                "label" => ".".to_owned(),
                _ => String::new(),
            };
            taken.path.push((name.to_owned(), taken_name, before));
        }
        "query" if !credential.iter().any(|key| key == name) => {
            if let Some(NodeValue::Number(number, _)) = default_of(parameter)
                && let Some(count) = number.as_u64()
            {
                taken.defaults.insert(name.to_owned(), count);
            }
            let said = || format!("the query parameter `{name}`");
            let pairs = spread(name, "query", schema, written, is_required, &said, taken);
            taken.query.extend(pairs);
        }
        "header" if !NOT_TAKEN.contains(&name.to_ascii_lowercase().as_str()) => {
            if credential.iter().any(|key| key.eq_ignore_ascii_case(name)) || !is_header(name) {
                return;
            }
            if shape != Shape::Scalar {
                schema = as_text(&schema, Written::Joined(","));
            }
            let placeholder = taken.take(name, "header", schema, is_required);
            taken.headers.insert(name.to_owned(), format!("{{{placeholder}}}").into());
        }
        "cookie" if is_header(name) && !credential.iter().any(|key| key == name) => {
            if shape != Shape::Scalar {
                schema = as_text(&schema, Written::Joined(","));
            }
            let placeholder = taken.take(name, "cookie", schema, is_required);
            taken.cookies.insert(name.to_owned(), format!("{{{placeholder}}}").into());
        }
        _ => {}
    }
}

/// The keys that a value stands under in a query or a form, and their placeholders.
pub fn spread(
    name: &str,
    place: &str,
    mut schema: Map<String, Value>,
    written: Written,
    is_required: bool,
    said: &dyn Fn() -> String,
    taken: &mut Taken,
) -> Vec<(String, Value)> {
    let mut pairs = Vec::new();
    match (shape(&schema), written) {
        (Shape::Object, Written::Repeated | Written::Deep) => {
            let Some(Value::Object(fields)) = schema.get("properties").cloned() else {
                // Any key at all: none can be written as a name that is known now.
                taken.left_out.push(format!("{}, an object of any keys", said()));
                return pairs;
            };
            let required: Vec<Value> = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
            for (field, inner) in fields {
                let Value::Object(mut inner) = inner else { continue };
                let is_required = is_required && required.iter().any(|name| *name == field);
                let key = if written == Written::Deep { format!("{name}[{field}]") } else { field.clone() };
                if self::shape(&inner) == Shape::Object {
                    inner = as_text(&inner, Written::Json);
                }
                let placeholder = taken.take(&key, place, inner, is_required);
                pairs.push((key, format!("{{{placeholder}}}").into()));
            }
            return pairs;
        }
        (Shape::Array, Written::Repeated | Written::Deep) => {
            if let Some(Value::Object(items)) = schema.get("items")
                && self::shape(items) != Shape::Scalar
            {
                let items = as_text(items, Written::Json);
                schema.insert("items".to_owned(), Value::Object(items));
            }
        }
        (Shape::Scalar, _) => {}
        (_, written) => schema = as_text(&schema, written),
    }
    let placeholder = taken.take(name, place, schema, is_required);
    pairs.push((name.to_owned(), format!("{{{placeholder}}}").into()));
    pairs
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Scalar,
    Array,
    Object,
}

fn shape(schema: &Map<String, Value>) -> Shape {
    match merge::only(schema) {
        Some("array") => Shape::Array,
        Some("object") => Shape::Object,
        Some(_) => Shape::Scalar,
        None if schema.contains_key("properties") => Shape::Object,
        None => Shape::Scalar,
    }
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

/// How an array or object is written behind what stands before it in the path.
fn written_in_path(name: &str, style: &str, is_exploded: bool, shape: Shape) -> String {
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
fn as_text(schema: &Map<String, Value>, written: Written) -> Map<String, Value> {
    as_text_written(
        schema,
        match written {
            Written::Json => "as JSON",
            Written::Joined("|") => "with `|` between",
            Written::Joined(" ") => "with a blank between",
            Written::Joined("\t") => "with a tab between",
            _ if shape(schema) == Shape::Object => "as `key,value,key,value`",
            _ => "with a comma between",
        },
    )
}

fn as_text_written(schema: &Map<String, Value>, how: &str) -> Map<String, Value> {
    let inner = schema.get("items").filter(|_| shape(schema) == Shape::Array && how != "as JSON");
    let mut about = schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    if shape(schema) != Shape::Scalar {
        if let Some(Value::Array(values)) = inner.and_then(|items| items.get("enum")) {
            let values: Vec<String> =
                values.iter().take(40).filter_map(|value| value.as_str().map(str::to_owned)).collect();
            if !values.is_empty() {
                append(&mut about, &format!("Of {}.", values.join(", ")));
            }
        }
        append(&mut about, &format!("Written {how}."));
    }
    let mut text = Map::new();
    text.insert("type".to_owned(), "string".into());
    if !about.is_empty() {
        text.insert("description".to_owned(), about.into());
    }
    if let Some(values) =
        schema.get("enum").filter(|_| shape(schema) == Shape::Scalar && merge::is_of(schema, "string"))
    {
        text.insert("enum".to_owned(), values.clone());
    }
    text
}

fn default_of(parameter: At<'_>) -> Option<&NodeValue> {
    let default = parameter.get("default").or_else(|| parameter.get("schema")?.get("default"));
    default.map(|default| &default.node.value)
}

/// The parameter's own words, and the value that is taken for one that is left out. That one is told and not sent: what the
/// document says of it may be out of date, and the server knows.
fn describe(parameter: At<'_>, schema: &mut Map<String, Value>) {
    let mut about = parameter.text("description").map(|text| text::plain(text, text::PARAMETER)).unwrap_or_default();
    if about.is_empty()
        && let Some(Value::String(inner)) = schema.get("description")
    {
        about.clone_from(inner);
    }
    let default = default_of(parameter).and_then(|default| match default {
        NodeValue::String(text) if !text.is_empty() && text.len() <= 60 => Some(text.to_string()),
        NodeValue::Number(_, written) => Some(written.to_string()),
        NodeValue::Bool(flag) => Some(flag.to_string()),
        _ => None,
    });
    if let Some(default) = default
        && !about.to_ascii_lowercase().contains("default")
    {
        append(&mut about, &format!("Default: {default}."));
    }
    schema.shift_remove("description");
    if !about.is_empty() {
        schema.insert("description".to_owned(), about.into());
    }
}

fn append(text: &mut String, sentence: &str) {
    if !text.is_empty() {
        if !text.ends_with(['.', '!', '?', '…']) {
            text.push('.');
        }
        text.push(' ');
    }
    text.push_str(sentence);
}

/// RFC 9110: a token.
pub fn is_header(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// `{}` as a schema says nothing; a model does better with a word.
pub fn any(description: &str) -> Map<String, Value> {
    match json!({ "description": description }) {
        Value::Object(schema) if !description.is_empty() => schema,
        _ => Map::new(),
    }
}
