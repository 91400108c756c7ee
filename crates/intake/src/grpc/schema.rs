//! Messages as JSON Schema, by the JSON mapping of Protocol Buffers. What nests too deep, as recursive messages do, is any object.

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::Comments;
use crate::{name::Names, text};

/// Messages within messages.
const DEEPEST: usize = 6;
/// Fields of one schema, those of its messages included.
const MOST_FIELDS: usize = 400;

/// What goes in and comes out differs in how large integers are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    In,
    Out,
}

struct Writer<'c> {
    comments: &'c Comments,
    direction: Direction,
    file: String,
    fields: usize,
    /// The messages around the one that is written: one within itself is any object.
    around: Vec<String>,
}

/// The parameters of a request, and how its message is made of them; no message where it has no fields.
pub fn request(message: &MessageDescriptor, comments: &Comments) -> (Value, Option<Value>) {
    let mut writer = Writer::new(message, comments, Direction::In);
    if is_scalar_like(message) {
        let schema = writer.message(message, 0);
        let schema = json!({ "type": "object", "properties": { "value": schema }, "required": ["value"] });
        return (schema, Some("{value}".into()));
    }
    let (mut properties, mut filled, mut required) = (Map::new(), Map::new(), Vec::new());
    let mut names = Names::default();
    for field in message.fields() {
        let parameter = names.parameter(field.json_name(), "field");
        properties.insert(parameter.clone(), writer.field(&field, 0));
        filled.insert(field.json_name().to_owned(), format!("{{{parameter}}}").into());
        if field.is_required() {
            required.push(parameter);
        }
    }
    if filled.is_empty() {
        return (Value::Null, None);
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    (schema, Some(filled.into()))
}

/// The schema of an answer; none where nothing is answered.
pub fn answer(message: &MessageDescriptor, comments: &Comments) -> Option<Value> {
    if message.fields().len() == 0 {
        return None;
    }
    Some(Writer::new(message, comments, Direction::Out).message(message, 0))
}

/// Messages that JSON writes as something else than their fields.
fn is_scalar_like(message: &MessageDescriptor) -> bool {
    message.full_name() != "google.protobuf.Empty" && known(message.full_name(), Direction::In).is_some()
}

impl<'c> Writer<'c> {
    fn new(message: &MessageDescriptor, comments: &'c Comments, direction: Direction) -> Self {
        Self { comments, direction, file: message.parent_file().name().to_owned(), fields: 0, around: vec![] }
    }

    fn message(&mut self, message: &MessageDescriptor, depth: usize) -> Value {
        if let Some(schema) = known(message.full_name(), self.direction) {
            return schema;
        }
        let is_within_itself = self.around.iter().any(|name| name == message.full_name());
        if is_within_itself || depth >= DEEPEST || self.fields >= MOST_FIELDS {
            return json!({ "type": "object", "description": format!("A {}", message.full_name()) });
        }
        self.around.push(message.full_name().to_owned());
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for field in message.fields() {
            properties.insert(field.json_name().to_owned(), self.field(&field, depth));
            if field.is_required() {
                required.push(Value::from(field.json_name()));
            }
        }
        self.around.pop();
        let mut schema = json!({ "type": "object", "properties": properties });
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        schema
    }

    fn field(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        self.fields += 1;
        let mut schema = if field.is_map() {
            let Kind::Message(entry) = field.kind() else { unreachable!("an entry of a map is a message") };
            json!({ "type": "object", "additionalProperties": self.kind(&entry.map_entry_value_field().kind(), depth) })
        } else if field.is_list() {
            json!({ "type": "array", "items": self.kind(&field.kind(), depth) })
        } else {
            self.kind(&field.kind(), depth)
        };
        let mut about = Vec::new();
        if field.parent_message().parent_file().name() == self.file
            && let Some(said) = self.comments.get(field.path())
        {
            about.push(text::plain(said, text::PARAMETER));
        }
        if let Some(choice) = field.containing_oneof().filter(|choice| !choice.is_synthetic()) {
            let names: Vec<String> = choice.fields().map(|field| field.json_name().to_owned()).collect();
            about.push(format!("At most one of: {}", names.join(", ")));
        }
        about.retain(|text| !text.is_empty());
        if !about.is_empty() {
            schema["description"] = about.join(". ").into();
        }
        // What is not there is null in an answer: messages, and what the file calls optional.
        if self.direction == Direction::Out
            && field.supports_presence()
            && !field.is_list()
            && let Some(Value::String(one)) = schema.get("type").cloned()
        {
            schema["type"] = json!([one, "null"]);
            if let Some(Value::Array(names)) = schema.get_mut("enum") {
                names.push(Value::Null);
            }
        }
        schema
    }

    fn kind(&mut self, kind: &Kind, depth: usize) -> Value {
        match kind {
            Kind::Double | Kind::Float => json!({ "type": "number" }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX })
            }
            Kind::Uint32 | Kind::Fixed32 => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => large(self.direction, "^-?[0-9]+$"),
            Kind::Uint64 | Kind::Fixed64 => large(self.direction, "^[0-9]+$"),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            Kind::Message(message) => self.message(message, depth + 1),
            Kind::Enum(words) => enumeration(words, self.direction),
        }
    }
}

/// JSON's numbers lose digits in many programs, so large ones are text. Models write them as numbers all the same.
fn large(direction: Direction, pattern: &str) -> Value {
    match direction {
        Direction::In => json!({ "type": ["integer", "string"], "pattern": pattern }),
        Direction::Out => json!({ "type": "string", "pattern": pattern }),
    }
}

/// A server may have learned words that its file does not know: those are numbers.
fn enumeration(words: &EnumDescriptor, direction: Direction) -> Value {
    if words.full_name() == "google.protobuf.NullValue" {
        return json!({ "type": "null" });
    }
    let names: Vec<Value> = words.values().map(|word| word.name().into()).collect();
    match direction {
        Direction::In => json!({ "type": "string", "enum": names }),
        Direction::Out => json!({ "description": format!("One of {}", joined(&names)) }),
    }
}

fn joined(names: &[Value]) -> String {
    names.iter().take(40).filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

/// The messages that Protocol Buffers brings along, whose JSON is their own.
fn known(name: &str, direction: Direction) -> Option<Value> {
    Some(match name.strip_prefix("google.protobuf.")? {
        "Timestamp" => json!({ "type": "string", "format": "date-time" }),
        "Duration" => json!({ "type": "string", "description": "Seconds with an s, such as 1.5s" }),
        "FieldMask" => json!({ "type": "string", "description": "Names of fields, separated by commas" }),
        "Struct" => json!({ "type": "object" }),
        "Value" => json!({}),
        "ListValue" => json!({ "type": "array" }),
        "Empty" => json!({ "type": "object" }),
        "Any" => json!({ "type": "object", "description": "With its type's URL in @type" }),
        "DoubleValue" | "FloatValue" => json!({ "type": "number" }),
        "Int32Value" => json!({ "type": "integer" }),
        "UInt32Value" => json!({ "type": "integer", "minimum": 0 }),
        "Int64Value" => large(direction, "^-?[0-9]+$"),
        "UInt64Value" => large(direction, "^[0-9]+$"),
        "BoolValue" => json!({ "type": "boolean" }),
        "StringValue" => json!({ "type": "string" }),
        "BytesValue" => json!({ "type": "string", "contentEncoding": "base64" }),
        _ => return None,
    })
}
