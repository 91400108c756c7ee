//! What is meant to run, and what is known of it. The legal states are not judged here.

use semver::Version;

use super::{Dependency, Error, OfAll, OfOwner, Row, Timestamp, Transaction, value::values};
use crate::{Operator, Owner};

/// A deployment as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    pub server: String,
    /// Where it runs: `local` and the like.
    pub target: String,
    /// `running` or `stopped`: what is meant to be.
    pub desired: String,
    /// What is.
    pub state: String,
    pub version: Version,
    /// The version to go back to, and its instance while that serves.
    pub fallback: Option<(Version, Option<u64>)>,
    pub generation: u64,
    /// The last generation there was.
    pub launched: u64,
    pub failures: u32,
    /// The last thing that went wrong.
    pub problem: Option<String>,
    pub endpoint: Option<String>,
    /// Which factory drives it, where several share a registry.
    pub factory: Option<String>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

const FIND: OfOwner = OfOwner::new(
    "SELECT server, target, desired, state, version, fallback, fallback_generation, generation, launched, failures,
         problem, endpoint, factory, created, updated
     FROM deployments WHERE owner = ?1 AND server = ?2",
);
/// A moment is over before it is told of: what is written down in it comes one after the other.
const SINCE: OfOwner = OfOwner::new(
    "SELECT server, target, desired, state, version, fallback, fallback_generation, generation, launched, failures,
         problem, endpoint, factory, created, updated
     FROM deployments
     WHERE owner = ?1 AND (updated > ?2 OR (updated = ?2 AND server > ?3)) AND updated < ?4
     ORDER BY updated, server LIMIT ?5",
);
const STATES: OfAll = OfAll::new("SELECT state, count(*) FROM deployments GROUP BY state ORDER BY state");
const ALL: OfAll = OfAll::new(
    "SELECT owner, server, target, desired, state, version, fallback, fallback_generation, generation, launched, failures,
         problem, endpoint, factory, created, updated
     FROM deployments WHERE server > ?1 ORDER BY server LIMIT ?2",
);
const PUT: OfOwner = OfOwner::new(
    "INSERT INTO deployments (owner, server, target, desired, state, version, fallback, fallback_generation, generation,
         launched, failures, problem, endpoint, factory, created, updated)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?15)
     ON CONFLICT (owner, server) DO UPDATE SET target = excluded.target, desired = excluded.desired,
         state = excluded.state, version = excluded.version, fallback = excluded.fallback,
         fallback_generation = excluded.fallback_generation, generation = excluded.generation,
         launched = excluded.launched, failures = excluded.failures, problem = excluded.problem, endpoint = excluded.endpoint,
         factory = excluded.factory,
         updated = excluded.updated",
);
const RUNNING: OfOwner =
    OfOwner::new("SELECT server, version FROM deployments WHERE owner = ?1 AND desired = 'running' ORDER BY server");
const RUNNING_WITH: OfOwner = OfOwner::new(
    "SELECT DISTINCT deployments.server FROM deployments
     JOIN dependencies ON dependencies.server = deployments.server AND dependencies.version = deployments.version
     WHERE deployments.owner = ?1 AND dependencies.owner = ?1 AND deployments.desired = 'running'
         AND dependencies.kind = ?2 AND dependencies.name = ?3
     ORDER BY deployments.server LIMIT 100",
);
const RUNNING_WITH_SHARED: OfAll = OfAll::new(
    "SELECT DISTINCT deployments.owner, deployments.server FROM deployments
     JOIN dependencies ON dependencies.owner = deployments.owner AND dependencies.server = deployments.server
         AND dependencies.version = deployments.version
     WHERE deployments.desired = 'running' AND dependencies.kind = 'connection' AND dependencies.name = ?1
     ORDER BY deployments.owner, deployments.server LIMIT 100",
);
const REMOVE: OfOwner = OfOwner::new("DELETE FROM deployments WHERE owner = ?1 AND server = ?2");

