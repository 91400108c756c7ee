//! Activation handles: what a caller of 2026-07-28 turned on, carried by the caller. Signed, bound to server and principal,
//! good for some time. The server keeps nothing of them but which were ended before their time, and that beside the key: a
//! server that takes the place of another knows them, too.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rmcp::model::{RequestStateCodec, SealOptions};
use serde::{Deserialize, Serialize};

use crate::{
    Principal, StateKey,
    input::{Ended, Made, Subject},
};

/// Bytes of a handle.
const LONGEST: usize = 16 * 1024;

pub(super) struct Handles {
    codec: RequestStateCodec,
    ttl: Duration,
    ended: Arc<Ended>,
}

impl fmt::Debug for Handles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handles").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Carried {
    id: [u64; 2],
    /// In milliseconds since 1970: what seals it knows whole seconds.
    at: u64,
    until: u64,
    /// Keys of toolsets.
    pub(super) on: Vec<String>,
}

impl Carried {
    fn made(&self) -> Made {
        let [high, low] = self.id;
        Made { id: u128::from(high) << 64 | u128::from(low), at: self.at, until: self.until }
    }
}

impl Handles {
    pub(super) fn new(key: &StateKey, ttl: Duration) -> Self {
        Self { codec: key.codec("activation"), ttl, ended: key.ended() }
    }

    pub(super) fn ttl(&self) -> Duration {
        self.ttl
    }

    pub(super) fn seal(&self, server: &str, principal: &Principal, on: Vec<String>) -> String {
        let subject = subject(server, principal);
        let at = self.ended.time_of_next(&subject, now());
        let until = at.saturating_add(u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX));
        let id = [u64::from_ne_bytes(crate::random()), u64::from_ne_bytes(crate::random())];
        let options = SealOptions::new().associated_data(&subject).ttl(self.ttl);
        self.codec.seal_json_with(&Carried { id, at, until, on }, &options).expect("handles are JSON")
    }

    /// `None`, whatever is wrong with it: changed, somebody else's, too old, ended.
    pub(super) fn open(&self, server: &str, principal: &Principal, handle: &str) -> Option<Carried> {
        if handle.len() > LONGEST {
            return None;
        }
        let subject = subject(server, principal);
        let carried: Carried = self.codec.open_json_with(handle, &subject).ok()?;
        (now() < carried.until && !self.ended.has(&subject, carried.made())).then_some(carried)
    }

    pub(super) fn end(&self, server: &str, principal: &Principal, carried: &Carried) {
        self.ended.end(subject(server, principal), carried.made(), now());
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
        let key = StateKey::default();
        let handles = Handles::new(&key, Duration::from_secs(60));
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
        let next = Handles::new(&key, Duration::from_secs(60));
        assert!(next.open("s", &alice, &handle).is_some());
        handles.end("s", &alice, &carried);
        assert_eq!(handles.open("s", &alice, &handle), None);
        assert_eq!(next.open("s", &alice, &handle), None, "whoever takes its place knows, too");
    }

    #[test]
    fn a_handle_that_is_too_old_is_none() {
        let handles = Handles::new(&StateKey::default(), Duration::ZERO);
        let alice = Principal::trusted("alice");
        assert_eq!(handles.open("s", &alice, &handles.seal("s", &alice, Vec::new())), None);
    }
}
