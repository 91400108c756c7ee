//! The keys of one mapping, each once.

use std::collections::HashMap;

use super::{Entry, Findings, Span, Trail};
use crate::Code;

/// Below this many entries looking at each is faster than hashing.
const FEW: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Keys {
    entries: Vec<Entry>,
    index: HashMap<Box<str>, usize>,
}

impl Keys {
    /// Adds an entry, or reports its key and keeps the first.
    pub(super) fn insert(&mut self, entry: Entry, trail: &Trail<'_>, findings: &mut Findings) {
        let Entry { key, key_span, .. } = &entry;
        match self.first(key) {
            Some(_) if findings.is_full() => {}
            Some(first) => report(key, *key_span, self.entries[first].key_span, trail, findings),
            None => {
                if self.entries.len() >= FEW {
                    self.index.insert(key.clone(), self.entries.len());
                }
                self.entries.push(entry);
            }
        }
    }

    pub(super) fn into_entries(mut self) -> Vec<Entry> {
        // Most mappings have few entries, and a large document has very many mappings.
        self.entries.shrink_to_fit();
        self.entries
    }

    fn first(&self, key: &str) -> Option<usize> {
        let few = self.entries.iter().take(FEW).position(|entry| &*entry.key == key);
        few.or_else(|| self.index.get(key).copied())
    }
}

fn report(key: &str, span: Span, first: Span, trail: &Trail<'_>, findings: &mut Findings) {
    if let Some(diagnostic) = findings.add(Code::DuplicateKey, span, format!("the key `{key}` stands here twice")) {
        let start = first.start;
        let help = format!("it is first at line {}, column {}; keep one of the two", start.line, start.column);
        diagnostic.at(trail.key(key).path()).helped(help);
    }
}
