//! Which factory a command asks, and how it prints what is answered.

use std::{ffi::OsString, path::PathBuf};

use clap::{Command, ValueHint, builder::Resettable};

use super::Output;

/// Of every command that is about the factory.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "The factory")]
pub struct Reach {
    /// The factory's own folder. Default: `mcp-factory` in the folder of your data (`$XDG_DATA_HOME`).
    #[arg(long, value_hint = ValueHint::DirPath, value_name = "DIR", env = "MCP_FACTORY_DATA")]
    pub data: Option<PathBuf>,
    /// Where the registry is kept: the URL of a PostgreSQL. Default: a file in the folder.
    #[arg(long, value_name = "URL", env = "MCP_FACTORY_REGISTRY", hide_env_values = true)]
    pub registry: Option<String>,
    /// Ask the factory at this URL, with the token in `MCP_FACTORY_TOKEN`, in place of the one on this machine.
    #[arg(long, value_name = "URL", env = "MCP_FACTORY_API", conflicts_with_all = ["data", "registry"])]
    pub api: Option<String>,
}

/// Most commands take no other options than these.
#[derive(Debug, Clone, clap::Args)]
pub struct Asking {
    #[command(flatten)]
    pub reach: Reach,
    /// How it is printed; `json` is what the REST API answers.
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
}

/// What is typed says which factory is meant, whatever the environment says; where both are from there, the URL does.
pub fn meant(command: Command, typed: &[OsString]) -> Command {
    let is_typed = |option: &str| {
        let mut words = typed.iter().filter_map(|word| word.to_str());
        words.any(|word| word.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
    };
    let here = is_typed("--data") || is_typed("--registry");
    let there = is_typed("--api") || (!here && std::env::var_os("MCP_FACTORY_API").is_some());
    match (here, there) {
        (false, true) => without_environment(command, &["data", "registry"]),
        (true, false) => without_environment(command, &["api"]),
        _ => command,
    }
}

/// Of commands that may ask either.
fn without_environment(command: Command, names: &'static [&'static str]) -> Command {
    let may_ask_either = command.get_arguments().any(|arg| arg.get_id() == "api");
    let command = command.mut_args(|arg| {
        let is_meant = may_ask_either && names.contains(&arg.get_id().as_str());
        if is_meant { arg.env(Resettable::Reset) } else { arg }
    });
    command.mut_subcommands(|command| without_environment(command, names))
}
