//! Why a verb was not done. Each reason has a code that programs can act on: it becomes a problem over HTTP, an exit code and a
//! hint on the command line.

use std::sync::Arc;

use mcp_factory_engine::Problem;
use mcp_factory_spec::Diagnostic;
use mcp_serve::tokens::{StoreError, TokenError};
use semver::Version;

use crate::{
    intake::IntakeError,
    lifecycle::Refusal,
    owner::OwnerError,
    registry::{self, Role},
    suite,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the spec has errors; no server was made")]
    Invalid { diagnostics: Vec<Diagnostic> },
    #[error("the spec, with its files, has {bytes} bytes, more than the {most} that this user may send")]
    TooLarge { bytes: usize, most: u32 },
    /// Somebody else's, too: who asks learns nothing of it.
    #[error("there is no {what} `{name}`")]
    NotFound { what: &'static str, name: String },
    #[error("`{name}` is the name of another server; names are unique in a factory, choose another one")]
    NameTaken { name: String },
    #[error("version {version} of `{server}` was registered with another text; raise `version` in the spec")]
    VersionExists { server: String, version: Version },
    #[error(
        "`{server}` is there already, and version {version} of it has another text; an update brings what is new into it, and keeps \
         what people changed"
    )]
    ImportedBefore { server: String, version: Version },
    #[error("`{server}` was not imported: nobody knows what of it was, and what people changed of it since")]
    NotImported { server: String },
    #[error("`{file}` of this server is there with another text; a file never changes, give the new one another name")]
    FileTaken { file: String },
    #[error("there are {most} {what}, as many as this user may have; remove one first")]
    TooMany { what: &'static str, most: u32 },
    #[error("`{name}` is needed by {}; remove those first, or force it", list(.servers))]
    Needed { name: String, servers: Vec<String> },
    #[error("`{user}` still has {servers} servers; remove those first")]
    Owns { user: String, servers: u32 },
    #[error("there is a user `{name}` already")]
    UserExists { name: String },
    #[error("`local` operates this machine, and stays its admin")]
    Local,
    #[error("this takes the role `{needed}`; this caller has `{has}`")]
    Forbidden { needed: Role, has: Role },
    #[error(
        "the registry belongs to a factory with another secret; start with that one, or hand it in as the one before"
    )]
    OtherKey,
    #[error("nobody is known by this credential")]
    Unknown,
    #[error("the idempotency key was used for another request; make a new key for each request")]
    KeyReused,
    #[error("`{name}` is not as it was expected to be; look at it again")]
    Changed { name: String },
    #[error("`{name}` was never deployed; deploy it first")]
    NeverDeployed { name: String },
    #[error("`{name}` does not run in this factory; deploy or start it first")]
    NotRunning { name: String },
    #[error("version {version} of `{name}` can't be deployed: {blockers} blockers; `validate` lists them")]
    NotDeployable { name: String, version: Version, blockers: u32 },
    #[error(
        "`{server}` takes no keys: its `auth` is `{auth}`; make a version with `auth: {{ type: bearer }}`, or with `api_key`"
    )]
    TakesNoKeys { server: String, auth: &'static str },
    #[error("the call was not made: {why}")]
    Call { why: String },
    #[error("this process deploys nothing to `{target}`")]
    NoTarget { target: &'static str },
    #[error("this build can't run it: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Unplanned(Arc<Vec<Problem>>),
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error(transparent)]
    Test(#[from] suite::Error),
    #[error(
        "another factory runs with the data folder `{data}`; end that one first, or give this one a folder of its own"
    )]
    Hosted { data: String },
    #[error(transparent)]
    Busy(#[from] Refusal),
    #[error("{what} {why}")]
    Argument { what: &'static str, why: String },
    #[error(transparent)]
    Name(#[from] OwnerError),
    #[error("a token can't be made")]
    Token(#[from] TokenError),
    #[error("the tokens can't be kept")]
    Tokens(#[source] StoreError),
    #[error("`{path}` can't be used")]
    Folder { path: String, source: std::io::Error },
    #[error(transparent)]
    Registry(#[from] registry::Error),
    #[error("a piece of work broke off")]
    Broken(#[from] tokio::task::JoinError),
}

impl Error {
    /// Stable, and the same wherever the verb was called.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "invalid-spec",
            Self::TooLarge { .. } => "too-large",
            Self::NotFound { .. } => "not-found",
            Self::NameTaken { .. } => "name-taken",
            Self::VersionExists { .. } => "version-exists",
            Self::ImportedBefore { .. } => "imported-before",
            Self::NotImported { .. } => "not-imported",
            Self::FileTaken { .. } => "file-taken",
            Self::TooMany { .. } => "quota",
            Self::Needed { .. } => "needed",
            Self::Owns { .. } => "owns-servers",
            Self::UserExists { .. } => "user-exists",
            Self::Local => "local-admin",
            Self::Forbidden { .. } => "forbidden",
            Self::Unknown => "unauthenticated",
            Self::OtherKey => "other-key",
            Self::KeyReused => "idempotency-key-reused",
            Self::Changed { .. } => "changed",
            Self::NeverDeployed { .. } => "never-deployed",
            Self::NotRunning { .. } => "not-running",
            Self::NotDeployable { .. } => "not-deployable",
            Self::TakesNoKeys { .. } => "takes-no-keys",
            Self::Call { .. } => "call-failed",
            Self::NoTarget { .. } => "no-target",
            Self::Unplanned(_) => "not-deployable",
            Self::Intake(IntakeError::Nothing { .. }) => "invalid-document",
            Self::Intake(IntakeError::Conflicts(_)) => "conflicts",
            Self::Intake(IntakeError::OtherKind { .. }) => "other-kind",
            Self::Intake(IntakeError::Unrelated { .. }) => "unrelated",
            Self::Intake(IntakeError::Argument(_)) => "invalid-argument",
            Self::Intake(IntakeError::Unreadable { .. }) => "unreadable",
            Self::Intake(IntakeError::Denied(_)) => "forbidden",
            Self::Test(suite::Error::NoTool { .. }) => "not-found",
            Self::Test(suite::Error::Asks { .. } | suite::Error::Writes { .. } | suite::Error::Call(_)) => {
                "invalid-argument"
            }
            Self::Test(_) => "unhealthy",
            Self::Hosted { .. } => "hosted",
            Self::Busy(_) => "busy",
            Self::Argument { .. } | Self::Name(_) | Self::Token(_) => "invalid-argument",
            Self::Registry(registry::Error::Locked { .. } | registry::Error::Contended) => "registry-busy",
            Self::Registry(registry::Error::Full { .. }) => "registry-full",
            Self::Registry(registry::Error::Unreachable { .. }) | Self::Tokens(_) => "registry-unreachable",
            Self::Registry(_) => "registry-failed",
            Self::Folder { .. } | Self::Broken(_) | Self::Intake(IntakeError::Broken(_)) => "internal",
        }
    }

    /// What kind of thing is not there, where that is why.
    #[must_use]
    pub fn missing(&self) -> Option<&'static str> {
        match self {
            Self::NotFound { what, .. } => Some(what),
            _ => None,
        }
    }

    /// Whether the caller asked for what can't be had, rather than that the factory failed.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        !matches!(
            self,
            Self::Registry(_)
                | Self::Tokens(_)
                | Self::OtherKey
                | Self::Folder { .. }
                | Self::Broken(_)
                | Self::Intake(IntakeError::Broken(_))
        )
    }

    pub(crate) fn no_server(name: &str) -> Self {
        // The name may be anything that somebody asked for.
        Self::NotFound { what: "server", name: name.chars().take(64).flat_map(char::escape_debug).collect() }
    }

    pub(crate) fn argument(what: &'static str, why: impl Into<String>) -> Self {
        Self::Argument { what, why: why.into() }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Token(error) => Self::Token(error),
            StoreError::Conflict => {
                Self::argument("a key or token", "of this name is there already; choose another one")
            }
            error => Self::Tokens(error),
        }
    }
}

fn list(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
