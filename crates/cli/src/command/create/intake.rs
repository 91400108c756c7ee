//! `create` of what is there already: a spec is proposed, and shown, written, or made a server of. One way for all kinds.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use mcp_factory::{
    Error,
    intake::{Finding, Intake, IntakeError, Level, Proposed, Reach},
};

use mcp_factory_spec::model::Mode;

use crate::{args::servers::Create, command, exit, output::plain, progress};

/// How many findings are told one by one.
const TOLD: usize = 200;

/// A spec that a server is still to be made of, and what it is of.
pub struct Spec {
    pub of: String,
    pub text: String,
    /// Where the files are that it names, if it names any.
    pub folder: Option<PathBuf>,
}

/// `None`: it was shown or written, and that was all.
pub fn run(args: &Create, intake: Intake) -> anyhow::Result<Option<Spec>> {
    let reach = Reach::operator();
    let work = intake.propose(args.name.clone(), &reach);
    let proposed = command::runtime()?.block_on(progress::tell("making a spec", work));
    let Proposed { of, proposal } = proposed.map_err(failed)?;
    tell(&proposal.findings);
    let tools = proposal.spec.tools.len();
    let left_out = proposal.findings.iter().filter(|it| it.level == Level::LeftOut).count();
    let tools_word = if tools == 1 { "tool" } else { "tools" };
    let left_out = if left_out == 0 { String::new() } else { format!(", {left_out} left out as listed above") };
    eprintln!("{tools} {tools_word} of {of}{left_out}");
    if proposal.spec.exposure.mode == Mode::Dynamic {
        eprintln!(
            "that is more than a model reads at once: callers find them with `search_tools`, and turn toolsets on, one for each \
             group; `exposure: {{ mode: static }}` lists all"
        );
    }
    let text = proposal.spec.canonical_yaml();
    match &args.import.out {
        _ if args.import.dry_run => command::print(&text).map(|()| None),
        Some(out) => write(&text, out).map(|()| None),
        None => Ok(Some(Spec { of, text, folder: None })),
    }
}

fn tell(findings: &[Finding]) {
    for finding in findings.iter().take(TOLD) {
        eprintln!("{}", plain(&finding.to_string()));
    }
    if findings.len() > TOLD {
        eprintln!("and {} more", findings.len() - TOLD);
    }
}

pub fn failed(error: IntakeError) -> anyhow::Error {
    if let IntakeError::Nothing { findings, .. } = &error {
        tell(findings);
    }
    let error = Error::from(error);
    exit::of_code(error.code(), error.into())
}

/// Nothing that is there is written over.
pub fn write(text: &str, out: &Path) -> anyhow::Result<()> {
    let made = fs::File::create_new(out).and_then(|mut file| file.write_all(text.as_bytes()));
    made.map_err(|error| {
        let is_there = error.kind() == std::io::ErrorKind::AlreadyExists;
        let error = anyhow::Error::from(error).context(format!("can't write `{}`", out.display()));
        if is_there { exit::with_hint(error, "remove it, or choose another name") } else { error }
    })?;
    eprintln!("written to `{}`; next: mcp-factory test {0}", out.display());
    Ok(())
}
