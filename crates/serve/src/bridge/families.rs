//! What was used. A code is good once, a refresh token until the next one was made of it. What comes a second time was
//! stolen from one of two, and nobody knows from which: all that came of that consent ends.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

/// One consent and what came of it.
#[derive(Debug)]
struct Family {
    /// The refresh token that is good now. 0 is the code.
    serial: u64,
    /// When it became that.
    since: SystemTime,
    until: SystemTime,
}

/// A client whose connection broke has not seen the answer, and asks again with what it has.
const LEEWAY: Duration = Duration::from_secs(10);
/// Consents at once. What is beyond is refused until others are over.
const MOST: usize = 100_000;

/// Of one key. The oldest goes when there is another one.
const MOST_OF_ONE: usize = 100;

/// Kept in memory, bounded. A process that starts anew knows no consent, so that people are asked again.
#[derive(Default)]
pub(super) struct Families(Mutex<All>);

/// What was revoked is not there.
#[derive(Default)]
struct All {
    families: HashMap<u128, Family>,
    /// By the hash of the key, oldest first. Some of them may be gone.
    of_key: HashMap<[u8; 32], VecDeque<u128>>,
}

impl fmt::Debug for Families {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Families").field(&self.all().families.len()).finish()
    }
}

impl Families {
    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A code is issued. `false` when there is no place.
    pub(super) fn begin(&self, id: u128, key: [u8; 32], until: SystemTime) -> bool {
        let now = SystemTime::now();
        let mut all = self.all();
        let All { families, of_key } = &mut *all;
        if families.len() >= MOST {
            families.retain(|_, family| family.until > now);
            of_key.retain(|_, ids| {
                ids.retain(|id| families.contains_key(id));
                !ids.is_empty()
            });
        }
        if families.len() >= MOST {
            return false;
        }
        let own = of_key.entry(key).or_default();
        if own.len() >= MOST_OF_ONE
            && let Some(oldest) = own.pop_front()
        {
            families.remove(&oldest);
        }
        own.push_back(id);
        families.insert(id, Family { serial: 0, since: now, until });
        true
    }

    /// Uses what has this serial, and gives the one of what comes next.
    pub(super) fn next(&self, id: u128, serial: u64, until: SystemTime) -> Option<u64> {
        let now = SystemTime::now();
        let mut all = self.all();
        let family = all.families.get_mut(&id).filter(|family| family.until > now)?;
        if serial == family.serial {
            (family.serial, family.since, family.until) = (serial + 1, now, until);
            return Some(family.serial);
        }
        let again = serial > 0 && serial + 1 == family.serial;
        if again && now.duration_since(family.since).is_ok_and(|since| since <= LEEWAY) {
            return Some(family.serial);
        }
        all.families.remove(&id);
        None
    }

    pub(super) fn revoke(&self, id: u128) {
        self.all().families.remove(&id);
    }

    pub(super) fn is_good(&self, id: u128) -> bool {
        self.all().families.contains_key(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later() -> SystemTime {
        SystemTime::now() + Duration::from_secs(60)
    }

    #[test]
    fn a_code_is_good_once_and_a_second_use_ends_what_came_of_it() {
        let families = Families::default();
        assert!(families.begin(1, [0; 32], later()));
        assert_eq!(families.next(1, 0, later()), Some(1));
        assert!(families.is_good(1));
        assert_eq!(families.next(1, 0, later()), None);
        assert!(!families.is_good(1));
        assert_eq!(families.next(1, 1, later()), None);
    }

    #[test]
    fn an_old_refresh_token_ends_the_family_unless_the_answer_was_lost_just_now() {
        let families = Families::default();
        assert!(families.begin(1, [0; 32], later()));
        assert_eq!(families.next(1, 0, later()), Some(1));
        assert_eq!(families.next(1, 1, later()), Some(2));
        assert_eq!(families.next(1, 1, later()), Some(2), "the answer was lost");
        families.all().families.get_mut(&1).expect("there").since = SystemTime::now() - LEEWAY - Duration::from_secs(1);
        assert_eq!(families.next(1, 1, later()), None, "used long ago");
        assert_eq!(families.next(1, 2, later()), None);
    }

    #[test]
    fn what_nobody_began_or_is_over_is_not_good() {
        let families = Families::default();
        assert_eq!(families.next(7, 0, later()), None);
        assert!(!families.is_good(7));
        assert!(families.begin(8, [0; 32], SystemTime::now() - Duration::from_secs(1)));
        assert_eq!(families.next(8, 0, later()), None);
    }

    #[test]
    fn whoever_agrees_often_ends_their_own_oldest_and_nobody_elses() {
        let families = Families::default();
        assert!(families.begin(1_000, [1; 32], later()));
        for id in 0..=100 {
            assert!(families.begin(id, [2; 32], later()));
        }
        assert!(!families.is_good(0) && families.is_good(1) && families.is_good(100) && families.is_good(1_000));
    }
}
