//! What versions were imported as, before people edited them.

use semver::Version;
use serde_json::Value;

use super::{Error, OfOwner, Transaction, value::values};
use crate::Owner;

/// What came of a thing when it was imported.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// Canonical.
    pub spec: String,
    /// What it was made of, and what was chosen of that, where it is known.
    pub origin: Option<Value>,
}

const KEEP: OfOwner = OfOwner::new(
    "INSERT INTO imports (owner, server, version, spec, origin) VALUES (?1, ?2, ?3, ?4, ?5)
     ON CONFLICT (owner, server, version) DO UPDATE SET spec = excluded.spec, origin = excluded.origin",
);
/// Of this version, or of the last one before it that was imported: people may have made others since.
const LAST: OfOwner = OfOwner::new(
    "SELECT imports.spec, imports.origin FROM imports
     JOIN versions ON versions.owner = ?1 AND versions.server = imports.server AND versions.version = imports.version
     WHERE imports.owner = ?1 AND imports.server = ?2 AND versions.sequence <= ?3
     ORDER BY versions.sequence DESC LIMIT 1",
);
/// The same without the text, which may be long.
const ORIGIN: OfOwner = OfOwner::new(
    "SELECT imports.origin FROM imports
     JOIN versions ON versions.owner = ?1 AND versions.server = imports.server AND versions.version = imports.version
     WHERE imports.owner = ?1 AND imports.server = ?2 AND versions.sequence <= ?3
     ORDER BY versions.sequence DESC LIMIT 1",
);
const SEQUENCE: OfOwner =
    OfOwner::new("SELECT sequence FROM versions WHERE owner = ?1 AND server = ?2 AND version = ?3");

impl Transaction<'_> {
    pub fn keep_import(
        &mut self,
        owner: &Owner,
        server: &str,
        version: &Version,
        import: &Import,
    ) -> Result<(), Error> {
        let origin = import.origin.as_ref().map(Value::to_string);
        self.execute(KEEP, owner, values![server, version, &import.spec, origin.as_ref()])?;
        Ok(())
    }

    /// What was imported last when this version was made.
    pub fn imported(&mut self, owner: &Owner, server: &str, version: &Version) -> Result<Option<Import>, Error> {
        let Some(sequence) = self.sequence(owner, server, version)? else { return Ok(None) };
        let Some(mut row) = self.row(LAST, owner, values![server, sequence])? else { return Ok(None) };
        Ok(Some(Import { spec: row.take()?, origin: origin(row.take()?)? }))
    }

    /// What that was made of.
    pub fn origin(&mut self, owner: &Owner, server: &str, version: &Version) -> Result<Option<Value>, Error> {
        let Some(sequence) = self.sequence(owner, server, version)? else { return Ok(None) };
        let Some(mut row) = self.row(ORIGIN, owner, values![server, sequence])? else { return Ok(None) };
        origin(row.take()?)
    }

    fn sequence(&mut self, owner: &Owner, server: &str, version: &Version) -> Result<Option<i64>, Error> {
        self.row(SEQUENCE, owner, values![server, version])?.map(|mut row| row.take()).transpose()
    }
}

fn origin(text: Option<String>) -> Result<Option<Value>, Error> {
    text.map(|text| serde_json::from_str(&text).map_err(|_| Error::Content)).transpose()
}
