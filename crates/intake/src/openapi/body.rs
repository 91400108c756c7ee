//! The body of a request: its fields become parameters of the tool where they can, else the body is one.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    document::{At, Version},
    media::{self, Offer, kind_of},
    merge,
    operation::literal,
    parameter::{Taken, any},
    schema::Schemas,
    written::{Field, Written, is_flat, is_open, may_be, written},
};
use crate::text;

/// How the body is sent.
#[derive(Debug, Default)]
pub struct Body {
    pub body: Option<Value>,
    /// A word of `http.bodyType`.
    pub kind: &'static str,
    /// What the request says that it is, as a template, where that is not what its kind says.
    pub media_type: Option<String>,
    pub left_out: Vec<String>,
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

/// `requestBody` of 3.x.
pub fn take<'d>(body: At<'d>, schemas: &Schemas<'_, 'd>, taken: &mut Taken) -> Body {
    let Some(content) = body.get("content") else { return Body::default() };
    let offered: Vec<Offer<'d>> =
        content.entries().filter_map(|(name, media)| Offer::of(name, media.get("schema"), media, schemas)).collect();
    let Some(best) = media::best(&offered, |offer| !files_of(offer.media, schemas).is_empty()) else {
        return Body::default();
    };
    let schema = best.schema.map(|schema| schemas.whole(schema)).unwrap_or_default();
    let mut content = Content {
        kind: best.kind,
        media_types: media::types_of(best, &offered),
        must: Must::of(body, &schema),
        about: body.text("description").unwrap_or_default(),
        form: Form { files: files_of(best.media, schemas), written: written_of(best.media) },
        left_out: Vec::new(),
    };
    content.left_out.extend(media::others(best, &offered, schemas));
    content.write(schema, schemas, taken)
}

/// `in: body` and `in: formData` of 2.0.
pub fn take_old<'d>(parameters: &[At<'d>], consumes: &[&'d str], schemas: &Schemas<'_, 'd>, taken: &mut Taken) -> Body {
    if let Some(body) = parameters.iter().find(|parameter| parameter.text("in") == Some("body")) {
        let consumes = if consumes.is_empty() { &["application/json"] } else { consumes };
        let offers = consumes.iter().filter_map(|it| Offer::of(it, body.get("schema"), *body, schemas));
        let offered: Vec<Offer<'d>> = offers.filter(|it| matches!(it.kind, "json" | "text" | "binary")).collect();
        let best = media::best(&offered, |_| false);
        let schema = body.get("schema").map(|schema| schemas.whole(schema)).unwrap_or_default();
        let content = Content {
            kind: best.map_or("json", |best| best.kind),
            media_types: best.map(|best| media::types_of(best, &offered)).unwrap_or_default(),
            must: Must::of(*body, &schema),
            about: body.text("description").unwrap_or_default(),
            form: Form::default(),
            left_out: Vec::new(),
        };
        return content.write(schema, schemas, taken);
    }
    let fields: Vec<_> = parameters.iter().filter(|it| it.text("in") == Some("formData")).collect();
    if fields.is_empty() {
        return Body::default();
    }
    let files: Vec<File> = fields
        .iter()
        .filter(|field| field.text("type") == Some("file"))
        .filter_map(|field| Some(File { field: field.text("name")?.to_owned(), media_types: Vec::new() }))
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
    let kind = if is_multipart { "multipart" } else { "form" };
    let content = Content { kind, media_types: Vec::new(), must: Must::Be, about: "", form, left_out: Vec::new() };
    content.write(schema, schemas, taken)
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
    /// What they may be, where the document says it.
    media_types: Vec<String>,
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
        let said = media.get("encoding").and_then(|encoding| encoding.get(name)?.text("contentType")).or(own);
        let types = said.unwrap_or_default().split(',').map(str::trim);
        let tells = |it: &&str| kind_of(it).is_some() && !matches!(*it, "application/octet-stream" | "*/*");
        Some(File { field: name.to_owned(), media_types: types.filter(tells).map(str::to_owned).collect() })
    };
    schema.get("properties").into_iter().flat_map(At::entries).filter_map(file).collect()
}

/// A body of one kind.
struct Content<'d> {
    kind: &'static str,
    media_types: Vec<&'d str>,
    must: Must,
    about: &'d str,
    form: Form,
    left_out: Vec<String>,
}

