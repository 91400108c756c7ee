//! Two schemas that a value has to satisfy both, as one that people can read.

use serde_json::{Map, Value, json};

/// Takes `other` into `schema`, as `allOf` of both would judge, as far as that can be written as one.
pub fn into(schema: &mut Map<String, Value>, other: Map<String, Value>) {
    for (keyword, theirs) in other {
        let Some(ours) = schema.get_mut(&keyword) else {
            schema.insert(keyword, theirs);
            continue;
        };
        match (keyword.as_str(), ours, theirs) {
            ("properties" | "patternProperties", Value::Object(ours), Value::Object(theirs)) => {
                for (name, property) in theirs {
                    match (ours.get_mut(&name), property) {
                        (Some(Value::Object(ours)), Value::Object(theirs)) => into(ours, theirs),
                        (Some(_), _) => {}
                        (None, property) => drop(ours.insert(name, property)),
                    }
                }
            }
            ("required", Value::Array(ours), Value::Array(theirs)) => {
                let new: Vec<Value> = theirs.into_iter().filter(|name| !ours.contains(name)).collect();
                ours.extend(new);
            }
            ("items", Value::Object(ours), Value::Object(theirs)) => into(ours, theirs),
            ("enum", Value::Array(ours), Value::Array(theirs)) => {
                let both: Vec<Value> = ours.iter().filter(|value| theirs.contains(value)).cloned().collect();
                if !both.is_empty() {
                    *ours = both;
                }
            }
            ("anyOf", ours, theirs) if *ours != theirs => {
                let first = ours.take();
                schema.shift_remove("anyOf");
                let both = json!([{ "anyOf": first }, { "anyOf": theirs }]);
                match schema.get_mut("allOf") {
                    Some(Value::Array(all)) => all.push(json!({ "anyOf": both[1]["anyOf"] })),
                    _ => drop(schema.insert("allOf".to_owned(), both)),
                }
            }
            ("type", ours, theirs) => {
                let both = common(ours, &theirs);
                if let Some(both) = both {
                    *ours = both;
                }
            }
            // Of texts and bounds the first stays: what is nearer to the value.
            _ => {}
        }
    }
}

fn common(ours: &Value, theirs: &Value) -> Option<Value> {
    let list = |types: &Value| match types {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    let theirs = list(theirs);
    let mut both: Vec<Value> = list(ours).into_iter().filter(|one| theirs.contains(one)).collect();
    match both.len() {
        0 => None,
        1 => both.pop(),
        _ => Some(both.into()),
    }
}

/// What fits one of the choices, as one schema. What may be null beside one other thing has one type more, as where `nullable` or a
/// list of types says it.
pub fn any_of(mut choices: Vec<Value>) -> Map<String, Value> {
    let is_null = |choice: &Value| choice.get("type").is_some_and(|kind| kind == "null");
    let is_typed = |choice: &Value| {
        choice.get("type").is_some() && ["anyOf", "allOf", "const"].iter().all(|keyword| choice.get(*keyword).is_none())
    };
    if let [one, other] = &choices[..]
        && (is_null(one) && is_typed(other) || is_null(other) && is_typed(one))
    {
        choices.retain(|choice| !is_null(choice));
        choices.first_mut().and_then(Value::as_object_mut).into_iter().for_each(or_null);
    }
    if choices.len() > 1 {
        return Map::from_iter([("anyOf".to_owned(), choices.into())]);
    }
    match choices.pop() {
        Some(Value::Object(only)) => only,
        _ => Map::new(),
    }
}

fn or_null(schema: &mut Map<String, Value>) {
    let mut types = match schema.get("type") {
        Some(Value::Array(types)) => types.clone(),
        one => one.cloned().into_iter().collect(),
    };
    if !types.contains(&"null".into()) {
        types.push("null".into());
    }
    schema.insert("type".to_owned(), types.into());
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
}

/// Whether a value of the schema may be of the type.
pub fn is_of(schema: &Map<String, Value>, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(many)) => many.iter().any(|one| one == kind),
        _ => false,
    }
}

/// The type of all values but null, if there is one.
pub fn only(schema: &Map<String, Value>) -> Option<&str> {
    match schema.get("type")? {
        Value::String(one) => Some(one),
        Value::Array(many) => {
            let mut others = many.iter().filter_map(Value::as_str).filter(|one| *one != "null");
            others.next().filter(|_| others.next().is_none())
        }
        _ => None,
    }
}

