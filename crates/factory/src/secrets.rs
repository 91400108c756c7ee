//! What an owner's servers may know and nobody sees: names can be listed, values can't.

use mcp_factory_connect::{Secret, Subject};
use mcp_factory_spec::model::Variable;

use crate::{
    Caller, Change, Error, Factory,
    registry::{MOST_SECRETS, Role, SecretInfo},
    vault::{OwnerSecrets, written},
};

const LONGEST: usize = 64 << 10;

impl Factory {
    /// From the next connection on. `subject`: of one of the owner's callers, for connections with `per`.
    pub async fn set_secret(
        &self,
        caller: &Caller,
        subject: Option<&Subject>,
        name: &str,
        value: &Secret,
    ) -> Result<(), Error> {
        let accepted = check(subject, name, value.expose());
        let sealed = self.vault().seal(caller.owner(), subject, name, value.expose());
        let work = move |transaction: &mut crate::registry::Transaction<'_>, owner: &crate::Owner| {
            if transaction.count_secrets(owner)? >= MOST_SECRETS {
                let known = transaction.secrets(owner)?;
                if !known.iter().any(|known| known.subject == sealed.subject && known.name == sealed.name) {
                    return Err(Error::TooMany { what: "secrets", most: MOST_SECRETS });
                }
            }
            Ok(transaction.put_secret(owner, &sealed)?)
        };
        if let Err(error) = accepted {
            return Err(self.refused(caller, "secrets.set", "", error).await);
        }
        self.change(caller, Role::Developer, "secrets.set", name, work).await?;
        Ok(self.vault().refresh(caller.owner()).await?)
    }

    /// Names, and whose they are; no values.
    pub async fn secrets(&self, caller: &Caller) -> Result<Vec<SecretInfo>, Error> {
        self.look(caller, |transaction, owner| Ok(transaction.secrets(owner)?)).await
    }

    /// From the next connection on.
    pub async fn remove_secret(&self, caller: &Caller, subject: Option<&Subject>, name: &str) -> Result<Change, Error> {
        let (subject, wanted) = (written(subject), name.to_owned());
        let removed = self
            .change(caller, Role::Developer, "secrets.remove", name, move |transaction, owner| {
                Ok(transaction.remove_secret(owner, &subject, &wanted)?)
            })
            .await?;
        self.vault().refresh(caller.owner()).await?;
        Ok(Change::of(removed))
    }

    /// What the specs of an owner can read, while they run.
    pub async fn secrets_of(&self, owner: &crate::Owner) -> Result<OwnerSecrets, Error> {
        Ok(self.vault().secrets_of(owner).await?)
    }

    /// After the factory was given another secret: seals everything with it. Returns how many were sealed, and how many can't be
    /// opened any more.
    pub async fn reseal_secrets(&self, caller: &Caller) -> Result<(u32, u32), Error> {
        Ok(self.vault().reseal(caller.operator()?).await?)
    }
}

fn check(subject: Option<&Subject>, name: &str, value: &str) -> Result<(), Error> {
    if Variable::new(name).is_none() || name.len() > 256 {
        let why = "has capital letters, digits and `_`, begins with no digit, and has at most 256 characters";
        return Err(Error::argument("the name of a secret", why));
    }
    if value.is_empty() || value.len() > LONGEST || value.contains('\0') {
        return Err(Error::argument("a secret", "has 1 to 65,536 bytes and no NUL"));
    }
    if let Some(Subject::Principal(id) | Subject::Tenant(id)) = subject
        && (id.is_empty() || id.len() > 255 || id.chars().any(char::is_control))
    {
        return Err(Error::argument("whose secret it is", "has 1 to 255 bytes without control characters"));
    }
    Ok(())
}
