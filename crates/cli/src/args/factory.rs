//! Which factory a command asks, and how it prints what is answered.

use std::path::PathBuf;

use clap::ValueHint;

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
