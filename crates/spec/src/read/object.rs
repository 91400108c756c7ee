//! One declaration per part of the language gives four things: the type, its strict reader, its canonical writer and its
//! JSON Schema. What a field is called, what it may hold and what stands when it is left out is thus said once.
//!
//! Three shapes: [`object!`] (named fields), [`tagged!`] (one of several objects, told apart by a field such as `type`) and
//! [`keyed!`] (one of several keys, such as the kinds of a tool). [`words!`] makes closed sets of words.

use serde_json::{Map, Value};

use super::{Fields, Reader};
use crate::{
    Code, Node,
    path::Path,
    schema_of_language::{Schemas, Shape},
};

/// Something a value of the spec can be.
pub(crate) trait Field: Sized {
    /// The value, or `None` when it is unusable, which has been reported then.
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self>;

    /// The canonical form.
    fn write(&self) -> Value;

    fn schema(schemas: &mut Schemas) -> Value;

    /// What stands where the field is left out; `None`: it is required.
    fn absent() -> Option<Self> {
        None
    }

    fn is_absent(&self) -> bool {
        false
    }

    /// What stands for an unusable value (already reported), so that everything else is still checked.
    fn stand_in() -> Option<Self> {
        Self::absent()
    }
}

/// A mapping with known fields, or a part of one.
pub(crate) trait Object: Sized {
    const NAME: &'static str;
    const ABOUT: &'static [&'static str];

    fn read_fields(fields: &mut Fields<'_>, reader: &mut Reader) -> Option<Self>;
    fn write_fields(&self, out: &mut Map<String, Value>);
    fn describe(shape: &mut Shape, schemas: &mut Schemas);
}

impl<T: Object> Field for T {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        let mut fields = Fields::open(node, at, reader)?;
        let object = T::read_fields(&mut fields, reader);
        fields.close(reader);
        object
    }

    fn write(&self) -> Value {
        let mut out = Map::new();
        self.write_fields(&mut out);
        Value::Object(out)
    }

    fn schema(schemas: &mut Schemas) -> Value {
        schemas.object::<T>()
    }
}

/// Writes a field, unless it says what its absence says.
pub(crate) fn put<T: Field + PartialEq>(
    out: &mut Map<String, Value>,
    key: &str,
    value: &T,
    default: Option<fn() -> T>,
) {
    let left_out = match default {
        Some(default) => *value == default(),
        None => value.is_absent(),
    };
    if !left_out {
        out.insert(super::fields::camel_case(key), value.write());
    }
}

/// The code for a required field that is not there.
pub(crate) const MISSING: Code = Code::Missing;

