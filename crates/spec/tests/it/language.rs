//! The published JSON Schema of the language. That it accepts every valid document is the corpus' subject.

use mcp_factory_spec::language_schema;
use serde_json::{Value, json};

fn check(spec: &Value) -> Vec<String> {
    let schema = language_schema();
    let validator = jsonschema::draft202012::new(&schema).expect("the published schema is a JSON Schema");
    validator.iter_errors(spec).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn server() -> Value {
    json!({
        "name": "shop",
        "auth": { "type": "api_key", "envVar": "KEYS" },
        "connections": [{ "name": "db", "type": "sqlite", "path": "shop.db" }],
        "tools": [{
            "name": "list", "description": "Everything", "sql": "SELECT 1",
            "limits": { "timeout": "5s" }, "examples": [{ "expect": {} }],
        }],
        "triggers": [{ "type": "cron", "schedule": "@daily", "tool": "list" }],
        "resources": [{ "uri": "doc://a", "name": "A", "file": "a.md" }],
    })
}

#[test]
fn unknown_fields_are_refused_wherever_they_stand() {
    assert_eq!(check(&server()), Vec::<String>::new());
    for place in [
        "",
        "/auth",
        "/connections/0",
        "/tools/0",
        "/tools/0/limits",
        "/tools/0/examples/0",
        "/triggers/0",
        "/resources/0",
    ] {
        let mut spec = server();
        spec.pointer_mut(place).expect("a place of the server")["unknownField"] = true.into();
        assert!(!check(&spec).is_empty(), "`{place}` takes an unknown field");
    }
}

#[test]
fn what_is_required_and_what_excludes_something_is_in_the_schema() {
    for (place, wrong) in [
        ("/tools/0/limits/timeout", json!(5)),
        ("/connections/0/type", json!("oracle")),
        ("/connections/0", json!({ "name": "db", "type": "filesystem" })),
        ("/connections/0", json!({ "name": "db", "type": "sqlite", "bucket": "b" })),
        ("/auth", json!({ "type": "jwt" })),
        ("/name", json!("Shop")),
        ("/tools/0", json!({ "name": "list" })),
        ("/triggers/0/type", json!("webhook")),
    ] {
        let mut spec = server();
        *spec.pointer_mut(place).expect("a place of the server") = wrong.clone();
        assert!(!check(&spec).is_empty(), "`{place}` may be {wrong}");
    }
}

#[test]
fn every_field_says_what_it_is() {
    fn walk(schema: &Value, at: &str, silent: &mut Vec<String>) {
        let is_schema = !at.ends_with(".properties");
        if let Some(properties) = schema.get("properties").and_then(Value::as_object).filter(|_| is_schema) {
            for (name, property) in properties {
                if property.get("description").is_none() && property.get("const").is_none() {
                    silent.push(format!("{at}.{name}"));
                }
            }
        }
        match schema {
            Value::Object(parts) => parts.iter().for_each(|(key, part)| walk(part, &format!("{at}.{key}"), silent)),
            Value::Array(parts) => parts.iter().for_each(|part| walk(part, at, silent)),
            _ => {}
        }
    }
    let mut silent = Vec::new();
    walk(&language_schema(), "", &mut silent);
    assert_eq!(silent, Vec::<String>::new());
}
