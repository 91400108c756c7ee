//! Statements as people would write them: conditions of which each stays or goes, and nothing that is not bound.

use std::fmt::Write as _;

use mcp_factory_spec::sql::Dialect;

use super::{
    Identity, answer,
    choose::{Chosen, Field, is_readable},
    schema::ColumnKind,
};

/// Clauses that go with their argument; each doubles what has to be read and kept of a statement.
pub const MOST_CLAUSES: usize = 4;

/// A SELECT of one table.
pub struct Select {
    text: String,
    clauses: usize,
}

impl Select {
    pub fn of(table: &Chosen<'_>, fields: &[&Field<'_>], by: Identity) -> Self {
        let columns: Vec<String> = fields.iter().map(|field| column(field)).collect();
        Self::with(table, &columns, by)
    }

    pub fn with(table: &Chosen<'_>, columns: &[String], by: Identity) -> Self {
        let mut text = format!("SELECT {}\nFROM {}\n", columns.join(", "), table.quoted);
        match owned(table, by) {
            Some(owned) => writeln!(text, "WHERE {owned}").expect("writing to a string can't fail"),
            None => text.push_str("WHERE 1 = 1\n"),
        }
        Self { text, clauses: 0 }
    }

    /// What always holds.
    pub fn holds(&mut self, condition: &str) {
        // Nothing reads better than a condition that says nothing.
        if self.text.ends_with("WHERE 1 = 1\n") {
            self.text.truncate(self.text.len() - "1 = 1\n".len());
            writeln!(self.text, "{condition}").expect("writing to a string can't fail");
        } else {
            writeln!(self.text, "  AND {condition}").expect("writing to a string can't fail");
        }
    }

    /// What holds where the argument is given.
    pub fn may_hold(&mut self, parameter: &str, condition: &str) {
        // What it is compared with says what type it has, so that comes first.
        let written = if self.clauses < MOST_CLAUSES {
            self.clauses += 1;
            format!("  [[ AND {condition} ]]")
        } else {
            format!("  AND ({condition} OR :{parameter} IS NULL)")
        };
        writeln!(self.text, "{written}").expect("writing to a string can't fail");
    }

    pub fn ordered(mut self, by: &[String]) -> String {
        if self.text.ends_with("WHERE 1 = 1\n") {
            self.text.truncate(self.text.len() - "WHERE 1 = 1\n".len());
        }
        if !by.is_empty() {
            write!(self.text, "ORDER BY {}", by.join(", ")).expect("writing to a string can't fail");
        }
        self.text.trim_end().to_owned()
    }
}

/// `owner = :principal.id`
pub fn owned(table: &Chosen<'_>, by: Identity) -> Option<String> {
    table.owner.map(|_| format!("{} = :{}", table.owner_quoted, by.word()))
}

pub fn equals(field: &Field<'_>) -> String {
    equals_to(field, &field.parameter)
}

/// MySQL fails where a text can't be written in the column's character set, instead of finding nothing. It is looked for as it
/// would be written there, which takes an index, and has to be the same in Unicode.
pub fn equals_to(field: &Field<'_>, parameter: &str) -> String {
    match &field.column.charset {
        _ if field.column.kind == ColumnKind::Hex => format!("{} = UNHEX(:{parameter})", field.quoted),
        Some(charset) if field.column.values.is_empty() => {
            format!("{0} = CONVERT(:{parameter} USING {charset}) AND {1} = :{parameter}", field.quoted, unicode(field))
        }
        _ => format!("{} = :{parameter}", field.quoted),
    }
}

/// What texts of any script are compared with.
pub fn unicode(field: &Field<'_>) -> String {
    match &field.column.charset {
        Some(_) => format!("CONVERT({} USING utf8mb4)", field.quoted),
        None => field.quoted.clone(),
    }
}

/// `placed >= :placed_from`. SQLite compares times as texts, which have to be of one form then.
pub fn bounded(field: &Field<'_>, sign: &str, parameter: &str, dialect: Dialect) -> String {
    match (dialect, field.column.kind) {
        (Dialect::Sqlite, ColumnKind::Timestamp) => format!("datetime({}) {sign} datetime(:{parameter})", field.quoted),
        _ => format!("{} {sign} {}", field.quoted, bound(field, parameter, dialect)),
    }
}

