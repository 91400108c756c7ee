//! Completion of prompt arguments and of the variables of resource templates: the values that a parameter of the same name
//! may have (`enum`, `examples`), whichever tool it belongs to.

use std::collections::{BTreeSet, HashMap};

use mcp_factory_spec::{Spec, model, uri_template::UriTemplate};
use mcp_serve::{Completion, CompletionReference};
use serde_json::Value;

/// As many as the protocol allows.
const MOST: usize = 100;

#[derive(Debug, Default)]
pub struct Completions {
    prompts: HashMap<String, Vec<String>>,
    templates: HashMap<String, Vec<String>>,
    values: HashMap<String, BTreeSet<String>>,
}

impl Completions {
    #[must_use]
    pub fn of(spec: &Spec) -> Self {
        let mut completions = Self::default();
        for prompt in &spec.prompts {
            let arguments = prompt.arguments.iter().map(|argument| argument.name.to_string()).collect();
            completions.prompts.insert(prompt.name.to_string(), arguments);
        }
        for resource in &spec.resources {
            if let model::Address::Template(text) = &resource.address
                && let Ok(template) = UriTemplate::parse(text)
            {
                completions.templates.insert(text.clone(), template.names().map(str::to_owned).collect());
            }
        }
        for (name, schema) in spec.tools.iter().flat_map(|tool| tool.parameters.iter()) {
            let listed = ["enum", "examples"].iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
            let texts = listed.filter_map(Value::as_str).map(str::to_owned);
            completions.values.entry(name.to_owned()).or_default().extend(texts);
        }
        completions
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.prompts.is_empty() && self.templates.is_empty()
    }

    /// Those that begin with what was typed, whatever its case. A reference that is not known has none.
    #[must_use]
    pub fn find(&self, completion: Completion<'_>) -> Vec<String> {
        let arguments = match completion.reference {
            CompletionReference::Prompt(name) => self.prompts.get(name),
            CompletionReference::ResourceTemplate(template) => self.templates.get(template),
        };
        if !arguments.is_some_and(|arguments| arguments.iter().any(|argument| argument == completion.argument)) {
            return Vec::new();
        }
        let typed = completion.value.to_lowercase();
        let values = self.values.get(completion.argument).into_iter().flatten();
        values.filter(|value| value.to_lowercase().starts_with(&typed)).take(MOST).cloned().collect()
    }
}
