//! The keys of one mapping, each once.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;

use super::{Entry, Findings, Span, Trail};
use crate::Code;

/// Below this many entries looking at each is faster than hashing.
const FEW: usize = 8;
/// So much room is kept for the next one.
const MOST_KEPT: usize = 256;

/// Room for the entries of mappings that stand within each other. Each mapping grows in it, and ends as long as it is.
#[derive(Debug, Default)]
pub(super) struct Room(Vec<Vec<Entry>>);

#[derive(Debug)]
pub(super) struct Keys {
    entries: Vec<Entry>,
    index: HashMap<Arc<str>, usize, RandomState>,
}

impl Keys {
    pub(super) fn new(room: &mut Room) -> Self {
        Self { entries: room.0.pop().unwrap_or_default(), index: HashMap::default() }
    }

    /// Adds an entry, or reports its key and keeps the first.
    pub(super) fn insert(&mut self, entry: Entry, trail: &Trail<'_>, findings: &mut Findings) {
        let Entry { key, key_span, .. } = &entry;
        match self.first(key) {
            Some(_) if findings.is_full() => {}
            Some(first) => report(key, *key_span, self.entries[first].key_span, trail, findings),
            None => self.insert_missing(entry),
        }
    }

    /// Adds an entry whose key is not there.
    pub(super) fn insert_missing(&mut self, entry: Entry) {
        if self.first(&entry.key).is_none() {
            if self.entries.len() >= FEW {
                self.index.insert(entry.key.clone(), self.entries.len());
            }
            self.entries.push(entry);
        }
    }

    pub(super) fn into_entries(mut self, room: &mut Room) -> Vec<Entry> {
        // Most mappings have few entries, and a large document has very many mappings.
        let entries = self.entries.drain(..).collect();
        if self.entries.capacity() <= MOST_KEPT {
            room.0.push(self.entries);
        }
        entries
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