/// What the column gets, or is compared with. MySQL takes a text for bytes where bits are meant, and no time that ends in the `Z` of
/// UTC, which its sessions are in.
pub fn bound(field: &Field<'_>, parameter: &str, dialect: Dialect) -> String {
    match (dialect, field.column.kind) {
        (Dialect::Mysql, ColumnKind::Timestamp) => format!("TRIM(TRAILING 'Z' FROM :{parameter})"),
        (_, ColumnKind::Hex) => format!("UNHEX(:{parameter})"),
        (Dialect::Mysql, _) if answer::is_bits(field.column) => format!("CAST(CONV(:{parameter}, 2, 10) AS UNSIGNED)"),
        _ => format!(":{parameter}"),
    }
}

/// Whether the text stands anywhere in one of the columns.
pub fn contains(fields: &[&Field<'_>], parameter: &str, dialect: Dialect) -> String {
    let one = |field: &&Field<'_>| match dialect {
        Dialect::Postgres => format!("{} ILIKE '%' || :{parameter} || '%'", field.quoted),
        Dialect::Mysql => format!("{} LIKE CONCAT('%', :{parameter}, '%')", unicode(field)),
        Dialect::Sqlite => format!("{} LIKE '%' || :{parameter} || '%'", field.quoted),
    };
    let all: Vec<String> = fields.iter().map(one).collect();
    if all.len() == 1 { all.concat() } else { format!("({})", all.join(" OR ")) }
}

pub fn column(field: &Field<'_>) -> String {
    match field.column.kind {
        ColumnKind::Opaque => format!("CAST({0} AS text) AS {0}", field.quoted),
        ColumnKind::Hex => format!("LOWER(HEX({0})) AS {0}", field.quoted),
        ColumnKind::Geometry => format!("ST_AsText({0}) AS {0}", field.quoted),
        _ => field.quoted.clone(),
    }
}

/// What answers have.
pub fn answered<'t, 'a>(table: &'t Chosen<'a>) -> Vec<&'t Field<'a>> {
    table.columns.iter().filter(|field| is_readable(field.column)).collect()
}

/// An order in which no two rows are alike, as long as answers tell them apart: by the key, else by all that is answered, in which
/// what sorts as it is comes first.
pub fn order(table: &Chosen<'_>, dialect: Dialect) -> Vec<String> {
    /// Of the key, more would not be paged by it.
    const MOST_OF_KEY: usize = 8;
    /// Of tables as wide as databases have them, statements would get too long.
    const MOST: usize = 200;
    let as_it_is = |fields: &[&Field<'_>]| fields.iter().map(|field| field.quoted.clone()).collect();
    let key = table.key();
    if let Some(key) = key.as_ref().filter(|key| key.len() <= MOST_OF_KEY && key.iter().all(|it| it.column.sorts())) {
        return as_it_is(key);
    }
    let fields = key.unwrap_or_else(|| answered(table));
    let (first, rest): (Vec<&Field<'_>>, Vec<&Field<'_>>) = fields.into_iter().partition(|it| it.column.sorts());
    let mut order: Vec<String> = as_it_is(&first);
    order.extend(rest.iter().map(|field| sorted(field, dialect)));
    // `a` and `A` may be alike where they are sorted.
    order.extend(first.iter().filter(|field| !field.column.tells_letters_apart).map(|field| match dialect {
        Dialect::Mysql => format!("CAST({} AS BINARY)", field.quoted),
        _ => format!("CAST({} AS text)", field.quoted),
    }));
    order.truncate(MOST);
    order
}

/// Not every type of PostgreSQL can be sorted, and each can be written.
fn sorted(field: &Field<'_>, dialect: Dialect) -> String {
    match (dialect, field.column.kind) {
        (Dialect::Postgres, ColumnKind::Number) => field.quoted.clone(),
        (Dialect::Postgres, _) => format!("CAST({} AS text)", field.quoted),
        _ => field.quoted.clone(),
    }
}
