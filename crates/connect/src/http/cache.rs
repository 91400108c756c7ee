//! Answers that are kept to be asked for again: a GET goes to the upstream every time, with `If-None-Match` or
//! `If-Modified-Since`, and only the body is spared when nothing changed. So nothing here is ever stale.
//!
//! An answer is found again under its URL and every header it was asked with, credentials included; one that is `private`
//! only by the same caller.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use ::http::{
    HeaderMap, HeaderName, Method, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_MATCH, IF_MODIFIED_SINCE,
        IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE, SET_COOKIE, TRANSFER_ENCODING, VARY,
    },
};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use url::Url;

/// Of one connection.
#[derive(Debug)]
pub(super) struct Cache {
    most_bytes: usize,
    answers: Mutex<Answers>,
}

#[derive(Debug, Default)]
struct Answers {
    by_key: HashMap<Key, (u64, Arc<Kept>)>,
    bytes: usize,
    /// Grows with every use; whatever was used longest ago goes first.
    now: u64,
}

#[derive(Debug)]
pub(super) struct Kept {
    pub headers: HeaderMap,
    pub body: Bytes,
}

type Key = [u8; 32];

/// What an answer to one request is kept under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keys {
    shared: Key,
    private: Key,
}

/// One body; larger ones are not kept.
pub(super) const LARGEST: usize = 1 << 20;

/// These make a request whose answer is not the whole, or is its author's to judge.
const OWN_CONDITIONS: [HeaderName; 6] =
    [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE, RANGE];

impl Keys {
    /// `None` for a request whose answer is not kept.
    pub fn of(method: &Method, url: &Url, headers: &HeaderMap, caller: Option<&str>) -> Option<Self> {
        let own = OWN_CONDITIONS.iter().any(|name| headers.contains_key(name));
        if method != Method::GET || own || says(headers, "no-store") {
            return None;
        }
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        add(url.as_str().as_bytes());
        let mut lines: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        lines.sort_unstable();
        for (name, value) in lines {
            add(name.as_bytes());
            add(value);
        }
        let mut private = hash.clone();
        private.update(b"caller");
        private.update(caller.unwrap_or_default().as_bytes());
        Some(Self { shared: hash.finalize().into(), private: private.finalize().into() })
    }
}

impl Cache {
    /// `most_bytes`: of all bodies and headers.
    pub fn new(most_bytes: usize) -> Self {
        Self { most_bytes, answers: Mutex::default() }
    }

    pub fn find(&self, keys: &Keys) -> Option<Arc<Kept>> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.now += 1;
        let now = answers.now;
        let found = [keys.private, keys.shared].into_iter().find(|key| answers.by_key.contains_key(key))?;
        let (used, kept) = answers.by_key.get_mut(&found)?;
        *used = now;
        Some(Arc::clone(kept))
    }

    pub fn keep(&self, keys: &Keys, kept: Kept) {
        let key = if says(&kept.headers, "private") { keys.private } else { keys.shared };
        let size = kept.size();
        if size > self.most_bytes {
            return;
        }
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.forget(&keys.private);
        answers.forget(&keys.shared);
        answers.now += 1;
        answers.bytes += size;
        let now = answers.now;
        answers.by_key.insert(key, (now, Arc::new(kept)));
        while answers.bytes > self.most_bytes {
            let Some(oldest) = answers.by_key.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| *key) else {
                break;
            };
            answers.forget(&oldest);
        }
    }

    pub fn forget(&self, keys: &Keys) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.forget(&keys.private);
        answers.forget(&keys.shared);
    }
}

impl Answers {
    fn forget(&mut self, key: &Key) {
        if let Some((_, kept)) = self.by_key.remove(key) {
            self.bytes -= kept.size();
        }
    }
}

impl Kept {
    fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        // A key, an entry of the map and the header map's own room.
        self.body.len() + headers + 512
    }

    /// What to ask with, whether it changed.
    pub fn conditions(&self) -> HeaderMap {
        let of = |from: HeaderName, to: HeaderName| self.headers.get(from).map(|value| (to, value.clone()));
        let etag = of(ETAG, IF_NONE_MATCH);
        etag.or_else(|| of(LAST_MODIFIED, IF_MODIFIED_SINCE)).into_iter().collect()
    }

    /// As the upstream says it is now.
    pub fn renewed(&self, by: &HeaderMap) -> HeaderMap {
        let of_the_message = [CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_RANGE, TRANSFER_ENCODING];
        let mut headers = self.headers.clone();
        for name in by.keys().filter(|name| !of_the_message.contains(name)) {
            headers.remove(name);
            for value in by.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        headers
    }
}

