//! What a database says of a table's columns and keys: whether rows sorted by some columns have no two alike.
//!
//! Only what is certain counts. A key is one that the database enforces for every row, at once; a column is NOT NULL, and of
//! a type whose values come back exactly as they went out and compare as they sort.

use std::{collections::BTreeMap, ops::ControlFlow, time::Duration};

use mcp_factory_connect::sql::{Access, Cell, Columns, Database, Hint, Parameter, RowSink, RunOptions, Statement};
use mcp_factory_spec::sql::{Dialect, KeysetColumn, Name};
use serde_json::Value;

/// Columns and keys of one table.
#[derive(Debug, Default)]
pub struct Table {
    columns: BTreeMap<String, Column>,
    /// `None` is an expression, or a column that is compared in another way than it is sorted.
    keys: BTreeMap<String, Vec<Option<String>>>,
}

#[derive(Debug, Clone, Copy)]
struct Column {
    not_null: bool,
    exact: bool,
}

impl Table {
    pub async fn read(
        database: &Database,
        dialect: Dialect,
        table: &[Name],
        session: Vec<(String, String)>,
        timeout: Duration,
    ) -> Result<Self, String> {
        let options = RunOptions { timeout, session };
        let (columns, keys, arguments) = match (dialect, table) {
            (Dialect::Postgres, _) => {
                let parts = table.iter().map(|name| match name.quoted {
                    true => format!("\"{}\"", name.text.replace('"', "\"\"")),
                    false => name.text.clone(),
                });
                (POSTGRES_COLUMNS, POSTGRES_KEYS, vec![Value::from(parts.collect::<Vec<_>>().join("."))])
            }
            (Dialect::Mysql, [table]) => (MYSQL_COLUMNS, MYSQL_KEYS, vec![Value::Null, Value::from(&*table.text)]),
            (Dialect::Mysql, [schema, table]) => {
                (MYSQL_COLUMNS, MYSQL_KEYS, vec![Value::from(&*schema.text), Value::from(&*table.text)])
            }
            (Dialect::Sqlite, [table]) => (SQLITE_COLUMNS, SQLITE_KEYS, vec![Value::from(&*table.text)]),
            _ => return Ok(Self::default()),
        };
        let ask = async |text: &'static str| {
            let parameters = arguments.iter().map(|_| Parameter::new("table", Hint::Text)).collect();
            let statement = Statement::new(text, parameters, Access::Read);
            let run = database.run(&statement, arguments.clone(), Cells::default(), &options).await;
            run.map(|(cells, _)| cells.0).map_err(|error| error.to_string())
        };
        let mut found = Self::default();
        for row in ask(columns).await? {
            if let [Some(name), not_null, exact] = row.as_slice() {
                let yes = |cell: &Option<String>| cell.as_deref() == Some("1");
                found.columns.insert(name.clone(), Column { not_null: yes(not_null), exact: yes(exact) });
            }
        }
        for row in ask(keys).await? {
            if let [Some(key), column] = row.as_slice() {
                found.keys.entry(key.clone()).or_default().push(column.clone());
            }
        }
        Ok(found)
    }

    /// Whether no two rows are alike in the columns, or why that is not known.
    pub fn tells_apart(&self, order: &[KeysetColumn], dialect: Dialect) -> Result<(), String> {
        let mut sorted_by = Vec::new();
        for column in order {
            let found = self.columns.iter().find(|(name, _)| is_same(name, &column.name, dialect));
            let Some((name, found)) = found else {
                return Err(format!("the database shows no column `{}` of that table", column.name.text));
            };
            if !found.not_null {
                return Err(format!("`{name}` may be NULL"));
            }
            if !found.exact {
                return Err(format!("`{name}` has a type whose values may not compare as they sort"));
            }
            sorted_by.push(name);
        }
        let is_sorted_by = |column: &Option<String>| column.as_ref().is_some_and(|column| sorted_by.contains(&column));
        if self.keys.values().any(|key| key.iter().all(is_sorted_by)) {
            return Ok(());
        }
        let names: Vec<String> = order.iter().map(|column| format!("`{}`", column.name.text)).collect();
        Err(format!("no primary or unique key of the table is within {}", names.join(", ")))
    }
}

fn is_same(name: &str, written: &Name, dialect: Dialect) -> bool {
    match dialect {
        Dialect::Postgres if written.quoted => name == written.text,
        Dialect::Postgres => name == written.text.to_ascii_lowercase(),
        Dialect::Mysql | Dialect::Sqlite => name.eq_ignore_ascii_case(&written.text),
    }
}

