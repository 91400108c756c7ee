//! Which calls a spec's tests are: its examples, and for every tool one call that must be refused.

use mcp_factory_engine::Engine;
use mcp_factory_spec::{Spec, json_schema, model};
use serde_json::{Map, Value, json};

use super::expectation::Expectation;

/// One call.
#[derive(Debug)]
pub struct Case {
    pub tool: String,
    pub name: String,
    /// A caller of [`super::client::Callers`]; `None` is `local`, who may everything.
    pub caller: Option<String>,
    pub arguments: Map<String, Value>,
    pub expectation: Expectation,
    /// Why it is not run.
    pub skip: Option<String>,
}

pub fn of(spec: &Spec, engine: &Engine, writes: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for (position, tool) in spec.tools.iter().enumerate() {
        let name = tool.name.to_string();
        let may_run = writes || engine.is_read_only(&name) || engine.is_seeded(&name);
        for (number, example) in tool.examples.iter().enumerate() {
            cases.push(Case {
                tool: name.clone(),
                name: example.name.clone().unwrap_or_else(|| format!("example {}", number + 1)),
                caller: example.principal.as_ref().map(|_| caller(position, number)),
                arguments: example.arguments.clone(),
                expectation: Expectation::from(&example.expectation),
                skip: (!may_run).then(|| "it may write; `--writes` runs it".to_owned()),
            });
        }
        cases.extend(refused(&name, tool));
    }
    cases
}

/// The key of an example's caller.
pub fn caller(tool: usize, example: usize) -> String {
    format!("{tool}/{example}")
}

/// A call that the tool's schema refuses, so that it reaches nothing, whatever the tool does.
fn refused(name: &str, tool: &model::Tool) -> Option<Case> {
    let schema = Value::Object(tool.input_schema());
    let validator = json_schema::compile(&schema).ok()?;
    let (what, arguments) = wrong(&schema).into_iter().find(|(_, arguments)| !validator.is_valid(arguments))?;
    let Value::Object(arguments) = arguments else { return None };
    let name = name.to_owned();
    Some(Case { tool: name, name: what, caller: None, arguments, expectation: Expectation::Refusal, skip: None })
}

fn wrong(schema: &Value) -> Vec<(String, Value)> {
    let mut wrong = vec![("refuses a missing argument".to_owned(), json!({}))];
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let value = if property["type"] == "object" { json!("text") } else { json!({ "not": "expected" }) };
        wrong.push((format!("refuses a wrong `{name}`"), json!({ name: value })));
    }
    wrong.push(("refuses an unknown argument".to_owned(), json!({ "no_such_argument": 1 })));
    wrong
}
