//! A spec whose tools lack implementations, and a live database: what they most likely mean is proposed, and tried before it is
//! written. What only reads is run, in a session that can't write; what writes is explained, which runs nothing.

use std::{path::Path, sync::Arc, time::Duration};

use mcp_factory_connect::sql::{
    self, Access, Backend, Cell, Columns, DatabaseConfig, Hint, Parameter as DriverParameter, RowSink, RunOptions,
    Source, Statement,
};
use mcp_factory_engine::Shared;
use mcp_factory_intake::database::{infer, infer::Inferred, schema::Schema};
use mcp_factory_spec::{
    AllFiles, Format, Severity, Spec,
    model::{Connection, ConnectionKind, Tool},
    sql::{Dialect, Parameter, Template},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{IntakeError, Reach, database};

/// A spec with what was found for its tools.
#[derive(Debug)]
pub struct Completed {
    /// In its canonical form.
    pub spec: Spec,
    /// One for each tool that lacked an implementation.
    pub tools: Vec<Outcome>,
}

/// What became of one tool.
#[derive(Debug)]
pub struct Outcome {
    pub tool: String,
    /// What was written and why, or why nothing was.
    pub found: Result<Written, String>,
}

#[derive(Debug)]
pub struct Written {
    pub sql: String,
    pub reason: String,
    /// How it was tried.
    pub tried: &'static str,
}

/// For one statement, and for all there are.
const PATIENCE: Duration = Duration::from_secs(15);
const ALTOGETHER: Duration = Duration::from_secs(120);

/// Completes the spec as far as that is certain. Relative paths of its connections start in its folder.
pub async fn complete(spec: &Spec, reach: &Reach, folder: &Path) -> Result<Completed, IntakeError> {
    complete_on(spec, reach, Some(folder), &Shared::new()).await
}

/// The same, of a spec without a folder, or with connections that stand on what an operator shares.
pub(super) async fn complete_on(
    spec: &Spec,
    reach: &Reach,
    folder: Option<&Path>,
    shared: &Shared,
) -> Result<Completed, IntakeError> {
    let mut canonical = spec.canonical();
    let (mut outcomes, mut databases) = (Vec::new(), Vec::new());
    let end = Instant::now() + ALTOGETHER;
    for (position, tool) in spec.tools.iter().enumerate().filter(|(_, tool)| tool.kind.is_none()) {
        let found = match connection(spec, tool) {
            Err(why) => Err(why),
            Ok(_) if Instant::now() > end => {
                Err("the databases took too long; try it again with fewer tools".to_owned())
            }
            Ok(connection) => {
                let name = connection.name.to_string();
                let known = databases.iter().position(|(known, ..): &(String, _)| *known == name);
                let known = match known {
                    Some(known) => known,
                    None => {
                        databases.push((name, Live::open(connection, reach, folder, shared).await?));
                        databases.len() - 1
                    }
                };
                let live = &databases[known].1;
                implement(&mut canonical, position, tool, connection, live).await
            }
        };
        outcomes.push(Outcome { tool: tool.name.to_string(), found });
    }
    for (_, live) in databases {
        live.database.close().await;
        live.explains.close().await;
    }
    let spec = read(&canonical).map_err(IntakeError::Argument)?;
    Ok(Completed { spec, tools: outcomes })
}

/// The SQL database that the tool is on.
fn connection<'s>(spec: &'s Spec, tool: &Tool) -> Result<&'s Connection, String> {
    let is_sql = |connection: &&Connection| {
        use ConnectionKind::{Mysql, Postgresql, Sqlite};
        matches!(connection.kind, Some(Postgresql(_) | Mysql(_) | Sqlite(_)))
    };
    if let Some(name) = &tool.connection {
        let named = spec.connections.iter().find(|connection| connection.name == *name);
        return named.filter(is_sql).ok_or_else(|| format!("its connection `{name}` is no SQL database"));
    }
    let mut all = spec.connections.iter().filter(is_sql);
    match (all.next(), all.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err("the spec has no connection to an SQL database".to_owned()),
        (Some(_), Some(_)) => Err("the spec has several databases, and the tool names none".to_owned()),
    }
}

