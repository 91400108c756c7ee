//! What a caller sends, made into what a tool may use: nulls are omissions, the schema is enforced, defaults are filled in.

use std::sync::{Arc, OnceLock};

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use mcp_factory_spec::json_schema;
use serde_json::{Map, Value};

use crate::interned::Interned;

/// How a refusal of arguments begins.
pub const REFUSED: &str = "the arguments were refused";
/// How many faults a message lists; a model fixes the first ones anyway.
const MAX_FAULTS: usize = 8;
/// How much of an offending value a message shows, in characters.
const MAX_SHOWN: usize = 80;

/// The input schema of one tool. It is compiled for the first call, since many tools of many servers wait long for that, and a
/// validator takes ten times the memory of its schema.
#[derive(Debug)]
pub struct Arguments {
    schema: Box<str>,
    compiled: OnceLock<Result<Arc<Compiled>, SchemaError>>,
}

/// Of all tools of all servers that have the same schema.
static COMPILED: Interned<Compiled> = Interned::new();

#[derive(Debug)]
struct Compiled {
    validator: Validator,
    properties: Map<String, Value>,
    required: Vec<String>,
    defaults: Vec<(String, Value)>,
}

/// The schema can't be compiled. `spec` has checked it, so this is a schema that reaches for something outside of itself.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the input schema can't be compiled: {message}")]
pub struct SchemaError {
    message: String,
}

impl Arguments {
    /// Finds out whether the schema can be compiled.
    pub fn compile(schema: &Value) -> Result<Self, SchemaError> {
        let arguments = Self::known(schema);
        // Nothing of it is kept: what is made of the same schema again, while somebody has it, is the same.
        arguments.make()?;
        Ok(arguments)
    }

    /// Of a schema that was compiled before.
    #[must_use]
    pub fn known(schema: &Value) -> Self {
        Self { schema: schema.to_string().into(), compiled: OnceLock::new() }
    }

    fn make(&self) -> Result<Arc<Compiled>, SchemaError> {
        COMPILED.get_or_make(&[&self.schema], || {
            let schema = serde_json::from_str(&self.schema);
            Compiled::of(&schema.map_err(|error| SchemaError { message: error.to_string() })?)
        })
    }

    /// Names the faults for the model when there are any.
    pub fn check(&self, arguments: Map<String, Value>) -> Result<Map<String, Value>, String> {
        match self.compiled.get_or_init(|| self.make()) {
            Ok(compiled) => compiled.check(arguments),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Compiled {
    fn of(schema: &Value) -> Result<Self, SchemaError> {
        let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let defaults = properties
            .iter()
            .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())))
            .collect();
        Ok(Self {
            validator: json_schema::compile(schema).map_err(|error| SchemaError { message: error.to_string() })?,
            required: required.filter_map(Value::as_str).map(str::to_owned).collect(),
            defaults,
            properties,
        })
    }

    fn check(&self, mut arguments: Map<String, Value>) -> Result<Map<String, Value>, String> {
        arguments.retain(|name, value| !value.is_null() || self.takes_null(name));
        for (name, default) in &self.defaults {
            if !arguments.contains_key(name) {
                arguments.insert(name.clone(), default.clone());
            }
        }
        let value = Value::Object(arguments);
        if self.validator.is_valid(&value) {
            let Value::Object(arguments) = value else { unreachable!("it was made an object above") };
            return Ok(arguments);
        }
        Err(self.faults(&value))
    }

    /// A null is an omission unless the argument is required (then the message names the null) or its schema has null.
    fn takes_null(&self, name: &str) -> bool {
        let is_null = |schema: &Value| match &schema["type"] {
            Value::String(one) => one == "null",
            Value::Array(many) => many.iter().any(|one| one == "null"),
            _ => false,
        };
        let has_null = |schema: &Value| {
            let choices = ["anyOf", "oneOf"].into_iter().filter_map(|keyword| schema[keyword].as_array());
            is_null(schema) || choices.flatten().any(is_null)
        };
        self.properties.get(name).is_some_and(has_null)
            || !self.properties.contains_key(name)
            || self.required.iter().any(|required| required == name)
    }

    fn faults(&self, value: &Value) -> String {
        let mut faults: Vec<String> = self.validator.iter_errors(value).map(|error| self.fault(&error)).collect();
        faults.sort();
        faults.dedup();
        let more = faults.len().saturating_sub(MAX_FAULTS);
        faults.truncate(MAX_FAULTS);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        format!("{REFUSED}: {}{more}", faults.join("; "))
    }

