//! The tools by name, with what is asked of them more than once.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    rc::Rc,
};

use jsonschema::Validator;
use serde_json::Value;

use crate::{
    json_schema,
    model::{Step, Tool, ToolKind},
};

pub(super) struct Catalogue<'s> {
    pub(super) tools: &'s [Tool],
    by_name: HashMap<&'s str, &'s Tool>,
    circular: HashSet<&'s str>,
    /// Whether judging by a schema here might never end.
    runs_away: bool,
    validators: RefCell<HashMap<&'s str, Option<Rc<Validator>>>>,
}

impl<'s> Catalogue<'s> {
    pub(super) fn of(tools: &'s [Tool], runs_away: bool) -> Self {
        let by_name: HashMap<&str, &Tool> = tools.iter().rev().map(|tool| (tool.name.as_str(), tool)).collect();
        let circular = circular(tools);
        Self { tools, by_name, circular, runs_away, validators: RefCell::default() }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'s Tool> {
        self.by_name.get(name).copied()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'s str> {
        self.tools.iter().map(|tool| tool.name.as_str())
    }

    /// Whether a call from one to the other comes back.
    pub(super) fn comes_back(&self, from: &str, to: &str) -> bool {
        self.circular.contains(from) && self.circular.contains(to)
    }

    /// What judges the arguments of a tool; `None` where its schema is none, which is reported where that stands.
    pub(super) fn validator(&self, tool: &'s Tool) -> Option<Rc<Validator>> {
        if self.runs_away {
            return None;
        }
        let mut validators = self.validators.borrow_mut();
        let compile = || json_schema::compile(&Value::Object(tool.input_schema())).ok().map(Rc::new);
        validators.entry(tool.name.as_str()).or_insert_with(compile).clone()
    }
}

/// The tools that lead into each other. Those that lead nowhere are taken away, and those that nothing leads to, until
/// only circles are left (and what lies between two of them).
fn circular(tools: &[Tool]) -> HashSet<&str> {
    let mut calls: HashMap<&str, HashSet<&str>> = HashMap::new();
    for tool in tools {
        if let Some(ToolKind::Steps(steps)) = &tool.kind {
            let called = steps.iter().filter_map(|step| match step {
                Step::Call(call) => Some(call.call.as_str()),
                Step::Return(_) => None,
            });
            calls.entry(&tool.name).or_default().extend(called);
        }
    }
    let mut callers: HashMap<&str, HashSet<&str>> = HashMap::new();
    for (caller, called) in &calls {
        for called in called {
            callers.entry(called).or_default().insert(caller);
        }
    }
    let mut left: HashSet<&str> = calls.keys().copied().collect();
    take_ends(&mut left, &calls, &callers);
    take_ends(&mut left, &callers, &calls);
    left
}

/// Takes away whatever leads to nothing that is left, in time that is linear in the calls.
fn take_ends<'s>(
    left: &mut HashSet<&'s str>,
    forth: &HashMap<&'s str, HashSet<&'s str>>,
    back: &HashMap<&'s str, HashSet<&'s str>>,
) {
    let leads_to = |name: &&'s str| forth.get(name).into_iter().flatten().filter(|next| left.contains(**next)).count();
    let mut counts: HashMap<&str, usize> = left.iter().map(|name| (*name, leads_to(name))).collect();
    let mut ends: Vec<&str> = counts.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    while let Some(end) = ends.pop() {
        left.remove(end);
        for before in back.get(end).into_iter().flatten() {
            if let Some(count) = counts.get_mut(before).filter(|count| **count > 0) {
                *count -= 1;
                if *count == 0 {
                    ends.push(before);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::take_ends;
    use std::collections::{HashMap, HashSet};

    #[test]
    fn only_circles_are_left() {
        let calls: HashMap<&str, HashSet<&str>> = [
            ("start", &["a"][..]),
            ("a", &["b"]),
            ("b", &["c", "end"]),
            ("c", &["a"]),
            ("end", &["nothing"]),
            ("itself", &["itself"]),
            ("alone", &[]),
        ]
        .map(|(caller, called)| (caller, called.iter().copied().collect()))
        .into();
        let mut callers: HashMap<&str, HashSet<&str>> = HashMap::new();
        for (caller, called) in &calls {
            for called in called {
                callers.entry(called).or_default().insert(caller);
            }
        }
        let mut left: HashSet<&str> = calls.keys().copied().collect();
        take_ends(&mut left, &calls, &callers);
        take_ends(&mut left, &callers, &calls);
        assert_eq!(left, HashSet::from(["a", "b", "c", "itself"]));
    }
}
