//! `multipart/form-data` (RFC 7578). Names, file names and types are checked and escaped: whatever a caller sends stays in
//! its part.

use std::fmt::Write as _;

use bytes::Bytes;
use http::HeaderValue;
use mcp_factory_spec::template::{Json, Text};
use mime::Mime;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::body::{self, Encoded};
use crate::values::Values;

/// The fields of a form, each of one part or several.
#[derive(Debug)]
pub enum Multipart {
    Fields(Vec<(String, Part)>),
    /// An argument that holds them all.
    Argument(Json),
}

#[derive(Debug)]
pub struct Part {
    content: Content,
    filename: Option<Text>,
    content_type: Option<Text>,
}

#[derive(Debug)]
enum Content {
    Value(Json),
    /// The argument of this name, decoded.
    Bytes {
        name: String,
        media_type: Option<String>,
    },
    /// Several parts of one name.
    Several(Vec<Part>),
}

/// What describes a part in a spec, beside `content`.
const PART: [&str; 3] = ["content", "filename", "contentType"];

impl Multipart {
    pub fn compile(body: &Value, properties: &Map<String, Value>) -> Result<Self, String> {
        match body {
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| Ok((name.clone(), Part::compile(value, properties)?)));
                Ok(Self::Fields(fields.collect::<Result<_, String>>()?))
            }
            whole => Ok(Self::Argument(body::json(whole)?)),
        }
    }

    pub fn encode(&self, values: &Values<'_>) -> Result<Option<(HeaderValue, Bytes)>, String> {
        let mut form = Form::default();
        match self {
            Self::Fields(fields) => {
                for (name, part) in fields {
                    part.write(name, values, &mut form)?;
                }
            }
            Self::Argument(argument) => match argument.render(|name| values.get(name)) {
                None => return Ok(None),
                Some(Value::Object(fields)) => {
                    for (name, value) in &fields {
                        form.value(name, value, None, None)?;
                    }
                }
                Some(_) => return Err("a multipart body must be an object of its fields".to_owned()),
            },
        }
        form.finish().map(Some)
    }
}

impl Part {
    fn compile(value: &Value, properties: &Map<String, Value>) -> Result<Self, String> {
        let text = |text: &Value, what: &str| {
            let text = text.as_str().ok_or_else(|| format!("`{what}` of a part is a text"))?;
            Text::parse(text).map_err(|problem| problem.to_string())
        };
        if let Value::Object(fields) = value
            && let Some(content) = fields.get("content")
            && fields.keys().all(|key| PART.contains(&key.as_str()))
        {
            return Ok(Self {
                content: Content::compile(content, properties)?,
                filename: fields.get("filename").map(|name| text(name, "filename")).transpose()?,
                content_type: fields.get("contentType").map(|kind| text(kind, "contentType")).transpose()?,
            });
        }
        Ok(Self { content: Content::compile(value, properties)?, filename: None, content_type: None })
    }

    fn write(&self, name: &str, values: &Values<'_>, form: &mut Form) -> Result<(), String> {
        let header = |text: &Option<Text>| match text {
            Some(text) => text.header(|name| values.get(name)).map_err(|problem| problem.to_string()),
            None => Ok(None),
        };
        let (filename, content_type) = (header(&self.filename)?, header(&self.content_type)?);
        match &self.content {
            Content::Several(parts) => parts.iter().try_for_each(|part| part.write(name, values, form)),
            Content::Value(json) => match json.render(|name| values.get(name)) {
                Some(value) => form.value(name, &value, filename.as_deref(), content_type.as_deref()),
                None => Ok(()),
            },
            Content::Bytes { name: argument, media_type } => {
                let Some(value) = values.get(argument) else { return Ok(()) };
                let content_type = content_type.as_deref().or(media_type.as_deref());
                let content_type = content_type.unwrap_or("application/octet-stream");
                let many = match &*value {
                    Value::Array(items) => items.as_slice(),
                    one => std::slice::from_ref(one),
                };
                for item in many {
                    let bytes = body::decode(argument, item)?;
                    // Many servers take only what has a file name for a file.
                    form.part(name, &bytes, Some(filename.as_deref().unwrap_or(name)), Some(content_type))?;
                }
                Ok(())
            }
        }
    }
}

