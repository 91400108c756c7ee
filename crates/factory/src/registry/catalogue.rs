//! Versions of all servers as one list, as registries of MCP servers show them.

use semver::Version;

use super::{Error, OfOwner, Page, Paged, Row, Timestamp, Transaction, value::values};
use crate::Owner;

/// One version of one server, and where it answers if it is the one that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub server: String,
    pub version: Version,
    pub title: Option<String>,
    pub description: Option<String>,
    /// The word of `auth.type`.
    pub auth: String,
    pub latest: bool,
    pub endpoint: Option<String>,
    pub created: Timestamp,
    /// When anything of the server last changed.
    pub updated: Timestamp,
    sequence: i64,
}

/// Which versions are listed; all conditions hold.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Part of the name.
    pub search: Option<String>,
    pub version: Which,
    /// Of the server.
    pub updated_since: Timestamp,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Which {
    #[default]
    All,
    Latest,
    Only(Version),
}

/// Versions of the owner for which a condition holds.
macro_rules! listed {
    ($condition:literal) => {
        concat!(
            "SELECT versions.server, versions.version, versions.title, versions.description, versions.auth, servers.latest,
         CASE WHEN deployments.state = 'running' AND deployments.version = versions.version
             OR deployments.state = 'updating' AND deployments.fallback = versions.version
             THEN deployments.endpoint END,
         versions.created, servers.updated, versions.sequence
     FROM versions
     JOIN servers ON servers.owner = ?1 AND servers.name = versions.server
     LEFT JOIN deployments ON deployments.owner = ?1 AND deployments.server = versions.server
     WHERE versions.owner = ?1 AND ",
            $condition
        )
    };
}

const LIST: OfOwner = OfOwner::new(listed!(
    "(versions.server > ?2 OR (versions.server = ?2 AND versions.sequence > ?3))
         AND (?4 = '' OR versions.server LIKE '%' || ?4 || '%')
         AND (?5 = '' OR versions.version = ?5 OR (?5 = 'latest' AND versions.version = servers.latest))
         AND servers.updated >= ?6
     ORDER BY versions.server, versions.sequence LIMIT ?7"
));
const ONE: OfOwner = OfOwner::new(listed!(
    "versions.server = ?2
         AND (?3 = '' OR versions.version = ?3 OR (?3 = 'latest' AND versions.version = servers.latest))
     ORDER BY versions.sequence DESC"
));

impl Transaction<'_> {
    /// In the order of names, and of each the oldest first. `page.after` is what an earlier page said.
    pub fn catalogue(&mut self, owner: &Owner, wanted: &Selection, page: &Page) -> Result<Paged<Listed>, Error> {
        let nothing = Paged { entries: Vec::new(), next: None };
        let part = wanted.search.as_deref().unwrap_or_default().to_lowercase();
        // A name has no other characters, and `%` and `_` would stand for some.
        if !part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Ok(nothing);
        }
        let (server, sequence) = page.after.split_once(':').unwrap_or((&page.after, ""));
        let sequence: i64 = sequence.parse().unwrap_or_default();
        let values =
            values![server, sequence, &part, wanted.version.word().as_str(), wanted.updated_since, page.rows()];
        let listed = self.rows(LIST, owner, values)?.into_iter().map(listed).collect::<Result<_, _>>()?;
        Ok(page.cut(listed, |it: &Listed| format!("{}:{}", it.server, it.sequence)))
    }

    /// Those of one server, the newest first. There are as many as may be made.
    pub fn catalogue_of(&mut self, owner: &Owner, server: &str, which: &Which) -> Result<Vec<Listed>, Error> {
        self.rows(ONE, owner, values![server, which.word().as_str()])?.into_iter().map(listed).collect()
    }
}

impl Which {
    fn word(&self) -> String {
        match self {
            Self::All => String::new(),
            Self::Latest => "latest".to_owned(),
            Self::Only(version) => version.to_string(),
        }
    }
}

fn listed(mut row: Row) -> Result<Listed, Error> {
    let (server, version) = (row.take()?, row.take()?);
    let (title, description, auth, latest): (_, _, _, Version) = (row.take()?, row.take()?, row.take()?, row.take()?);
    Ok(Listed {
        latest: latest == version,
        server,
        version,
        title,
        description,
        auth,
        endpoint: row.take()?,
        created: row.take()?,
        updated: row.take()?,
        sequence: row.take()?,
    })
}
