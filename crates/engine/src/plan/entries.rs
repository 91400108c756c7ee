//! What the lists say: tools, resources and prompts as clients see them.

use std::sync::Arc;

use mcp_factory_spec::{Spec, model};
use mcp_serve::model::{Prompt, PromptArgument, Resource, ResourceTemplate, Tool, ToolAnnotations};
use serde_json::{Map, Value};

use crate::{answer, tasks::result_tool};

/// All tools, and `get_result` where one of them may outlast its request.
pub fn tools(spec: &Spec) -> impl Iterator<Item = Tool> {
    let own = spec.tools.iter().map(tool);
    own.chain(spec.tools.iter().any(|tool| tool.task).then(result_tool::entry))
}

/// One of them.
#[must_use]
pub fn tool(tool: &model::Tool) -> Tool {
    let mut entry = Tool::new(tool.name.to_string(), tool.description.clone(), Arc::new(tool.input_schema()));
    if let Some(title) = &tool.title {
        entry = entry.with_title(title);
    }
    if let Some(returns) = &tool.returns {
        let rows = matches!(tool.kind, Some(model::ToolKind::Sql(_))) || tool.paginate.is_some();
        let schema = answer::output_schema(returns.as_value(), rows, tool.single);
        let promised = if tool.task { result_tool::or_still_running(&schema) } else { Some(schema) };
        if let Some(schema) = promised {
            entry = entry.with_raw_output_schema(Arc::new(object(schema)));
        }
    }
    let declared = &tool.annotations;
    if declared.read_only.is_some() || declared.destructive.is_some() || declared.idempotent.is_some() {
        let mut annotations = ToolAnnotations::new();
        annotations.read_only_hint = declared.read_only;
        annotations.destructive_hint = declared.destructive;
        annotations.idempotent_hint = declared.idempotent;
        entry = entry.with_annotations(annotations);
    }
    entry
}

pub fn resources(spec: &Spec) -> Vec<Resource> {
    let entry = |resource: &model::Resource| {
        let model::Address::Uri(uri) = &resource.address else { return None };
        let mut entry = Resource::new(uri, &resource.name);
        entry.title.clone_from(&resource.title);
        entry.description.clone_from(&resource.description);
        entry.mime_type.clone_from(&resource.mime_type);
        Some(entry)
    };
    spec.resources.iter().filter_map(entry).collect()
}

pub fn templates(spec: &Spec) -> Vec<ResourceTemplate> {
    let entry = |resource: &model::Resource| {
        let model::Address::Template(template) = &resource.address else { return None };
        let mut entry = ResourceTemplate::new(template, &resource.name);
        entry.title.clone_from(&resource.title);
        entry.description.clone_from(&resource.description);
        entry.mime_type.clone_from(&resource.mime_type);
        Some(entry)
    };
    spec.resources.iter().filter_map(entry).collect()
}

pub fn prompt(prompt: &model::Prompt) -> Prompt {
    let argument = |argument: &model::PromptArgument| {
        let mut entry = PromptArgument::new(argument.name.to_string()).with_required(argument.required);
        entry.description.clone_from(&argument.description);
        entry
    };
    let arguments = prompt.arguments.iter().map(argument).collect();
    let mut entry = Prompt::new(prompt.name.to_string(), prompt.description.clone(), Some(arguments));
    entry.title.clone_from(&prompt.title);
    entry
}

fn object(schema: Value) -> Map<String, Value> {
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}
