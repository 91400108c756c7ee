//! Who asks, and for whom.

use mcp_serve::{Principal, Scopes};

use crate::{Error, Factory, Operator, Owner, registry::Role, tokens::is_of};

/// Made of a credential, or of working on the factory's own machine; never of what a request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    actor: Owner,
    owner: Owner,
    role: Role,
    token: Option<String>,
    expected: Option<Expected>,
}

/// What a change of a server is done for only, where somebody looked at the server before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// As it was then: its [`tag`](crate::Details::tag) is one of these.
    Tags(Vec<String>),
    /// There is one.
    Any,
    /// There is none yet.
    Nothing,
}

impl Caller {
    /// Whoever may read the factory's files is its operator.
    #[must_use]
    pub fn local() -> Self {
        Self { actor: Owner::local(), owner: Owner::local(), role: Role::Admin, token: None, expected: None }
    }

    /// Whose things it is about.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Who does it.
    #[must_use]
    pub fn actor(&self) -> &Owner {
        &self.actor
    }

    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The public id of the token that was used.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// An admin may do for others what they could do themselves.
    pub fn acting_for(&self, owner: Owner) -> Result<Self, Error> {
        if owner != self.owner {
            self.operator()?;
        }
        Ok(Self { owner, ..self.clone() })
    }

    /// What this caller changes of servers is changed only if the server is as it is expected to be; looked at where it is changed.
    #[must_use]
    pub fn expecting(self, expected: Expected) -> Self {
        Self { expected: Some(expected), ..self }
    }

    pub(crate) fn expected(&self) -> Option<&Expected> {
        self.expected.as_ref()
    }

    pub(crate) fn needs(&self, needed: Role) -> Result<(), Error> {
        if self.role >= needed { Ok(()) } else { Err(Error::Forbidden { needed, has: self.role }) }
    }

    pub(crate) fn operator(&self) -> Result<Operator, Error> {
        self.needs(Role::Admin)?;
        Ok(Operator::acting())
    }
}

impl Factory {
    /// Who a verified credential belongs to, as of now: a user that was removed or has another role since is that at once.
    pub async fn caller(&self, principal: &Principal) -> Result<Caller, Error> {
        let owner: Owner = principal.id.parse().map_err(|_| Error::Unknown)?;
        // A key of a server is in the same registry, and says of its caller what the owner of that server likes.
        if principal.token.as_ref().is_some_and(|token| !is_of(token.as_str(), &owner)) {
            return Err(Error::Unknown);
        }
        let user = self.registry().read({
            let owner = owner.clone();
            move |transaction| transaction.user(&owner)
        });
        let user = user.await?.ok_or(Error::Unknown)?;
        // A token may be for less than its user may do.
        let granted = Role::ALL.into_iter().filter(|role| match &principal.scopes {
            Scopes::All => true,
            Scopes::Only(scopes) => scopes.contains(role.as_str()),
        });
        let role = granted.max().ok_or(Error::Unknown)?.min(user.role);
        let token = principal.token.as_ref().map(|token| token.as_str().to_owned());
        Ok(Caller { actor: owner.clone(), owner, role, token, expected: None })
    }
}
