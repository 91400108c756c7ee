//! What may name a token, a principal or a tenant.

use std::{borrow::Borrow, str::FromStr};

use serde::Serialize;

use crate::TokenId;

/// Why a name is refused. It is never mended: two names that look alike after mending would be one caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenIdError {
    #[error("is empty")]
    Empty,
    #[error("has more than {} bytes", TokenId::MAX_BYTES)]
    TooLong,
    #[error("holds a control character")]
    Control,
}

pub(super) fn check(name: &str) -> Result<(), TokenIdError> {
    if name.is_empty() {
        Err(TokenIdError::Empty)
    } else if name.len() > TokenId::MAX_BYTES {
        Err(TokenIdError::TooLong)
    } else if name.chars().any(char::is_control) {
        Err(TokenIdError::Control)
    } else {
        Ok(())
    }
}

impl TokenId {
    pub const MAX_BYTES: usize = 255;

    /// A name of the operator's choice, shown in logs and events: `customer-42`. Never a secret.
    pub fn new(name: impl Into<String>) -> Result<Self, TokenIdError> {
        let name = name.into();
        check(&name)?;
        Ok(Self(name))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TokenId {
    type Err = TokenIdError;

    fn from_str(name: &str) -> Result<Self, TokenIdError> {
        Self::new(name)
    }
}

impl Borrow<str> for TokenId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for TokenId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for TokenId {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for TokenId {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl Serialize for TokenId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
