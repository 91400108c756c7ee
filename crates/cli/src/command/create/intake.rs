//! `create` of what is there already: a spec is proposed, and shown, written, brought into one that people edited, or made a server
//! of. One way for all kinds.

use std::{
    ffi::OsString,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use mcp_factory::{
    Error,
    intake::{Finding, Intake, IntakeError, Level, Proposal, Proposed, Reach, Update, merge},
};
use serde_json::{Value, json};

use crate::{
    api::{self, Api},
    args::{Output, intake::Prefer, servers::Create},
    command, exit, load,
    output::{self, cell, plain},
    program, progress,
};

/// How many findings are told one by one.
const TOLD: usize = 200;

/// A spec that a server is still to be made of, and what it is of.
pub struct Spec {
    pub of: String,
    pub text: String,
    /// Where the files are that it names, if it names any.
    pub folder: Option<PathBuf>,
}

pub fn run(args: &Create, intake: Intake) -> anyhow::Result<ExitCode> {
    match &args.import.update {
        Some(place) if is_file(place) => return update_file(args, intake, Path::new(place)),
        _ => {}
    }
    let name = args.import.update.clone().or_else(|| args.name.clone());
    let Proposed { of, proposal, text } = propose(name, intake)?;
    if args.import.dry_run || args.import.out.is_some() {
        tell_variables(&proposal.spec);
    }
    tell(&of, &proposal);
    match &args.import.out {
        _ if args.import.dry_run && args.import.update.is_none() => command::print(&text)?,
        Some(out) => {
            write(&text, out)?;
            replace(&beside(out), &text)?;
        }
        None => {
            return api::with(&args.asking.reach, args.asking.output, async |api| import(api, args, &of, &text).await);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// As everywhere on the command line: a server's name has neither a dot nor a slash.
fn is_file(place: &str) -> bool {
    place.contains(['.', '/']) || Path::new(place).is_file()
}

fn propose(name: Option<String>, intake: Intake) -> anyhow::Result<Proposed> {
    let reach = Reach::operator();
    let work = intake.propose(name, &reach);
    command::runtime()?.block_on(progress::tell("making a spec", work)).map_err(failed)
}

/// The factory remembers what was imported, and brings it together with what people changed.
async fn import(api: &Api, args: &Create, of: &str, text: &str) -> anyhow::Result<ExitCode> {
    let mut sent = json!({ "from": { "spec": { "text": text } }, "dryRun": args.import.dry_run });
    if let Some(name) = &args.import.update {
        sent["name"] = name.as_str().into();
        sent["update"] = true.into();
    }
    if let Some(prefer) = args.import.prefer {
        sent["prefer"] = (if prefer == Prefer::Ours { "ours" } else { "theirs" }).into();
    }
    let ask = api.post(&["mcp", "import"]).json(&sent).doing(format!("creating a server of `{of}`"));
    let answer = ask.answer().await?.or_else(|problem| {
        let conflicts = problem["conflicts"].as_array().into_iter().flatten();
        conflicts.for_each(|it| eprintln!("{}", conflict(&cell(&it["path"]), &it["ours"], &it["theirs"])));
        Err(api.refused(&problem)?)
    })?;
    for list in ["changes", "breaking"] {
        answer["update"][list].as_array().into_iter().flatten().for_each(|it| eprintln!("{}", plain(&cell(it))));
    }
    if let Some(spec) = answer["spec"].as_str() {
        command::print(spec)?;
        return Ok(ExitCode::SUCCESS);
    }
    if api.output() == Output::Text {
        for row in [&answer["diagnostics"], &answer["problems"]].into_iter().filter_map(Value::as_array).flatten() {
            eprintln!("{}: {} ({})", plain(&cell(&row["path"])), plain(&cell(&row["message"])), cell(&row["code"]));
        }
    }
    output::print(api.output(), &answer, super::shown)?;
    Ok(ExitCode::SUCCESS)
}

/// Both are written beside each other, or none.
fn update_file(args: &Create, intake: Intake, file: &Path) -> anyhow::Result<ExitCode> {
    let beside = beside(file);
    let ours = load::document(file)?;
    let text = String::from_utf8(ours.bytes).with_context(|| format!("`{}` is no text", file.display()))?;
    let hint = "`mcp-factory validate` says what is wrong";
    let ours = ours.reading.spec.ok_or_else(|| exit::hinted(format!("`{}` has errors", file.display()), hint))?;
    let base = load::document(&beside).ok().and_then(|it| it.reading.spec).ok_or_else(|| {
        let hint = "import what it was made of once more with `--out`, and put that file in its place";
        exit::hinted(format!("`{}` should say what was imported last, and does not", beside.display()), hint)
    })?;
    let Proposed { of, proposal, text: imported } = propose(Some(ours.name.to_string()), intake)?;
    tell(&of, &proposal);
    let prefer = args.import.prefer.map(|prefer| match prefer {
        Prefer::Ours => merge::Prefer::Ours,
        Prefer::Theirs => merge::Prefer::Theirs,
    });
    let update = merge::update(&base, &ours, &proposal.spec, prefer)
        .map_err(|findings| failed(IntakeError::Nothing { of, findings }))?;
    tell_update(&update);
    let (merged, carried) = update.written(&ours, &text);
    if args.import.dry_run {
        command::print(&merged)?;
    }
    if !update.is_settled() {
        let places = update.conflicts.len();
        let message = format!("people and the new import changed the same in {places} places; nothing was changed");
        return Err(exit::hinted(
            message,
            "`--prefer ours` keeps what people wrote, `--prefer theirs` takes what is new",
        ));
    }
    if args.import.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if !carried {
        eprintln!("comments could not be kept where they were; the spec is written in its canonical form");
    }
    replace(&beside, &imported)?;
    if update.is_unchanged() {
        eprintln!("nothing changed in `{}`", file.display());
    } else {
        fs::write(file, merged).with_context(|| format!("can't write `{}`", file.display()))?;
        eprintln!("`{}` is version {} now", file.display(), update.spec.version);
    }
    Ok(ExitCode::SUCCESS)
}

fn tell_update(update: &Update) {
    let changes = update.changes.iter().map(ToString::to_string);
    let breaking = update.breaking.iter().map(ToString::to_string);
    let findings = update.findings.iter().map(ToString::to_string);
    changes.chain(breaking).chain(findings).for_each(|line| eprintln!("{}", plain(&line)));
    for it in &update.conflicts {
        let side = |value: &Option<Value>| value.clone().unwrap_or_default();
        eprintln!("{}", conflict(&it.path, &side(&it.ours), &side(&it.theirs)));
    }
}

fn conflict(path: &str, ours: &Value, theirs: &Value) -> String {
    let side = |value: &Value| match value {
        Value::Null => "taken away".to_owned(),
        value => mcp_factory_spec::difference::short(value),
    };
    plain(&format!("conflict: {path}: ours is {}, theirs is {}", side(ours), side(theirs)))
}

fn tell(of: &str, proposal: &Proposal) {
    tell_findings(&proposal.findings);
    let tools = proposal.spec.tools.len();
    let of_level = |level| proposal.findings.iter().filter(|it| it.level == level).count();
    let tools_word = if tools == 1 { "tool" } else { "tools" };
    let parts = |count| if count == 1 { "1 part".to_owned() } else { format!("{count} parts") };
    let left_out = match (of_level(Level::LeftOut), of_level(Level::Partly)) {
        (0, 0) => String::new(),
        (whole, 0) => format!(", {whole} left out as listed above"),
        (0, some) => format!(", {} left out as listed above", parts(some)),
        (whole, some) => format!(", {whole} and {} of others left out as listed above", parts(some)),
    };
    eprintln!("{tools} {tools_word} of {of}{left_out}");
}

/// What has to be set before the spec can do all that it says: it differs by where it will run.
fn tell_variables(spec: &mcp_factory_spec::Spec) {
    for name in spec.variables() {
        let set = program::line(&format!("secrets set {name}"));
        eprintln!(
            "needs `{name}`: an environment variable for `serve`, a secret for a server of the factory ({set} < FILE)"
        );
    }
}

fn tell_findings(findings: &[Finding]) {
    for finding in findings.iter().take(TOLD) {
        eprintln!("{}", plain(&finding.to_string()));
    }
    if findings.len() > TOLD {
        eprintln!("and {} more", findings.len() - TOLD);
    }
}

pub fn failed(error: IntakeError) -> anyhow::Error {
    if let IntakeError::Nothing { findings, .. } = &error {
        tell_findings(findings);
    }
    let error = Error::from(error);
    exit::of_code(error.code(), error.missing(), error.into())
}

/// What was imported last, as it was: nobody edits it.
fn beside(file: &Path) -> PathBuf {
    let mut name: OsString = file.into();
    name.push(".imported");
    name.into()
}

fn replace(beside: &Path, imported: &str) -> anyhow::Result<()> {
    fs::write(beside, imported).with_context(|| format!("can't write `{}`", beside.display()))
}

/// Nothing that is there is written over.
pub fn write(text: &str, out: &Path) -> anyhow::Result<()> {
    let made = fs::File::create_new(out).and_then(|mut file| file.write_all(text.as_bytes()));
    made.map_err(|error| {
        let is_there = error.kind() == std::io::ErrorKind::AlreadyExists;
        let error = anyhow::Error::from(error).context(format!("can't write `{}`", out.display()));
        if is_there { exit::with_hint(error, "remove it, or choose another name") } else { error }
    })?;
    let out = out.display().to_string();
    eprintln!("written to `{out}`; next: {}", program::line(&format!("test {}", program::quoted(&out))));
    Ok(())
}
