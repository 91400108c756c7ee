//! What is different between two specs, told by what people call it: this tool was added, of that one the description changed.

use std::fmt;

use serde_json::{Map, Value};

/// One thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// As in `tools[list_pets]`, or `title`.
    pub path: String,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Added,
    Removed,
    /// Which of its fields.
    Changed(Vec<String>),
}

pub fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let empty = Map::new();
    let [before, after] = [before, after].map(|it| it.as_object().unwrap_or(&empty));
    let mut changes = Vec::new();
    let keys = before.keys().chain(after.keys().filter(|key| !before.contains_key(*key)));
    for key in keys {
        let (old, new) = (before.get(key), after.get(key));
        if old == new {
            continue;
        }
        match (old.and_then(list), new.and_then(list)) {
            (Some(old), Some(new)) => elements(key, &old, &new, &mut changes),
            (Some(old), None) if new.is_none() => elements(key, &old, &[], &mut changes),
            (None, Some(new)) if old.is_none() => elements(key, &[], &new, &mut changes),
            _ => changes.push(Change { path: key.clone(), kind: kind(old, new) }),
        }
    }
    changes
}

fn list(value: &Value) -> Option<Vec<(&str, &Value)>> {
    let name = |value| ["name", "uri", "uriTemplate"].into_iter().find_map(|key| Value::get(value, key)?.as_str());
    value.as_array()?.iter().map(|value| Some((name(value)?, value))).collect()
}

fn elements(key: &str, old: &[(&str, &Value)], new: &[(&str, &Value)], changes: &mut Vec<Change>) {
    let find = |list: &[(&str, &Value)], name: &str| list.iter().position(|(known, _)| *known == name);
    for (name, value) in old {
        let now = find(new, name).map(|at| new[at].1);
        if now != Some(*value) {
            changes.push(Change { path: format!("{key}[{name}]"), kind: kind(Some(value), now) });
        }
    }
    for (name, _) in new.iter().filter(|(name, _)| find(old, name).is_none()) {
        changes.push(Change { path: format!("{key}[{name}]"), kind: Kind::Added });
    }
}

fn kind(old: Option<&Value>, new: Option<&Value>) -> Kind {
    match (old, new) {
        (None, _) => Kind::Added,
        (_, None) => Kind::Removed,
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
            Kind::Changed(keys.filter(|key| old.get(*key) != new.get(*key)).cloned().collect())
        }
        _ => Kind::Changed(Vec::new()),
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, kind } = self;
        match kind {
            Kind::Added => write!(f, "added: {path}"),
            Kind::Removed => write!(f, "removed: {path}"),
            Kind::Changed(fields) if fields.is_empty() => write!(f, "changed: {path}"),
            Kind::Changed(fields) => write!(f, "changed: {path} ({})", fields.join(", ")),
        }
    }
}
