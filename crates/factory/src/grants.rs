//! What reaches beyond an owner, and was granted by the operator.

use std::path::{Component, PathBuf};

use mcp_factory_connect::{Grant, Policy};
use mcp_factory_engine::Problem;
use mcp_factory_spec::model::{ConnectionName, Variable};

use crate::{
    Caller, Change, Error, Factory, Owner,
    registry::{Deed, GrantRow, MOST_GRANTS, Role, Transaction},
};

impl Factory {
    /// To the owner that the caller, an admin, acts for.
    pub async fn grant(&self, caller: &Caller, grant: &Grant) -> Result<Change, Error> {
        let (kind, value) = (grant.name(), value_of(grant));
        let granted_by = caller.actor().clone();
        let work = move |transaction: &mut Transaction<'_>, owner: &Owner| {
            transaction.user(owner)?.ok_or_else(|| no_user(owner))?;
            if transaction.grants(owner)?.len() >= MOST_GRANTS {
                return Err(Error::TooMany { what: "grants", most: MOST_GRANTS as u32 });
            }
            Ok(transaction.add_grant(owner, kind, &value, &granted_by)?)
        };
        Ok(Change::of(self.change(caller, Role::Admin, "grants.add", kind, work).await?))
    }

    /// At once: what runs and needs it is stopped.
    pub async fn revoke_grant(&self, caller: &Caller, grant: &Grant) -> Result<Change, Error> {
        let (kind, value) = (grant.name(), value_of(grant));
        let work =
            move |transaction: &mut Transaction<'_>, owner: &Owner| Ok(transaction.remove_grant(owner, kind, &value)?);
        let change = Change::of(self.change(caller, Role::Admin, "grants.remove", kind, work).await?);
        if change == Change::Done {
            self.stop_what_lacks_grants(caller, caller.owner()).await?;
        }
        Ok(change)
    }

    pub async fn grants(&self, caller: &Caller) -> Result<Vec<GrantRow>, Error> {
        self.look(caller, |transaction, owner| Ok(transaction.grants(owner)?)).await
    }

    /// What the specs of an owner may reach: what was granted, and nothing else. `local` is the operator.
    pub async fn policy_of(&self, owner: &Owner) -> Result<Policy, Error> {
        let granted = if *owner == Owner::local() { Policy::operator() } else { self.granted_to(owner).await? };
        Ok(match self.launcher() {
            Some(launcher) => granted.with_launcher(launcher.clone()),
            None => granted,
        })
    }

    async fn granted_to(&self, owner: &Owner) -> Result<Policy, Error> {
        let owner = owner.clone();
        let rows: Vec<GrantRow> =
            self.registry().read(move |transaction| transaction.grants(&owner)).await.map_err(Error::Registry)?;
        Ok(rows.iter().filter_map(|row| read(&row.kind, &row.value).ok()).fold(Policy::none(), Policy::with))
    }
}

impl Factory {
    /// What a spec asked for and was not granted is written down, whatever else becomes of the spec.
    pub(crate) async fn note_denied(
        &self,
        caller: &Caller,
        verb: &'static str,
        server: &str,
        problems: &[Problem],
    ) -> Result<(), Error> {
        let codes = denied(problems);
        if codes.is_empty() {
            return Ok(());
        }
        let (caller, server) = (caller.clone(), server.to_owned());
        let written = move |transaction: &mut Transaction<'_>| {
            for code in &codes {
                let deed = Deed { actor: caller.actor(), token: caller.token(), verb, subject: &server, outcome: code };
                transaction.audit(caller.owner(), &deed)?;
            }
            Ok(())
        };
        self.registry().write(written).await.map_err(Error::Registry)
    }
}

/// The kinds of what was not granted, each once.
pub(crate) fn denied(problems: &[Problem]) -> Vec<&'static str> {
    let mut codes: Vec<_> = problems.iter().map(|it| it.code).filter(|code| code.starts_with("policy/")).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

pub(crate) fn no_user(owner: &Owner) -> Error {
    Error::NotFound { what: "user", name: owner.to_string() }
}

fn value_of(grant: &Grant) -> String {
    match grant {
        Grant::Environment(name) | Grant::SharedConnection(name) => name.clone(),
        Grant::Path(path) => path.display().to_string(),
        Grant::PrivateNetworks | Grant::Command => String::new(),
    }
}

/// A grant as an operator writes it: the word behind `policy/`, and what it is about.
pub fn read(kind: &str, value: &str) -> Result<Grant, Error> {
    let grant = match kind {
        "environment" if Variable::new(value).is_some() => Grant::Environment(value.to_owned()),
        "environment" => return Err(Error::argument("`environment`", "takes the name of a variable")),
        "path" => {
            let path = PathBuf::from(value);
            let climbs = path.components().any(|part| matches!(part, Component::ParentDir));
            if !path.is_absolute() || climbs {
                return Err(Error::argument("`path`", "takes an absolute path without `..`"));
            }
            Grant::Path(path)
        }
        "shared-connection" if ConnectionName::new(value).is_some() => Grant::SharedConnection(value.to_owned()),
        "shared-connection" => return Err(Error::argument("`shared-connection`", "takes the name of a connection")),
        "private-networks" | "command" if !value.is_empty() => {
            return Err(Error::argument("this grant", "takes no value"));
        }
        "private-networks" => Grant::PrivateNetworks,
        "command" => Grant::Command,
        _ => {
            let why = "is `environment`, `path`, `shared-connection`, `private-networks` or `command`";
            return Err(Error::argument("a grant", why));
        }
    };
    Ok(grant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_read_as_it_is_written_and_nothing_wider() {
        for (kind, value) in [
            ("environment", "HOME"),
            ("path", "/srv/data"),
            ("shared-connection", "shop_db"),
            ("private-networks", ""),
            ("command", ""),
        ] {
            let grant = read(kind, value).unwrap();
            assert_eq!((grant.name(), value_of(&grant).as_str()), (kind, value));
        }
        for (kind, value) in [
            ("environment", "a b"),
            ("environment", ""),
            ("path", "srv"),
            ("path", "/srv/../etc"),
            ("path", ""),
            ("shared-connection", ""),
            ("command", "ls"),
            ("everything", ""),
        ] {
            assert!(read(kind, value).is_err(), "{kind} {value}");
        }
    }
}
