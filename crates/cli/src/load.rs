//! A file on the command line becomes a spec, and a spec an engine. Author and operator are the same here, so everything
//! is granted and the process environment is the store of secrets.

use std::{
    collections::BTreeSet,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use anyhow::Context as _;
use mcp_factory::NeededSecret;
use mcp_factory_connect::{
    command::Launcher,
    policy::Policy,
    secrets::{Environment, Secrets, SecretsFile},
};
use mcp_factory_engine::{Engine, Files, Folder, Plan, Surroundings, Tasks};
use mcp_factory_spec::{Format, Reading, Source, Spec, Verdict, render};
use mcp_serve::Changes;
use sha2::{Digest as _, Sha256};

use crate::{approvals, args, exit, key};

/// Bytes that are read before the reader of the language would refuse them anyway.
pub const MOST: u64 = (16 << 20) + 1;

/// Environment variables that are known to be missing.
static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// What a spec was read from.
pub struct Document {
    /// As diagnostics name it.
    pub name: String,
    pub bytes: Vec<u8>,
    /// Relative paths in the spec start here.
    pub folder: PathBuf,
    pub reading: Reading,
}

/// Reads and checks; the findings are in the document, an error is a file that can't be read.
pub fn document(file: &Path) -> anyhow::Result<Document> {
    let (name, bytes, folder) = if file == Path::new("-") {
        ("<stdin>".to_owned(), read(std::io::stdin().lock()).context("can't read standard input")?, PathBuf::from("."))
    } else {
        let bytes = fs::File::open(file).and_then(read).with_context(|| format!("can't read `{}`", file.display()))?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        (file.display().to_string(), bytes, folder.to_owned())
    };
    let format = match name.as_str() {
        "<stdin>" if bytes.trim_ascii_start().starts_with(b"{") => Format::Json,
        _ => Format::of_file(&name),
    };
    let reading = mcp_factory_spec::read(&Source { name: &name, bytes: &bytes, format }, &Folder(&folder));
    Ok(Document { name, bytes, folder, reading })
}

/// Where the databases live that the spec seeds itself.
#[derive(Debug)]
pub enum Seeds {
    /// Where the spec says.
    Real,
    /// Made anew in this folder.
    Fresh(PathBuf),
}

/// How an engine is made.
#[derive(Debug)]
pub struct Options {
    pub allow_stubs: bool,
    pub seeds: Seeds,
    /// Where its clients hear that it took another's place.
    pub changes: Option<Changes>,
    /// What is true when nothing comes of it.
    pub otherwise: &'static str,
}

impl Options {
    pub fn new(allow_stubs: bool, seeds: Seeds) -> Self {
        Self { allow_stubs, seeds, changes: None, otherwise: "nothing was started" }
    }
}

/// An engine, and what it was made of.
pub struct Loaded {
    pub spec: Arc<Spec>,
    pub engine: Engine,
    /// The files beside the spec that are part of it.
    pub files: Files,
    /// Of the spec's text.
    pub digest: [u8; 32],
}

/// An engine of a spec that may run: no error, and no blocker unless stubs are allowed. Says on standard error what was
/// found.
pub fn engine(args: &args::Spec, allow_stubs: bool, seeds: Seeds) -> anyhow::Result<(Arc<Spec>, Engine)> {
    let mut findings = String::new();
    let loaded = load(args, Options::new(allow_stubs, seeds), &mut findings, |_, _| {});
    eprint!("{findings}");
    let loaded = loaded?;
    Ok((loaded.spec, loaded.engine))
}

/// The same, with what was found for the caller to show, and the last word on the spec: `adjust` is handed the digest of
/// its text.
pub fn load(
    args: &args::Spec,
    options: Options,
    findings: &mut String,
    adjust: impl FnOnce(&mut Spec, &[u8; 32]),
) -> anyhow::Result<Loaded> {
    let Document { name, bytes, folder, reading } = document(&args.file)?;
    let Options { allow_stubs, seeds, changes, otherwise } = options;
    if !reading.diagnostics.is_empty() {
        let style = render::Style { colour: colour() };
        findings.push_str(&render::human(&name, &bytes, &reading.diagnostics, style));
    }
    let spec = match (reading.verdict, reading.spec) {
        (Verdict::Error, _) | (_, None) => {
            return Err(exit::hinted(format!("`{name}` has errors; {otherwise}"), "mend what is listed above"));
        }
        (Verdict::Blocker, _) if !allow_stubs => {
            return Err(exit::hinted(
                format!("`{name}` has blockers; {otherwise}"),
                "implement what is listed above, or pass `--allow-stubs` to serve the rest",
            ));
        }
        (_, Some(spec)) => spec,
    };
    let mut spec = match &args.env {
        None => spec,
        Some(environment) => spec.environment(environment).map_err(|_| {
            let known: Vec<String> = spec.environments.keys().map(|name| format!("`{name}`")).collect();
            let hint = match known.as_slice() {
                [] => "the spec has no `environments`; leave `--env` out".to_owned(),
                known => format!("the spec has {}", known.join(", ")),
            };
            exit::usage(format!("there is no environment `{environment}`"), hint)
        })?,
    };
    let surroundings = Surroundings {
        folder: fs::canonicalize(&folder).with_context(|| format!("can't find `{}`", folder.display()))?,
        secrets: secrets(args, &spec)?,
        policy: Policy::operator().with_launcher(Launcher::this_program()),
        cursor_key: key::load()?,
        tasks: match &seeds {
            Seeds::Real => tasks(),
            Seeds::Fresh(_) => Tasks::in_memory(),
        },
        fresh_seeds: match seeds {
            Seeds::Real => None,
            Seeds::Fresh(folder) => Some(folder),
        },
        changes,
        approvals: approvals::of_this_program(),
    };
    let digest = Sha256::digest(&bytes).into();
    adjust(&mut spec, &digest);
    let spec = Arc::new(spec);
    let plan = Plan::new(&spec, &surroundings).map_err(|problems| {
        let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("this build can't run `{name}`:\n  {}", list.join("\n  "))
    })?;
    for needed in NeededSecret::of_spec(&spec, &*surroundings.secrets).iter().filter(|it| !it.is_set) {
        // The environment of a program stays what it is, however often the spec is read.
        if !TOLD.lock().unwrap_or_else(PoisonError::into_inner).insert(needed.name.clone()) {
            continue;
        }
        tracing::warn!(
            "environment variable `{}` is not set; what needs it fails until it is, and this is started again",
            needed.name
        );
    }
    for notice in plan.notices() {
        tracing::warn!("{notice}");
    }
    let files = plan.files().clone();
    Ok(Loaded { spec, engine: plan.build(), files, digest })
}

/// What all servers of this process share, whatever was loaded again: a call goes on when its server is replaced.
fn tasks() -> Tasks {
    static TASKS: OnceLock<Tasks> = OnceLock::new();
    let open = || key::data_folder().map_or_else(Tasks::in_memory, |folder| Tasks::kept_in(folder.join("tasks")));
    TASKS.get_or_init(open).clone()
}

/// The process environment, and the file of what belongs to principals and tenants.
fn secrets(args: &args::Spec, spec: &Spec) -> anyhow::Result<Arc<dyn Secrets>> {
    if let Some(file) = &args.principal_secrets {
        let secrets = SecretsFile::open(file, Arc::new(Environment)).context("can't use `--principal-secrets`")?;
        return Ok(Arc::new(secrets));
    }
    for connection in spec.connections.iter().filter(|connection| connection.per.is_some()) {
        tracing::warn!(
            "nobody can use the connection `{}`, which each caller has of their own: there are no `--principal-secrets`",
            connection.name
        );
    }
    Ok(Arc::new(Environment))
}

/// Whether people look at standard error and want colours.
pub fn colour() -> bool {
    crate::terminal::colours(&std::io::stderr())
}

fn read(source: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}
