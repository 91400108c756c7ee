//! Pages that begin behind the last row of the page before: `WHERE (…) AND (a, id) > (:a, :id)`, spelled out.
//!
//! Only for what is plainly one table, sorted by its own columns; the database must then confirm that no two rows are alike
//! in them ([`Keyset`] says what to ask). As with other paging, the text must read as the statement that is meant.

mod plain;
mod writer;

use sqlparser::ast::{Ident, Statement as Ast};

use super::{Dialect, Placeholder, Problem, Statement, paging, parse_again};
use writer::Writer;

/// A statement that can be paged so if the columns are NOT NULL and one of the table's keys is among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyset {
    /// With its schema, if one is written.
    pub table: Vec<Name>,
    pub columns: Vec<KeysetColumn>,
    /// The first page. Its last columns, one for each of `columns`, are what the next page begins behind.
    pub first: Statement,
    /// A page behind a row.
    pub next: Statement,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysetColumn {
    pub name: Name,
    pub descending: bool,
}

/// A name as it is written; what the database makes of its case depends on the quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    pub text: String,
    pub quoted: bool,
}

/// Why a statement is not paged so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoKeyset(String);

pub fn of(
    text: &str,
    order_by: Option<&str>,
    placeholders: &[Placeholder],
    dialect: Dialect,
) -> Result<Keyset, NoKeyset> {
    let mut ast = parse_again(text, dialect);
    let Ast::Query(query) = &mut ast else { return refuse("it is no query") };
    if let Some(order_by) = order_by {
        query.order_by = Some(paging::parse_order(order_by, dialect).map_err(invalid)?);
    }
    let columns = plain::order(query)?;
    let select = plain::select(query)?;
    let (table, known_as) = plain::table(select)?;
    let columns = columns.into_iter().map(|column| column.of(&known_as, dialect)).collect::<Result<Vec<_>, _>>()?;
    plain::names_are_columns(select, &known_as, &columns)?;
    let writer = Writer { text, order_by, known_as, columns, dialect, ast: &ast, placeholders };
    let (first, next) = (writer.write(false)?, writer.write(true)?);
    let columns = writer.columns.iter();
    let columns = columns.map(|(ident, descending)| KeysetColumn { name: Name::of(ident), descending: *descending });
    Ok(Keyset { table: table.iter().map(Name::of).collect(), columns: columns.collect(), first, next })
}

impl Name {
    fn of(ident: &Ident) -> Self {
        Self { text: ident.value.clone(), quoted: ident.quote_style.is_some() }
    }
}

fn refuse<T>(why: impl Into<String>) -> Result<T, NoKeyset> {
    Err(NoKeyset(why.into()))
}

fn invalid(problem: Problem) -> NoKeyset {
    NoKeyset(problem.message)
}

#[cfg(test)]
mod tests;
