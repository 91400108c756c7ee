//! Calls of other tools, one after the other.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::{
    model::{ParameterName, ToolName, ValueTemplate},
    read::{Field, Fields, Object, Reader, object, put},
    schema_of_language::{Schemas, Shape},
};

/// Calls of other tools, one after the other; `{name.field}` of an earlier answer is usable below it.
pub type Steps = Vec<Step>;

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Call(Call),
    /// The last one, which makes the result. Left out: the answer of the last call.
    Return(ValueTemplate),
}

object! {
    /// A call of another tool.
    pub struct Call {
        /// The tool.
        call: ToolName,
        /// Its arguments.
        with: IndexMap<String, ValueTemplate>,
        /// The name under which its answer can be used below.
        name as "as": Option<ParameterName>
    }
}

impl Object for Step {
    const NAME: &'static str = "Step";
    const ABOUT: &'static [&'static str] = &[" A call of another tool, or what is returned in the end."];

    fn read_fields(fields: &mut Fields<'_>, reader: &mut Reader) -> Option<Self> {
        match fields.take(reader, "return") {
            Some((node, at)) => ValueTemplate::read(node, &at, reader).map(Self::Return),
            None => Call::read_fields(fields, reader).map(Self::Call),
        }
    }

    fn write_fields(&self, out: &mut Map<String, Value>) {
        match self {
            Self::Call(call) => call.write_fields(out),
            Self::Return(value) => put(out, "return", value, None),
        }
    }

    fn describe(shape: &mut Shape, schemas: &mut Schemas) {
        Call::describe(shape.branch(), schemas);
        shape.branch().field::<ValueTemplate>(schemas, "return", &["The result."], None);
    }
}
