//! The body of a request: its fields as parameters.

use serde_json::{Map, Value, json};

use super::{
    request::Request,
    sample,
    url::{Pair, pairs},
    variables::{self, Variables},
};
use crate::openapi::document::At;

/// What stands for a variable that is no text until the body was read as JSON.
const MARK: &str = "postman-variable:";

/// Adds the body to the request.
pub fn read(body: At<'_>, request: &mut Request, variables: &Variables<'_>) {
    if body.flag("disabled") == Some(true) {
        return;
    }
    match body.text("mode").unwrap_or_default() {
        "raw" => raw(body, request, variables),
        "urlencoded" => form(&pairs(body.get("urlencoded")), "form", request, variables),
        "formdata" => form(&pairs(body.get("formdata")), "multipart", request, variables),
        "file" => {
            let schema = json!({ "type": "string", "contentEncoding": "base64", "description": "The file, as base64" });
            whole(schema, "binary", request);
        }
        "graphql" => graphql(body, request, variables),
        "" => {}
        other => request.left_out.push(format!("its body, which is written as `{other}`")),
    }
}

fn raw(body: At<'_>, request: &mut Request, variables: &Variables<'_>) {
    let text = body.text("raw").unwrap_or_default();
    if text.trim().is_empty() {
        return;
    }
    let language = body.get("options").and_then(|it| it.get("raw")).and_then(|it| it.text("language"));
    // Where the request says nothing of it, Postman goes by the language that was chosen.
    if request.content_type.is_none() {
        let of_language = match language {
            Some("xml") => Some("application/xml"),
            Some("html") => Some("text/html"),
            Some("javascript") => Some("application/javascript"),
            _ => None,
        };
        request.content_type = of_language.map(str::to_owned);
    }
    match json(text).or_else(|| json(&without_comments(text))) {
        Some(Value::Object(fields)) => {
            let body = object(&fields, request, variables);
            request.http.insert("body".to_owned(), Value::Object(body));
        }
        Some(value @ Value::Array(_)) => {
            let mut schema = sample::schema("body", &value);
            schema.insert("description".to_owned(), "The body".into());
            whole(Value::Object(schema), "json", request);
        }
        _ => {
            if language == Some("json") {
                request.left_out.push("what its body has: it is no JSON".to_owned());
            }
            let mut schema = sample::schema("body", &text.trim().into());
            schema.insert("description".to_owned(), "The body".into());
            whole(Value::Object(schema), "text", request);
        }
    }
}

/// A parameter that is the whole body.
fn whole(mut schema: Value, kind: &str, request: &mut Request) {
    schema["required"] = true.into();
    let name = request.parameter("body", "text", schema.as_object().cloned().unwrap_or_default());
    request.http.insert("body".to_owned(), format!("{{{name}}}").into());
    if kind != "json" {
        request.http.insert("bodyType".to_owned(), kind.into());
    }
}

/// Postman takes comments out of JSON before it sends it.
fn without_comments(text: &str) -> String {
    let mut without = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '/']) {
        without.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = if let Some(string) = rest.strip_prefix('"') {
            let mut escaped = false;
            let end = string.find(|c| {
                c == '"' && !escaped || {
                    escaped = c == '\\' && !escaped;
                    false
                }
            });
            let length = end.map_or(rest.len(), |end| end + 2);
            without.push_str(&rest[..length]);
            length
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.find("*/").map_or(rest.len(), |end| end + 4)
        } else {
            without.push('/');
            1
        };
        rest = &rest[length..];
    }
    without + rest
}

/// JSON with variables in it, within texts or instead of values.
fn json(text: &str) -> Option<Value> {
    let mut marked = String::new();
    let (mut in_string, mut escaped) = (false, false);
    for piece in variables::pieces(text) {
        match piece {
            variables::Piece::Text(piece) => {
                for c in piece.chars() {
                    match c {
                        _ if escaped => escaped = false,
                        '\\' => escaped = in_string,
                        '"' => in_string = !in_string,
                        _ => {}
                    }
                }
                marked.push_str(piece);
            }
            variables::Piece::Variable(name) if in_string => marked.push_str(&format!("{{{{{name}}}}}")),
            variables::Piece::Variable(name) => marked.push_str(&json!(format!("{MARK}{name}")).to_string()),
        }
    }
    serde_json::from_str(&marked).ok()
}

/// Each field a parameter that takes its whole place.
fn object(fields: &Map<String, Value>, request: &mut Request, variables: &Variables<'_>) -> Map<String, Value> {
    let must = request.method != "PATCH";
    let mut body = Map::new();
    for (key, value) in fields {
        let mut schema = match value {
            // A variable instead of a value has any type.
            Value::String(text) if text.starts_with(MARK) => Map::new(),
            value => sample::schema(key, value),
        };
        let named = value.as_str().and_then(|text| text.strip_prefix(MARK).or_else(|| variables::whole(text)));
        let known = named.and_then(|name| variables.get(name)).map(|known| Value::String(known.to_owned()));
        match known
            .filter(|known| schema.get("type").is_some_and(|it| it == "string") && sample::may_be_shown(key, known))
        {
            Some(known) => drop(schema.insert("default".to_owned(), known)),
            None if must && !value.is_null() => drop(schema.insert("required".to_owned(), true.into())),
            None => {}
        }
        let name = request.parameter(key, "body", schema);
        body.insert(key.clone(), format!("{{{name}}}").into());
    }
    body
}

fn form(fields: &[Pair], kind: &str, request: &mut Request, variables: &Variables<'_>) {
    let mut body = Map::new();
    for field in fields {
        let name = if field.is_file {
            let about = field.about.clone().unwrap_or_else(|| "The file, as base64".to_owned());
            let schema = json!({ "type": "string", "contentEncoding": "base64", "description": about });
            request.parameter(&field.key, "file", schema.as_object().cloned().unwrap_or_default())
        } else {
            let must = !field.disabled && request.method != "PATCH";
            request.pair(field, "form", must, variables)
        };
        body.insert(field.key.clone(), format!("{{{name}}}").into());
    }
    if !body.is_empty() {
        request.http.insert("body".to_owned(), Value::Object(body));
        request.http.insert("bodyType".to_owned(), kind.into());
    }
}

/// The query stays as it is; its variables are parameters.
fn graphql(body: At<'_>, request: &mut Request, variables: &Variables<'_>) {
    let Some(graphql) = body.get("graphql") else { return };
    let query = graphql.text("query").unwrap_or_default().replace('{', "{{").replace('}', "}}");
    let mut sent = Map::new();
    sent.insert("query".to_owned(), query.into());
    if let Some(Value::Object(fields)) = graphql.text("variables").and_then(json) {
        let fields = object(&fields, request, variables);
        sent.insert("variables".to_owned(), Value::Object(fields));
    }
    request.http.insert("body".to_owned(), Value::Object(sent));
}
