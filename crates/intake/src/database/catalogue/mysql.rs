//! The catalogue of MySQL and MariaDB.

use super::{Question, Rows, Tables, check, default_of, number, option, text, yes};
use crate::database::schema::{Column, ColumnKind, Default, Kind, Reference};

const REQUIRED: Question = Question { text: "", takes_schema: true, optional: None };

pub const QUESTIONS: &[Question] = &[
    Question { text: TABLES, ..REQUIRED },
    Question { text: COLUMNS, ..REQUIRED },
    Question { text: KEYS, ..REQUIRED },
    Question { text: REFERENCES, ..REQUIRED },
    Question { text: CHECKS, optional: Some(NO_CHECKS), ..REQUIRED },
];

const NO_CHECKS: &str = "check constraints, which this version of the database does not show";

const TABLES: &str = "
SELECT TABLE_NAME, TABLE_TYPE, TABLE_COMMENT, VERSION()
FROM information_schema.TABLES
WHERE TABLE_SCHEMA = COALESCE(?, DATABASE()) AND TABLE_TYPE IN ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED')";

const COLUMNS: &str = "
SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_MAXIMUM_LENGTH, IS_NULLABLE, COLUMN_DEFAULT, EXTRA,
  COLUMN_COMMENT, COLLATION_NAME
FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = COALESCE(?, DATABASE())
ORDER BY TABLE_NAME, ORDINAL_POSITION";

const KEYS: &str = "
SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART
FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = COALESCE(?, DATABASE()) AND NON_UNIQUE = 0
ORDER BY TABLE_NAME, INDEX_NAME = 'PRIMARY' DESC, INDEX_NAME, SEQ_IN_INDEX";

const REFERENCES: &str = "
SELECT TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, IF(REFERENCED_TABLE_SCHEMA = TABLE_SCHEMA, NULL, REFERENCED_TABLE_SCHEMA),
  REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME
FROM information_schema.KEY_COLUMN_USAGE
WHERE TABLE_SCHEMA = COALESCE(?, DATABASE()) AND REFERENCED_TABLE_NAME IS NOT NULL
ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION";

/// MariaDB's names of constraints are their table's own; MySQL's, which this is refused by, are the schema's.
const CHECKS: &str = "
SELECT TABLE_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS
WHERE CONSTRAINT_SCHEMA = COALESCE(?, DATABASE())";

/// Says whether it is MariaDB.
pub fn fill<'a>(tables: &mut Tables, answer: impl Fn(usize) -> &'a Rows, unread: &mut Vec<String>) -> bool {
    let mut is_mariadb = false;
    for row in answer(0) {
        is_mariadb |= text(row, 3).contains("MariaDB");
        let (name, comment) = (text(row, 0), text(row, 2));
        match &*text(row, 1) {
            "VIEW" if comment != "VIEW" => unread.push(format!("the view `{name}`, which is broken: {comment}")),
            "VIEW" => drop(tables.add(name.clone(), None, name, Kind::View, String::new())),
            _ => drop(tables.add(name.clone(), None, name, Kind::Table, comment)),
        }
    }
    for row in answer(1) {
        if let Some(table) = tables.get(&text(row, 0)) {
            table.columns.push(column(row, is_mariadb));
        }
    }
    let mut partial = std::collections::BTreeSet::new();
    let mut keys: Vec<(String, String, Vec<String>)> = Vec::new();
    for row in answer(2) {
        let (table, key) = (text(row, 0), text(row, 1));
        match option(row, 2).filter(|_| option(row, 3).is_none()) {
            None => drop(partial.insert((table, key))),
            Some(column) => match keys.last_mut().filter(|(t, k, _)| *t == table && *k == key) {
                Some((.., columns)) => columns.push(column),
                None => keys.push((table, key, vec![column])),
            },
        }
    }
    for (id, key, columns) in keys {
        let Some(table) = tables.get(&id).filter(|_| !partial.contains(&(id.clone(), key.clone()))) else { continue };
        match &*key {
            "PRIMARY" => table.primary_key = columns,
            _ => table.unique.push(columns),
        }
    }
    let mut last = None;
    for row in answer(3) {
        let (id, key) = (text(row, 0), text(row, 1));
        let Some(table) = tables.get(&id) else { continue };
        if last.as_ref() != Some(&(id.clone(), key.clone())) {
            let (columns, to) = (Vec::new(), Vec::new());
            table.references.push(Reference { columns, schema: option(row, 3), table: text(row, 4), to });
            last = Some((id, key));
        }
        if let Some(reference) = table.references.last_mut() {
            reference.columns.push(text(row, 2));
            reference.to.push(text(row, 5));
        }
    }
    for row in answer(4) {
        if let Some(table) = tables.get(&text(row, 0)) {
            check::apply(&mut table.columns, None, &text(row, 1));
        }
    }
    for table in tables.0.values_mut() {
        let keys = table.unique.iter().chain([&table.primary_key]);
        let keys: std::collections::BTreeSet<&String> =
            keys.chain(table.references.iter().map(|reference| &reference.columns)).flatten().collect();
        let of_keys = table.columns.iter_mut().filter(|column| keys.contains(&column.name));
        of_keys.filter(|it| it.kind == ColumnKind::Bytes).for_each(|column| column.kind = ColumnKind::Hex);
    }
    is_mariadb
}

