//! Arguments of the commands that start and end the factory itself.

use std::{net::SocketAddr, path::PathBuf};

use clap::ValueHint;
use mcp_serve::IpNet;

use super::{Output, factory::Reach, network};

/// Where the factory of this machine keeps its things.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "The factory")]
pub struct Place {
    /// The factory's own folder. Default: `mcp-factory` in the folder of your data (`$XDG_DATA_HOME`).
    #[arg(long, value_hint = ValueHint::DirPath, value_name = "DIR", env = "MCP_FACTORY_DATA")]
    pub data: Option<PathBuf>,
    /// Where the registry is kept: the URL of a PostgreSQL. Default: a file in the folder. It holds a password: prefer the variable.
    #[arg(long, value_name = "URL", env = "MCP_FACTORY_REGISTRY", hide_env_values = true)]
    pub registry: Option<String>,
}

impl Place {
    pub fn reach(&self) -> Reach {
        Reach { data: self.data.clone(), registry: self.registry.clone(), api: None }
    }
}

#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "It ends with SIGTERM or SIGINT: running calls get time to end. What is deployed runs again when it starts again.\n\
    The secret that opens the vault is `MCP_FACTORY_SECRET`, else a file in the data folder that only you can read."
)]
pub struct Up {
    #[command(flatten)]
    pub place: Place,
    /// Where to listen, for the API and all servers; port 0 takes a free one. Default: 127.0.0.1:8080, with `--demo` a free port
    /// where that is taken.
    #[arg(long, value_name = "ADDRESS:PORT", env = "MCP_FACTORY_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Deploy an example, and print what it takes to call it.
    #[arg(long)]
    pub demo: bool,
    /// Start it in the background, and return when it is ready.
    #[arg(long)]
    pub detach: bool,
    /// Where people and programs reach it, if not at the address it listens on. URLs of servers begin with it.
    #[arg(long, value_name = "URL", env = "MCP_FACTORY_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// Names that clients reach it by, for the check of the Host header. Loopback names always pass.
    #[arg(long = "allow-host", value_name = "HOST")]
    pub allow_hosts: Vec<String>,
    /// Web origins that may call it. Loopback origins always pass.
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    pub allow_origins: Vec<String>,
    /// Proxies in front of it, as an address or `10.0.0.0/8`.
    #[arg(long = "proxy", value_name = "ADDRESS", value_parser = network)]
    pub proxies: Vec<IpNet>,
    /// How it says that it is ready.
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
    /// It was started by another command, and outlives its terminal.
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub background: bool,
}

#[derive(Debug, clap::Args)]
pub struct Down {
    #[command(flatten)]
    pub place: Place,
    /// How it says what it did.
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 no error, 1 an error.")]
pub struct Doctor {
    #[command(flatten)]
    pub place: Place,
    /// Where a factory would listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", env = "MCP_FACTORY_LISTEN")]
    pub listen: SocketAddr,
    /// How findings are printed.
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
}