/// Tables whose children have rows without the parent's keys do not count. `NOT VALID` constraints neither.
const POSTGRES_COLUMNS: &str = "
SELECT a.attname::text,
  (a.attnotnull AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_constraint k
    WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND NOT k.convalidated AND a.attnum = ANY (k.conkey)))::int::text,
  (t.typname IN ('int2', 'int4', 'int8', 'bool', 'text', 'varchar', 'bpchar', 'uuid', 'date', 'timestamp', 'timestamptz',
    'numeric') AND t.typnamespace = 'pg_catalog'::regnamespace)::int::text
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = pg_catalog.to_regclass($1::text) AND a.attnum > 0 AND NOT a.attisdropped
  AND (c.relkind = 'p' OR c.relkind = 'r' AND NOT c.relhassubclass)";

const POSTGRES_KEYS: &str = "
SELECT i.indexrelid::text, a.attname::text
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am m ON m.oid = c.relam AND m.amname = 'btree'
CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) AS n
LEFT JOIN pg_catalog.pg_attribute a
  ON a.attrelid = i.indrelid AND a.attnum > 0 AND a.attnum = i.indkey[n] AND a.attcollation = i.indcollation[n]
WHERE i.indrelid = pg_catalog.to_regclass($1::text)
  AND i.indisunique AND i.indisvalid AND i.indimmediate AND NOT i.indisexclusion AND i.indpred IS NULL";

/// Text is sorted by its first `max_sort_length` bytes of weights, of which a character has several.
const MYSQL_COLUMNS: &str = "
SELECT COLUMN_NAME AS name, CAST(IS_NULLABLE = 'NO' AS CHAR) AS required,
  CAST(DATA_TYPE IN ('tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'date', 'datetime')
    OR DATA_TYPE IN ('char', 'varchar') AND IF(COLLATION_NAME REGEXP '_(general_ci|bin)$',
      CHARACTER_OCTET_LENGTH, CHARACTER_MAXIMUM_LENGTH * 16) <= @@max_sort_length AS CHAR) AS exact
FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = COALESCE(?, DATABASE()) AND BINARY TABLE_NAME = ?";

const MYSQL_KEYS: &str = "
SELECT INDEX_NAME AS name, IF(SUB_PART IS NULL, COLUMN_NAME, NULL) AS part
FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = COALESCE(?, DATABASE()) AND BINARY TABLE_NAME = ? AND NON_UNIQUE = 0";

/// A lone INTEGER PRIMARY KEY without an index of its own is the row's number, which is never NULL; any other may be.
const SQLITE_COLUMNS: &str = "
SELECT name,
  CAST(\"notnull\" <> 0 OR (pk = 1 AND upper(type) = 'INTEGER'
    AND (SELECT count(*) FROM pragma_table_info(?1) WHERE pk > 0) = 1
    AND NOT EXISTS (SELECT 1 FROM pragma_index_list(?1) WHERE origin = 'pk')) AS TEXT),
  CAST(upper(type) LIKE '%INT%' OR upper(type) LIKE '%CHAR%' OR upper(type) LIKE '%TEXT%' AS TEXT)
FROM pragma_table_info(?1)";

/// Where a collation is named somewhere, a key may be compared in another way than its column is sorted.
const SQLITE_KEYS: &str = "
SELECT 'the number of the row', name FROM pragma_table_info(?1)
WHERE pk = 1 AND upper(type) = 'INTEGER' AND (SELECT count(*) FROM pragma_table_info(?1) WHERE pk > 0) = 1
  AND NOT EXISTS (SELECT 1 FROM pragma_index_list(?1) WHERE origin = 'pk')
UNION ALL
SELECT l.name, i.name FROM pragma_index_list(?1) AS l, pragma_index_info(l.name) AS i
WHERE l.\"unique\" = 1 AND l.partial = 0
  AND NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE lower(tbl_name) = lower(?1) AND sql LIKE '%collate%')";

/// Rows of text.
#[derive(Default)]
struct Cells(Vec<Vec<Option<String>>>);

impl RowSink for Cells {
    fn columns(&mut self, _: &Columns) {}

    fn begin_row(&mut self) {
        self.0.push(Vec::new());
    }

    fn cell(&mut self, _: usize, cell: Cell<'_>) {
        let text = match cell {
            Cell::Text(text) => Some(text.to_owned()),
            _ => None,
        };
        if let Some(row) = self.0.last_mut() {
            row.push(text);
        }
    }

    fn end_row(&mut self) -> ControlFlow<()> {
        /// Columns of a table, and of all its keys.
        const MOST: usize = 10_000;
        if self.0.len() < MOST { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn reset(&mut self) {
        self.0.clear();
    }
}
