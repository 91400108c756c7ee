//! `mcp-factory create`: a spec becomes a server of the factory, or another version of one.

mod base;
mod infer;
mod intake;
mod watched;

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use mcp_factory_engine::Folder;
use mcp_factory_spec::{AllFiles, Format, Source, render};
use serde_json::{Value, json};

use self::base::Base;
use super::secrets;
use crate::{
    api::{self, Api, Ask},
    args::{Output, servers::Create},
    exit, load,
    output::{self, cell, plain},
    program::{self, Hint},
};

/// Whoever asks for JSON gets one document, whatever comes of it.
pub fn run(args: &Create) -> anyhow::Result<ExitCode> {
    let (done, output) = (create(args), args.asking.output);
    if let (Err(error), Output::Json | Output::Yaml) = (&done, output)
        && let Some(problem) = exit::problem(error)
    {
        output::print(output, &problem, |_| String::new())?;
    }
    done
}

fn create(args: &Create) -> anyhow::Result<ExitCode> {
    let source = &args.source;
    if args.watch {
        let file = source.file.as_ref().or(source.spec.as_ref());
        let file = file.ok_or_else(|| exit::usage("`--watch` takes a spec in a file", "name a file"))?;
        return watched::run(args, file);
    }
    if let Some(intake) = args.intake()? {
        return intake::run(args, intake);
    }
    let inferred = match args.import.infer {
        false => None,
        true => match infer::run(args)? {
            None => return Ok(ExitCode::SUCCESS),
            spec => spec,
        },
    };
    api::with(&args.asking.reach, args.asking.output, async |api| {
        let created = if let Some(infer::Spec { of, text, folder, told }) = &inferred {
            let folder = folder.as_deref().filter(|_| api.is_here());
            let answer = of_text(api, &["mcp", "create"], of, "application/yaml", text.as_bytes(), folder).await?;
            let with_it = |mut answer: Value| {
                answer["inferred"] = told.clone();
                answer
            };
            answer.map(with_it).or_else(|problem| Err(api.refused(&with_it(problem))?))?
        } else {
            match (source.file.as_ref().or(source.spec.as_ref()), &source.json, &source.prompt, &source.template) {
                (Some(file), ..) => {
                    let answer = server_of(api, file).await?;
                    answer.or_else(|problem| Err(api.refused(&problem)?))?
                }
                (_, Some(text), ..) => {
                    let path = ["mcp", "create"];
                    let answer = of_text(api, &path, "--json", "application/json", text.as_bytes(), None).await?;
                    answer.or_else(|problem| Err(api.refused(&problem)?))?
                }
                (_, _, Some(prompt), _) => {
                    let ask = api.post(&["mcp", "create", "natural"]).json(&json!({ "prompt": prompt }));
                    ask.doing("making a spec of a sentence").send().await?
                }
                (_, _, _, Some(template)) => return of_template(api, template).await,
                (None, None, None, None) => return Err(exit::usage("there is no spec", "name a file")),
            }
        };
        output::print(api.output(), &created, shown)?;
        Ok(ExitCode::SUCCESS)
    })
}

/// With what was imported last into the file, if that is beside it: a newer import can be brought into the server, too.
async fn server_of(api: &Api, file: &Path) -> anyhow::Result<Result<Value, Value>> {
    let Some((Base { text: imported, origin }, _)) = Base::read(file) else {
        return of_file(api, &["mcp", "create"], file).await;
    };
    let Sent { name, text, kind, folder } = Sent::of(api, file)?;
    let source = Source { name: &name, bytes: &text, format: Format::of_file(&name) };
    let is_whole = mcp_factory_spec::read(&source, &AllFiles).spec.is_some();
    let (true, Ok(spec)) = (is_whole, std::str::from_utf8(&text)) else {
        return of_text(api, &["mcp", "create"], &name, kind, &text, folder.as_deref()).await;
    };
    let from = json!({ "spec": { "text": spec, "origin": origin, "imported": imported, "folder": folder } });
    let ask = api.post(&["mcp", "import"]).json(&json!({ "from": from }));
    told(ask, api, &name, kind, &text, folder.as_deref()).await
}

/// Where the factory is on this machine, what the spec names beside it is found beside it.
async fn of_file(api: &Api, path: &[&str], file: &Path) -> anyhow::Result<Result<Value, Value>> {
    let Sent { name, text, kind, folder } = Sent::of(api, file)?;
    of_text(api, path, &name, kind, &text, folder.as_deref()).await
}

/// A file as it is sent.
struct Sent {
    name: String,
    text: Vec<u8>,
    kind: &'static str,
    folder: Option<PathBuf>,
}

