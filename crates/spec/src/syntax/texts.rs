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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_kept_once_and_a_long_one_as_often_as_it_stands_there() {
        let (short, long) = ("a".repeat(LONGEST), "a".repeat(LONGEST + 1));
        let mut texts = Texts::default();
        assert!(Arc::ptr_eq(&texts.shared(&short), &texts.shared(&short)));
        assert!(!Arc::ptr_eq(&texts.shared(&long), &texts.shared(&long)));
    }

    #[test]
    fn what_is_known_is_bounded() {
        let all: Vec<String> = (0..=MOST).map(|number| number.to_string()).collect();
        let mut texts = Texts::default();
        for text in &all {
            assert_eq!(*texts.shared(text), **text);
        }
        assert_eq!(texts.0.len(), MOST);
        assert_eq!(*texts.shared(&all[MOST]), *all[MOST]);
    }
}
