//! What an operator granted to the owner of a spec. The author of a spec is not the operator of the machine: what reaches
//! beyond the owner works only where it is granted here, and what is not granted is named.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use crate::command::{Launcher, ProcessLimits};

/// Everything an owner may reach outside their own store.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    all: bool,
    environment: BTreeSet<String>,
    private_networks: bool,
    paths: Vec<PathBuf>,
    command: bool,
    launcher: Option<Launcher>,
    process_limits: Option<ProcessLimits>,
    shared_connections: BTreeSet<String>,
    watch: Option<Watch>,
}

/// Is told of what is not granted.
#[derive(Clone)]
struct Watch(Arc<dyn Fn(&Grant) + Send + Sync>);

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// One thing that can be granted. Its [`code`](Grant::code) is the diagnostic's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// A variable of the process environment.
    Environment(String),
    /// Loopback, private and other addresses that are not on the public internet, and unix sockets.
    PrivateNetworks,
    /// A file or folder, with all below it.
    Path(PathBuf),
    /// To start programs.
    Command,
    /// A connection that the operator shares.
    SharedConnection(String),
}

/// Something that the policy does not grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{grant} is not granted to the owner of this server; the operator can grant `{}`", .grant.name())]
pub struct Denied {
    pub grant: Grant,
}

// === impl Policy ===

impl Policy {
    /// One's own file on one's own machine: everything.
    #[must_use]
    pub fn operator() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// Nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn with(mut self, grant: Grant) -> Self {
        match grant {
            Grant::Environment(name) => drop(self.environment.insert(name)),
            Grant::PrivateNetworks => self.private_networks = true,
            Grant::Path(path) => self.paths.push(path),
            Grant::Command => self.command = true,
            Grant::SharedConnection(name) => drop(self.shared_connections.insert(name)),
        }
        self
    }

    /// Whatever is checked and not granted is told, too. It must not wait.
    #[must_use]
    pub fn watched(mut self, watch: impl Fn(&Grant) + Send + Sync + 'static) -> Self {
        self.watch = Some(Watch(Arc::new(watch)));
        self
    }

    /// Programs are started through this, which lets them die with us.
    #[must_use]
    pub fn with_launcher(mut self, launcher: Launcher) -> Self {
        self.launcher = Some(launcher);
        self
    }

    /// What each started program may use. Without a launcher, which sets these limits, no program is started.
    #[must_use]
    pub fn with_process_limits(mut self, limits: ProcessLimits) -> Self {
        self.process_limits = Some(limits);
        self
    }

    #[must_use]
    pub fn launcher(&self) -> Option<&Launcher> {
        self.launcher.as_ref()
    }

    #[must_use]
    pub fn process_limits(&self) -> Option<ProcessLimits> {
        self.process_limits
    }

    #[must_use]
    pub fn grants(&self, grant: &Grant) -> bool {
        self.all
            || match grant {
                Grant::Environment(name) => self.environment.contains(name),
                Grant::PrivateNetworks => self.private_networks,
                Grant::Path(path) => self.contains(path),
                Grant::Command => self.command,
                Grant::SharedConnection(name) => self.shared_connections.contains(name),
            }
    }

    pub fn check(&self, grant: Grant) -> Result<(), Denied> {
        if self.grants(&grant) {
            return Ok(());
        }
        if let Some(Watch(watch)) = &self.watch {
            watch(&grant);
        }
        Err(Denied { grant })
    }

    /// Judges the path as it is written: one that climbs with `..` is in no granted folder.
    fn contains(&self, path: &Path) -> bool {
        path.is_absolute()
            && !path.components().any(|component| component == Component::ParentDir)
            && self.paths.iter().any(|granted| path.starts_with(granted))
    }
}

// === impl Grant ===

impl Grant {
    /// The word behind `policy/`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Environment(_) => "environment",
            Self::PrivateNetworks => "private-networks",
            Self::Path(_) => "path",
            Self::Command => "command",
            Self::SharedConnection(_) => "shared-connection",
        }
    }

    /// The stable diagnostic code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Environment(_) => "policy/environment",
            Self::PrivateNetworks => "policy/private-networks",
            Self::Path(_) => "policy/path",
            Self::Command => "policy/command",
            Self::SharedConnection(_) => "policy/shared-connection",
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "the environment variable `{name}`"),
            Self::PrivateNetworks => f.write_str("a private network"),
            Self::Path(path) => write!(f, "the path `{}`", path.display()),
            Self::Command => f.write_str("starting programs"),
            Self::SharedConnection(name) => write!(f, "the shared connection `{name}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_may_do_everything_and_nobody_else_anything_ungranted() {
        let grants = [
            Grant::Environment("HOME".into()),
            Grant::PrivateNetworks,
            Grant::Path("/etc/passwd".into()),
            Grant::Command,
            Grant::SharedConnection("shop".into()),
        ];
        for grant in grants {
            assert!(Policy::operator().grants(&grant));
            assert!(!Policy::none().grants(&grant));
            assert!(Policy::none().with(grant.clone()).grants(&grant));
            assert_eq!(grant.code(), format!("policy/{}", grant.name()));
        }
    }

    #[test]
    fn a_granted_folder_is_not_left_by_climbing_or_by_a_longer_name() {
        let policy = Policy::none().with(Grant::Path("/srv/data".into()));
        let allowed = |path: &str| policy.grants(&Grant::Path(path.into()));
        assert!(allowed("/srv/data") && allowed("/srv/data/a/b.db"));
        assert!(!allowed("/srv/database") && !allowed("/srv/data/../x") && !allowed("data/a") && !allowed("/srv"));
    }

    #[test]
    fn a_denial_says_what_is_missing() {
        let denied = Policy::none().check(Grant::PrivateNetworks).unwrap_err();
        assert_eq!(
            denied.to_string(),
            "a private network is not granted to the owner of this server; the operator can grant `private-networks`"
        );
    }
}