impl Transaction<'_> {
    pub fn deployment(&mut self, owner: &Owner, server: &str) -> Result<Option<Deployment>, Error> {
        self.row(FIND, owner, values![server])?.map(deployment).transpose()
    }

    /// What is meant to run, and which version of it.
    pub fn running(&mut self, owner: &Owner) -> Result<Vec<(String, Version)>, Error> {
        let rows = self.rows(RUNNING, owner, &[])?;
        rows.into_iter().map(|mut row| Ok((row.take()?, row.take()?))).collect()
    }

    /// The first hundred of what is meant to run and needs this.
    pub fn running_with(&mut self, owner: &Owner, needed: &Dependency) -> Result<Vec<String>, Error> {
        let rows = self.rows(RUNNING_WITH, owner, values![needed.kind.as_str(), &needed.name])?;
        rows.into_iter().map(|mut row| row.take()).collect()
    }

    /// The same of a shared connection, whoever uses it.
    pub fn running_with_shared(&mut self, operator: Operator, name: &str) -> Result<Vec<(Owner, String)>, Error> {
        let rows = self.all(RUNNING_WITH_SHARED, operator, values![name])?;
        rows.into_iter().map(|mut row| Ok((row.take()?, row.take()?))).collect()
    }

    /// Everybody's, `most` at a time: a factory that begins brings back what was meant to run.
    pub fn deployments(
        &mut self,
        operator: Operator,
        after: &str,
        most: u32,
    ) -> Result<Vec<(Owner, Deployment)>, Error> {
        let rows = self.all(ALL, operator, values![after, most])?;
        rows.into_iter().map(|mut row| Ok((row.take()?, deployment(row)?))).collect()
    }

    /// Those that are another since a moment, in that order; of the moment itself those behind `server`.
    pub fn deployments_since(
        &mut self,
        owner: &Owner,
        since: Timestamp,
        server: &str,
        most: u32,
    ) -> Result<Vec<Deployment>, Error> {
        let now = self.now();
        self.rows(SINCE, owner, values![since, server, now, most])?.into_iter().map(deployment).collect()
    }

    /// How many there are in each state, of everybody.
    pub fn deployments_by_state(&mut self, operator: Operator) -> Result<Vec<(String, u64)>, Error> {
        let rows = self.all(STATES, operator, &[])?;
        rows.into_iter().map(|mut row| Ok((row.take()?, row.take()?))).collect()
    }

    /// Times are set here.
    pub fn put_deployment(&mut self, owner: &Owner, is: &Deployment) -> Result<(), Error> {
        let now = self.now();
        let (fallback, serving) = match &is.fallback {
            Some((version, generation)) => (Some(version), *generation),
            None => (None, None),
        };
        let values = values![
            &is.server,
            &is.target,
            &is.desired,
            &is.state,
            &is.version,
            fallback,
            serving,
            is.generation,
            is.launched,
            is.failures,
            is.problem.as_ref(),
            is.endpoint.as_ref(),
            is.factory.as_ref(),
            now
        ];
        self.execute(PUT, owner, values)?;
        self.revise_deployments()
    }

    pub fn remove_deployment(&mut self, owner: &Owner, server: &str) -> Result<bool, Error> {
        let removed = self.execute(REMOVE, owner, values![server])? > 0;
        self.revise_deployments()?;
        Ok(removed)
    }
}

fn deployment(mut row: Row) -> Result<Deployment, Error> {
    Ok(Deployment {
        server: row.take()?,
        target: row.take()?,
        desired: row.take()?,
        state: row.take()?,
        version: row.take()?,
        fallback: match (row.take()?, row.take()?) {
            (Some(version), generation) => Some((version, generation)),
            (None, _) => None,
        },
        generation: row.take()?,
        launched: row.take()?,
        failures: row.take()?,
        problem: row.take()?,
        endpoint: row.take()?,
        factory: row.take()?,
        created: row.take()?,
        updated: row.take()?,
    })
}
