//! Bodies of requests: JSON, forms, text, bytes; each encoded so that no value leaves its place.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use http::HeaderValue;
use mcp_factory_spec::{
    model::BodyType,
    template::{self, Json, Text},
};
use serde_json::{Map, Value};

use super::{
    multipart::Multipart,
    style::{self, Styles},
};
use crate::values::Values;

#[derive(Debug)]
pub enum Body {
    Json(Json),
    /// With the fields whose keys are written out.
    Form(Json, Vec<String>),
    Text(Json),
    Multipart(Multipart),
    Binary(Encoded),
}

/// An argument that holds bytes as base64.
#[derive(Debug)]
pub struct Encoded {
    pub name: String,
    /// What its schema says the bytes are.
    pub media_type: Option<String>,
}

/// What one request may send. Arguments have a limit of their own, but one can stand in a body many times.
const MOST_BYTES: usize = 16 << 20;

/// RFC 4648, section 4, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Body {
    pub fn compile(
        body_type: BodyType,
        body: &Value,
        properties: &Map<String, Value>,
        styles: &Styles,
    ) -> Result<Self, String> {
        Ok(match body_type {
            BodyType::Json => Self::Json(json(body)?),
            BodyType::Form => {
                let form = json(body)?;
                let fields = if let Json::Object(fields) = &form { fields.as_slice() } else { &[] };
                let deep =
                    fields.iter().filter(|(_, value)| styles.is_deep(value)).map(|(name, _)| name.clone()).collect();
                Self::Form(form, deep)
            }
            BodyType::Text => Self::Text(json(body)?),
            BodyType::Multipart => Self::Multipart(Multipart::compile(body, properties)?),
            BodyType::Binary => Self::Binary(encoded(body, properties)?.ok_or(
                "a binary body is one placeholder that names a string parameter with `contentEncoding: base64`",
            )?),
        })
    }

    /// Its type and bytes; `None` if it was left out.
    pub fn encode(&self, values: &Values<'_>) -> Result<Option<(HeaderValue, Bytes)>, String> {
        let render = |json: &Json| json.render(|name| values.get(name));
        let (media_type, bytes) = match self {
            Self::Multipart(multipart) => return multipart.encode(values),
            Self::Binary(Encoded { name, media_type }) => {
                let Some(value) = values.get(name) else { return Ok(None) };
                let media_type = media_type.as_deref().unwrap_or("application/octet-stream");
                let media_type = HeaderValue::try_from(media_type);
                let media_type = media_type.map_err(|_| format!("`contentMediaType` of `{name}` is no media type"))?;
                return Ok(Some((media_type, decode(name, &value)?.into())));
            }
            Self::Json(body) => {
                let Some(body) = render(body) else { return Ok(None) };
                ("application/json", serde_json::to_vec(&body).expect("a JSON value can be written"))
            }
            Self::Text(body) => {
                let Some(body) = render(body) else { return Ok(None) };
                ("text/plain; charset=utf-8", plain(&body).into_bytes())
            }
            Self::Form(body, deep) => {
                let Some(body) = render(body) else { return Ok(None) };
                ("application/x-www-form-urlencoded", form(&body, deep)?.into_bytes())
            }
        };
        check_size(bytes.len())?;
        Ok(Some((HeaderValue::from_static(media_type), bytes.into())))
    }

    /// Its type belongs to how it is written, and is not the author's to choose.
    #[must_use]
    pub fn types_itself(&self) -> bool {
        matches!(self, Self::Multipart(_))
    }
}

fn form(body: &Value, deep: &[String]) -> Result<String, String> {
    let Value::Object(fields) = body else { return Err("a form body must be an object".to_owned()) };
    let mut pairs = Vec::new();
    for (name, value) in fields {
        style::pairs(name, value, deep.contains(name), &mut pairs);
    }
    Ok(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
}

/// The argument that `value` names and nothing else, if its schema, or that of its items, says that it is base64.
pub fn encoded(value: &Value, properties: &Map<String, Value>) -> Result<Option<Encoded>, String> {
    let Value::String(text) = value else { return Ok(None) };
    let text = Text::parse(text).map_err(|problem| problem.to_string())?;
    let Some(name) = text.whole().map(|placeholder| placeholder.name.clone()) else { return Ok(None) };
    let Some(property) = properties.get(&name) else { return Ok(None) };
    let word = |schema: &Value, keyword: &str| schema.get(keyword).and_then(Value::as_str).map(str::to_owned);
    let of = |schema: &Value| {
        let is_base64 = word(schema, "contentEncoding").as_deref() == Some("base64");
        is_base64.then(|| word(schema, "contentMediaType"))
    };
    let media_type = of(property).or_else(|| property.get("items").and_then(of));
    Ok(media_type.map(|media_type| Encoded { name, media_type }))
}

pub fn decode(name: &str, value: &Value) -> Result<Vec<u8>, String> {
    let text = value.as_str().ok_or_else(|| format!("`{name}` must be base64 text"))?;
    let bytes =
        BASE64.decode(text).map_err(|_| format!("`{name}` is not base64 (A-Z, a-z, 0-9, + and /, in one line)"))?;
    check_size(bytes.len())?;
    Ok(bytes)
}

pub fn check_size(bytes: usize) -> Result<(), String> {
    if bytes <= MOST_BYTES { Ok(()) } else { Err(format!("the body of the request has more than {MOST_BYTES} bytes")) }
}

pub fn json(value: &Value) -> Result<Json, String> {
    Json::parse(value).map_err(|problem: template::Problem| problem.to_string())
}

/// A value as text, without quotes around what is text.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
