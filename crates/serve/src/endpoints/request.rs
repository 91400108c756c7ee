//! What a handler is given: the request, read and checked.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_TYPE, request::Parts};
use serde_json::{Map, Value};

use super::{Compiled, Schema, answer::Failure};
use crate::{CallId, Principal, random, toolsets::CallerToolsets, wire::depth};

/// Who calls comes from the credential; everything else is the client's.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EndpointRequest {
    pub principal: Arc<Principal>,
    /// The id of the principal. Where everybody is the same one, what the header `mcp-client-id` says, else `anon-<uuid>`:
    /// a label, which proves nothing.
    pub client_id: String,
    /// `null` where there is none.
    pub body: Value,
    pub query: Map<String, Value>,
    pub params: Map<String, Value>,
    /// Of a [permission-aware](super::CustomEndpoint::permission_aware) endpoint.
    pub toolsets: Option<CallerToolsets>,
    /// In the log, where something goes wrong.
    pub request_id: CallId,
}

pub(super) struct Incoming<'a> {
    pub(super) head: &'a Parts,
    pub(super) body: Bytes,
    pub(super) max_depth: usize,
    /// Raw, as in the path.
    pub(super) params: Vec<(String, String)>,
}

impl Incoming<'_> {
    /// Parts of the path first, the body last: it is the most work.
    pub(super) fn read(self, endpoint: &Compiled) -> Result<Read, Failure> {
        let schemas = &endpoint.schemas;
        let params = decoded(self.params, schemas.params.as_ref())?;
        let query = self.head.uri.query().unwrap_or_default();
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let query = values("query", query, schemas.query.as_ref())?;
        let body = json_body(&self.head.headers, &self.body, self.max_depth)?;
        Schema::check(schemas.body.as_ref(), "body", &body)?;
        Ok(Read { params, query, body })
    }
}

pub(super) struct Read {
    pub(super) params: Map<String, Value>,
    pub(super) query: Map<String, Value>,
    pub(super) body: Value,
}

fn json_body(headers: &HeaderMap, body: &[u8], max_depth: usize) -> Result<Value, Failure> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Failure::one("body", "", "`Content-Type` must be application/json"));
    }
    let text = std::str::from_utf8(body).map_err(|_| Failure::one("body", "", "the body is no UTF-8"))?;
    if depth(text) > max_depth {
        return Err(Failure::one("body", "", format!("the body is nested more than {max_depth} deep")));
    }
    serde_json::from_str(text).map_err(|error| Failure::one("body", "", format!("the body is no JSON: {error}")))
}

fn decoded(params: Vec<(String, String)>, schema: Option<&Schema>) -> Result<Map<String, Value>, Failure> {
    let decode = |(name, value): (String, String)| match percent_decode(&value) {
        Some(value) => Ok((name, value)),
        None => Err(Failure::one("params", &format!("/{name}"), "this part of the path is no UTF-8")),
    };
    values("params", params.into_iter().map(decode).collect::<Result<_, _>>()?, schema)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (code, after) = rest.split_at_checked(2)?;
        let code = std::str::from_utf8(code).ok().filter(|code| !code.starts_with('+'))?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

/// Text becomes what the schema says it is; what can't is left, and told by the schema.
fn values(
    field: &'static str,
    pairs: Vec<(String, String)>,
    schema: Option<&Schema>,
) -> Result<Map<String, Value>, Failure> {
    let mut values = Map::new();
    for (name, text) in pairs {
        let property = schema.and_then(|schema| schema.source.get("properties")?.get(&name));
        let is_list = property.is_some_and(|property| has_type(property, "array"));
        let of = if is_list { property.and_then(|property| property.get("items")) } else { property };
        let value = typed(text, of);
        match values.get_mut(&name) {
            Some(Value::Array(list)) if is_list => list.push(value),
            Some(_) => {
                // It could mean one thing here and another to the next who reads it.
                return Err(Failure::one(field, &format!("/{name}"), "this parameter is there more than once"));
            }
            None => {
                values.insert(name, if is_list { Value::Array(vec![value]) } else { value });
            }
        }
    }
    let whole = Value::Object(values);
    Schema::check(schema, field, &whole)?;
    match whole {
        Value::Object(values) => Ok(values),
        _ => unreachable!("made an object above"),
    }
}

fn has_type(schema: &Value, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only == name,
        Some(Value::Array(any)) => any.iter().any(|one| one == name),
        _ => false,
    }
}

fn typed(text: String, schema: Option<&Value>) -> Value {
    let Some(schema) = schema.filter(|schema| !has_type(schema, "string")) else { return Value::String(text) };
    let number = || text.parse::<serde_json::Number>().ok().map(Value::Number);
    let value = if has_type(schema, "integer") || has_type(schema, "number") {
        number()
    } else if has_type(schema, "boolean") {
        text.parse().ok().map(Value::Bool)
    } else {
        None
    };
    value.unwrap_or(Value::String(text))
}

/// S3-62, S3-72: the header is nobody's identity.
pub(super) fn client_id(principal: &Principal, open: bool, headers: &HeaderMap) -> String {
    if !open {
        return principal.id.clone();
    }
    let mut given = headers.get_all("mcp-client-id").iter();
    let label = given.next().filter(|_| given.next().is_none()).and_then(|label| label.to_str().ok());
    match label.map(str::trim) {
        Some(label) if (1..=128).contains(&label.len()) && !label.bytes().any(|byte| byte.is_ascii_control()) => {
            label.to_owned()
        }
        _ => format!("anon-{}", uuid()),
    }
}

/// A random one, of version 4.
fn uuid() -> String {
    let mut bytes: [u8; 16] = random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
