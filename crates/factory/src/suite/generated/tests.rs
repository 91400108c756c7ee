use mcp_factory_spec::json_schema;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const SETTINGS: Settings = Settings { seed: 7, cases: 8 };

/// Schemas as specs have them, and a little beyond: each can be satisfied.
fn any_schema() -> impl Strategy<Value = Value> {
    let number = (any::<bool>(), -1000_i64..1000, 0_i64..1000, any::<bool>()).prop_map(|(whole, least, span, open)| {
        let (low, high) = if open { ("exclusiveMinimum", "maximum") } else { ("minimum", "maximum") };
        let kind = if whole { "integer" } else { "number" };
        json!({ "type": kind, low: least, high: least + span + 1 })
    });
    let text = (0_u64..20, 0_u64..20)
        .prop_map(|(least, span)| json!({ "type": "string", "minLength": least, "maxLength": least + span }));
    let pattern = prop_oneof![Just("^[A-Z]{2}-[0-9]+$"), Just(r"^\d{1,3}$"), Just("^(red|green)$"), Just("[aeiou]")]
        .prop_map(|pattern| json!({ "type": "string", "pattern": pattern }));
    let listed = proptest::collection::vec("[a-z]{1,6}", 1..5).prop_map(|mut listed| {
        listed.sort();
        listed.dedup();
        json!({ "enum": listed })
    });
    let leaf = prop_oneof![
        number,
        text,
        pattern,
        listed,
        Just(json!({ "type": "boolean" })),
        Just(json!({ "type": ["string", "null"] })),
        Just(json!({ "type": "integer" })),
        Just(json!({ "type": "string", "format": "date" })),
        Just(json!({ "type": "integer", "multipleOf": 5, "minimum": 3 })),
        Just(json!({ "anyOf": [{ "type": "integer" }, { "type": "boolean" }] })),
        Just(json!({ "$ref": "#/$defs/name" })),
        Just(json!({ "allOf": [{ "type": "string", "minLength": 2 }, { "maxLength": 4 }] })),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            (inner.clone(), 0_u64..3, 0_u64..3).prop_map(|(items, least, span)| {
                json!({ "type": "array", "items": items, "minItems": least, "maxItems": least + span })
            }),
            object(inner),
        ]
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    proptest::collection::btree_map("[a-f]", (inner, any::<bool>()), 0..4).prop_map(|properties| {
        let required: Vec<&String> =
            properties.iter().filter(|(_, (_, required))| *required).map(|(name, _)| name).collect();
        let required = json!(required);
        let properties: Map<String, Value> =
            properties.iter().map(|(name, (schema, _))| (name.clone(), schema.clone())).collect();
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    })
}

fn arguments() -> impl Strategy<Value = Value> {
    object(any_schema()).prop_map(|mut schema| {
        schema["$defs"] = json!({ "name": { "type": "string", "pattern": "^[a-z]+$" } });
        schema
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn accepted_calls_fit_the_schema_and_refused_ones_do_not(schema in arguments(), seed in any::<u64>()) {
        let validator = json_schema::compile(&schema).unwrap();
        let settings = Settings { seed, ..SETTINGS };
        let accepted = accepted(&schema, settings);
        prop_assert!(!accepted.is_empty(), "nothing fits {}", schema);
        for call in &accepted {
            prop_assert!(validator.is_valid(&Value::Object(call.arguments.clone())), "{:?} does not fit {}", call, schema);
        }
        let refused = refused(&schema, settings);
        prop_assert!(!refused.is_empty(), "nothing breaks {}", schema);
        for call in &refused {
            prop_assert!(!validator.is_valid(&Value::Object(call.arguments.clone())), "{:?} fits {}", call, schema);
        }
        for (name, _) in properties(&schema).filter(|(name, _)| is_required(&schema, name)) {
            let missing = format!("a missing `{name}`");
            prop_assert!(refused.len() == MOST_REFUSED || refused.iter().any(|call| call.name == missing), "{} of {}", missing, schema);
        }
    }

    #[test]
    fn one_seed_makes_the_same_calls(schema in arguments(), seed in any::<u64>()) {
        let settings = Settings { seed, ..SETTINGS };
        prop_assert_eq!(accepted(&schema, settings), accepted(&schema, settings));
        prop_assert_eq!(refused(&schema, settings), refused(&schema, settings));
    }
}

fn product() -> Value {
    json!({ "type": "object", "additionalProperties": false, "required": ["query"], "properties": {
        "query": { "type": "string", "minLength": 1, "maxLength": 200 },
        "category": { "type": "string", "enum": ["electronics", "food"] },
        "limit": { "type": "integer", "minimum": 1, "maximum": 100, "default": 50 },
        "tags": { "type": "array", "items": { "type": "string" }, "maxItems": 3, "uniqueItems": true } } })
}

#[test]
fn every_bound_and_every_listed_value_is_called() {
    let calls = accepted(&product(), SETTINGS);
    let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
    for name in [
        "the fewest arguments",
        "every argument",
        "`query` at its longest",
        "`category` as \"electronics\"",
        "`category` as \"food\"",
        "`limit` at its minimum",
        "`limit` at its maximum",
        "`tags` with the most items",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert_eq!(calls[0].arguments.keys().collect::<Vec<_>>(), ["query"]);
    assert_eq!(calls[1].arguments.len(), 4);
}

#[test]
fn every_way_to_break_the_schema_is_called() {
    let calls = refused(&product(), SETTINGS);
    let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
    for name in [
        "a missing `query`",
        "a wrong type of `query`",
        "a too short `query`",
        "a too long `query`",
        "an unlisted `category`",
        "a wrong type of `limit`",
        "a fraction as `limit`",
        "`limit` below its minimum",
        "`limit` above its maximum",
        "an item twice in `tags`",
        "too many items in `tags`",
        "a wrong type of `tags[0]`",
        "an unknown argument",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert!(calls.iter().all(|call| call.arguments.values().all(|value| !value.is_null())), "a null is an omission");
}

#[test]
fn a_schema_that_wants_more_than_anybody_sends_is_given_up() {
    let mut schema = json!({ "type": "integer" });
    for _ in 0..6 {
        schema = json!({ "type": "array", "items": schema, "minItems": 150 });
    }
    let schema = json!({ "type": "object", "required": ["a"], "properties": { "a": schema } });
    assert_eq!(accepted(&schema, SETTINGS), []);
    assert!(refused(&schema, SETTINGS).iter().any(|call| call.name == "a missing `a`"));
}

/// `^[0-9]{4}-[0-9]{2}-[0-9]{2}$` is no date yet.
#[test]
fn what_a_pattern_takes_is_made_of_its_examples() {
    let at = json!({ "type": "string", "pattern": "^[0-9]+$", "examples": ["42"] });
    let schema = json!({ "type": "object", "required": ["at"], "properties": { "at": at } });
    let calls = accepted(&schema, SETTINGS);
    assert!(!calls.is_empty() && calls.iter().all(|call| call.arguments["at"] == "42"), "{calls:?}");
}
