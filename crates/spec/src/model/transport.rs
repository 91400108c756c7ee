//! How callers reach the server.

use serde_json::{Value, json};

use crate::{
    Code, Node, NodeValue,
    path::Path,
    read::{Field, Reader, words},
    schema_of_language::Schemas,
};

words! {
    /// A way to reach the server.
    pub enum Transport {
        /// Streamable HTTP.
        Http = "http",
        /// Standard input and output.
        Stdio = "stdio",
    }
}

/// The ways to reach the server, at least one; both by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transports {
    pub http: bool,
    pub stdio: bool,
}

impl Default for Transports {
    fn default() -> Self {
        Self { http: true, stdio: true }
    }
}

impl Transports {
    fn of(list: &[Transport]) -> Self {
        Self { http: list.contains(&Transport::Http), stdio: list.contains(&Transport::Stdio) }
    }

    #[must_use]
    pub fn only_stdio(self) -> bool {
        self.stdio && !self.http
    }
}

impl Field for Transports {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        let NodeValue::Sequence(items) = &node.value else {
            return Transport::read(node, at, reader).map(|transport| Self::of(&[transport]));
        };
        if items.is_empty() {
            reader.report(Code::Missing, node.span, at, "a server needs a transport".to_owned(), None);
            return None;
        }
        Vec::read(node, at, reader).filter(|list| !list.is_empty()).map(|list| Self::of(&list))
    }

    fn write(&self) -> Value {
        match (self.http, self.stdio) {
            (true, false) => "http".into(),
            (false, true) => "stdio".into(),
            _ => json!(["http", "stdio"]),
        }
    }

    fn schema(schemas: &mut Schemas) -> Value {
        let transport = Transport::schema(schemas);
        json!({ "anyOf": [transport, { "type": "array", "items": transport, "minItems": 1 }] })
    }
}
