//! Readers for what holds other things: options, lists, maps.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::{Field, Reader};
use crate::{Code, Node, NodeValue, Span, path::Path, schema_of_language::Schemas};

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
    fn read_key(key: &str, span: Span, at: &Path, reader: &mut Reader) -> Option<Self>;

    /// What the JSON Schema says of the keys.
    fn key_schema() -> Option<Value> {
        None
    }
}

impl Key for String {
    fn read_key(key: &str, span: Span, at: &Path, reader: &mut Reader) -> Option<Self> {
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