impl Sent {
    fn of(api: &Api, file: &Path) -> anyhow::Result<Self> {
        let (json, yaml) = ("application/json", "application/yaml");
        let mut text = Vec::new();
        if file == Path::new("-") {
            std::io::stdin().lock().take(load::MOST).read_to_end(&mut text).context("can't read standard input")?;
            let kind = if text.trim_ascii_start().starts_with(b"{") { json } else { yaml };
            return Ok(Self { name: "<stdin>".to_owned(), text, kind, folder: None });
        }
        let unreadable = || format!("can't read `{}`", file.display());
        fs::File::open(file).and_then(|from| from.take(load::MOST).read_to_end(&mut text)).with_context(unreadable)?;
        let kind = if file.extension().is_some_and(|it| it == "json") { json } else { yaml };
        // A pipe, as of `<(…)`, lies in no folder.
        let folder = fs::canonicalize(file).ok().and_then(|file| file.parent().map(Path::to_owned));
        Ok(Self { name: file.display().to_string(), text, kind, folder: folder.filter(|_| api.is_here()) })
    }
}

async fn of_text(
    api: &Api,
    path: &[&str],
    name: &str,
    kind: &'static str,
    text: &[u8],
    folder: Option<&Path>,
) -> anyhow::Result<Result<Value, Value>> {
    let ask = api.post(path).query("folder", folder.map(Path::display)).text(kind, text);
    told(ask, api, name, kind, text, folder).await
}

/// The answer; what was found is told where people look.
async fn told(
    ask: Ask<'_>,
    api: &Api,
    name: &str,
    kind: &str,
    text: &[u8],
    folder: Option<&Path>,
) -> anyhow::Result<Result<Value, Value>> {
    let answer = ask.doing(format!("creating a server of `{name}`")).answer().await?;
    if api.output() == Output::Text {
        let said = answer.as_ref().unwrap_or_else(|problem| problem);
        let format = if kind == "application/json" { Format::Json } else { Format::Yaml };
        eprint!("{}", findings(said, &Source { name, bytes: text, format }, folder.unwrap_or(Path::new("."))));
    }
    Ok(answer)
}

/// What the factory found, where it stands in the text. The language is the same here; what this machine has beside it is not.
fn findings(said: &Value, source: &Source<'_>, folder: &Path) -> String {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut found = list(&said["diagnostics"]);
    // The factory issues them.
    found.retain(|row| row["code"] != "auth/no-keys");
    let mut known = mcp_factory_spec::read(source, &Folder(folder)).diagnostics;
    known.retain(|it| {
        let place =
            |row: &Value| (row["code"].as_str().map(str::to_owned), row["line"].as_u64(), row["column"].as_u64());
        let start = it.span.start;
        let wanted = (Some(it.code.to_string()), Some(start.line.max(1).into()), Some(start.column.max(1).into()));
        let before = found.len();
        found.retain(|row| place(row) != wanted);
        found.len() < before
    });
    let mut text = render::human(source.name, source.bytes, &known, render::Style { colour: load::colour() });
    for row in found.iter().chain(&list(&said["problems"])) {
        let place = row["line"].as_u64().map_or_else(|| cell(&row["path"]), |line| format!("{}:{line}", source.name));
        text.push_str(&format!("{}: {} ({})\n", plain(&place), plain(&cell(&row["message"])), cell(&row["code"])));
    }
    text
}

/// There is none before the factory has templates.
async fn of_template(api: &Api, template: &str) -> anyhow::Result<ExitCode> {
    let known = api.get(&["mcp", "templates"]).send().await?;
    let names: Vec<String> =
        known["templates"].as_array().into_iter().flatten().map(|it| format!("`{}`", cell(&it["name"]))).collect();
    let hint: Hint = match names.as_slice() {
        [] => "this factory has none; `mcp-factory create FILE` takes a spec".into(),
        names => format!("there are {}", names.join(", ")).into(),
    };
    Err(exit::not_found(format!("there is no template `{template}`"), hint))
}

fn shown(created: &Value) -> String {
    let (server, mut text) = (&created["server"], made(created));
    match server["blockers"].as_u64() {
        _ if created["version"] != server["latest"] => {}
        Some(blockers) if blockers > 0 => {
            text.push_str(&format!("it can't be deployed yet: {blockers} blockers, listed above\n"))
        }
        _ if server["deployed"]["version"] == server["latest"] => {}
        _ => text.push_str(&format!("next: {}\n", program::line(&format!("deploy {}", cell(&server["name"]))))),
    }
    text
}

/// What came of it, in one line, and what it lacks, in one for each.
fn made(created: &Value) -> String {
    let server = &created["server"];
    let (name, version, latest) = (cell(&server["name"]), cell(&created["version"]), cell(&server["latest"]));
    if version != latest {
        return format!("{name} {version} was there already, with this text; the latest is {latest}\n");
    }
    let tools = server["tools"].as_u64().unwrap_or(0);
    let outcome = match created["outcome"].as_str() {
        Some("unchanged") => "was there already, with this text",
        Some("updated") => "is a new version",
        _ => "was created",
    };
    let tools = format!("{tools} {}", if tools == 1 { "tool" } else { "tools" });
    format!("{name} {version} {outcome}: {tools}\n{}", secrets::missing(&created["secrets"]))
}
