//! Who calls. A [`Principal`] comes from the credential of this request and from nothing else.

use std::{collections::BTreeSet, fmt, sync::Arc};

use serde_json::{Map, Value};

/// The caller of one request. `Debug` shows which claims there are, and not what they say: a token may carry others.
#[derive(Clone, PartialEq)]
pub struct Principal {
    pub id: String,
    pub tenant: Option<String>,
    pub groups: Vec<String>,
    pub scopes: Scopes,
    pub claims: Map<String, Value>,
    /// A stable public name for the credential, safe in logs and events.
    pub token: Option<TokenId>,
}

impl Principal {
    /// A principal with every scope and nothing else.
    #[must_use]
    pub fn trusted(id: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            id: id.into(),
            tenant: None,
            groups: Vec::new(),
            scopes: Scopes::All,
            claims: Map::new(),
            token: None,
        })
    }

    /// The one caller of a server without authentication, which binds loopback only.
    #[must_use]
    pub fn anonymous() -> Arc<Self> {
        Self::trusted("anonymous")
    }

    /// The one caller of a server on stdio.
    #[must_use]
    pub fn local() -> Arc<Self> {
        Self::trusted("local")
    }

    /// What may be decided by besides who it is: scopes, groups and claims, but for those of the token.
    pub(crate) fn has_the_rights_of(&self, other: &Self) -> bool {
        let of_the_caller = |claim: &(&String, &Value)| !OF_THE_TOKEN.contains(&claim.0.as_str());
        let (ours, theirs) = (&self.claims, &other.claims);
        self.scopes == other.scopes
            && self.groups == other.groups
            && (ours.is_empty() && theirs.is_empty()
                || ours.iter().filter(of_the_caller).count() == theirs.iter().filter(of_the_caller).count()
                    && ours.iter().filter(of_the_caller).all(|(name, value)| theirs.get(name) == Some(value)))
    }
}

/// Claims that differ from one token of a caller to the next and say nothing about it.
const OF_THE_TOKEN: [&str; 6] = ["exp", "iat", "nbf", "jti", "auth_time", "at_hash"];

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, tenant, groups, scopes, claims, token } = self;
        let claims: Vec<&String> = claims.keys().collect();
        f.debug_struct("Principal")
            .field("id", id)
            .field("tenant", tenant)
            .field("groups", groups)
            .field("scopes", scopes)
            .field("claims", &claims)
            .field("token", token)
            .finish()
    }
}

/// The scopes a credential carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scopes {
    /// The caller is the operator: stdio, or loopback without authentication.
    All,
    Only(BTreeSet<String>),
}

impl Scopes {
    #[must_use]
    pub fn allow(&self, scope: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(scopes) => scopes.contains(scope),
        }
    }
}

/// A public name for a secret: a prefix of its keyed hash. Two requests with the same credential show the same one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokenId(pub(crate) String);

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