/// A database, and what it says of itself.
struct Live {
    database: sql::Database,
    /// For explanations alone: MySQL and SQLite refuse those of what writes in a session that can't.
    explains: sql::Database,
    schema: Schema,
    /// Whoever may use it does not learn where it leads.
    is_shared: bool,
}

impl Live {
    async fn open(
        connection: &Connection,
        reach: &Reach,
        folder: Option<&Path>,
        shared: &Shared,
    ) -> Result<Self, IntakeError> {
        let name = connection.name.as_str();
        let of = || format!("the database of the connection `{name}`");
        let ground = shared.get(name);
        let folder = ground.map(|it| &*it.folder).or(folder);
        let (backend, source, schema) = match &connection.kind {
            Some(ConnectionKind::Sqlite(file)) => match (&file.path, &file.env_var) {
                (Some(path), _) => match (folder, Path::new(path).is_absolute()) {
                    (Some(folder), _) => (Backend::Sqlite, Source::Path(folder.join(path)), None),
                    (None, true) => (Backend::Sqlite, Source::Path(path.into()), None),
                    (None, false) => {
                        let why = "its file is the server's own, which there is none of yet".to_owned();
                        return Err(IntakeError::Unreadable { of: of(), why });
                    }
                },
                (None, variable) => (
                    Backend::Sqlite,
                    Source::Secret(variable.as_ref().map_or_else(String::new, ToString::to_string)),
                    None,
                ),
            },
            Some(ConnectionKind::Postgresql(server) | ConnectionKind::Mysql(server)) => {
                let is_mysql = matches!(connection.kind, Some(ConnectionKind::Mysql(_)));
                let source = match (&server.env_var, &server.url) {
                    (Some(variable), _) => Source::Secret(variable.to_string()),
                    (None, url) => Source::Url(url.as_ref().map_or_else(String::new, |url| url.as_str().to_owned())),
                };
                (if is_mysql { Backend::Mysql } else { Backend::Postgres }, source, server.schema.clone())
            }
            _ => return Err(IntakeError::Argument(format!("`{name}` is no SQL database"))),
        };
        let config =
            DatabaseConfig { read_only: true, schema: schema.clone(), ..DatabaseConfig::new(name, backend, source) };
        let (secrets, policy) = match ground {
            Some(ground) => (ground.secrets.clone(), Arc::new(ground.policy.clone())),
            None => (reach.secrets().clone(), reach.policy().clone()),
        };
        let open = |config| sql::Database::new(config, secrets.clone(), policy.clone());
        let explains = open(DatabaseConfig { read_only: backend == Backend::Postgres, ..config.clone() })?;
        let database = open(config)?;
        let schema = database::read(&database, schema.as_deref()).await;
        let is_shared = ground.is_some();
        let schema = schema.map_err(|error| database::unreadable(&error, of(), is_shared))?;
        Ok(Self { database, explains, schema, is_shared })
    }
}

/// Proposes, tries and writes one; the spec stays as it was where that fails.
async fn implement(
    canonical: &mut Value,
    position: usize,
    tool: &Tool,
    connection: &Connection,
    live: &Live,
) -> Result<Written, String> {
    let Inferred { sql, reason, single, reads, annotations, confirm } = infer::infer(tool, connection, &live.schema)?;
    let mut completed = canonical.clone();
    let entry = &mut completed["tools"][position];
    entry["sql"] = sql.clone().into();
    entry["connection"] = connection.name.to_string().into();
    if single {
        entry["single"] = true.into();
    }
    for (name, value) in annotations.as_object().into_iter().flatten() {
        let stated = &mut entry["annotations"][name];
        if stated.is_null() {
            *stated = value.clone();
        }
    }
    if let Some(confirm) = confirm.filter(|_| tool.confirm.is_none()) {
        entry["confirm"] = confirm.into();
    }
    let read = read(&completed).map_err(|why| format!("`{sql}` would not be valid: {why}"))?;
    let tool = read.tools.get(position).ok_or("it is gone")?;
    let tried = try_out(&sql, tool, live, reads).await.map_err(|why| format!("the database refuses `{sql}`: {why}"))?;
    *canonical = read.canonical();
    Ok(Written { sql, reason, tried })
}

