//! Who uses the factory. Only an admin changes who they are and what they may.

use crate::{
    Caller, Error, Factory, Owner,
    registry::{Limits, Page, Paged, Role, User},
};

impl Factory {
    /// The caller, or whom they act for.
    pub async fn user(&self, caller: &Caller) -> Result<User, Error> {
        self.look(caller, |transaction, owner| transaction.user(owner)?.ok_or_else(|| crate::grants::no_user(owner)))
            .await
    }

    /// In the order of their names.
    pub async fn users(&self, caller: &Caller, page: &Page) -> Result<Paged<User>, Error> {
        let (operator, page) = (caller.operator()?, page.clone());
        self.look(caller, move |transaction, _| Ok(transaction.users(operator, &page)?)).await
    }

    pub async fn add_user(&self, caller: &Caller, name: &Owner, role: Role, limits: Limits) -> Result<User, Error> {
        caller.operator()?;
        let caller = caller.acting_for(name.clone())?;
        self.change(&caller, Role::Admin, "users.add", name.as_str(), move |transaction, owner| {
            if !transaction.add_user(owner, role, limits)? {
                return Err(Error::UserExists { name: owner.to_string() });
            }
            transaction.user(owner)?.ok_or_else(|| crate::grants::no_user(owner))
        })
        .await
    }

    /// Effective with the next request.
    pub async fn change_user(&self, caller: &Caller, name: &Owner, role: Role, limits: Limits) -> Result<User, Error> {
        let caller = caller.acting_for(name.clone())?;
        self.change(&caller, Role::Admin, "users.change", name.as_str(), move |transaction, owner| {
            if *owner == Owner::local() && role != Role::Admin {
                return Err(Error::Local);
            }
            transaction.change_user(owner, role, limits)?;
            transaction.user(owner)?.ok_or_else(|| crate::grants::no_user(owner))
        })
        .await
    }

    /// With their tokens, secrets and grants. Refused while servers are theirs.
    pub async fn remove_user(&self, caller: &Caller, name: &Owner) -> Result<(), Error> {
        let caller = caller.acting_for(name.clone())?;
        self.change(&caller, Role::Admin, "users.remove", name.as_str(), move |transaction, owner| {
            if *owner == Owner::local() {
                return Err(Error::Local);
            }
            transaction.user(owner)?.ok_or_else(|| crate::grants::no_user(owner))?;
            let servers = transaction.count_servers(owner)?;
            if servers > 0 {
                return Err(Error::Owns { user: owner.to_string(), servers });
            }
            transaction.remove_secrets(owner)?;
            transaction.remove_grants(owner)?;
            transaction.remove_all_shared(owner)?;
            transaction.remove_user(owner)?;
            Ok(())
        })
        .await?;
        // Without a user they are nobody's already.
        for token in self.tokens_of(name) {
            self.shared_tokens().remove(token.token.as_str()).await?;
        }
        Ok(self.vault().refresh(name).await?)
    }
}
