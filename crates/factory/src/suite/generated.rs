//! Calls that nobody wrote, made from a tool's input schema: some that must be accepted, and some that must be refused.
//!
//! What is made here is a proposal; the schema's own validator decides what it is, so a keyword that is not understood here
//! costs a call and never makes a wrong one. The same seed makes the same calls.

mod flatten;
mod misfits;
mod pattern;
mod values;

use std::collections::HashSet;

use fastrand::Rng;
use mcp_factory_spec::json_schema;
use serde_json::{Map, Value};

use flatten::flatten;
use values::{Size, Values};

/// Refused calls for one tool; more say nothing new.
const MOST_REFUSED: usize = 60;
/// Values at the bounds of one tool's parameters.
const MOST_AT_BOUNDS: usize = 60;
/// Proposals for one call before it is given up.
const ATTEMPTS: usize = 20;

/// How many calls are made, and which.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub seed: u64,
    /// Random calls for each tool, beside the smallest, the largest and those at the bounds.
    pub cases: usize,
}

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What is special about it.
    pub name: String,
    pub arguments: Map<String, Value>,
}

/// Calls that fit the schema: the smallest, one with everything, values at every bound, and random ones.
pub fn accepted(schema: &Value, settings: Settings) -> Vec<Call> {
    let Ok(validator) = json_schema::compile(schema) else { return Vec::new() };
    let mut values = Values::new(schema, Rng::with_seed(settings.seed));
    let mut calls = Calls::default();
    let mut fitting = |size| {
        (0..ATTEMPTS).find_map(|_| {
            let value = values.fitting(schema, size, 0)?;
            if validator.is_valid(&value) { object(value) } else { None }
        })
    };
    let Some(smallest) = fitting(Size::Smallest) else { return Vec::new() };
    let largest = fitting(Size::Everything);
    let random: Vec<_> = (0..settings.cases).filter_map(|_| fitting(Size::Random)).collect();
    calls.add("the fewest arguments", smallest.clone());
    calls.add_some("every argument", largest);
    let mut at_bounds = Calls::default();
    let shape = flatten(schema, schema, &mut Rng::with_seed(settings.seed));
    for (name, property) in properties(&shape) {
        for (what, value) in values.at_bounds(property) {
            let mut arguments = smallest.clone();
            arguments.insert(name.clone(), value);
            if validator.is_valid(&Value::Object(arguments.clone())) {
                at_bounds.add(&format!("`{name}` {what}"), arguments);
            }
        }
    }
    at_bounds.made.truncate(MOST_AT_BOUNDS);
    for Call { name, arguments } in at_bounds.made {
        calls.add(&name, arguments);
    }
    for (number, arguments) in random.into_iter().enumerate() {
        calls.add(&format!("random arguments {}", number + 1), arguments);
    }
    calls.made
}

/// Calls that do not fit the schema, each for one reason: something is missing, unknown, of a wrong type or out of bounds.
pub fn refused(schema: &Value, settings: Settings) -> Vec<Call> {
    let Ok(validator) = json_schema::compile(schema) else { return Vec::new() };
    let mut values = Values::new(schema, Rng::with_seed(settings.seed));
    let mut calls = Calls::default();
    for (what, value) in misfits::of_arguments(schema, &mut values) {
        if let Some(arguments) = object(value)
            && !validator.is_valid(&Value::Object(arguments.clone()))
        {
            calls.add(&what, arguments);
        }
    }
    calls.made.truncate(MOST_REFUSED);
    calls.made
}

/// No call twice.
#[derive(Debug, Default)]
struct Calls {
    made: Vec<Call>,
    seen: HashSet<String>,
}

impl Calls {
    fn add(&mut self, name: &str, arguments: Map<String, Value>) {
        if self.seen.insert(Value::Object(arguments.clone()).to_string()) {
            self.made.push(Call { name: name.to_owned(), arguments });
        }
    }

    fn add_some(&mut self, name: &str, arguments: Option<Map<String, Value>>) {
        if let Some(arguments) = arguments {
            self.add(name, arguments);
        }
    }
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

fn is_required(schema: &Value, name: &str) -> bool {
    schema.get("required").and_then(Value::as_array).is_some_and(|names| names.iter().any(|one| one == name))
}

/// The types that a schema allows, as far as it says.
fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
