//! The tools of all toolsets by the names they are called by. Replaced as a whole when a module brought more.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use super::{catalog::Handler, meta::MetaTools, rank::Documents, set::Set};
use crate::{Listing, model::Tool};

/// One tool under one name.
#[derive(Clone)]
pub(super) struct Entry {
    /// With the name it is called by.
    pub(super) tool: Arc<Tool>,
    pub(super) target: Target,
    /// The toolsets it is in.
    pub(super) toolsets: Set,
    /// It is in none, and everybody's unless permissions choose.
    pub(super) base: bool,
    /// It is everybody's.
    pub(super) always: bool,
    /// Lists are in this order.
    pub(super) rank: (u8, usize, usize),
}

#[derive(Clone)]
pub(super) enum Target {
    /// A tool of the server within, by its name there.
    Wrapped(Arc<str>),
    Own(Arc<Handler>),
}

impl Target {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Wrapped(this), Self::Wrapped(other)) => this == other,
            (Self::Own(this), Self::Own(other)) => Arc::ptr_eq(this, other),
            _ => false,
        }
    }
}

/// A name that two tools would have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conflict(pub(super) String);

#[derive(Clone, Default)]
pub(super) struct Index {
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
}

impl Index {
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn find(&self, name: &str) -> Option<&Entry> {
        self.by_name.get(name).map(|place| &self.entries[*place])
    }

    pub(super) fn of(&self, toolset: usize) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.toolsets.contains(toolset))
    }

    /// With all of them, or nothing is changed. `reserved` are names that no tool may have.
    pub(super) fn with(&self, added: Vec<Entry>, reserved: impl Fn(&str) -> bool) -> Result<Self, Conflict> {
        let mut index = self.clone();
        for entry in added {
            let name = entry.tool.name.to_string();
            if reserved(&name) {
                return Err(Conflict(name));
            }
            match index.by_name.get(&name).map(|place| &mut index.entries[*place]) {
                // One tool in two toolsets.
                Some(known) if known.target.is(&entry.target) => known.toolsets = known.toolsets.or(entry.toolsets),
                Some(_) => return Err(Conflict(name)),
                None => {
                    index.by_name.insert(name, index.entries.len());
                    index.entries.push(entry);
                }
            }
        }
        index.entries.sort_by_key(|entry| entry.rank);
        for (place, entry) in index.entries.iter().enumerate() {
            if let Some(known) = index.by_name.get_mut(&*entry.tool.name) {
                *known = place;
            }
        }
        Ok(index)
    }
}

/// An index, with what was made of it.
#[derive(Default)]
pub(super) struct State {
    pub(super) index: Index,
    /// Of [`Toolsets::modules`](super::Toolsets).
    pub(super) loaded: HashSet<usize>,
    listings: RwLock<HashMap<Shown, Arc<Listing<Tool>>>>,
    documents: OnceLock<Documents>,
}

/// What a list shows; the same for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Shown {
    pub(super) toolsets: Set,
    /// Tools in no toolset, too.
    pub(super) base: bool,
    pub(super) meta: MetaTools,
}

impl Shown {
    pub(super) fn shows(&self, entry: &Entry) -> bool {
        entry.always || (entry.base && self.base) || entry.toolsets.meets(self.toolsets)
    }
}

/// Lists that are kept. There are as many as there are combinations that callers see.
const MOST_LISTINGS: usize = 256;

impl State {
    pub(super) fn new(index: Index, loaded: HashSet<usize>) -> Self {
        Self { index, loaded, ..Self::default() }
    }

    pub(super) fn listing(&self, shown: Shown) -> Arc<Listing<Tool>> {
        if let Some(listing) = self.listings.read().unwrap_or_else(PoisonError::into_inner).get(&shown) {
            return listing.clone();
        }
        let tools = self.index.entries().iter().filter(|entry| shown.shows(entry)).map(|entry| (*entry.tool).clone());
        let tools = shown.meta.tools().iter().cloned().chain(tools).collect();
        let listing = Listing::new(tools).expect("tools are JSON");
        let mut listings = self.listings.write().unwrap_or_else(PoisonError::into_inner);
        if listings.len() >= MOST_LISTINGS {
            listings.clear();
        }
        listings.insert(shown, listing.clone());
        listing
    }

    pub(super) fn documents(&self) -> &Documents {
        self.documents.get_or_init(|| Documents::of(self.index.entries().iter().map(|entry| &*entry.tool)))
    }
}
