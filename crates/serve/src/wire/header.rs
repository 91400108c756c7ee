//! Standard headers against the body: `Mcp-Method`, `Mcp-Name`, `Mcp-Param-*`.

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName};
use rmcp::model::JsonObject;
use serde_json::{Map, Value};

/// What disagrees; answered as -32020.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mismatch {
    #[error("the header `{0}` is missing")]
    Missing(Cow<'static, str>),
    #[error("the header `{0}` is given more than once")]
    Repeated(Cow<'static, str>),
    #[error("the header `{0}` is not readable text")]
    Encoding(Cow<'static, str>),
    #[error("the header `{0}` does not agree with the body")]
    Differs(Cow<'static, str>),
}

/// The header must be there once and equal what the body says; `=?base64?...?=` is decoded first.
pub(crate) fn agree(headers: &HeaderMap, name: &'static str, body: &str) -> Result<(), Mismatch> {
    let value = only(headers, name)?.ok_or(Mismatch::Missing(name.into()))?;
    // Almost always. A body that looks encoded has to come encoded.
    if value == body.as_bytes() && !is_encoded(value) {
        return Ok(());
    }
    if is_encoded(value) && decode(value).ok_or(Mismatch::Encoding(name.into()))? == body.as_bytes() {
        return Ok(());
    }
    Err(Mismatch::Differs(name.into()))
}

fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a [u8]>, Mismatch> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(Mismatch::Repeated(name.to_owned().into()));
    }
    // Whatever else there is to say comes encoded. What stands in between may read other bytes in another way.
    let text = value.map(http::HeaderValue::to_str).transpose();
    Ok(text.map_err(|_| Mismatch::Encoding(name.to_owned().into()))?.map(str::as_bytes))
}

const ENCODED: (&[u8], &[u8]) = (b"=?base64?", b"?=");

fn is_encoded(value: &[u8]) -> bool {
    value.len() >= ENCODED.0.len() + ENCODED.1.len() && value.starts_with(ENCODED.0) && value.ends_with(ENCODED.1)
}

fn decode(value: &[u8]) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(&value[ENCODED.0.len()..value.len() - ENCODED.1.len()]).ok()
}

/// A parameter that clients also send as the header `Mcp-Param-...`, because the tool's schema says so (`x-mcp-header`).
/// A server gives them by [`Server::parameter_headers`](crate::Server::parameter_headers).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterHeader {
    path: Vec<String>,
    header: HeaderName,
}

impl ParameterHeader {
    /// All of an input schema. An annotation that the protocol does not allow is none.
    #[must_use]
    pub fn of(schema: &JsonObject) -> Vec<Self> {
        fn collect(schema: &JsonObject, path: &mut Vec<String>, found: &mut Vec<ParameterHeader>) {
            let Some(Value::Object(properties)) = schema.get("properties") else { return };
            for (name, property) in properties {
                let Value::Object(property) = property else { continue };
                path.push(name.clone());
                let kind = property.get("type").and_then(Value::as_str);
                if let Some(Value::String(header)) = property.get("x-mcp-header")
                    && matches!(kind, Some("string" | "integer" | "boolean"))
                    && let Ok(header) = HeaderName::try_from(format!("mcp-param-{header}"))
                {
                    found.push(ParameterHeader { path: path.clone(), header });
                }
                collect(property, path, found);
                path.pop();
            }
        }
        let mut found = Vec::new();
        collect(schema, &mut Vec::new(), &mut found);
        found
    }

