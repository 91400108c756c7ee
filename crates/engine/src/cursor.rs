//! Cursors: opaque, signed, and good only for the tool, the caller and the arguments they were given for.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::Sha256;

const TAG_BYTES: usize = 16;

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

    fn tag(&self, offset: u64, tool: &str, principal: &str, arguments: &Map<String, Value>) -> [u8; 32] {
        self.mac(offset, tool, principal, arguments).finalize().into_bytes().into()
    }

    fn mac(&self, offset: u64, tool: &str, principal: &str, arguments: &Map<String, Value>) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(b"cursor/1");
        mac.update(&offset.to_be_bytes());
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
        mac
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

    proptest! {
        #[test]
        fn whatever_is_sent_as_a_cursor_is_refused_or_was_ours(cursor in ".{0,80}", offset: u64) {
            let arguments = Map::new();
            prop_assert_eq!(key().decode(&cursor, "t", "p", &arguments), Err(BadCursor));
            let ours = key().encode(offset, "t", "p", &arguments);
            prop_assert_eq!(key().decode(&ours, "t", "p", &arguments), Ok(offset));
        }
    }
}
