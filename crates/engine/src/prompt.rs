//! Prompts, filled with the arguments a person chose.

use std::collections::HashSet;

use mcp_factory_spec::{Spec, model, template::Text};
use mcp_serve::{
    CallContext, Error, PromptText,
    model::{ContentBlock, PromptMessage, Resource, ResourceContents, Role},
};
use serde_json::{Map, Value};

use crate::{plan::Builder, values::Values};

/// Characters of one argument.
const LONGEST: usize = 64 * 1024;

#[derive(Debug)]
pub struct CompiledPrompt {
    description: Option<String>,
    arguments: HashSet<String>,
    required: Vec<String>,
    messages: Vec<Message>,
}

#[derive(Debug)]
struct Message {
    role: Role,
    content: MessageContent,
}

#[derive(Debug)]
enum MessageContent {
    Text(Text),
    /// A resource by its `uri`; its text comes along where the spec has it.
    Resource {
        uri: Text,
        known: Vec<(String, ResourceContents)>,
    },
}

impl CompiledPrompt {
    pub fn compile(prompt: &model::Prompt, spec: &Spec, builder: &Builder<'_>) -> Result<Self, String> {
        let messages = prompt.messages.iter().map(|message| {
            let role = match message.role {
                model::Role::User => Role::User,
                model::Role::Assistant => Role::Assistant,
            };
            let content = match (&message.text, &message.resource) {
                (Some(text), _) => MessageContent::Text(parse(text)?),
                (None, Some(uri)) => MessageContent::Resource { uri: parse(uri)?, known: texts(spec, builder) },
                (None, None) => MessageContent::Text(parse("")?),
            };
            Ok(Message { role, content })
        });
        Ok(Self {
            description: prompt.description.clone(),
            arguments: prompt.arguments.iter().map(|argument| argument.name.to_string()).collect(),
            required: prompt.arguments.iter().filter(|a| a.required).map(|a| a.name.to_string()).collect(),
            messages: messages.collect::<Result<_, String>>()?,
        })
    }

    pub fn fill(&self, cx: &CallContext, arguments: &Map<String, Value>) -> Result<PromptText, Error> {
        let refuse = |message: String| Err(Error::InvalidParams { message });
        for (name, value) in arguments {
            if !self.arguments.contains(name) {
                return refuse(format!("there is no argument `{}`", name.chars().take(64).collect::<String>()));
            }
            match value {
                Value::String(text) if text.len() <= LONGEST => {}
                Value::String(_) => return refuse(format!("`{name}` is longer than {LONGEST} bytes")),
                _ => return refuse(format!("`{name}` must be a string")),
            }
        }
        if let Some(missing) = self.required.iter().find(|name| !arguments.contains_key(*name)) {
            return refuse(format!("`{missing}` is missing"));
        }
        let values = Values { arguments, cx };
        let messages =
            self.messages.iter().map(|message| PromptMessage::new(message.role.clone(), message.block(&values)));
        Ok(PromptText { description: self.description.clone(), messages: messages.collect() })
    }
}

impl Message {
    fn block(&self, values: &Values<'_>) -> ContentBlock {
        match &self.content {
            MessageContent::Text(text) => ContentBlock::text(text.plain(|name| values.get(name))),
            MessageContent::Resource { uri, known } => {
                let uri = uri.plain(|name| values.get(name));
                match known.iter().find(|(known, _)| *known == uri) {
                    Some((_, contents)) => ContentBlock::resource(contents.clone()),
                    None => ContentBlock::resource_link(Resource::new(uri.clone(), uri)),
                }
            }
        }
    }
}

fn parse(text: &str) -> Result<Text, String> {
    Text::parse(text).map_err(|problem| problem.to_string())
}

/// The resources whose text stands in the spec.
fn texts(spec: &Spec, builder: &Builder<'_>) -> Vec<(String, ResourceContents)> {
    let text = |resource: &model::Resource| {
        let model::Address::Uri(uri) = &resource.address else { return None };
        let contents = crate::resource::fixed_contents(resource, uri, builder).ok().flatten()?;
        Some((uri.clone(), contents))
    };
    spec.resources.iter().filter_map(text).collect()
}
