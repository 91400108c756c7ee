//! What versions were imported as, before people edited them.

use semver::Version;

use super::{Error, OfOwner, Transaction, value::values};
use crate::Owner;

const KEEP: OfOwner = OfOwner::new(
    "INSERT INTO imports (owner, server, version, spec) VALUES (?1, ?2, ?3, ?4)
     ON CONFLICT (owner, server, version) DO UPDATE SET spec = excluded.spec",
);
/// Of this version, or of the last one before it that was imported: people may have made others since.
const LAST: OfOwner = OfOwner::new(
    "SELECT imports.spec FROM imports
     JOIN versions ON versions.owner = ?1 AND versions.server = imports.server AND versions.version = imports.version
     WHERE imports.owner = ?1 AND imports.server = ?2 AND versions.sequence <= ?3
     ORDER BY versions.sequence DESC LIMIT 1",
);
const SEQUENCE: OfOwner =
    OfOwner::new("SELECT sequence FROM versions WHERE owner = ?1 AND server = ?2 AND version = ?3");

impl Transaction<'_> {
    pub fn keep_import(&mut self, owner: &Owner, server: &str, version: &Version, spec: &str) -> Result<(), Error> {
        self.execute(KEEP, owner, values![server, version, spec])?;
        Ok(())
    }

    /// The canonical text that was imported last when this version was made.
    pub fn imported(&mut self, owner: &Owner, server: &str, version: &Version) -> Result<Option<String>, Error> {
        let Some(mut row) = self.row(SEQUENCE, owner, values![server, version])? else { return Ok(None) };
        let sequence: i64 = row.take()?;
        self.row(LAST, owner, values![server, sequence])?.map(|mut row| row.take()).transpose()
    }
}
