//! What is selected of an answer: an object's own values first, then what it holds, so deep and no deeper. Of a union or an
//! interface each of its types has its own, behind `__typename`, which says which one it is.

use serde_json::Value;

use super::{Types, is_deprecated, is_name, unwrapped, written};

/// How deep objects are selected within each other.
const DEEPEST: usize = 3;
/// Fields of one selection set in all.
const MOST_FIELDS: usize = 120;
/// Types of one union, or of one interface.
const MOST_TYPES: usize = 20;

pub struct Selecting<'s> {
    types: &'s Types<'s>,
    /// Fields that may still be selected.
    left: usize,
}

/// What the fields of one selection set are called in its answer, and of what type each is.
type Answered = Vec<(String, String)>;

impl<'s> Selecting<'s> {
    pub fn new(types: &'s Types<'s>) -> Self {
        Self { types, left: MOST_FIELDS }
    }

    /// ` { a b { c } }`, nothing for what has no fields; `None` where nothing can be selected.
    pub fn of(&mut self, kind: &Value) -> Option<String> {
        self.within(kind, 0)
    }

    fn within(&mut self, kind: &Value, depth: usize) -> Option<String> {
        let known = self.types.get(unwrapped(kind).2);
        match known["kind"].as_str() {
            Some("OBJECT" | "INTERFACE" | "UNION") => {}
            _ => return Some(String::new()),
        }
        if depth >= DEEPEST {
            return None;
        }
        let mut answered = Answered::new();
        let mut chosen = self.fields(known, None, depth, &mut answered);
        if known["kind"] != "OBJECT" {
            chosen.insert(0, "__typename".to_owned());
            let common: Vec<&Value> = known["fields"].as_array().into_iter().flatten().map(|it| &it["name"]).collect();
            for possible in known["possibleTypes"].as_array().into_iter().flatten().take(MOST_TYPES) {
                let Some(name) = possible["name"].as_str().filter(|name| is_name(name)) else { continue };
                let possible = self.types.get(name);
                if possible["kind"] != "OBJECT" {
                    continue;
                }
                let own = self.fields(possible, Some((name, &common)), depth, &mut answered);
                if !own.is_empty() {
                    chosen.push(format!("... on {name} {{ {} }}", own.join(" ")));
                }
            }
        }
        (!chosen.is_empty()).then(|| format!(" {{ {} }}", chosen.join(" ")))
    }

    /// `part`: the type's name among the types of a union, and the fields that all of these have.
    fn fields(
        &mut self,
        of: &Value,
        part: Option<(&str, &[&Value])>,
        depth: usize,
        answered: &mut Answered,
    ) -> Vec<String> {
        let is_wanted = |field: &&Value| {
            !is_deprecated(field)
                && needs_nothing(field)
                && part.is_none_or(|(_, common)| !common.contains(&&field["name"]))
        };
        let mut wanted: Vec<(bool, &str, &Value)> = of["fields"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(is_wanted)
            .filter_map(|field| Some((self.holds_more(field), field["name"].as_str()?, field)))
            .filter(|(_, name, _)| is_name(name))
            .take(MOST_FIELDS)
            .collect();
        // Where not all find room, what it holds itself counts more than what hangs on it.
        wanted.sort_by_key(|(holds_more, ..)| *holds_more);
        let mut chosen = Vec::new();
        for (_, name, field) in wanted {
            if self.left == 0 {
                break;
            }
            let Some(kind) = written(&field["type"], 0) else { continue };
            // Two types of a union may have a field of one name and of two types, which no answer can have.
            let other = answered.iter().any(|(known, theirs)| known == name && *theirs != kind);
            let called = match part.filter(|_| other) {
                Some((part, _)) => format!("{name}_of_{part}"),
                None => name.to_owned(),
            };
            if answered.iter().any(|(known, theirs)| *known == called && *theirs != kind) {
                continue;
            }
            self.left -= 1;
            let Some(inner) = self.within(&field["type"], depth + 1) else { continue };
            let alias = if called == name { String::new() } else { format!("{called}: ") };
            chosen.push(format!("{alias}{name}{inner}"));
            answered.push((called, kind));
        }
        chosen
    }

    fn holds_more(&self, field: &Value) -> bool {
        let kind = &self.types.get(unwrapped(&field["type"]).2)["kind"];
        matches!(kind.as_str(), Some("OBJECT" | "INTERFACE" | "UNION"))
    }
}

fn needs_nothing(field: &Value) -> bool {
    let mut arguments = field["args"].as_array().into_iter().flatten();
    arguments.all(|it| !unwrapped(&it["type"]).0 || it["defaultValue"].is_string())
}
