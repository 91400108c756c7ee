//! Parameters of an operation: where each goes in the request, and what a tool takes for it.

use std::collections::BTreeMap;

use mcp_factory_spec::NodeValue;
use serde_json::{Map, Value, json};

use super::{
    document::{At, Version},
    merge,
    schema::Schemas,
    written::{Field, Shape, Written, as_text, as_text_written, delimiter, shape, written, written_in_path},
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
    /// How lists and objects among them are written.
    pub styles: Map<String, Value>,
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

    /// One whose values are no single text, and how they become one.
    pub fn take_styled(
        &mut self,
        name: &str,
        place: &str,
        schema: Map<String, Value>,
        is_required: bool,
        style: Option<&str>,
    ) -> String {
        let name = self.take(name, place, schema, is_required);
        if let Some(style) = style {
            self.styles.insert(name.clone(), style.into());
        }
        name
    }
}

/// Names that the request has anyhow.
const NOT_TAKEN: [&str; 7] =
    ["accept", "content-type", "authorization", "host", "content-length", "connection", "accept-encoding"];

/// What is read of one parameter.
pub fn take<'d>(
    parameter: At<'d>,
    schemas: &Schemas<'_, 'd>,
    version: Version,
    taken: &mut Taken,
    credential: &[String],
) {
    let said = |key: &str| parameter.text(key).map(str::trim).filter(|text| !text.is_empty());
    // Bodies of 2.0 are read elsewhere.
    let Some(place) = said("in").filter(|place| version != Version::V2 || !matches!(*place, "body" | "formData"))
    else {
        if said("in").is_none() {
            let name = text::plain(said("name").unwrap_or_default(), 80);
            taken.left_out.push(format!("the parameter `{name}`, which says nothing of where it is: it has no `in`"));
        }
        return;
    };
    let Some(name) = parameter.text("name").filter(|name| !name.is_empty()) else {
        taken.left_out.push(format!("a parameter in `{}` without a `name`", text::plain(place, 20)));
        return;
    };
    let is_required = parameter.flag("required") == Some(true);
    let content = parameter.get("content").and_then(|content| content.entries().next()).map(|(_, media)| media);
    // Up to 2.0 a parameter is its own schema.
    let described = match content {
        Some(media) => media.get("schema"),
        None if version == Version::V2 => Some(parameter),
        None => parameter.get("schema").or(Some(parameter).filter(|it| it.get("type").is_some())),
    };
    let mut schema = described.map(|at| schemas.convert(at)).unwrap_or_default();
    describe(parameter, &mut schema);
    let written = if content.is_some() { Written::Json } else { written(parameter, place, version) };
    let shape = shape(&schema, schemas);
    match place {
        "path" => {
            let style = parameter.text("style").unwrap_or("simple");
            let is_exploded = parameter.flag("explode") == Some(true);
            let has_name_between = is_exploded && matches!(style, "label" | "matrix");
            let mut delimited = None;
            if shape != Shape::Scalar {
                delimited = delimiter(&schema, written, schemas).filter(|_| !has_name_between);
                schema = match (written, delimited) {
                    (_, Some(_)) => schema,
                    (Written::Json, _) => as_text_written(&schema, "as JSON", schemas),
                    _ => as_text_written(&schema, &written_in_path(name, style, is_exploded, shape), schemas),
                };
            }
            merge::never_null(&mut schema);
            let taken_name = taken.take_styled(name, "path", schema, true, delimited);
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
            if let Some(NodeValue::Number(number, _)) = default_of(parameter).map(|it| &it.node.value)
                && let Some(count) = number.as_u64()
            {
                taken.defaults.insert(name.to_owned(), count);
            }
            let field = Field { name, place: "query", written, is_required };
            let pairs = field.spread(schema, schemas, taken);
            taken.query.extend(pairs);
        }
        "header" if !NOT_TAKEN.contains(&name.to_ascii_lowercase().as_str()) => {
            if credential.iter().any(|key| key.eq_ignore_ascii_case(name)) {
                return;
            }
            if !is_header(name) {
                taken.left_out.push(format!("the header `{}`, which is no name of one", text::plain(name, 80)));
                return;
            }
            let placeholder = in_one_text(name, "header", schema, written, is_required, schemas, taken);
            taken.headers.insert(name.to_owned(), format!("{{{placeholder}}}").into());
        }
        "cookie" if is_header(name) && !credential.iter().any(|key| key == name) => {
            let placeholder = in_one_text(name, "cookie", schema, written, is_required, schemas, taken);
            taken.cookies.insert(name.to_owned(), format!("{{{placeholder}}}").into());
        }
        "query" | "header" | "cookie" if place != "cookie" || is_header(name) => {}
        _ => {
            let (name, place) = (text::plain(name, 80), text::plain(place, 20));
            taken.left_out.push(format!("the parameter `{name}` in `{place}`, where none can be"));
        }
    }
}

/// What stands in a header or a cookie.
fn in_one_text(
    name: &str,
    place: &str,
    mut schema: Map<String, Value>,
    written: Written,
    is_required: bool,
    schemas: &Schemas<'_, '_>,
    taken: &mut Taken,
) -> String {
    // It has a name only once.
    let written = if matches!(written, Written::Joined(_) | Written::Json) { written } else { Written::Joined(",") };
    let delimited = delimiter(&schema, written, schemas);
    if delimited.is_none() && shape(&schema, schemas) != Shape::Scalar {
        schema = as_text(&schema, written, schemas);
    }
    taken.take_styled(name, place, schema, is_required, delimited)
}

fn default_of<'d>(parameter: At<'d>) -> Option<At<'d>> {
    parameter.get("default").or_else(|| parameter.get("schema")?.get("default"))
}

/// The parameter's own words, and the value that is taken for one that is left out.
fn describe(parameter: At<'_>, schema: &mut Map<String, Value>) {
    let mut about = parameter.text("description").map(|text| text::plain(text, text::PARAMETER)).unwrap_or_default();
    if about.is_empty()
        && let Some(Value::String(inner)) = schema.get("description")
    {
        about.clone_from(inner);
    }
    if let Some(default) = default_of(parameter) {
        text::tell_default(&default.shown(), &mut about);
    }
    schema.shift_remove("description");
    if !about.is_empty() {
        schema.insert("description".to_owned(), about.into());
    }
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