    /// Where a field within says which of the choices is meant: what is wrong with that one, or what the field may say.
    fn fault_of_choices(&self, error: &ValidationError<'_>, choices: &[Vec<ValidationError<'_>>]) -> Option<String> {
        let tells = |inner: &&ValidationError<'_>| {
            listed(inner).is_some() && inner.instance_path().as_str() != error.instance_path().as_str()
        };
        let mut meant = choices.iter().filter(|errors| !errors.iter().any(|inner| tells(&inner)));
        match (meant.next(), meant.next()) {
            (Some(only), None) if choices.len() > 1 => {
                let faults: Vec<String> = only.iter().take(MAX_FAULTS).map(|inner| self.fault(inner)).collect();
                Some(faults.join("; "))
            }
            (None, _) => {
                let first = choices.first()?.iter().find(tells)?;
                let at = first.instance_path().as_str();
                let mut options: Vec<String> = Vec::new();
                for errors in choices {
                    let inner = errors.iter().filter(tells).find(|inner| inner.instance_path().as_str() == at)?;
                    options.extend(listed(inner)?.iter().map(Value::to_string));
                }
                Some(format!("`{}` must be one of {}, not {}", place(at), options.join(", "), show(first.instance())))
            }
            _ => None,
        }
    }

    fn fault(&self, error: &ValidationError<'_>) -> String {
        let at = place(error.instance_path().as_str());
        match error.kind() {
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                if at.is_empty() { format!("`{name}` is missing") } else { format!("`{at}.{name}` is missing") }
            }
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let unknown: Vec<String> = unexpected.iter().map(|name| format!("`{}`", shorten(name))).collect();
                let known: Vec<String> = self.properties.keys().map(|name| format!("`{name}`")).collect();
                let known = match known.as_slice() {
                    _ if !at.is_empty() => String::new(),
                    [] => ": this tool takes no arguments".to_owned(),
                    known => format!(": this tool takes {}", known.join(", ")),
                };
                let within = if at.is_empty() { String::new() } else { format!(" in `{at}`") };
                format!("there is no argument {}{within}{known}", unknown.join(", "))
            }
            kind => {
                if let ValidationErrorKind::AnyOf { context } = kind
                    && let Some(fault) = self.fault_of_choices(error, context)
                {
                    return fault;
                }
                let subject = if at.is_empty() { "the arguments".to_owned() } else { format!("`{at}`") };
                format!("{subject} {}, not {}", expectation(kind, error), show(error.instance()))
            }
        }
    }
}

/// What an error says that one field may be, where a list says it: the field tells which choice is meant.
fn listed<'e>(error: &'e ValidationError<'_>) -> Option<&'e [Value]> {
    match error.kind() {
        ValidationErrorKind::Enum { options } => options.as_array().map(Vec::as_slice),
        ValidationErrorKind::Constant { expected_value } => Some(std::slice::from_ref(expected_value)),
        _ => None,
    }
}

/// What was expected, to stand behind the argument's name.
fn expectation(kind: &ValidationErrorKind, error: &ValidationError<'_>) -> String {
    match kind {
        ValidationErrorKind::Type { kind } => {
            let types = match kind {
                jsonschema::error::TypeKind::Single(one) => one.to_string(),
                jsonschema::error::TypeKind::Multiple(many) => {
                    many.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" or ")
                }
            };
            format!("must be of type {types}")
        }
        ValidationErrorKind::Enum { options } => {
            let options: Vec<String> = options.as_array().into_iter().flatten().map(Value::to_string).collect();
            format!("must be one of {}", options.join(", "))
        }
        ValidationErrorKind::Constant { expected_value } => format!("must be {expected_value}"),
        ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("must be above {limit}"),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("must be below {limit}"),
        ValidationErrorKind::MinLength { limit } => format!("must have at least {limit} characters"),
        ValidationErrorKind::MaxLength { limit } => format!("must have at most {limit} characters"),
        ValidationErrorKind::MinItems { limit } => format!("must have at least {limit} items"),
        ValidationErrorKind::MaxItems { limit } => format!("must have at most {limit} items"),
        ValidationErrorKind::UniqueItems => "must have no item twice".to_owned(),
        ValidationErrorKind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        ValidationErrorKind::Pattern { pattern } => format!("must match the pattern {pattern}"),
        ValidationErrorKind::Format { format } => format!("must be of the form {format}"),
        _ => format!("does not fit its schema (`{}`)", error.kind().keyword()),
    }
}

/// `/items/0/name` as `items[0].name`.
fn place(pointer: &str) -> String {
    let mut place = String::new();
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        if step.bytes().all(|byte| byte.is_ascii_digit()) && !step.is_empty() {
            place.push_str(&format!("[{step}]"));
        } else if place.is_empty() {
            place = step;
        } else {
            place.push('.');
            place.push_str(&step);
        }
    }
    place
}

