//! A token as it is handed in, as it is kept and as it is shown.

use std::{collections::BTreeSet, sync::Arc, time::SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    RegistryOptions, Secret, SecretHash,
    hash::HashKey,
    id::{self, TokenIdError},
};
use crate::{Limits, Principal, Scopes, TokenId};

/// A token to be added: its secrets, and whose it is. Without more it has a name made of its secret, and is a caller of
/// that name with no scopes.
///
/// ```
/// use mcp_serve::{Limits, tokens::Token};
///
/// let token = Token::new("3f9c…").with_id("customer-42").with_tenant("acme").with_scopes(["read"]);
/// assert!(!format!("{token:?}").contains("3f9c"));
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Token {
    secrets: Vec<(Secret, Option<SystemTime>)>,
    id: Option<String>,
    principal: Option<String>,
    tenant: Option<String>,
    groups: Vec<String>,
    scopes: BTreeSet<String>,
    claims: Map<String, Value>,
    expires_at: Option<SystemTime>,
    limits: Limits,
}

impl Token {
    pub fn new(secret: impl Into<Secret>) -> Self {
        Self {
            secrets: vec![(secret.into(), None)],
            id: None,
            principal: None,
            tenant: None,
            groups: Vec::new(),
            scopes: BTreeSet::new(),
            claims: Map::new(),
            expires_at: None,
            limits: Limits::none(),
        }
    }

    /// The public name, for logs, events and bills.
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// One more secret of the same token: while clients change over to a new one.
    pub fn with_secret(mut self, secret: impl Into<Secret>) -> Self {
        self.secrets.push((secret.into(), None));
        self
    }

    /// One more secret, until then.
    pub fn with_secret_until(mut self, secret: impl Into<Secret>, until: SystemTime) -> Self {
        self.secrets.push((secret.into(), Some(until)));
        self
    }

    /// Who calls with it. Several tokens may be of one caller. Default: the id.
    pub fn with_principal(mut self, id: impl Into<String>) -> Self {
        self.principal = Some(id.into());
        self
    }

    pub fn with_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    pub fn with_groups<T: Into<String>>(mut self, groups: impl IntoIterator<Item = T>) -> Self {
        self.groups = groups.into_iter().map(Into::into).collect();
        self
    }

    pub fn with_scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    pub fn with_claims(mut self, claims: Map<String, Value>) -> Self {
        self.claims = claims;
        self
    }

    pub fn expires_at(mut self, time: SystemTime) -> Self {
        self.expires_at = Some(time);
        self
    }

    /// How much is asked with this token, besides what the server allows everybody.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Forgets the secrets.
    pub(super) fn into_record(self, key: &HashKey, options: &RegistryOptions) -> Result<TokenRecord, TokenError> {
        let mut secrets: Vec<SecretRecord> = Vec::with_capacity(self.secrets.len());
        for (secret, expires_at) in &self.secrets {
            let hash = check_secret(secret, options, key)?;
            if secrets.iter().any(|known| known.hash == hash) {
                return Err(TokenError::SecretTaken);
            }
            if self.id.as_deref() == Some(secret.expose()) && secret.expose().len() >= RegistryOptions::GOOD_SECRET {
                return Err(TokenError::SecretAsId);
            }
            secrets.push(SecretRecord { hash, expires_at: *expires_at });
        }
        let id = match self.id {
            Some(id) => TokenId::new(id).map_err(|source| TokenError::Name { what: "token id", source })?,
            None => key.derived_id(self.secrets[0].0.expose().as_bytes()),
        };
        let principal = Principal {
            id: self.principal.unwrap_or_else(|| id.as_str().to_owned()),
            tenant: self.tenant,
            groups: self.groups,
            scopes: Scopes::Only(self.scopes),
            claims: self.claims,
            token: Some(id),
        };
        let record =
            TokenRecord { principal: Arc::new(principal), secrets, expires_at: self.expires_at, limits: self.limits };
        record.check()?;
        Ok(record)
    }
}

pub(super) fn check_secret(
    secret: &Secret,
    options: &RegistryOptions,
    key: &HashKey,
) -> Result<SecretHash, TokenError> {
    let text = secret.expose();
    if text.len() < options.min_secret.max(1) {
        return Err(TokenError::SecretTooShort { least: options.min_secret.max(1) });
    }
    if text.len() > RegistryOptions::MAX_SECRET {
        return Err(TokenError::SecretTooLong);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenError::SecretUnsendable);
    }
    Ok(key.hash(text.as_bytes()))
}

impl From<&str> for Token {
    fn from(secret: &str) -> Self {
        Self::new(secret)
    }
}

impl From<String> for Token {
    fn from(secret: String) -> Self {
        Self::new(secret)
    }
}

impl From<Secret> for Token {
    fn from(secret: Secret) -> Self {
        Self::new(secret)
    }
}

/// A token as it is kept and stored: without its secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenRecord {
    /// With the token's id.
    pub principal: Arc<Principal>,
    pub secrets: Vec<SecretRecord>,
    pub expires_at: Option<SystemTime>,
    pub limits: Limits,
}

/// One of the secrets of a token, as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRecord {
    pub hash: SecretHash,
    pub expires_at: Option<SystemTime>,
}

impl TokenRecord {
    /// # Panics
    /// When the principal was replaced by one without a token, which `check` refuses.
    #[must_use]
    pub fn id(&self) -> &TokenId {
        self.principal.token.as_ref().expect("checked when it was made")
    }

    pub(super) fn check(&self) -> Result<(), TokenError> {
        let name = |what, name: &str| id::check(name).map_err(|source| TokenError::Name { what, source });
        name("token id", self.principal.token.as_ref().map_or("", TokenId::as_str))?;
        name("principal", &self.principal.id)?;
        if let Some(tenant) = &self.principal.tenant {
            name("tenant", tenant)?;
        }
        if self.secrets.is_empty() { Err(TokenError::NoSecret) } else { Ok(()) }
    }
}

/// What may be shown of a token.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenInfo {
    pub token: TokenId,
    pub principal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// How many there are; more than one while clients change over.
    pub secrets: usize,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "rfc3339")]
    pub expires_at: Option<SystemTime>,
}

fn rfc3339<S: serde::Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = time.map(|time| DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Millis, true));
    text.serialize(serializer)
}

impl TokenInfo {
    pub(super) fn of(record: &TokenRecord) -> Self {
        Self {
            token: record.id().clone(),
            principal: record.principal.id.clone(),
            tenant: record.principal.tenant.clone(),
            secrets: record.secrets.len(),
            expires_at: record.expires_at,
        }
    }
}

/// Why a token is not taken. No message holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the {what} of a token {source}; give 1 to {} bytes without control characters", TokenId::MAX_BYTES)]
    Name { what: &'static str, source: TokenIdError },
    #[error("there is a token `{}` already; update it, or choose another id", .id.as_str())]
    Exists { id: TokenId },
    #[error("a secret of this token is one of another token already")]
    SecretTaken,
    #[error("the id of a token is public and must not be its secret")]
    SecretAsId,
    #[error("a token needs a secret")]
    NoSecret,
    #[error("a secret needs at least {least} characters here; `Secret::generate` makes a good one")]
    SecretTooShort { least: usize },
    #[error("a secret has at most {} characters", RegistryOptions::MAX_SECRET)]
    SecretTooLong,
    #[error("a secret holds a character that no header can carry; use letters, digits and punctuation")]
    SecretUnsendable,
    #[error("there are {most} tokens already, as many as are allowed")]
    Full { most: usize },
    #[error("an update must not change the id of `{}`; add another token", .id.as_str())]
    Renamed { id: TokenId },
}