impl Content<'_> {
    fn write(self, mut schema: Map<String, Value>, schemas: &Schemas<'_, '_>, taken: &mut Taken) -> Body {
        if matches!(self.kind, "text" | "binary") {
            return self.text(taken);
        }
        if let Some(fields) = fields(&schema, self.kind, schemas).filter(|_| self.must != Must::BeWhole) {
            let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
            let mut body = Map::new();
            for (field, inner) in fields {
                let inner = if let Value::Object(inner) = inner { inner } else { Map::new() };
                let is_required = self.must == Must::Be && required.iter().any(|name| *name == field);
                body.extend(self.field(&field, inner, is_required, schemas, taken));
            }
            return self.done(Value::Object(body));
        }
        if self.kind != "json" && !merge::is_of(&schema, "object") {
            return Body { left_out: vec!["a form whose fields are not listed".to_owned()], ..Body::default() };
        }
        let mut left_out = self.left_out.clone();
        if self.kind == "form" && !self.form.written.is_empty() {
            let fields: Vec<String> = self.form.written.keys().map(|field| format!("`{field}`")).collect();
            left_out.push(format!("how its form writes {}: all of it is one argument", fields.join(", ")));
        }
        if !schema.contains_key("description") && !self.about.is_empty() {
            schema.insert("description".to_owned(), text::plain(self.about, text::PARAMETER).into());
        }
        let name = taken.take("body", "body", schema, self.must == Must::Be);
        Body { left_out, ..self.done(format!("{{{name}}}").into()) }
    }

    fn done(self, body: Value) -> Body {
        // What is sent without saying so has the type that its kind has.
        let media_type = self.media_types.first().filter(|it| self.kind == "json" && **it != "application/json");
        let media_type = media_type.filter(|it| !it.contains(['*', '\r', '\n'])).map(|it| literal(it));
        Body { body: Some(body), kind: self.kind, media_type, left_out: self.left_out }
    }

    /// Text or bytes, of the one type that there is, or of the one that a caller says.
    fn text(self, taken: &mut Taken) -> Body {
        let is_binary = self.kind == "binary";
        let one = match self.media_types[..] {
            [one] if !one.contains('*') => Some(one),
            _ => None,
        };
        let mut text = any(&text::plain(self.about, text::PARAMETER));
        text.insert("type".to_owned(), "string".into());
        if is_binary {
            text.insert("contentEncoding".to_owned(), "base64".into());
            if let Some(one) = one {
                text.insert("contentMediaType".to_owned(), one.into());
            }
        }
        let must = self.must == Must::Be;
        let body = taken.take("body", "body", text, must);
        let media_type = match one {
            Some(one) => Some(one).filter(|one| !is_binary && *one != "text/plain").map(literal),
            None => {
                let otherwise = if is_binary { "application/octet-stream" } else { "text/plain" };
                let fits = self.media_types.iter().any(|it| media::is_within(otherwise, it));
                let name = taken.take("content_type", "header", media::chosen(&self.media_types), must && !fits);
                Some(format!("{{{name}}}"))
            }
        };
        Body { body: Some(format!("{{{body}}}").into()), kind: self.kind, media_type, left_out: self.left_out }
    }

    /// What stands in the body for one field: most often one placeholder under its name.
    fn field(
        &self,
        name: &str,
        mut schema: Map<String, Value>,
        is_required: bool,
        schemas: &Schemas<'_, '_>,
        taken: &mut Taken,
    ) -> Vec<(String, Value)> {
        let file = self.form.files.iter().find(|file| file.field == name).filter(|_| self.kind != "json");
        let mut types: &[String] = &[];
        if let Some(file) = file {
            let one = match &file.media_types[..] {
                [one] if !one.contains('*') => Some(one.as_str()),
                many => {
                    types = many;
                    None
                }
            };
            as_file(&mut schema, one);
        }
        // A part of a form may hold JSON, and has no keys.
        let in_place =
            |written: &Written| *written != Written::Deep || self.kind == "form" || is_flat(&schema, schemas);
        if let Some(written) = self.form.written.get(name).copied().filter(|it| self.kind != "json" && in_place(it)) {
            return Field { name, place: "body", written, is_required }.spread(schema, schemas, taken);
        }
        let content = format!("{{{}}}", taken.take(name, "body", schema, is_required));
        if types.is_empty() || self.kind != "multipart" {
            return vec![(name.to_owned(), content.into())];
        }
        let types: Vec<&str> = types.iter().map(String::as_str).collect();
        let said = taken.take(&format!("{name}_content_type"), "body", media::chosen(&types), false);
        vec![(name.to_owned(), json!({ "content": content, "contentType": format!("{{{said}}}") }))]
    }
}

/// The fields of an object that can each be a parameter: nothing is lost, and nobody has to write JSON within JSON. A null that
/// is sent on purpose would be lost, and so would what stands under names that nobody knows.
fn fields(schema: &Map<String, Value>, kind: &str, schemas: &Schemas<'_, '_>) -> Option<Map<String, Value>> {
    let Value::Object(fields) = schema.get("properties")? else { return None };
    let is_composed = ["anyOf", "allOf", "$ref", "minProperties"].iter().any(|keyword| schema.contains_key(*keyword));
    let takes_null = |field: &Value| field.as_object().is_some_and(|field| may_be("null", field, schemas));
    let loses_null = || kind == "json" && fields.values().any(takes_null);
    let is_plain = merge::only(schema).is_none_or(|only| only == "object") && !merge::is_of(schema, "null");
    (is_plain && !is_open(schema) && !is_composed && !fields.is_empty() && !loses_null()).then(|| fields.clone())
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
