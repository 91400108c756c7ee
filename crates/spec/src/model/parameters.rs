//! What a tool takes, as one JSON Schema, whichever of the three forms it was written in.

use serde_json::{Map, Value, json};

use crate::{
    Code, Node, NodeValue,
    path::Path,
    read::{Field, Fields, Object, Reader},
    schema_of_language::{Schemas, Shape},
};

mod short;

pub(crate) use short::close;

/// A JSON Schema (draft 2020-12), normalised: objects that list properties are closed unless they say otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema(Value);

impl Schema {
    #[must_use]
    pub fn as_value(&self) -> &Value {
        &self.0
    }
}

impl Field for Schema {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        if !matches!(node.value, NodeValue::Mapping(_) | NodeValue::Bool(_)) {
            reader.wrong_type(node, at, "a JSON Schema");
            return None;
        }
        reader.check_schema(node, at);
        Some(Self(short::close(node.to_json())))
    }

    fn write(&self) -> Value {
        short::open(&self.0)
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({ "$ref": "https://json-schema.org/draft/2020-12/schema" })
    }
}

/// A JSON Schema (draft 2020-12), as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainSchema(Value);

impl PlainSchema {
    #[must_use]
    pub fn as_value(&self) -> &Value {
        &self.0
    }
}

impl Field for PlainSchema {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        if !matches!(node.value, NodeValue::Mapping(_) | NodeValue::Bool(_)) {
            reader.wrong_type(node, at, "a JSON Schema");
            return None;
        }
        reader.check_plain_schema(node, at);
        Some(Self(node.to_json()))
    }

    fn write(&self) -> Value {
        self.0.clone()
    }

    fn schema(schemas: &mut Schemas) -> Value {
        Schema::schema(schemas)
    }
}

/// What a tool takes: a closed JSON Schema of type `object`.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    schema: Map<String, Value>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { schema: short::object(Map::new(), Vec::new()) }
    }
}

impl Parameters {
    /// The schema as declared. What a tool really takes has `cursor` and `sort` added: [`super::Tool::input_schema`].
    #[must_use]
    pub fn schema(&self) -> &Map<String, Value> {
        &self.schema
    }

    /// The declared parameters and their schemas.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        let properties = self.schema.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema))
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.schema.get("properties")?.get(name)
    }

    /// The names that must be given.
    pub fn required(&self) -> impl Iterator<Item = &str> {
        self.schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    #[must_use]
    pub fn is_required(&self, name: &str) -> bool {
        self.required().any(|required| required == name)
    }

    /// Whether arguments that are not declared are refused.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.schema.get("additionalProperties") == Some(&Value::Bool(false))
    }
}

impl Object for Parameters {
    const NAME: &'static str = "Parameters";
    const ABOUT: &'static [&'static str] = &[];

    fn read_fields(fields: &mut Fields<'_>, reader: &mut Reader) -> Option<Self> {
        let parameters = fields.take(reader, "parameters");
        let whole = fields.take(reader, "input_schema");
        if let (Some(_), Some((node, at))) = (&parameters, &whole) {
            let message = "`inputSchema` stands beside `parameters`, which is another form of the same".to_owned();
            reader.report(Code::Conflict, node.span, at, message, None);
        }
        Some(match (parameters, whole) {
            (Some((node, at)), _) => Self { schema: short::read(node, &at, reader)? },
            (None, Some((node, at))) => Self { schema: short::read_whole(node, &at, reader)? },
            (None, None) => Self::default(),
        })
    }

    fn write_fields(&self, out: &mut Map<String, Value>) {
        if self.iter().next().is_none() && *self == Self::default() {
            return;
        }
        match short::shorten(&self.schema) {
            Some(parameters) => out.insert("parameters".to_owned(), Value::Object(parameters)),
            None => out.insert("inputSchema".to_owned(), Value::Object(short::open_object(&self.schema))),
        };
    }

    fn describe(shape: &mut Shape, schemas: &mut Schemas) {
        shape.optional::<ParametersForms>(schemas, "parameters", &["The parameters, by name or as a list."]);
        shape.optional::<Schema>(schemas, "input_schema", &["The parameters, as a whole JSON Schema."]);
    }
}

struct ParametersForms;

impl Field for ParametersForms {
    fn read(_: &Node, _: &Path, _: &mut Reader) -> Option<Self> {
        Some(Self)
    }

    fn write(&self) -> Value {
        Value::Null
    }

    fn schema(schemas: &mut Schemas) -> Value {
        let parameter = schemas.define("parameters.Parameter", parameter_schema);
        let mut listed = parameter.clone();
        listed["required"] = json!(["name"]);
        json!({ "anyOf": [
            { "type": "object", "additionalProperties": parameter },
            { "type": "array", "items": listed },
        ] })
    }
}

/// The keywords that people write most. JSON Schema's own meta-schema would refuse `required: true`, which belongs to the
/// parameter here; the reader checks every keyword.
fn parameter_schema() -> Value {
    let types = ["string", "integer", "number", "boolean", "array", "object", "null"];
    json!({
        "description": "A parameter: a JSON Schema (draft 2020-12), and whether it is required.",
        "type": "object",
        "properties": {
            "name": { "type": "string", "description": "Its name, where parameters are a list." },
            "type": {
                "anyOf": [{ "enum": types }, { "type": "array", "items": { "enum": types } }],
                "description": "What it is.",
            },
            "required": {
                "type": ["boolean", "array"],
                "description": "Whether it must be given; as a list: which properties of this object must be.",
            },
            "description": { "type": "string", "description": "What it means, for the model." },
            "default": { "description": "What stands where it is left out." },
            "enum": { "type": "array", "description": "All that it can be." },
            "examples": { "type": "array", "description": "What it could be." },
            "format": { "type": "string", "description": "What sort of text it is, such as `date`." },
            "pattern": { "type": "string", "description": "A regular expression that the text matches." },
            "minLength": { "type": "integer", "description": "How long the text is at least." },
            "maxLength": { "type": "integer", "description": "How long the text is at most." },
            "minimum": { "type": "number", "description": "The least it can be." },
            "maximum": { "type": "number", "description": "The most it can be." },
            "items": { "description": "What the elements of the list are." },
            "properties": { "type": "object", "description": "The properties of the object." },
            "contentEncoding": { "type": "string", "description": "How bytes are written as text, such as `base64`." },
        },
    })
}
