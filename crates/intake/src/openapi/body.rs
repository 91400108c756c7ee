//! The body of a request: its fields become parameters of the tool where they can, else the body is one.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    document::{At, Version},
    merge,
    parameter::{Taken, Written, any, spread, written},
    schema::Schemas,
};
use crate::text;

/// How the body is sent.
#[derive(Debug, Default)]
pub struct Body {
    pub body: Option<Value>,
    /// A word of `http.bodyType`.
    pub kind: &'static str,
    pub media_type: Option<String>,
    pub left_out: Option<String>,
}

/// Whether there has to be a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Must {
    Be,
    /// It may be left out, and so may each field of it.
    Not,
    /// It may be left out, but where it is, it has fields that it can't be without: parameters of their own can't say that.
    BeWhole,
}

impl Must {
    /// Authors rarely write that a body is required; fields that it requires tell, unless they wrote that it is not.
    fn of(body: At<'_>, schema: &Map<String, Value>) -> Self {
        let has_required = schema.get("required").and_then(Value::as_array).is_some_and(|names| !names.is_empty());
        match (body.flag("required"), has_required) {
            (Some(true), _) | (None, true) => Self::Be,
            (Some(false), true) => Self::BeWhole,
            (_, false) => Self::Not,
        }
    }
}

/// The words of `bodyType` that a media type is written as.
fn kind_of(media_type: &str) -> Option<&'static str> {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Some(match essence.as_str() {
        "application/x-www-form-urlencoded" => "form",
        "multipart/form-data" | "multipart/mixed" | "multipart/related" => "multipart",
        json if json == "application/json" || json == "text/json" || json.ends_with("+json") || json == "*/*" => "json",
        text if text.starts_with("text/") || text.ends_with("xml") || text.ends_with("yaml") => "text",
        "" => return None,
        _ => "binary",
    })
}

/// In the order in which they are taken where a document offers several.
const PREFERRED: [&str; 5] = ["json", "form", "multipart", "text", "binary"];

/// `requestBody` of 3.x.
pub fn take<'d>(body: At<'d>, schemas: &Schemas<'_, 'd>, taken: &mut Taken) -> Body {
    let Some(content) = body.get("content") else { return Body::default() };
    let offered: Vec<_> = content
        .entries()
        .filter_map(|(media_type, media)| kind_of(media_type).map(|kind| (kind, media_type, media)))
        .collect();
    let best = PREFERRED.iter().find_map(|wanted| offered.iter().find(|(kind, ..)| kind == wanted));
    let Some(&(kind, media_type, media)) = best else { return Body::default() };
    let about = body.text("description").unwrap_or_default();
    let schema = media.get("schema").map(|schema| whole(schema, schemas)).unwrap_or_default();
    let must = Must::of(body, &schema);
    let form = Form { files: files_of(media, schemas), written: written_of(media) };
    write(kind, media_type, schema, must, about, taken, &form)
}

/// The schema itself, though something in it refers back to it.
fn whole<'d>(at: At<'d>, schemas: &Schemas<'_, 'd>) -> Map<String, Value> {
    let schema = schemas.convert(at);
    schemas.definition(&schema).unwrap_or(schema)
}

/// `in: body` and `in: formData` of 2.0.
pub fn take_old<'d>(parameters: &[At<'d>], consumes: &[&str], schemas: &Schemas<'_, 'd>, taken: &mut Taken) -> Body {
    if let Some(body) = parameters.iter().find(|parameter| parameter.text("in") == Some("body")) {
        let media_type = consumes.iter().copied().find(|it| kind_of(it) == Some("json")).or(consumes.first().copied());
        let media_type = media_type.unwrap_or("application/json");
        let kind = kind_of(media_type).filter(|kind| matches!(*kind, "json" | "text" | "binary")).unwrap_or("json");
        let schema = body.get("schema").map(|schema| whole(schema, schemas)).unwrap_or_default();
        let about = body.text("description").unwrap_or_default();
        let must = Must::of(*body, &schema);
        return write(kind, media_type, schema, must, about, taken, &Form::default());
    }
    let fields: Vec<_> = parameters.iter().filter(|it| it.text("in") == Some("formData")).collect();
    if fields.is_empty() {
        return Body::default();
    }
    let files: Vec<File> = fields
        .iter()
        .filter(|field| field.text("type") == Some("file"))
        .filter_map(|field| Some(File { field: field.text("name")?.to_owned(), media_type: None }))
        .collect();
    let is_multipart = !files.is_empty() || consumes.contains(&"multipart/form-data");
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut form = Form { files, ..Form::default() };
    for field in fields {
        let Some(name) = field.text("name") else { continue };
        if field.text("type") == Some("array") && !form.files.iter().any(|file| file.field == name) {
            form.written.insert(name.to_owned(), written(*field, "formData", Version::V2));
        }
        let mut schema = schemas.convert(*field);
        schema.shift_remove("required");
        properties.insert(name.to_owned(), Value::Object(schema));
        if field.flag("required") == Some(true) {
            required.push(Value::from(name));
        }
    }
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    let Value::Object(schema) = schema else { return Body::default() };
    let (kind, media_type) = match is_multipart {
        true => ("multipart", "multipart/form-data"),
        false => ("form", "application/x-www-form-urlencoded"),
    };
    write(kind, media_type, schema, Must::Be, "", taken, &form)
}

/// What a document says of the fields of a form beside their schemas.
#[derive(Default)]
struct Form {
    files: Vec<File>,
    /// How arrays and objects are written, where it is said.
    written: BTreeMap<String, Written>,
}

