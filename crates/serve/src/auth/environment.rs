//! Who calls on stdio: whoever started the server, under the name that a variable of the environment gives. There is no
//! credential to check; the operating system did that.

use std::sync::Arc;

use crate::Principal;

/// Where the name is, and what holds without one.
#[derive(Debug, Clone)]
pub struct EnvironmentPrincipal {
    /// Default `MCP_USER_ID`.
    pub variable: String,
    /// Default `default-user`.
    pub default: String,
    /// Without a name nothing is served. Default no.
    pub required: bool,
}

/// Why nobody can be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    #[error("`{variable}` is not set; it names who calls")]
    Missing { variable: String },
    #[error("`{variable}` names nobody: a name has 1 to 255 characters and no control characters")]
    Name { variable: String },
}

impl Default for EnvironmentPrincipal {
    fn default() -> Self {
        Self { variable: "MCP_USER_ID".to_owned(), default: "default-user".to_owned(), required: false }
    }
}

impl EnvironmentPrincipal {
    /// Reads the environment of this process.
    pub fn read(&self) -> Result<Arc<Principal>, EnvironmentError> {
        self.of(std::env::var_os(&self.variable))
    }

    fn of(&self, value: Option<std::ffi::OsString>) -> Result<Arc<Principal>, EnvironmentError> {
        let variable = || self.variable.clone();
        let name = match value {
            None if self.required => return Err(EnvironmentError::Missing { variable: variable() }),
            None => self.default.clone(),
            Some(name) => name.into_string().map_err(|_| EnvironmentError::Name { variable: variable() })?,
        };
        match super::jwt::name(Some(&name.as_str().into())) {
            Some(name) => Ok(Principal::trusted(name)),
            None => Err(EnvironmentError::Name { variable: variable() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S2-45: `EnvAuthProvider`, its defaults and `requireUserId`.
    #[test]
    fn a_variable_names_the_caller_of_stdio() {
        let of = |environment: &EnvironmentPrincipal, value: Option<&str>| environment.of(value.map(Into::into));
        let usual = EnvironmentPrincipal::default();
        assert_eq!(of(&usual, Some("alice")).expect("named").id, "alice");
        assert_eq!(of(&usual, None).expect("the default").id, "default-user");
        let strict = EnvironmentPrincipal { required: true, ..usual };
        let missing = of(&strict, None).expect_err("required");
        assert_eq!(missing.to_string(), "`MCP_USER_ID` is not set; it names who calls");
        // S2-48: refused, not mended.
        for name in ["", "  ", "a\u{0}b", "a\nb", &"x".repeat(256)] {
            assert!(of(&strict, Some(name)).is_err(), "{name:?}");
        }
    }
}
