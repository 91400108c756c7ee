//! `mcp-factory install-links DIR`: `mcp-create`, `mcp-deploy` and their like, as the same program under other names; and under
//! its own, so that what it says to type next can be typed.

use std::{ffi::OsString, fs, io::ErrorKind, os::unix::fs::symlink, path::Path, process::ExitCode};

use anyhow::Context as _;
use clap::CommandFactory as _;
use serde_json::json;

use crate::{
    args::{Args, InstallLinks},
    exit, output,
};

/// Commands about servers; the others are `mcp-factory`'s own.
const LINKED: [&str; 13] = [
    "create", "deploy", "list", "status", "logs", "stop", "start", "restart", "remove", "test", "versions", "rollback",
    "search",
];
const PROGRAM: &str = "mcp-factory";

/// `mcp-create ...` is `mcp-factory create ...`.
pub fn expanded(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.collect();
    let name = args.first().and_then(|first| Path::new(first).file_name()).and_then(|name| name.to_str());
    let command = name.and_then(|name| name.strip_prefix("mcp-")).map(str::to_owned);
    if let Some(command) = command.filter(|command| Args::command().find_subcommand(command).is_some()) {
        args.splice(..1, [OsString::from(PROGRAM), OsString::from(command)]);
    }
    args
}

pub fn run(args: &InstallLinks) -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe().context("can't find this program")?;
    let folder = &args.folder;
    fs::create_dir_all(folder).with_context(|| format!("can't make `{}`", folder.display()))?;
    let mut made = Vec::new();
    let names = LINKED.iter().map(|command| format!("mcp-{command}")).chain([PROGRAM.to_owned()]);
    for link in names.map(|name| folder.join(name)) {
        let failed = || format!("can't make `{}`", link.display());
        if link.canonicalize().ok().is_some_and(|there| there == program) && !link.is_symlink() {
            // The folder is where the program itself lies.
            continue;
        }
        if let Some(target) = there(&link).with_context(failed)? {
            if target == program {
                continue;
            }
            if target.file_name().is_none_or(|name| name != PROGRAM) {
                return Err(exit::hinted(
                    format!("`{}` is there, and none of these links", link.display()),
                    "remove it, or name another folder",
                ));
            }
            // Of a version before, somewhere else.
            fs::remove_file(&link).with_context(failed)?;
        }
        symlink(&program, &link).with_context(failed)?;
        made.push(link.display().to_string());
    }
    output::print(args.output, &json!({ "program": program, "links": made }), |_| match made.len() {
        0 => format!("all links are in `{}` already\n", folder.display()),
        _ => made.iter().map(|link| format!("{link}\n")).collect(),
    })?;
    let on_path = std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|it| it == *folder));
    if !on_path {
        tracing::info!("`{}` is not in `PATH`, where shells look for programs", folder.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Where a link leads; what is no link leads nowhere that we know.
fn there(link: &Path) -> std::io::Result<Option<std::path::PathBuf>> {
    match fs::symlink_metadata(link) {
        Ok(found) if found.is_symlink() => fs::read_link(link).map(Some),
        Ok(_) => Ok(Some(std::path::PathBuf::new())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_commands_are_other_names_of_the_program() {
        for (typed, means) in [
            ("mcp-list --output json", "mcp-factory list --output json"),
            ("/usr/bin/mcp-create a.yaml", "mcp-factory create a.yaml"),
            ("mcp-factory list", "mcp-factory list"),
            ("mcp-nothing list", "mcp-nothing list"),
            ("other list", "other list"),
        ] {
            let expanded = expanded(typed.split(' ').map(OsString::from));
            let words: Vec<&str> = expanded.iter().filter_map(|word| word.to_str()).collect();
            assert_eq!(words.join(" "), means);
        }
    }

    #[test]
    fn every_link_is_a_command() {
        for command in LINKED {
            assert!(Args::command().find_subcommand(command).is_some(), "{command}");
        }
    }
}
