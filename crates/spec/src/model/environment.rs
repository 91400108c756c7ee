//! Environments: the same server, elsewhere.

use indexmap::IndexMap;

use super::{Auth, Cap, Connection, ConnectionKind, ConnectionName, Deploy, Per, Rate, Spec};
use crate::read::object;
use std::num::NonZeroU32;

object! {
    /// What is different in one environment. Connections and targets are replaced by name, limits one by one.
    pub struct Environment {
        /// Connections that are something else here. `per`, `session` and `scope` stay unless they are said anew.
        connections: IndexMap<ConnectionName, ConnectionOverride>,
        /// Who may call here.
        auth: Option<Auth>,
        /// What is bounded here.
        limits: LimitsOverride = LimitsOverride { rate_per_principal: None, concurrency: None },
        /// How it is deployed here.
        deploy: Deploy = Deploy::default()
    }
}

object! {
    /// What a connection is in one environment.
    pub struct ConnectionOverride {
        /// Whose store its secrets come from.
        per: Option<Per>
        ; ..kind: ConnectionKind
    }
}

object! {
    /// Limits that are different in one environment.
    pub struct LimitsOverride {
        /// Calls of one principal.
        rate_per_principal: Option<Cap<Rate>>,
        /// Calls at once.
        concurrency: Option<Cap<NonZeroU32>>
    }
}

/// An environment that the spec does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the spec has no environment `{name}`; it has {known}")]
pub struct UnknownEnvironment {
    pub name: String,
    known: String,
}

impl Spec {
    /// The server as it is in one environment.
    ///
    /// # Errors
    /// If there is no such environment.
    pub fn environment(&self, name: &str) -> Result<Self, UnknownEnvironment> {
        let Some(environment) = self.environments.get(name) else {
            let names: Vec<String> = self.environments.keys().map(|name| format!("`{name}`")).collect();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(UnknownEnvironment { name: name.to_owned(), known });
        };
        let mut spec = self.clone();
        for connection in &mut spec.connections {
            if let Some(replaced) = environment.connections.get(&connection.name) {
                *connection = connection.replaced(replaced);
            }
        }
        if let Some(auth) = &environment.auth {
            spec.auth = auth.clone();
        }
        if let Some(rate) = environment.limits.rate_per_principal {
            spec.limits.rate_per_principal = rate;
        }
        if let Some(concurrency) = environment.limits.concurrency {
            spec.limits.concurrency = concurrency;
        }
        if let Some(docker) = &environment.deploy.docker {
            spec.deploy.docker = Some(docker.clone());
        }
        if let Some(microvm) = &environment.deploy.microvm {
            spec.deploy.microvm = Some(microvm.clone());
        }
        Ok(spec)
    }
}

impl Connection {
    /// What it is elsewhere, without losing by silence what keeps callers apart.
    pub(crate) fn replaced(&self, other: &ConnectionOverride) -> Self {
        let scope = self.scope().cloned();
        let session = match &self.kind {
            Some(ConnectionKind::Postgresql(server) | ConnectionKind::Mysql(server)) => server.session.clone(),
            _ => IndexMap::new(),
        };
        let mut kind = other.kind.clone();
        match &mut kind {
            ConnectionKind::Postgresql(server) | ConnectionKind::Mysql(server) => {
                server.scope = server.scope.take().or(scope);
                if server.session.is_empty() {
                    server.session = session;
                }
            }
            ConnectionKind::Sqlite(sqlite) => sqlite.scope = sqlite.scope.take().or(scope),
            _ => {}
        }
        Self { name: self.name.clone(), per: other.per.or(self.per), kind: Some(kind) }
    }
}
