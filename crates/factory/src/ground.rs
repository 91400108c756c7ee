//! What a server stands on that is said elsewhere, and may change while it runs: secrets, and connections that are shared with
//! its owner. A running instance keeps what it was made of; the next one, or a deployment of the same version, takes up what
//! changed since.

use mcp_factory_connect::Secrets;
use mcp_factory_spec::{Spec, variables};
use semver::Version;
use serde_json::Value;

use crate::{
    Caller, Error, Factory, Operator, Owner,
    registry::{self, Dependency, DependencyKind, Role, SecretInfo, Transaction},
};

/// A secret that a server needs, and whether there is a value: in its owner's store, or wherever its secrets come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededSecret {
    pub name: String,
    pub is_set: bool,
}

impl NeededSecret {
    /// Those of a spec, in the order of their names.
    #[must_use]
    pub fn of_spec(spec: &Spec, secrets: &dyn Secrets) -> Vec<Self> {
        spec.variables().into_iter().map(|name| Self::of(name, secrets)).collect()
    }

    fn of(name: String, secrets: &dyn Secrets) -> Self {
        Self { is_set: secrets.get(&name).is_ok(), name }
    }
}

/// When each part was last changed. Another one means that something was.
pub(crate) type Stands = Vec<String>;

/// What a version of a server stands on now.
pub(crate) fn stands_on(
    transaction: &mut Transaction<'_>,
    owner: &Owner,
    server: &str,
    version: &Version,
) -> Result<Stands, registry::Error> {
    let mut stands = Vec::new();
    let needed = transaction.dependencies(owner, server, version)?;
    if needed.iter().all(|it| it.kind == DependencyKind::Server) {
        return Ok(stands);
    }
    let secrets = transaction.secrets(owner)?;
    for Dependency { kind, name } in needed {
        match kind {
            DependencyKind::Server => {}
            DependencyKind::Secret => stands.push(of_secret(owner, &name, &secrets)),
            DependencyKind::Connection => {
                let Some(row) = transaction.shared_named(Operator::acting(), &name)? else {
                    stands.push(format!("connection {name}"));
                    continue;
                };
                stands.push(format!("connection {name} {} {:?}", row.owner, row.updated));
                let secrets = transaction.secrets(&row.owner)?;
                stands.extend(secrets_of(&row.definition).iter().map(|it| of_secret(&row.owner, it, &secrets)));
            }
        }
    }
    Ok(stands)
}

fn of_secret(owner: &Owner, name: &str, known: &[SecretInfo]) -> String {
    let updated = known.iter().find(|it| it.subject.is_empty() && it.name == name).map(|it| it.updated);
    format!("secret {owner} {name} {updated:?}")
}

/// Those that a shared connection names.
fn secrets_of(definition: &str) -> Vec<String> {
    let definition: Value = serde_json::from_str(definition).unwrap_or_default();
    variables::of_connection(&definition).into_iter().collect()
}

impl Factory {
    /// What a version of a server needs of its owner's secrets.
    pub async fn needed_secrets(
        &self,
        caller: &Caller,
        server: &str,
        version: &Version,
    ) -> Result<Vec<NeededSecret>, Error> {
        let (server, version) = (server.to_owned(), version.clone());
        let needs = move |transaction: &mut Transaction<'_>, owner: &Owner| {
            Ok(transaction.dependencies(owner, &server, &version)?)
        };
        let needed = self.look(caller, needs).await?;
        let secrets = self.secrets_of(caller.owner()).await?;
        let needed = needed.into_iter().filter(|it| it.kind == DependencyKind::Secret);
        Ok(needed.map(|it| NeededSecret::of(it.name, &secrets)).collect())
    }

    /// Which servers run with one of the caller's secrets: until they are deployed or started again, with what it was before as
    /// far as they have it open. For an admin with those of others that use it through a shared connection, as `owner/server`.
    pub async fn running_with_secret(&self, caller: &Caller, name: &str) -> Result<Vec<String>, Error> {
        let wanted = Dependency { kind: DependencyKind::Secret, name: name.to_owned() };
        let operator = caller.operator().ok();
        self.look(caller, move |transaction, owner| {
            let mut servers = transaction.running_with(owner, &wanted)?;
            let Some(operator) = operator else { return Ok(servers) };
            for row in transaction.shared(operator)? {
                if row.owner == *owner && secrets_of(&row.definition).contains(&wanted.name) {
                    servers.extend(users_of(transaction, operator, owner, &row.name)?);
                }
            }
            servers.sort();
            servers.dedup();
            Ok(servers)
        })
        .await
    }

    /// The same of a shared connection, for an admin.
    pub async fn running_with_connection(&self, caller: &Caller, name: &str) -> Result<Vec<String>, Error> {
        caller.needs(Role::Admin)?;
        let (operator, name) = (caller.operator()?, name.to_owned());
        self.look(caller, move |transaction, owner| Ok(users_of(transaction, operator, owner, &name)?)).await
    }
}

fn users_of(
    transaction: &mut Transaction<'_>,
    operator: Operator,
    caller: &Owner,
    name: &str,
) -> Result<Vec<String>, registry::Error> {
    let servers = transaction.running_with_shared(operator, name)?;
    let named = |(owner, server): (Owner, String)| if owner == *caller { server } else { format!("{owner}/{server}") };
    Ok(servers.into_iter().map(named).collect())
}
