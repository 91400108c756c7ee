//! A spec as text becomes an engine; tools are called as a principal.

use std::{path::Path, sync::Arc};

use mcp_factory_connect::{Policy, secrets::FixedSecrets};
use mcp_factory_engine::{CursorKey, Engine, Plan, Problem, Surroundings, Tasks};
use mcp_factory_spec::{AllFiles, Format, Source, Spec};
use mcp_serve::{Approvals, CallContext, Content, Error, Principal, Server as _, ToolResult};
use serde_json::Value;

pub fn spec(text: &str) -> Spec {
    let reading =
        mcp_factory_spec::read(&Source { name: "test.yaml", bytes: text.as_bytes(), format: Format::Yaml }, &AllFiles);
    reading.spec.unwrap_or_else(|| panic!("{:#?}\n{text}", reading.diagnostics))
}

pub fn plan(text: &str, folder: &Path, secrets: &[(&str, &str)]) -> Result<Engine, Vec<Problem>> {
    plan_under(Policy::operator(), text, folder, secrets)
}

/// Of an owner to whom nothing was granted.
pub fn plan_of_a_stranger(text: &str, folder: &Path) -> Result<Engine, Vec<Problem>> {
    plan_under(Policy::none(), text, folder, &[])
}

/// With calls that may outlast their requests.
pub fn plan_with_tasks(text: &str, folder: &Path, tasks: Tasks) -> Result<Engine, Vec<Problem>> {
    let surroundings = Surroundings { tasks, ..surroundings(Policy::operator(), folder, &[]) };
    Plan::new(&spec(text), &surroundings).map(Plan::build)
}

/// With calls that people approve.
pub fn plan_with_approvals(text: &str, folder: &Path, approvals: Approvals) -> Result<Engine, Vec<Problem>> {
    let surroundings = Surroundings { approvals, ..surroundings(Policy::operator(), folder, &[]) };
    Plan::new(&spec(text), &surroundings).map(Plan::build)
}

fn plan_under(policy: Policy, text: &str, folder: &Path, secrets: &[(&str, &str)]) -> Result<Engine, Vec<Problem>> {
    Plan::new(&spec(text), &surroundings(policy, folder, secrets)).map(Plan::build)
}

fn surroundings(policy: Policy, folder: &Path, secrets: &[(&str, &str)]) -> Surroundings {
    Surroundings {
        folder: folder.canonicalize().unwrap(),
        secrets: Arc::new(secrets.iter().copied().collect::<FixedSecrets>()),
        policy,
        cursor_key: CursorKey::new(b"a key for tests"),
        fresh_seeds: None,
        changes: None,
        tasks: Tasks::in_memory(),
        approvals: Approvals::default(),
    }
}

pub async fn call_as(
    engine: &Engine,
    principal: Arc<Principal>,
    tool: &str,
    arguments: Value,
) -> Result<ToolResult, Error> {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    engine.call_tool(&CallContext::new(principal), tool, arguments).await
}

/// The structured answer, or the error's text.
pub async fn call(engine: &Engine, tool: &str, arguments: Value) -> Result<Value, String> {
    answer(call_as(engine, Principal::trusted("alice"), tool, arguments).await.expect("the tool is known"))
}

pub fn answer(result: ToolResult) -> Result<Value, String> {
    let value = match result.content {
        Content::Json(json) | Content::Both { json, .. } => serde_json::from_str(json.get()).unwrap(),
        Content::Task(task) => panic!("a task: {task:?}"),
        Content::Blocks(blocks) => {
            let texts: Vec<&str> =
                blocks.iter().filter_map(|block| block.as_text()).map(|text| text.text.as_str()).collect();
            Value::String(texts.join("\n"))
        }
    };
    match (result.is_error, value) {
        (true, Value::String(text)) => Err(text),
        (true, value) => Err(value.to_string()),
        (false, value) => Ok(value),
    }
}
