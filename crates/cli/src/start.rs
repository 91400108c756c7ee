//! Starts a factory in the background: for `up --detach`, and for commands that need one that keeps running.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use serde_json::Value;

use crate::{
    api,
    args::factory::Reach,
    exit, program, progress,
    running::{Presence, Running},
};

/// Another one may be starting or ending.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where it logs; the one before it is kept beside it.
const LOG: &str = "factory.log";
const LARGEST_LOG: u64 = 10 << 20;

/// What of this environment a factory gets. Secrets of specs are in its vault, and it needs no variable of anybody's shell.
const HANDED_OVER: &[&str] = &[
    "HOME",
    "USER",
    "PATH",
    "TMPDIR",
    "TZ",
    "LANG",
    "LC_ALL",
    "RUST_BACKTRACE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "XDG_DATA_HOME",
];
const HANDED_OVER_ALL: &[&str] = &["MCP_FACTORY_", "OTEL_"];
/// Those are of clients.
const KEPT: &[&str] = &["MCP_FACTORY_API", "MCP_FACTORY_TOKEN"];

/// The factory that runs on this data folder, and whether it was started for this.
#[derive(Debug)]
pub struct Started {
    pub running: Running,
    pub now: bool,
    /// What it said when it was ready, where it was started now.
    pub said: Value,
}

/// One that runs already is as good as one that is started now, if it is of this version. Blocks until it is ready.
pub fn ensure(reach: &Reach) -> anyhow::Result<Started> {
    in_background(reach, &[])
}

/// The same, started with these options of `up`.
pub fn in_background(reach: &Reach, options: &[String]) -> anyhow::Result<Started> {
    let data = api::data_folder(reach)?;
    let data = std::path::absolute(&data).with_context(|| format!("can't find `{}`", data.display()))?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&data)
        .with_context(|| format!("can't make `{}`", data.display()))?;
    match Presence::settled(&data, PATIENCE)? {
        Presence::Ready(running) => {
            return Ok(Started { running: running.checked()?, now: false, said: Value::Null });
        }
        Presence::Nobody => {}
        Presence::Between { pid } => {
            let pid = pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
            return Err(exit::hinted(
                format!("a factory{pid} has been starting or ending on `{}` for a while", data.display()),
                format!("its log says why: `{}`", data.join(LOG).display()),
            ));
        }
    }
    let _telling = progress::Telling::begin("starting the factory");
    let launched = launch(reach, &data, options)?;
    match (Presence::settled(&data, PATIENCE)?, launched) {
        // Somebody else's may have been faster.
        (Presence::Ready(running), launched) => {
            let (now, said) = launched.map_or((false, Value::Null), |said| (true, said));
            Ok(Started { running: running.checked()?, now, said })
        }
        (_, Err(why)) => Err(why),
        (_, Ok(_)) => Err(exit::hinted("the factory ended as soon as it was ready", log_hint(&data.join(LOG)))),
    }
}

/// Returns what it says when it is ready, or why it is not.
fn launch(reach: &Reach, data: &Path, options: &[String]) -> anyhow::Result<Result<Value, anyhow::Error>> {
    let (log, file) = log(data).with_context(|| format!("can't log into `{}`", data.display()))?;
    let before = log.metadata()?.len();
    let mut command = Command::new(program::path()?);
    command.args(["up", "--background", "--output", "json", "--data"]).arg(data).args(options);
    command.current_dir(data).env_clear();
    let is_handed_over = |name: &str| {
        !KEPT.contains(&name)
            && (HANDED_OVER.contains(&name) || HANDED_OVER_ALL.iter().any(|prefix| name.starts_with(prefix)))
    };
    command.envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_handed_over)));
    if let Some(registry) = &reach.registry {
        // Arguments are seen by everybody on the machine.
        command.env("MCP_FACTORY_REGISTRY", registry);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .context("can't start the factory in the background")?;
    // It says one line when it is ready, and closes it without one when it fails.
    let mut line = String::new();
    let said = child.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
    if matches!(said, Some(Ok(_))) && line.ends_with('\n') {
        return Ok(Ok(serde_json::from_str(&line).context("the factory said no JSON")?));
    }
    let status = child.wait().context("can't wait for the factory")?;
    let (why, hint) = complaint(&file, before).unwrap_or_else(|| (format!("it ended with {status}"), None));
    let error = anyhow::anyhow!("{why}").context("the factory could not be started in the background");
    let hints: Vec<String> = hint.into_iter().chain([log_hint(&file)]).collect();
    Ok(Err(exit::hinted(format!("{error:#}"), hints.join("; "))))
}

fn log_hint(file: &Path) -> String {
    format!("its log says more: `{}`", file.display())
}

fn log(data: &Path) -> std::io::Result<(File, PathBuf)> {
    let file = data.join(LOG);
    if fs::metadata(&file).is_ok_and(|known| known.len() > LARGEST_LOG) {
        fs::rename(&file, data.join(format!("{LOG}.1")))?;
    }
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&file)?;
    Ok((log, file))
}

/// What it said at its end, as people are told, and what it said may mend it.
fn complaint(file: &Path, from: u64) -> Option<(String, Option<String>)> {
    let mut log = File::open(file).ok()?;
    log.seek(SeekFrom::Start(from)).ok()?;
    let mut said = String::new();
    log.take(64 << 10).read_to_string(&mut said).ok()?;
    let told = said
        .lines()
        .filter_map(|line| line.strip_prefix("error: ").or_else(|| line.trim_start().strip_prefix("caused by: ")));
    let told: Vec<&str> = told.collect();
    let hint = said.lines().rev().find_map(|line| line.strip_prefix("hint: ")).map(str::to_owned);
    (!told.is_empty()).then(|| (told.join(": "), hint))
}
