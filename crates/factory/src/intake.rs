//! What is there already becomes a server. One file for each kind of thing: what it takes, and how it becomes a proposal. What
//! reads it is pure and in `mcp-factory-intake`; what it takes to get at it (files, the network, secrets) is [`Reach`]'s.
//!
//! The command line proposes by itself, as whoever typed it, and sends the spec that comes out. REST and agents have the factory
//! propose, with what their owner was granted.

mod database;
mod document;
mod graphql;
mod grpc;
pub mod infer;
mod mcp;
mod openapi;
mod origin;
mod postman;
mod reach;
mod size;
mod spec;
mod toolbox;
mod update;

use std::{borrow::Cow, sync::LazyLock};

pub use mcp_factory_connect::mcp::is_private;
pub use mcp_factory_intake::{
    Finding, Level, Proposal,
    update::{self as merge, Apart, Break, Change, Conflict, Prefer, Update},
};
use serde::Deserialize;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

pub use self::{
    database::{Database, Place},
    document::{Document, Private},
    graphql::Graphql,
    grpc::Grpc,
    mcp::Mcp,
    openapi::Openapi,
    postman::Postman,
    reach::Reach,
    spec::MadeSpec,
    toolbox::Toolbox,
};
use self::{size::Vocabulary, update::Last};
use crate::{
    Caller, Created, Error, Factory, Submission,
    registry::{self, Role},
};

