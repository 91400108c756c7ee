//! Answers that are always the same.

use serde_json::{Map, Value};

use crate::{
    Code,
    read::{Field, Fields, Object, Reader, put},
    schema_of_language::{Schemas, Shape},
};

/// An answer that is always the same. It has no placeholders.
#[derive(Debug, Clone, PartialEq)]
pub enum Static {
    Text(String),
    Json(Value),
    /// A file that is a picture.
    Image {
        file: String,
        mime_type: String,
    },
    /// A file that is a sound.
    Audio {
        file: String,
        mime_type: String,
    },
    /// The `uri` of a resource of this server.
    Resource(String),
}

const KEYS: [&str; 5] = ["text", "json", "image", "audio", "resource"];

impl Object for Static {
    const NAME: &'static str = "Static";
    const ABOUT: &'static [&'static str] = &[" An answer that is always the same. It has no placeholders."];

    fn read_fields(fields: &mut Fields<'_>, reader: &mut Reader) -> Option<Self> {
        let found: Vec<_> = KEYS.into_iter().filter_map(|key| Some((key, fields.take(reader, key)?))).collect();
        let mime_type = fields.take(reader, "mime_type");
        let Some((key, (node, at))) = found.first() else {
            let message = format!("a static answer needs one of {}", crate::read::list(&KEYS));
            reader.report(Code::Missing, fields.span(), fields.at(), message, None);
            return None;
        };
        for (other, (node, at)) in &found[1..] {
            reader.report(
                Code::Conflict,
                node.span,
                at,
                format!("`{other}` stands beside `{key}`: one answer only"),
                None,
            );
        }
        let is_file = matches!(*key, "image" | "audio");
        if let (Some((node, at)), false) = (&mime_type, is_file) {
            reader.report(Code::Conflict, node.span, at, format!("`mimeType` says nothing beside `{key}`"), None);
        }
        if *key == "json" {
            return Some(Self::Json(node.to_json()));
        }
        let text = String::read(node, at, reader)?;
        if !is_file {
            return Some(if *key == "text" { Self::Text(text) } else { Self::Resource(text) });
        }
        let Some((node, at)) = mime_type else {
            fields.missing(reader, "mime_type", Code::Missing);
            return None;
        };
        let (file, mime_type) = (text, String::read(node, &at, reader)?);
        Some(if *key == "image" { Self::Image { file, mime_type } } else { Self::Audio { file, mime_type } })
    }

    fn write_fields(&self, out: &mut Map<String, Value>) {
        match self {
            Self::Text(text) => put(out, "text", text, None),
            Self::Json(value) => put(out, "json", value, None),
            Self::Resource(uri) => put(out, "resource", uri, None),
            Self::Image { file, mime_type } | Self::Audio { file, mime_type } => {
                put(out, if matches!(self, Self::Image { .. }) { "image" } else { "audio" }, file, None);
                put(out, "mime_type", mime_type, None);
            }
        }
    }

    fn describe(shape: &mut Shape, schemas: &mut Schemas) {
        shape.branch().field::<String>(schemas, "text", &["The text."], None);
        shape.branch().field::<Value>(schemas, "json", &["The value."], None);
        for (key, about) in [("image", "A file that is a picture."), ("audio", "A file that is a sound.")] {
            let branch = shape.branch();
            branch.field::<String>(schemas, key, &[about], None);
            branch.field::<String>(schemas, "mime_type", &["What the file is, such as `image/png`."], None);
        }
        shape.branch().field::<String>(schemas, "resource", &["The `uri` of a resource of this server."], None);
    }
}
