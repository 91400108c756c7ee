//! Exit codes, and how an error is told: `error:`, its causes, and a hint that can be typed.

use std::{fmt, process::ExitCode};

/// Something failed that was asked for: an error in a spec, a failed test, a port that is taken.
pub const FAILURE: u8 = 1;
/// The command line itself was wrong (clap uses the same).
pub const USAGE: u8 = 2;

/// An error with an action that may mend it.
#[derive(Debug)]
pub struct Hinted {
    pub message: String,
    pub hint: String,
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Hinted {}

/// The command line asks for something that makes no sense.
#[derive(Debug)]
pub struct Usage(pub Hinted);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Usage {}

pub fn hinted(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Hinted { message: message.into(), hint: hint.into() }.into()
}

pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Usage(Hinted { message: message.into(), hint: hint.into() }).into()
}

/// What may mend it, if that is known.
pub fn hint(error: &anyhow::Error) -> Option<&str> {
    let usage = error.downcast_ref::<Usage>().map(|usage| &usage.0);
    usage.or_else(|| error.downcast_ref::<Hinted>()).map(|hinted| hinted.hint.as_str())
}

/// Prints the error to standard error. Nobody is left to tell when that is closed.
pub fn report(error: &anyhow::Error) -> ExitCode {
    use std::io::Write as _;
    let mut out = std::io::stderr().lock();
    let mut causes = error.chain();
    if let Some(first) = causes.next() {
        let _ = writeln!(out, "error: {first}");
    }
    for cause in causes {
        let _ = writeln!(out, "  caused by: {cause}");
    }
    let usage = error.downcast_ref::<Usage>();
    if let Some(hint) = hint(error) {
        let _ = writeln!(out, "hint: {hint}");
    }
    ExitCode::from(if usage.is_some() { USAGE } else { FAILURE })
}
