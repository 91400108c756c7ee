//! Secrets are named in a spec and read here when they are needed, never stored in it.

mod file;

use std::{collections::BTreeMap, fmt, sync::Arc};

use zeroize::Zeroizing;

pub use file::{SecretsFile, SecretsFileError};

/// Where named secrets come from: the process environment for one's own file, the owner's store in a shared factory.
pub trait Secrets: Send + Sync + fmt::Debug {
    /// Reads the value now, so that a rotated secret is seen by the next connection.
    fn get(&self, name: &str) -> Result<Secret, SecretError>;

    /// The store of one principal or tenant. What is not in it is nowhere: it never falls back to the owner's.
    fn of(&self, subject: &Subject) -> Result<Arc<dyn Secrets>, SecretError> {
        Err(SecretError::NoStore { subject: subject.clone() })
    }
}

/// Whose secrets they are, where they are not the owner's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    Principal(String),
    Tenant(String),
}

/// A value that shows itself only when asked to, and is wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("environment variable `{name}` is not set; set it before the server starts")]
    Unset { name: String },
    #[error("environment variable `{name}` is not UTF-8 text")]
    NotText { name: String },
    #[error("`{name}` can't name a secret; such a name has the letters A-Z, digits and `_`, and no digit first")]
    Name { name: String },
    #[error("there is no secret `{name}`; add it to the secrets of this server's owner")]
    Missing { name: String },
    #[error("the secret `{name}` was sealed with another key; set it again, or hand in the key of that time")]
    Sealed { name: String },
    #[error("there is no secret `{name}` of {subject}; the operator can add it to the secrets of {subject}")]
    MissingOf { name: String, subject: Subject },
    #[error("nobody keeps secrets of {subject} for this server; the operator can, in a file for `--principal-secrets`")]
    NoStore { subject: Subject },
    #[error("the secrets of {subject} can't be read: {source}")]
    File { subject: Subject, source: SecretsFileError },
}

/// The process environment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Environment;

/// A fixed set of secrets, for tests and for values handed over by another process.
#[derive(Debug, Clone, Default)]
pub struct FixedSecrets {
    values: BTreeMap<String, Secret>,
    subjects: BTreeMap<Subject, BTreeMap<String, Secret>>,
    /// Whose `values` are.
    subject: Option<Subject>,
}

// === impl Secret ===

impl Secret {
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

// === impl Secrets ===

impl Secrets for Environment {
    fn get(&self, name: &str) -> Result<Secret, SecretError> {
        check_name(name)?;
        match std::env::var(name) {
            Ok(value) => Ok(Secret::new(value)),
            Err(std::env::VarError::NotPresent) => Err(SecretError::Unset { name: name.to_owned() }),
            Err(std::env::VarError::NotUnicode(_)) => Err(SecretError::NotText { name: name.to_owned() }),
        }
    }
}

impl Secrets for FixedSecrets {
    fn get(&self, name: &str) -> Result<Secret, SecretError> {
        check_name(name)?;
        self.values.get(name).cloned().ok_or_else(|| SecretError::missing(name, self.subject.as_ref()))
    }

    fn of(&self, subject: &Subject) -> Result<Arc<dyn Secrets>, SecretError> {
        let values = self.subjects.get(subject).cloned().unwrap_or_default();
        Ok(Arc::new(Self { values, subjects: BTreeMap::new(), subject: Some(subject.clone()) }))
    }
}

impl FixedSecrets {
    /// The same, and one more of a principal or tenant.
    #[must_use]
    pub fn with(mut self, subject: Subject, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.subjects.entry(subject).or_default().insert(name.into(), Secret::new(value));
        self
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for FixedSecrets {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(values: I) -> Self {
        let values = values.into_iter().map(|(name, value)| (name.into(), Secret::new(value))).collect();
        Self { values, ..Self::default() }
    }
}

impl SecretError {
    fn missing(name: &str, subject: Option<&Subject>) -> Self {
        let name = name.to_owned();
        match subject {
            None => Self::Missing { name },
            Some(subject) => Self::MissingOf { name, subject: subject.clone() },
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, id) = match self {
            Self::Principal(id) => ("principal", id),
            Self::Tenant(id) => ("tenant", id),
        };
        // An id may hold anything, and be of any length.
        let shown: String = id.chars().take(64).collect();
        write!(f, "the {word} `{}`", shown.escape_debug())
    }
}

/// `^[A-Z_][A-Z0-9_]*$`
fn check_name(name: &str) -> Result<(), SecretError> {
    let bytes = name.as_bytes();
    let starts = bytes.first().is_some_and(|byte| byte.is_ascii_uppercase() || *byte == b'_');
    let rest = bytes.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_');
    if starts && rest { Ok(()) } else { Err(SecretError::Name { name: name.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows_itself_in_debug_output() {
        let secrets: FixedSecrets = [("API_KEY", "hunter2")].into_iter().collect();
        let secret = secrets.get("API_KEY").unwrap();
        assert_eq!(secret.expose(), "hunter2");
        assert!(!format!("{secret:?} {secrets:?}").contains("hunter2"));
    }

    #[test]
    fn each_store_is_its_own_and_none_falls_back_to_another() {
        let secrets = [("TOKEN", "owners")].into_iter().collect::<FixedSecrets>();
        let alice = Subject::Principal("alice".into());
        let secrets =
            secrets.with(alice.clone(), "TOKEN", "of alice").with(Subject::Tenant("bob".into()), "TOKEN", "x");
        assert_eq!(secrets.of(&alice).unwrap().get("TOKEN").unwrap().expose(), "of alice");
        let missing = secrets.of(&Subject::Principal("bob".into())).unwrap().get("TOKEN").unwrap_err();
        assert_eq!(
            missing.to_string(),
            "there is no secret `TOKEN` of the principal `bob`; the operator can add it to the secrets of the principal `bob`"
        );
        assert_eq!(Environment.of(&alice).unwrap_err(), SecretError::NoStore { subject: alice });
    }

    #[test]
    fn a_missing_variable_is_named_with_what_to_do() {
        let error = Environment.get("MCP_FACTORY_NO_SUCH_VARIABLE").unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment variable `MCP_FACTORY_NO_SUCH_VARIABLE` is not set; set it before the server starts"
        );
    }

    #[test]
    fn only_environment_names_are_looked_up() {
        for name in ["", "path", "1A", "A-B", "A=B", "Ä", "A B", "A\0"] {
            assert!(matches!(Environment.get(name), Err(SecretError::Name { .. })), "{name:?}");
        }
        assert!(Environment.get("PATH").is_ok());
    }
}
