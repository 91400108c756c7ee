//! Of commands about servers of the factory.

use std::{num::NonZeroU16, path::PathBuf};

use clap::{ValueEnum, ValueHint};
use semver::Version;
use url::Url;

use super::{factory::Asking, intake::Import};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mcp-factory create server.yaml\n  mcp-factory create --spec ./server.yaml\n  \
    mcp-factory create --json '{\"name\": \"test\", \"tools\": [...]}'\n  \
    mcp-factory create --openapi https://api.example.com/openapi.json --dry-run\n  \
    mcp-factory create --openapi petstore.yaml --tag pets --method GET --out petstore-mcp.yaml\n  \
    mcp-factory create --database DATABASE_URL --tables 'order*' --out orders-mcp.yaml\n\n\
    The same spec a second time changes nothing and says so; another text needs another `version`.")]
pub struct Create {
    #[command(flatten)]
    pub source: Source,
    /// What the server is called, where its template or OpenAPI document does not say it as you would.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["file", "spec", "json", "prompt"])]
    pub name: Option<String>,
    /// Have it run too, and whatever is saved from now on in its place, until this command is interrupted. What was saved runs as
    /// `1.2.0+dev.<hash>`; it is kept by raising its version.
    #[arg(long)]
    pub watch: bool,
    #[command(flatten)]
    pub import: Import,
    #[command(flatten)]
    pub asking: Asking,
}

/// S5-70: exactly one.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Source {
    /// The spec; `-` reads standard input.
    #[arg(value_hint = ValueHint::FilePath, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The same, as an option.
    #[arg(long, value_hint = ValueHint::FilePath, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// The spec itself, as JSON.
    #[arg(long, value_name = "JSON")]
    pub json: Option<String>,
    /// What the server is to do, in a sentence.
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// An OpenAPI document: Swagger 2.0, OpenAPI 3.0, 3.1 or 3.2, as JSON or YAML, a file or a URL.
    #[arg(long, value_name = "FILE|URL", value_hint = ValueHint::FilePath)]
    pub openapi: Option<String>,
    /// Files of the MCP Toolbox for Databases (`tools.yaml`), which make one server.
    #[arg(long, value_name = "FILE", num_args = 1.., value_hint = ValueHint::FilePath)]
    pub toolbox: Vec<String>,
    /// Another MCP server: its URL, or the command that starts it, as in `"npx -y @example/server /data"`.
    #[arg(long, value_name = "URL|COMMAND")]
    pub mcp: Option<String>,
    /// A GraphQL endpoint, which is asked what its schema is.
    #[arg(long, value_name = "URL")]
    pub graphql: Option<Url>,
    /// A Postman collection, v2.0 or v2.1, a file or a URL.
    #[arg(long, value_name = "FILE|URL", value_hint = ValueHint::FilePath)]
    pub postman: Option<String>,
    /// A live database: the URL of a PostgreSQL, MySQL or MariaDB, a file of SQLite, or the variable that holds either.
    #[arg(long, value_name = "URL|FILE|VARIABLE", value_hint = ValueHint::FilePath)]
    pub database: Option<String>,
    /// A gRPC server that describes itself (server reflection), as in `grpcs://api.example.com:443`; `grpc:` is without TLS.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub grpc: Option<Url>,
    /// A template of the factory.
    #[arg(long, value_name = "TEMPLATE")]
    pub template: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct List {
    /// Only servers with this tag.
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// Only servers whose name begins so.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Only servers in this state, as in `running`.
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    #[command(flatten)]
    pub asking: Asking,
}

/// One server, and nothing else.
#[derive(Debug, clap::Args)]
pub struct Named {
    /// The server's name.
    #[arg(value_name = "NAME")]
    pub name: String,
    #[command(flatten)]
    pub asking: Asking,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    Local,
    Docker,
    Microvm,
}

#[derive(Debug, clap::Args)]
#[command(
    disable_version_flag = true,
    after_help = "It takes the place of what runs of it as soon as it is healthy, and not before. Returns when that is so."
)]
pub struct Deploy {
    /// The server's name.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Where it is to run: in the factory's process, in a container, in a machine of its own.
    #[arg(long, value_enum, default_value = "local")]
    pub target: Target,
    /// Which version. Default: the latest.
    #[arg(long, value_name = "VERSION")]
    pub version: Option<Version>,
    /// The port of a container.
    #[arg(long, value_name = "PORT")]
    pub port: Option<NonZeroU16>,
    /// The pool that a machine is taken from.
    #[arg(long, value_name = "POOL")]
    pub pool: Option<String>,
    #[command(flatten)]
    pub asking: Asking,
}

#[derive(Debug, clap::Args)]
pub struct Remove {
    /// The server's name.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Although other servers need it.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub asking: Asking,
}

#[derive(Debug, clap::Args)]
pub struct Logs {
    /// The server's name.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Go on with what it says from now on, until it is interrupted.
    #[arg(long, short)]
    pub follow: bool,
    /// Only so many lines, the last ones.
    #[arg(long, short = 'n', value_name = "LINES")]
    pub tail: Option<usize>,
    /// Only from then on: a time as in `2026-01-31T12:00:00Z`, or so long ago, as in `15m`.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    #[command(flatten)]
    pub asking: Asking,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "What runs goes on as it is: `mcp-factory deploy NAME` has the version run that is the latest now."
)]
pub struct Rollback {
    /// The server's name.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Which version is to be the latest. Default: the one before.
    #[arg(value_name = "VERSION")]
    pub to: Option<Version>,
    #[command(flatten)]
    pub asking: Asking,
}

#[derive(Debug, clap::Args)]
pub struct Search {
    /// What a tool is to do, in a few words.
    #[arg(value_name = "WORDS", required = true)]
    pub words: Vec<String>,
    /// At most so many tools.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u32,
    #[command(flatten)]
    pub asking: Asking,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    #[value(name = "server.json")]
    ServerJson,
    Mcpb,
}

impl ExportFormat {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServerJson => "server.json",
            Self::Mcpb => "mcpb",
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(
    disable_version_flag = true,
    after_help = "No secret is in either: a bundle asks for them where it is installed, and starts `mcp-factory` there."
)]
pub struct Export {
    /// The server's name.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What it becomes.
    #[arg(long, value_enum, default_value = "server.json")]
    pub format: ExportFormat,
    /// Which version. Default: the latest.
    #[arg(long, value_name = "VERSION")]
    pub version: Option<Version>,
    /// Where it is written; `-` is standard output. Default: there for a `server.json`, for a bundle a file of its name.
    #[arg(long, value_hint = ValueHint::FilePath, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub asking: Asking,
}
