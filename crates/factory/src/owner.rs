//! Whose something is. Every row of the registry has an owner, and every question names one.

use std::{fmt, str::FromStr, sync::Arc};

/// A user of the factory, as the owner of what they made. Safe as the name of a folder.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(Arc<str>);

/// Shows that somebody may see what is others': an admin who was asked for, or the factory at its own work.
///
/// There is no way to make one of data that came from outside.
#[derive(Debug, Clone, Copy)]
pub struct Operator(());

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` can't name a user; such a name has lower-case letters, digits, `.`, `_` and `-`, begins with a letter or a \
     digit, and has at most {} characters",
    Owner::LONGEST
)]
pub struct OwnerError {
    name: String,
}

impl Owner {
    pub const LONGEST: usize = 63;

    /// Whoever works on the factory's own machine, without a token.
    #[must_use]
    pub fn local() -> Self {
        Self("local".into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Operator {
    pub(crate) const fn acting() -> Self {
        Self(())
    }
}

impl FromStr for Owner {
    type Err = OwnerError;

    fn from_str(name: &str) -> Result<Self, OwnerError> {
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        let rest = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
        if begins && rest && name.len() <= Self::LONGEST {
            return Ok(Self(name.into()));
        }
        // It may be of any length and hold anything.
        Err(OwnerError { name: name.chars().take(Self::LONGEST).flat_map(char::escape_debug).collect() })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_a_name_that_is_safe_as_a_folder() {
        for name in ["local", "a", "0", "jane.doe", "team_a-1"] {
            assert_eq!(name.parse::<Owner>().unwrap().as_str(), name);
        }
        for name in ["", ".", "..", "a/b", "A", "-a", "a b", "ä", "a\0", &"a".repeat(64)] {
            assert!(name.parse::<Owner>().is_err(), "{name:?}");
        }
    }
}