/// Whether an answer may be kept, and can be asked for again.
pub(super) fn may_keep(status: StatusCode, headers: &HeaderMap) -> bool {
    let varies = headers.get_all(VARY).iter().any(|value| value.as_bytes().contains(&b'*'));
    status == StatusCode::OK
        && (headers.contains_key(ETAG) || headers.contains_key(LAST_MODIFIED))
        && !varies
        && !headers.contains_key(SET_COOKIE)
        && !says(headers, "no-store")
}

fn says(headers: &HeaderMap, directive: &str) -> bool {
    let values = headers.get_all(CACHE_CONTROL).iter();
    let mut directives = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    directives.any(|written| {
        let name = written.split(|byte| *byte == b'=').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(directive.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn keys(url: &str, lines: &[(&'static str, &str)], caller: &str) -> Option<Keys> {
        Keys::of(&Method::GET, &Url::parse(url).unwrap(), &headers(lines), Some(caller))
    }

    fn kept(lines: &[(&'static str, &str)], body: usize) -> Kept {
        Kept { headers: headers(lines), body: vec![0; body].into() }
    }

    #[test]
    fn only_what_can_be_asked_for_again_is_kept() {
        let check = |status: u16, lines: &[(&'static str, &str)], expected: bool| {
            let got = may_keep(StatusCode::from_u16(status).unwrap(), &headers(lines));
            assert_eq!(got, expected, "{status} {lines:?}");
        };
        check(200, &[("etag", "\"a\"")], true);
        check(200, &[("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT"), ("vary", "accept, authorization")], true);
        check(200, &[("etag", "\"a\""), ("cache-control", "private, max-age=60")], true);
        check(200, &[], false);
        check(206, &[("etag", "\"a\"")], false);
        check(404, &[("etag", "\"a\"")], false);
        check(200, &[("etag", "\"a\""), ("cache-control", "max-age=1, No-Store")], false);
        check(200, &[("etag", "\"a\""), ("vary", "accept, *")], false);
        check(200, &[("etag", "\"a\""), ("set-cookie", "a=b")], false);
    }

    #[test]
    fn an_answer_is_found_under_all_that_it_was_asked_with() {
        let cache = Cache::new(1 << 20);
        let asked = keys("https://a.example/x?y", &[("authorization", "Bearer a"), ("accept", "b")], "alice").unwrap();
        cache.keep(&asked, kept(&[("etag", "\"a\"")], 10));
        let same = keys("https://a.example/x?y", &[("accept", "b"), ("authorization", "Bearer a")], "bob").unwrap();
        assert!(cache.find(&same).is_some());
        for (url, token, accept) in [
            ("https://a.example/x?z", "Bearer a", "b"),
            ("https://b.example/x?y", "Bearer a", "b"),
            ("https://a.example/x?y", "Bearer b", "b"),
            ("https://a.example/x?y", "Bearer a", "c"),
        ] {
            let other = keys(url, &[("authorization", token), ("accept", accept)], "alice").unwrap();
            assert!(cache.find(&other).is_none(), "{url} {token} {accept}");
        }
        assert_eq!(keys("https://a.example/", &[("range", "bytes=0-1")], "alice"), None);
        assert_eq!(keys("https://a.example/", &[("if-match", "*")], "alice"), None);
        assert_eq!(keys("https://a.example/", &[("cache-control", "no-store")], "alice"), None);
    }

    #[test]
    fn a_private_answer_is_found_by_its_own_caller_only() {
        let cache = Cache::new(1 << 20);
        let (alice, bob) =
            (keys("https://a.example/", &[], "alice").unwrap(), keys("https://a.example/", &[], "bob").unwrap());
        cache.keep(&alice, kept(&[("etag", "\"a\""), ("cache-control", "private")], 1));
        assert!(cache.find(&alice).is_some());
        assert!(cache.find(&bob).is_none());
        cache.keep(&alice, kept(&[("etag", "\"a\"")], 1));
        assert!(cache.find(&bob).is_some());
        cache.forget(&bob);
        assert!(cache.find(&alice).is_none());
    }

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let cache = Cache::new(4_000);
        let key = |n: u32| keys(&format!("https://a.example/{n}"), &[], "alice").unwrap();
        for n in 0..3 {
            cache.keep(&key(n), kept(&[], 700));
        }
        cache.find(&key(0)).unwrap();
        cache.keep(&key(3), kept(&[], 700));
        let there: Vec<bool> = (0..4).map(|n| cache.find(&key(n)).is_some()).collect();
        assert_eq!(there, [true, false, true, true]);
        cache.keep(&key(9), kept(&[], 5_000));
        assert!(cache.find(&key(9)).is_none());
        assert!(cache.answers.lock().unwrap().bytes <= 4_000);
    }
}