pub fn accepts_type(schema: &Map<String, Value>, value: &Value) -> bool {
    if !schema.contains_key("type") {
        return true;
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => return is_of(schema, "integer") || is_of(schema, "number"),
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    is_of(schema, kind)
}

/// Null is no value where nothing can be left out.
pub fn never_null(schema: &mut Map<String, Value>) {
    if let Some(only) = only(schema).map(str::to_owned) {
        schema.insert("type".to_owned(), only.into());
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
}

/// Takes out what nothing could satisfy: names that must be there and may not.
pub fn tidy(schema: &mut Map<String, Value>) {
    for (keyword, value) in schema.iter_mut() {
        match (keyword.as_str(), value) {
            ("properties" | "patternProperties" | "$defs", Value::Object(named)) => {
                named.values_mut().filter_map(Value::as_object_mut).for_each(tidy);
            }
            ("items" | "additionalProperties", Value::Object(inner)) => tidy(inner),
            ("anyOf" | "allOf" | "prefixItems", Value::Array(many)) => {
                many.iter_mut().filter_map(Value::as_object_mut).for_each(tidy);
            }
            _ => {}
        }
    }
    let is_open = schema.get("additionalProperties").is_some_and(|others| *others != Value::Bool(false));
    let is_composed =
        ["anyOf", "allOf", "$ref", "patternProperties"].iter().any(|keyword| schema.contains_key(*keyword));
    let known: Option<Vec<String>> =
        schema.get("properties").and_then(Value::as_object).map(|known| known.keys().cloned().collect());
    if let Some(known) = known
        && !is_open
        && !is_composed
        && let Some(Value::Array(required)) = schema.get_mut("required")
    {
        required.retain(|name| name.as_str().is_some_and(|name| known.iter().any(|known| known == name)));
        if required.is_empty() {
            schema.shift_remove("required");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(one: Value, other: Value, expected: Value) {
        let (Value::Object(mut one), Value::Object(other)) = (one, other) else { panic!("objects") };
        into(&mut one, other);
        assert_eq!(Value::Object(one), expected);
    }

    #[test]
    fn parts_of_an_object_become_one() {
        check(
            json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] }),
            json!({ "type": "object", "properties": { "a": { "minLength": 1 }, "b": {} }, "required": ["a", "b"] }),
            json!({ "type": "object", "properties": { "a": { "type": "string", "minLength": 1 }, "b": {} }, "required": ["a", "b"] }),
        );
    }

    #[test]
    fn choices_stay_apart() {
        check(
            json!({ "anyOf": [{ "type": "string" }] }),
            json!({ "anyOf": [{ "minLength": 1 }, { "maxLength": 3 }] }),
            json!({ "allOf": [{ "anyOf": [{ "type": "string" }] }, { "anyOf": [{ "minLength": 1 }, { "maxLength": 3 }] }] }),
        );
    }

    #[test]
    fn what_may_be_null_beside_one_other_thing_has_one_type_more() {
        let check = |choices: Value, expected: Value| {
            let Value::Array(choices) = choices else { panic!("choices") };
            assert_eq!(Value::Object(any_of(choices)), expected);
        };
        let nothing = json!({ "type": "null", "title": "Nothing" });
        check(
            json!([{ "type": "string", "maxLength": 3 }, nothing]),
            json!({ "type": ["string", "null"], "maxLength": 3 }),
        );
        check(
            json!([nothing, { "type": ["string", "null"], "enum": ["a"] }]),
            json!({ "type": ["string", "null"], "enum": ["a", null] }),
        );
        check(json!([{ "const": "a" }, nothing]), json!({ "anyOf": [{ "const": "a" }, nothing] }));
        check(json!([{ "$ref": "#/$defs/A" }, nothing]), json!({ "anyOf": [{ "$ref": "#/$defs/A" }, nothing] }));
        check(json!([nothing]), nothing);
        check(json!([]), json!({}));
    }

    #[test]
    fn types_are_those_of_both() {
        check(json!({ "type": ["string", "null"] }), json!({ "type": "string" }), json!({ "type": "string" }));
        check(json!({ "type": "string" }), json!({ "type": "integer" }), json!({ "type": "string" }));
    }
}
