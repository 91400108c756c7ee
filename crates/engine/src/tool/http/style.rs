//! `styles`: how arguments that are lists or objects become text where they stand.

use std::borrow::Cow;

use indexmap::IndexMap;
use mcp_factory_spec::{model::ParameterStyle, template::Json};
use serde_json::{Map, Value};

use super::body::plain;

#[derive(Debug, Default)]
pub struct Styles {
    /// Lists that are one text, with what stands between their elements and what that is called.
    joined: Vec<(String, char, &'static str)>,
    deep: Vec<String>,
}

impl Styles {
    pub fn compile(styles: &IndexMap<String, ParameterStyle>) -> Self {
        let mut compiled = Self::default();
        for (name, style) in styles {
            let (between, called) = match style {
                ParameterStyle::CommaDelimited => (',', "a comma"),
                ParameterStyle::SpaceDelimited => (' ', "a space"),
                ParameterStyle::TabDelimited => ('\t', "a tab"),
                ParameterStyle::PipeDelimited => ('|', "`|`"),
                ParameterStyle::DeepObject => {
                    compiled.deep.push(name.clone());
                    continue;
                }
            };
            compiled.joined.push((name.clone(), between, called));
        }
        compiled
    }

    /// The arguments, with those lists as text. No element may hold what stands between them: it would be two.
    pub fn join<'a>(&self, arguments: &'a Map<String, Value>) -> Result<Cow<'a, Map<String, Value>>, String> {
        let mut written = Cow::Borrowed(arguments);
        for (name, between, called) in &self.joined {
            let Some(Value::Array(items)) = arguments.get(name) else { continue };
            let items: Vec<String> = items.iter().filter(|item| !item.is_null()).map(plain).collect();
            if let Some(item) = items.iter().find(|item| item.contains(*between)) {
                return Err(format!("`{name}` has {item:?} in it, and {called} stands between its elements"));
            }
            written.to_mut().insert(name.clone(), items.join(&between.to_string()).into());
        }
        Ok(written)
    }

    /// Whether the value is an argument whose keys are written out.
    pub fn is_deep(&self, value: &Json) -> bool {
        let Json::Text(text) = value else { return false };
        text.whole().is_some_and(|placeholder| self.deep.contains(&placeholder.name))
    }
}

/// `name[key]=value`, and `name[0]=value` of lists, however deep. What is neither object nor list is `name=value`.
pub fn spread(name: &str, value: &Value, pairs: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => fields.iter().for_each(|(key, value)| spread(&format!("{name}[{key}]"), value, pairs)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| spread(&format!("{name}[{at}]"), value, pairs));
        }
        value => pairs.push((name.to_owned(), plain(value))),
    }
}

/// The pairs of one value in a query or a form: of a list one for each element.
pub fn pairs(name: &str, value: &Value, is_deep: bool, pairs: &mut Vec<(String, String)>) {
    match value {
        value if is_deep => spread(name, value, pairs),
        Value::Array(items) => pairs.extend(items.iter().map(|item| (name.to_owned(), plain(item)))),
        value => pairs.push((name.to_owned(), plain(value))),
    }
}
