//! What servers have in common: a part that is made of a text alone is kept once, as long as any server has it.
//!
//! Only what is immutable and free of secrets comes in here, and what learns nothing from calls: servers of two owners may
//! have the same part, and neither can tell. What a text is made into depends on nothing else.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use sha2::{Digest as _, Sha256};

/// Parts by the digest of the text that they are made of.
#[derive(Debug)]
pub struct Interned<T>(Mutex<Known<T>>);

#[derive(Debug)]
struct Known<T> {
    parts: BTreeMap<[u8; 32], Weak<T>>,
    /// So many entries are looked through for those that nobody has any more.
    full: usize,
}

const FEW: usize = 64;

impl<T> Interned<T> {
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Known { parts: BTreeMap::new(), full: FEW }))
    }

    /// The part that is made of these texts, in this order.
    pub fn get_or_make<E>(&self, texts: &[&str], make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        let mut digest = Sha256::new();
        for text in texts {
            digest.update(text.len().to_le_bytes());
            digest.update(text);
        }
        let digest: [u8; 32] = digest.finalize().into();
        if let Some(known) = self.known(&digest) {
            return Ok(known);
        }
        // Without the lock: it may take long, and seldom is the same made twice at once.
        let made = Arc::new(make()?);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = known.parts.get(&digest).and_then(Weak::upgrade) {
            return Ok(first);
        }
        if known.parts.len() >= known.full {
            known.parts.retain(|_, part| part.strong_count() > 0);
            known.full = FEW.max(known.parts.len() * 2);
        }
        known.parts.insert(digest, Arc::downgrade(&made));
        Ok(made)
    }

    fn known(&self, digest: &[u8; 32]) -> Option<Arc<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).parts.get(digest)?.upgrade()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn part(interned: &Interned<String>, texts: &[&str]) -> Arc<String> {
        let made: Result<_, Infallible> = interned.get_or_make(texts, || Ok(texts.concat()));
        made.expect("nothing can fail")
    }

    #[test]
    fn the_same_texts_are_one_part_and_others_are_another() {
        let interned = Interned::new();
        let one = part(&interned, &["a", "bc"]);
        assert!(Arc::ptr_eq(&one, &part(&interned, &["a", "bc"])));
        assert!(!Arc::ptr_eq(&one, &part(&interned, &["ab", "c"])), "where one text ends counts");
    }

    #[test]
    fn what_nobody_has_is_let_go_and_forgotten() {
        let interned = Interned::new();
        let gone = Arc::downgrade(&part(&interned, &["gone"]));
        assert!(gone.upgrade().is_none());
        for number in 0..10 * FEW {
            part(&interned, &[&number.to_string()]);
        }
        let entries = interned.0.lock().unwrap().parts.len();
        assert!(entries <= FEW, "{entries} entries");
        assert_eq!(*part(&interned, &["gone"]), "gone");
    }

    #[test]
    fn what_fails_is_not_kept() {
        let interned = Interned::<String>::new();
        assert_eq!(interned.get_or_make(&["a"], || Err("no")), Err("no"));
        assert_eq!(*part(&interned, &["a"]), "a");
    }
}
