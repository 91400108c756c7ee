//! When two names are surely one, in the words of each database, and what the tables of a block are called.

use sqlparser::ast::{DataType, Ident, TableFactor, TableWithJoins};

use super::{Dialect, last};

/// What the tables of one block are called, in small letters. A condition on a name that two have proves neither.
pub struct Names(Vec<String>);

impl Names {
    pub fn of(tables: &[&TableWithJoins]) -> Self {
        let mut names = Self(Vec::new());
        tables.iter().for_each(|table| names.add(table));
        names
    }

    fn add(&mut self, table: &TableWithJoins) {
        for factor in std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)) {
            let name = match factor {
                TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
                    Some(&alias.name)
                }
                TableFactor::Table { name, .. } => last(name),
                TableFactor::NestedJoin { table_with_joins, alias: None } => {
                    self.add(table_with_joins);
                    continue;
                }
                _ => None,
            };
            self.0.push(name.map_or_else(String::new, |name| name.value.to_lowercase()));
        }
    }

    /// A column without its table can only be of the one that is here.
    pub fn are_one(&self) -> bool {
        self.0.len() == 1
    }

    pub fn only_once(&self, name: &Ident) -> bool {
        let name = name.value.to_lowercase();
        self.0.iter().filter(|known| **known == name).count() == 1
    }
}

/// Whether both name the same table, beyond doubt.
pub fn are_same(one: &Ident, other: &Ident, dialect: Dialect) -> bool {
    let folded = |ident: &Ident| match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    };
    match dialect {
        Dialect::Postgres => folded(one) == folded(other),
        // Whether case matters there, the machine decides that it runs on.
        Dialect::Mysql => one.value == other.value,
        Dialect::Sqlite => one.value.eq_ignore_ascii_case(&other.value),
    }
}

/// In PostgreSQL another column may differ in quotes alone.
pub fn is_column(ident: &Ident, column: &str, dialect: Dialect) -> bool {
    let is_exact = dialect == Dialect::Postgres && ident.quote_style.is_some();
    if is_exact { ident.value == column } else { ident.value.eq_ignore_ascii_case(column) }
}

/// Types in which what differs as text stays different.
pub fn keeps_apart(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Text
            | DataType::Uuid
            | DataType::Varchar(None)
            | DataType::Int(None)
            | DataType::Integer(None)
            | DataType::BigInt(None)
    )
}