macro_rules! object {
    (
        $(#[doc = $about:literal])*
        $(#[derive($derive:ident)])?
        pub struct $name:ident $(else $missing:ident)? {
            $(
                $(#[doc = $doc:literal])*
                $field:ident $(as $key:literal)? : $ty:ty $(= $default:expr)?
            ),*
            $(; ..$flat:ident : $flat_ty:ty)*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq $(, $derive)?)]
        pub struct $name {
            $($(#[doc = $doc])* pub $field: $ty,)*
            $(pub $flat: $flat_ty,)*
        }

        impl $crate::read::Object for $name {
            const NAME: &'static str = stringify!($name);
            const ABOUT: &'static [&'static str] = &[$($about),*];

            #[allow(unused_variables)]
            fn read_fields(fields: &mut $crate::read::Fields<'_>, reader: &mut $crate::read::Reader) -> Option<Self> {
                #[allow(unused_mut, unused_assignments)]
                let mut missing = $crate::read::MISSING;
                $(missing = $crate::Code::$missing;)?
                $(let $field = fields.read::<$ty>(
                    reader, $crate::read::object!(@key $field $($key)?), missing, $crate::read::object!(@default $($default)?),
                );)*
                $(let $flat = <$flat_ty as $crate::read::Object>::read_fields(fields, reader);)*
                Some(Self { $($field: $field?,)* $($flat: $flat?,)* })
            }

            #[allow(unused_variables)]
            fn write_fields(&self, out: &mut serde_json::Map<String, serde_json::Value>) {
                $($crate::read::put::<$ty>(
                    out, $crate::read::object!(@key $field $($key)?), &self.$field, $crate::read::object!(@default $($default)?),
                );)*
                $($crate::read::Object::write_fields(&self.$flat, out);)*
            }

            #[allow(unused_variables)]
            fn describe(
                shape: &mut $crate::schema_of_language::Shape, schemas: &mut $crate::schema_of_language::Schemas,
            ) {
                $(shape.field::<$ty>(
                    schemas, $crate::read::object!(@key $field $($key)?), &[$($doc),*],
                    $crate::read::object!(@default $($default)?),
                );)*
                $(<$flat_ty as $crate::read::Object>::describe(shape, schemas);)*
            }
        }
    };
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
    (@default) => { None };
    (@default $default:expr) => { Some(|| $default) };
}

macro_rules! tagged {
    (
        $(#[doc = $about:literal])*
        pub enum $name:ident by $tag:literal {
            $($(#[doc = $doc:literal])* $variant:ident $(($ty:ty))? = $word:literal),* $(,)?
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $name {
            $($(#[doc = $doc])* $variant $(($ty))?,)*
        }

        impl $name {
            /// Every word that the deciding field knows.
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            /// The word of the deciding field.
            #[must_use]
            pub fn word(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $word,)* }
            }
        }

        impl $crate::read::Object for $name {
            const NAME: &'static str = stringify!($name);
            const ABOUT: &'static [&'static str] = &[$($about),*];

            fn read_fields(fields: &mut $crate::read::Fields<'_>, reader: &mut $crate::read::Reader) -> Option<Self> {
                let word = fields.tag(reader, $tag, Self::WORDS)?;
                match word {
                    $($word => Some(Self::$variant $((<$ty as $crate::read::Object>::read_fields(fields, reader)?))?),)*
                    _ => None,
                }
            }

            fn write_fields(&self, out: &mut serde_json::Map<String, serde_json::Value>) {
                out.insert($tag.to_owned(), self.word().into());
                $($(if let Self::$variant(inner) = self {
                    <$ty as $crate::read::Object>::write_fields(inner, out);
                })?)*
            }

            fn describe(
                shape: &mut $crate::schema_of_language::Shape, schemas: &mut $crate::schema_of_language::Schemas,
            ) {
                $({
                    let alternative = shape.alternative($tag, $word, &[$($doc),*]);
                    let _ = &alternative;
                    $(<$ty as $crate::read::Object>::describe(alternative, schemas);)?
                })*
                let _ = schemas;
            }
        }
    };
}

macro_rules! keyed {
    (
        $(#[doc = $about:literal])*
        pub enum $name:ident else $several:ident {
            $($(#[doc = $doc:literal])* $variant:ident($ty:ty) = $key:literal),* $(,)?
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $name {
            $($(#[doc = $doc])* $variant($ty),)*
        }

        impl $name {
            /// Every key there is.
            pub const KEYS: &'static [&'static str] = &[$($key),*];

            /// The key under which it stands.
            #[must_use]
            pub fn key(&self) -> &'static str {
                match self { $(Self::$variant(_) => $key,)* }
            }

            /// The canonical form of what stands under the key.
            pub(crate) fn write_value(&self) -> serde_json::Value {
                match self { $(Self::$variant(inner) => $crate::read::Field::write(inner),)* }
            }
        }

        impl $crate::read::Object for Option<$name> {
            const NAME: &'static str = stringify!($name);
            const ABOUT: &'static [&'static str] = &[$($about),*];

            fn read_fields(fields: &mut $crate::read::Fields<'_>, reader: &mut $crate::read::Reader) -> Option<Self> {
                let mut found = None;
                let mut first: Option<&str> = None;
                $(if let Some((node, at)) = fields.take(reader, $key) {
                    let first = *first.get_or_insert($key);
                    if first != $key {
                        reader.report(
                            $crate::Code::$several, node.span, &at,
                            format!("`{}` stands beside `{first}`, and only one of them can be there", $key), None,
                        );
                    }
                    let read = <$ty as $crate::read::Field>::read(node, &at, reader).map($name::$variant);
                    found = found.or(read);
                })*
                Some(found)
            }

            fn write_fields(&self, out: &mut serde_json::Map<String, serde_json::Value>) {
                if let Some(kind) = self {
                    out.insert(kind.key().to_owned(), kind.write_value());
                }
            }

            fn describe(
                shape: &mut $crate::schema_of_language::Shape, schemas: &mut $crate::schema_of_language::Schemas,
            ) {
                $(shape.optional::<$ty>(schemas, $key, &[$($doc),*]);)*
            }
        }
    };
}

macro_rules! words {
    (
        $(#[doc = $about:literal])*
        pub enum $name:ident {
            $($(#[doc = $doc:literal])* $variant:ident = $word:literal),* $(,)?
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[doc = $doc])* $variant,)*
        }

        impl $name {
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::read::Field for $name {
            fn read(node: &$crate::Node, at: &$crate::path::Path, reader: &mut $crate::read::Reader) -> Option<Self> {
                match reader.word(node, at, Self::WORDS)? {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }

            fn write(&self) -> serde_json::Value {
                self.as_str().into()
            }

            fn schema(_: &mut $crate::schema_of_language::Schemas) -> serde_json::Value {
                serde_json::json!({ "enum": Self::WORDS })
            }
        }
    };
}

pub(crate) use {keyed, object, tagged, words};
