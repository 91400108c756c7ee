//! What tables and columns a shared database has, for whom it is granted to: an agent that writes a spec has to know them, and
//! what opens the database it never learns. Asked of the database itself, in bounds, and kept for a while.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use mcp_factory_connect::sql::{Backend, Database, DatabaseConfig, PoolConfig, Source};
use mcp_factory_intake::database::{
    catalogue::questions,
    schema::{ColumnKind, Kind, Schema},
};
use mcp_factory_spec::sql::Dialect;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    Caller, Error, Factory, GrantedConnection,
    connections::needed,
    registry::{SharedRow, Timestamp},
};

/// Tables and views of one shared connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionSchema {
    pub tables: Vec<TableShown>,
    /// So many more are not shown.
    pub more: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableShown {
    pub name: String,
    pub is_view: bool,
    pub columns: Vec<ColumnShown>,
    /// So many more are not shown.
    pub more: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnShown {
    pub name: String,
    /// In a word.
    pub kind: &'static str,
    pub nullable: bool,
    /// Part of what a row is found by.
    pub is_key: bool,
}

/// What is shown of one connection.
const MOST_TABLES: usize = 100;
const MOST_COLUMNS: usize = 60;
/// What is shown of a name, in characters.
const LONGEST: usize = 128;
/// For one database to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Asked at once, for one caller.
const AT_ONCE: usize = 4;
/// Kept for so long, and of so many connections.
const KEPT: Duration = Duration::from_secs(60);
const MOST_KEPT: usize = 256;

/// By the name of the connection.
#[derive(Debug, Default)]
pub(crate) struct Schemas(Mutex<HashMap<String, Read>>);

#[derive(Debug)]
struct Read {
    /// Of this definition.
    defined: Timestamp,
    at: Instant,
    schema: Option<Arc<ConnectionSchema>>,
}

impl Factory {
    /// Those that the caller's specs may use, with the tables of those that are databases: `None` where it is none, or does not
    /// answer just now.
    pub async fn granted_schemas(
        &self,
        caller: &Caller,
    ) -> Result<Vec<(GrantedConnection, Option<Arc<ConnectionSchema>>)>, Error> {
        let granted = self.granted_rows(caller).await?;
        let read = stream::iter(granted).map(|row| async move {
            let schema = self.schema_of(&row).await;
            (GrantedConnection::of(row), schema)
        });
        Ok(read.buffered(AT_ONCE).collect().await)
    }

    /// The same of one of them.
    pub async fn granted_schema(&self, caller: &Caller, name: &str) -> Result<Option<Arc<ConnectionSchema>>, Error> {
        match self.granted_rows(caller).await?.into_iter().find(|row| row.name == name) {
            Some(row) => Ok(self.schema_of(&row).await),
            None => Err(Error::NotFound {
                what: "connection",
                name: name.chars().take(64).flat_map(char::escape_debug).collect(),
            }),
        }
    }

    async fn schema_of(&self, row: &SharedRow) -> Option<Arc<ConnectionSchema>> {
        if let Some(known) = self.schemas().get(row) {
            return known;
        }
        let schema = match tokio::time::timeout(PATIENCE, self.read_schema(row)).await {
            Ok(Ok(schema)) => schema.map(Arc::new),
            // Where it is, and what it said, is for who shares it.
            Ok(Err(error)) => {
                tracing::warn!(connection = row.name, error, "the tables of a shared connection can't be read");
                None
            }
            Err(_) => {
                tracing::warn!(connection = row.name, "the tables of a shared connection can't be read in time");
                None
            }
        };
        self.schemas().keep(row, schema.clone());
        schema
    }

    async fn read_schema(&self, row: &SharedRow) -> Result<Option<ConnectionSchema>, String> {
        let (backend, dialect) = match row.kind.as_str() {
            "postgresql" => (Backend::Postgres, Dialect::Postgres),
            "mysql" => (Backend::Mysql, Dialect::Mysql),
            "sqlite" => (Backend::Sqlite, Dialect::Sqlite),
            _ => return Ok(None),
        };
        let definition: Value = serde_json::from_str(&row.definition).map_err(|error| error.to_string())?;
        let said = |field: &str| definition[field].as_str().map(str::to_owned);
        let source = match (said("envVar"), said("url"), said("path")) {
            (Some(name), ..) => Source::Secret(name),
            (_, Some(url), _) => Source::Url(url),
            (.., Some(path)) => Source::Path(path.into()),
            _ => return Ok(None),
        };
        let config = DatabaseConfig {
            read_only: true,
            schema: said("schema"),
            pool: PoolConfig { max: 1, ..PoolConfig::default() },
            ..DatabaseConfig::new(&row.name, backend, source)
        };
        let secrets = self.secrets_of(&row.owner).await.map_err(|error| error.to_string())?;
        let database = Database::new(config, Arc::new(secrets), Arc::new(needed(&definition)))
            .map_err(|error| error.to_string())?;
        let mut answers = Vec::new();
        for question in questions(dialect) {
            let arguments = if question.takes_schema { vec![definition["schema"].clone()] } else { Vec::new() };
            let answer = database.table(question.text, arguments, PATIENCE).await;
            match (answer, question.optional) {
                (Ok(rows), _) => answers.push(Some(rows)),
                (Err(_), Some(_)) => answers.push(None),
                (Err(error), None) => return Err(error.to_string()),
            }
        }
        database.close().await;
        Ok(Some(shown(&Schema::of(dialect, &answers))))
    }
}

impl Schemas {
    #[expect(clippy::option_option, reason = "not known, or known to be none")]
    fn get(&self, row: &SharedRow) -> Option<Option<Arc<ConnectionSchema>>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let read = kept.get(&row.name)?;
        (read.defined == row.updated && read.at.elapsed() < KEPT).then(|| read.schema.clone())
    }

    fn keep(&self, row: &SharedRow, schema: Option<Arc<ConnectionSchema>>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, read| read.at.elapsed() < KEPT);
        if kept.len() < MOST_KEPT {
            kept.insert(row.name.clone(), Read { defined: row.updated, at: Instant::now(), schema });
        }
    }
}

fn shown(schema: &Schema) -> ConnectionSchema {
    let name = |name: &str| name.chars().take(LONGEST).collect::<String>();
    let tables = schema.tables.iter().take(MOST_TABLES).map(|table| {
        let key = table.key().unwrap_or_default();
        let columns = table.columns.iter().take(MOST_COLUMNS).map(|column| ColumnShown {
            name: name(&column.name),
            kind: word(column.kind),
            nullable: column.nullable,
            is_key: key.contains(&column.name),
        });
        TableShown {
            name: name(&table.full_name()),
            is_view: table.kind == Kind::View,
            columns: columns.collect(),
            more: table.columns.len().saturating_sub(MOST_COLUMNS),
        }
    });
    ConnectionSchema { tables: tables.collect(), more: schema.tables.len().saturating_sub(MOST_TABLES) }
}

fn word(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Integer => "integer",
        ColumnKind::Number => "number",
        ColumnKind::Decimal => "decimal",
        ColumnKind::Boolean => "boolean",
        ColumnKind::Text => "text",
        ColumnKind::Uuid => "uuid",
        ColumnKind::Date => "date",
        ColumnKind::Time => "time",
        ColumnKind::Timestamp => "timestamp",
        ColumnKind::Json => "json",
        ColumnKind::Bytes | ColumnKind::Hex => "bytes",
        ColumnKind::Array => "array",
        ColumnKind::Other | ColumnKind::Opaque | ColumnKind::Geometry | ColumnKind::Index => "other",
    }
}
