//! What the API says of itself, as OpenAPI 3.1 has it: collected from the handlers, and completed by what holds for all of
//! them. Each operation needs a line about it, a role and its own answers; a test holds that.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use crate::{Control, Problem, rest};

/// One that a client can call: method, path, and what is said of it.
pub type Operation<'a> = (&'a str, &'a str, &'a mut Map<String, Value>);

/// What many operations may answer.
const COMMON: [u16; 10] = [400, 401, 403, 404, 408, 413, 415, 429, 500, 503];

/// This document.
#[utoipa::path(get, path = "/openapi.json", security(("bearer" = ["viewer"])), responses((status = 200, body = Object)))]
pub async fn show(State(Control { openapi, .. }): State<Control>) -> Response {
    let document = openapi.get_or_init(|| document().to_string().into());
    ([(header::CONTENT_TYPE, "application/json")], document.clone()).into_response()
}

/// The whole document.
#[must_use]
pub fn document() -> Value {
    let resources = rest::resources().into_iter().map(|(name, routes)| resource(name, routes.into_openapi()));
    let mut whole = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "MCP Factory",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Creates, deploys, watches and removes MCP servers. Who asks is known by an API token on each request.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": [], "paths": {}, "components": { "schemas": { "Refusal": refusal() } },
    });
    whole["components"]["securitySchemes"]["bearer"] = json!({
        "type": "http", "scheme": "bearer",
        "description": "An API token; what an operation lists is the role that it takes: viewer, developer or admin.",
    });
    for status in COMMON {
        let known = StatusCode::from_u16(status).expect("a status");
        let content = json!({ "application/problem+json": refused(known) });
        let description = known.canonical_reason().unwrap_or_default();
        whole["components"]["responses"][status.to_string()] =
            json!({ "description": description, "content": content });
    }
    whole["components"]["responses"]["415"]["headers"] = json!({ "Accept-Encoding": {
        "description": "`identity`, where the body came with a `Content-Encoding`: bodies are sent as they are.",
        "schema": { "type": "string" },
    } });
    for (name, mut document) in resources {
        let tags = whole["tags"].as_array_mut().expect("made above");
        tags.push(json!({ "name": name }));
        merge(&mut whole["paths"], document["paths"].take());
        merge(&mut whole["components"]["schemas"], document["components"]["schemas"].take());
    }
    bodies(&mut whole);
    numbers(&mut whole);
    whole
}

/// A body of which each part may be left out may be left out itself.
fn bodies(whole: &mut Value) {
    let schemas = whole["components"]["schemas"].clone();
    for (_, _, operation) in operations(whole) {
        let Some(body) = operation.get_mut("requestBody") else { continue };
        let named = body["content"]["application/json"]["schema"]["$ref"].as_str().and_then(|it| it.rsplit('/').next());
        let schema = named.map_or(&Value::Null, |name| &schemas[name]);
        if schema.get("properties").is_some() && schema.get("required").is_none() {
            body["required"] = false.into();
        }
    }
}

/// How large numbers without a sign may be.
fn numbers(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(numbers),
        Value::Object(all) => {
            let most = match all.get("format").and_then(Value::as_str) {
                Some("int32") => u64::from(u32::MAX),
                Some("int64") => u64::MAX,
                _ => 0,
            };
            let has_no_sign = all.get("minimum").and_then(Value::as_u64).is_some();
            if most > 0 && has_no_sign {
                all.remove("format");
                all.entry("maximum").or_insert_with(|| most.into());
            }
            all.values_mut().for_each(numbers);
        }
        _ => {}
    }
}

/// All of a document's.
pub fn operations(document: &mut Value) -> impl Iterator<Item = Operation<'_>> {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object_mut().into_iter().flatten();
        methods.filter_map(|(method, operation)| Some((method.as_str(), path.as_str(), operation.as_object_mut()?)))
    })
}

fn merge(into: &mut Value, from: Value) {
    let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) else { return };
    for (name, value) in from {
        match into.get_mut(&name) {
            // The same path, with other methods.
            Some(known) if name.starts_with('/') => merge(known, value),
            _ => drop(into.insert(name, value)),
        }
    }
}

fn resource(name: &'static str, document: OpenApi) -> (&'static str, Value) {
    let mut document = serde_json::to_value(document).expect("plain data");
    for (method, path, operation) in operations(&mut document) {
        let verb = operation["operationId"].as_str().unwrap_or_default();
        operation["operationId"] = format!("{name}.{verb}").into();
        operation.insert("tags".to_owned(), json!([name]));
        parameters(path, operation);
        conditions(method, operation);
        answers(operation);
    }
    (name, document)
}

