//! Documents made at random from the published schema: reader, writer and schema come from one declaration, and here they are
//! held against each other.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{
    Code, Format, Spec, language_schema,
    model::ToolKind,
    path::Path,
    read::{Field, Reader},
    syntax,
};

/// Texts of every form that the language knows.
const TEXTS: [&str; 26] = [
    "a",
    "b-c",
    "X_Y",
    "reading",
    "search_*",
    "5s",
    "250ms",
    "1MiB",
    "64KiB",
    "60/m",
    "1/s",
    "1s..1m",
    "X-Key",
    "1.2.3",
    "/data/0",
    "",
    "https://example.com/a",
    "text",
    "{name}",
    "a.b",
    "two\nlines\n",
    "none",
    "ALL",
    "true",
    "10.0.0.0/8",
    "é",
];

struct Generator<'s> {
    schema: &'s Value,
    state: u64,
}

impl Generator<'_> {
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) as usize % bound
    }

    fn value(&mut self, schema: &Value, depth: usize) -> Value {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            if reference.ends_with("parameters.Parameter") {
                return self.parameter(schema.get("required").is_some());
            }
            return match reference.strip_prefix('#') {
                Some(pointer) => {
                    self.value(self.schema.pointer(pointer).expect("the reference leads somewhere"), depth)
                }
                None => json!({ "type": "object", "properties": { "a": { "type": "string" } } }),
            };
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        for key in ["enum", "anyOf", "oneOf"] {
            if let Some(Value::Array(choices)) = schema.get(key).filter(|_| schema.get("properties").is_none()) {
                let choice = &choices[self.below(choices.len())];
                return if key == "enum" { choice.clone() } else { self.value(choice, depth) };
            }
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("object") => self.object(schema, depth),
            Some("array") => {
                let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0) as usize;
                let count = least + if depth == 0 { 0 } else { self.below(3) };
                (0..count).map(|_| self.value(&schema["items"], depth.saturating_sub(1))).collect()
            }
            Some("string") => self.text(schema),
            Some("integer") => json!(self.below(1_000) + 1),
            Some("number") => json!(0.5),
            Some("boolean") => json!(self.below(2) == 0),
            _ => [json!(null), json!(1), json!("{name}"), json!({ "a": [true] })][self.below(4)].clone(),
        }
    }

    fn parameter(&mut self, named: bool) -> Value {
        let mut parameter = [
            json!({ "type": "string", "required": true, "maxLength": 5 }),
            json!({ "type": "integer", "default": 3 }),
            json!({ "type": "object", "required": true, "properties": { "a": { "type": "string", "required": true } } }),
            json!({ "type": "array", "items": { "enum": ["a", 1] } }),
        ][self.below(4)]
        .clone();
        if named {
            parameter["name"] = format!("p{}", self.state >> 40).into();
        }
        parameter
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let mut object = Map::new();
        let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if required.iter().any(|required| required == name) || (depth > 0 && self.below(3) == 0) {
                object.insert(name.clone(), self.value(property, depth.saturating_sub(1)));
            }
        }
        if let Some(inner @ Value::Object(_)) = schema.get("additionalProperties").filter(|_| depth > 0) {
            for _ in 0..self.below(3) {
                let names = schema.get("propertyNames").cloned().unwrap_or(json!({ "minLength": 1 }));
                if let Value::String(name) = self.text(&names) {
                    object.insert(name, self.value(inner, depth - 1));
                }
            }
        }
        for together in
            [ToolKind::KEYS, &["parameters", "inputSchema"], &["access", "permissions"], &["uri", "uriTemplate"]]
        {
            let given: Vec<&str> = together.iter().copied().filter(|key| object.contains_key(*key)).collect();
            if given.len() > 1 {
                let kept = given[self.below(given.len())];
                given.into_iter().filter(|key| *key != kept).for_each(|key| drop(object.shift_remove(key)));
            }
        }
        Value::Object(object)
    }

    fn text(&mut self, schema: &Value) -> Value {
        let form = match (schema.get("format"), schema.get("pattern"), schema.get("minLength")) {
            (Some(_), ..) => return "https://example.com/a".into(),
            (_, pattern, length) => {
                json!({ "pattern": pattern.unwrap_or(&json!("")), "minLength": length.unwrap_or(&json!(0)) })
            }
        };
        let form = jsonschema::draft202012::new(&form).expect("a schema");
        let fitting: Vec<&str> = TEXTS.into_iter().filter(|text| form.is_valid(&json!(text))).collect();
        assert!(!fitting.is_empty(), "no text for {schema}");
        fitting[self.below(fitting.len())].into()
    }
}

fn read(document: &Value) -> (Option<Spec>, Vec<crate::Diagnostic>) {
    let (root, _) = syntax::read(document.to_string().as_bytes(), Format::Json);
    let mut reader = Reader::default();
    let spec = Spec::read(&root.expect("JSON"), &Path::default(), &mut reader);
    (spec, reader.into_diagnostics())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_the_schema_allows_is_read_and_comes_back_the_same(seed in any::<u64>()) {
        let schema = language_schema();
        let document = Generator { schema: &schema, state: seed }.object(&schema, 6);
        let (spec, found) = read(&document);
        for diagnostic in &found {
            // What goes together is more than the schema says; what a single field may be is not.
            let single = matches!(diagnostic.code, Code::UnknownField | Code::Type | Code::Enum | Code::Duration | Code::Size | Code::Rate);
            prop_assert!(!single, "{}: {} ({})\n{document}", diagnostic.code, diagnostic.message, diagnostic.path);
        }
        if let (Some(spec), []) = (spec, &found[..]) {
            let canonical = spec.canonical();
            let (again, found) = read(&canonical);
            prop_assert_eq!(found, []);
            prop_assert_eq!(again.as_ref(), Some(&spec), "{}", canonical);
        }
    }
}
