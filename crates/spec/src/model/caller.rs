//! Who calls in an example, and what is expected then.

use serde_json::{Map, Value};

use super::PlainSchema;
use crate::{
    Code,
    read::{Field, Fields, Object, Reader, object, put},
    schema_of_language::{Schemas, Shape},
};

object! {
    /// Who calls in an example.
    pub struct ExamplePrincipal {
        /// Its id.
        id: String,
        /// Its scopes. Left out: all.
        scopes: Option<Vec<String>>
    }
}

/// What an example's result must be.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// A subset of it.
    Subset(Value),
    /// A schema that it fits.
    Schema(PlainSchema),
    /// A failure that says so: `isError: true`.
    Failure,
}

const KEYS: [&str; 3] = ["expect", "schema", "isError"];

impl Object for Expectation {
    const NAME: &'static str = "Expectation";
    const ABOUT: &'static [&'static str] = &[" What an example's result must be."];

    fn read_fields(fields: &mut Fields<'_>, reader: &mut Reader) -> Option<Self> {
        let found: Vec<_> = ["expect", "schema", "is_error"]
            .into_iter()
            .zip(KEYS)
            .filter_map(|(field, key)| Some((key, fields.take(reader, field)?)))
            .collect();
        let Some((key, (node, at))) = found.first() else {
            let message = format!("an example needs one of {}", crate::read::list(&KEYS));
            reader.report(Code::Missing, fields.span(), fields.at(), message, None);
            return None;
        };
        for (other, (node, at)) in &found[1..] {
            let message = format!("`{other}` stands beside `{key}`: an example expects one thing");
            reader.report(Code::Conflict, node.span, at, message, None);
        }
        match *key {
            "expect" => Some(Self::Subset(node.to_json())),
            "schema" => PlainSchema::read(node, at, reader).map(Self::Schema),
            _ => {
                if !bool::read(node, at, reader)? {
                    let help = Some("leave it out and say what to `expect`".to_owned());
                    reader.report(Code::Range, node.span, at, "`isError` can only be `true`".to_owned(), help);
                }
                Some(Self::Failure)
            }
        }
    }

    fn write_fields(&self, out: &mut Map<String, Value>) {
        match self {
            Self::Subset(value) => put(out, "expect", value, None),
            Self::Schema(schema) => put(out, "schema", schema, None),
            Self::Failure => put(out, "is_error", &true, None),
        }
    }

    fn describe(shape: &mut Shape, schemas: &mut Schemas) {
        shape.branch().field::<Value>(schemas, "expect", &["A subset of the result."], None);
        shape.branch().field::<PlainSchema>(schemas, "schema", &["A schema that the result fits."], None);
        shape.branch().constant("isError", true.into(), &["The call fails and says so."]);
    }
}
