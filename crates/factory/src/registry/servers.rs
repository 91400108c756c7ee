//! Servers by name, and which version of each is the latest.

use semver::Version;

use super::{Error, OfOwner, Page, Paged, Row, Timestamp, Transaction, value::values};
use crate::Owner;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub name: String,
    pub latest: Version,
    /// Of the latest version, as are those that follow.
    pub title: Option<String>,
    pub description: Option<String>,
    /// The word of `auth.type`.
    pub auth: String,
    pub tools: u32,
    /// What keeps it from being deployed, as far as the language says so.
    pub blockers: u32,
    pub tags: Vec<String>,
    /// Where it was deployed, there is a state.
    pub deployed: Option<Deployed>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// What a list says of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    pub version: Version,
    pub target: String,
    pub state: String,
}

/// Which servers a list has; all conditions hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub tag: Option<String>,
    /// Part of the name.
    pub name: Option<String>,
    /// Of the deployment; `none` where there is none.
    pub state: Option<String>,
}

const LIST: OfOwner = OfOwner::new(
    "SELECT servers.name, servers.latest, versions.title, versions.description, versions.auth, versions.tools,
         versions.blockers, servers.created, servers.updated, deployments.version, deployments.target, deployments.state
     FROM servers
     JOIN versions ON versions.owner = ?1 AND versions.server = servers.name AND versions.version = servers.latest
     LEFT JOIN deployments ON deployments.owner = ?1 AND deployments.server = servers.name
     WHERE servers.owner = ?1 AND servers.name > ?2
         AND (?3 = '' OR EXISTS (
             SELECT 1 FROM tags WHERE tags.owner = ?1 AND tags.server = servers.name AND tags.tag = ?3))
         AND (?4 = '' OR servers.name LIKE '%' || ?4 || '%')
         AND (?5 = '' OR coalesce(deployments.state, 'none') = ?5)
     ORDER BY servers.name LIMIT ?6",
);
const FIND: OfOwner = OfOwner::new(
    "SELECT servers.name, servers.latest, versions.title, versions.description, versions.auth, versions.tools,
         versions.blockers, servers.created, servers.updated, deployments.version, deployments.target, deployments.state
     FROM servers
     JOIN versions ON versions.owner = ?1 AND versions.server = servers.name AND versions.version = servers.latest
     LEFT JOIN deployments ON deployments.owner = ?1 AND deployments.server = servers.name
     WHERE servers.owner = ?1 AND servers.name = ?2",
);
const TAGS: OfOwner = OfOwner::new(
    "SELECT server, tag FROM tags WHERE owner = ?1 AND server >= ?2 AND server <= ?3 ORDER BY server, tag",
);
const COUNT: OfOwner = OfOwner::new("SELECT count(*) FROM servers WHERE owner = ?1");
const ADD: OfOwner = OfOwner::new(
    "INSERT INTO servers (owner, name, latest, created, updated) VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT DO NOTHING",
);
const POINT: OfOwner = OfOwner::new("UPDATE servers SET latest = ?3, updated = ?4 WHERE owner = ?1 AND name = ?2");
const REMOVE: OfOwner = OfOwner::new("DELETE FROM servers WHERE owner = ?1 AND name = ?2");

impl Transaction<'_> {
    pub fn server(&mut self, owner: &Owner, name: &str) -> Result<Option<Server>, Error> {
        let Some(row) = self.row(FIND, owner, values![name])? else { return Ok(None) };
        let mut servers = vec![server(row)?];
        self.tag(owner, &mut servers)?;
        Ok(servers.pop())
    }

    /// In the order of their names.
    pub fn servers(&mut self, owner: &Owner, filter: &Filter, page: &Page) -> Result<Paged<Server>, Error> {
        let part = filter.name.as_deref().unwrap_or_default().to_lowercase();
        // A name has no other characters, and `%` and `_` would stand for some.
        if !part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Ok(Paged { entries: Vec::new(), next: None });
        }
        let (tag, state) = (filter.tag.as_deref().unwrap_or_default(), filter.state.as_deref().unwrap_or_default());
        let rows = self.rows(LIST, owner, values![page.after.as_str(), tag, &part, state, page.rows()])?;
        let servers = rows.into_iter().map(server).collect::<Result<_, _>>()?;
        let mut paged = page.cut(servers, |server: &Server| server.name.clone());
        self.tag(owner, &mut paged.entries)?;
        Ok(paged)
    }

    fn tag(&mut self, owner: &Owner, servers: &mut [Server]) -> Result<(), Error> {
        let [first, .., last] = servers else {
            let Some(only) = servers.first_mut() else { return Ok(()) };
            for mut row in self.rows(TAGS, owner, values![&only.name, &only.name])? {
                row.take::<String>()?;
                only.tags.push(row.take()?);
            }
            return Ok(());
        };
        for mut row in self.rows(TAGS, owner, values![&first.name, &last.name])? {
            let server: String = row.take()?;
            // A filter may have left some out.
            if let Ok(at) = servers.binary_search_by(|known| known.name.cmp(&server)) {
                servers[at].tags.push(row.take()?);
            }
        }
        Ok(())
    }

    pub fn count_servers(&mut self, owner: &Owner) -> Result<u32, Error> {
        self.row(COUNT, owner, &[])?.ok_or(Error::Content)?.take()
    }

    /// `false` when the name is taken, by whomever.
    pub fn add_server(&mut self, owner: &Owner, name: &str, latest: &Version) -> Result<bool, Error> {
        let now = self.now();
        Ok(self.execute(ADD, owner, values![name, latest, now])? > 0)
    }

    /// What it can do is to be written down too: [`index`](Self::index).
    pub fn set_latest(&mut self, owner: &Owner, name: &str, latest: &Version) -> Result<(), Error> {
        let now = self.now();
        self.execute(POINT, owner, values![name, latest, now])?;
        self.revise(owner)
    }

    /// With all that belongs to it. `false` when there is none.
    pub fn remove_server(&mut self, owner: &Owner, name: &str) -> Result<bool, Error> {
        let removed = self.execute(REMOVE, owner, values![name])? > 0;
        self.revise_deployments()?;
        self.revise(owner)?;
        Ok(removed)
    }
}

fn server(mut row: Row) -> Result<Server, Error> {
    Ok(Server {
        name: row.take()?,
        latest: row.take()?,
        title: row.take()?,
        description: row.take()?,
        auth: row.take()?,
        tools: row.take()?,
        blockers: row.take()?,
        created: row.take()?,
        updated: row.take()?,
        deployed: match (row.take()?, row.take()?, row.take()?) {
            (Some(version), Some(target), Some(state)) => Some(Deployed { version, target, state }),
            _ => None,
        },
        tags: Vec::new(),
    })
}