fn show(value: &Value) -> String {
    shorten(&value.to_string())
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arguments() -> Arguments {
        Arguments::compile(&json!({
            "type": "object",
            "properties": {
                "query": { "type": "string", "minLength": 1 },
                "category": { "type": "string", "enum": ["electronics", "food"] },
                "limit": { "type": "integer", "default": 50, "minimum": 1 },
                "note": { "type": ["string", "null"] },
                "size": { "anyOf": [{ "type": "integer" }, { "type": "string" }, { "type": "null" }] },
                "lines": { "type": "array", "items": { "type": "object", "properties": { "sku": { "type": "string" } } } }
            },
            "required": ["query"],
            "additionalProperties": false
        }))
        .unwrap()
    }

    fn check(given: Value) -> Result<Value, String> {
        let Value::Object(given) = given else { panic!("an object") };
        arguments().check(given).map(Value::Object)
    }

    #[test]
    fn a_default_fills_what_was_left_out() {
        assert_eq!(check(json!({ "query": "a" })), Ok(json!({ "query": "a", "limit": 50 })));
    }

    #[test]
    fn a_null_is_an_omission() {
        let given = json!({ "query": "a", "limit": null, "category": null });
        assert_eq!(check(given), Ok(json!({ "query": "a", "limit": 50 })));
    }

    #[test]
    fn a_null_stays_where_the_schema_has_null() {
        let given = json!({ "query": "a", "note": null, "size": null, "limit": 1 });
        assert_eq!(check(given.clone()), Ok(given));
    }

    #[test]
    fn every_fault_is_named_with_what_was_expected() {
        let given = json!({ "query": null, "limit": 0, "category": "toys", "lines": [{ "sku": 7 }] });
        let faults = check(given).unwrap_err();
        for expected in [
            "`query` must be of type string, not null",
            "`limit` must be at least 1, not 0",
            "`category` must be one of \"electronics\", \"food\", not \"toys\"",
            "`lines[0].sku` must be of type string, not 7",
        ] {
            assert!(faults.contains(expected), "{expected} in {faults}");
        }
    }

    #[test]
    fn a_choice_that_its_field_tells_says_what_is_wrong_with_it() {
        let kind = |word: &str, field: &str| {
            json!({ "type": "object", "required": ["kind", field],
                    "properties": { "kind": { "const": word }, field: { "type": "integer" } } })
        };
        let schema = json!({ "type": "object", "properties": { "pet": { "anyOf": [kind("cat", "lives"), kind("dog", "age")] } } });
        let fault = |pet: Value| {
            let given = json!({ "pet": pet }).as_object().unwrap().clone();
            Arguments::compile(&schema).unwrap().check(given).unwrap_err()
        };
        let said = "the arguments were refused: `pet.kind` must be one of \"cat\", \"dog\", not \"cow\"";
        assert_eq!(fault(json!({ "kind": "cow", "age": 1 })), said);
        let said = "the arguments were refused: `pet.age` must be of type integer, not \"old\"";
        assert_eq!(fault(json!({ "kind": "dog", "age": "old" })), said);
        assert!(fault(json!({})).ends_with("`pet` does not fit its schema (`anyOf`), not {}"));
    }

    #[test]
    fn an_unknown_argument_is_refused_with_the_known_ones() {
        let faults = check(json!({ "query": "a", "offset": 3 })).unwrap_err();
        assert!(faults.contains("there is no argument `offset`: this tool takes `query`, `category`"), "{faults}");
    }

    #[test]
    fn a_missing_argument_is_named() {
        assert_eq!(check(json!({})), Err("the arguments were refused: `query` is missing".to_owned()));
    }

    #[test]
    fn a_huge_value_is_not_repeated_whole() {
        let faults = check(json!({ "query": "a", "category": "x".repeat(100_000) })).unwrap_err();
        assert!(faults.len() < 400, "{} characters", faults.len());
    }

    #[test]
    fn tools_with_the_same_schema_share_one_validator_which_goes_with_the_last_of_them() {
        let schema = json!({ "type": "object", "properties": { "only_here": { "const": 41 } } });
        let [one, other, third] = [(); 3].map(|()| Arguments::known(&schema));
        assert!(one.compiled.get().is_none(), "before a call there is none");
        let given = json!({ "only_here": 41 }).as_object().unwrap().clone();
        for tool in [&one, &other] {
            assert_eq!(tool.check(given.clone()), Ok(given.clone()));
        }
        let of = |tool: &Arguments| tool.compiled.get().unwrap().clone().unwrap();
        assert!(Arc::ptr_eq(&of(&one), &of(&other)));
        let kept = Arc::downgrade(&of(&one));
        drop(one);
        assert!(kept.upgrade().is_some());
        drop(other);
        assert!(kept.upgrade().is_none());
        assert!(third.check(json!({ "only_here": 42 }).as_object().unwrap().clone()).is_err());
    }

    #[test]
    fn a_reference_to_the_network_is_not_followed() {
        assert!(Arguments::compile(&json!({ "$ref": "https://example.com/schema.json" })).is_err());
    }
}
