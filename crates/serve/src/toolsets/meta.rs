//! The tools by which callers handle toolsets.

use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use crate::model::{Tool, ToolAnnotations};

pub(super) const ENABLE: &str = "enable_toolset";
pub(super) const DISABLE: &str = "disable_toolset";
pub(super) const LIST_TOOLSETS: &str = "list_toolsets";
pub(super) const DESCRIBE: &str = "describe_toolset";
pub(super) const LIST_TOOLS: &str = "list_tools";
pub(super) const SEARCH: &str = "search_tools";
pub(super) const CALL: &str = "call_tool";

/// No tool of a toolset may be called like one of these where callers have them.
pub const NAMES: [&str; 7] = [ENABLE, DISABLE, LIST_TOOLSETS, DESCRIBE, LIST_TOOLS, SEARCH, CALL];

/// What a caller has who finds tools by `search_tools` and calls them by `call_tool`: all that is listed where nothing else is on.
#[must_use]
pub fn found_by_search() -> &'static [Tool] {
    MetaTools::Search.tools()
}

/// Which of them a caller has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum MetaTools {
    None,
    /// Where nothing is turned on or off.
    ListOnly,
    /// In a session.
    Session,
    Search,
    Handle,
    Url,
}

impl MetaTools {
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::ListOnly => &[LIST_TOOLS],
            Self::Session | Self::Handle => &NAMES,
            Self::Search => &[LIST_TOOLSETS, DESCRIBE, LIST_TOOLS, SEARCH, CALL],
            Self::Url => &[LIST_TOOLSETS, DESCRIBE, LIST_TOOLS, SEARCH],
        }
    }

    pub(super) fn has(self, name: &str) -> bool {
        self.names().contains(&name)
    }

    pub(super) fn tools(self) -> &'static [Tool] {
        static MADE: [OnceLock<Vec<Tool>>; 6] = [const { OnceLock::new() }; 6];
        MADE[self as usize].get_or_init(|| self.names().iter().map(|name| tool(name, self)).collect())
    }
}

fn tool(name: &'static str, kind: MetaTools) -> Tool {
    let handle = kind == MetaTools::Handle;
    let toolset = ("name", json!({ "type": "string", "description": "The key of the toolset" }), true);
    let activation = |description: &str, required| {
        handle.then(|| ("activation", json!({ "type": "string", "description": description }), required))
    };
    let of = "The activation that `enable_toolset` gave";
    let reads = ToolAnnotations::new().read_only(true).idempotent(true).open_world(false);
    let turns = ToolAnnotations::new().read_only(false).destructive(true).idempotent(true).open_world(false);
    let (title, description, parameters, annotations) = match name {
        ENABLE => {
            let description = if handle {
                "Turns a toolset on and gives an `activation`: pass it to `call_tool` and `list_tools`. Give the one you have to add to it."
            } else {
                "Turns a toolset on: its tools are listed and can be called from then on."
            };
            let parameters = [Some(toolset), activation("The activation to add to, if there is one", false)];
            ("Enable a toolset", description, parameters.to_vec(), turns)
        }
        DISABLE => {
            let description = if handle {
                "Turns a toolset off: ends the activation and gives one without the toolset."
            } else {
                "Turns a toolset off: its tools are neither listed nor can they be called from then on."
            };
            ("Disable a toolset", description, vec![Some(toolset), activation(of, true)], turns)
        }
        LIST_TOOLSETS => {
            let description = "Which toolsets there are, what they are for, whether they are on, and their tools.";
            ("List toolsets", description, vec![activation(of, false)], reads)
        }
        DESCRIBE => {
            let description = "One toolset, with its tools and their parameters.";
            ("Describe a toolset", description, vec![Some(toolset), activation(of, false)], reads)
        }
        LIST_TOOLS => {
            let description = "The tools that can be called now, by toolset.";
            ("List tools", description, vec![activation(of, false)], reads)
        }
        SEARCH => {
            let query = json!({ "type": "string", "description": "What the tool should do, in a few words", "maxLength": 1000 });
            let limit = json!({ "type": "integer", "description": "How many to show", "minimum": 1, "maximum": 50, "default": 10 });
            let description =
                "Finds tools by what they do, whether their toolset is on or not; gives their parameters, too.";
            ("Search tools", description, vec![Some(("query", query, true)), Some(("limit", limit, false))], reads)
        }
        _ => {
            let name = json!({ "type": "string", "description": "The name of the tool, as listed or found" });
            let arguments = json!({ "type": "object", "description": "Its arguments", "additionalProperties": true });
            let toolset = json!({ "type": "string", "description": "The toolset that it is in, to be sure" });
            let parameters = vec![
                Some(("tool", name, true)),
                Some(("arguments", arguments, false)),
                Some(("toolset", toolset, false)),
                activation(of, false),
            ];
            let annotations = ToolAnnotations::new().read_only(false).destructive(true);
            ("Call a tool", "Calls a tool by its name and gives its answer.", parameters, annotations)
        }
    };
    let parameters: Vec<(&str, Value, bool)> = parameters.into_iter().flatten().collect();
    let required: Vec<&str> = parameters.iter().filter(|(_, _, required)| *required).map(|(name, ..)| *name).collect();
    let properties: serde_json::Map<String, Value> =
        parameters.iter().map(|(name, schema, _)| ((*name).to_owned(), schema.clone())).collect();
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    let Value::Object(schema) = schema else { unreachable!("it was written as an object") };
    Tool::new(name, description, Arc::new(schema)).with_title(title).with_annotations(annotations)
}
