//! Of `create`, where a server is made of what is there already. Another kind has its source in `servers::Source`, its own options
//! here, and its arm in [`Create::intake`].

use std::path::PathBuf;

use clap::{ValueEnum, ValueHint};
use mcp_factory::intake::{self, Database, Document, Graphql, Grpc, Intake, Mcp, Openapi, Place, Postman, Toolbox};
use url::Url;

use super::servers::Create;
use crate::exit;

/// What of `create` has the factory make a spec, or takes one that is no file.
const NO_IMPORT: [&str; 3] = ["json", "prompt", "template"];

/// For all kinds.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// Print the spec, and what was found, and make no server.
    #[arg(long, conflicts_with_all = NO_IMPORT)]
    pub dry_run: bool,
    /// Write the spec to a file that is not there yet, and make no server.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = NO_IMPORT, conflicts_with = "dry_run")]
    pub out: Option<PathBuf>,
    /// Have tools of the spec that lack an implementation get one, as far as that is certain, from their names, their parameters
    /// and the live database. Each is tried before it is written, and shown with its reason.
    #[arg(long, conflicts_with_all = NO_IMPORT)]
    pub infer: bool,
    /// Bring a newer import into what was imported before, and keep what people changed of it since: a server of the factory, or a
    /// file that `--out` wrote (beside it is `FILE.imported`, which says what was imported last). What was chosen then is chosen
    /// again, such as tags and tables; what is given now takes its place.
    #[arg(long, value_name = "NAME|FILE", conflicts_with_all = NO_IMPORT, conflicts_with_all = ["out", "name", "watch"])]
    pub update: Option<String>,
    /// Whose counts where people and the new import changed the same. Left out: nothing is changed then.
    #[arg(long, value_enum, requires = "update")]
    pub prefer: Option<Prefer>,
    /// With `--update`: don't choose as at the last import (tags, tables and the like) where nothing is chosen now.
    #[arg(long, requires = "update")]
    pub forget_options: bool,
    #[command(flatten)]
    pub openapi: OpenapiOptions,
    #[command(flatten)]
    pub grpc: GrpcOptions,
    #[command(flatten)]
    pub database: DatabaseOptions,
    #[command(flatten)]
    pub upstream: UpstreamOptions,
}

/// Of what is asked for what it has.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Of another MCP server or a GraphQL endpoint")]
pub struct UpstreamOptions {
    /// The environment variable that holds the bearer token for it: its name, not the token. It is asked with it now; calls take it
    /// from there, too, or in a factory from the secret of that name.
    #[arg(long, value_name = "VARIABLE")]
    token_env_var: Option<String>,
    /// Only the tools, or fields, whose names fit this; `*` stands for anything. May be given several times.
    #[arg(long, value_name = "PATTERN")]
    tool: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Prefer {
    /// What people wrote.
    Ours,
    /// What the new import says.
    Theirs,
}

/// What of an OpenAPI document becomes tools: everything, or what fits all of these.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Of an OpenAPI document")]
pub struct OpenapiOptions {
    /// Only operations with this tag; may be given several times, as the others here.
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Only paths that fit this; `*` stands for anything.
    #[arg(long, value_name = "PATTERN")]
    path: Vec<String>,
    /// Only this method.
    #[arg(long, value_name = "METHOD")]
    method: Vec<String>,
    /// Only the operation with this id.
    #[arg(long, value_name = "ID")]
    operation: Vec<String>,
    /// Where the API is, if the document does not say; without a path it gets that of the document's server.
    #[arg(long, value_name = "URL")]
    base_url: Option<Url>,
    /// Fetch what the document refers to by URL, too.
    #[arg(long)]
    fetch_references: bool,
}

/// What of a database becomes tools: all tables and views that it shows, or those that fit.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Of a database")]
pub struct DatabaseOptions {
    /// Only tables and views that fit one of these; `*` stands for anything.
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    tables: Vec<String>,
    /// The schema, where it is not the one that unqualified names mean.
    #[arg(long, value_name = "NAME")]
    schema: Option<String>,
    /// Make tools that make, change and delete rows, too.
    #[arg(long)]
    writes: bool,
    /// The column that says to whom a row belongs: callers see and change their own rows only. It holds the caller's id, or what is
    /// said behind it, as in `tenant_id={principal.tenant}`.
    #[arg(long, value_name = "COLUMN[=TEXT]")]
    scope: Option<String>,
    /// What the database is told with each call, as its row security asks: a setting such as `app.user`, which is the caller's
    /// id then, or with a text, as in `app.tenant={principal.tenant}`.
    #[arg(long, value_name = "SETTING[=TEXT]", num_args = 1..)]
    session: Vec<String>,
}

/// What of a gRPC server becomes tools.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Of a gRPC server")]
pub struct GrpcOptions {
    /// Only services whose full name fits this; `*` stands for anything. May be given several times.
    #[arg(long, value_name = "PATTERN")]
    service: Vec<String>,
}

impl Create {
    /// What is to be imported, if anything is. An option of another kind is refused.
    pub fn intake(&self) -> anyhow::Result<Option<Intake>> {
        let (source, import) = (&self.source, &self.import);
        // The parser would waive `requires` here, since sources exclude each other.
        let kinds = [
            ("`--openapi`", source.openapi.is_some(), import.openapi.given()),
            ("`--mcp` or `--graphql`", source.mcp.is_some() || source.graphql.is_some(), import.upstream.given()),
            ("`--database`", source.database.is_some(), import.database.given()),
            ("`--grpc`", source.grpc.is_some(), (!import.grpc.service.is_empty()).then_some("--service")),
        ];
        for (kind, chosen, option) in kinds {
            if let (false, Some(option)) = (chosen, option) {
                return Err(exit::usage(format!("`{option}` is about {kind}"), "see `mcp-factory create --help`"));
            }
        }
        let of_file = source.file.is_some() || source.spec.is_some();
        if import.infer && !of_file {
            return Err(exit::usage("`--infer` is about a spec in a file", "name a file"));
        }
        let updating = [
            ("--update", import.update.is_some()),
            ("--prefer", import.prefer.is_some()),
            ("--forget-options", import.forget_options),
        ];
        if let (true, Some((option, _))) = (of_file, updating.into_iter().find(|(_, given)| *given)) {
            let hint =
                "say what to import, as with `--openapi`; `mcp-factory create FILE` makes another version of a spec";
            return Err(exit::usage(
                format!("`{option}` is about what is imported, and a spec is taken as it is"),
                hint,
            ));
        }
        if of_file && !import.infer && (import.dry_run || import.out.is_some()) {
            let option = if import.dry_run { "--dry-run" } else { "--out" };
            let hint = "`mcp-factory validate` says what is wrong with a spec that is there already";
            return Err(exit::usage(format!("`{option}` is about what becomes a spec"), hint));
        }
        if let Some(place) = &source.openapi {
            return Ok(Some(Intake::Openapi(Box::new(import.openapi.intake(place)))));
        }
        if !source.toolbox.is_empty() {
            let from = source.toolbox.iter().map(|place| Document::typed(place)).collect();
            return Ok(Some(Intake::Toolbox(Toolbox { from, ..Toolbox::default() })));
        }
        if let Some(place) = &source.mcp {
            return Ok(Some(Intake::Mcp(import.upstream.mcp(place))));
        }
        if let Some(url) = &source.graphql {
            let (token_env_var, fields) = (import.upstream.token_env_var.clone(), import.upstream.tool.clone());
            let allow_private_network = intake::is_private(url);
            let graphql =
                Graphql { url: Some(url.clone()), allow_private_network, token_env_var, fields, is_typed: true };
            return Ok(Some(Intake::Graphql(graphql)));
        }
        if let Some(place) = &source.postman {
            let from = Some(Document::typed(place));
            return Ok(Some(Intake::Postman(Postman { from, ..Postman::default() })));
        }
        if let Some(place) = &source.database {
            return Ok(Some(Intake::Database(import.database.intake(place))));
        }
        if let Some(url) = &source.grpc {
            // Whoever types a URL means the place where it leads.
            let services = import.grpc.service.clone();
            return Ok(Some(Intake::Grpc(Grpc { url: url.clone(), allow_private_network: true, services })));
        }
        Ok(None)
    }
}

impl UpstreamOptions {
    fn given(&self) -> Option<&'static str> {
        let given = [("--token-env-var", self.token_env_var.is_some()), ("--tool", !self.tool.is_empty())];
        given.into_iter().find_map(|(option, given)| given.then_some(option))
    }

