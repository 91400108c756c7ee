//! How a verb becomes a tool: what it takes is read strictly, and what went wrong is told with the code that REST has for it and
//! with what an agent can do about it.

use std::sync::Arc;

use mcp_factory::{Caller, Factory};
use mcp_serve::{
    CallContext, Error, Server, ToolResult, ToolServer,
    model::{Tool, ToolAnnotations},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json, value::to_raw_value};

use crate::Problem;

/// The tools so far.
pub struct Verbs {
    factory: Factory,
    server: ToolServer,
}

/// Who asks, for what they can see.
pub struct Asked {
    pub factory: Factory,
    pub caller: Caller,
    pub cx: CallContext,
}

pub type Done = Result<ToolResult, Failure>;

/// What is told to the agent as an answer, or is the protocol's own business.
pub enum Failure {
    Problem(Box<Problem>),
    Protocol(Error),
}

impl<E: Into<Problem>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Problem(Box::new(error.into()))
    }
}

/// What clients may assume of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Looks,
    /// Adds something, or does again what was done.
    Changes,
    Destroys,
    /// Whatever a tool of somebody's server does.
    Anything,
}

#[derive(Debug)]
pub struct Described {
    pub name: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    pub effect: Effect,
    /// The properties that the arguments have, and which of them are required.
    pub takes: (Value, &'static [&'static str]),
    /// The same of the answer; `None` where it is another tool's.
    pub gives: Option<(Value, &'static [&'static str])>,
}

impl Verbs {
    pub fn new(factory: Factory, instructions: &'static str) -> Self {
        let server = ToolServer::new("mcp-factory", env!("CARGO_PKG_VERSION")).instructions(instructions);
        Self { factory, server }
    }

    pub fn add<A, Made>(self, described: Described, verb: fn(Asked, A) -> Made) -> Self
    where
        A: DeserializeOwned + Send + 'static,
        Made: Future<Output = Done> + Send + 'static,
    {
        let Self { factory, server } = self;
        let known = factory.clone();
        let server = server.tool_as(described.into(), move |cx: CallContext, arguments| {
            let factory = known.clone();
            async move {
                let caller = cx.grant.as_ref().and_then(|grant| grant.downcast_ref::<Caller>());
                let caller = caller.cloned().ok_or(Error::AccessDenied)?;
                let done = match serde_json::from_value(Value::Object(arguments)) {
                    Ok(arguments) => verb(Asked { factory, caller, cx }, arguments).await,
                    Err(error) => Err(Problem::argument(format!("the arguments can't be read: {error}")).into()),
                };
                match done {
                    Ok(answer) => Ok(answer),
                    Err(Failure::Problem(problem)) => Ok(told(&problem)),
                    Err(Failure::Protocol(error)) => Err(error),
                }
            }
        });
        Self { factory, server }
    }

    pub fn build(self) -> Arc<dyn Server> {
        self.server.build().expect("each tool has a name of its own, and schemas are JSON")
    }
}

impl From<Described> for Tool {
    fn from(described: Described) -> Self {
        let Described { name, title, description, effect, takes, gives } = described;
        let (properties, required) = takes;
        let takes = json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        });
        let gives = gives
            .map(|(properties, required)| json!({ "type": "object", "properties": properties, "required": required }));
        let mut tool = Self::new(name, description, object(takes));
        tool.title = Some(title.to_owned());
        tool.output_schema = gives.map(|gives| Arc::new(object(gives)));
        tool.annotations = Some(
            ToolAnnotations::new()
                .read_only(effect == Effect::Looks)
                .destructive(matches!(effect, Effect::Destroys | Effect::Anything))
                .idempotent(effect != Effect::Anything)
                .open_world(effect == Effect::Anything),
        );
        tool
    }
}

fn object(schema: Value) -> serde_json::Map<String, Value> {
    match schema {
        Value::Object(schema) => schema,
        _ => unreachable!("schemas here are objects"),
    }
}

pub fn answer(value: &impl Serialize) -> Done {
    let json = to_raw_value(value).expect("what is shown is JSON");
    Ok(ToolResult::json(json))
}

/// As text: what a tool promises of its answers is about those that are none of this.
fn told(problem: &Problem) -> ToolResult {
    let mut document = problem.to_json();
    if let Some(hint) = hint(problem.code()) {
        document["hint"] = hint.into();
    }
    ToolResult::error(document.to_string())
}

/// What an agent can do about it.
fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "invalid-spec" => {
            "mend what `diagnostics` say and try again; `validate_server` makes the safe repairs, `describe_kind` has an \
             example of each kind of tool"
        }
        "invalid-argument" => "call it again with arguments that fit its input schema",
        "not-found" => "`list_servers` and `search_tools` say what there is",
        "forbidden" => {
            "another attempt changes nothing: ask the person you work for to do it, or for a token of that role"
        }
        "name-taken" => "choose another `name` in the spec",
        "version-exists" => "raise `version` in the spec and create it again",
        "quota" => "remove something that nobody needs any more, or ask the operator for more",
        "invalid-document" => {
            "`findings` say what is wrong with it, and where; choose other parts of it, or mend it and send its text"
        }
        "conflicts" => {
            "`update.conflicts` say what: ask the person you work for whose counts, and call it again with `prefer`: `ours` keeps what \
             people wrote, `theirs` takes what the new import says"
        }
        "unreadable" => "look whether it is there, or send its text instead",
        "needed" => "remove the servers that need it first, or leave it",
        "never-deployed" | "not-running" => "`deploy_server` it; `get_server` says in which state it is",
        "not-deployable" => {
            "`validate_server` lists the blockers: mend them, raise `version`, create and deploy it again"
        }
        "unhealthy" => {
            "what served before still does; mend the spec, raise `version`, create and deploy it again. `get_logs` may say more"
        }
        "busy" | "rate-limited" | "registry-busy" | "registry-unreachable" => "wait a moment and try again",
        "too-large" => "make it smaller, or ask the operator for more",
        "not-confirmed" => "ask the person you work for; only with their yes, call it again with `confirm`",
        _ => return None,
    })
}
