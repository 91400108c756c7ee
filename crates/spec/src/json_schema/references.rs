//! Where references lead: to schemas within, by ways that end, and that stay small enough to be followed.

use std::collections::HashMap;

use super::walk::Walk;
use crate::{suggest::nearest, uri_template};

/// How many schemas and references may be passed one behind the other.
const LONGEST_WAY: usize = 256;
/// How many schemas one value may have to be judged by at one place.
const MOST_JUDGES: u64 = 10_000;

impl<'n> Walk<'n> {
    pub(super) fn check_references(&mut self) {
        let mut all: Vec<Vec<usize>> = Vec::with_capacity(self.schemas.len());
        let mut in_place: Vec<Vec<usize>> = Vec::with_capacity(self.schemas.len());
        for index in 0..self.schemas.len() {
            let children = &self.schemas[index].children;
            let mut here: Vec<usize> =
                children.iter().filter(|child| child.in_place).map(|child| child.schema).collect();
            let mut from: Vec<usize> = children.iter().map(|child| child.schema).collect();
            for (target, node) in self.schemas[index].references.clone() {
                match self.resolve(target) {
                    Ok(schema) => {
                        here.extend(schema);
                        from.extend(schema);
                    }
                    Err((message, help)) => {
                        self.runs_away = true;
                        let at = self.schemas[index].at.key("$ref");
                        self.invalid(node.span, &at, message, help);
                    }
                }
            }
            all.push(from);
            in_place.push(here);
        }
        for (edges, loops) in [(&in_place, Loops::Refuse), (&all, Loops::Allow)] {
            let mut seen = vec![Seen::Not; edges.len()];
            for index in 0..edges.len() {
                if let Err((schema, message)) = follow(index, 0, edges, loops, &mut seen) {
                    self.runs_away = true;
                    let schema = &self.schemas[schema];
                    let (span, at) = (schema.node.span, schema.at.clone());
                    return self.invalid(span, &at, message.to_owned(), None);
                }
            }
        }
    }

    fn places(&self) -> &HashMap<String, usize> {
        let each = || self.schemas.iter().enumerate().map(|(index, schema)| (self.pointer(schema), index));
        self.places.get_or_init(|| each().collect())
    }

    /// The schema that a reference means; none is the whole that the schema is a part of.
    fn resolve(&self, target: &str) -> Result<Option<usize>, (String, Option<String>)> {
        let Some(fragment) = target.strip_prefix('#') else {
            let help = "schemas are never fetched; put it under `$defs` and write `#/$defs/name`".to_owned();
            return Err((format!("`{target}` is a schema elsewhere"), Some(help)));
        };
        let found = match uri_template::decode(fragment) {
            Some(pointer) if pointer.is_empty() => return Ok(self.places().get("").copied()),
            Some(pointer) if pointer.starts_with('/') => self.places().get(&pointer),
            Some(anchor) => self.anchors.get(&*anchor),
            None => None,
        };
        found.map(|schema| Some(*schema)).ok_or_else(|| {
            let known = self.places().keys().map(String::as_str).filter(|place| place.contains("$defs"));
            let near = nearest(fragment, known).map(|near| format!("did you mean `#{near}`?"));
            (format!("there is no schema at `{target}`"), near)
        })
    }
}

#[derive(Clone, Copy)]
enum Seen {
    Not,
    Under,
    Done { way: usize, judges: u64 },
}

/// Whether a way may come back to where it was: fine where it goes into the value in between, since values end.
#[derive(Clone, Copy)]
enum Loops {
    Allow,
    Refuse,
}

/// How long the longest way from a schema is, and how many schemas are passed on all ways together.
fn follow(
    index: usize,
    depth: usize,
    edges: &[Vec<usize>],
    loops: Loops,
    seen: &mut [Seen],
) -> Result<(usize, u64), (usize, &'static str)> {
    match (seen[index], loops) {
        (Seen::Done { way, judges }, _) => return Ok((way, judges)),
        (Seen::Under, Loops::Allow) => return Ok((0, 0)),
        (Seen::Under, Loops::Refuse) => {
            return Err((index, "the schema refers to itself before it goes into the value: judging by it never ends"));
        }
        (Seen::Not, _) if depth > LONGEST_WAY => {
            return Err((index, "schemas refer to each other over too many steps"));
        }
        (Seen::Not, _) => {}
    }
    seen[index] = Seen::Under;
    let (mut way, mut judges) = (0, 1u64);
    for to in &edges[index] {
        let (further, others) = follow(*to, depth + 1, edges, loops, seen)?;
        way = way.max(further + 1);
        judges = judges.saturating_add(others);
    }
    if way > LONGEST_WAY {
        return Err((index, "schemas refer to each other over too many steps"));
    }
    if judges > MOST_JUDGES && matches!(loops, Loops::Refuse) {
        return Err((index, "the references of the schema multiply: judging by it takes too long"));
    }
    seen[index] = Seen::Done { way, judges };
    Ok((way, judges))
}
