//! What a test expects of an answer.

use mcp_factory_engine::{NO_SUCH_ROW, REFUSED, SEVERAL_ROWS};
use mcp_factory_spec::{json_schema, model};
use serde_json::Value;

use super::client::{Answer, CallError};

#[derive(Debug)]
pub enum Expectation {
    /// The result holds at least this.
    Subset(Value),
    Schema(Value),
    /// The call ran and failed.
    Failure,
    /// The call did not run: its arguments were refused.
    Refusal,
    /// The arguments were taken. Whatever came of it, but for failures that make sense.
    Answer(Failures),
}

/// Failures that are nobody's fault when arguments were made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failures {
    /// There is no such row, or there are several.
    NoRow,
    Any,
}

impl From<&model::Expectation> for Expectation {
    fn from(expectation: &model::Expectation) -> Self {
        match expectation {
            model::Expectation::Subset(value) => Self::Subset(value.clone()),
            model::Expectation::Schema(schema) => Self::Schema(schema.as_value().clone()),
            model::Expectation::Failure => Self::Failure,
        }
    }
}

impl Expectation {
    /// Says what differs, when something does.
    pub fn check(&self, answer: Result<Answer, CallError>) -> Result<(), String> {
        let answer = match (self, answer) {
            (Self::Refusal, Err(CallError::Protocol { code: -32602, .. })) => return Ok(()),
            (_, Err(error)) => return Err(error.to_string()),
            (_, Ok(answer)) => answer,
        };
        match self {
            Self::Failure if answer.is_error => Ok(()),
            Self::Refusal if refused(&answer) => Ok(()),
            Self::Answer(_) if refused(&answer) => Err(format!("arguments that fit the schema: {}", answer.text)),
            Self::Answer(failures) if !answer.is_error || *failures == Failures::Any => Ok(()),
            Self::Answer(_) if [NO_SUCH_ROW, SEVERAL_ROWS].contains(&answer.text.as_str()) => Ok(()),
            Self::Failure => Err(format!("expected an error, got {}", short(&answer.value()))),
            Self::Refusal => Err(format!("these arguments must be refused, got {}", short(&answer.value()))),
            _ if answer.is_error => Err(format!("the call failed: {}", answer.text)),
            Self::Answer(_) => Ok(()),
            Self::Subset(expected) => match difference(expected, &answer.value(), "") {
                None => Ok(()),
                Some(difference) => Err(difference),
            },
            Self::Schema(schema) => {
                let validator = json_schema::compile(schema).map_err(|error| error.to_string())?;
                validator.validate(&answer.value()).map_err(|error| format!("at `{}`: {error}", error.instance_path()))
            }
        }
    }
}

fn refused(answer: &Answer) -> bool {
    answer.is_error && answer.text.starts_with(REFUSED)
}

/// Where `actual` does not hold what `expected` lists. Objects may have more keys, arrays more items (in the order
/// given); an empty array expects an empty one.
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
        let difference = difference(&expected, &actual, "");
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
