//! Readers for single values: texts, numbers, JSON.

use std::num::{NonZeroU32, NonZeroU64};

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
