//! What has to be done between the fork and the program, in safe Rust: this very program is started once more, makes itself
//! the session of the child, takes its limits on, asks the kernel to kill it when we die, and becomes the program.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use rustix::process::{
    Pid, Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit, setsid,
};

/// The first argument that makes a program with a [`Launcher`] call [`launch`].
pub const LAUNCH: &str = "exec-child";

/// As shells have it.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// A program whose first act is to call [`launch`] when its first argument is [`LAUNCH`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launcher(PathBuf);

/// How much one process may use. `None` is what we may use ourselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Address space, in bytes.
    pub memory: Option<u64>,
    /// Time on the processor, in whole seconds.
    pub processor_time: Option<Duration>,
    /// The largest file it may write, in bytes.
    pub file_size: Option<u64>,
    pub open_files: Option<u64>,
}

impl Default for ProcessLimits {
    /// For programs of owners who are not the operator.
    fn default() -> Self {
        Self {
            memory: Some(1 << 30),
            processor_time: Some(Duration::from_secs(60)),
            file_size: Some(64 << 20),
            open_files: Some(256),
        }
    }
}

impl Launcher {
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self(program.into())
    }

    /// The program that runs, whatever has become of its file since.
    #[must_use]
    pub fn this_program() -> Self {
        Self::new("/proc/self/exe")
    }

    /// `name` is what the program takes for its own.
    pub(super) fn command(&self, limits: Option<ProcessLimits>, program: &Path, name: &str) -> Command {
        let mut command = Command::new(&self.0);
        command.args([LAUNCH, &std::process::id().to_string(), &limits.map_or_else(String::new, |l| l.to_argument())]);
        command.arg(program).arg(name);
        command
    }
}

impl ProcessLimits {
    fn to_argument(self) -> String {
        let seconds = self.processor_time.map(|time| time.as_secs().max(1));
        let number = |limit: Option<u64>| limit.map(|limit| limit.to_string()).unwrap_or_default();
        [self.memory, seconds, self.file_size, self.open_files].map(number).join(":")
    }

    fn from_argument(argument: &str) -> Option<Self> {
        let number = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
        let mut numbers = argument.split(':').map(number);
        let limits = Self {
            memory: numbers.next()??,
            processor_time: numbers.next()??.map(Duration::from_secs),
            file_size: numbers.next()??,
            open_files: numbers.next()??,
        };
        numbers.next().is_none().then_some(limits)
    }

    fn apply(self) -> io::Result<()> {
        let limits = [
            (Resource::As, self.memory),
            (Resource::Cpu, self.processor_time.map(|time| time.as_secs())),
            (Resource::Fsize, self.file_size),
            (Resource::Nofile, self.open_files),
            // A core would hold the memory of the program in a file that nobody asked for.
            (Resource::Core, Some(0)),
        ];
        for (resource, limit) in limits {
            let Some(limit) = limit else { continue };
            let most = getrlimit(resource).maximum.map_or(limit, |most| most.min(limit));
            setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
        }
        Ok(())
    }
}

/// Becomes the program that the arguments behind [`LAUNCH`] name. Comes back only when that fails.
pub fn launch(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let error = match become_program(arguments) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    let _ = writeln!(io::stderr(), "can't start the program: {error}");
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE })
}

fn become_program(mut arguments: impl Iterator<Item = OsString>) -> io::Result<std::convert::Infallible> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
    let mut text = || arguments.next().and_then(|argument| argument.into_string().ok());
    let parent = text().and_then(|id| id.parse().ok()).and_then(Pid::from_raw).ok_or_else(|| wrong("no parent"))?;
    let limits = match text().ok_or_else(|| wrong("no limits"))? {
        none if none.is_empty() => None,
        some => Some(ProcessLimits::from_argument(&some).ok_or_else(|| wrong("broken limits"))?),
    };
    let program = arguments.next().ok_or_else(|| wrong("no program"))?;
    let name = arguments.next().ok_or_else(|| wrong("no name"))?;
    // A session has no terminal, so the program can't ask for a password there, or write to it.
    setsid()?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(parent) {
        return Err(wrong("the server has ended"));
    }
    if let Some(limits) = limits {
        limits.apply()?;
    }
    Err(Command::new(program).arg0(name).args(arguments).exec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_pass_through_an_argument() {
        let some = ProcessLimits { memory: None, open_files: None, ..ProcessLimits::default() };
        for limits in [ProcessLimits::default(), some] {
            assert_eq!(ProcessLimits::from_argument(&limits.to_argument()), Some(limits));
        }
        for broken in ["", "1", "1:2:3", "1:2:3:4:5", "a:b:c:d"] {
            assert_eq!(ProcessLimits::from_argument(broken), None, "{broken}");
        }
    }
}
