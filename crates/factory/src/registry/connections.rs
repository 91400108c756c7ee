//! Connections that an operator shares with owners. What they are is not known here.

use super::{Error, OfAll, OfOwner, Row, Timestamp, Transaction, value::values};
use crate::{Operator, Owner};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedRow {
    /// Who defined it: its secrets are in their store.
    pub owner: Owner,
    /// Unique per factory: grants name it.
    pub name: String,
    /// The word of its type.
    pub kind: String,
    /// Canonical JSON.
    pub definition: String,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// Of one factory.
pub const MOST: u32 = 1_000;

const PUT: OfOwner = OfOwner::new(
    "INSERT INTO shared_connections (owner, name, kind, definition, created, updated) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
     ON CONFLICT (owner, name) DO UPDATE SET kind = excluded.kind, definition = excluded.definition,
         updated = excluded.updated",
);
const REMOVE: OfOwner = OfOwner::new("DELETE FROM shared_connections WHERE owner = ?1 AND name = ?2");
const REMOVE_ALL: OfOwner = OfOwner::new("DELETE FROM shared_connections WHERE owner = ?1");
const LIST: OfAll = OfAll::new(
    "SELECT owner, name, kind, definition, created, updated FROM shared_connections ORDER BY name LIMIT 1000",
);
const FIND: OfAll =
    OfAll::new("SELECT owner, name, kind, definition, created, updated FROM shared_connections WHERE name = ?1");
const USED_BY: OfAll = OfAll::new(
    "SELECT DISTINCT dependencies.owner, dependencies.server FROM dependencies
     JOIN servers ON servers.owner = dependencies.owner AND servers.name = dependencies.server
         AND servers.latest = dependencies.version
     WHERE dependencies.kind = 'connection' AND dependencies.name = ?1
     ORDER BY dependencies.owner, dependencies.server LIMIT 100",
);

impl Transaction<'_> {
    /// There must be none of this name that is another's.
    pub fn put_shared(&mut self, owner: &Owner, name: &str, kind: &str, definition: &str) -> Result<(), Error> {
        let now = self.now();
        self.execute(PUT, owner, values![name, kind, definition, now]).map(drop)
    }

    pub fn remove_shared(&mut self, owner: &Owner, name: &str) -> Result<bool, Error> {
        Ok(self.execute(REMOVE, owner, values![name])? > 0)
    }

    pub fn remove_all_shared(&mut self, owner: &Owner) -> Result<u64, Error> {
        self.execute(REMOVE_ALL, owner, &[])
    }

    /// In the order of their names.
    pub fn shared(&mut self, operator: Operator) -> Result<Vec<SharedRow>, Error> {
        self.all(LIST, operator, &[])?.into_iter().map(shared).collect()
    }

    pub fn shared_named(&mut self, operator: Operator, name: &str) -> Result<Option<SharedRow>, Error> {
        self.all(FIND, operator, values![name])?.pop().map(shared).transpose()
    }

    /// Servers whose latest version names it, with their owners.
    pub fn users_of_shared(&mut self, operator: Operator, name: &str) -> Result<Vec<(Owner, String)>, Error> {
        let rows = self.all(USED_BY, operator, values![name])?;
        rows.into_iter().map(|mut row| Ok((row.take()?, row.take()?))).collect()
    }
}

fn shared(mut row: Row) -> Result<SharedRow, Error> {
    Ok(SharedRow {
        owner: row.take()?,
        name: row.take()?,
        kind: row.take()?,
        definition: row.take()?,
        created: row.take()?,
        updated: row.take()?,
    })
}
