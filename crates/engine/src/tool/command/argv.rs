//! The arguments of a program: each stays one argument, whatever a value holds, and none becomes an option.
//!
//! What begins with `-` is refused where a placeholder begins the element, unless the values are the spec's own (`enum`,
//! `const`), a number, or stand behind a `--`.

use std::borrow::Cow;

use mcp_factory_spec::template::{Json, Text};
use serde_json::{Map, Value};

/// The elements of `argv` behind the program.
#[derive(Debug)]
pub struct Argv(Vec<Element>);

#[derive(Debug)]
struct Element {
    template: Json,
    /// The text as the spec has it, for messages.
    text: String,
    /// A value of the caller begins it, where a program looks for options.
    guarded: bool,
}

impl Argv {
    /// `properties` are those of the tool's input schema.
    pub fn compile<'v>(
        values: impl Iterator<Item = &'v Value>,
        properties: &Map<String, Value>,
    ) -> Result<Self, String> {
        let mut elements = Vec::new();
        let mut options_end = false;
        for value in values {
            let template = Json::parse(value).map_err(|problem| problem.to_string())?;
            let text = plain(value);
            let begins_with_value = text.starts_with('{') && !text.starts_with("{{");
            let fixed = whole(value).and_then(|name| properties.get(&name)).is_some_and(is_fixed);
            let guarded = begins_with_value && !options_end && !fixed;
            options_end |= text == "--";
            elements.push(Element { template, text, guarded });
        }
        Ok(Self(elements))
    }

    pub fn arguments<'v>(
        &self,
        program: &str,
        get: impl Fn(&str) -> Option<Cow<'v, Value>> + Copy,
    ) -> Result<Vec<String>, String> {
        let mut arguments = Vec::new();
        for element in &self.0 {
            let values = match element.template.render(get) {
                None | Some(Value::Null) => continue,
                Some(Value::Array(values)) => values,
                Some(value) => vec![value],
            };
            for value in values.iter().filter(|value| !value.is_null()) {
                let argument = plain(value);
                if element.guarded && argument.starts_with('-') && !value.is_number() {
                    return Err(format!(
                        "`{}` may not begin with `-` here: the program `{program}` would take it for an option",
                        element.text,
                    ));
                }
                arguments.push(argument);
            }
        }
        Ok(arguments)
    }
}

/// The name of the argument that the whole value is.
pub fn whole(value: &Value) -> Option<String> {
    Some(Text::parse(value.as_str()?).ok()?.whole()?.name.clone())
}

/// A value as text, without quotes around what is text.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether the spec lists every value that there can be.
fn is_fixed(property: &Value) -> bool {
    let listed = |schema: &Value| schema.get("enum").is_some() || schema.get("const").is_some();
    let is_array = property.get("type").is_some_and(|kind| kind == "array");
    listed(property) || (is_array && property.get("items").is_some_and(listed))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn arguments(argv: &Value, properties: &Value, values: &Value) -> Result<Vec<String>, String> {
        let argv = Argv::compile(argv.as_array().unwrap().iter(), properties.as_object().unwrap()).unwrap();
        argv.arguments("p", |name| values.get(name).filter(|value| !value.is_null()).map(Cow::Borrowed))
    }

    proptest! {
        #[test]
        fn every_value_stays_one_argument_and_none_becomes_an_option(
            text in "(-)?\\PC{0,12}",
            words in proptest::collection::vec("(-)?\\PC{0,6}", 0..4),
            number in any::<i64>(),
        ) {
            let argv = json!(["fixed", "{text}", "--text={text}", "{words}", "{number}", "{absent}", "--", "{text}", "{words}"]);
            let values = json!({ "text": text, "words": words, "number": number });
            let made = arguments(&argv, &json!({}), &values);
            if text.starts_with('-') || words.iter().any(|word| word.starts_with('-')) {
                prop_assert!(made.unwrap_err().contains("may not begin with `-`"));
            } else {
                let mut expected = vec!["fixed".to_owned(), text.clone(), format!("--text={text}")];
                expected.extend(words.clone());
                expected.extend([number.to_string(), "--".to_owned(), text]);
                expected.extend(words);
                prop_assert_eq!(made, Ok(expected));
            }
        }
    }

    #[test]
    fn values_that_the_spec_lists_may_be_options() {
        let properties = json!({ "one": { "enum": ["-a"] }, "many": { "type": "array", "items": { "enum": ["-b"] } },
                                 "free": { "type": "string" } });
        let made = arguments(&json!(["{one}", "{many}"]), &properties, &json!({ "one": "-a", "many": ["-b", "-b"] }));
        assert_eq!(made.unwrap(), ["-a", "-b", "-b"]);
        assert!(arguments(&json!(["{free}{one}"]), &properties, &json!({ "free": "", "one": "-a" })).is_err());
    }
}
