//! Secrets, and all that is remembered of them.

use std::{fmt, hash::Hash};

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::TokenId;

/// What a caller sends to show who it is. Wiped when dropped, and shown by nothing.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// 256 bits, to be shown to its owner once.
    #[must_use]
    pub fn generate() -> Self {
        let bytes = Zeroizing::new(crate::random::<32>());
        Self(Zeroizing::new(base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// For its owner, once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self(Zeroizing::new(secret.to_owned()))
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }
}

impl From<&String> for Secret {
    fn from(secret: &String) -> Self {
        Self::from(secret.as_str())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// HMAC-SHA-256 of a secret. Found by value, compared in constant time.
#[derive(Clone, Copy)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretHash {}

impl Hash for SecretHash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

/// Hashes secrets. Processes that share a store share the key; without one it lives as long as the process.
#[derive(Clone)]
pub struct HashKey {
    secrets: Hmac<Sha256>,
    ids: Hmac<Sha256>,
    fingerprint: [u8; 32],
}

/// Why this is no key to hash secrets with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashKeyError {
    #[error("a hash key needs at least 32 bytes; make one with `openssl rand -base64 32`")]
    TooShort,
    #[error("a hash key is written in base64")]
    Encoding,
}

impl HashKey {
    #[must_use]
    pub fn random() -> Self {
        Self::of(&*Zeroizing::new(crate::random::<32>()))
    }

    pub fn from_bytes(key: &[u8]) -> Result<Self, HashKeyError> {
        if key.len() < 32 { Err(HashKeyError::TooShort) } else { Ok(Self::of(key)) }
    }

    /// From a setting of the operator.
    pub fn from_base64(text: &str) -> Result<Self, HashKeyError> {
        let key = BASE64_STANDARD.decode(text.trim()).map(Zeroizing::new).map_err(|_| HashKeyError::Encoding)?;
        Self::from_bytes(&key)
    }

    fn of(key: &[u8]) -> Self {
        // One key for each purpose, so that nothing said for one can be used for another.
        let derive = |purpose: &[u8]| -> Zeroizing<[u8; 32]> { Zeroizing::new(mac(key, purpose)) };
        let hasher = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).expect("every length is a key");
        Self {
            secrets: hasher(&*derive(b"mcp-serve secrets")),
            ids: hasher(&*derive(b"mcp-serve token ids")),
            fingerprint: *derive(b"mcp-serve fingerprint"),
        }
    }

    /// Tells whether two processes have the same key, and nothing else.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    pub(crate) fn hash(&self, secret: &[u8]) -> SecretHash {
        SecretHash(self.secrets.clone().chain_update(secret).finalize().into_bytes().into())
    }

    /// A public name for a secret that has none. Without the key even a short secret can't be guessed from it.
    pub(crate) fn derived_id(&self, secret: &[u8]) -> TokenId {
        let hash = self.ids.clone().chain_update(secret).finalize().into_bytes();
        let mut name = String::with_capacity(20);
        name.push_str("key-");
        for byte in &hash[..8] {
            use fmt::Write;
            write!(name, "{byte:02x}").expect("a string takes everything");
        }
        TokenId(name)
    }
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    Hmac::<Sha256>::new_from_slice(key)
        .expect("every length is a key")
        .chain_update(message)
        .finalize()
        .into_bytes()
        .into()
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(..)")
    }
}
