//! The command line, as clap reads it.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use mcp_factory_spec::model::Duration;
use mcp_serve::IpNet;

use crate::{exit, logging::LogLevel};

pub mod access;
pub mod connect;
pub mod factory;
pub mod intake;
pub mod prove;
pub mod servers;
pub mod up;

/// Turns a specification into a running, tested MCP server.
#[derive(Debug, Parser)]
#[command(name = "mcp-factory", version, propagate_version = true)]
pub struct Args {
    /// How much is logged, to standard error.
    #[arg(long, value_enum, default_value = "info", global = true, env = "MCP_FACTORY_LOG_LEVEL")]
    pub log_level: LogLevel,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, read once")]
pub enum Command {
    /// Check specs and say everything that is wrong with them.
    Validate(Validate),
    /// Serve a spec over Streamable HTTP, at `/mcp`.
    Serve(Serve),
    /// Serve a spec, or a server of the factory, over standard input and output.
    Stdio(Stdio),
    /// Run the tests of a spec or a server, or call one of its tools, through the protocol.
    Test(Test),
    /// Show how a server is; or each tool of a spec as it would be served: what is bounded, how it pages, what is an exception.
    Status(Status),
    /// Make a server of a spec, in the factory.
    Create(servers::Create),
    /// List the servers of the factory.
    #[command(visible_alias = "ls")]
    List(servers::List),
    /// Have a version of a server run.
    Deploy(servers::Deploy),
    /// Have a server run again that was stopped.
    Start(servers::Named),
    /// End what runs of a server; it stays in the factory.
    Stop(servers::Named),
    /// End what runs of a server, and start it again.
    Restart(servers::Named),
    /// Remove a server, with its versions and what runs of it.
    #[command(visible_alias = "rm")]
    Remove(servers::Remove),
    /// Show what a server said lately.
    Logs(servers::Logs),
    /// List the versions of a server.
    Versions(servers::Named),
    /// Make a version of a server the latest that was so before.
    Rollback(servers::Rollback),
    /// Find tools of all servers by what they do.
    Search(servers::Search),
    /// Start the factory: its API, and every server that is deployed.
    Up(up::Up),
    /// End the factory that runs. What is deployed runs again when it starts again.
    Down(up::Down),
    /// Link `mcp-factory`, and `mcp-create`, `mcp-deploy` and their like, into a folder that shells look for programs in.
    InstallLinks(InstallLinks),
    /// Look whether a factory can work here, and what to do where it can't.
    Doctor(up::Doctor),
    /// Tell a client how to use a server: print its configuration, or write it.
    Connect(connect::Connect),
    /// Keys of a hosted server: what its callers come with.
    Keys(access::Keys),
    /// Secrets of your servers.
    Secrets(access::Secrets),
    /// Users of the factory.
    Users(access::Users),
    /// Tokens for the factory itself.
    Tokens(access::Tokens),
    /// What the specs of users may reach outside their own.
    Grants(access::Grants),
    /// Connections that the operator shares.
    Connections(access::Connections),
    /// How often tools are called, how well and how fast.
    Usage(access::Usage),
    /// Who did what, and what was refused.
    Audit(access::Audit),
    /// Take a version of a server elsewhere: as a `server.json` for registries, or as an MCP bundle for desktop clients.
    Export(servers::Export),
    /// Show by trying that what is promised holds.
    #[command(subcommand)]
    Prove(prove::Prove),
    /// Print the JSON Schema of the spec language.
    Schema,
    /// Print a completion script for a shell.
    #[command(after_help = "For bash: mcp-factory completions bash > /etc/bash_completion.d/mcp-factory")]
    Completions { shell: Shell },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Text,
    Json,
    Yaml,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 no error, 1 an error (with --strict also a blocker or a warning), 2 wrong usage.\n\
    A file that ends in .json is read as JSON, everything else as YAML; `-` reads standard input (JSON if it starts with `{`)."
)]
pub struct Validate {
    /// The specs; `-` reads standard input.
    #[arg(required = true, value_hint = ValueHint::FilePath, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How findings are printed: for people, or one JSON line per file.
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
    /// Exit 1 on blockers and warnings too.
    #[arg(long)]
    pub strict: bool,
}

#[derive(Debug, Clone, clap::Args)]
pub struct Spec {
    /// The spec; `-` reads standard input.
    #[arg(value_hint = ValueHint::FilePath, value_name = "FILE")]
    pub file: PathBuf,
    /// Use the overrides of this environment of the spec.
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    /// The secrets of principals and tenants, for connections with `per`: a JSON file that only you can read.
    #[arg(long, value_hint = ValueHint::FilePath, value_name = "FILE", env = "MCP_FACTORY_PRINCIPAL_SECRETS")]
    pub principal_secrets: Option<PathBuf>,
}

/// A spec, or a server of the factory by its name.
#[derive(Debug, Clone, clap::Args)]
pub struct SpecOrServer {
    #[command(flatten)]
    pub spec: Spec,
}

fn name_or_file(file: clap::Arg) -> clap::Arg {
    file.value_name("NAME|FILE").help("A server's name, or a spec; `-` reads a spec from standard input")
}

impl SpecOrServer {
    /// What looks like a file, or is one, is a spec.
    pub fn name_of_a_server(&self) -> anyhow::Result<Option<String>> {
        let Spec { file, env, principal_secrets } = &self.spec;
        // A folder may be called as a server is.
        let is_there = file.exists() && !file.is_dir();
        let Some(name) = file.to_str().filter(|name| !name.contains(['.', '/']) && *name != "-" && !is_there) else {
            return Ok(None);
        };
        // The secrets may be named by a variable, which is about specs.
        if env.is_some() || (principal_secrets.is_some() && std::env::var_os("MCP_FACTORY_PRINCIPAL_SECRETS").is_none())
        {
            let message = format!("`{name}` is no file, and `--env` and `--principal-secrets` are for specs");
            return Err(exit::usage(message, "name a file, or leave them out"));
        }
        Ok(Some(name.to_owned()))
    }
}

