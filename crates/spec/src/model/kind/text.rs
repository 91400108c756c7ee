//! Kinds that are texts of another language.

use serde_json::{Value, json};

use crate::{
    Code, Node,
    path::Path,
    read::{Field, Reader},
    schema_of_language::Schemas,
};

macro_rules! text_of {
    ($(#[doc = $doc:literal])* $name:ident, $what:literal) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Field for $name {
            fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
                let text = reader.text(node, at, $what)?;
                if text.trim().is_empty() {
                    reader.report(Code::Missing, node.span, at, concat!($what, " is missing").to_owned(), None);
                    return None;
                }
                Some(Self(text.to_owned()))
            }

            fn write(&self) -> Value {
                self.0.as_str().into()
            }

            fn schema(_: &mut Schemas) -> Value {
                json!({ "type": "string", "minLength": 1 })
            }
        }
    };
}

text_of! {
    /// One SQL statement, with `:name` and `[[ ]]`.
    Sql, "an SQL statement"
}

text_of! {
    /// A GraphQL document.
    GraphqlQuery, "a GraphQL query"
}
