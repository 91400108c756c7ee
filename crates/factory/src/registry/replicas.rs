//! What each of several factories runs of a server. Each writes down its own, and only while others share the registry.

use semver::Version;

use super::{Error, OfOwner, Row, Timestamp, Transaction, value::values};
use crate::Owner;

/// What answers callers in one factory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    pub factory: String,
    pub version: Version,
    /// The instance: it is another one than that of the deployment while a factory is behind.
    pub generation: u64,
    pub updated: Timestamp,
}

// Nothing is written of a deployment that is gone by now.
const PUT: OfOwner = OfOwner::new(
    "INSERT INTO replicas (owner, server, factory, version, generation, updated)
     SELECT ?1, ?2, ?3, ?4, CAST(?5 AS BIGINT), CAST(?6 AS BIGINT) FROM deployments WHERE deployments.owner = ?1 AND deployments.server = ?2
     ON CONFLICT (owner, server, factory) DO UPDATE SET version = excluded.version, generation = excluded.generation,
         updated = excluded.updated",
);
const REMOVE: OfOwner = OfOwner::new("DELETE FROM replicas WHERE owner = ?1 AND server = ?2 AND factory = ?3");
const LIST: OfOwner = OfOwner::new(
    "SELECT factory, version, generation, updated FROM replicas WHERE owner = ?1 AND server = ?2 ORDER BY factory LIMIT 1000",
);

impl Transaction<'_> {
    /// What this factory runs; nothing where it runs none.
    pub fn put_replica(
        &mut self,
        owner: &Owner,
        server: &str,
        factory: &str,
        runs: Option<(&Version, u64)>,
    ) -> Result<(), Error> {
        let now = self.now();
        match runs {
            Some((version, generation)) => {
                self.execute(PUT, owner, values![server, factory, version, generation, now]).map(drop)
            }
            None => self.execute(REMOVE, owner, values![server, factory]).map(drop),
        }
    }

    pub fn replicas(&mut self, owner: &Owner, server: &str) -> Result<Vec<Replica>, Error> {
        let replica = |mut row: Row| {
            Ok(Replica { factory: row.take()?, version: row.take()?, generation: row.take()?, updated: row.take()? })
        };
        self.rows(LIST, owner, values![server])?.into_iter().map(replica).collect()
    }
}
