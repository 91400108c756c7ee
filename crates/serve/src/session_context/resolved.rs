//! A context as factories, tools and keys of servers know it.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// A resolved context. Two are the same where all of it is, in whatever order it was written. Empty, it costs nothing.
#[derive(Clone, Default)]
pub struct SessionContext(Option<Arc<Resolved>>);

struct Resolved {
    values: Map<String, Value>,
    /// Of all of it: a part of a context would have others share a server (S3-75).
    digest: [u8; 32],
}

static EMPTY: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

impl SessionContext {
    #[must_use]
    pub fn new(values: Map<String, Value>) -> Self {
        if values.is_empty() {
            return Self(None);
        }
        let mut hash = Sha256::new();
        object(&values, &mut hash);
        Self(Some(Arc::new(Resolved { digest: hash.finalize().into(), values })))
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.as_ref()?.values.get(key)
    }

    #[must_use]
    pub fn map(&self) -> &Map<String, Value> {
        self.0.as_ref().map_or(&EMPTY, |resolved| &resolved.values)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn digest(&self) -> Option<&[u8; 32]> {
        self.0.as_ref().map(|resolved| &resolved.digest)
    }
}

/// Keys in their order, and everything with its length or end, so that no two values are the same text.
fn object(values: &Map<String, Value>, hash: &mut Sha256) {
    let mut keys: Vec<&String> = values.keys().collect();
    keys.sort_unstable();
    hash.update(b"{");
    for key in keys {
        text(key, hash);
        value(&values[key], hash);
    }
    hash.update(b"}");
}

fn value(of: &Value, hash: &mut Sha256) {
    match of {
        Value::Object(values) => object(values, hash),
        Value::Array(items) => {
            hash.update(b"[");
            items.iter().for_each(|item| value(item, hash));
            hash.update(b"]");
        }
        Value::String(of) => text(of, hash),
        Value::Null => hash.update(b"n"),
        Value::Bool(true) => hash.update(b"t"),
        Value::Bool(false) => hash.update(b"f"),
        Value::Number(number) => {
            hash.update(b"#");
            text(&number.to_string(), hash);
        }
    }
}

fn text(of: &str, hash: &mut Sha256) {
    hash.update(b"\"");
    hash.update((of.len() as u64).to_le_bytes());
    hash.update(of.as_bytes());
}

impl PartialEq for SessionContext {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for SessionContext {}

impl Hash for SessionContext {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest().hash(state);
    }
}

/// Names only: values are the client's.
impl fmt::Debug for SessionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.map().keys()).finish()
    }
}
