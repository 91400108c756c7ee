//! What the bridge hands out is sealed: only it can read or make it, and it keeps no list of what it handed out.
//!
//! A credential that an operator issued travels inside, so that revoking it there ends at once whatever was made of it.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce},
    hkdf::{HKDF_SHA256, Salt},
};
use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

/// What a sealed text is for. One made for something else does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Client,
    Request,
    Code,
    Access,
    Refresh,
}

impl Purpose {
    const ALL: [Self; 5] = [Self::Client, Self::Request, Self::Code, Self::Access, Self::Refresh];

    /// Says in logs and to scanners of leaked secrets what kind of thing this is.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Client => "mcpc_",
            Self::Request => "mcpq_",
            Self::Code => "mcpo_",
            Self::Access => "mcpa_",
            Self::Refresh => "mcpr_",
        }
    }
}

/// Bytes of a sealed text. Longer ones are of somebody else.
const LONGEST: usize = 16 * 1024;

/// What a bridge seals with: a key for each purpose, so that what was made for one can't be read as another whatever else is
/// wrong. It must stay the same for registrations of clients to outlive a restart.
pub struct BridgeKey([LessSafeKey; Purpose::ALL.len()]);

impl BridgeKey {
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let derived = Salt::new(HKDF_SHA256, b"mcp-serve oauth bridge 2").extract(secret);
        Self(Purpose::ALL.map(|purpose| {
            let info = [purpose.prefix().as_bytes()];
            LessSafeKey::new(derived.expand(&info, &CHACHA20_POLY1305).expect("as long as a key").into())
        }))
    }

    fn of(&self, purpose: Purpose) -> &LessSafeKey {
        &self.0[purpose as usize]
    }

    /// `audience` is bound too: of two servers with one key, neither opens what the other made.
    pub(super) fn seal<T: Serialize>(&self, purpose: Purpose, audience: &str, content: &T) -> String {
        let nonce: [u8; NONCE_LEN] = crate::random();
        let mut sealed = serde_json::to_vec(content).expect("what is sealed is plain data");
        let tag = self
            .of(purpose)
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad(purpose, audience), &mut sealed)
            .expect("less than gigabytes");
        let mut bytes = Vec::with_capacity(NONCE_LEN + sealed.len() + tag.as_ref().len());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        bytes.extend_from_slice(tag.as_ref());
        let mut text = purpose.prefix().to_owned();
        URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
        text
    }

    pub(super) fn open<T: DeserializeOwned>(&self, purpose: Purpose, audience: &str, text: &str) -> Option<T> {
        let text = text.strip_prefix(purpose.prefix()).filter(|text| text.len() <= LONGEST)?;
        let mut bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let content = self.of(purpose).open_in_place(nonce, aad(purpose, audience), sealed).ok()?;
        serde_json::from_slice(content).ok()
    }
}

fn aad(purpose: Purpose, audience: &str) -> Aad<String> {
    Aad::from(format!("{} {audience}", purpose.prefix()))
}

/// For one process: what was handed out ends with it.
impl Default for BridgeKey {
    fn default() -> Self {
        Self::new(&crate::random::<32>())
    }
}

impl fmt::Debug for BridgeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BridgeKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_sealed_opens_for_the_same_purpose_audience_and_key_only() {
        let (key, other) = (BridgeKey::new(b"one"), BridgeKey::new(b"two"));
        let sealed = key.seal(Purpose::Access, "https://a.example/mcp", &"content");
        assert!(!sealed.contains("content"));
        let open = |key: &BridgeKey, purpose, audience| key.open::<String>(purpose, audience, &sealed);
        assert_eq!(open(&key, Purpose::Access, "https://a.example/mcp").as_deref(), Some("content"));
        assert_eq!(open(&BridgeKey::new(b"one"), Purpose::Access, "https://a.example/mcp").as_deref(), Some("content"));
        assert_eq!(open(&other, Purpose::Access, "https://a.example/mcp"), None);
        assert_eq!(open(&key, Purpose::Access, "https://b.example/mcp"), None);
        let renamed = sealed.replacen(Purpose::Access.prefix(), Purpose::Refresh.prefix(), 1);
        assert_eq!(key.open::<String>(Purpose::Refresh, "https://a.example/mcp", &renamed), None);
    }

    /// Not only by what is said beside it: the key of one purpose does not open what another's sealed.
    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let key = BridgeKey::new(b"one");
        for one in Purpose::ALL {
            assert_eq!(Purpose::ALL[one as usize], one);
            for other in Purpose::ALL {
                let mut sealed = b"content".to_vec();
                let nonce = || Nonce::assume_unique_for_key([0; NONCE_LEN]);
                key.of(one).seal_in_place_append_tag(nonce(), Aad::empty(), &mut sealed).expect("sealed");
                let opened = key.of(other).open_in_place(nonce(), Aad::empty(), &mut sealed);
                assert_eq!(opened.is_ok(), one == other, "{one:?} {other:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_that_strangers_write_opens(text in "(mcpa_)?[A-Za-z0-9_-]{0,200}") {
            prop_assert!(BridgeKey::new(b"one").open::<serde_json::Value>(Purpose::Access, "a", &text).is_none());
        }

        #[test]
        fn a_changed_text_does_not_open(at in 5_usize..60, by in 1_u8..64) {
            let key = BridgeKey::new(b"one");
            let sealed = key.seal(Purpose::Code, "a", &"some content of a code");
            let mut bytes = sealed.clone().into_bytes();
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let place = alphabet.iter().position(|known| *known == bytes[at]).expect("base64");
            bytes[at] = alphabet[(place + usize::from(by)) % 64];
            let changed = String::from_utf8(bytes).expect("ASCII");
            prop_assume!(changed != sealed);
            prop_assert!(key.open::<String>(Purpose::Code, "a", &changed).is_none());
        }
    }
}