#[derive(Debug, clap::Args)]
pub struct InstallLinks {
    /// Where: a folder that shells look for programs in.
    #[arg(value_hint = ValueHint::DirPath, value_name = "DIR")]
    pub folder: PathBuf,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
}

#[derive(Debug, clap::Args)]
pub struct Serve {
    #[command(flatten)]
    pub spec: Spec,
    /// Where to listen. Port 0 takes a free one. Other than loopback needs authentication in the spec.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", env = "MCP_FACTORY_LISTEN")]
    pub listen: SocketAddr,
    /// Names that clients reach this server by, for the check of the Host header. Loopback names always pass.
    #[arg(long = "allow-host", value_name = "HOST")]
    pub allow_hosts: Vec<String>,
    /// Web origins that may call this server. Loopback origins always pass.
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    pub allow_origins: Vec<String>,
    /// Proxies in front of this server, as an address or `10.0.0.0/8`: their connections are of many callers, and not
    /// limited as those of one address are.
    #[arg(long = "proxy", value_name = "ADDRESS", value_parser = network)]
    pub proxies: Vec<IpNet>,
    /// Where people reach this server, if not at the address it listens on. Links for approvals begin with it.
    #[arg(long, value_name = "URL", env = "MCP_FACTORY_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// Let clients in that only speak OAuth: people type their key on a page of this server, and the client gets tokens.
    /// Needs `auth: api_key` or `bearer` in the spec, and `--public-url` where clients are not on this machine.
    #[arg(long)]
    pub oauth: bool,
    /// Serve although tools have no implementation; they answer that they have none.
    #[arg(long)]
    pub allow_stubs: bool,
    /// Serve what the spec says now, whatever is saved later. Otherwise a saved spec takes its place without dropping a call.
    #[arg(long)]
    pub no_reload: bool,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "An argument with `.` or `/` in it, or of an existing file, is a spec; everything else is the name of a server.\n\
    Of a server, the version that is deployed is served, or the latest of one that is not; another one takes its place."
)]
#[command(mut_arg("file", |file| {
    name_or_file(file).required(false).required_unless_present("factory").default_value_if("factory", "true", "-")
}))]
pub struct Stdio {
    #[command(flatten)]
    pub spec: SpecOrServer,
    /// Serve the factory itself in place of a spec: tools to make, deploy, find and call servers. A factory is started in the
    /// background where none runs.
    #[arg(long, conflicts_with_all = ["file", "env", "principal_secrets", "principal", "allow_stubs", "no_reload"])]
    pub factory: bool,
    #[command(flatten)]
    pub reach: factory::Reach,
    /// Who calls, as the tools see it.
    #[arg(long, value_name = "ID", default_value = "local")]
    pub principal: String,
    /// Serve although tools have no implementation; they answer that they have none.
    #[arg(long)]
    pub allow_stubs: bool,
    /// Serve what the spec says now, whatever is saved later. Otherwise a saved spec takes its place without dropping a call.
    #[arg(long)]
    pub no_reload: bool,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "An argument with `.` or `/` in it, or of an existing file, is a spec; everything else is the name of a server.\n\
    Of a spec: databases are asked for their keys, on which paging depends; those that the spec seeds are made anew for it."
)]
#[command(mut_arg("file", name_or_file))]
pub struct Status {
    #[command(flatten)]
    pub spec: SpecOrServer,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
    #[command(flatten)]
    pub reach: factory::Reach,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "An argument with `.` or `/` in it, or of an existing file, is a spec; everything else is the name of a server.\n\n\
    Examples:\n  mcp-factory test server.yaml\n  mcp-factory test inventory-mcp --all\n  \
    mcp-factory test server.yaml search_products '{\"query\": \"laptop\"}'\n\n\
    Beside the examples, calls are made from the schemas of the tools: of each some that must be refused, and of each that\n\
    only reads and has no examples some that must be answered. The same --seed makes the same calls.\n\n\
    Writing tools are called only on a database that the spec seeds itself, or with --writes."
)]
#[command(mut_arg("file", |file| name_or_file(file).index(1)))]
pub struct Test {
    #[command(flatten)]
    pub spec: SpecOrServer,
    /// Call this one tool and print its answer.
    #[arg(index = 2, value_name = "TOOL", conflicts_with = "all")]
    pub tool: Option<String>,
    /// Its arguments, a JSON object.
    #[arg(index = 3, value_name = "JSON", requires = "tool")]
    pub arguments: Option<String>,
    /// Run all tests (the default without TOOL).
    #[arg(long)]
    pub all: bool,
    /// Run the examples of writing tools on the real connections too.
    #[arg(long)]
    pub writes: bool,
    /// Makes other calls of the tools' schemas.
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "tool")]
    pub seed: u64,
    /// How many random calls are made for each tool that only reads and has no examples.
    #[arg(long, value_name = "N", default_value_t = 10, conflicts_with = "tool")]
    pub cases: usize,
    /// How long the calls of one tool that nobody wrote may take together, in each era; the others are left out.
    #[arg(long, value_name = "DURATION", default_value = "10s", conflicts_with = "tool")]
    pub time: Duration,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
    /// Test although tools have no implementation.
    #[arg(long)]
    pub allow_stubs: bool,
    #[command(flatten)]
    pub reach: factory::Reach,
}

fn network(text: &str) -> Result<IpNet, String> {
    IpNet::parse(text).ok_or_else(|| "write an address, or a network as in `10.0.0.0/8`".to_owned())
}
