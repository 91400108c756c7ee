//! Activation handles: what a caller of 2026-07-28 turned on, carried by the caller. Signed, bound to server and principal,
//! good for some time. The server keeps nothing of them but which were ended before their time.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rmcp::model::{RequestStateCodec, SealOptions};
use serde::{Deserialize, Serialize};

use crate::{Principal, StateKey, input::Subject};

/// Bytes of a handle.
const LONGEST: usize = 16 * 1024;
/// Handles that were ended and would still be good.
const MOST_ENDED: usize = 50_000;

pub(super) struct Handles {
    codec: RequestStateCodec,
    ttl: Duration,
    ended: Mutex<Ended>,
}

#[derive(Default)]
struct Ended {
    ids: HashSet<String>,
    oldest_first: VecDeque<(Instant, String)>,
}

impl fmt::Debug for Handles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handles").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Carried {
    id: String,
    /// In milliseconds since 1970: what seals it knows whole seconds.
    until: u64,
    /// Keys of toolsets.
    pub(super) on: Vec<String>,
}

impl Handles {
    pub(super) fn new(key: &StateKey, ttl: Duration) -> Self {
        Self { codec: key.codec("activation"), ttl, ended: Mutex::default() }
    }

    pub(super) fn ttl(&self) -> Duration {
        self.ttl
    }

    pub(super) fn seal(&self, server: &str, principal: &Principal, on: Vec<String>) -> String {
        let until = now().saturating_add(u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX));
        let carried = Carried { id: URL_SAFE_NO_PAD.encode(crate::random::<16>()), until, on };
        let subject = subject(server, principal);
        let options = SealOptions::new().associated_data(&subject).ttl(self.ttl);
        self.codec.seal_json_with(&carried, &options).expect("handles are JSON")
    }

    /// `None`, whatever is wrong with it: changed, somebody else's, too old, ended.
    pub(super) fn open(&self, server: &str, principal: &Principal, handle: &str) -> Option<Carried> {
        if handle.len() > LONGEST {
            return None;
        }
        let carried: Carried = self.codec.open_json_with(handle, &subject(server, principal)).ok()?;
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        (now() < carried.until && !ended.ids.contains(&carried.id)).then_some(carried)
    }

    /// `false` if as many were ended lately as can be remembered; it is still good then.
    pub(super) fn end(&self, carried: Carried) -> bool {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while ended.oldest_first.front().is_some_and(|(at, _)| now - *at > self.ttl + Duration::from_secs(2)) {
            if let Some((_, id)) = ended.oldest_first.pop_front() {
                ended.ids.remove(&id);
            }
        }
        if ended.ids.len() >= MOST_ENDED {
            return false;
        }
        if ended.ids.insert(carried.id.clone()) {
            ended.oldest_first.push_back((now, carried.id));
        }
        true
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn subject(server: &str, principal: &Principal) -> [u8; 32] {
    Subject { server, method: "toolsets", name: "activation", principal, arguments: "{}" }.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_good_for_its_caller_and_server_until_it_is_ended() {
        let handles = Handles::new(&StateKey::default(), Duration::from_secs(60));
        let (alice, bob) = (Principal::trusted("alice"), Principal::trusted("bob"));
        let handle = handles.seal("s", &alice, vec!["reading".to_owned()]);
        let carried = handles.open("s", &alice, &handle).expect("it is hers");
        assert_eq!(carried.on, ["reading"]);
        assert_eq!(handles.open("s", &bob, &handle), None);
        assert_eq!(handles.open("other", &alice, &handle), None);
        assert_eq!(handles.open("s", &alice, &format!("{handle}A")), None);
        assert_eq!(handles.open("s", &alice, ""), None);
        let other = Handles::new(&StateKey::default(), Duration::from_secs(60));
        assert_eq!(other.open("s", &alice, &handle), None);
        assert!(handles.end(carried));
        assert_eq!(handles.open("s", &alice, &handle), None);
    }

    #[test]
    fn a_handle_that_is_too_old_is_none() {
        let handles = Handles::new(&StateKey::default(), Duration::ZERO);
        let alice = Principal::trusted("alice");
        assert_eq!(handles.open("s", &alice, &handles.seal("s", &alice, Vec::new())), None);
    }
}
