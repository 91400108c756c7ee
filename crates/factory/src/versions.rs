//! Versions: which there are, what they say, and going back to one.

use mcp_factory_spec::Spec;
use semver::Version;

use crate::{
    Caller, Change, Error, Factory, Owner,
    registry::{self, Role, Transaction, VersionInfo},
    spec::{capabilities_of, read_again},
};

impl Factory {
    /// The newest first.
    pub async fn versions(&self, caller: &Caller, name: &str) -> Result<Vec<VersionInfo>, Error> {
        let name = name.to_owned();
        self.look(caller, move |transaction, owner| {
            transaction.server(owner, &name)?.ok_or_else(|| Error::no_server(&name))?;
            Ok(transaction.versions(owner, &name)?)
        })
        .await
    }

    /// What a version says; without a number, the latest.
    pub async fn spec(&self, caller: &Caller, name: &str, version: Option<&Version>) -> Result<Spec, Error> {
        let (name, version) = (name.to_owned(), version.cloned());
        let text = self
            .look(caller, move |transaction, owner| {
                let server = transaction.server(owner, &name)?.ok_or_else(|| Error::no_server(&name))?;
                let version = version.as_ref().unwrap_or(&server.latest);
                transaction.spec(owner, &name, version)?.ok_or_else(|| no_version(&name, version))
            })
            .await?;
        let read = tokio::task::spawn_blocking(move || read_again(&text)).await?;
        Ok(read.ok_or(registry::Error::Content)?)
    }

    /// Makes a version the latest that was so before: this one, or the one made before the latest.
    pub async fn rollback(
        &self,
        caller: &Caller,
        name: &str,
        to: Option<&Version>,
    ) -> Result<(Version, Change), Error> {
        let to = match to {
            Some(version) => version.clone(),
            None => {
                let (latest, versions) =
                    (self.get(caller, name).await?.server.latest, self.versions(caller, name).await?);
                let older = versions.into_iter().map(|it| it.version).skip_while(|it| *it != latest).nth(1);
                older.ok_or_else(|| Error::NotFound { what: "version before", name: format!("{name} {latest}") })?
            }
        };
        let spec = self.spec(caller, name, Some(&to)).await?;
        let (capabilities, wanted, version) = (capabilities_of(&spec), name.to_owned(), to.clone());
        let work = move |transaction: &mut Transaction<'_>, owner: &Owner| {
            let server = transaction.server(owner, &wanted)?.ok_or_else(|| Error::no_server(&wanted))?;
            if server.latest == version {
                return Ok(Change::Unchanged);
            }
            transaction.version(owner, &wanted, &version)?.ok_or_else(|| no_version(&wanted, &version))?;
            transaction.set_latest(owner, &wanted, &version)?;
            transaction.index(owner, &wanted, &capabilities)?;
            Ok(Change::Done)
        };
        Ok((to, self.change(caller, Role::Developer, "servers.rollback", name, work).await?))
    }
}

pub(crate) fn no_version(name: &str, version: &Version) -> Error {
    Error::NotFound { what: "version", name: format!("{name} {version}") }
}
