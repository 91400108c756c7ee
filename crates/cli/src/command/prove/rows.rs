//! Rows that belong to tenants, in databases that were made for the proof.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use rusqlite::{Connection, params_from_iter, types::Value};
use serde_json::Value as Json;

use super::{ground::Tenant, postgres::Postgres};

/// Where rows are that belong to somebody.
pub enum Rows {
    Sqlite(Sqlite),
    Postgres(Arc<Postgres>),
}

impl Rows {
    /// SQLite alone: other databases of a spec are not the proof's to write to.
    pub fn of(spec: &Json, folder: &Path) -> Vec<Self> {
        Sqlite::of(spec, folder).into_iter().map(Self::Sqlite).collect()
    }

    /// A row in each table, with the canary wherever there is room for a text. Returns their numbers.
    pub async fn plant(&self, tenant: &Tenant) -> anyhow::Result<Vec<i64>> {
        match self {
            Self::Sqlite(rows) => rows.plant(tenant),
            Self::Postgres(rows) => rows.plant(tenant).await,
        }
    }

    /// All that is this one's, to see whether it was changed.
    pub async fn of_tenant(&self, tenant: &Tenant) -> anyhow::Result<Vec<String>> {
        match self {
            Self::Sqlite(rows) => rows.of_tenant(tenant),
            Self::Postgres(rows) => rows.of_tenant(tenant).await,
        }
    }
}

/// The tables of one database whose rows belong to somebody.
pub struct Sqlite {
    file: PathBuf,
    column: String,
    tables: Vec<String>,
}

impl Sqlite {
    fn of(spec: &Json, folder: &Path) -> Vec<Self> {
        let connections = spec.get("connections").and_then(Json::as_array).into_iter().flatten();
        let rows = connections.filter_map(|connection| {
            let (scope, path) = (connection.get("scope")?, connection.get("path")?.as_str()?);
            let tables = scope.get("tables")?.as_array()?.iter().filter_map(Json::as_str).map(str::to_owned);
            let column = scope.get("column")?.as_str()?.to_owned();
            Some(Self { file: folder.join(path), column, tables: tables.collect() })
        });
        rows.collect()
    }

    fn open(&self) -> anyhow::Result<Connection> {
        let database = Connection::open(&self.file)
            .with_context(|| format!("can't open the database `{}`", self.file.display()))?;
        database.busy_timeout(std::time::Duration::from_secs(10))?;
        database.pragma_update(None, "foreign_keys", false)?;
        Ok(database)
    }

    fn plant(&self, tenant: &Tenant) -> anyhow::Result<Vec<i64>> {
        let database = self.open()?;
        let mut planted = Vec::new();
        for table in &self.tables {
            let (names, values): (Vec<_>, Vec<_>) = self.row(&database, table, tenant)?.into_iter().unzip();
            let places = vec!["?"; names.len()].join(", ");
            let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
            let sql = format!("INSERT INTO {} ({}) VALUES ({places})", quoted(table), names.join(", "));
            database
                .execute(&sql, params_from_iter(values))
                .with_context(|| format!("can't plant a row in `{table}`"))?;
            planted.push(database.last_insert_rowid());
        }
        Ok(planted)
    }

    fn row(&self, database: &Connection, table: &str, tenant: &Tenant) -> anyhow::Result<Vec<(String, Value)>> {
        let mut columns =
            database.prepare("SELECT name, upper(type), pk, dflt_value IS NOT NULL FROM pragma_table_info(?1)")?;
        let columns = columns.query_map([table], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?, row.get::<_, bool>(3)?))
        })?;
        let mut row = Vec::new();
        for column in columns {
            let (name, kind, key, has_default) = column?;
            let value = if name.eq_ignore_ascii_case(&self.column) {
                Value::Text(tenant.name.clone())
            } else if kind.contains("INT") {
                // The database numbers rows by itself.
                if key > 0 || has_default {
                    continue;
                }
                Value::Integer(1)
            } else if ["REAL", "FLOA", "DOUB", "NUM", "DEC"].iter().any(|it| kind.contains(it)) {
                Value::Real(1.0)
            } else if kind.contains("BLOB") {
                Value::Blob(tenant.canary.clone().into_bytes())
            } else {
                Value::Text(format!("canary {} {}", tenant.name, tenant.canary))
            };
            row.push((name, value));
        }
        Ok(row)
    }

    fn of_tenant(&self, tenant: &Tenant) -> anyhow::Result<Vec<String>> {
        let database = self.open()?;
        let mut found = Vec::new();
        for table in &self.tables {
            let sql = format!("SELECT * FROM {} WHERE {} = ?1 ORDER BY rowid", quoted(table), quoted(&self.column));
            let mut statement = database.prepare(&sql)?;
            let columns = statement.column_count();
            let mut rows = statement.query([&tenant.name])?;
            while let Some(row) = rows.next()? {
                let values: Result<Vec<Value>, _> = (0..columns).map(|column| row.get(column)).collect();
                found.push(format!("{table} {:?}", values?));
            }
        }
        Ok(found)
    }
}

/// Names are the author's; they were parsed, and are quoted still.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
