//! The merge itself, of JSON values. It knows nothing of specs but that what has a `name` is known by it.

use serde_json::{Map, Value};

use super::Prefer;

/// Both changed the same, differently.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// As in `tools[list_pets].description`.
    pub path: String,
    /// `None`: taken away.
    pub base: Option<Value>,
    pub ours: Option<Value>,
    pub theirs: Option<Value>,
}

/// Where nobody is preferred, ours is in the result.
pub fn merge(base: &Value, ours: &Value, theirs: &Value, prefer: Option<Prefer>) -> (Value, Vec<Conflict>) {
    let mut merge = Merge { prefer, conflicts: Vec::new() };
    let merged = merge.value("", Some(base), Some(ours), Some(theirs));
    (merged.unwrap_or(Value::Null), merge.conflicts)
}

struct Merge {
    prefer: Option<Prefer>,
    conflicts: Vec<Conflict>,
}

impl Merge {
    fn value(
        &mut self,
        path: &str,
        base: Option<&Value>,
        ours: Option<&Value>,
        theirs: Option<&Value>,
    ) -> Option<Value> {
        if ours == theirs || base == theirs {
            return ours.cloned();
        }
        if base == ours {
            return theirs.cloned();
        }
        match (ours, theirs) {
            (Some(Value::Object(ours)), Some(Value::Object(theirs))) => {
                let empty = Map::new();
                let base = base.and_then(Value::as_object).unwrap_or(&empty);
                Some(Value::Object(self.object(path, base, ours, theirs)))
            }
            (Some(Value::Array(mine)), Some(Value::Array(new))) => {
                let old = base.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                if let Some(lists) = named([old, mine, new]) {
                    return Some(self.list(path, lists));
                }
                if [old, mine, new].into_iter().all(is_set) {
                    let both = set(old, mine, new);
                    // Each left something, and not the same: nothing is what neither meant.
                    if !both.is_empty() || mine.is_empty() || new.is_empty() {
                        return Some(both.into());
                    }
                }
                self.conflict(path, base, ours, theirs)
            }
            // What people took away stays away, whatever became of it.
            (None, Some(_)) => None,
            _ => self.conflict(path, base, ours, theirs),
        }
    }

    fn conflict(
        &mut self,
        path: &str,
        base: Option<&Value>,
        ours: Option<&Value>,
        theirs: Option<&Value>,
    ) -> Option<Value> {
        self.conflicts.push(Conflict {
            path: path.to_owned(),
            base: base.cloned(),
            ours: ours.cloned(),
            theirs: theirs.cloned(),
        });
        if self.prefer == Some(Prefer::Theirs) { theirs.cloned() } else { ours.cloned() }
    }

    /// In the order of ours; what is new comes behind.
    fn object(
        &mut self,
        path: &str,
        base: &Map<String, Value>,
        ours: &Map<String, Value>,
        theirs: &Map<String, Value>,
    ) -> Map<String, Value> {
        let mut merged = Map::new();
        for key in ours.keys().chain(theirs.keys().filter(|key| !ours.contains_key(*key))) {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            if let Some(value) = self.value(&path, base.get(key), ours.get(key), theirs.get(key)) {
                merged.insert(key.clone(), value);
            }
        }
        merged
    }

    fn list(&mut self, path: &str, [base, ours, theirs]: [Named<'_>; 3]) -> Value {
        let new = theirs.iter().filter(|(name, _)| find(&ours, name).is_none());
        let merged = ours.iter().chain(new).filter_map(|(name, _)| {
            let path = format!("{path}[{name}]");
            self.value(&path, find(&base, name), find(&ours, name), find(&theirs, name))
        });
        Value::Array(merged.collect())
    }
}

fn find<'v>(list: &Named<'v>, name: &str) -> Option<&'v Value> {
    list.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

type Named<'v> = Vec<(&'v str, &'v Value)>;

/// Lists in which everything has a name of its own.
fn named<'v>(lists: [&'v [Value]; 3]) -> Option<[Named<'v>; 3]> {
    let read = |list: &'v [Value]| -> Option<Named<'v>> {
        let mut named = Named::new();
        for value in list {
            let name = ["name", "uri", "uriTemplate"].into_iter().find_map(|key| value.get(key)?.as_str())?;
            if named.iter().any(|(known, _)| *known == name) {
                return None;
            }
            named.push((name, value));
        }
        Some(named)
    };
    let [base, ours, theirs] = lists;
    Some([read(base)?, read(ours)?, read(theirs)?])
}

/// Words, each once: their order says nothing.
fn is_set(list: &[Value]) -> bool {
    list.iter().enumerate().all(|(at, value)| value.is_string() && !list[..at].contains(value))
}

fn set(base: &[Value], ours: &[Value], theirs: &[Value]) -> Vec<Value> {
    let stays = |value: &&Value| theirs.contains(value) || !base.contains(value);
    let comes = |value: &&Value| !base.contains(value) && !ours.contains(value);
    ours.iter().filter(stays).chain(theirs.iter().filter(comes)).cloned().collect()
}
