//! Readers for what is no object: texts, numbers, lists, maps, names, and types with a written form of their own.

use std::num::{NonZeroU32, NonZeroU64};

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::{Field, Reader};
use crate::{Code, Node, NodeValue, path::Path, schema_of_language::Schemas};

impl Field for String {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        reader.text(node, at, "text").map(str::to_owned)
    }

    fn write(&self) -> Value {
        self.as_str().into()
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "string" })
    }

    fn stand_in() -> Option<Self> {
        Some(String::new())
    }
}

impl Field for bool {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        match node.value {
            NodeValue::Bool(value) => Some(value),
            _ => {
                reader.wrong_type(node, at, "`true` or `false`");
                None
            }
        }
    }

    fn write(&self) -> Value {
        (*self).into()
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "boolean" })
    }
}

/// A whole number; what the number has to be is said when it is not.
fn whole(node: &Node, at: &Path, reader: &mut Reader, most: u64) -> Option<u64> {
    let NodeValue::Number(number, text) = &node.value else {
        reader.wrong_type(node, at, "a whole number");
        return None;
    };
    match number.as_u64() {
        Some(0) => {
            let help = "leave it out for the default".to_owned();
            reader.report(Code::Range, node.span, at, "0 is no limit that can be kept".to_owned(), Some(help));
            None
        }
        Some(number) if number <= most => Some(number),
        _ => {
            let message = format!("`{text}` is not a whole number from 1 to {most}");
            reader.report(Code::Range, node.span, at, message, None);
            None
        }
    }
}

macro_rules! whole {
    ($($number:ty: $most:expr, $primitive:ty;)*) => {
        $(impl Field for $number {
            fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
                let number = whole(node, at, reader, $most)?;
                <$primitive>::try_from(number).ok().and_then(Self::new)
            }

            fn write(&self) -> Value {
                self.get().into()
            }

            fn schema(_: &mut Schemas) -> Value {
                json!({ "type": "integer", "minimum": 1 })
            }
        })*
    };
}

whole! {
    NonZeroU32: u64::from(u32::MAX), u32;
    NonZeroU64: i64::MAX as u64, u64;
}

impl Field for f64 {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        let NodeValue::Number(number, text) = &node.value else {
            reader.wrong_type(node, at, "a number");
            return None;
        };
        match number.as_f64() {
            Some(number) if number.is_finite() && number > 0.0 => Some(number),
            _ => {
                reader.report(Code::Range, node.span, at, format!("`{text}` is not above 0"), None);
                None
            }
        }
    }

    fn write(&self) -> Value {
        (*self).into()
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "number", "exclusiveMinimum": 0 })
    }
}

impl Field for Value {
    fn read(node: &Node, _: &Path, _: &mut Reader) -> Option<Self> {
        Some(node.to_json())
    }

    fn write(&self) -> Value {
        self.clone()
    }

    fn schema(_: &mut Schemas) -> Value {
        Value::Bool(true)
    }
}

