//! Cursors: opaque, signed, and good only for the tool, the caller and the arguments they were given for.
//!
//! An offset is signed. What an upstream said of its next page is sealed as well: it may hold what callers must not see.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde_json::{Map, Value};
use sha2::Sha256;

const TAG_BYTES: usize = 16;
/// A sealed cursor is no longer than this, in characters.
const LONGEST: usize = 8 << 10;

/// Signs cursors. One per factory, so that a cursor outlives a restart.
#[derive(Clone)]
pub struct CursorKey(Hmac<Sha256>);

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorKey(..)")
    }
}

/// A cursor that this server did not make for this call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "`cursor` was not made by this tool for these arguments: pass `nextCursor` of the page before, with every other \
     argument unchanged, or leave `cursor` out to start at the first page"
)]
pub struct BadCursor;

impl CursorKey {
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes a key of any length"))
    }

    /// A cursor for the rows from `offset` on.
    #[must_use]
    pub fn encode(&self, offset: u64, tool: &str, principal: &str, arguments: &Map<String, Value>) -> String {
        let mut bytes = offset.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.tag(offset, tool, principal, arguments)[..TAG_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub fn decode(
        &self,
        cursor: &str,
        tool: &str,
        principal: &str,
        arguments: &Map<String, Value>,
    ) -> Result<u64, BadCursor> {
        if cursor.len() > 64 {
            return Err(BadCursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| BadCursor)?;
        let (offset, tag) = bytes.split_first_chunk::<8>().ok_or(BadCursor)?;
        let offset = u64::from_be_bytes(*offset);
        if tag.len() != TAG_BYTES {
            return Err(BadCursor);
        }
        self.mac(offset, tool, principal, arguments).verify_truncated_left(tag).map_err(|_| BadCursor)?;
        Ok(offset)
    }

    /// A cursor that holds whatever says where to go on; `None` if that is too long to be handed out.
    #[must_use]
    pub fn seal(&self, state: &[u8], tool: &str, principal: &str, arguments: &Map<String, Value>) -> Option<String> {
        let context = self.context(tool, principal, arguments);
        // Made of what is sealed, so one nonce never stands for two texts.
        let mut nonce = self.0.clone();
        nonce.update(b"cursor/2/nonce");
        nonce.update(&context);
        nonce.update(state);
        let nonce = *nonce.finalize().into_bytes().first_chunk::<NONCE_LEN>().expect("a hash is longer than a nonce");
        let mut sealed = state.to_vec();
        let key = self.sealing_key();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut sealed).ok()?;
        let cursor = URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat());
        (cursor.len() <= LONGEST).then_some(cursor)
    }

    /// What [`seal`](Self::seal) was given.
    pub fn open(
        &self,
        cursor: &str,
        tool: &str,
        principal: &str,
        arguments: &Map<String, Value>,
    ) -> Result<Vec<u8>, BadCursor> {
        if cursor.len() > LONGEST {
            return Err(BadCursor);
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| BadCursor)?;
        let (nonce, sealed) = bytes.split_first_chunk_mut::<NONCE_LEN>().ok_or(BadCursor)?;
        let context = Aad::from(self.context(tool, principal, arguments));
        let key = self.sealing_key();
        let state = key.open_in_place(Nonce::assume_unique_for_key(*nonce), context, sealed).map_err(|_| BadCursor)?;
        Ok(state.to_vec())
    }

    fn sealing_key(&self) -> LessSafeKey {
        let mut key = self.0.clone();
        key.update(b"cursor/2/key");
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key.finalize().into_bytes()).expect("a key is 32 bytes");
        LessSafeKey::new(key)
    }

    fn context(&self, tool: &str, principal: &str, arguments: &Map<String, Value>) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(b"cursor/2/context");
        call(&mut mac, tool, principal, arguments);
        mac.finalize().into_bytes().into()
    }

    fn tag(&self, offset: u64, tool: &str, principal: &str, arguments: &Map<String, Value>) -> [u8; 32] {
        self.mac(offset, tool, principal, arguments).finalize().into_bytes().into()
    }

    fn mac(&self, offset: u64, tool: &str, principal: &str, arguments: &Map<String, Value>) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(b"cursor/1");
        mac.update(&offset.to_be_bytes());
        call(&mut mac, tool, principal, arguments);
        mac
    }
}

