//! `create` of what is there already: a spec is proposed, and shown, written, brought into one that people edited, or made a server
//! of. One way for all kinds.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use mcp_factory::{
    Error,
    intake::{Finding, Intake, IntakeError, Level, Proposal, Proposed, Reach, Update, merge, places},
};
use mcp_factory_control::intake as shown;
use mcp_factory_spec::{Spec, model::ConnectionKind};
use serde_json::{Value, json};

use super::base::{Base, beside};
use crate::{
    api::{self, Api},
    args::{Output, intake::Prefer, servers::Create},
    command, exit, load,
    output::{self, cell, plain},
    program, progress,
};

/// How many findings are told one by one.
const TOLD: usize = 200;

pub fn run(args: &Create, intake: Intake) -> anyhow::Result<ExitCode> {
    let (import, asking) = (&args.import, &args.asking);
    let name = match &import.update {
        Some(place) if is_file(place) => return update_file(args, intake, Path::new(place)),
        Some(name) => {
            return api::with(&asking.reach, asking.output, async |api| {
                let server = api.get(&["mcp", "servers", name]).doing(format!("asking for `{name}`")).send().await?;
                let made =
                    Made::new(args, Some(name.clone()), intake, Some((name.as_str(), &server["origin"]))).await?;
                send(api, args, made).await
            });
        }
        None => args.name.clone(),
    };
    let made = command::runtime()?.block_on(Made::new(args, name, intake, None))?;
    match &import.out {
        _ if import.dry_run => {
            let mut shown = made.shown();
            shown["spec"] = made.text.as_str().into();
            output::print(asking.output, &shown, |_| made.text.clone())?;
        }
        Some(out) => {
            write(&made.text, out)?;
            Base { text: made.text.clone(), origin: made.origin.clone() }.write(out)?;
            written(asking.output, out, made.shown())?;
        }
        None => return api::with(&asking.reach, asking.output, async |api| send(api, args, made).await),
    }
    Ok(ExitCode::SUCCESS)
}

/// As everywhere on the command line: a server's name has neither a dot nor a slash.
fn is_file(place: &str) -> bool {
    place.contains(['.', '/']) || Path::new(place).is_file()
}

/// A spec that was made, and of what.
struct Made {
    of: String,
    proposal: Proposal,
    text: String,
    origin: Option<Value>,
}

impl Made {
    /// `last` says what was chosen at the last import, and for which server or file that was.
    async fn new(
        args: &Create,
        name: Option<String>,
        mut intake: Intake,
        last: Option<(&str, &Value)>,
    ) -> anyhow::Result<Self> {
        let output = args.asking.output;
        let mut told = None;
        if let Some((server, origin)) = last {
            intake.same_kind(server, origin).map_err(|error| failed(output, error))?;
            told = if args.import.forget_options { None } else { intake.choose_again(origin) };
        }
        let (origin, reach) = (intake.origin(), Reach::operator());
        let proposed = progress::tell("making a spec", intake.propose(name, &reach)).await;
        let Proposed { of, mut proposal, text } = proposed.map_err(|error| failed(output, error))?;
        proposal.findings.extend(told);
        if output == Output::Text {
            if args.import.dry_run || args.import.out.is_some() {
                tell_variables(&proposal.spec);
            }
            tell(&of, &proposal);
        }
        Ok(Self { of, proposal, text, origin })
    }

    fn findings(&self) -> Value {
        json!(shown::findings(&self.proposal.findings))
    }

    fn shown(&self) -> Value {
        json!({ "findings": self.findings(), "variables": self.proposal.spec.variables() })
    }
}

