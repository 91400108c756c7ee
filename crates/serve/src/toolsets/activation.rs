//! The toolsets that one session turned on. Checking and taking a place is one step under one lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Toolsets, set::Set};

/// Kept by the session.
#[derive(Debug)]
pub(super) struct Activation(Mutex<Active>);

#[derive(Debug)]
struct Active {
    /// Places mean something in one generation only; from one to the next, keys do.
    generation: u64,
    keys: Vec<Arc<str>>,
    on: Set,
    /// Being turned on. One may be there more than once, and counts once.
    reserved: Vec<usize>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Already,
    Full { on: Set },
}

impl Activation {
    pub(super) fn new(toolsets: &Toolsets) -> Self {
        let keys = keys(toolsets);
        Self(Mutex::new(Active { generation: toolsets.generation, keys, on: toolsets.initial, reserved: Vec::new() }))
    }

    /// What is on. Something that is no longer permitted is off for good.
    pub(super) fn on(&self, toolsets: &Toolsets, permitted: Set) -> Set {
        self.lock(toolsets, permitted).on
    }

    /// A place for the toolset until it is on, or the reservation is dropped.
    pub(super) fn reserve(&self, toolsets: &Toolsets, permitted: Set, place: usize) -> Result<Reserved<'_>, Refused> {
        let mut active = self.lock(toolsets, permitted);
        if active.on.contains(place) {
            return Err(Refused::Already);
        }
        let taken = active.reserved.iter().fold(active.on, |taken, place| taken.or(Set::one(*place)));
        let after = taken.or(Set::one(place)).len();
        if toolsets.policy.max_active.is_some_and(|most| after > most) {
            return Err(Refused::Full { on: active.on });
        }
        active.reserved.push(place);
        Ok(Reserved { activation: self, generation: toolsets.generation, place })
    }

    /// Whether it was on.
    pub(super) fn turn_off(&self, toolsets: &Toolsets, permitted: Set, place: usize) -> bool {
        let mut active = self.lock(toolsets, permitted);
        let was_on = active.on.contains(place);
        active.on = active.on.without(Set::one(place));
        was_on
    }

    fn lock(&self, toolsets: &Toolsets, permitted: Set) -> MutexGuard<'_, Active> {
        let mut active = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if active.generation != toolsets.generation {
            let before = active.on.iter().filter_map(|place| active.keys.get(place));
            active.on = before.filter_map(|key| toolsets.place(key)).fold(Set::default(), |on, at| on.or(Set::one(at)));
            active.reserved.clear();
            active.keys = keys(toolsets);
            active.generation = toolsets.generation;
        }
        active.on = active.on.and(permitted);
        active
    }
}

fn keys(toolsets: &Toolsets) -> Vec<Arc<str>> {
    toolsets.toolsets.iter().map(|toolset| toolset.key.clone()).collect()
}

/// Gives the place back when dropped.
#[derive(Debug)]
pub(super) struct Reserved<'a> {
    activation: &'a Activation,
    generation: u64,
    place: usize,
}

impl Reserved<'_> {
    /// `false` if the server was replaced meanwhile.
    pub(super) fn turn_on(self) -> bool {
        let mut active = self.activation.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = active.generation == self.generation;
        if same {
            active.on = active.on.or(Set::one(self.place));
        }
        same
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut active = self.activation.0.lock().unwrap_or_else(PoisonError::into_inner);
        if active.generation == self.generation
            && let Some(at) = active.reserved.iter().position(|place| *place == self.place)
        {
            active.reserved.swap_remove(at);
        }
    }
}
