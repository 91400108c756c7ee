//! What must hold between the parts of a spec, once each part could be read.
//!
//! One file per subject. Every check sees the spec as far as it could be read and the document it came from, which knows the
//! places and the names of what could not be read: a tool with a bad field still is a tool that a toolset may name.

mod answers;
mod auth;
mod catalogue;
mod completions;
mod connections;
mod environments;
mod examples;
mod excerpt;
mod files;
mod implementations;
mod names;
mod placeholders;
mod resources;
mod sql;
mod steps;
mod tools;
mod toolsets;
mod triggers;
mod urls;

use std::{
    cell::OnceCell,
    collections::{HashMap, HashSet},
    rc::Rc,
};

use catalogue::Catalogue;
pub use names::META_TOOLS;
pub use toolsets::MOST_TOOLSETS;

use crate::{
    Code, Node, NodeValue, Span, Spec,
    path::{Path, Step},
    read::{Reader, spells},
    syntax::Places,
};

/// Answers for the file system, so that nothing here touches it. Paths are relative to the folder of the spec.
pub trait Probe {
    fn is_file(&self, path: &str) -> bool;
    fn is_folder(&self, path: &str) -> bool;
}

/// Of a spec that stands alone: there is nothing beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoFiles;

impl Probe for NoFiles {
    fn is_file(&self, _: &str) -> bool {
        false
    }

    fn is_folder(&self, _: &str) -> bool {
        false
    }
}

/// Of a spec whose files are looked for elsewhere, or later: each is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllFiles;

impl Probe for AllFiles {
    fn is_file(&self, _: &str) -> bool {
        true
    }

    fn is_folder(&self, _: &str) -> bool {
        true
    }
}

/// Checks a spec, and completes it: connections that were left out, names of triggers that have none.
pub(crate) fn check(spec: &mut Spec, text: &str, root: &Node, probe: &dyn Probe, reader: &mut Reader) {
    let names = ["tools", "connections", "toolsets", "triggers"].map(|list| (list, Rc::new(names_in(root, list))));
    let mut checker = Checker { text, places: OnceCell::new(), root, names: names.into(), probe, reader };
    if checker.check_counts() {
        checker.check(spec);
    }
}

/// More of something than this is no server that somebody wrote, and checking it against each other would take long.
const MOST: [(&str, usize); 9] = [
    ("connections", 1_000),
    ("tools", 10_000),
    ("toolsets", 1_000),
    ("resources", 10_000),
    ("prompts", 10_000),
    ("triggers", 10_000),
    ("events", 10_000),
    ("access", 10_000),
    ("environments", 100),
];

/// What every check works with.
struct Checker<'a> {
    text: &'a str,
    places: OnceCell<Places<'a>>,
    root: &'a Node,
    /// The names in each list, also those of elements that could not be read.
    names: HashMap<&'static str, Rc<HashSet<&'a str>>>,
    probe: &'a dyn Probe,
    reader: &'a mut Reader,
}

impl<'a> Checker<'a> {
    fn check(&mut self, spec: &mut Spec) {
        let offers = |key: &&str| match self.root.get(key).map(|list| &list.value) {
            Some(NodeValue::Sequence(items)) => !items.is_empty(),
            other => other.is_some(),
        };
        if !["tools", "resources", "prompts"].iter().any(offers) {
            let message = "a server needs at least one of `tools`, `resources` and `prompts`".to_owned();
            self.report(Code::Missing, &Path::default(), message, None);
        }
        self.check_names(spec);
        self.check_auth(&spec.auth, spec.transport, &Path::default().key("auth"));
        let mut used = self.mentioned();
        let mut tools = std::mem::take(&mut spec.tools);
        self.complete_tools(&mut tools, spec, &mut used);
        let catalogue = Catalogue::of(&tools, self.reader.runs_away());
        self.check_tools(&catalogue, spec, &mut used);
        self.check_resources(&catalogue, spec, &mut used);
        self.check_triggers(&catalogue, spec, &mut used);
        spec.tools = tools;
        self.check_prompts(spec, &mut used);
        self.check_connections(spec, &used);
        self.check_toolsets(spec);
        self.check_environments(spec);
    }

    /// Whether there is not too much of anything.
    fn check_counts(&mut self) -> bool {
        let mut good = true;
        for (list, most) in MOST {
            let count = match self.root.get(list).map(|list| &list.value) {
                Some(NodeValue::Sequence(items)) => items.len(),
                Some(NodeValue::Mapping(entries)) => entries.len(),
                _ => 0,
            };
            if count > most {
                let at = Path::default().key(list);
                self.report(Code::SyntaxLimits, &at, format!("{count} {list} are more than {most}"), None);
                good = false;
            }
        }
        good
    }

    fn places(&self) -> &Places<'a> {
        self.places.get_or_init(|| Places::new(self.text))
    }

    fn report(&mut self, code: Code, at: &Path, message: impl Into<String>, help: Option<String>) {
        if !self.reader.is_full(code) {
            let span = self.span(at);
            self.reader.report(code, span, at, message.into(), help);
        }
    }

    /// Whether the document has something there.
    fn has(&self, at: &Path) -> bool {
        self.node(at).is_some()
    }

    fn node(&self, at: &Path) -> Option<&'a Node> {
        at.steps().into_iter().try_fold(self.root, descend)
    }

    /// The place, or the nearest one around it that is written.
    fn span(&self, at: &Path) -> Span {
        let mut node = self.root;
        for step in at.steps() {
            match descend(node, step) {
                Some(inner) => node = inner,
                None => break,
            }
        }
        node.span
    }

    /// The place of an element of a top-level list.
    fn element(&self, list: &str, index: usize) -> Path {
        self.reader.place(&Path::default().key(list), index)
    }

    /// The names in a top-level list, also those of elements that could not be read.
    fn declared(&self, list: &str) -> Rc<HashSet<&'a str>> {
        self.names.get(list).cloned().unwrap_or_default()
    }

    /// "did you mean", if something known is near.
    fn suggest<'k>(&self, code: Code, name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
        if self.reader.is_full(code) { None } else { did_you_mean(name, known.into_iter().take(1_000)) }
    }

    /// Says of a list or a text that it is empty where it should say something.
    fn needs_content(&mut self, at: &Path, what: &str) {
        let is_empty = self.node(at).is_some_and(|node| match &node.value {
            NodeValue::String(text) => text.trim().is_empty(),
            NodeValue::Sequence(items) => items.is_empty(),
            _ => false,
        });
        if is_empty {
            self.report(Code::Missing, at, format!("{what} is empty"), None);
        }
    }
}

fn descend<'n>(node: &'n Node, step: &Step) -> Option<&'n Node> {
    match (&node.value, step) {
        (NodeValue::Sequence(items), Step::Index(index)) => items.get(*index),
        (NodeValue::Mapping(entries), Step::Key(key)) => {
            let exact = entries.iter().find(|entry| *entry.key == **key);
            exact.or_else(|| entries.iter().find(|entry| spells(key, &entry.key))).map(|entry| &entry.value)
        }
        _ => None,
    }
}

fn names_in<'n>(root: &'n Node, list: &str) -> HashSet<&'n str> {
    let Some(NodeValue::Sequence(items)) = root.get(list).map(|list| &list.value) else { return HashSet::new() };
    items.iter().filter_map(|item| item.get("name").or_else(|| item.get("use"))?.as_str()).collect()
}

fn did_you_mean<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    crate::suggest::nearest(name, known).map(|near| format!("did you mean `{near}`?"))
}