fn column(row: &[serde_json::Value], is_mariadb: bool) -> Column {
    let (data_type, column_type) = (text(row, 2).to_ascii_lowercase(), text(row, 3));
    let mut column = Column::new(text(row, 1), kind(&data_type, &column_type));
    column.longest =
        if matches!(&*data_type, "char" | "varchar" | "binary" | "varbinary") { number(row, 4) } else { None };
    column.nullable = yes(row, 5);
    if data_type == "bit" {
        column.declared = Some(column_type.clone());
    }
    let extra = text(row, 7).to_ascii_lowercase();
    column.default = match option(row, 6) {
        _ if extra.contains("auto_increment") => Default::Made,
        _ if extra.contains("default_generated") => Default::Made,
        _ if extra.contains("generated") || extra.contains("persistent") || extra.contains("virtual") => {
            Default::Generated
        }
        Some(expression) if is_mariadb => default_of(&expression),
        Some(value) => crate::database::quote::literal(&value).map_or(Default::Made, Default::Simple),
        None => Default::None,
    };
    column.moves = extra.contains("on update");
    column.comment = text(row, 8);
    if data_type == "enum" {
        column.values = labels(&column_type);
    }
    let collation = option(row, 9);
    column.tells_letters_apart =
        collation.as_ref().is_none_or(|collation| collation.ends_with("_bin") || collation.contains("_as_cs"));
    column.charset = collation.as_deref().and_then(narrow_charset);
    column
}

/// A collation's name begins with that of its character set.
fn narrow_charset(collation: &str) -> Option<String> {
    let charset = collation.split('_').next()?;
    let is_name = charset.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_unicode = ["utf", "ucs"].iter().any(|begin| charset.starts_with(begin));
    (is_name && !is_unicode && charset != "binary").then(|| charset.to_owned())
}

fn kind(data_type: &str, column_type: &str) -> ColumnKind {
    match data_type {
        "tinyint" if column_type.starts_with("tinyint(1)") => ColumnKind::Boolean,
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" => ColumnKind::Integer,
        "float" | "double" => ColumnKind::Number,
        "decimal" => ColumnKind::Decimal,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" => ColumnKind::Text,
        "uuid" => ColumnKind::Uuid,
        "date" => ColumnKind::Date,
        "time" => ColumnKind::Time,
        "datetime" | "timestamp" => ColumnKind::Timestamp,
        "json" => ColumnKind::Json,
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => ColumnKind::Bytes,
        "bit" | "inet4" | "inet6" => ColumnKind::Other,
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
        | "geometrycollection" | "geomcollection" => ColumnKind::Geometry,
        _ => ColumnKind::Index,
    }
}

/// `enum('small','it''s')`
fn labels(column_type: &str) -> Vec<String> {
    let mut labels = Vec::new();
    let mut rest = column_type;
    while let Some((_, behind)) = rest.split_once('\'') {
        let mut label = String::new();
        let mut characters = behind.char_indices().peekable();
        let mut end = behind.len();
        while let Some((at, character)) = characters.next() {
            if character == '\'' && characters.next_if(|(_, next)| *next == '\'').is_none() {
                end = at + 1;
                break;
            }
            label.push(character);
        }
        labels.push(label);
        rest = &behind[end..];
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_unicode_is_known_by_its_collation() {
        for (collation, charset) in [
            ("latin1_swedish_ci", Some("latin1")),
            ("ascii_bin", Some("ascii")),
            ("utf8mb4_uca1400_ai_ci", None),
            ("utf8_bin", None),
            ("ucs2_general_ci", None),
            ("binary", None),
            ("x`y_bin", None),
        ] {
            assert_eq!(narrow_charset(collation).as_deref(), charset, "{collation}");
        }
    }

    #[test]
    fn labels_of_an_enum_are_read_as_they_are() {
        assert_eq!(labels("enum('small','it''s',',')"), ["small", "it's", ","]);
        assert_eq!(labels("enum()"), Vec::<String>::new());
    }
}
