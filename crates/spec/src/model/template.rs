//! Texts and values in which placeholders may stand. What they name, and what an argument that was left out does to them, is
//! settled when the spec is checked; [`crate::template`] takes them apart.

use std::{fmt, ops::Deref};

use serde_json::{Value, json};

use crate::{
    Code, Node,
    path::Path,
    read::{Field, Reader},
    schema_of_language::Schemas,
};

/// Text such as `/customers/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct TextTemplate(pub String);

impl Deref for TextTemplate {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TextTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Field for TextTemplate {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        reader.text(node, at, "text").map(|text| Self(text.to_owned()))
    }

    fn write(&self) -> Value {
        self.0.as_str().into()
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "string" })
    }

    fn stand_in() -> Option<Self> {
        Some(Self::default())
    }
}

/// A JSON value in whose texts placeholders may stand; `"{name}"` alone keeps the type of the argument.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ValueTemplate(pub Value);

impl Deref for ValueTemplate {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl Field for ValueTemplate {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        reader.unquoted_placeholders(node, at);
        Some(Self(node.to_json()))
    }

    fn write(&self) -> Value {
        self.0.clone()
    }

    fn schema(_: &mut Schemas) -> Value {
        Value::Bool(true)
    }
}

/// A JSON pointer such as `/data/0`, which selects a part of an answer. The empty one selects all of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pointer(String);

impl Pointer {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Field for Pointer {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        let text = reader.text(node, at, "a JSON pointer")?;
        let begins = text.is_empty() || text.starts_with('/');
        let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if begins && escapes {
            return Some(Self(text.to_owned()));
        }
        let (message, help) = if begins {
            (format!("`{text}` has a `~` that escapes nothing"), "write `~0` for `~` and `~1` for `/`".to_owned())
        } else {
            (format!("the JSON pointer `{text}` does not begin with `/`"), format!("write `/{text}`"))
        };
        reader.report(Code::Pointer, node.span, at, message, Some(help));
        None
    }

    fn write(&self) -> Value {
        self.0.as_str().into()
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "string", "pattern": "^(/([^~]|~[01])*)?$" })
    }
}
