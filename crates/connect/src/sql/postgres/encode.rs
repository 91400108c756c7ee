//! Arguments for PostgreSQL: every value is sent as the text of its type, which the server reads exactly whatever the type.

use std::fmt::Write;

use base64::Engine;
use bytes::BytesMut;
use serde_json::Value;
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type};

use super::super::{Error, Hint, Parameter};

/// A value in the text form of its type. Says nothing of itself in logs.
pub struct Bound(Option<String>);

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("_")
    }
}

impl ToSql for Bound {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match &self.0 {
            None => IsNull::Yes,
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                IsNull::No
            }
        })
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    fn to_sql_checked(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        self.to_sql(ty, out)
    }
}

pub fn bind(parameter: &Parameter, ty: &Type, value: &Value) -> Result<Bound, Error> {
    if value.is_null() {
        return Ok(Bound(None));
    }
    let text = text(parameter.hint, ty, value).map_err(|what| Error::argument(parameter, what))?;
    if text.contains('\0') {
        return Err(Error::argument(parameter, "holds a NUL character, which PostgreSQL can't store"));
    }
    Ok(Bound(Some(text)))
}

/// The type that a schema means, where the database can't tell.
pub fn fallback(hint: Hint) -> Type {
    match hint {
        Hint::Boolean => Type::BOOL,
        Hint::Integer => Type::INT8,
        Hint::Number => Type::NUMERIC,
        Hint::Bytes => Type::BYTEA,
        Hint::Json => Type::JSONB,
        Hint::Any | Hint::Text => Type::TEXT,
    }
}

fn text(hint: Hint, ty: &Type, value: &Value) -> Result<String, String> {
    match ty.kind() {
        Kind::Domain(base) => return text(hint, base, value),
        Kind::Array(element) => {
            return match value {
                Value::Array(items) => {
                    let mut out = String::new();
                    array(hint, element, items, &mut out)?;
                    Ok(out)
                }
                Value::String(literal) if literal.starts_with('{') => Ok(literal.clone()),
                _ => Err(wants(ty, "an array", value)),
            };
        }
        _ => {}
    }
    match (ty, value) {
        // A string by its schema is JSON text, as a literal would be; otherwise a string is a JSON string.
        (&Type::JSON | &Type::JSONB, Value::String(text)) if hint == Hint::Text => Ok(text.clone()),
        (&Type::JSON | &Type::JSONB, _) => Ok(value.to_string()),
        (&Type::BOOL, Value::Bool(value)) => Ok(value.to_string()),
        (&Type::BOOL, Value::String(text)) if matches!(text.as_str(), "true" | "false") => Ok(text.clone()),
        (&Type::BOOL, _) => Err(wants(ty, "true or false", value)),
        (&Type::INT2, _) => integer(ty, value, i16::MIN.into(), i16::MAX.into()),
        (&Type::INT4, _) => integer(ty, value, i32::MIN.into(), i32::MAX.into()),
        (&Type::INT8, _) => integer(ty, value, i64::MIN.into(), i64::MAX.into()),
        (&Type::OID | &Type::XID, _) => integer(ty, value, 0, u32::MAX.into()),
        (&Type::NUMERIC | &Type::FLOAT4 | &Type::FLOAT8, Value::Number(number)) => Ok(number.to_string()),
        (&Type::NUMERIC | &Type::FLOAT4 | &Type::FLOAT8, Value::String(text)) if is_number(text) => Ok(text.clone()),
        (&Type::NUMERIC | &Type::FLOAT4 | &Type::FLOAT8, _) => Err(wants(ty, "a number", value)),
        (&Type::UUID, Value::String(text)) if is_uuid(text) => Ok(text.clone()),
        (&Type::UUID, _) => Err(wants(ty, "a UUID", value)),
        (&Type::BYTEA, Value::String(text)) => bytes(text),
        (_, Value::String(text)) => Ok(text.clone()),
        (_, Value::Number(number)) if is_textual(ty) => Ok(number.to_string()),
        (_, Value::Bool(value)) if is_textual(ty) => Ok(value.to_string()),
        (_, Value::Array(_) | Value::Object(_)) if is_textual(ty) && hint == Hint::Json => Ok(value.to_string()),
        (_, _) => Err(wants(ty, "a string", value)),
    }
}

fn is_textual(ty: &Type) -> bool {
    matches!(*ty, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN) || ty.name() == "citext"
}

fn integer(ty: &Type, value: &Value, min: i128, max: i128) -> Result<String, String> {
    #[expect(clippy::cast_possible_truncation, reason = "whole, and a value out of range saturates out of range")]
    let integer = match value {
        Value::Number(number) => {
            number.as_i128().or_else(|| number.as_f64().filter(|real| real.fract() == 0.0).map(|real| real as i128))
        }
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match integer {
        Some(integer) if (min..=max).contains(&integer) => Ok(integer.to_string()),
        Some(_) => Err(format!("is out of the range of `{ty}`, {min} to {max}")),
        None => Err(wants(ty, "an integer", value)),
    }
}

fn is_number(text: &str) -> bool {
    matches!(text, "NaN" | "Infinity" | "-Infinity") || {
        let first = text.trim_start_matches(['-', '+']).bytes().next();
        first.is_some_and(|byte| byte.is_ascii_digit() || byte == b'.')
            && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'))
    }
}

fn is_uuid(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    digits == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b'{' | b'}'))
}

fn bytes(text: &str) -> Result<String, String> {
    if text.starts_with("\\x") {
        return Ok(text.to_owned());
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| "is not base64".to_owned())?;
    let mut out = String::with_capacity(2 + bytes.len() * 2);
    out.push_str("\\x");
    for byte in bytes {
        write!(out, "{byte:02x}").expect("writing into a string never fails");
    }
    Ok(out)
}

fn array(hint: Hint, element: &Type, items: &[Value], out: &mut String) -> Result<(), String> {
    out.push('{');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        match item {
            Value::Null => out.push_str("NULL"),
            Value::Array(inner) if !matches!(*element, Type::JSON | Type::JSONB) => array(hint, element, inner, out)?,
            item => {
                out.push('"');
                for character in text(hint, element, item)?.chars() {
                    if matches!(character, '"' | '\\') {
                        out.push('\\');
                    }
                    out.push(character);
                }
                out.push('"');
            }
        }
    }
    out.push('}');
    Ok(())
}

fn wants(ty: &Type, form: &str, value: &Value) -> String {
    let got = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string of another form",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    format!("must be {form} for the database type `{ty}`, not {got}")
}
