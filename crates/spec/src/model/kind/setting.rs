//! What a variable of a program's environment is set to.

use serde_json::{Value, json};

use crate::{
    Node, NodeValue,
    model::{TextTemplate, Variable},
    path::Path,
    read::{Field, Reader, object},
    schema_of_language::Schemas,
};

/// A variable of a program's environment.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    Text(TextTemplate),
    /// Read when the program starts, and in no spec.
    Secret(NamedSecret),
}

object! {
    /// A secret, by its name.
    pub struct NamedSecret {
        /// The variable of the server's environment, or the entry of the owner's store, that holds it.
        env_var: Variable
    }
}

impl Field for Setting {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            NodeValue::Mapping(_) if crate::read::unquoted_placeholder(node).is_none() => {
                NamedSecret::read(node, at, reader).map(Self::Secret)
            }
            _ => TextTemplate::read(node, at, reader).map(Self::Text),
        }
    }

    fn write(&self) -> Value {
        match self {
            Self::Text(text) => text.write(),
            Self::Secret(secret) => secret.write(),
        }
    }

    fn schema(schemas: &mut Schemas) -> Value {
        json!({ "anyOf": [TextTemplate::schema(schemas), NamedSecret::schema(schemas)] })
    }

    fn stand_in() -> Option<Self> {
        TextTemplate::stand_in().map(Self::Text)
    }
}
