//! Who did what, and what came of it. Outlives what it tells of; no argument of a call and no secret is in it.

use super::{Clock, Error, OfAll, OfOwner, Page, Paged, Row, Timestamp, Transaction, value::values};
use crate::{Operator, Owner};

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// In the order of time.
    pub id: String,
    pub at: Timestamp,
    /// Whose the subject is.
    pub owner: Owner,
    /// Who did it: the owner, or an admin.
    pub actor: Owner,
    /// The token that was used, by its public id.
    pub token: Option<String>,
    /// As in `servers.create`.
    pub verb: String,
    /// What it was done to.
    pub subject: String,
    /// `done`, or the code of the error.
    pub outcome: String,
}

/// An entry to be written.
#[derive(Debug, Clone, Copy)]
pub struct Deed<'a> {
    pub actor: &'a Owner,
    pub token: Option<&'a str>,
    pub verb: &'a str,
    pub subject: &'a str,
    pub outcome: &'a str,
}

/// Kept of one owner.
pub const MOST: u32 = 100_000;
/// A subject may come from outside.
const LONGEST: usize = 256;

const ADD: OfOwner = OfOwner::new(
    "INSERT INTO audit (owner, id, actor, token, verb, subject, outcome) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
);
const LIST: OfOwner = OfOwner::new(
    "SELECT id, owner, actor, token, verb, subject, outcome
     FROM audit WHERE owner = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
);
const SINCE: OfOwner = OfOwner::new(
    "SELECT id, owner, actor, token, verb, subject, outcome
     FROM audit WHERE owner = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
);
const LIST_ALL: OfAll = OfAll::new(
    "SELECT id, owner, actor, token, verb, subject, outcome FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
);
const SWEEP: OfOwner = OfOwner::new(
    "DELETE FROM audit WHERE owner = ?1 AND id <= (
         SELECT id FROM audit WHERE owner = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
);

impl Transaction<'_> {
    pub fn audit(&mut self, owner: &Owner, deed: &Deed<'_>) -> Result<(), Error> {
        let id = self.id();
        let subject: String = deed.subject.chars().take(LONGEST).collect();
        self.execute(ADD, owner, values![&id, deed.actor, deed.token, deed.verb, &subject, deed.outcome]).map(drop)
    }

    /// The newest first.
    pub fn audited(&mut self, owner: &Owner, page: &Page) -> Result<Paged<AuditEntry>, Error> {
        let rows = self.rows(LIST, owner, values![page.before(), page.rows()])?;
        entries(rows, page)
    }

    /// The oldest first, behind one of them.
    pub fn audited_since(&mut self, owner: &Owner, id: &str, most: u32) -> Result<Vec<AuditEntry>, Error> {
        self.rows(SINCE, owner, values![id, most])?.into_iter().map(entry).collect()
    }

    /// Everybody's, the newest first.
    pub fn audited_of_all(&mut self, operator: Operator, page: &Page) -> Result<Paged<AuditEntry>, Error> {
        let rows = self.all(LIST_ALL, operator, values![page.before(), page.rows()])?;
        entries(rows, page)
    }

    /// Forgets the oldest.
    pub fn sweep_audit(&mut self, owner: &Owner) -> Result<u64, Error> {
        self.execute(SWEEP, owner, values![MOST])
    }
}

fn entries(rows: Vec<Row>, page: &Page) -> Result<Paged<AuditEntry>, Error> {
    let entries = rows.into_iter().map(entry).collect::<Result<_, Error>>()?;
    Ok(page.cut(entries, |entry: &AuditEntry| entry.id.clone()))
}

fn entry(mut row: Row) -> Result<AuditEntry, Error> {
    let id: String = row.take()?;
    Ok(AuditEntry {
        at: Clock::time_of(&id).ok_or(Error::Content)?,
        id,
        owner: row.take()?,
        actor: row.take()?,
        token: row.take()?,
        verb: row.take()?,
        subject: row.take()?,
        outcome: row.take()?,
    })
}
