use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{Format, path::Path, read::Reader, syntax};

fn read(parameters: &Value) -> Map<String, Value> {
    let (root, _) = syntax::read(parameters.to_string().as_bytes(), Format::Json);
    let mut reader = Reader::default();
    super::read(&root.expect("JSON"), &Path::default(), &mut reader).expect("parameters")
}

#[test]
fn required_is_lifted_out_of_nested_objects_too() {
    let read = read(&json!({
        "address": {
            "type": "object", "required": true,
            "properties": { "city": { "type": "string", "required": true }, "zip": { "type": "string", "required": false } },
        },
        "tags": { "type": "array", "items": { "type": "object", "properties": { "name": { "required": true } } } },
    }));
    assert_eq!(
        Value::Object(read),
        json!({
            "type": "object",
            "properties": {
                "address": {
                    "type": "object",
                    "properties": { "city": { "type": "string" }, "zip": { "type": "string" } },
                    "required": ["city"],
                    "additionalProperties": false,
                },
                "tags": {
                    "type": "array",
                    "items": {
                        "type": "object", "properties": { "name": {} }, "required": ["name"], "additionalProperties": false,
                    },
                },
            },
            "required": ["address"],
            "additionalProperties": false,
        })
    );
}

#[test]
fn objects_are_closed_unless_they_say_otherwise() {
    let closed = super::close(json!({
        "type": "object",
        "properties": {
            "free": { "type": "object" },
            "open": { "type": "object", "properties": { "a": {} }, "additionalProperties": true },
            "composed": { "properties": { "a": {} }, "allOf": [{ "properties": { "b": {} } }] },
        },
    }));
    assert_eq!(closed["additionalProperties"], false);
    assert_eq!(closed["properties"]["free"], json!({ "type": "object" }));
    assert_eq!(closed["properties"]["open"]["additionalProperties"], true);
    assert_eq!(closed["properties"]["composed"]["unevaluatedProperties"], false);
    assert_eq!(closed["properties"]["composed"]["allOf"], json!([{ "properties": { "b": {} } }]));
}

fn parameter() -> impl Strategy<Value = Value> {
    let kind = prop_oneof![Just("string"), Just("integer")];
    let required = prop_oneof![Just(None), Just(Some(true)), Just(Some(false))];
    let leaf = (kind, required.clone()).prop_map(|(kind, required)| match required {
        Some(required) => json!({ "type": kind, "required": required }),
        None => json!({ "type": kind }),
    });
    leaf.prop_recursive(3, 12, 3, move |inner| {
        let fields = prop::collection::btree_map("[a-d]", inner.clone(), 0..3);
        let closed = prop_oneof![Just(None), Just(Some(true)), Just(Some(false))];
        prop_oneof![
            (fields, required.clone(), closed).prop_map(|(fields, required, additional)| {
                let mut schema = json!({ "type": "object", "properties": fields });
                if let Some(required) = required {
                    schema["required"] = required.into();
                }
                if let Some(additional) = additional {
                    schema["additionalProperties"] = additional.into();
                }
                schema
            }),
            inner.prop_map(|item| json!({ "type": "array", "items": item })),
        ]
    })
}

proptest! {
    #[test]
    fn the_short_form_and_back_is_the_same_schema(parameters in prop::collection::btree_map("[a-e]", parameter(), 0..4)) {
        let schema = read(&json!(parameters));
        if let Some(short) = super::shorten(&schema) {
            prop_assert_eq!(read(&Value::Object(short)), schema);
        } else {
            let open = super::open(&Value::Object(schema.clone()));
            prop_assert_eq!(super::close(open), Value::Object(schema));
        }
    }

    #[test]
    fn what_is_opened_is_closed_again(schema in schema()) {
        let closed = super::close(schema);
        prop_assert_eq!(super::close(super::open(&closed)), closed);
    }
}

/// Of all keywords that say something of other properties, in any company.
fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(json!({})), any::<bool>().prop_map(Value::from), Just(json!({ "type": "string" }))];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let word =
            prop::sample::select(vec!["additionalProperties", "unevaluatedProperties", "items", "allOf", "$ref"]);
        let named = prop::sample::select(vec!["properties", "patternProperties"]);
        let one = (word, inner.clone()).prop_map(|(word, value)| match word {
            "allOf" => (word, json!([value])),
            "$ref" => (word, "#/a".into()),
            _ => (word, value),
        });
        let many =
            (named, prop::collection::btree_map("[a-c]", inner.clone(), 0..3)).prop_map(|(word, it)| (word, json!(it)));
        let list = prop::collection::vec(inner, 1..3).prop_map(|items| ("prefixItems", items.into()));
        let fields = prop::collection::vec(prop_oneof![one, many, list], 0..4);
        fields
            .prop_map(|fields| Value::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
    })
}
