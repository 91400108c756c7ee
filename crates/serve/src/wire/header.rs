//! Standard headers against the body: `Mcp-Method`, `Mcp-Name`, `Mcp-Param-*`.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderMap;

/// What disagrees; answered as -32020.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mismatch {
    #[error("the header `{0}` is missing")]
    Missing(&'static str),
    #[error("the header `{0}` is given more than once")]
    Repeated(&'static str),
    #[error("the header `{0}` is not readable text")]
    Encoding(&'static str),
    #[error("the header `{0}` does not agree with the body")]
    Differs(&'static str),
}

/// The header must be there once and equal what the body says; `=?base64?...?=` is decoded first.
pub(crate) fn agree(headers: &HeaderMap, name: &'static str, body: &str) -> Result<(), Mismatch> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(Mismatch::Missing(name))?;
    if values.next().is_some() {
        return Err(Mismatch::Repeated(name));
    }
    if value.as_bytes() == body.as_bytes() && !is_encoded(body) {
        return Ok(());
    }
    let text = value.to_str().map_err(|_| Mismatch::Encoding(name))?;
    if !is_encoded(text) {
        return Err(Mismatch::Differs(name));
    }
    let encoded = &text["=?base64?".len()..text.len() - "?=".len()];
    let decoded = BASE64_STANDARD.decode(encoded).map_err(|_| Mismatch::Encoding(name))?;
    if decoded == body.as_bytes() { Ok(()) } else { Err(Mismatch::Differs(name)) }
}

fn is_encoded(text: &str) -> bool {
    text.len() >= "=?base64??=".len() && text.starts_with("=?base64?") && text.ends_with("?=")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], body: &str) -> Result<(), Mismatch> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("mcp-name", http::HeaderValue::from_bytes(value.as_bytes()).expect("header value"));
        }
        agree(&headers, "mcp-name", body)
    }

    #[test]
    fn header_and_body_must_agree() {
        assert_eq!(check(&["echo"], "echo"), Ok(()));
        assert_eq!(check(&["echo"], "Echo"), Err(Mismatch::Differs("mcp-name")));
        assert_eq!(check(&[], "echo"), Err(Mismatch::Missing("mcp-name")));
        assert_eq!(check(&["echo", "echo"], "echo"), Err(Mismatch::Repeated("mcp-name")));
    }

    #[test]
    fn the_base64_form_is_decoded_before_it_is_compared() {
        assert_eq!(check(&["=?base64?Y2Fmw6k=?="], "café"), Ok(()));
        assert_eq!(check(&["=?base64?Y2Fm?="], "café"), Err(Mismatch::Differs("mcp-name")));
        assert_eq!(check(&["=?base64?%%?="], "café"), Err(Mismatch::Encoding("mcp-name")));
        assert_eq!(check(&["=?base64?="], "=?base64?="), Ok(()));
        // A name that looks encoded has to come encoded.
        assert_eq!(check(&["=?base64?YQ==?="], "=?base64?YQ==?="), Err(Mismatch::Differs("mcp-name")));
        assert_eq!(check(&["café"], "café"), Ok(()));
    }
}
