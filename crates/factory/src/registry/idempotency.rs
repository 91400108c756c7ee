//! What was answered to a request that may come again.

use std::time::Duration;

use super::{Error, OfOwner, Transaction, value::values};
use crate::Owner;

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Of the request. Another request with the same key is a mistake.
    pub digest: String,
    pub answer: String,
}

/// How long a request may come again.
pub const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Kept of one owner.
pub const MOST: u32 = 1_000;

const FIND: OfOwner =
    OfOwner::new("SELECT digest, answer FROM idempotency WHERE owner = ?1 AND key = ?2 AND expires > ?3");
const FORGET: OfOwner = OfOwner::new("DELETE FROM idempotency WHERE owner = ?1 AND expires <= ?2");
const ADD: OfOwner =
    OfOwner::new("INSERT INTO idempotency (owner, key, digest, answer, expires) VALUES (?1, ?2, ?3, ?4, ?5)");
const SWEEP: OfOwner = OfOwner::new(
    "DELETE FROM idempotency WHERE owner = ?1 AND expires <= (
         SELECT expires FROM idempotency WHERE owner = ?1 ORDER BY expires DESC LIMIT 1 OFFSET ?2)",
);

impl Transaction<'_> {
    pub fn answered(&mut self, owner: &Owner, key: &str) -> Result<Option<Answered>, Error> {
        let now = self.now();
        let row = self.row(FIND, owner, values![key, now])?;
        row.map(|mut row| Ok(Answered { digest: row.take()?, answer: row.take()? })).transpose()
    }

    /// There must be no answer to this key.
    pub fn keep_answer(&mut self, owner: &Owner, key: &str, answered: &Answered) -> Result<(), Error> {
        let now = self.now();
        self.execute(FORGET, owner, values![now])?;
        self.execute(ADD, owner, values![key, &answered.digest, &answered.answer, now.after(KEPT)])?;
        self.execute(SWEEP, owner, values![MOST]).map(drop)
    }
}
