//! Of `prove`.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

use super::Output;

#[derive(Debug, Subcommand)]
pub enum Prove {
    /// Have tenants try, all against all, to see and to change what is not theirs.
    Isolation(Isolation),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 nobody crossed, and everybody was shown what is their own; 1 otherwise.\n\n\
    It takes place in a factory of its own, in a temporary folder, with copies of the specs' folders: databases that they\n\
    seed are made anew, and a row for each tenant is planted in the tables of `scope`. Other databases are not touched by the\n\
    proof itself, but every tool is called: name specs whose upstreams may be written to.")]
pub struct Isolation {
    /// The servers to try it on. Default: some that come with the program.
    #[arg(value_hint = ValueHint::FilePath, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Also in this PostgreSQL, by `scope` and by row security: in a schema and as a role of the proof's own, which are dropped
    /// after it. The user makes both.
    #[arg(long, env = "MCP_FACTORY_PROOF_POSTGRES", hide_env_values = true, value_name = "URL")]
    pub postgres: Option<String>,
    /// How many tenants there are.
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u8).range(2..=20))]
    pub tenants: u8,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
}
