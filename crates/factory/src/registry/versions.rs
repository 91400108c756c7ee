//! Versions of servers. One that is written down never changes.

use std::path::PathBuf;

use semver::Version;

use super::{Column, Error, OfOwner, Row, Timestamp, Transaction, Value, value::values};
use crate::Owner;

/// One version, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionInfo {
    pub version: Version,
    /// SHA-256 of the canonical text, hexadecimal.
    pub digest: String,
    pub title: Option<String>,
    pub description: Option<String>,
    pub auth: String,
    pub tools: u32,
    pub blockers: u32,
    /// Where its files are, if they are not in the factory's own folder for it.
    pub folder: Option<PathBuf>,
    pub created: Timestamp,
}

/// A version to be kept.
#[derive(Debug, Clone)]
pub struct NewVersion {
    pub version: Version,
    pub digest: String,
    /// Canonical.
    pub spec: String,
    pub title: Option<String>,
    pub description: Option<String>,
    pub auth: String,
    pub blockers: u32,
    pub folder: Option<PathBuf>,
    pub capabilities: Capabilities,
    pub dependencies: Vec<Dependency>,
}

/// What a server is found by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Capabilities {
    pub tags: Vec<String>,
    pub tools: Vec<Capability>,
}

/// A tool, as far as it is searched.
#[derive(Debug, Clone, PartialEq)]
pub struct Capability {
    pub name: String,
    pub title: Option<String>,
    pub description: String,
    /// Of its arguments, as JSON.
    pub schema: String,
}

/// A tool that is kept, and the server it is of.
#[derive(Debug, Clone, PartialEq)]
pub struct Indexed {
    pub server: String,
    pub capability: Capability,
}

/// Something a version can't do without.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    pub kind: DependencyKind,
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DependencyKind {
    /// In the owner's store.
    Secret,
    /// Shared by the operator.
    Connection,
    /// Of this factory.
    Server,
}

const LIST: OfOwner = OfOwner::new(
    "SELECT version, digest, title, description, auth, tools, blockers, folder, created
     FROM versions WHERE owner = ?1 AND server = ?2 ORDER BY sequence DESC",
);
const FIND: OfOwner = OfOwner::new(
    "SELECT version, digest, title, description, auth, tools, blockers, folder, created
     FROM versions WHERE owner = ?1 AND server = ?2 AND version = ?3",
);
const SPEC: OfOwner = OfOwner::new("SELECT spec FROM versions WHERE owner = ?1 AND server = ?2 AND version = ?3");
const SEQUENCE: OfOwner =
    OfOwner::new("SELECT count(*), coalesce(max(sequence), 0) FROM versions WHERE owner = ?1 AND server = ?2");
const ADD: OfOwner = OfOwner::new(
    "INSERT INTO versions (owner, server, version, sequence, digest, spec, title, description, auth, tools, blockers,
         folder, created)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
);
const DEPEND: OfOwner = OfOwner::new(
    "INSERT INTO dependencies (owner, server, version, kind, name) VALUES (?1, ?2, ?3, ?4, ?5)
     ON CONFLICT (owner, server, version, kind, name) DO NOTHING",
);
const DEPENDENCIES: OfOwner = OfOwner::new(
    "SELECT kind, name FROM dependencies WHERE owner = ?1 AND server = ?2 AND version = ?3 ORDER BY kind, name",
);
const DEPENDENTS: OfOwner = OfOwner::new(
    "SELECT DISTINCT dependencies.server FROM dependencies
     JOIN servers ON servers.owner = ?1 AND servers.name = dependencies.server
         AND servers.latest = dependencies.version
     WHERE dependencies.owner = ?1 AND dependencies.kind = ?2 AND dependencies.name = ?3
         AND NOT (?2 = 'server' AND dependencies.server = ?3)
     ORDER BY dependencies.server LIMIT 100",
);
const FORGET_TAGS: OfOwner = OfOwner::new("DELETE FROM tags WHERE owner = ?1 AND server = ?2");
const FORGET_TOOLS: OfOwner = OfOwner::new("DELETE FROM tools WHERE owner = ?1 AND server = ?2");
const TAG: OfOwner = OfOwner::new(
    "INSERT INTO tags (owner, server, tag) VALUES (?1, ?2, ?3) ON CONFLICT (owner, server, tag) DO NOTHING",
);
const TOOL: OfOwner = OfOwner::new(
    "INSERT INTO tools (owner, server, position, name, title, description, schema)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
);
const INDEXED: OfOwner = OfOwner::new(
    "SELECT server, name, title, description, schema FROM tools WHERE owner = ?1 ORDER BY server, position LIMIT ?2",
);
const ALL_TAGS: OfOwner =
    OfOwner::new("SELECT tag, count(*) FROM tags WHERE owner = ?1 GROUP BY tag ORDER BY tag LIMIT 1000");

