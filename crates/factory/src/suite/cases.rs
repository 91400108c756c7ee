//! Which calls a spec's tests are: its examples, and calls that are made from the tools' schemas.

use mcp_factory_engine::Engine;
use mcp_factory_spec::{Spec, model};
use serde_json::{Map, Value};

use super::{
    expectation::{Expectation, Failures},
    generated::{self, Settings},
    report::Origin,
};

/// One call.
#[derive(Debug)]
pub struct Case {
    pub tool: String,
    pub name: String,
    pub origin: Origin,
    /// A caller of [`super::client::Callers`]; `None` is `local`, who may everything.
    pub caller: Option<String>,
    pub arguments: Map<String, Value>,
    pub expectation: Expectation,
    /// Why it is not run.
    pub skip: Option<String>,
}

impl Case {
    /// Of the same tool, and made or written to show the same.
    pub fn is_like(&self, other: &Self) -> bool {
        let kind = |case: &Self| (case.origin, std::mem::discriminant(&case.expectation));
        self.tool == other.tool && kind(self) == kind(other)
    }
}

pub fn of(spec: &Spec, engine: &Engine, writes: bool, settings: Settings) -> Vec<Case> {
    let mut cases = Vec::new();
    for (position, tool) in spec.tools.iter().enumerate() {
        let name = tool.name.to_string();
        let may_run = writes || engine.is_read_only(&name) || engine.is_seeded(&name);
        for (number, example) in tool.examples.iter().enumerate() {
            cases.push(Case {
                tool: name.clone(),
                origin: Origin::Written,
                name: example.name.clone().unwrap_or_else(|| format!("example {}", number + 1)),
                caller: example.principal.as_ref().map(|_| caller(position, number)),
                arguments: example.arguments.clone(),
                expectation: Expectation::from(&example.expectation),
                skip: match engine.asks_first(&name) {
                    true => Some("it asks a person first (`confirm`), whom a test can't ask".to_owned()),
                    false => (!may_run).then(|| "it may write; `--writes` runs it".to_owned()),
                },
            });
        }
        cases.extend(generated_calls(tool, engine.is_read_only(&name), spec, settings));
    }
    cases
}

/// The key of an example's caller.
pub fn caller(tool: usize, example: usize) -> String {
    format!("{tool}/{example}")
}

/// Calls that nobody wrote. What must be refused reaches nothing, whatever the tool does. The others are for tools without
/// examples that only read and ask nobody.
fn generated_calls(tool: &model::Tool, only_reads: bool, spec: &Spec, settings: Settings) -> Vec<Case> {
    let schema = Value::Object(tool.input_schema());
    let case = |call: generated::Call, name: String, expectation: Expectation| Case {
        tool: tool.name.to_string(),
        name,
        origin: Origin::Generated,
        caller: None,
        arguments: call.arguments,
        expectation,
        skip: None,
    };
    let mut answered: Vec<Case> = Vec::new();
    if tool.examples.is_empty() && only_reads && tool.confirm.is_none() {
        let failures = if answers_for_sure(tool, spec) { Failures::NoRow } else { Failures::Any };
        let calls = generated::accepted(&acceptable(tool), settings).into_iter();
        answered.extend(calls.map(|call| {
            let name = format!("answers {}", call.name);
            case(call, name, Expectation::Answer(failures))
        }));
    }
    let calls = generated::refused(&schema, settings).into_iter();
    let mut refused: Vec<Case> = calls
        .map(|call| {
            let name = format!("refuses {}", call.name);
            case(call, name, Expectation::Refusal)
        })
        .collect();
    // A tool with a rate of its own would refuse the rest for another reason.
    if let Some(rate) = tool.limits.rate.at() {
        let left = usize::try_from(rate.times.get()).unwrap_or(usize::MAX).saturating_sub(tool.examples.len());
        answered.truncate(left.div_ceil(2).max(left.saturating_sub(refused.len())));
        refused.truncate(left - answered.len());
    }
    answered.append(&mut refused);
    answered
}

/// What a caller may send of their own accord: a cursor comes from an answer.
fn acceptable(tool: &model::Tool) -> Value {
    let mut schema = tool.input_schema();
    if tool.paginate.is_some()
        && let Some(Value::Object(properties)) = schema.get_mut("properties")
    {
        properties.shift_remove("cursor");
    }
    Value::Object(schema)
}

/// A statement that fails is wrong; an upstream or a program may well have nothing for arguments that were made up, and who
/// has no credentials of their own gets no rows.
fn answers_for_sure(tool: &model::Tool, spec: &Spec) -> bool {
    let connection = spec.connections.iter().find(|connection| tool.connection.as_ref() == Some(&connection.name));
    matches!(tool.kind, Some(model::ToolKind::Sql(_))) && connection.is_some_and(|connection| connection.per.is_none())
}
