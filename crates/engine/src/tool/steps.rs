//! `steps`: calls of own tools, one after the other, each the way a caller would: its rate, its arguments and its limits are
//! checked. Scopes of all of them are asked for before the first runs.
//!
//! The time, rows and bytes of the tool hold for everything its steps do together. A step that fails ends the call.

use std::{borrow::Cow, sync::Arc};

use mcp_factory_spec::{
    model::{self, Step},
    template::{Json, Placeholder},
};
use mcp_serve::{BoxFuture, CallContext, Content, Error, ToolResult};
use serde_json::{Map, Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::Tool;
use crate::{answer, shape::Shape, values::Values};

#[derive(Debug)]
pub struct StepsTool {
    calls: Vec<Call>,
    result: Option<Json>,
    shape: Shape,
    max_rows: Option<u64>,
    max_bytes: Option<u64>,
}

#[derive(Debug)]
struct Call {
    tool: Arc<Tool>,
    with: Vec<(String, Json)>,
    name: Option<String>,
}

/// What the steps came to so far.
#[derive(Debug, Default)]
struct Answers {
    named: Map<String, Value>,
    last: Option<ToolResult>,
    rows: u64,
    bytes: u64,
    /// A step whose answer was cut.
    cut: Option<String>,
}

impl StepsTool {
    /// `find` knows the tools that were compiled, which are all that this one calls.
    pub fn compile(
        steps: &[Step],
        tool: &model::Tool,
        find: impl Fn(&str) -> Option<Arc<Tool>>,
    ) -> Result<Self, String> {
        let json = |value: &Value| Json::parse(value).map_err(|problem| problem.to_string());
        let (mut calls, mut result) = (Vec::new(), None);
        for step in steps {
            match step {
                Step::Return(value) => result = Some(json(value)?),
                Step::Call(call) => calls.push(Call {
                    tool: find(&call.call).ok_or_else(|| format!("there is no tool `{}`", call.call))?,
                    with: call
                        .with
                        .iter()
                        .map(|(name, value)| Ok((name.clone(), json(value)?)))
                        .collect::<Result<_, String>>()?,
                    name: call.name.as_ref().map(ToString::to_string),
                }),
            }
        }
        Ok(Self {
            calls,
            result,
            shape: tool.returns.as_ref().map_or(Shape::ANY, |returns| Shape::compile(returns.as_value())),
            max_rows: tool.limits.max_rows.at().map(std::num::NonZeroU64::get),
            max_bytes: tool.limits.max_bytes.at().map(model::Size::bytes),
        })
    }

    /// What a caller needs for all of it.
    pub fn scopes(&self) -> impl Iterator<Item = &String> {
        self.calls.iter().flat_map(|call| &call.tool.scopes)
    }

    #[must_use]
    pub fn reads(&self) -> bool {
        self.calls.iter().all(|call| call.tool.read_only)
    }

    #[must_use]
    pub fn is_seeded(&self) -> bool {
        self.calls.iter().all(|call| call.tool.read_only || call.tool.seeded)
    }

    pub fn call<'a>(&'a self, cx: &'a CallContext, arguments: Map<String, Value>) -> BoxFuture<'a, ToolResult> {
        Box::pin(async move {
            let mut answers = Answers::default();
            for (index, call) in self.calls.iter().enumerate() {
                if let Err(why) = self.step(index, call, cx, &arguments, &mut answers).await {
                    return ToolResult::error(self.failure(index, &why));
                }
            }
            self.finish(cx, &arguments, answers).unwrap_or_else(ToolResult::error)
        })
    }

    async fn step(
        &self,
        index: usize,
        call: &Call,
        cx: &CallContext,
        arguments: &Map<String, Value>,
        answers: &mut Answers,
    ) -> Result<(), String> {
        let with = call.arguments(&Values { arguments, cx }, answers)?;
        #[expect(clippy::cast_precision_loss, reason = "a spec has no such number of steps")]
        cx.progress.report(index as f64, Some(self.calls.len() as f64), Some(&call.tool.name));
        // Two calls of one tool are two calls to an upstream that looks for repeated ones.
        let cx = cx.step(index);
        let tool = Arc::clone(&call.tool);
        let id = cx.call_id;
        // A task of its own: steps of steps would need ever more of one stack. It ends when this call is dropped.
        let running = AbortOnDropHandle::new(tokio::spawn(async move { tool.call(&cx, with).await }));
        let result = match running.await {
            Ok(Ok(result)) => result,
            Err(stopped) => {
                tracing::error!(request = %id, tool = &*call.tool.name, error = %stopped, "a step did not end");
                return Err("internal error".to_owned());
            }
            Ok(Err(Error::Internal { source })) => {
                tracing::error!(request = %id, tool = &*call.tool.name, error = &*source, "a step failed");
                return Err("internal error".to_owned());
            }
            Ok(Err(error)) => return Err(error.to_string()),
        };
        let (value, bytes) = value(&result);
        if result.is_error {
            return Err(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        answers.add(call, value, bytes, result);
        self.check_caps(answers)
    }

    fn check_caps(&self, answers: &Answers) -> Result<(), String> {
        for (what, sum, most) in [("rows", answers.rows, self.max_rows), ("bytes", answers.bytes, self.max_bytes)] {
            if let Some(most) = most.filter(|most| sum > *most) {
                return Err(format!("the answers so far have {sum} {what}, and this tool may use {most}"));
            }
        }
        Ok(())
    }

    fn finish(&self, cx: &CallContext, arguments: &Map<String, Value>, answers: Answers) -> Result<ToolResult, String> {
        let Some(template) = &self.result else {
            let last = answers.last.ok_or("no step calls a tool")?;
            return Ok(match &last.content {
                // Blocks are what they are.
                Content::Json(_) if self.shape != Shape::ANY => answer::value(self.shape.apply(value(&last).0)),
                _ => last,
            });
        };
        let value = answers.fill(template, &Values { arguments, cx })?.unwrap_or(Value::Null);
        let mut value = match self.shape.apply(value) {
            Value::Array(items) => json!({ "items": items }),
            value => value,
        };
        if let (Some(step), Some(object)) = (&answers.cut, value.as_object_mut()) {
            let message = format!("this was made of an answer that was cut, that of `{step}`");
            object.entry("truncated").or_insert_with(|| json!({ "reason": "step", "message": message }));
        }
        let result = answer::value(value);
        match (&result.content, self.max_bytes) {
            (Content::Json(json), Some(most)) if json.get().len() as u64 > most => {
                Err(format!("the result is larger than this tool may answer ({most} bytes)"))
            }
            _ => Ok(result),
        }
    }

    /// What the model should know before it tries again.
    fn failure(&self, index: usize, why: &str) -> String {
        let number = index + 1;
        let done = self.calls[..index].iter().any(|call| !call.tool.read_only);
        let done = if done { " (what the steps before it did is done)" } else { "" };
        format!("step {number}, `{}`, failed{done}: {why}", self.calls[index].tool.name)
    }
}

impl Call {
    fn arguments(&self, values: &Values<'_>, answers: &Answers) -> Result<Map<String, Value>, String> {
        let mut arguments = Map::new();
        for (name, template) in &self.with {
            if let Some(value) = answers.fill(template, values)? {
                arguments.insert(name.clone(), value);
            }
        }
        Ok(arguments)
    }
}

impl Answers {
    fn add(&mut self, call: &Call, value: Value, bytes: usize, result: ToolResult) {
        self.bytes += bytes as u64;
        self.rows += value.get("items").and_then(Value::as_array).map_or(0, Vec::len) as u64;
        if value.get("truncated").is_some_and(Value::is_object) {
            self.cut.get_or_insert_with(|| call.name.clone().unwrap_or_else(|| call.tool.name.to_string()));
        }
        if let Some(name) = &call.name {
            self.named.insert(name.clone(), value);
        }
        self.last = Some(result);
    }

    /// What an answer does not have is an error: a filter that is silently left out would change the meaning of a call.
    fn fill(&self, template: &Json, values: &Values<'_>) -> Result<Option<Value>, String> {
        for Placeholder { name, .. } in template.placeholders() {
            if let Some((answer, path)) = self.answer(name) {
                at(answer, path).map_err(|step| format!("`{{{name}}}`: there is no `{step}` in that answer"))?;
            }
        }
        Ok(template.render(|name| match self.answer(name) {
            Some((answer, path)) => at(answer, path).ok().filter(|value| !value.is_null()).map(Cow::Borrowed),
            None => values.get(name),
        }))
    }

    /// The answer that the name begins with, and the path into it.
    fn answer<'n>(&self, name: &'n str) -> Option<(&Value, &'n str)> {
        let (first, path) = name.split_once('.').unwrap_or((name, ""));
        Some((self.named.get(first)?, path))
    }
}

/// What is at `items.0.name`; the step that leads nowhere otherwise. Null has nothing in it and needs nothing.
fn at<'v, 'p>(mut value: &'v Value, path: &'p str) -> Result<&'v Value, &'p str> {
    for step in path.split('.').filter(|step| !step.is_empty()) {
        value = match value {
            Value::Object(object) => object.get(step),
            Value::Array(items) => step.parse().ok().and_then(|index: usize| items.get(index)),
            _ => None,
        }
        .ok_or(step)?;
    }
    Ok(value)
}

/// An answer as a value, with its size on the wire: its object, or its text, or its blocks.
fn value(result: &ToolResult) -> (Value, usize) {
    match &result.content {
        Content::Json(json) | Content::Both { json, .. } => {
            (serde_json::from_str(json.get()).expect("it was written as JSON"), json.get().len())
        }
        Content::Blocks(blocks) => {
            let texts: Option<Vec<&str>> =
                blocks.iter().map(|block| block.as_text().map(|text| text.text.as_str())).collect();
            let value = match texts {
                Some(texts) => Value::String(texts.join("\n")),
                None => serde_json::to_value(blocks).expect("the protocol's types can be written as JSON"),
            };
            let bytes = value.as_str().map_or_else(|| value.to_string().len(), str::len);
            (value, bytes)
        }
        // Steps wait for what they call.
        Content::Task(_) => (Value::Null, 0),
    }
}
