//! Secrets, sealed: what they are is not known here.

use super::{Error, OfAll, OfOwner, Row, Timestamp, Transaction, value::values};
use crate::{Operator, Owner};

/// One secret, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// Empty for the owner's own, else whose it is among the owner's callers.
    pub subject: String,
    pub name: String,
    /// Tells which key it is sealed with.
    pub key: String,
    pub sealed: String,
}

/// What may be shown of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretInfo {
    pub subject: String,
    pub name: String,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// Kept of one owner.
pub const MOST: u32 = 1_000;

const PUT: OfOwner = OfOwner::new(
    "INSERT INTO secrets (owner, subject, name, key, sealed, created, updated) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
     ON CONFLICT (owner, subject, name) DO UPDATE SET key = excluded.key, sealed = excluded.sealed,
         updated = excluded.updated",
);
const SEALED: OfOwner =
    OfOwner::new("SELECT subject, name, key, sealed FROM secrets WHERE owner = ?1 ORDER BY subject, name");
const NAMES: OfOwner =
    OfOwner::new("SELECT subject, name, created, updated FROM secrets WHERE owner = ?1 ORDER BY subject, name");
const COUNT: OfOwner = OfOwner::new("SELECT count(*) FROM secrets WHERE owner = ?1");
const REMOVE: OfOwner = OfOwner::new("DELETE FROM secrets WHERE owner = ?1 AND subject = ?2 AND name = ?3");
const REMOVE_ALL: OfOwner = OfOwner::new("DELETE FROM secrets WHERE owner = ?1");
/// Another one after each change, whichever clock it was made by.
const STATE: OfAll = OfAll::new("SELECT count(*), CAST(coalesce(sum(updated), 0) AS BIGINT) FROM secrets");
const OTHER_KEYS: OfAll = OfAll::new(
    "SELECT owner, subject, name, key, sealed FROM secrets WHERE key <> ?1 ORDER BY owner, subject, name LIMIT ?2",
);

impl Transaction<'_> {
    pub fn put_secret(&mut self, owner: &Owner, secret: &SealedSecret) -> Result<(), Error> {
        let now = self.now();
        let SealedSecret { subject, name, key, sealed } = secret;
        self.execute(PUT, owner, values![subject, name, key, sealed, now]).map(drop)
    }

    pub fn sealed_secrets(&mut self, owner: &Owner) -> Result<Vec<SealedSecret>, Error> {
        self.rows(SEALED, owner, &[])?.into_iter().map(sealed).collect()
    }

    pub fn secrets(&mut self, owner: &Owner) -> Result<Vec<SecretInfo>, Error> {
        let info = |mut row: Row| {
            Ok(SecretInfo { subject: row.take()?, name: row.take()?, created: row.take()?, updated: row.take()? })
        };
        self.rows(NAMES, owner, &[])?.into_iter().map(info).collect()
    }

    pub fn count_secrets(&mut self, owner: &Owner) -> Result<u32, Error> {
        self.row(COUNT, owner, &[])?.ok_or(Error::Content)?.take()
    }

    pub fn remove_secret(&mut self, owner: &Owner, subject: &str, name: &str) -> Result<bool, Error> {
        Ok(self.execute(REMOVE, owner, values![subject, name])? > 0)
    }

    pub fn remove_secrets(&mut self, owner: &Owner) -> Result<u64, Error> {
        self.execute(REMOVE_ALL, owner, &[])
    }

    /// Tells whether anybody's secrets changed.
    pub fn state_of_secrets(&mut self, operator: Operator) -> Result<(i64, i64), Error> {
        let mut row = self.all(STATE, operator, &[])?.pop().ok_or(Error::Content)?;
        Ok((row.take()?, row.take()?))
    }

    /// Everybody's that are sealed with another key than this.
    pub fn secrets_of_other_keys(
        &mut self,
        operator: Operator,
        key: &str,
        most: u32,
    ) -> Result<Vec<(Owner, SealedSecret)>, Error> {
        let rows = self.all(OTHER_KEYS, operator, values![key, most])?;
        rows.into_iter().map(|mut row| Ok((row.take()?, sealed(row)?))).collect()
    }
}

fn sealed(mut row: Row) -> Result<SealedSecret, Error> {
    Ok(SealedSecret { subject: row.take()?, name: row.take()?, key: row.take()?, sealed: row.take()? })
}
