//! Databases: what a live one says of itself becomes tools that search, get and list its rows, and, where that is wanted, make,
//! change and delete them.
//!
//! Nothing is asked here: whoever has a connection asks the [`questions`](catalogue::questions) and hands in the answers. No
//! value of a row is seen, and no URL: where the database is stands in a variable that the spec names.

mod answer;
pub mod catalogue;
mod choose;
pub mod infer;
mod quote;
pub mod schema;
mod statement;
mod tool;
mod write;

pub(crate) use self::tool::singular;

use std::collections::BTreeMap;

use mcp_factory_spec::sql::Dialect;
use serde_json::{Map, Value, json};

use self::{schema::Schema, tool::Names};
use crate::{
    Finding, Level, MANY, Proposal,
    exposure::{self, Group, expose},
    name, settle, text,
};

/// What is taken of a database, and how.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The server's name.
    pub name: Option<String>,
    /// What the database is called, for the name where none is given.
    pub database: String,
    /// Where the spec finds the database.
    pub connection: Connection,
    /// Only tables and views that fit one of these; `*` stands for anything.
    pub tables: Vec<String>,
    /// The schema, where it is not the one that unqualified names mean.
    pub schema: Option<String>,
    /// Tools that make, change and delete rows, too.
    pub writes: bool,
    /// The column that says to whom a row belongs: callers see and change their own rows only.
    pub scope: Option<String>,
    /// What of the caller that column holds.
    pub by: Identity,
    /// What the database is told with each call, as row security asks it: settings, and texts with placeholders.
    pub session: BTreeMap<String, String>,
}

/// Where the spec finds the database. Its URL is never written.
#[derive(Debug, Clone, Default)]
pub enum Connection {
    /// In a variable, or a secret, that is named after the server.
    #[default]
    OfServer,
    Variable(String),
    /// The operator shares it by this name, and says whose rows its tables hold.
    Shared(String),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Identity {
    #[default]
    Principal,
    Tenant,
}

impl Identity {
    const fn word(self) -> &'static str {
        match self {
            Self::Principal => "principal.id",
            Self::Tenant => "principal.tenant",
        }
    }
}

/// Makes a spec of a database. Without one the findings say why.
pub fn propose(schema: &Schema, options: &Options) -> Result<Proposal, Vec<Finding>> {
    let mut found = Vec::new();
    for unread in &schema.unread {
        found.push(finding(Level::LeftOut, "", unread.clone()));
    }
    // Of a shared connection it is the operator's, and holds for whatever is chosen.
    let asked = options.scope.as_ref().filter(|_| !matches!(options.connection, Connection::Shared(_)));
    if let Some(scope) = asked.filter(|scope| !choose::says_whose(scope, schema, options)) {
        let of = if options.tables.is_empty() { "no table" } else { "none of the chosen tables" };
        let message = format!("{of} has a column `{}`: every caller would see all rows", text::plain(scope, 80));
        found.push(Finding { hint: Some("look at `--scope`".to_owned()), ..finding(Level::Error, "", message) });
        return Err(found);
    }
    let chosen = choose::choose(schema, options, &mut found);
    if chosen.is_empty() {
        let (message, hint) = match (schema.tables.len(), &options.schema) {
            (0, None) => (
                "the database has no tables or views that may be read: there is nothing to make tools of".to_owned(),
                "look at what its user may read, and at `--schema`",
            ),
            (0, Some(name)) => (
                format!("there is no schema `{}`, or nothing in it that may be read", text::plain(name, 80)),
                "look at what its user may read, and at `--schema`",
            ),
            (all, _) if choose::wanted(schema, options).next().is_none() => (
                format!("none of the {all} tables and views was chosen"),
                "look at what there is, above, and at `--tables`",
            ),
            (all, _) => (
                format!("none of the {all} tables and views can be used"),
                "look at what is left out above, and at `--tables`",
            ),
        };
        found.push(Finding { hint: Some(hint.to_owned()), ..finding(Level::Error, "", message) });
        return Err(found);
    }
    if let Some(scope) = asked.filter(|_| chosen.iter().all(|table| table.owner.is_none())) {
        let scope = text::plain(scope, 80);
        let message =
            format!("no table that is left says by `{scope}` whose its rows are: every caller would see all of them");
        let hint = Some("look at what is left out above, and at `--scope`".to_owned());
        found.push(Finding { hint, ..finding(Level::Error, "", message) });
        return Err(found);
    }
    let name = options.name.clone().unwrap_or_else(|| match name::server(&options.database) {
        server if server == "api" => "database".to_owned(),
        server => server,
    });
    let mut draft = Draft {
        dialect: schema.dialect,
        options,
        connection: match &options.connection {
            Connection::Shared(name) => name,
            _ => "db",
        },
        answers_inserts: schema.answers_inserts,
        found: &mut found,
        names: Names::default(),
        tools: Vec::new(),
        places: Vec::new(),
        toolsets: BTreeMap::new(),
    };
    for table in &chosen {
        draft.reads(table, &chosen);
        // Whoever calls would change the rows of all.
        if options.writes && (options.scope.is_none() || table.owner.is_some()) {
            draft.writes(table);
        }
    }
    let spec = draft.finish(&name, &chosen);
    let places = draft.places;
    settle::settle(spec, &places, found)
}

