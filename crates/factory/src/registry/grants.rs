//! What the operator granted to owners.

use super::{Error, OfOwner, Timestamp, Transaction, value::values};
use crate::Owner;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRow {
    /// The word behind `policy/`.
    pub kind: String,
    /// Empty where the word says everything.
    pub value: String,
    pub granted_by: Owner,
    pub created: Timestamp,
}

/// Kept of one owner.
pub const MOST: usize = 1_000;

const ADD: OfOwner = OfOwner::new(
    "INSERT INTO grants (owner, kind, value, granted_by, created) VALUES (?1, ?2, ?3, ?4, ?5)
     ON CONFLICT (owner, kind, value) DO NOTHING",
);
const LIST: OfOwner =
    OfOwner::new("SELECT kind, value, granted_by, created FROM grants WHERE owner = ?1 ORDER BY kind, value");
const REMOVE: OfOwner = OfOwner::new("DELETE FROM grants WHERE owner = ?1 AND kind = ?2 AND value = ?3");
const REMOVE_ALL: OfOwner = OfOwner::new("DELETE FROM grants WHERE owner = ?1");

impl Transaction<'_> {
    /// `false` when it was granted before.
    pub fn add_grant(&mut self, owner: &Owner, kind: &str, value: &str, granted_by: &Owner) -> Result<bool, Error> {
        let now = self.now();
        Ok(self.execute(ADD, owner, values![kind, value, granted_by, now])? > 0)
    }

    pub fn grants(&mut self, owner: &Owner) -> Result<Vec<GrantRow>, Error> {
        let rows = self.rows(LIST, owner, &[])?;
        let grant = |mut row: super::Row| {
            Ok(GrantRow { kind: row.take()?, value: row.take()?, granted_by: row.take()?, created: row.take()? })
        };
        rows.into_iter().map(grant).collect()
    }

    pub fn remove_grant(&mut self, owner: &Owner, kind: &str, value: &str) -> Result<bool, Error> {
        Ok(self.execute(REMOVE, owner, values![kind, value])? > 0)
    }

    pub fn remove_grants(&mut self, owner: &Owner) -> Result<u64, Error> {
        self.execute(REMOVE_ALL, owner, &[])
    }
}