impl Content {
    fn compile(value: &Value, properties: &Map<String, Value>) -> Result<Self, String> {
        if let Some(Encoded { name, media_type }) = body::encoded(value, properties)? {
            return Ok(Self::Bytes { name, media_type });
        }
        match value {
            Value::Array(items) => {
                let parts = items.iter().map(|item| Part::compile(item, properties));
                Ok(Self::Several(parts.collect::<Result<_, _>>()?))
            }
            value => Ok(Self::Value(body::json(value)?)),
        }
    }
}

/// Parts as they are written; the boundary is made of them, so that none can hold it.
#[derive(Debug, Default)]
struct Form {
    parts: Vec<(String, Vec<u8>)>,
    bytes: usize,
}

impl Form {
    /// Text and numbers as they read, an array as several parts, an object as JSON.
    fn value(
        &mut self,
        name: &str,
        value: &Value,
        filename: Option<&str>,
        content_type: Option<&str>,
    ) -> Result<(), String> {
        match value {
            Value::Null => Ok(()),
            Value::Array(items) => items.iter().try_for_each(|item| self.value(name, item, filename, content_type)),
            Value::Object(_) => {
                let json = value.to_string();
                self.part(name, json.as_bytes(), filename, Some(content_type.unwrap_or("application/json")))
            }
            value => self.part(name, body::plain(value).as_bytes(), filename, content_type),
        }
    }

    fn part(
        &mut self,
        name: &str,
        content: &[u8],
        filename: Option<&str>,
        content_type: Option<&str>,
    ) -> Result<(), String> {
        let mut head = format!("Content-Disposition: form-data; name=\"{}\"", quoted(name, "the name of a part")?);
        if let Some(filename) = filename {
            if filename.contains(['/', '\\']) || filename.is_empty() || matches!(filename, "." | "..") {
                return Err(format!("`{}` is not the name of a file", shown(filename)));
            }
            let _ = write!(head, "; filename=\"{}\"", quoted(filename, "a file name")?);
        }
        if let Some(content_type) = content_type {
            let media: Mime =
                content_type.parse().map_err(|_| format!("`{}` is no content type", shown(content_type)))?;
            let _ = write!(head, "\r\nContent-Type: {media}");
        }
        self.bytes += head.len() + content.len();
        body::check_size(self.bytes)?;
        self.parts.push((head, content.to_vec()));
        Ok(())
    }

    fn finish(self) -> Result<(HeaderValue, Bytes), String> {
        let mut hash = Sha256::new();
        for (head, content) in &self.parts {
            hash.update(head);
            hash.update(content);
        }
        let boundary: String = hash.finalize().iter().take(20).map(|byte| format!("{byte:02x}")).collect();
        let mut out = Vec::with_capacity(self.bytes + (self.parts.len() + 1) * (boundary.len() + 8));
        for (head, content) in &self.parts {
            out.extend_from_slice(format!("--{boundary}\r\n{head}\r\n\r\n").as_bytes());
            out.extend_from_slice(content);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        let media_type = HeaderValue::try_from(format!("multipart/form-data; boundary={boundary}"));
        Ok((media_type.expect("hexadecimal digits can stand in a header"), out.into()))
    }
}

/// Between the quotes of a parameter. What browsers escape is escaped as they do; a backslash too, which some readers take
/// for an escape.
fn quoted(text: &str, what: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err(format!("`{}` can't be {what}: it has a line break or another control character", shown(text)));
    }
    Ok(text.replace('"', "%22").replace('\\', "%5C"))
}

fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_default).collect()
}
