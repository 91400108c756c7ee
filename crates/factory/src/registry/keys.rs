//! The factory's own keys, sealed with its secret: so the secret can change, and what they hashed stays good.

use super::{Error, OfAll, Row, Transaction, value::values};
use crate::Operator;

/// A key, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKey {
    pub name: String,
    /// Tells which key it is sealed with.
    pub key: String,
    pub sealed: String,
}

const ADD: OfAll = OfAll::new(
    "INSERT INTO factory_keys (name, key, sealed) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING RETURNING name",
);
const CHANGE: OfAll = OfAll::new("UPDATE factory_keys SET key = ?2, sealed = ?3 WHERE name = ?1 RETURNING name");
const LIST: OfAll = OfAll::new("SELECT name, key, sealed FROM factory_keys ORDER BY name");

impl Transaction<'_> {
    /// The one that is there stays.
    pub fn add_factory_key(&mut self, operator: Operator, key: &SealedKey) -> Result<(), Error> {
        self.all(ADD, operator, values![&key.name, &key.key, &key.sealed]).map(drop)
    }

    /// The same key, sealed anew.
    pub fn reseal_factory_key(&mut self, operator: Operator, key: &SealedKey) -> Result<(), Error> {
        self.all(CHANGE, operator, values![&key.name, &key.key, &key.sealed]).map(drop)
    }

    pub fn factory_keys(&mut self, operator: Operator) -> Result<Vec<SealedKey>, Error> {
        let key = |mut row: Row| Ok(SealedKey { name: row.take()?, key: row.take()?, sealed: row.take()? });
        self.all(LIST, operator, &[])?.into_iter().map(key).collect()
    }
}
