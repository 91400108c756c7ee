//! What an example expects of an answer, and how an answer differs from it.

use serde_json::Value;

/// Where `actual` does not hold what `expected` lists. Objects may have more keys, arrays more items (in the order
/// given); an empty array expects an empty one.
#[must_use]
pub fn of(expected: &Value, actual: &Value) -> Option<String> {
    difference(expected, actual, "")
}

fn difference(expected: &Value, actual: &Value, at: &str) -> Option<String> {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => expected.iter().find_map(|(key, expected)| {
            let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            match actual.get(key) {
                Some(actual) => difference(expected, actual, &at),
                None => Some(format!("`{at}` is missing")),
            }
        }),
        (Value::Array(expected), Value::Array(actual)) if !expected.is_empty() => {
            let mut rest = actual.iter();
            let absent =
                expected.iter().find(|expected| !rest.any(|actual| difference(expected, actual, at).is_none()))?;
            Some(format!(
                "`{at}` has no item like {} (in this order) among {}",
                short(absent),
                short(&Value::Array(actual.clone()))
            ))
        }
        (Value::Number(expected), Value::Number(actual)) if expected.as_f64() == actual.as_f64() => None,
        (expected, actual) if expected == actual => None,
        (expected, actual) => Some(format!("`{at}` is {}, expected {}", short(actual), short(expected))),
    }
}

/// A value, as far as it fits in a line.
#[must_use]
pub fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(expected: Value, actual: Value, same: bool) {
        let difference = of(&expected, &actual);
        assert_eq!(difference.is_none(), same, "{difference:?}");
    }

    #[test]
    fn a_subset_may_leave_out_keys_and_items_but_not_their_order() {
        let actual = json!({ "items": [{ "a": 1, "b": 2 }, { "a": 3 }], "nextCursor": "x" });
        check(json!({}), actual.clone(), true);
        check(json!({ "items": [{ "a": 3 }] }), actual.clone(), true);
        check(json!({ "items": [{ "a": 1 }, { "a": 3 }] }), actual.clone(), true);
        check(json!({ "items": [{ "a": 3 }, { "a": 1 }] }), actual.clone(), false);
        check(json!({ "items": [{ "a": 1 }, { "a": 1 }] }), actual.clone(), false);
        check(json!({ "items": [] }), actual.clone(), false);
        check(json!({ "more": 1 }), actual, false);
    }

    #[test]
    fn numbers_are_compared_by_value_and_texts_exactly() {
        check(json!({ "a": 1 }), json!({ "a": 1.0 }), true);
        check(json!({ "a": "1" }), json!({ "a": 1 }), false);
    }
}