/// The factory remembers what was imported, and brings it together with what people changed.
async fn send(api: &Api, args: &Create, made: Made) -> anyhow::Result<ExitCode> {
    let mut from = json!({ "spec": { "text": made.text, "origin": made.origin } });
    // A program that was started here is started from here: relative paths among its arguments mean the same.
    let is_program = made
        .proposal
        .spec
        .connections
        .iter()
        .any(|it| matches!(&it.kind, Some(ConnectionKind::Mcp(mcp)) if !mcp.argv.is_empty()));
    if is_program && api.is_here() {
        from["spec"]["folder"] = env::current_dir().context("there is no current folder")?.display().to_string().into();
    }
    let mut sent = json!({ "from": from, "dryRun": args.import.dry_run });
    if let Some(name) = &args.import.update {
        sent["name"] = name.as_str().into();
        sent["update"] = true.into();
    }
    if let Some(prefer) = args.import.prefer {
        sent["prefer"] = (if prefer == Prefer::Ours { "ours" } else { "theirs" }).into();
    }
    let is_text = api.output() == Output::Text;
    let ask = api.post(&["mcp", "import"]).json(&sent).doing(format!("creating a server of `{}`", made.of));
    let mut answer = match ask.answer().await? {
        Ok(answer) => answer,
        Err(mut problem) => {
            if is_text {
                tell_conflicts(&problem["update"]["conflicts"]);
            }
            prepend(&mut problem, &made);
            return Err(api.refused(&problem)?);
        }
    };
    let update = answer.get_mut("update").map(Value::take).unwrap_or_default();
    if is_text {
        for list in ["changes", "breaking"] {
            update[list].as_array().into_iter().flatten().for_each(|it| eprintln!("{}", plain(&cell(it))));
        }
        for finding in answer["findings"].as_array().into_iter().flatten() {
            eprintln!("{}", plain(&format!("{}: {}", cell(&finding["level"]), cell(&finding["message"]))));
        }
        for row in [&answer["diagnostics"], &answer["problems"]].into_iter().filter_map(Value::as_array).flatten() {
            eprintln!("{}: {} ({})", plain(&cell(&row["path"])), plain(&cell(&row["message"])), cell(&row["code"]));
        }
    }
    prepend(&mut answer, &made);
    if !update.is_null() {
        answer["update"] = update;
    }
    let conflicts = answer["update"]["conflicts"].as_array().map_or(0, Vec::len);
    if conflicts > 0 && args.import.prefer.is_none() {
        return Err(unsettled(args.asking.output, conflicts, &answer)?);
    }
    match answer["spec"].as_str() {
        Some(spec) => output::print(api.output(), &answer, |_| spec.to_owned())?,
        None => output::print(api.output(), &answer, super::shown)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What was found here, before what the factory found.
fn prepend(answer: &mut Value, made: &Made) {
    let mut findings = made.findings();
    let found = answer["findings"].take();
    if let (Some(findings), Value::Array(found)) = (findings.as_array_mut(), found) {
        findings.extend(found);
    }
    answer["findings"] = findings;
}

/// Both changed the same, and nobody says whose counts. `members` are what there is to see of it.
fn unsettled(output: Output, count: usize, members: &Value) -> anyhow::Result<anyhow::Error> {
    if output == Output::Text {
        if let Some(spec) = members["spec"].as_str() {
            command::print(spec)?;
        }
        tell_conflicts(&members["update"]["conflicts"]);
    }
    let message = format!("people and the new import changed the same {}; nothing was changed", places(count));
    Ok(exit::with_members(exit::of_code("conflicts", None, anyhow::Error::msg(message)), members.clone()))
}

/// Both are written beside each other, or none.
fn update_file(args: &Create, intake: Intake, file: &Path) -> anyhow::Result<ExitCode> {
    let output = args.asking.output;
    let ours = load::document(file)?;
    let text = String::from_utf8(ours.bytes).with_context(|| format!("`{}` is no text", file.display()))?;
    let hint = "`mcp-factory validate` says what is wrong";
    let ours = ours.reading.spec.ok_or_else(|| exit::hinted(format!("`{}` has errors", file.display()), hint))?;
    let (base, known) = Base::read(file).ok_or_else(|| {
        let hint = "import what it was made of once more with `--out`, and put that file in its place";
        exit::hinted(format!("`{}` should say what was imported last, and does not", beside(file).display()), hint)
    })?;
    let (place, before) = (file.display().to_string(), base.origin.clone().unwrap_or_default());
    let made = Made::new(args, Some(ours.name.to_string()), intake, Some((place.as_str(), &before)));
    let made = command::runtime()?.block_on(made)?;
    let prefer = args.import.prefer.map(|prefer| match prefer {
        Prefer::Ours => merge::Prefer::Ours,
        Prefer::Theirs => merge::Prefer::Theirs,
    });
    let update = merge::update(&known, &ours, &made.proposal.spec, prefer, |_| false)
        .map_err(|why| failed(output, IntakeError::apart(why, &place, made.of.clone())))?;
    if output == Output::Text {
        tell_update(&update);
    }
    let (merged, carried) = update.written(&ours, &text);
    let mut findings = made.proposal.findings.clone();
    findings.extend(update.findings.iter().cloned());
    let mut told = json!({ "update": shown::Update::of(&update), "findings": shown::findings(&findings) });
    if args.import.dry_run {
        told["spec"] = merged.as_str().into();
    }
    if !update.is_settled() {
        return Err(unsettled(output, update.conflicts.len(), &told)?);
    }
    if args.import.dry_run {
        output::print(output, &told, |_| merged)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (is_text, is_unchanged) = (output == Output::Text, update.is_unchanged());
    if !carried && !is_unchanged {
        let before = PathBuf::from(format!("{place}.before"));
        write(&text, &before)?;
        let before = before.display().to_string();
        if is_text {
            eprintln!("not all comments could be kept; the text as it was is in `{}`", plain(&before));
        }
        told["before"] = before.into();
    }
    let imported = update.imported.as_ref().map_or(made.text, Spec::canonical_yaml);
    Base { text: imported, origin: made.origin }.write(file)?;
    if !is_unchanged {
        fs::write(file, merged).with_context(|| format!("can't write `{place}`"))?;
    }
    match (is_text, is_unchanged) {
        (true, true) => eprintln!("nothing changed in `{place}`"),
        (true, false) => eprintln!("`{place}` is version {} now", update.spec.version),
        (false, _) => {
            told["outcome"] = (if is_unchanged { "unchanged" } else { "updated" }).into();
            told["version"] = update.spec.version.to_string().into();
            told["commentsKept"] = carried.into();
            written(output, file, told)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tell_update(update: &Update) {
    let changes = update.changes.iter().map(ToString::to_string);
    let breaking = update.breaking.iter().map(ToString::to_string);
    let findings = update.findings.iter().map(ToString::to_string);
    changes.chain(breaking).chain(findings).for_each(|line| eprintln!("{}", plain(&line)));
}

fn tell_conflicts(conflicts: &Value) {
    let side = |value: &Value| match value {
        Value::Null => "taken away".to_owned(),
        value => mcp_factory_spec::difference::short(value),
    };
    for it in conflicts.as_array().into_iter().flatten() {
        let (path, ours, theirs) = (cell(&it["path"]), side(&it["ours"]), side(&it["theirs"]));
        eprintln!("{}", plain(&format!("conflict: {path}: ours is {ours}, theirs is {theirs}")));
    }
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

pub fn failed(output: Output, error: IntakeError) -> anyhow::Error {
    let mut members = json!({});
    if let IntakeError::Nothing { findings, .. } = &error {
        match output {
            Output::Text => tell_findings(findings),
            Output::Json | Output::Yaml => members["findings"] = json!(shown::findings(findings)),
        }
    }
    let error = Error::from(error);
    exit::with_members(exit::of_code(error.code(), error.missing(), error.into()), members)
}

/// Nothing that is there is written over.
pub fn write(text: &str, out: &Path) -> anyhow::Result<()> {
    let made = fs::File::create_new(out).and_then(|mut file| file.write_all(text.as_bytes()));
    made.map_err(|error| {
        let is_there = error.kind() == std::io::ErrorKind::AlreadyExists;
        let error = anyhow::Error::from(error).context(format!("can't write `{}`", out.display()));
        if is_there { exit::with_hint(error, "remove it, or choose another name") } else { error }
    })
}

/// Says where it was written, with what else there is to tell.
pub fn written(output: Output, out: &Path, told: Value) -> anyhow::Result<()> {
    let next = program::line(&format!("test {}", program::quoted(&out.display().to_string())));
    written_then(output, out, told, &next)
}

/// The same, with what there is to do with it.
pub fn written_then(output: Output, out: &Path, mut told: Value, next: &str) -> anyhow::Result<()> {
    let out = out.display().to_string();
    if output == Output::Text {
        eprintln!("written to `{out}`; next: {next}");
        return Ok(());
    }
    told["file"] = out.into();
    output::print(output, &told, |_| String::new())
}