fn call(mac: &mut Hmac<Sha256>, tool: &str, principal: &str, arguments: &Map<String, Value>) {
    for text in [tool, principal] {
        mac.update(&(text.len() as u64).to_be_bytes());
        mac.update(text.as_bytes());
    }
    // Sorted, so that the order in which a client writes its arguments does not matter.
    let mut names: Vec<&String> = arguments.keys().collect();
    names.sort();
    for name in names {
        let pair = serde_json::to_vec(&(name, &arguments[name])).expect("a JSON value can be written");
        mac.update(&(pair.len() as u64).to_be_bytes());
        mac.update(&pair);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    fn key() -> CursorKey {
        CursorKey::new(b"a key")
    }

    #[test]
    fn the_order_of_arguments_does_not_matter() {
        let cursor = key().encode(50, "t", "p", &object(json!({ "a": 1, "b": 2 })));
        assert_eq!(key().decode(&cursor, "t", "p", &object(json!({ "b": 2, "a": 1 }))), Ok(50));
    }

    #[test]
    fn a_cursor_is_good_for_nothing_else() {
        let arguments = object(json!({ "q": "a" }));
        let cursor = key().encode(50, "t", "p", &arguments);
        assert_eq!(key().decode(&cursor, "t", "p", &arguments), Ok(50));
        assert_eq!(key().decode(&cursor, "other", "p", &arguments), Err(BadCursor));
        assert_eq!(key().decode(&cursor, "t", "other", &arguments), Err(BadCursor));
        assert_eq!(key().decode(&cursor, "t", "p", &object(json!({ "q": "b" }))), Err(BadCursor));
        assert_eq!(CursorKey::new(b"another").decode(&cursor, "t", "p", &arguments), Err(BadCursor));
    }

    #[test]
    fn a_sealed_cursor_shows_nothing_and_is_good_for_nothing_else() {
        let arguments = object(json!({ "q": "a" }));
        let cursor = key().seal(b"after=secret", "t", "p", &arguments).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"secret"));
        assert_eq!(key().open(&cursor, "t", "p", &arguments), Ok(b"after=secret".to_vec()));
        assert_eq!(key().open(&cursor, "other", "p", &arguments), Err(BadCursor));
        assert_eq!(key().open(&cursor, "t", "other", &arguments), Err(BadCursor));
        assert_eq!(key().open(&cursor, "t", "p", &object(json!({ "q": "b" }))), Err(BadCursor));
        assert_eq!(CursorKey::new(b"another").open(&cursor, "t", "p", &arguments), Err(BadCursor));
        assert_eq!(key().seal(&[0; LONGEST], "t", "p", &arguments), None);
    }

    proptest! {
        #[test]
        fn a_sealed_cursor_that_was_changed_is_refused(state: Vec<u8>, at: prop::sample::Index, bit in 0_u8..8) {
            let arguments = Map::new();
            let cursor = key().seal(&state, "t", "p", &arguments).unwrap();
            prop_assert_eq!(key().open(&cursor, "t", "p", &arguments), Ok(state));
            let mut bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(key().open(&URL_SAFE_NO_PAD.encode(bytes), "t", "p", &arguments), Err(BadCursor));
        }

        #[test]
        fn whatever_is_sent_as_a_cursor_is_refused_or_was_ours(cursor in ".{0,80}", offset: u64) {
            let arguments = Map::new();
            prop_assert_eq!(key().decode(&cursor, "t", "p", &arguments), Err(BadCursor));
            let ours = key().encode(offset, "t", "p", &arguments);
            prop_assert_eq!(key().decode(&ours, "t", "p", &arguments), Ok(offset));
        }
    }
}