fn read(canonical: &Value) -> Result<Spec, String> {
    let text = canonical.to_string();
    let source = mcp_factory_spec::Source { name: "spec.json", bytes: text.as_bytes(), format: Format::Json };
    let reading = mcp_factory_spec::read(&source, &AllFiles);
    let told = reading.diagnostics.iter().find(|it| it.code.severity() == Severity::Error);
    reading.spec.ok_or_else(|| told.map_or_else(String::new, |it| format!("{}: {}", it.code, it.message)))
}

/// With all its clauses, and with none; every argument is NULL, or what the tool has for it.
async fn try_out(sql: &str, tool: &Tool, live: &Live, reads: bool) -> Result<&'static str, String> {
    let template = Template::parse(sql, live.schema.dialect)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let properties = tool.input_schema().get("properties").cloned().unwrap_or_default();
    let mut variants = vec![template.variants() - 1, 0];
    variants.dedup();
    for variant in variants {
        let statement = template.statement(variant, None, false).map_err(|problem| problem.to_string())?;
        let (text, parameters) = statement.render(|_| 1);
        let text = if reads { text } else { format!("EXPLAIN {text}") };
        let named = |parameter: &Parameter| match parameter {
            Parameter::Value { name } | Parameter::Element { name, .. } => name.clone(),
            _ => String::new(),
        };
        let values = parameters.iter().map(|parameter| value(&properties[&named(parameter)], parameter)).collect();
        let declared = parameters
            .iter()
            .map(|parameter| DriverParameter::new(named(parameter), hint(&properties[&named(parameter)], parameter)))
            .collect();
        let options = RunOptions { timeout: PATIENCE, ..RunOptions::default() };
        let explained = live.schema.dialect != Dialect::Postgres && !reads;
        let access = if explained { Access::Write } else { Access::Read };
        let statement = Statement::new(text, declared, access);
        let database = if reads { &live.database } else { &live.explains };
        let run = database.run(&statement, values, FirstRow, &options).await;
        run.map_err(|error| database::told(&error, live.is_shared))?;
    }
    Ok(if reads { "run, read-only" } else { "explained, and not run" })
}

/// A default, else NULL; a limit is a number.
fn value(schema: &Value, parameter: &Parameter) -> Value {
    match (&schema["default"], parameter) {
        (Value::Null, _) if schema["type"] == "integer" => json!(1),
        (Value::Null, _) => Value::Null,
        (default, _) => default.clone(),
    }
}

fn hint(schema: &Value, parameter: &Parameter) -> Hint {
    let word = match parameter {
        Parameter::Element { .. } => schema["items"]["type"].as_str(),
        _ => schema["type"].as_str(),
    };
    match word {
        Some("integer") => Hint::Integer,
        Some("number") => Hint::Number,
        Some("boolean") => Hint::Boolean,
        Some("string") => Hint::Text,
        _ => Hint::Any,
    }
}

/// That there is one is enough.
struct FirstRow;

impl RowSink for FirstRow {
    fn columns(&mut self, _: &Columns) {}

    fn cell(&mut self, _: usize, _: Cell<'_>) {}

    fn end_row(&mut self) -> std::ops::ControlFlow<()> {
        std::ops::ControlFlow::Break(())
    }

    fn reset(&mut self) {}
}
