//! Who uses the factory: what they may do, and how much.

use std::{fmt, num::NonZeroU32, str::FromStr};

use super::{
    Error, OfAll, OfOwner, Page, Paged, Row, Timestamp, Transaction,
    value::{Column, Value, values},
};
use crate::{Operator, Owner};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub owner: Owner,
    pub role: Role,
    pub limits: Limits,
    /// Another one after each change of this owner's catalogue.
    pub revision: u64,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// Each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Looks at what is the owner's.
    Viewer,
    /// Changes it.
    Developer,
    /// Operates the factory: users, grants, and what is others'.
    Admin,
}

/// How much is a user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub max_servers: u32,
    /// To the factory itself, not to its servers.
    pub requests_per_minute: NonZeroU32,
    pub max_spec_bytes: u32,
}

const COLUMNS_OF: OfOwner = OfOwner::new(
    "SELECT owner, role, max_servers, requests_per_minute, max_spec_bytes, revision, created, updated
     FROM users WHERE owner = ?1",
);
const LIST: OfAll = OfAll::new(
    "SELECT owner, role, max_servers, requests_per_minute, max_spec_bytes, revision, created, updated
     FROM users WHERE owner > ?1 ORDER BY owner LIMIT ?2",
);
const ADD: OfOwner = OfOwner::new(
    "INSERT INTO users (owner, role, max_servers, requests_per_minute, max_spec_bytes, revision, created, updated)
     VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?6) ON CONFLICT (owner) DO NOTHING",
);
const CHANGE: OfOwner = OfOwner::new(
    "UPDATE users SET role = ?2, max_servers = ?3, requests_per_minute = ?4, max_spec_bytes = ?5, updated = ?6
     WHERE owner = ?1",
);
const REVISE: OfOwner = OfOwner::new("UPDATE users SET revision = revision + 1 WHERE owner = ?1");
const REMOVE: OfOwner = OfOwner::new("DELETE FROM users WHERE owner = ?1");

impl Transaction<'_> {
    pub fn user(&mut self, owner: &Owner) -> Result<Option<User>, Error> {
        self.row(COLUMNS_OF, owner, &[])?.map(user).transpose()
    }

    /// In the order of their names.
    pub fn users(&mut self, operator: Operator, page: &Page) -> Result<Paged<User>, Error> {
        let rows = self.all(LIST, operator, values![page.after.as_str(), page.rows()])?;
        let users = rows.into_iter().map(user).collect::<Result<_, _>>()?;
        Ok(page.cut(users, |user: &User| user.owner.to_string()))
    }

    /// `false` when there is one of this name already.
    pub fn add_user(&mut self, owner: &Owner, role: Role, limits: Limits) -> Result<bool, Error> {
        let now = self.now();
        let values =
            values![role.as_str(), limits.max_servers, limits.requests_per_minute.get(), limits.max_spec_bytes, now];
        Ok(self.execute(ADD, owner, values)? > 0)
    }

    /// `false` when there is no such user.
    pub fn change_user(&mut self, owner: &Owner, role: Role, limits: Limits) -> Result<bool, Error> {
        let now = self.now();
        let values =
            values![role.as_str(), limits.max_servers, limits.requests_per_minute.get(), limits.max_spec_bytes, now];
        Ok(self.execute(CHANGE, owner, values)? > 0)
    }

    /// Something of this owner is not as it was.
    pub(super) fn revise(&mut self, owner: &Owner) -> Result<(), Error> {
        self.execute(REVISE, owner, &[]).map(drop)
    }

    /// `false` when there is no such user. Whoever owns something is not removed: that goes first.
    pub fn remove_user(&mut self, owner: &Owner) -> Result<bool, Error> {
        Ok(self.execute(REMOVE, owner, &[])? > 0)
    }
}

fn user(mut row: Row) -> Result<User, Error> {
    Ok(User {
        owner: row.take()?,
        role: row.take()?,
        limits: Limits {
            max_servers: row.take()?,
            requests_per_minute: NonZeroU32::new(row.take()?).ok_or(Error::Content)?,
            max_spec_bytes: row.take()?,
        },
        revision: row.take()?,
        created: row.take()?,
        updated: row.take()?,
    })
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Developer, Self::Admin];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such role; there are `viewer`, `developer` and `admin`")]
pub struct RoleError;

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(name: &str) -> Result<Self, RoleError> {
        Self::ALL.into_iter().find(|role| role.as_str() == name).ok_or(RoleError)
    }
}

impl Column for Role {
    fn read(value: Value) -> Option<Self> {
        String::read(value)?.parse().ok()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_servers: 100,
            requests_per_minute: NonZeroU32::new(600).expect("600 is not 0"),
            max_spec_bytes: 1 << 20,
        }
    }
}
