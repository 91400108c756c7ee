//! Arguments of `connect`.

use clap::ValueEnum;

use super::{Output, factory::Reach};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without `--http` the client starts the server itself, with this program, and no factory has to run."
)]
pub struct Connect {
    /// The server.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// For which client.
    #[arg(long, value_enum)]
    pub client: Client,
    /// Put it into the client's configuration, instead of printing it. What else is there stays.
    #[arg(long)]
    pub write: bool,
    /// Have the client ask the factory that runs, by the server's URL.
    #[arg(long)]
    pub http: bool,
    #[command(flatten)]
    pub reach: Reach,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Client {
    ClaudeDesktop,
    ClaudeCode,
    Cursor,
    Vscode,
}