/// One thing that a server can be made of. Another kind is another file here, and another arm.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Intake {
    /// An OpenAPI document: Swagger 2.0, OpenAPI 3.0, 3.1 or 3.2, JSON or YAML.
    Openapi(#[schema(inline)] Box<Openapi>),
    /// Files of the MCP Toolbox for Databases (`tools.yaml`).
    Toolbox(#[schema(inline)] Toolbox),
    /// The tools of another MCP server, under this one's authentication, limits and names.
    Mcp(#[schema(inline)] Mcp),
    /// A GraphQL endpoint, by introspection.
    Graphql(#[schema(inline)] Graphql),
    /// A Postman collection, v2.0 or v2.1.
    Postman(#[schema(inline)] Postman),
    /// A live database: PostgreSQL, MySQL, MariaDB or SQLite.
    Database(#[schema(inline)] Database),
    /// A spec that is there already: made of something elsewhere, or, with `infer`, one whose tools lack implementations.
    Spec(#[schema(inline)] MadeSpec),
    /// A gRPC server that describes itself.
    Grpc(#[schema(inline)] Grpc),
}

/// The words of all kinds, with what a sentence calls them.
pub const KINDS: [(&str, &str); 8] = [
    ("openapi", "an OpenAPI document"),
    ("toolbox", "files of the MCP Toolbox"),
    ("mcp", "another MCP server"),
    ("graphql", "a GraphQL endpoint"),
    ("postman", "a Postman collection"),
    ("database", "a database"),
    (SPEC, "a spec"),
    ("grpc", "a gRPC server"),
];
/// Nothing is made of it: it was made of something else, or written.
const SPEC: &str = "spec";

/// Options of the command line that messages name.
const OPTIONS: [&str; 10] = [
    "--base-url",
    "--fetch-references",
    "--graphql",
    "--openapi",
    "--postman",
    "--schema",
    "--scope",
    "--session",
    "--tables",
    "--token-env-var",
];

/// A message as it is for those who send JSON: what is typed as an option is a field there.
#[must_use]
pub fn for_senders(message: &str) -> Cow<'_, str> {
    let mut said = Cow::Borrowed(message);
    for option in OPTIONS {
        let typed = format!("`{option}`");
        if said.contains(&typed) {
            let mut words = option.trim_start_matches('-').split('-');
            let first = words.next().unwrap_or_default().to_owned();
            let field = words.fold(first, |field, word| field + &word[..1].to_ascii_uppercase() + &word[1..]);
            said = said.replace(&typed, &format!("`{field}`")).into();
        }
    }
    said
}

/// What is to be made of it.
#[derive(Debug, Clone)]
pub struct Import {
    pub from: Intake,
    /// What the server is called. Left out: what the thing is called.
    pub name: Option<String>,
    /// Make the spec, and no server.
    pub dry_run: bool,
    /// The server `name` was imported before: what people changed of it stays.
    pub update: bool,
    /// Whose counts where people and the new import changed the same. Left out: nothing is kept then.
    pub prefer: Option<Prefer>,
    /// What was chosen at the last import is not chosen again.
    pub forget_options: bool,
}

/// A spec that validates, and what was found on the way to it.
#[derive(Debug)]
pub struct Proposed {
    /// What it was made of, as messages call it.
    pub of: String,
    pub proposal: Proposal,
    /// The spec in its canonical form, as YAML. One that was made elsewhere is as it was sent.
    pub text: String,
}

#[derive(Debug)]
pub struct Imported {
    /// As YAML.
    pub spec: String,
    pub findings: Vec<Finding>,
    pub update: Option<Update>,
    /// `None` where only the spec was asked for.
    pub created: Option<Created>,
}

/// Why there is no proposal.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error("no spec can be made of {of}")]
    Nothing { of: String, findings: Vec<Finding> },
    #[error("people and the new import changed the same {}; say whose counts", places(.0.conflicts.len()))]
    Conflicts(Box<Update>),
    #[error("{0}")]
    Argument(String),
    #[error(
        "`{server}` was made of {was}, and this is {is}: nothing of it would stay; bring in a newer version of {was}, or make \
         another server of this"
    )]
    OtherKind { server: String, was: &'static str, is: &'static str },
    #[error(
        "this has no tool and no connection in common with what `{server}` was made of: nothing of it would stay; bring in a newer \
         version of that, or make another server of this"
    )]
    Unrelated { server: String },
    /// It can't be read, or not be reached.
    #[error("can't read {of}: {why}")]
    Unreadable { of: String, why: String },
    #[error(transparent)]
    Denied(#[from] mcp_factory_connect::Denied),
    #[error("a piece of work broke off")]
    Broken(#[from] tokio::task::JoinError),
}

impl IntakeError {
    /// Why this was not brought into a server, or a file.
    #[must_use]
    pub fn apart(why: Apart, server: &str, of: String) -> Self {
        match why {
            Apart::Strangers => Self::Unrelated { server: server.to_owned() },
            Apart::Invalid(findings) => Self::Nothing { of, findings },
        }
    }
}

/// Where so many conflicts are.
#[must_use]
pub fn places(count: usize) -> String {
    if count == 1 { "in one place".to_owned() } else { format!("in {count} places") }
}

/// Large ones take hundreds of megabytes for a moment.
static AT_ONCE: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(2));

impl Intake {
    pub async fn propose(self, name: Option<String>, reach: &Reach) -> Result<Proposed, IntakeError> {
        let _turn = AT_ONCE.acquire().await.expect("nobody closes it");
        match self {
            Self::Openapi(it) => it.propose(name, reach).await,
            Self::Graphql(it) => it.propose(name, reach).await,
            Self::Mcp(it) => it.propose(name, reach).await,
            Self::Toolbox(it) => it.propose(name, reach).await,
            Self::Postman(it) => it.propose(name, reach).await,
            Self::Database(it) => it.propose(name, reach).await,
            Self::Spec(it) => it.propose(name, reach).await,
            Self::Grpc(it) => it.propose(name, reach).await,
        }
    }
}

impl Proposed {
    /// What `import` makes of a thing, of so many bytes. All of it on one thread, whose memory is used again.
    async fn of(
        of: String,
        bytes: usize,
        import: impl FnOnce(&str) -> Result<Proposal, Vec<Finding>> + Send + 'static,
    ) -> Result<Self, IntakeError> {
        let work = move || {
            let vocabulary = Vocabulary::ahead(bytes);
            match import(&of) {
                Ok(mut proposal) => {
                    size::tell(&mut proposal, vocabulary);
                    let text = proposal.text.take().unwrap_or_else(|| proposal.spec.canonical_yaml());
                    Ok(Self { of, proposal, text })
                }
                Err(findings) => Err(IntakeError::Nothing { of, findings }),
            }
        };
        tokio::task::spawn_blocking(work).await?
    }
}

impl Factory {
    /// Proposes a spec, and makes a server of it. What it reaches outside is what the owner was granted.
    pub async fn import(&self, caller: &Caller, import: Import) -> Result<Imported, Error> {
        if let Err(error) = caller.needs(Role::Developer) {
            return Err(self.refused(caller, "servers.import", "", error).await);
        }
        let owner = caller.owner();
        let reach = Reach::of(self.policy_of(owner).await?, self.secrets_of(owner).await?);
        let Import { mut from, name, dry_run, update, prefer, forget_options } = import;
        let found = match &mut from {
            Intake::Database(it) => self.find_shared(owner, it).await,
            Intake::Spec(it) => self.find_standing(owner, it).await,
            _ => Ok(()),
        };
        if let Err(error) = found {
            return Err(self.refused(caller, "servers.import", "", error).await);
        }
        let wanted = name.clone().filter(|_| update);
        if update && wanted.is_none() {
            return Err(Error::argument("`update`", "takes the `name` of the server"));
        }
        if !update && (prefer.is_some() || forget_options) {
            let name = if forget_options { "`forgetOptions`" } else { "`prefer`" };
            return Err(Error::argument(name, "is about an `update` of a server that is there"));
        }
        let last = match &wanted {
            None => None,
            Some(name) => Some(self.last_import(caller, name).await?),
        };
        let mut told = None;
        if let (Some(name), Some(origin)) = (&wanted, last.as_ref().and_then(Last::origin)) {
            if let Err(error) = from.same_kind(name, origin) {
                return Err(self.refused(caller, "servers.import", name, error.into()).await);
            }
            told = if forget_options { None } else { from.choose_again(origin) };
        }
        let origin = from.origin();
        let (edited, folder) = match &mut from {
            Intake::Spec(it) => (it.imported().await?, it.folder.take()),
            _ => (None, None),
        };
        // With `update` it is the server's, which people may have named otherwise.
        let name = name.filter(|_| !update || !matches!(from, Intake::Spec(_)));
        let mut proposed = match from.propose(name, &reach).await {
            Ok(proposed) => proposed,
            Err(IntakeError::Broken(error)) => return Err(error.into()),
            Err(error) => return Err(self.refused(caller, "servers.import", "", error.into()).await),
        };
        proposed.proposal.findings.extend(told);
        if let (Some(name), Some(last)) = (wanted, last) {
            return match self.update_of(caller, last.moved_to(folder), proposed, origin, prefer, dry_run).await {
                Err(error @ Error::Intake(_)) => Err(self.refused(caller, "servers.import", &name, error).await),
                done => done,
            };
        }
        let Proposed { proposal, text: spec, .. } = proposed;
        let findings = proposal.findings;
        let created = match dry_run {
            true => None,
            false => {
                let is_edited = edited.is_some();
                let imported = edited.unwrap_or_else(|| proposal.spec.canonical().to_string());
                let submission = Submission { folder, ..Submission::new(spec.as_str()) };
                let created =
                    self.create_of(caller, submission, None, Some(registry::Import { spec: imported, origin })).await;
                Some(created.map_err(|error| match error {
                    Error::VersionExists { server, version } if !is_edited => Error::ImportedBefore { server, version },
                    error => error,
                })?)
            }
        };
        Ok(Imported { spec, findings, update: None, created })
    }
}

#[cfg(test)]
mod tests {
    use utoipa::PartialSchema as _;

    use super::*;

    #[test]
    fn the_words_of_all_kinds_are_those_that_are_read() {
        let schema = serde_json::to_value(Intake::schema()).expect("a schema is JSON");
        let kinds = schema["oneOf"].as_array().into_iter().flatten();
        let kinds: Vec<&str> = kinds.filter_map(|kind| kind["required"][0].as_str()).collect();
        assert_eq!(kinds, KINDS.map(|(kind, _)| kind));
    }

    #[test]
    fn an_option_of_the_command_line_is_a_field_for_those_who_send() {
        for (said, shown) in [
            ("look at `--scope`", "look at `scope`"),
            ("`--fetch-references` and `--tables`", "`fetchReferences` and `tables`"),
            ("a table `--x` and --schema", "a table `--x` and --schema"),
        ] {
            assert_eq!(for_senders(said), shown);
        }
    }
}