/// `encoding` of 3.x.
fn written_of(media: At<'_>) -> BTreeMap<String, Written> {
    let says = |encoding: &At<'_>| encoding.get("style").is_some() || encoding.get("explode").is_some();
    let fields = media.get("encoding").into_iter().flat_map(At::entries).filter(|(_, encoding)| says(encoding));
    fields.map(|(name, encoding)| (name.to_owned(), written(encoding, "query", Version::V30))).collect()
}

/// A field of a form whose value is bytes.
struct File {
    field: String,
    /// What they are, where the document names one type.
    media_type: Option<String>,
}

/// By `format: binary` up to 3.0, by `contentMediaType` since, if that is no text; `encoding` may say more of it.
fn files_of<'d>(media: At<'d>, schemas: &Schemas<'_, 'd>) -> Vec<File> {
    let Some(Ok(schema)) = media.get("schema").map(|schema| schemas.resolve(schema)) else { return Vec::new() };
    let file = |(name, field): (&str, At<'d>)| {
        let field = schemas.resolve(field).unwrap_or(field);
        let field = field.get("items").map(|items| schemas.resolve(items).unwrap_or(items)).unwrap_or(field);
        let own = field.text("contentMediaType").filter(|_| field.get("contentEncoding").is_none());
        let is_bytes = own.is_some_and(|it| kind_of(it) == Some("binary"));
        if field.text("format") != Some("binary") && !is_bytes {
            return None;
        }
        let said = media.get("encoding").and_then(|encoding| encoding.get(name)?.text("contentType"));
        let one = |it: &&str| !it.contains(['*', ',']) && kind_of(it).is_some() && *it != "application/octet-stream";
        Some(File { field: name.to_owned(), media_type: said.or(own).filter(one).map(str::to_owned) })
    };
    schema.get("properties").into_iter().flat_map(At::entries).filter_map(file).collect()
}

fn write(
    kind: &'static str,
    media_type: &str,
    mut schema: Map<String, Value>,
    must: Must,
    about: &str,
    taken: &mut Taken,
    form: &Form,
) -> Body {
    // What is sent without saying so has the type that its kind has.
    let usual = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain", "*/*"];
    let media_type = (!usual.contains(&media_type)).then(|| media_type.to_owned());
    let done = |body: Value| Body { body: Some(body), kind, media_type: media_type.clone(), left_out: None };
    if matches!(kind, "text" | "binary") {
        let mut text = any(&text::plain(about, text::PARAMETER));
        text.insert("type".to_owned(), "string".into());
        if kind == "binary" {
            text.insert("contentEncoding".to_owned(), "base64".into());
            if let Some(media_type) = media_type.as_deref().filter(|it| !it.contains('*')) {
                text.insert("contentMediaType".to_owned(), media_type.into());
            }
        }
        let name = taken.take("body", "body", text, must == Must::Be);
        let media_type = media_type.clone().filter(|it| kind == "text" && !it.contains('*'));
        return Body { body: Some(format!("{{{name}}}").into()), kind, media_type, left_out: None };
    }
    if let Some(fields) = fields(&schema, kind).filter(|_| must != Must::BeWhole) {
        let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut body = Map::new();
        for (field, inner) in fields {
            let mut inner = match inner {
                Value::Object(inner) => inner,
                _ => Map::new(),
            };
            if let Some(file) = form.files.iter().find(|file| file.field == field) {
                as_file(&mut inner, file.media_type.as_deref());
            }
            let is_required = must == Must::Be && required.iter().any(|name| *name == field);
            if let Some(written) = form.written.get(&field).filter(|_| kind != "json") {
                let said = || format!("the field `{field}` of the form");
                body.extend(spread(&field, "body", inner, *written, is_required, &said, taken));
                continue;
            }
            let name = taken.take(&field, "body", inner, is_required);
            body.insert(field, format!("{{{name}}}").into());
        }
        return done(Value::Object(body));
    }
    if kind != "json" && !merge::is_of(&schema, "object") {
        return Body { left_out: Some("a form whose fields are not listed".to_owned()), ..Body::default() };
    }
    if !schema.contains_key("description") && !about.is_empty() {
        schema.insert("description".to_owned(), text::plain(about, text::PARAMETER).into());
    }
    let name = taken.take("body", "body", schema, must == Must::Be);
    done(format!("{{{name}}}").into())
}

/// The fields of an object that can each be a parameter: nothing is lost, and nobody has to write JSON within JSON. A null that
/// is sent on purpose would be lost, and so would what stands under names that nobody knows.
fn fields(schema: &Map<String, Value>, kind: &str) -> Option<Map<String, Value>> {
    let Value::Object(fields) = schema.get("properties")? else { return None };
    let is_open = schema.get("additionalProperties").is_some_and(|others| *others != Value::Bool(false));
    let is_composed = ["anyOf", "allOf", "$ref", "minProperties"].iter().any(|keyword| schema.contains_key(*keyword));
    let takes_null =
        |field: &Value| kind == "json" && field.as_object().is_some_and(|field| merge::is_of(field, "null"));
    let is_plain = merge::only(schema).is_none_or(|only| only == "object") && !merge::is_of(schema, "null");
    (is_plain && !is_open && !is_composed && !fields.is_empty() && !fields.values().any(takes_null))
        .then(|| fields.clone())
}

/// Bytes are base64 in an argument.
fn as_file(schema: &mut Map<String, Value>, media_type: Option<&str>) {
    if let Some(Value::Object(items)) = schema.get_mut("items") {
        return as_file(items, media_type);
    }
    let about = schema.get("description").cloned();
    schema.clear();
    schema.insert("type".to_owned(), "string".into());
    schema.insert("contentEncoding".to_owned(), "base64".into());
    if let Some(media_type) = media_type {
        schema.insert("contentMediaType".to_owned(), media_type.into());
    }
    if let Some(about) = about {
        schema.insert("description".to_owned(), about);
    }
}
