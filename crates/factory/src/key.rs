//! The factory's key: everything that is signed, hashed or sealed is so with a key made of it for that purpose.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use mcp_factory_engine::CursorKey;
use mcp_serve::StateKey;
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};
use zeroize::Zeroizing;

/// Made of the secret that the operator gives, or that is kept in the data folder.
#[derive(Clone)]
pub struct FactoryKey {
    secret: Zeroizing<Vec<u8>>,
    /// What was in use before: opens, and seals nothing.
    previous: Vec<Zeroizing<Vec<u8>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the factory's secret has fewer than {} bytes; make one with `head -c 32 /dev/urandom | base64`",
    FactoryKey::SHORTEST
)]
pub struct KeyTooShort;

impl FactoryKey {
    pub const SHORTEST: usize = 16;

    pub fn new(secret: &[u8]) -> Result<Self, KeyTooShort> {
        Ok(Self { secret: long_enough(secret)?, previous: Vec::new() })
    }

    /// One that was in use before, so that what was sealed with it can still be opened.
    pub fn with_previous(mut self, secret: &[u8]) -> Result<Self, KeyTooShort> {
        self.previous.push(long_enough(secret)?);
        Ok(self)
    }

    /// As for servers that run without a factory.
    pub(crate) fn cursors(&self) -> CursorKey {
        CursorKey::new(&self.secret)
    }

    /// Signs what clients carry between the rounds of a question.
    pub(crate) fn states(&self) -> StateKey {
        StateKey::new(&derive(&self.secret, b"mcp-factory states")[..])
    }

    pub(crate) fn seals(&self) -> SealingKeys {
        SealingKeys(std::iter::once(&self.secret).chain(&self.previous).map(|secret| SealingKey::of(secret)).collect())
    }
}

fn long_enough(secret: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyTooShort> {
    if secret.len() < FactoryKey::SHORTEST { Err(KeyTooShort) } else { Ok(Zeroizing::new(secret.to_vec())) }
}

fn derive(secret: &[u8], purpose: &[u8]) -> Zeroizing<[u8; 32]> {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), purpose);
    Zeroizing::new(tag.as_ref().try_into().expect("SHA-256 has 32 bytes"))
}

impl fmt::Debug for FactoryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FactoryKey(..)")
    }
}

/// The first seals; all of them open.
#[derive(Debug)]
pub struct SealingKeys(Vec<SealingKey>);

struct SealingKey {
    /// Names the key beside what it sealed; tells nothing else of it.
    id: String,
    key: LessSafeKey,
}

impl SealingKey {
    fn of(secret: &[u8]) -> Self {
        let key = derive(secret, b"mcp-factory sealed secrets");
        let id = derive(secret, b"mcp-factory sealed secrets, id");
        let id = id[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let key = UnboundKey::new(&AES_256_GCM, &*key).expect("AES-256 takes 32 bytes");
        Self { id, key: LessSafeKey::new(key) }
    }
}

impl SealingKeys {
    pub fn id(&self) -> &str {
        &self.0[0].id
    }

    /// A new key, as text.
    pub fn random(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *bytes).expect("the machine has random numbers");
        Zeroizing::new(base64::prelude::BASE64_STANDARD.encode(*bytes))
    }

    /// For this context only: whoever moves it elsewhere can't open it there.
    pub fn seal(&self, context: &[&str], text: &str) -> String {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).expect("the machine has random numbers");
        let mut sealed = text.as_bytes().to_vec();
        let bound = Aad::from(bound(context));
        let tagged = self.0[0].key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound, &mut sealed);
        tagged.expect("a secret is shorter than what AES-GCM can seal");
        BASE64_STANDARD_NO_PAD.encode([&nonce[..], &sealed].concat())
    }

    /// `None` when the key is another one, or it was changed or moved.
    pub fn open(&self, key: &str, context: &[&str], sealed: &str) -> Option<Zeroizing<String>> {
        let key = self.0.iter().find(|known| known.id == key)?;
        let mut bytes = Zeroizing::new(BASE64_STANDARD_NO_PAD.decode(sealed).ok()?);
        let (nonce, rest) = bytes.split_first_chunk_mut::<NONCE_LEN>()?;
        let opened =
            key.key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(bound(context)), rest).ok()?;
        std::str::from_utf8(opened).ok().map(|text| Zeroizing::new(text.to_owned()))
    }
}

/// No two contexts are the same bytes.
fn bound(context: &[&str]) -> Vec<u8> {
    let mut bytes = b"1".to_vec();
    for part in context {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> FactoryKey {
        FactoryKey::new(&[byte; 32]).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_where_it_was_sealed_and_nowhere_else() {
        let keys = key(1).seals();
        let sealed = keys.seal(&["jane", "", "TOKEN"], "hunter2");
        let open = |context: &[&str], sealed: &str| keys.open(keys.id(), context, sealed).map(|text| text.to_string());
        assert_eq!(open(&["jane", "", "TOKEN"], &sealed).as_deref(), Some("hunter2"));
        for context in
            [&["mallory", "", "TOKEN"][..], &["jane", "", "TOKE"], &["jan", "e", "TOKEN"], &["jane", "TOKEN"]]
        {
            assert_eq!(open(context, &sealed), None);
        }
        let mut changed = sealed.clone().into_bytes();
        changed[20] = if changed[20] == b'A' { b'B' } else { b'A' };
        assert_eq!(open(&["jane", "", "TOKEN"], std::str::from_utf8(&changed).unwrap()), None);
        assert_ne!(keys.seal(&["jane", "", "TOKEN"], "hunter2"), sealed, "each time anew");
    }

    #[test]
    fn a_key_that_was_in_use_before_opens_and_seals_no_more() {
        let old = key(1).seals();
        let sealed = old.seal(&["a"], "x");
        let new = key(2).with_previous(&[1; 32]).unwrap().seals();
        assert_eq!(new.open(old.id(), &["a"], &sealed).unwrap().as_str(), "x");
        assert!(key(2).seals().open(old.id(), &["a"], &sealed).is_none());
        assert_ne!(new.id(), old.id());
        assert!(old.open(new.id(), &["a"], &new.seal(&["a"], "x")).is_none());
        assert!(FactoryKey::new(b"short").is_err());
    }
}
