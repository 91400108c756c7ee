//! Texts that stand in a document again and again, each kept once: most keys, and short values such as the names of types.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;

/// Longer ones are seldom there twice.
const LONGEST: usize = 32;
/// So many different ones are known; a document whose texts are all different gains nothing by more.
const MOST: usize = 1 << 14;

#[derive(Debug, Default)]
pub(super) struct Texts<'a>(HashMap<&'a str, Arc<str>, RandomState>);

impl<'a> Texts<'a> {
    pub(super) fn shared(&mut self, text: &'a str) -> Arc<str> {
        if text.len() > LONGEST {
            return text.into();
        }
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let shared: Arc<str> = text.into();
        if self.0.len() < MOST {
            self.0.insert(text, shared.clone());
        }
        shared
    }
}
