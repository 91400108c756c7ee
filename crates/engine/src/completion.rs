//! Completion of prompt arguments and of the variables of resource templates: from what their `complete` says, else from
//! the values that a parameter of the same name may have (`enum`, `examples`), whichever tool it belongs to.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use mcp_factory_spec::{Spec, model, uri_template::UriTemplate};
use mcp_serve::{CallContext, Completion, CompletionReference, Content, Error, ToolResult};
use serde_json::{Map, Value};

use crate::{plan::Builder, tool::sql::SqlTool};

/// A person is typing.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Characters of what was typed that are looked at.
const LONGEST: usize = 1_000;

#[derive(Debug, Default)]
pub struct Completions {
    prompts: HashMap<String, Arguments>,
    templates: HashMap<String, Arguments>,
}

/// Those that something completes, and the names of all.
#[derive(Debug, Default)]
struct Arguments {
    sources: HashMap<String, Source>,
    names: HashSet<String>,
}

#[derive(Debug)]
enum Source {
    Values(BTreeSet<String>),
    Sql(Box<SqlTool>),
}

impl Completions {
    pub fn compile(spec: &Spec, builder: &mut Builder<'_>) -> Self {
        let listed = listed(spec);
        let mut completions = Self::default();
        for (position, prompt) in spec.prompts.iter().enumerate() {
            let path = format!("prompts[{position}]");
            let all = prompt.arguments.iter().map(|argument| (argument.name.as_str(), argument.complete.as_ref()));
            let arguments = arguments(all, &listed, &path, builder);
            completions.prompts.insert(prompt.name.to_string(), arguments);
        }
        for (position, resource) in spec.resources.iter().enumerate() {
            if let model::Address::Template(text) = &resource.address
                && let Ok(template) = UriTemplate::parse(text)
            {
                let path = format!("resources[{position}]");
                let all = template.names().map(|name| (name, resource.complete.get(name)));
                completions.templates.insert(text.clone(), arguments(all, &listed, &path, builder));
            }
        }
        completions
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.prompts.is_empty() && self.templates.is_empty()
    }

    /// What continues what was typed. A reference that is not known has nothing.
    pub async fn find(&self, cx: &CallContext, completion: Completion<'_>) -> Result<Vec<String>, Error> {
        let arguments = match completion.reference {
            CompletionReference::Prompt(name) => self.prompts.get(name),
            CompletionReference::ResourceTemplate(template) => self.templates.get(template),
        };
        match arguments.and_then(|arguments| arguments.sources.get(completion.argument)) {
            None => Ok(Vec::new()),
            Some(Source::Values(values)) => {
                let typed = completion.value.to_lowercase();
                let begins = |value: &&String| value.to_lowercase().starts_with(&typed);
                Ok(values.iter().filter(begins).cloned().collect())
            }
            Some(Source::Sql(sql)) => {
                let text = |text: &str| Value::String(text.chars().take(LONGEST).collect());
                let known = |(name, _): &(&String, &String)| {
                    arguments.is_some_and(|known| known.names.contains(*name)) && *name != completion.argument
                };
                let filled = completion.filled.iter().filter(known).map(|(name, value)| (name.clone(), text(value)));
                let mut arguments: Map<String, Value> = filled.collect();
                // What is typed goes before an argument of that name.
                arguments.insert("value".to_owned(), text(completion.value));
                first_column(sql.call(cx, arguments, Some(TIMEOUT)).await)
            }
        }
    }
}

/// The values that parameters list, by the names of the parameters.
fn listed(spec: &Spec) -> HashMap<&str, BTreeSet<String>> {
    let mut listed: HashMap<&str, BTreeSet<String>> = HashMap::new();
    for (name, schema) in spec.tools.iter().flat_map(|tool| tool.parameters.iter()) {
        let values = ["enum", "examples"].iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
        listed.entry(name).or_default().extend(values.filter_map(Value::as_str).map(str::to_owned));
    }
    listed
}

fn arguments<'s>(
    all: impl Iterator<Item = (&'s str, Option<&'s model::Completion>)>,
    listed: &HashMap<&str, BTreeSet<String>>,
    path: &str,
    builder: &mut Builder<'_>,
) -> Arguments {
    let mut arguments = Arguments::default();
    for (name, complete) in all {
        arguments.names.insert(name.to_owned());
        arguments.sources.extend(source(name, complete, listed, path, builder));
    }
    arguments
}

fn source(
    name: &str,
    complete: Option<&model::Completion>,
    listed: &HashMap<&str, BTreeSet<String>>,
    path: &str,
    builder: &mut Builder<'_>,
) -> Option<(String, Source)> {
    let source = match complete {
        None => Source::Values(listed.get(name)?.clone()),
        Some(model::Completion { sql: Some(sql), connection, .. }) => {
            let connection = connection.as_ref().map(|name| name.as_str());
            match SqlTool::of_resource(name, connection, sql, builder) {
                Ok(sql) if sql.reads() => Source::Sql(Box::new(sql)),
                Ok(_) => {
                    builder.report(path.to_owned(), format!("what completes `{name}` writes").into());
                    return None;
                }
                Err(fault) => {
                    builder.report(path.to_owned(), fault);
                    return None;
                }
            }
        }
        Some(model::Completion { values, .. }) => Source::Values(values.iter().cloned().collect()),
    };
    Some((name.to_owned(), source))
}

fn first_column(result: ToolResult) -> Result<Vec<String>, Error> {
    let answer = match &result.content {
        Content::Json(json) if !result.is_error => serde_json::from_str::<Value>(json.get()).unwrap_or_default(),
        Content::Blocks(blocks) => {
            let text = blocks.iter().filter_map(|block| block.as_text()).map(|text| text.text.as_str()).collect();
            return Err(Error::InvalidParams { message: text });
        }
        _ => return Ok(Vec::new()),
    };
    let first = |row: &Value| match row.as_object()?.values().next()? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    Ok(answer["items"].as_array().into_iter().flatten().filter_map(first).collect())
}
