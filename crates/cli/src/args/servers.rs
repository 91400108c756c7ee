//! Of commands about servers of the factory.

use std::path::PathBuf;

use clap::ValueHint;

use super::factory::Asking;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mcp-factory create server.yaml\n  mcp-factory create --spec ./server.yaml\n  \
    mcp-factory create --json '{\"name\": \"test\", \"tools\": [...]}'\n\n\
    The same spec a second time changes nothing and says so; another text needs another `version`.")]
pub struct Create {
    #[command(flatten)]
    pub source: Source,
    /// What the server is called, where its template does not say.
    #[arg(long, value_name = "NAME", requires = "template")]
    pub name: Option<String>,
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