impl Transaction<'_> {
    /// The newest first. There are as many as may be made.
    pub fn versions(&mut self, owner: &Owner, server: &str) -> Result<Vec<VersionInfo>, Error> {
        self.rows(LIST, owner, values![server])?.into_iter().map(info).collect()
    }

    pub fn version(&mut self, owner: &Owner, server: &str, version: &Version) -> Result<Option<VersionInfo>, Error> {
        self.row(FIND, owner, values![server, version])?.map(info).transpose()
    }

    /// Its canonical text.
    pub fn spec(&mut self, owner: &Owner, server: &str, version: &Version) -> Result<Option<String>, Error> {
        self.row(SPEC, owner, values![server, version])?.map(|mut row| row.take()).transpose()
    }

    pub fn count_versions(&mut self, owner: &Owner, server: &str) -> Result<u32, Error> {
        self.row(SEQUENCE, owner, values![server])?.ok_or(Error::Content)?.take()
    }

    /// There must be none of this number yet.
    pub fn add_version(&mut self, owner: &Owner, server: &str, new: &NewVersion) -> Result<(), Error> {
        let mut row = self.row(SEQUENCE, owner, values![server])?.ok_or(Error::Content)?;
        row.take::<i64>()?;
        let (last, now): (i64, _) = (row.take()?, self.now());
        let folder = new.folder.as_ref().map(|folder| folder.display().to_string());
        let values = values![
            server,
            &new.version,
            last + 1,
            &new.digest,
            &new.spec,
            new.title.as_ref(),
            new.description.as_ref(),
            &new.auth,
            new.capabilities.tools.len(),
            new.blockers,
            folder.as_ref(),
            now
        ];
        self.execute(ADD, owner, values)?;
        for dependency in &new.dependencies {
            let values = values![server, &new.version, dependency.kind.as_str(), &dependency.name];
            self.execute(DEPEND, owner, values)?;
        }
        Ok(())
    }

    pub fn dependencies(&mut self, owner: &Owner, server: &str, version: &Version) -> Result<Vec<Dependency>, Error> {
        let rows = self.rows(DEPENDENCIES, owner, values![server, version])?;
        rows.into_iter().map(|mut row| Ok(Dependency { kind: row.take()?, name: row.take()? })).collect()
    }

    /// The servers whose latest version can't do without this.
    pub fn dependents(&mut self, owner: &Owner, on: &Dependency) -> Result<Vec<String>, Error> {
        let rows = self.rows(DEPENDENTS, owner, values![on.kind.as_str(), &on.name])?;
        rows.into_iter().map(|mut row| row.take()).collect()
    }

    /// What a server is found by, from now on.
    pub fn index(&mut self, owner: &Owner, server: &str, capabilities: &Capabilities) -> Result<(), Error> {
        self.execute(FORGET_TAGS, owner, values![server])?;
        self.execute(FORGET_TOOLS, owner, values![server])?;
        for tag in &capabilities.tags {
            self.execute(TAG, owner, values![server, tag])?;
        }
        for (position, tool) in capabilities.tools.iter().enumerate() {
            let values = values![server, position, &tool.name, tool.title.as_ref(), &tool.description, &tool.schema];
            self.execute(TOOL, owner, values)?;
        }
        self.revise(owner)
    }

    /// The tools of all servers, no more than `most`.
    pub fn capabilities(&mut self, owner: &Owner, most: u32) -> Result<Vec<Indexed>, Error> {
        let indexed = |mut row: Row| {
            let server = row.take()?;
            let (name, title, description, schema) = (row.take()?, row.take()?, row.take()?, row.take()?);
            Ok(Indexed { server, capability: Capability { name, title, description, schema } })
        };
        self.rows(INDEXED, owner, values![most])?.into_iter().map(indexed).collect()
    }

    /// With how many servers have each.
    pub fn tags(&mut self, owner: &Owner) -> Result<Vec<(String, u32)>, Error> {
        let rows = self.rows(ALL_TAGS, owner, &[])?;
        rows.into_iter().map(|mut row| Ok((row.take()?, row.take()?))).collect()
    }
}

fn info(mut row: Row) -> Result<VersionInfo, Error> {
    Ok(VersionInfo {
        version: row.take()?,
        digest: row.take()?,
        title: row.take()?,
        description: row.take()?,
        auth: row.take()?,
        tools: row.take()?,
        blockers: row.take()?,
        folder: row.take::<Option<String>>()?.map(PathBuf::from),
        created: row.take()?,
    })
}

impl DependencyKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Connection => "connection",
            Self::Server => "server",
        }
    }
}

impl Column for DependencyKind {
    fn read(value: Value) -> Option<Self> {
        let word = String::read(value)?;
        [Self::Secret, Self::Connection, Self::Server].into_iter().find(|kind| kind.as_str() == word)
    }
}