    /// The header says what the arguments say, or both say nothing.
    pub(crate) fn agree(&self, headers: &HeaderMap, arguments: &Map<String, Value>) -> Result<(), Mismatch> {
        let name = || Cow::Owned(self.header.as_str().to_owned());
        let mut steps = self.path.iter();
        let first = steps.next().and_then(|step| arguments.get(step));
        let argument = steps.fold(first, |value, step| value?.get(step));
        // What is of no type that a header can have is a wrong argument, and told so by who checks these.
        let argument = argument.filter(|value| value.is_string() || value.is_boolean() || value.is_number());
        let value = only(headers, self.header.as_str())?;
        let (value, argument) = match (value, argument) {
            (None, None) => return Ok(()),
            (None, Some(_)) => return Err(Mismatch::Missing(name())),
            (Some(_), None) => return Err(Mismatch::Differs(name())),
            (Some(value), Some(argument)) => (value, argument),
        };
        let decoded = if is_encoded(value) {
            Cow::Owned(decode(value).ok_or_else(|| Mismatch::Encoding(name()))?)
        } else {
            Cow::Borrowed(value)
        };
        let text = std::str::from_utf8(&decoded).map_err(|_| Mismatch::Encoding(name()))?;
        let same = match argument {
            Value::String(argument) => text == argument,
            Value::Bool(argument) => text == if *argument { "true" } else { "false" },
            // `007` and `7.0` are both 7.
            Value::Number(argument) => match (text.parse::<i128>(), argument.as_i128()) {
                (Ok(text), Some(argument)) => text == argument,
                _ => text.parse::<f64>().ok() == argument.as_f64(),
            },
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        };
        if same { Ok(()) } else { Err(Mismatch::Differs(name())) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, http::HeaderValue::from_bytes(value.as_bytes()).expect("header value"));
        }
        headers
    }

    fn check(values: &[&str], body: &str) -> Result<(), Mismatch> {
        agree(&headers("mcp-name", values), "mcp-name", body)
    }

    #[test]
    fn header_and_body_must_agree() {
        assert_eq!(check(&["echo"], "echo"), Ok(()));
        assert_eq!(check(&["echo"], "Echo"), Err(Mismatch::Differs("mcp-name".into())));
        assert_eq!(check(&[], "echo"), Err(Mismatch::Missing("mcp-name".into())));
        assert_eq!(check(&["echo", "echo"], "echo"), Err(Mismatch::Repeated("mcp-name".into())));
    }

    #[test]
    fn the_base64_form_is_decoded_before_it_is_compared() {
        assert_eq!(check(&["=?base64?Y2Fmw6k=?="], "café"), Ok(()));
        assert_eq!(check(&["=?base64?Y2Fm?="], "café"), Err(Mismatch::Differs("mcp-name".into())));
        assert_eq!(check(&["=?base64?%%?="], "café"), Err(Mismatch::Encoding("mcp-name".into())));
        assert_eq!(check(&["=?base64?="], "=?base64?="), Ok(()));
        assert_eq!(check(&["=?base64?YQ==?="], "=?base64?YQ==?="), Err(Mismatch::Differs("mcp-name".into())));
        assert_eq!(check(&["café"], "café"), Err(Mismatch::Encoding("mcp-name".into())));
    }

    #[test]
    fn annotated_parameters_are_found_along_properties_only() {
        let schema = json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "nested": {"type": "object", "properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
            "list": {"type": "array", "items": {"type": "string", "x-mcp-header": "Item"}},
            "object": {"type": "object", "x-mcp-header": "Object"},
            "bad": {"type": "string", "x-mcp-header": "not a token"},
        }});
        let found = ParameterHeader::of(schema.as_object().expect("object"));
        let found: Vec<_> = found.iter().map(|found| (found.path.join("."), found.header.as_str())).collect();
        let expected = [("region".to_owned(), "mcp-param-region"), ("nested.n".to_owned(), "mcp-param-n")];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_parameter_and_its_header_must_agree() {
        let parameter = ParameterHeader { path: vec!["a".into(), "b".into()], header: HeaderName::from_static("x") };
        let check = |values: &[&str], b: Value| {
            let arguments = json!({"a": {"b": b}});
            parameter.agree(&headers("x", values), arguments.as_object().expect("object"))
        };
        let differs = Err(Mismatch::Differs("x".into()));
        assert_eq!(check(&["eu"], json!("eu")), Ok(()));
        assert_eq!(check(&["=?base64?w6Q=?="], json!("ä")), Ok(()));
        assert_eq!(check(&["us"], json!("eu")), differs);
        assert_eq!(check(&["7"], json!(7)), Ok(()));
        assert_eq!(check(&["7.0"], json!(7)), Ok(()));
        assert_eq!(check(&["9007199254740993"], json!(9_007_199_254_740_992_i64)), differs);
        assert_eq!(check(&["true"], json!(true)), Ok(()));
        assert_eq!(check(&["True"], json!(true)), differs);
        assert_eq!(check(&[], json!("eu")), Err(Mismatch::Missing("x".into())));
        assert_eq!(check(&[], Value::Null), Ok(()));
        assert_eq!(check(&["null"], Value::Null), differs);
        assert_eq!(check(&["eu", "eu"], json!("eu")), Err(Mismatch::Repeated("x".into())));
    }
}