impl Field for Map<String, Value> {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        match node.to_json() {
            Value::Object(map) => Some(map),
            _ => {
                reader.wrong_type(node, at, "a mapping");
                None
            }
        }
    }

    fn write(&self) -> Value {
        Value::Object(self.clone())
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "object" })
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl<T: Field> Field for Option<T> {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        T::read(node, at, reader).map(Some)
    }

    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Null, Field::write)
    }

    fn schema(schemas: &mut Schemas) -> Value {
        T::schema(schemas)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: Field> Field for Vec<T> {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        let NodeValue::Sequence(items) = &node.value else {
            reader.wrong_type(node, at, "a list");
            return None;
        };
        let mut read = Vec::with_capacity(items.len());
        let mut places = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            if let Some(item) = T::read(item, &at.index(index), reader) {
                read.push(item);
                places.push(index);
            }
        }
        if places.len() < items.len() {
            reader.places(at, places);
        }
        Some(read)
    }

    fn write(&self) -> Value {
        self.iter().map(Field::write).collect()
    }

    fn schema(schemas: &mut Schemas) -> Value {
        json!({ "type": "array", "items": T::schema(schemas) })
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

/// What can be the key of a map.
pub(crate) trait Key: Sized + Eq + std::hash::Hash + AsRef<str> {
    fn read_key(key: &str, span: crate::Span, at: &Path, reader: &mut Reader) -> Option<Self>;

    /// What the JSON Schema says of the keys.
    fn key_schema() -> Option<Value> {
        None
    }
}

impl Key for String {
    fn read_key(key: &str, span: crate::Span, at: &Path, reader: &mut Reader) -> Option<Self> {
        if key.is_empty() {
            reader.report(Code::Missing, span, at, "the key is empty".to_owned(), None);
            return None;
        }
        Some(key.to_owned())
    }
}

impl<K: Key, T: Field> Field for IndexMap<K, T> {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        let NodeValue::Mapping(entries) = &node.value else {
            reader.wrong_type(node, at, "a mapping");
            return None;
        };
        let mut read = Self::with_capacity(entries.len());
        for entry in entries {
            let at = at.key(&entry.key);
            let key = K::read_key(&entry.key, entry.key_span, &at, reader);
            let value = T::read(&entry.value, &at, reader);
            if let (Some(key), Some(value)) = (key, value) {
                read.insert(key, value);
            }
        }
        Some(read)
    }

    fn write(&self) -> Value {
        Value::Object(self.iter().map(|(key, value)| (key.as_ref().to_owned(), value.write())).collect())
    }

    fn schema(schemas: &mut Schemas) -> Value {
        let mut schema = json!({ "type": "object", "additionalProperties": T::schema(schemas) });
        if let Some(keys) = K::key_schema() {
            schema["propertyNames"] = keys;
        }
        schema
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

/// A name people give: a newtype over text that was checked once.
macro_rules! name {
    ($(#[doc = $doc:literal])* pub struct $name:ident: $pattern:literal, $valid:expr;) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// What such a name looks like.
            pub const PATTERN: &'static str = $pattern;

            /// The name, if it is one.
            #[must_use]
            pub fn new(name: &str) -> Option<Self> {
                let valid: fn(&str) -> bool = $valid;
                valid(name).then(|| Self(name.into()))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether it stands for a name that could not be read (which has been reported).
            #[allow(dead_code)]
            pub(crate) fn is_stand_in(&self) -> bool {
                self.0.is_empty()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }

        impl $crate::read::Field for $name {
            fn read(node: &$crate::Node, at: &$crate::path::Path, reader: &mut $crate::read::Reader) -> Option<Self> {
                let text = reader.text(node, at, "a name")?;
                <Self as $crate::read::Key>::read_key(text, node.span, at, reader)
            }

            fn write(&self) -> serde_json::Value {
                self.as_str().into()
            }

            fn schema(_: &mut $crate::schema_of_language::Schemas) -> serde_json::Value {
                serde_json::json!({ "type": "string", "pattern": Self::PATTERN })
            }

            fn stand_in() -> Option<Self> {
                Some(Self("".into()))
            }
        }

        impl $crate::read::Key for $name {
            fn read_key(
                key: &str, span: $crate::Span, at: &$crate::path::Path, reader: &mut $crate::read::Reader,
            ) -> Option<Self> {
                let name = Self::new(key);
                if name.is_none() {
                    let message = format!("`{key}` is not a name that can be used here");
                    reader.report($crate::Code::Name, span, at, message, Some(format!("expected {}", Self::PATTERN)));
                }
                name
            }

            fn key_schema() -> Option<serde_json::Value> {
                Some(serde_json::json!({ "pattern": Self::PATTERN }))
            }
        }
    };
}

/// A type with a written form: `FromStr` reads it, `Display` writes it.
macro_rules! parsed {
    ($($ty:ty: $code:ident, $expected:literal, $schema:tt;)*) => {
        $(impl $crate::read::Field for $ty {
            fn read(node: &$crate::Node, at: &$crate::path::Path, reader: &mut $crate::read::Reader) -> Option<Self> {
                let $crate::NodeValue::String(text) = &node.value else {
                    let code = if matches!(node.value, $crate::NodeValue::Number(..)) {
                        $crate::Code::$code
                    } else {
                        $crate::Code::Type
                    };
                    let message = format!("expected {}, found {}", $expected, $crate::read::kind_of(node));
                    reader.report(code, node.span, at, message, $crate::read::unquoted_placeholder(node));
                    return None;
                };
                match text.parse::<$ty>() {
                    Ok(value) => Some(value),
                    Err(error) => {
                        let help = Some(format!("expected {}", $expected));
                        reader.report($crate::Code::$code, node.span, at, format!("`{text}`: {error}"), help);
                        None
                    }
                }
            }

            fn write(&self) -> serde_json::Value {
                self.to_string().into()
            }

            fn schema(_: &mut $crate::schema_of_language::Schemas) -> serde_json::Value {
                serde_json::json!($schema)
            }
        })*
    };
}

/// A number with a unit: `FromStr` reads it, `Display` writes it, zero is out of range.
macro_rules! quantity {
    ($($ty:ty: $code:ident, $expected:literal, $pattern:literal;)*) => {
        $(impl $crate::read::Field for $ty {
            fn read(node: &$crate::Node, at: &$crate::path::Path, reader: &mut $crate::read::Reader) -> Option<Self> {
                let (code, message) = match &node.value {
                    $crate::NodeValue::String(text) => match text.parse::<$ty>() {
                        Ok(value) => return Some(value),
                        Err(error @ (QuantityError::Zero | QuantityError::Order)) => {
                            ($crate::Code::Range, format!("`{text}`: {error}"))
                        }
                        Err(error) => ($crate::Code::$code, format!("`{text}`: {error}")),
                    },
                    $crate::NodeValue::Number(_, text) => ($crate::Code::$code, format!("`{text}` has no unit")),
                    _ => ($crate::Code::Type, format!("expected {}, found {}", $expected, $crate::read::kind_of(node))),
                };
                let help = (code == $crate::Code::$code).then(|| format!("expected {}", $expected));
                reader.report(code, node.span, at, message, help);
                None
            }

            fn write(&self) -> serde_json::Value {
                self.to_string().into()
            }

            fn schema(_: &mut $crate::schema_of_language::Schemas) -> serde_json::Value {
                serde_json::json!({ "type": "string", "pattern": $pattern })
            }
        })*
    };
}

pub(crate) use {name, parsed, quantity};
