//! A list of keys, each with its principal. The keys themselves are forgotten at once: what stays is a hash under a secret
//! that lives as long as the process.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use hmac::{Hmac, KeyInit, Mac};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Map;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::{Principal, Scopes, TokenId};

/// From a comma list `k1,k2`, from `{"key": "principal"}` or from
/// `{"key": {"principal": ..., "tenant"?: ..., "groups"?: [...], "scopes"?: [...]}}`.
pub struct KeyList {
    secret: Hmac<Sha256>,
    principals: HashMap<Digest, Arc<Principal>>,
    shortest: usize,
}

/// What is wrong with a key list. Keys are counted, never shown.
#[derive(Debug, thiserror::Error)]
pub enum KeyListError {
    #[error("the key list is empty; write `key1,key2` or {{\"key\": \"principal\"}}")]
    Empty,
    #[error("key {position} is empty")]
    EmptyKey { position: usize },
    #[error("key {position} is in the list twice")]
    Duplicate { position: usize },
    #[error("key {position} holds a character that no header can carry; use letters, digits and punctuation")]
    Unsendable { position: usize },
    #[error("key {position} has an empty principal")]
    EmptyPrincipal { position: usize },
    #[error("the key list starts like JSON but is not {{\"key\": \"principal\"}} (line {line}, column {column})")]
    Json { line: usize, column: usize },
}

impl KeyList {
    pub fn parse(text: &str) -> Result<Self, KeyListError> {
        let text = text.trim();
        let owners: Vec<(String, Option<Owner>)> = if text.starts_with('{') {
            // The parser's own message could quote a key.
            let pairs: Pairs = serde_json::from_str(text)
                .map_err(|error| KeyListError::Json { line: error.line(), column: error.column() })?;
            pairs.0.into_iter().map(|(key, owner)| (key, Some(owner))).collect()
        } else if text.is_empty() {
            Vec::new()
        } else {
            text.split(',').map(|key| (key.trim().to_owned(), None)).collect()
        };
        if owners.is_empty() {
            return Err(KeyListError::Empty);
        }
        let secret = Hmac::new_from_slice(&crate::random::<32>()).expect("every length is a key");
        let mut list = Self { secret, principals: HashMap::with_capacity(owners.len()), shortest: usize::MAX };
        for (index, (key, owner)) in owners.into_iter().enumerate() {
            list.add(index + 1, &key, owner)?;
        }
        Ok(list)
    }

    fn add(&mut self, position: usize, key: &str, owner: Option<Owner>) -> Result<(), KeyListError> {
        if key.is_empty() {
            return Err(KeyListError::EmptyKey { position });
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(KeyListError::Unsendable { position });
        }
        if key.len() < 8 {
            tracing::warn!(position, "a key of less than 8 characters is easy to guess");
        }
        self.shortest = self.shortest.min(key.len());
        let token = TokenId::of(key.as_bytes());
        let owner = owner.unwrap_or_else(|| Owner::named(token.to_string()));
        if owner.principal.is_empty() {
            return Err(KeyListError::EmptyPrincipal { position });
        }
        let principal = Principal {
            id: owner.principal,
            tenant: owner.tenant,
            groups: owner.groups,
            scopes: Scopes::Only(owner.scopes),
            claims: Map::new(),
            token: Some(token),
        };
        match self.principals.insert(self.digest(key.as_bytes()), Arc::new(principal)) {
            None => Ok(()),
            Some(_) => Err(KeyListError::Duplicate { position }),
        }
    }

    /// Characters of the shortest key: where strangers may try keys, short ones are found.
    #[must_use]
    pub fn shortest(&self) -> usize {
        self.shortest
    }

    /// That somebody in it belongs to.
    pub(super) fn tenants(&self) -> BTreeSet<Option<String>> {
        self.principals.values().map(|principal| principal.tenant.clone()).collect()
    }

    /// Takes as long for a wrong key as for a right one.
    pub(crate) fn principal_of(&self, key: &[u8]) -> Option<Arc<Principal>> {
        self.principals.get(&self.digest(key)).cloned()
    }

    fn digest(&self, key: &[u8]) -> Digest {
        Digest(self.secret.clone().chain_update(key).finalize().into_bytes().into())
    }
}

impl fmt::Debug for KeyList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyList({} keys)", self.principals.len())
    }
}

impl TokenId {
    /// The same in every process, so that rows which belong to it stay its own. It tells nothing about a key that can't be
    /// guessed.
    pub(crate) fn of(key: &[u8]) -> Self {
        let mac = Hmac::<Sha256>::new_from_slice(b"mcp-serve token id").expect("every length is a key");
        let hash = mac.chain_update(key).finalize().into_bytes();
        let mut name = String::from("key-");
        for byte in &hash[..8] {
            use fmt::Write;
            write!(name, "{byte:02x}").expect("a string takes everything");
        }
        Self(name)
    }
}

/// Compared in constant time; found by a hash that nobody outside can predict.
struct Digest([u8; 32]);

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Owner {
    principal: String,
    tenant: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    scopes: BTreeSet<String>,
}

impl Owner {
    fn named(principal: String) -> Self {
        Self { principal, tenant: None, groups: Vec::new(), scopes: BTreeSet::new() }
    }
}

/// Keeps duplicate keys, which a map would swallow.
struct Pairs(Vec<(String, Owner)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of keys")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(key) = map.next_key()? {
                    let value: serde_json::Value = map.next_value()?;
                    let owner = match value {
                        serde_json::Value::String(principal) => Owner::named(principal),
                        object => serde_json::from_value(object).map_err(serde::de::Error::custom)?,
                    };
                    pairs.push((key, owner));
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(PairsVisitor)
    }
}