    fn mcp(&self, place: &str) -> Mcp {
        // No command begins so: what is no `http` is refused where it is asked.
        let url = Url::parse(place).ok().filter(|_| place.contains("://") && !place.contains(char::is_whitespace));
        let argv = match url {
            Some(_) => Vec::new(),
            None => place.split_whitespace().map(str::to_owned).collect(),
        };
        Mcp { url, argv, token_env_var: self.token_env_var.clone(), tools: self.tool.clone() }
    }
}

impl DatabaseOptions {
    fn given(&self) -> Option<&'static str> {
        let given = [
            ("--tables", !self.tables.is_empty()),
            ("--schema", self.schema.is_some()),
            ("--writes", self.writes),
            ("--scope", self.scope.is_some()),
            ("--session", !self.session.is_empty()),
        ];
        given.into_iter().find_map(|(option, given)| given.then_some(option))
    }

    fn intake(&self, place: &str) -> Database {
        Database {
            place: Some(Place::typed(place)),
            tables: self.tables.clone(),
            schema: self.schema.clone(),
            writes: self.writes,
            scope: self.scope.clone(),
            session: self.session.iter().map(|it| setting(it)).collect(),
            ..Database::default()
        }
    }
}

impl OpenapiOptions {
    fn given(&self) -> Option<&'static str> {
        let given = [
            ("--tag", !self.tag.is_empty()),
            ("--path", !self.path.is_empty()),
            ("--method", !self.method.is_empty()),
            ("--operation", !self.operation.is_empty()),
            ("--base-url", self.base_url.is_some()),
            ("--fetch-references", self.fetch_references),
        ];
        given.into_iter().find_map(|(option, given)| given.then_some(option))
    }

    fn intake(&self, place: &str) -> Openapi {
        Openapi {
            from: Some(Document::typed(place)),
            fetch_references: self.fetch_references,
            tags: self.tag.clone(),
            paths: self.path.clone(),
            methods: self.method.clone(),
            operations: self.operation.clone(),
            base_url: self.base_url.clone(),
            ..Openapi::default()
        }
    }
}

fn setting(text: &str) -> (String, String) {
    let (name, text) = text.split_once('=').unwrap_or((text, "{principal.id}"));
    (name.to_owned(), text.to_owned())
}
