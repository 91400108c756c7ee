//! SQLite's catalogue.

use std::collections::BTreeMap;

use super::{Question, Rows, Tables, check, default_of, number, option, text, yes};
use crate::database::schema::{Column, ColumnKind, Default, Kind, Reference};

const REQUIRED: Question = Question { text: "", takes_schema: false, optional: None };

pub const QUESTIONS: &[Question] = &[
    Question { text: TABLES, ..REQUIRED },
    Question { text: COLUMNS, ..REQUIRED },
    Question { text: KEYS, ..REQUIRED },
    Question { text: REFERENCES, ..REQUIRED },
    Question { text: COLUMNS_OF_VIEWS, optional: Some("views, one of which is broken"), ..REQUIRED },
];

/// What stands behind a virtual table is its own.
const TABLES: &str = "
SELECT t.name, t.type, s.sql FROM pragma_table_list AS t LEFT JOIN sqlite_schema AS s ON s.name = t.name
WHERE t.schema = 'main' AND t.type IN ('table', 'view', 'virtual') AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";

const COLUMNS: &str = "
SELECT t.name, x.name, x.type, x.\"notnull\", x.dflt_value, x.pk, x.hidden, t.wr
FROM pragma_table_list AS t, pragma_table_xinfo(t.name) AS x
WHERE t.schema = 'main' AND t.type IN ('table', 'virtual') AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
ORDER BY t.name, x.cid";

const COLUMNS_OF_VIEWS: &str = "
SELECT t.name, x.name, x.type, x.\"notnull\", x.dflt_value, x.pk, x.hidden, t.wr
FROM pragma_table_list AS t, pragma_table_xinfo(t.name) AS x
WHERE t.schema = 'main' AND t.type = 'view'
ORDER BY t.name, x.cid";

const KEYS: &str = "
SELECT t.name, l.name, i.name FROM pragma_table_list AS t, pragma_index_list(t.name) AS l, pragma_index_info(l.name) AS i
WHERE t.schema = 'main' AND t.type = 'table' AND l.\"unique\" = 1 AND l.partial = 0 AND l.origin <> 'pk'
ORDER BY t.name, l.seq, i.seqno";

const REFERENCES: &str = "
SELECT t.name, f.id, f.\"from\", f.\"table\", f.\"to\" FROM pragma_table_list AS t, pragma_foreign_key_list(t.name) AS f
WHERE t.schema = 'main' AND t.type = 'table'
ORDER BY t.name, f.id, f.seq";

pub fn fill<'a>(tables: &mut Tables, answer: impl Fn(usize) -> &'a Rows) {
    for row in answer(0) {
        // A virtual table may take more than rows to change.
        let kind = if text(row, 1) == "table" { Kind::Table } else { Kind::View };
        tables.add(text(row, 0), None, text(row, 0), kind, String::new());
    }
    let mut primary: BTreeMap<String, Vec<(u64, String, bool)>> = BTreeMap::new();
    for row in answer(1).iter().chain(answer(4)) {
        let Some(table) = tables.get(&text(row, 0)) else { continue };
        // Hidden columns of virtual tables are their arguments.
        if number(row, 6) == Some(1) {
            continue;
        }
        let place = number(row, 5).unwrap_or(0);
        if place > 0 {
            let numbers_rows = text(row, 2).eq_ignore_ascii_case("integer") && !yes(row, 7);
            primary.entry(text(row, 0)).or_default().push((place, text(row, 1), numbers_rows));
        }
        table.columns.push(column(row));
    }
    for (id, mut key) in primary {
        let Some(table) = tables.get(&id) else { continue };
        key.sort();
        // A lone INTEGER PRIMARY KEY is the number of the row.
        if let [(_, name, true)] = key.as_slice()
            && let Some(column) = table.columns.iter_mut().find(|column| column.name == *name)
        {
            column.default = Default::Made;
            column.nullable = false;
        }
        table.primary_key = key.into_iter().map(|(_, name, _)| name).collect();
    }
    let mut keys: Vec<(String, String, Vec<Option<String>>)> = Vec::new();
    for row in answer(2) {
        let (table, key, column) = (text(row, 0), text(row, 1), option(row, 2));
        match keys.last_mut().filter(|(t, k, _)| *t == table && *k == key) {
            Some((.., columns)) => columns.push(column),
            None => keys.push((table, key, vec![column])),
        }
    }
    for (id, _, columns) in keys {
        if let (Some(table), Some(columns)) = (tables.get(&id), columns.into_iter().collect::<Option<Vec<_>>>()) {
            table.unique.push(columns);
        }
    }
    let primary_keys: BTreeMap<String, Vec<String>> =
        tables.0.values().map(|table| (table.name.to_lowercase(), table.primary_key.clone())).collect();
    let mut last = None;
    for row in answer(3) {
        let (id, key) = (text(row, 0), text(row, 1));
        let Some(table) = tables.get(&id) else { continue };
        if last.as_ref() != Some(&(id.clone(), key.clone())) {
            let (columns, to) = (Vec::new(), Vec::new());
            table.references.push(Reference { columns, schema: None, table: text(row, 3), to });
            last = Some((id, key));
        }
        if let Some(reference) = table.references.last_mut() {
            let place = reference.columns.len();
            reference.columns.push(text(row, 2));
            let key = primary_keys.get(&reference.table.to_lowercase());
            let to = option(row, 4).or_else(|| key?.get(place).cloned());
            reference.to.extend(to);
        }
    }
    for row in answer(0) {
        if let Some(table) = tables.get(&text(row, 0)) {
            for check in check::checks(&text(row, 2)) {
                check::apply(&mut table.columns, None, check);
            }
        }
    }
}

fn column(row: &[serde_json::Value]) -> Column {
    let declared = text(row, 2);
    let mut column = Column::new(text(row, 1), kind(&declared));
    let length = declared.split_once('(').and_then(|(_, behind)| behind.strip_suffix(')'));
    if column.kind == ColumnKind::Text {
        column.longest = length.and_then(|length| length.trim().parse().ok());
    }
    column.nullable = !yes(row, 3);
    column.default = match option(row, 4) {
        _ if matches!(number(row, 6), Some(2 | 3)) => Default::Generated,
        Some(expression) => default_of(&expression),
        None => Default::None,
    };
    column
}

/// By the rules of SQLite's affinities, and by what people mean.
fn kind(declared: &str) -> ColumnKind {
    let declared = declared.to_ascii_uppercase();
    let has = |word: &str| declared.contains(word);
    let word = declared.split('(').next().unwrap_or_default().trim();
    match word {
        "BOOLEAN" | "BOOL" => return ColumnKind::Boolean,
        "DATE" => return ColumnKind::Date,
        "TIME" => return ColumnKind::Time,
        "DATETIME" | "TIMESTAMP" | "TIMESTAMPTZ" => return ColumnKind::Timestamp,
        "JSON" | "JSONB" => return ColumnKind::Json,
        "UUID" => return ColumnKind::Text,
        "DECIMAL" | "NUMERIC" => return ColumnKind::Decimal,
        _ => {}
    }
    if has("INT") {
        ColumnKind::Integer
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        ColumnKind::Text
    } else if has("BLOB") {
        ColumnKind::Bytes
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        ColumnKind::Number
    } else {
        ColumnKind::Other
    }
}