/// Those that stand in the path, where the handler does not say more of them.
fn parameters(path: &str, operation: &mut Map<String, Value>) {
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    let Some(parameters) = parameters.as_array_mut() else { return };
    for parameter in parameters.iter_mut() {
        // Left out, and never `null`: there is no such thing in a query.
        if let Some(kinds) = parameter["schema"].get_mut("type")
            && let Some([kind, _]) = kinds.as_array().map(Vec::as_slice)
        {
            *kinds = kind.clone();
        }
    }
    let segments: Vec<&str> = path.split('/').collect();
    for (before, segment) in segments.iter().zip(segments.iter().skip(1)) {
        let Some(name) = segment.strip_prefix('{').and_then(|it| it.strip_suffix('}')) else { continue };
        if parameters.iter().any(|it| it["name"] == name && it["in"] == "path") {
            continue;
        }
        let description = format!("Which of the {}.", if *before == "deploy" { "servers" } else { before });
        let schema = json!({ "type": "string", "minLength": 1 });
        let example = match (*before, name) {
            ("secrets", _) => "SHOP_KEY",
            (_, "version") => "1.0.0",
            ("servers", "name") if path.starts_with("/v0.1/") => "local/shop",
            _ => "shop",
        };
        parameters.push(json!({
            "name": name, "in": "path", "required": true, "description": description, "schema": schema, "example": example,
        }));
    }
    if parameters.is_empty() {
        operation.remove("parameters");
    }
}

/// What is read is read again only if it is another; what is changed may be changed only if it is still the same.
fn conditions(method: &str, operation: &mut Map<String, Value>) {
    let is_changed =
        ["servers.create", "servers.remove", "versions.rollback"].iter().any(|id| operation["operationId"] == **id)
            || operation["tags"][0] == "deployments";
    let text = json!({ "type": "string" });
    let parameter = |name: &str, description: &str| json!({ "name": name, "in": "header", "schema": text, "description": description });
    let mut more = Vec::new();
    if is_changed {
        more.push(parameter(
            "if-match",
            "The `ETag` of the server as it was seen, or `*`: it is changed only if it is so still.",
        ));
        more.push(parameter("if-none-match", "`*`: only if there is no such server yet."));
        operation["responses"]["412"] = json!({ "description": "It is not as it was expected to be" });
    }
    let is_read = operation["responses"]["200"]["content"].get("application/json").is_some();
    if method == "get" && is_read && operation.contains_key("security") {
        more.push(parameter("if-none-match", "An `ETag` that was answered before."));
        let etag = json!({ "schema": text, "description": "Another one when the answer is another." });
        operation["responses"]["200"]["headers"]["etag"] = etag;
        operation["responses"]["304"] = json!({ "description": "It is as it was" });
    }
    if !more.is_empty()
        && let Some(known) = operation.entry("parameters").or_insert_with(|| json!([])).as_array_mut()
    {
        known.extend(more);
    }
}

/// Those that any operation may give, beside the ones that its handler names; each with a text.
fn answers(operation: &mut Map<String, Value>) {
    let is_open = operation.get("security").and_then(Value::as_array).is_none_or(Vec::is_empty);
    let has_parameters = operation.contains_key("parameters");
    let is_about_one = operation.get("parameters").is_some_and(|it| it.to_string().contains(r#""in":"path""#));
    let has_body = operation.contains_key("requestBody");
    let given = |status: u16| match status {
        400 => has_parameters || has_body,
        404 => is_about_one,
        408 | 413 | 415 => has_body,
        _ => !is_open,
    };
    let Some(answers) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    for status in COMMON.into_iter().filter(|status| given(*status)) {
        answers
            .entry(status.to_string())
            .or_insert_with(|| json!({ "$ref": format!("#/components/responses/{status}") }));
    }
    for (status, answer) in answers.iter_mut().filter(|(_, answer)| answer.get("$ref").is_none()) {
        let status: StatusCode = status.parse().unwrap_or_default();
        if answer["description"].as_str().unwrap_or_default().is_empty() {
            answer["description"] = status.canonical_reason().unwrap_or_default().into();
        }
        let is_refused = status.is_client_error() || status.is_server_error();
        if is_refused && answer.get("content").is_none() && !is_open {
            answer["content"]["application/problem+json"] = refused(status);
        }
    }
    answers.sort_keys();
}

/// A refusal of this kind.
fn refused(status: StatusCode) -> Value {
    let code = match status.as_u16() {
        400 => "invalid-argument",
        401 => "unauthenticated",
        403 => "forbidden",
        404 => "not-found",
        408 => "late",
        412 => "changed",
        413 => "too-large",
        415 => "media-type",
        429 => "rate-limited",
        500 => "internal",
        501 => "not-implemented",
        503 => "registry-busy",
        _ => "busy",
    };
    let example = Problem::new(status, code, "what went wrong, for people").to_json();
    json!({ "schema": { "$ref": "#/components/schemas/Refusal" }, "example": example })
}

/// [`Problem`], as RFC 9457 has it.
fn refusal() -> Value {
    json!({
        "type": "object",
        "description": "What went wrong. `code` is for programs and stable, `detail` for people.",
        "required": ["title", "status", "code", "detail"],
        "properties": {
            "title": { "type": "string" },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "code": { "type": "string", "example": "not-found" },
            "detail": { "type": "string" },
            "missing": { "type": "string", "description": "What is not there, where something is not.", "example": "server" },
            "diagnostics": { "type": "array", "items": { "$ref": "#/components/schemas/Diagnostic" } },
        },
    })
}

#[cfg(test)]
mod tests;