/// `*` stands for anything, in names with or without their schema.
fn fits(pattern: &str, table: &schema::Table) -> bool {
    let fits = |name: &str| crate::name::fits(&pattern.to_lowercase(), &name.to_lowercase());
    fits(&table.name) || fits(&table.full_name())
}

fn finding(level: Level, place: &str, message: String) -> Finding {
    Finding { level, place: place.to_owned(), position: None, message, hint: None }
}

/// A spec as it is put together.
struct Draft<'a> {
    dialect: Dialect,
    options: &'a Options,
    /// The connection's name.
    connection: &'a str,
    answers_inserts: bool,
    found: &'a mut Vec<Finding>,
    names: Names,
    tools: Vec<Value>,
    /// The table of each tool.
    places: Vec<String>,
    toolsets: BTreeMap<String, Vec<String>>,
}

impl Draft<'_> {
    fn push(&mut self, table: &choose::Chosen<'_>, tool: Value) {
        let name = tool["name"].as_str().unwrap_or_default().to_owned();
        self.toolsets.entry(table.words.clone()).or_default().push(name);
        self.places.push(table.table.full_name());
        self.tools.push(tool);
    }

    fn declared(&self, variable: &str, chosen: &[choose::Chosen<'_>]) -> Value {
        let kind = match self.dialect {
            Dialect::Postgres => "postgresql",
            Dialect::Mysql => "mysql",
            Dialect::Sqlite => "sqlite",
        };
        let mut connection = json!({ "name": self.connection, "type": kind, "envVar": variable });
        if !self.options.writes {
            connection["readOnly"] = true.into();
        }
        if let Some(schema) = self.options.schema.as_ref().filter(|_| self.dialect != Dialect::Sqlite) {
            connection["schema"] = schema.clone().into();
        }
        if !self.options.session.is_empty() {
            connection["session"] = json!(self.options.session);
        }
        let mut scoped = chosen.iter().filter(|chosen| chosen.owner.is_some()).peekable();
        if let Some(owner) = scoped.peek().and_then(|chosen| chosen.owner) {
            let (column, by) = (owner.name.clone(), self.options.by.word());
            let tables: Vec<&str> = scoped.map(|chosen| &*chosen.table.name).collect();
            connection["scope"] = json!({ "column": column, "by": by, "tables": tables });
        }
        connection
    }

    fn finish(&mut self, name: &str, chosen: &[choose::Chosen<'_>]) -> Value {
        let connection = match &self.options.connection {
            Connection::Shared(name) => json!({ "use": name }),
            Connection::Variable(variable) => self.declared(variable, chosen),
            Connection::OfServer => {
                let variable = format!("{}_DATABASE_URL", name::variable(name));
                self.declared(&variable, chosen)
            }
        };
        let mut spec = Map::new();
        spec.insert("name".to_owned(), name.into());
        spec.insert("connections".to_owned(), json!([connection]));
        if self.tools.len() > MANY {
            let groups = std::mem::take(&mut self.toolsets).into_iter().map(|(words, tools)| {
                let about = chosen.iter().find(|chosen| chosen.words == words).map(|chosen| &*chosen.table.comment);
                let about = about.map(|about| text::plain(about, 200)).filter(|about| !about.is_empty());
                Group { name: words.replace(' ', "_"), about: about.unwrap_or(words), tools }
            });
            expose(&mut spec, &exposure::names(&self.tools), groups.collect());
        }
        spec.insert("tools".to_owned(), std::mem::take(&mut self.tools).into());
        Value::Object(spec)
    }
}
