//! `mcp-factory create FILE --watch`: the server runs, and what is saved takes its place. The factory does both; here a file is
//! watched, and sent when it is whole.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{made, of_file, server_of};
use crate::{
    api::{self, Api},
    args::servers::Create,
    exit, load,
    output::{self, cell},
    signals,
    watch::Watch,
};

pub fn run(args: &Create, file: &Path) -> anyhow::Result<ExitCode> {
    if file == Path::new("-") {
        return Err(exit::usage("standard input can't be watched", "name a file"));
    }
    api::with_running(&args.asking.reach, args.asking.output, true, async |api| {
        // From before it is read for the first time.
        let mut watch = Watch::new().context("can't watch files")?;
        follow(&mut watch, file, &BTreeSet::new(), false)?;
        let name = begin(api, file).await?;
        let interrupted = signals::shutdown()?;
        tokio::select! {
            never = edits(api, file, &name, watch) => never,
            () = interrupted => Ok(ExitCode::SUCCESS),
        }
    })
}

/// Creates and deploys it, unless that is so. A text that is not that of its version is an edit already.
async fn begin(api: &Api, file: &Path) -> anyhow::Result<String> {
    let refused = |problem: Value| Err(api.refused(&problem)?);
    let name = match server_of(api, file).await? {
        Ok(created) => {
            output::print(api.output(), &created, made)?;
            cell(&created["server"]["name"])
        }
        Err(problem) if problem["code"] == "version-exists" => {
            let spec = load::document(file)?.reading.spec.context("the spec has errors")?;
            spec.name.to_string()
        }
        Err(problem) => return refused(problem),
    };
    let details = api.get(&["mcp", "servers", &name]).send().await?;
    if details["deployment"]["desired"] != "running" {
        let ask = api.post(&["mcp", "deploy", &name]).json(&json!({}));
        ask.doing(format!("deploying `{name}`")).send().await?;
    }
    Ok(name)
}

/// Until it is dropped.
async fn edits(api: &Api, file: &Path, name: &str, mut watch: Watch) -> anyhow::Result<ExitCode> {
    let (mut files, mut told, mut bad): (BTreeSet<PathBuf>, Option<Value>, Option<Value>) = Default::default();
    loop {
        match of_file(api, &["mcp", "servers", name, "edit"], file).await {
            Ok(Ok(edited)) => {
                files = edited["files"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(PathBuf::from)
                    .collect();
                // One save is often told of more than once.
                if told.as_ref() != Some(&edited["version"]) || bad.is_some() {
                    output::print(api.output(), &edited, |edited| ran(name, edited))?;
                }
                (told, bad) = (Some(edited["version"].clone()), None);
            }
            Ok(Err(problem)) => {
                if bad.as_ref() != Some(&problem) {
                    exit::report(&api.refused(&problem)?);
                }
                bad = Some(problem);
            }
            // It may be between two names.
            Err(error) => {
                exit::report(&error);
                bad = Some(Value::Null);
            }
        }
        follow(&mut watch, file, &files, bad.is_some())?;
        watch.saved().await;
    }
}

/// While an edit is bad, any file of these folders may be the one that is missing.
fn follow(watch: &mut Watch, file: &Path, files: &BTreeSet<PathBuf>, whole_folders: bool) -> anyhow::Result<()> {
    let all = std::iter::once(file).chain(files.iter().map(PathBuf::as_path));
    watch.follow(all, whole_folders).context("can't watch the files of the spec")
}

fn ran(name: &str, edited: &Value) -> String {
    let (version, took) = (cell(&edited["version"]), edited["tookMs"].as_f64().unwrap_or_default());
    format!("{name} {version} runs, {took:.1} ms after it was saved; watching\n")
}
