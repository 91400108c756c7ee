//! Programs, started without a shell: each in a session or process group of its own, with the environment it is given and
//! nothing else, bounded in time and output, and ended with its children when its time is over or nobody waits for it.
//!
//! What a program may do on the machine is not bounded here: whoever may start programs ([`Grant::Command`]) may do whatever
//! our user may. A program that leaves its process group (a daemon) is not followed.

mod capture;
mod group;
mod launch;
mod run;
mod talk;

use std::{
    fmt, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{Denied, Grant, Policy};

pub use capture::Captured;
pub use launch::{LAUNCH, Launcher, ProcessLimits, launch};
pub use talk::{LastWords, Talk, Talking};

/// A program that was found and may be started.
#[derive(Debug, Clone)]
pub struct Program {
    name: String,
    path: PathBuf,
    launcher: Option<Launcher>,
    limits: Option<ProcessLimits>,
}

/// One run of it.
#[derive(Debug)]
pub struct Run {
    pub arguments: Vec<String>,
    /// Written to its standard input, which is then closed.
    pub stdin: Vec<u8>,
    /// Absolute.
    pub folder: PathBuf,
    /// All of its environment.
    pub environment: Vec<(String, String)>,
    pub timeout: Duration,
    /// How much of its standard output is kept. The rest is read and dropped, so that it never waits for us.
    pub max_stdout: usize,
    pub lines: Lines,
}

/// Told of each line that the program prints, at most every tenth of a second: how many there were, and the last one.
#[derive(Default)]
pub struct Lines(pub Option<Listener>);

pub type Listener = Box<dyn FnMut(u64, &str) + Send>;

/// What came of it.
#[derive(Debug)]
pub struct Output {
    pub ended: Ended,
    /// From its beginning.
    pub stdout: Captured,
    /// Its end.
    pub stderr: Captured,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Exited(i32),
    /// By this signal, which was not ours.
    Killed(i32),
    /// It was stopped, its time was over.
    TimedOut,
}

/// A program that can't be started.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("there is no program `{name}` in the folders of `PATH`; install it, or name it by its path")]
    NotInPath { name: String },
    #[error("`{}` is no program that can be run; expected an executable file", .path.display())]
    NotExecutable { path: PathBuf },
    #[error("this process can't limit what the program `{name}` uses, and the operator wants it limited")]
    NoLauncher { name: String },
}

/// A run that did not begin, or could not be followed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("an argument of the program `{program}` holds a NUL character, which no argument can")]
    Nul { program: String },
    #[error("the arguments of the program `{program}` are longer than this system takes")]
    TooLong { program: String },
    #[error("the program `{program}` could not be run")]
    Io { program: String, source: io::Error },
}

impl Program {
    /// A name is looked for in the folders of our own `PATH`, a path with a `/` starts in `folder`.
    pub fn find(name: &str, folder: &Path, policy: &Policy) -> Result<Self, ProgramError> {
        policy.check(Grant::Command)?;
        let (launcher, limits) = (policy.launcher().cloned(), policy.process_limits());
        if limits.is_some() && launcher.is_none() {
            return Err(ProgramError::NoLauncher { name: name.to_owned() });
        }
        let path = if name.contains('/') {
            let path = folder.join(name);
            if !is_executable(&path) {
                return Err(ProgramError::NotExecutable { path });
            }
            path
        } else {
            let folders = std::env::var_os("PATH").unwrap_or_default();
            let mut candidates =
                std::env::split_paths(&folders).filter(|folder| folder.is_absolute()).map(|folder| folder.join(name));
            let found = candidates.find(|path| is_executable(path));
            found.ok_or_else(|| ProgramError::NotInPath { name: name.to_owned() })?
        };
        Ok(Self { name: name.to_owned(), path, launcher, limits })
    }

    /// As the spec names it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs it to its end. Dropping the future ends the program and its children.
    pub async fn run(&self, run: Run) -> Result<Output, RunError> {
        run::run(self, run).await
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lines").field(&self.0.is_some()).finish()
    }
}
