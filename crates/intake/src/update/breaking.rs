//! What callers of a server's tools notice: what they sent is refused now, or what they read is not there any more.

use std::fmt;

use mcp_factory_spec::{Spec, model::Tool};
use serde_json::{Map, Value};

/// One thing, of one tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    pub tool: String,
    pub what: String,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "breaking: tool `{}`: {}", self.tool, self.what)
    }
}

/// How deep results are compared.
const DEPTH: usize = 6;

pub fn breaking(before: &Spec, after: &Spec) -> Vec<Break> {
    let mut breaks = Vec::new();
    for tool in &before.tools {
        let mut tell = |what: String| breaks.push(Break { tool: tool.name.as_str().to_owned(), what });
        match after.tools.iter().find(|it| it.name == tool.name) {
            None => tell("it is gone".to_owned()),
            Some(new) => {
                taken(tool, new, &mut tell);
                if let (Some(old), Some(new)) = (&tool.returns, &new.returns) {
                    given("the result", old.as_value(), new.as_value(), DEPTH, &mut tell);
                }
            }
        }
    }
    breaks
}

fn taken(old: &Tool, new: &Tool, tell: &mut impl FnMut(String)) {
    let (old, new) = (old.input_schema(), new.input_schema());
    let empty = Map::new();
    let fields = |schema: &'_ Map<String, Value>| schema.get("properties").and_then(Value::as_object).cloned();
    let (was, is) = (fields(&old).unwrap_or_default(), fields(&new).unwrap_or_default());
    for (name, schema) in &was {
        let Some(now) = is.get(name) else {
            tell(format!("the parameter `{name}` is gone"));
            continue;
        };
        let required = |schema: &Map<String, Value>| words(schema.get("required")).iter().any(|it| it == name);
        if required(&new) && !required(&old) {
            tell(format!("the parameter `{name}` became required"));
        }
        let (schema, now) = (schema.as_object().unwrap_or(&empty), now.as_object().unwrap_or(&empty));
        if let Some((from, to)) = other_type(schema, now, true) {
            tell(format!("the type of the parameter `{name}` changed from {from} to {to}"));
        }
        let known = words(schema.get("enum"));
        let allowed = words(now.get("enum"));
        if !allowed.is_empty() && (known.is_empty() || known.iter().any(|word| !allowed.contains(word))) {
            let gone: Vec<&str> = known.iter().filter(|word| !allowed.contains(word)).map(String::as_str).collect();
            let which = if gone.is_empty() { "others".to_owned() } else { format!("`{}`", gone.join("`, `")) };
            tell(format!("the parameter `{name}` does not take {which} any more"));
        }
    }
    for name in words(new.get("required")) {
        if !was.contains_key(&name) {
            tell(format!("the parameter `{name}` is new and required"));
        }
    }
}

fn given(place: &str, old: &Value, new: &Value, depth: usize, tell: &mut impl FnMut(String)) {
    let (Value::Object(old), Value::Object(new), 1..) = (old, new, depth) else { return };
    if let Some((from, to)) = other_type(old, new, false) {
        return tell(format!("the type of {place} changed from {from} to {to}"));
    }
    if let (Some(Value::Object(was)), Some(Value::Object(is))) = (old.get("properties"), new.get("properties")) {
        for (name, schema) in was {
            match is.get(name) {
                None => tell(format!("`{name}` of {place} is gone")),
                Some(now) => given(&format!("`{name}` of {place}"), schema, now, depth - 1, tell),
            }
        }
    }
    if let (Some(was), Some(is)) = (old.get("items"), new.get("items")) {
        given(&format!("the items of {place}"), was, is, depth - 1, tell);
    }
}

/// What is taken may be wider than it was, what is given narrower.
fn other_type(old: &Map<String, Value>, new: &Map<String, Value>, taken: bool) -> Option<(String, String)> {
    let (was, is) = (words(old.get("type")), words(new.get("type")));
    if was.is_empty() || is.is_empty() {
        return None;
    }
    let within = |inner: &[String], outer: &[String]| {
        inner.iter().all(|it| outer.contains(it) || (it == "integer" && outer.iter().any(|it| it == "number")))
    };
    let fits = if taken { within(&was, &is) } else { within(&is, &was) };
    (!fits).then(|| (was.join(" or "), is.join(" or ")))
}

fn words(value: Option<&Value>) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Some(Value::Array(values)) => values.iter().map(text).collect(),
        Some(value) => vec![text(value)],
        None => Vec::new(),
    }
}
