//! Exit codes, and how an error is told: `error:`, its causes, and a hint that can be typed.

use std::{error::Error, fmt, process::ExitCode};

use serde_json::{Value, json};

use crate::program::{self, Hint};

/// Something failed that was asked for: an error in a spec, a failed test, a port that is taken.
pub const FAILURE: u8 = 1;
/// The command line itself was wrong (clap uses the same).
pub const USAGE: u8 = 2;
/// What was asked for is not there, or somebody else's.
pub const NOT_FOUND: u8 = 3;

/// An error with an exit code, and an action that may mend it.
#[derive(Debug)]
struct Failure {
    error: Box<dyn Error + Send + Sync>,
    hint: Option<Hint>,
    exit: u8,
    problem: Problem,
}

/// What programs get of it, which ask for JSON.
#[derive(Debug, Default)]
enum Problem {
    /// What people are told.
    #[default]
    Plain,
    /// Further members beside that.
    With(Value),
    /// They got it.
    Told,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

fn failure(message: impl Into<String>, hint: impl Into<Hint>, exit: u8) -> anyhow::Error {
    Failure { error: message.into().into(), hint: Some(hint.into()), exit, problem: Problem::Plain }.into()
}

pub fn hinted(message: impl Into<String>, hint: impl Into<Hint>) -> anyhow::Error {
    failure(message, hint, FAILURE)
}

/// The command line asks for something that makes no sense.
pub fn usage(message: impl Into<String>, hint: impl Into<Hint>) -> anyhow::Error {
    failure(message, hint, USAGE)
}

pub fn not_found(message: impl Into<String>, hint: impl Into<Hint>) -> anyhow::Error {
    failure(message, hint, NOT_FOUND)
}

/// The same error, with its causes.
pub fn with_hint(error: anyhow::Error, hint: impl Into<Hint>) -> anyhow::Error {
    Failure { error: error.into(), hint: Some(hint.into()), exit: FAILURE, problem: Problem::Plain }.into()
}

/// The same error, with what else programs get of it: an object.
pub fn with_members(error: anyhow::Error, members: Value) -> anyhow::Error {
    match error.downcast::<Failure>() {
        Ok(failure) => {
            let mut known = match failure.problem {
                Problem::With(known) => known,
                Problem::Plain | Problem::Told => json!({}),
            };
            if let (Some(known), Value::Object(members)) = (known.as_object_mut(), members) {
                known.extend(members);
            }
            Failure { problem: Problem::With(known), ..failure }.into()
        }
        Err(error) => {
            Failure { error: error.into(), hint: None, exit: FAILURE, problem: Problem::With(members) }.into()
        }
    }
}

/// The error as programs get it, unless they got it from the factory: with the members of a problem of its REST API, and the hint.
pub fn problem(error: &anyhow::Error) -> Option<Value> {
    let failure = error.downcast_ref::<Failure>();
    let code = match code(error) {
        USAGE => "invalid-argument",
        NOT_FOUND => "not-found",
        _ => "failed",
    };
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    let mut problem = json!({ "code": code, "detail": causes.join(": ") });
    if let Some(hint) = hint(error) {
        problem["hint"] = hint.to_string().into();
    }
    match failure.map(|failure| &failure.problem) {
        Some(Problem::Told) => return None,
        Some(Problem::With(Value::Object(members))) => {
            members.iter().for_each(|(name, value)| problem[name] = value.clone());
        }
        _ => {}
    }
    Some(problem)
}

/// What the factory answered: a problem, with its code and what it says. Whoever asks for JSON got it as it is.
pub fn refused(problem: &Value) -> anyhow::Error {
    let code = problem["code"].as_str().unwrap_or_default();
    let detail = crate::output::plain(problem["detail"].as_str().unwrap_or("the factory refused it"));
    let failure = failure_of(code, problem["missing"].as_str(), anyhow::Error::msg(detail));
    Failure { problem: Problem::Told, ..failure }.into()
}

/// What a code of the factory means to somebody who types. What has no hint here says itself what may be done.
/// `missing` says what kind of thing is not there, where that is why.
pub fn of_code(code: &str, missing: Option<&str>, error: anyhow::Error) -> anyhow::Error {
    failure_of(code, missing, error).into()
}

fn failure_of(code: &str, missing: Option<&str>, error: anyhow::Error) -> Failure {
    let hint = match code {
        "unauthenticated" | "invalid-credential" => {
            "set `MCP_FACTORY_TOKEN` to a token of this factory; \
                                                     `mcp-factory tokens issue NAME`, where it runs, makes one"
        }
        "forbidden" => "ask an admin of the factory for that role",
        "not-found" => match missing {
            Some("server") => "`mcp-factory list` shows those there are",
            Some("user") => "`mcp-factory users list` shows those there are, to an admin",
            Some("secret") => "`mcp-factory secrets list` shows those there are",
            Some("version" | "version before") => "`mcp-factory versions SERVER` lists those there are",
            _ => "",
        },
        "invalid-spec" | "invalid-document" => "mend what is listed above",
        "conflicts" => "`--prefer ours` keeps what people wrote, `--prefer theirs` takes what is new",
        "imported-before" => {
            "`--update NAME`, with its name, brings what is new into it and keeps what people changed; `--name` makes another server"
        }
        "not-imported" => {
            "where the file is that `--out` wrote, with `FILE.imported` beside it, `mcp-factory create FILE` makes it known; else write \
             what it was made of once more with `--out FILE`, put your own spec into FILE, and create that"
        }
        "unreadable" => "look whether it is there, and what it takes to read it",
        "too-large" => {
            "choose fewer parts of it, or ask an admin for more: `mcp-factory users change NAME --max-spec-bytes BYTES`"
        }
        "never-deployed" => "`mcp-factory deploy SERVER` does",
        "needed" => "`--force` removes it all the same",
        "unhealthy" => "`mcp-factory logs SERVER` shows what it said",
        "rate-limited" | "registry-busy" | "busy" => "try again in a moment",
        "no-target" => "`--target local` is there wherever a factory runs",
        "not-implemented" => "`mcp-factory create FILE` takes a spec",
        "other-key" => {
            "factories that share a registry share their secret: copy the file `secret` from the data folder of the one that \
             was first into this one's, or set `MCP_FACTORY_SECRET` for both"
        }
        "registry-unreachable" => "look whether the database of `--registry` runs, and lets you in",
        "registry-full" => "make room on the disk",
        _ => "",
    };
    let exit = match code {
        "invalid-argument" => USAGE,
        "not-found" => NOT_FOUND,
        _ => FAILURE,
    };
    let hint = (!hint.is_empty()).then(|| hint.into());
    Failure { error: error.into(), hint, exit, problem: Problem::With(json!({ "code": code })) }
}

/// The same error, where it is known which server it is about, and which secret that lacks.
pub fn about_server(error: anyhow::Error, server: &str) -> anyhow::Error {
    // What a tool answered when it was tried. Somebody else may have said it, but a name of a secret is all that is taken of it.
    let lacks = error.to_string();
    let lacks = lacks.split_once("there is no secret `").and_then(|(_, rest)| rest.split_once('`'));
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    match error.downcast::<Failure>() {
        Ok(failure) => {
            let hint = match lacks {
                Some((secret, _)) if is_name(secret) => {
                    let set = program::line(&format!("secrets set {secret}"));
                    let deploy = program::line(&format!("deploy {}", program::quoted(server)));
                    Some(format!("`{set}` takes its value from standard input; then `{deploy}`").into())
                }
                _ => failure.hint.map(|hint| hint.about(server)),
            };
            Failure { hint, ..failure }.into()
        }
        Err(error) => error,
    }
}

/// What may mend it, if that is known.
pub fn hint(error: &anyhow::Error) -> Option<&Hint> {
    error.downcast_ref::<Failure>().and_then(|failure| failure.hint.as_ref())
}

fn code(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<Failure>().map_or(FAILURE, |failure| failure.exit)
}

/// Prints the error to standard error. Nobody is left to tell when that is closed.
pub fn report(error: &anyhow::Error) -> ExitCode {
    use std::io::Write as _;
    let mut out = std::io::stderr().lock();
    let coloured = crate::terminal::colours(&out);
    let word = |code: u8, word: &str| if coloured { format!("\x1b[1;{code}m{word}\x1b[0m") } else { word.to_owned() };
    let mut causes = error.chain();
    if let Some(first) = causes.next() {
        let _ = writeln!(out, "{} {first}", word(31, "error:"));
    }
    for cause in causes {
        let _ = writeln!(out, "  caused by: {cause}");
    }
    if let Some(hint) = hint(error) {
        let _ = writeln!(out, "{} {}", word(36, "hint:"), hint);
    }
    ExitCode::from(code(error))
}
