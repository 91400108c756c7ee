//! HTTP tools: path, query, headers and body with our placeholders.

use serde_json::{Map, Value};
use url::form_urlencoded;

use super::{
    document::Item,
    parameter::{self, Parameter, Services},
    source::{Source, is_secret},
    template::{self, Piece},
};
use crate::{Finding, Level, name::Names};

/// What stands for a parameter of the body until it was read as JSON.
const MARK: &str = "body_mark_";

/// The tool's `http`, and its parameters. The error says why it has no counterpart.
pub fn tool(
    item: &mut Item,
    source: &Source,
    services: &Services,
    found: &mut Vec<Finding>,
) -> Result<(Value, Vec<Parameter>), String> {
    let mut names = Names::default();
    let mut of = |item: &mut Item, field: &str| parameter::all(item.take_list(field), &mut names, services);
    let path_parameters = of(item, "pathParams")?;
    let query_parameters = of(item, "queryParams")?;
    let body_parameters = of(item, "bodyParams")?;
    let header_parameters = of(item, "headerParams")?;
    let method = item.take_text("method").unwrap_or_default().to_ascii_uppercase();
    let mut http = Map::new();
    http.insert("method".to_owned(), method.into());
    let mut query = source.query.clone();
    let path = item.take_text("path").unwrap_or_default();
    http.insert("path".to_owned(), self::path(&path, &path_parameters, &mut query)?.into());
    for parameter in &query_parameters {
        query.insert(parameter.name.clone(), format!("{{{}}}", parameter.placeholder).into());
    }
    let mut headers = Map::new();
    if let Some(Value::Object(said)) = item.take("headers") {
        for (header, value) in said {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if is_secret(&header, &value) {
                let message = format!("the header `{header}`, which is a secret");
                let hint = Some("write `auth` at the connection".to_owned());
                found.push(item.finding(Level::Partly, message, hint));
            } else {
                headers.insert(header, braced(&value).into());
            }
        }
    }
    for parameter in &header_parameters {
        headers.insert(parameter.name.clone(), format!("{{{}}}", parameter.placeholder).into());
    }
    if let Some(text) = item.take_text("requestBody").filter(|text| !text.trim().is_empty()) {
        let pieces = template::parse(&text)?;
        match json(&pieces, &body_parameters)? {
            Some(body) => drop(http.insert("body".to_owned(), body)),
            None => {
                http.insert("body".to_owned(), self::text(&pieces, &body_parameters)?.into());
                http.insert("bodyType".to_owned(), "text".into());
            }
        }
    }
    if !query.is_empty() {
        http.insert("query".to_owned(), Value::Object(query));
    }
    if !headers.is_empty() {
        http.insert("headers".to_owned(), Value::Object(headers));
    }
    let parameters = [path_parameters, query_parameters, body_parameters, header_parameters].concat();
    Ok((Value::Object(http), parameters))
}

/// Braces that mean themselves.
fn braced(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

/// A text in which parameters stand.
pub fn text(pieces: &[Piece<'_>], parameters: &[Parameter]) -> Result<String, String> {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(piece) => text.push_str(&braced(piece)),
            Piece::Value { name, function: None | Some("pathEscape" | "queryEscape") } => {
                text.push_str(&format!("{{{}}}", find(name, parameters)?.placeholder));
            }
            Piece::Value { name, function: Some(function) } => {
                return Err(format!("`{{{{{function} .{name}}}}}` within a text is not understood"));
            }
            Piece::If { name, .. } => return Err(format!("`{{{{if .{name}}}}}` has no counterpart in a request")),
        }
    }
    Ok(text)
}

fn find<'p>(name: &str, parameters: &'p [Parameter]) -> Result<&'p Parameter, String> {
    let found = parameters.iter().find(|parameter| parameter.name == name);
    found.ok_or_else(|| format!("`{{{{.{name}}}}}` is no parameter of that place"))
}

/// A path; what its query says goes to the others.
fn path(path: &str, parameters: &[Parameter], query: &mut Map<String, Value>) -> Result<String, String> {
    let whole = text(&template::parse(path)?, parameters)?;
    let (path, said) = whole.split_once('?').map_or((&*whole, ""), |(path, said)| (path, said));
    for (key, value) in form_urlencoded::parse(said.as_bytes()) {
        query.insert(key.into_owned(), value.into_owned().into());
    }
    Ok(if path.starts_with('/') { path.to_owned() } else { format!("/{path}") })
}

/// The body as JSON, where it is that.
fn json(pieces: &[Piece<'_>], parameters: &[Parameter]) -> Result<Option<Value>, String> {
    let mut text = String::new();
    let mut in_string = false;
    for piece in pieces {
        match piece {
            Piece::Text(piece) => {
                let mut escaped = false;
                for c in piece.chars() {
                    match c {
                        _ if escaped => escaped = false,
                        '\\' => escaped = true,
                        '"' => in_string = !in_string,
                        _ => {}
                    }
                }
                text.push_str(piece);
            }
            Piece::Value { name, function: None | Some("json") } => {
                let index = parameters.iter().position(|parameter| parameter.name == *name);
                let index = index.ok_or_else(|| format!("`{{{{.{name}}}}}` is no parameter of the body"))?;
                let quote = if in_string { "" } else { "\"" };
                text.push_str(&format!("{quote}{MARK}{index:04}{quote}"));
            }
            Piece::Value { .. } | Piece::If { .. } => return Ok(None),
        }
    }
    let Ok(mut body) = serde_json::from_str::<Value>(&text) else { return Ok(None) };
    unmark(&mut body, parameters);
    Ok(Some(body))
}

fn unmark(value: &mut Value, parameters: &[Parameter]) {
    match value {
        Value::String(text) => {
            *text = braced(text);
            for (index, parameter) in parameters.iter().enumerate() {
                *text = text.replace(&format!("{MARK}{index:04}"), &format!("{{{}}}", parameter.placeholder));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| unmark(item, parameters)),
        Value::Object(fields) => fields.values_mut().for_each(|field| unmark(field, parameters)),
        _ => {}
    }
}
