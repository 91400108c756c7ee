//! Newtypes over text: names that were checked once, and types with a written form of their own.

/// A name people give: a newtype over text that was checked once.
macro_rules! name {
    ($(#[doc = $doc:literal])* pub struct $name:ident, $what:literal: $form:literal, $pattern:literal, $valid:expr;) => {
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
                let text = reader.text(node, at, $what)?;
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
                    let message = if key.is_empty() {
                        concat!($what, " is empty").to_owned()
                    } else {
                        format!(concat!("`{}` can't be ", $what), key)
                    };
                    reader.report($crate::Code::Name, span, at, message, Some(concat!("expected ", $form).to_owned()));
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
