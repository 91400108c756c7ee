//! Values that do not fit a schema, each for one reason.

use serde_json::{Map, Value, json};

use super::{
    is_required, properties, types,
    values::{Size, Values, bounds, from_float},
};

/// How deep the reason may lie.
const DEEPEST: usize = 3;
/// Texts longer than this are not made.
const LONGEST: u64 = 20_000;
const MOST_ITEMS: u64 = 300;

/// Calls that break the schema of a tool's arguments. Nulls are arguments that were left out, and an argument with a default
/// can be.
pub fn of_arguments(schema: &Value, values: &mut Values<'_>) -> Vec<(String, Value)> {
    let base = values.fitting(schema, Size::Smallest, 0).filter(Value::is_object).unwrap_or_else(|| json!({}));
    of_object(schema, values, &base, "", 0)
}

fn of(schema: &Value, values: &mut Values<'_>, name: &str, depth: usize) -> Vec<(String, Value)> {
    let flat = &values.flat(schema);
    let mut found = Vec::new();
    if let Some(wrong) = wrong_type(flat) {
        found.push((format!("a wrong type of `{name}`"), wrong));
    }
    if flat.get("enum").is_some() || flat.get("const").is_some() {
        found.push((format!("an unlisted `{name}`"), json!("no such value, surely")));
        found.push((format!("an unlisted `{name}`"), json!(8_191_731)));
        return found;
    }
    let kinds = types(flat);
    if kinds.contains(&"integer") && !kinds.contains(&"number") {
        found.push((format!("a fraction as `{name}`"), json!(0.5)));
    }
    if kinds.contains(&"integer") || kinds.contains(&"number") {
        let (least, most) = bounds(flat, true);
        found.extend(least.map(|least| (format!("`{name}` below its minimum"), from_float(least - 1.0, false))));
        found.extend(most.map(|most| (format!("`{name}` above its maximum"), from_float(most + 1.0, false))));
        if let Some(step) = flat.get("multipleOf").and_then(Value::as_f64) {
            let near = least.unwrap_or(0.0);
            found.push((format!("`{name}` between its steps"), from_float(near + step / 2.0, false)));
            found.push((format!("`{name}` between its steps"), from_float(near + 1.0, false)));
        }
    }
    let length = |keyword: &str| flat.get(keyword).and_then(Value::as_u64);
    if kinds.contains(&"string") {
        if let Some(short) = length("minLength").and_then(|least| least.checked_sub(1)).filter(|l| *l <= LONGEST) {
            found.push((format!("a too short `{name}`"), Value::String(values.letters(short))));
        }
        if let Some(long) = length("maxLength").filter(|most| *most < LONGEST) {
            found.push((format!("a too long `{name}`"), Value::String(values.letters(long + 1))));
        }
        if flat.get("pattern").is_some() {
            for text in ["", "\u{7}", "-- no such pattern --"] {
                found.push((format!("`{name}` against its pattern"), json!(text)));
            }
        }
    }
    if depth < DEEPEST {
        if kinds.contains(&"array") || flat.get("items").is_some() {
            found.extend(of_array(flat, values, name, depth));
        }
        if kinds.contains(&"object") || flat.get("properties").is_some() {
            let base = values.fitting(schema, Size::Smallest, depth).filter(Value::is_object);
            found.extend(of_object(schema, values, &base.unwrap_or_else(|| json!({})), name, depth));
        }
    }
    found
}

fn of_array(flat: &Value, values: &mut Values<'_>, name: &str, depth: usize) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let length = |keyword: &str| flat.get(keyword).and_then(Value::as_u64);
    let items = flat.get("items").cloned().unwrap_or_else(|| json!({}));
    let several = |count: u64, values: &mut Values<'_>| -> Option<Vec<Value>> {
        (0..count).map(|_| values.fitting(&items, Size::Random, depth + 1)).collect()
    };
    if let Some(few) = length("minItems").and_then(|least| least.checked_sub(1)).filter(|few| *few <= MOST_ITEMS) {
        found.extend(several(few, values).map(|few| (format!("too few items in `{name}`"), Value::Array(few))));
    }
    if let Some(most) = length("maxItems").filter(|most| *most < MOST_ITEMS) {
        found.extend(several(most + 1, values).map(|many| (format!("too many items in `{name}`"), Value::Array(many))));
    }
    if flat.get("uniqueItems") == Some(&Value::Bool(true))
        && let Some(one) = values.fitting(&items, Size::Smallest, depth + 1)
    {
        found.push((format!("an item twice in `{name}`"), json!([one, one])));
    }
    for (what, item) in of(&items, values, &format!("{name}[0]"), depth + 1) {
        found.push((what, json!([item])));
    }
    found
}

fn of_object(schema: &Value, values: &mut Values<'_>, base: &Value, name: &str, depth: usize) -> Vec<(String, Value)> {
    let flat = &values.flat(schema);
    let mut found = Vec::new();
    let Value::Object(base) = base else { return found };
    let within = |property: &str| if name.is_empty() { property.to_owned() } else { format!("{name}.{property}") };
    let with = |property: &str, value: Value| {
        let mut object: Map<String, Value> = base.clone();
        object.insert(property.to_owned(), value);
        Value::Object(object)
    };
    for (property, schema) in properties(flat) {
        let filled_in = depth == 0 && schema.get("default").is_some();
        if is_required(flat, property) && !filled_in {
            let mut object = base.clone();
            object.shift_remove(property);
            found.push((format!("a missing `{}`", within(property)), Value::Object(object)));
        }
        for (what, value) in of(schema, values, &within(property), depth + 1) {
            found.push((what, with(property, value)));
        }
    }
    let what = if name.is_empty() { "an unknown argument".to_owned() } else { format!("an unknown field in `{name}`") };
    found.push((what, with("no_such_argument", json!(1))));
    found
}

/// A value of a type that is not among those that are allowed. Not null, which is an argument that was left out.
fn wrong_type(schema: &Value) -> Option<Value> {
    let allowed = types(schema);
    let candidates = [
        ("object", json!({ "not": "expected" })),
        ("string", json!("text")),
        ("array", json!([true])),
        ("boolean", json!(true)),
        ("number", json!(1.5)),
    ];
    if allowed.is_empty() {
        return None;
    }
    candidates.into_iter().find(|(kind, _)| !allowed.contains(kind)).map(|(_, value)| value)
}
