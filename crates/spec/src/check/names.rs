//! Names that meet, and names that are taken.

use std::collections::{HashMap, HashSet};

use super::Checker;
use crate::{
    Code, Spec,
    model::{Address, Mode},
    path::Path,
};

/// Patterns against names.
const MOST_COMPARISONS: usize = 1_000_000;

/// The tools that callers get where toolsets are dynamic; no tool of a spec may be called so.
pub const META_TOOLS: [&str; 7] = [
    "enable_toolset",
    "disable_toolset",
    "list_toolsets",
    "describe_toolset",
    "list_tools",
    "search_tools",
    "call_tool",
];

/// The tool that callers get where a tool may become a task.
const GET_RESULT: &str = "get_result";

impl Checker<'_> {
    pub(super) fn check_names(&mut self, spec: &mut Spec) {
        let tools: Vec<&str> = spec.tools.iter().map(|tool| tool.name.as_str()).collect();
        self.check_distinct("tools", "tool", &tools);
        let connections: Vec<&str> = spec.connections.iter().map(|connection| connection.name.as_str()).collect();
        self.check_distinct("connections", "connection", &connections);
        let toolsets: Vec<&str> = spec.toolsets.iter().map(|toolset| toolset.name.as_str()).collect();
        self.check_distinct("toolsets", "toolset", &toolsets);
        let prompts: Vec<&str> = spec.prompts.iter().map(|prompt| prompt.name.as_str()).collect();
        self.check_distinct("prompts", "prompt", &prompts);
        let triggers: Vec<&str> =
            spec.triggers.iter().map(|trigger| trigger.name.as_ref().map_or("", |name| name.as_str())).collect();
        self.check_distinct("triggers", "trigger", &triggers);
        let events: Vec<&str> = spec.events.iter().map(|event| event.name.as_str()).collect();
        self.check_distinct("events", "event", &events);
        let addresses: Vec<&str> = spec
            .resources
            .iter()
            .map(|resource| match &resource.address {
                Address::Uri(address) | Address::Template(address) => address.as_str(),
            })
            .collect();
        self.check_distinct("resources", "resource", &addresses);
        self.check_reserved(spec);
        if spec.exposure.namespace {
            self.check_namespaces(spec);
        }
    }

    fn check_distinct(&mut self, list: &str, what: &str, names: &[&str]) {
        let mut seen = HashSet::new();
        for (index, name) in names.iter().enumerate() {
            if name.is_empty() || seen.insert(*name) {
                continue;
            }
            let element = self.element(list, index);
            let key = ["name", "use", "uri", "uriTemplate"].map(|key| element.key(key));
            let at =
                key.iter().find(|at| self.node(at).and_then(|node| node.as_str()) == Some(name)).unwrap_or(&element);
            self.report(Code::DuplicateName, at, format!("the {what} `{name}` is declared twice"), None);
        }
    }

    fn check_reserved(&mut self, spec: &Spec) {
        for (index, toolset) in spec.toolsets.iter().enumerate() {
            if toolset.name == "_meta" {
                let at = self.element("toolsets", index).key("name");
                self.report(Code::Name, &at, "`_meta` is the toolset of the meta-tools", None);
            }
        }
        if spec.exposure.mode == Mode::Dynamic {
            for (index, tool) in spec.tools.iter().enumerate() {
                if META_TOOLS.contains(&tool.name.as_str()) {
                    let at = self.element("tools", index).key("name");
                    let message = format!("`{}` is a meta-tool where toolsets are dynamic", tool.name);
                    self.report(Code::Name, &at, message, Some("give it another name".to_owned()));
                }
            }
        }
        if spec.tools.iter().any(|tool| tool.task) {
            for (index, _) in spec.tools.iter().enumerate().filter(|(_, tool)| tool.name.as_str() == GET_RESULT) {
                let at = self.element("tools", index).key("name");
                let message = "`get_result` is the tool that callers get where a tool has `task: true`";
                self.report(Code::Name, &at, message, Some("give it another name".to_owned()));
            }
        }
        for (index, tool) in spec.tools.iter().enumerate() {
            let element = self.element("tools", index);
            if tool.paginate.is_some() && tool.parameters.get("cursor").is_some() {
                let at = self.parameter(&element, "cursor");
                self.report(Code::Name, &at, "`cursor` is the parameter that `paginate` adds", None);
            }
            if !tool.sort.is_empty() && tool.parameters.get("sort").is_some() {
                let at = self.parameter(&element, "sort");
                self.report(Code::DuplicateName, &at, "`sort` is the parameter that `sort` beside `sql` adds", None);
            }
        }
    }

    /// With namespaces a tool is called `toolset.tool`, which another tool may be called already.
    fn check_namespaces(&mut self, spec: &Spec) {
        let patterns: usize = spec.toolsets.iter().map(|set| set.tools.len()).sum();
        let mut comparisons = 0;
        let mut owners: HashMap<String, &str> = HashMap::new();
        for (index, tool) in spec.tools.iter().enumerate() {
            let prefixes =
                spec.toolsets.iter().filter(|set| set.tools.iter().any(|pattern| pattern.matches(&tool.name)));
            comparisons += patterns;
            if comparisons > MOST_COMPARISONS {
                return;
            }
            let mut names: Vec<String> = prefixes.map(|set| format!("{}.{}", set.name, tool.name)).collect();
            if names.is_empty() {
                names.push(tool.name.to_string());
            }
            for name in names {
                let Some(other) = owners.insert(name.clone(), &tool.name) else { continue };
                if other != tool.name.as_str() {
                    let at = self.element("tools", index).key("name");
                    let message = format!("with namespaces, both `{other}` and `{}` are called `{name}`", tool.name);
                    self.report(Code::DuplicateName, &at, message, None);
                }
            }
        }
    }

    /// Where a parameter is declared, in whichever form.
    pub(super) fn parameter(&self, tool: &Path, name: &str) -> Path {
        let map = tool.key("parameters").key(name);
        if self.has(&map) {
            return map;
        }
        let whole = tool.key("inputSchema").key("properties").key(name);
        if self.has(&whole) {
            return whole;
        }
        let list = tool.key("parameters");
        let items = self.node(&list).map(|node| &node.value);
        if let Some(crate::NodeValue::Sequence(items)) = items
            && let Some(index) =
                items.iter().position(|item| item.get("name").and_then(|name| name.as_str()) == Some(name))
        {
            return list.index(index);
        }
        list
    }
}
