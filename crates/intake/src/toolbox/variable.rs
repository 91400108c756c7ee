//! `${NAME}` and `${NAME:default}`, which the Toolbox replaces by variables of its process before it reads anything.
//!
//! A spec names secrets where its language has a place for one. Elsewhere only a default can stand for a variable.

use std::ops::Range;

use serde_json::Value;

/// One `${…}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    pub range: Range<usize>,
    pub name: String,
    pub default: Option<String>,
}

/// All of a text, in order.
pub fn all(text: &str) -> Vec<Variable> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find("${").map(|start| start + at) {
        at = start + 2;
        let Some(end) = text[at..].find('}').map(|end| end + at) else { break };
        let (name, default) = match text[at..end].split_once(':') {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (&text[at..end], None),
        };
        if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            found.push(Variable { range: start..end + 1, name: name.to_owned(), default });
            at = end + 1;
        }
    }
    found
}

/// The variable that a text consists of.
pub fn whole(text: &str) -> Option<Variable> {
    let text = text.trim();
    all(text).into_iter().next().filter(|variable| variable.range == (0..text.len()))
}

/// The name as the language takes it.
pub fn spelled(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

/// Replaces variables by their defaults, everywhere within. `used` are those that were replaced; the error is the first that
/// has no default.
pub fn with_defaults(value: &mut Value, used: &mut Vec<String>) -> Result<(), String> {
    match value {
        Value::String(text) => {
            for variable in all(text).into_iter().rev() {
                let Some(default) = variable.default else { return Err(variable.name) };
                text.replace_range(variable.range, &default);
                if !used.contains(&variable.name) {
                    used.push(variable.name);
                }
            }
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| with_defaults(item, used)),
        Value::Object(fields) => fields.values_mut().try_for_each(|field| with_defaults(field, used)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_with_their_defaults() {
        let found = all("a ${HOST:localhost}:${PORT:} $x ${} ${a b} ${USER}");
        let said: Vec<_> = found.iter().map(|it| (&*it.name, it.default.as_deref())).collect();
        assert_eq!(said, [("HOST", Some("localhost")), ("PORT", Some("")), ("USER", None)]);
        assert!(whole(" ${A} ").is_some() && whole("${A}${B}").is_none() && whole("x${A}").is_none());
    }

    #[test]
    fn a_variable_without_a_default_is_named() {
        let mut value = serde_json::json!({ "a": ["${A:1} and ${B:2}"], "b": 1 });
        let mut used = Vec::new();
        with_defaults(&mut value, &mut used).unwrap();
        assert_eq!(value["a"][0], "1 and 2");
        assert_eq!(used, ["B", "A"]);
        assert_eq!(with_defaults(&mut serde_json::json!("${C}"), &mut used), Err("C".to_owned()));
    }
}
