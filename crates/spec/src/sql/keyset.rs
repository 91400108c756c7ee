//! Pages that begin behind the last row of the page before: `WHERE (…) AND (a, id) > (:a, :id)`, spelled out.
//!
//! Only for what is plainly one table, sorted by its own columns; the database must then confirm that no two rows are alike
//! in them ([`Keyset`] says what to ask). As with other paging, the text must read as the statement that is meant.

use std::fmt::Write as _;

use sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, Ident, LimitClause, ObjectNamePart, OrderByKind, OrderBySort, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement as Ast, TableFactor, Value, Visit, Visitor,
};
use std::ops::ControlFlow;

use super::{
    Dialect, Piece, Placeholder, Problem, Statement,
    lexer::{self, Lexeme, LexemeKind},
    paging::{self, LIMIT},
    parse_again, parse_statements,
    statement::{self, Insertion},
};

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

/// Columns of one order.
const MOST_COLUMNS: usize = 8;
/// How the columns are called that are read beside the author's. They are found by their place.
const HIDDEN: &str = "mcp_factory_key_";
/// How a value of a key is spelled where the text is read again.
const KEY: &str = ":mcp_factory_key_";

/// Functions that answer one value for one row.
const SCALAR: &[&str] = &[
    "abs",
    "ceil",
    "ceiling",
    "char_length",
    "coalesce",
    "concat",
    "concat_ws",
    "date",
    "date_format",
    "date_trunc",
    "datetime",
    "floor",
    "format",
    "hex",
    "ifnull",
    "instr",
    "left",
    "length",
    "lower",
    "lpad",
    "ltrim",
    "md5",
    "mod",
    "nullif",
    "octet_length",
    "printf",
    "replace",
    "reverse",
    "right",
    "round",
    "rpad",
    "rtrim",
    "sign",
    "split_part",
    "sqrt",
    "strftime",
    "strpos",
    "substr",
    "substring",
    "time",
    "to_char",
    "to_json",
    "to_jsonb",
    "trim",
    "trunc",
    "upper",
];

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
    let columns = order(query)?;
    let select = plain(query)?;
    let (table, known_as) = table(select)?;
    let columns = columns.into_iter().map(|column| column.of(&known_as, dialect)).collect::<Result<Vec<_>, _>>()?;
    names_are_columns(select, &known_as, &columns)?;
    let writer = Writer { text, order_by, known_as, columns, dialect, ast: &ast, placeholders };
    let (first, next) = (writer.write(false)?, writer.write(true)?);
    let columns = writer.columns.iter();
    let columns = columns.map(|(ident, descending)| KeysetColumn { name: Name::of(ident), descending: *descending });
    Ok(Keyset { table: table.iter().map(Name::of).collect(), columns: columns.collect(), first, next })
}

/// One column of an ORDER BY, with what is written before it.
struct Ordered {
    owner: Option<Ident>,
    column: Ident,
    descending: bool,
}

impl Ordered {
    fn of(self, known_as: &Ident, dialect: Dialect) -> Result<(Ident, bool), NoKeyset> {
        let same = |owner: &Ident| match dialect {
            Dialect::Postgres => owner == known_as,
            Dialect::Mysql | Dialect::Sqlite => owner.value.eq_ignore_ascii_case(&known_as.value),
        };
        if self.owner.as_ref().is_some_and(|owner| !same(owner)) {
            return refuse("its ORDER BY names another table than FROM");
        }
        Ok((self.column, self.descending))
    }
}

fn order(query: &Query) -> Result<Vec<Ordered>, NoKeyset> {
    let Some(order_by) = &query.order_by else { return refuse("it has no ORDER BY") };
    let OrderByKind::Expressions(expressions) = &order_by.kind else { return refuse("its ORDER BY names no columns") };
    if order_by.interpolate.is_some() || expressions.is_empty() || expressions.len() > MOST_COLUMNS {
        return refuse(format!("its ORDER BY has more than {MOST_COLUMNS} columns"));
    }
    let mut columns: Vec<Ordered> = Vec::new();
    for expression in expressions {
        let descending = match &expression.options.sort {
            None | Some(OrderBySort::Asc) => false,
            Some(OrderBySort::Desc) => true,
            Some(_) => return refuse("its ORDER BY has an operator of its own"),
        };
        let (owner, column) = match &expression.expr {
            Expr::Identifier(column) => (None, column),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [owner, column] => (Some(owner.clone()), column),
                _ => return refuse("its ORDER BY names a column with its schema"),
            },
            other => return refuse(format!("its ORDER BY has `{other}`, which is no plain column")),
        };
        if expression.with_fill.is_some() {
            return refuse("its ORDER BY fills gaps");
        }
        columns.push(Ordered { owner, column: column.clone(), descending });
    }
    Ok(columns)
}

/// One SELECT whose rows are the rows of its table, one for one.
fn plain(query: &Query) -> Result<&Select, NoKeyset> {
    let Query { with, body, fetch, locks, for_clause, settings, format_clause, pipe_operators, .. } = query;
    if with.is_some() {
        return refuse("it has a WITH");
    }
    let SetExpr::Select(select) = &**body else { return refuse("it is not one plain SELECT") };
    let extras = query.limit_clause.is_some()
        || fetch.is_some()
        || !locks.is_empty()
        || for_clause.is_some()
        || settings.is_some()
        || format_clause.is_some()
        || !pipe_operators.is_empty();
    if extras || has_clauses(select) {
        return refuse("it has more clauses than SELECT, FROM, WHERE and ORDER BY");
    }
    if select.distinct.is_some() {
        return refuse("it has a DISTINCT");
    }
    if !matches!(&select.group_by, GroupByExpr::Expressions(columns, modifiers) if columns.is_empty() && modifiers.is_empty())
        || select.having.is_some()
    {
        return refuse("it groups rows");
    }
    struct Functions;
    impl Visitor for Functions {
        type Break = String;

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
            let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
            let name = function.name.to_string();
            let scalar = SCALAR.contains(&name.to_ascii_lowercase().as_str());
            if scalar && function.over.is_none() && function.filter.is_none() && function.within_group.is_empty() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(name)
            }
        }
    }
    match select.projection.visit(&mut Functions) {
        ControlFlow::Break(name) => {
            refuse(format!("`{name}` in its SELECT may answer more or less than a value for each row"))
        }
        ControlFlow::Continue(()) => Ok(select),
    }
}

fn has_clauses(select: &Select) -> bool {
    select.top.is_some()
        || select.exclude.is_some()
        || select.into.is_some()
        || select.select_modifiers.as_ref().is_some_and(|modifiers| modifiers.is_any_set())
        || !select.lateral_views.is_empty()
        || select.prewhere.is_some()
        || !select.connect_by.is_empty()
        || !select.cluster_by.is_empty()
        || !select.distribute_by.is_empty()
        || !select.sort_by.is_empty()
        || !select.named_window.is_empty()
        || select.qualify.is_some()
        || select.value_table_mode.is_some()
}

/// The one table, and what it is called in the statement.
fn table(select: &Select) -> Result<(Vec<Ident>, Ident), NoKeyset> {
    let [from] = select.from.as_slice() else { return refuse("it does not read one table alone") };
    if !from.joins.is_empty() {
        return refuse("it joins tables");
    }
    let TableFactor::Table {
        name,
        alias,
        args: None,
        with_hints,
        version: None,
        with_ordinality: false,
        partitions,
        json_path: None,
        sample: None,
        ..
    } = &from.relation
    else {
        return refuse("what it reads is no plain table");
    };
    if !with_hints.is_empty() || !partitions.is_empty() || alias.as_ref().is_some_and(|alias| !alias.columns.is_empty())
    {
        return refuse("what it reads is no plain table");
    }
    let parts = name.0.iter().map(ObjectNamePart::as_ident).collect::<Option<Vec<_>>>();
    let parts = parts.filter(|parts| parts.len() <= 2);
    let Some(parts) = parts else { return refuse("what it reads is no plain table") };
    let Some(last) = parts.last() else { return refuse("what it reads is no plain table") };
    let known_as = alias.as_ref().map_or_else(|| (*last).clone(), |alias| alias.name.clone());
    Ok((parts.into_iter().cloned().collect(), known_as))
}

/// A name in ORDER BY means a column of the answer before it means one of the table.
fn names_are_columns(select: &Select, known_as: &Ident, order: &[(Ident, bool)]) -> Result<(), NoKeyset> {
    let same = |a: &Ident, b: &Ident| a.value.to_lowercase() == b.value.to_lowercase();
    for item in &select.projection {
        match item {
            SelectItem::Wildcard(options)
            | SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(_), options) => {
                let extras = options.opt_exclude.is_some()
                    || options.opt_except.is_some()
                    || options.opt_replace.is_some()
                    || options.opt_rename.is_some()
                    || options.opt_ilike.is_some();
                if extras {
                    return refuse("its `*` does not stand for all columns");
                }
            }
            SelectItem::UnnamedExpr(Expr::Identifier(_)) => {}
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) if parts.len() == 2 => {}
            SelectItem::UnnamedExpr(other) => {
                return refuse(format!("`{other}` in its SELECT has no name; write `AS` and one"));
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                let itself = match expr {
                    Expr::Identifier(column) => same(column, alias),
                    Expr::CompoundIdentifier(parts) => {
                        matches!(parts.as_slice(), [owner, column] if same(owner, known_as) && same(column, alias))
                    }
                    _ => false,
                };
                if !itself && order.iter().any(|(column, _)| same(column, alias)) {
                    return refuse(format!("`{}` is the name of something else in its SELECT", alias.value));
                }
            }
            _ => return refuse("its SELECT has more than columns"),
        }
    }
    Ok(())
}

struct Writer<'a> {
    text: &'a str,
    order_by: Option<&'a str>,
    known_as: Ident,
    columns: Vec<(Ident, bool)>,
    dialect: Dialect,
    /// The author's statement in its order.
    ast: &'a Ast,
    placeholders: &'a [Placeholder],
}

impl Writer<'_> {
    fn write(&self, behind: bool) -> Result<Statement, NoKeyset> {
        let expected = self.expected(behind)?;
        let lexemes = lexer::lex(self.text, self.dialect).map_err(invalid)?;
        let end = statement::body(self.text, &lexemes);
        let outside = outside_of_brackets(self.text, &lexemes);
        let places = |word: &str| {
            let is = |lexeme: &&Lexeme| self.text[lexeme.start..lexeme.end].eq_ignore_ascii_case(word);
            outside.iter().filter(is).copied().collect::<Vec<_>>()
        };
        let order_at = places("order").last().map_or(end, |lexeme| lexeme.start);
        let where_at = places("where").last().map(|lexeme| lexeme.end);
        // `IS DISTINCT FROM` is another.
        for from in places("from") {
            let mut insertions = vec![(from.start, vec![Piece::Text(self.hidden())])];
            if behind {
                match where_at {
                    Some(at) => {
                        insertions.push((at, vec![Piece::Text(" (".to_owned())]));
                        let condition = std::iter::once(Piece::Text("\n) AND (".to_owned()));
                        insertions.push((order_at, condition.chain(self.condition(0)).collect()));
                    }
                    None => {
                        let condition = std::iter::once(Piece::Text("\nWHERE (".to_owned()));
                        insertions.push((order_at, condition.chain(self.condition(0)).collect()));
                    }
                }
                let (_, pieces) = insertions.last_mut().expect("two were pushed");
                pieces.push(Piece::Text(")\n".to_owned()));
            }
            let order = self.order_by.map(|order_by| Piece::Text(format!("\nORDER BY {order_by}")));
            insertions
                .push((end, order.into_iter().chain([Piece::Text("\nLIMIT ".to_owned()), Piece::Limit]).collect()));
            if insertions.is_sorted_by_key(|(at, _)| *at) && self.reads_as(&insertions, &expected, end) {
                return Statement::of(self.text, &insertions, self.placeholders, self.dialect).map_err(invalid);
            }
        }
        refuse("its text can't be added to")
    }

    fn reads_as(&self, insertions: &[Insertion], expected: &Ast, end: usize) -> bool {
        let mut whole = String::new();
        let mut last = 0;
        for (at, pieces) in insertions {
            whole.push_str(&self.text[last..*at]);
            last = *at;
            for piece in pieces {
                match piece {
                    Piece::Text(text) => whole.push_str(text),
                    Piece::Limit => whole.push_str(LIMIT),
                    Piece::Key(number) => write!(whole, "{KEY}{number}").expect("writing to a string can't fail"),
                    Piece::Offset | Piece::Bind { .. } | Piece::In { .. } => return false,
                }
            }
        }
        whole.push_str(&self.text[last..end]);
        matches!(parse_statements(&whole, self.dialect).as_deref(), Ok([statement]) if statement == expected)
    }

    /// `a.name >= :0 AND (a.name > :0 OR (a.id > :1))`: an index finds the first condition.
    fn condition(&self, from: usize) -> Vec<Piece> {
        let (_, descending) = &self.columns[from];
        let (column, sign) = (self.qualified(from), if *descending { "<" } else { ">" });
        if from + 1 == self.columns.len() {
            return vec![Piece::Text(format!("{column} {sign} ")), Piece::Key(from)];
        }
        let mut pieces = vec![
            Piece::Text(format!("{column} {sign}= ")),
            Piece::Key(from),
            Piece::Text(format!(" AND ({column} {sign} ")),
            Piece::Key(from),
            Piece::Text(" OR (".to_owned()),
        ];
        pieces.extend(self.condition(from + 1));
        pieces.push(Piece::Text("))".to_owned()));
        pieces
    }

    fn hidden(&self) -> String {
        let columns = (0..self.columns.len()).map(|number| format!(", {} AS {HIDDEN}{number}", self.qualified(number)));
        columns.collect::<String>() + "\n"
    }

    fn qualified(&self, number: usize) -> String {
        format!("{}.{}", self.known_as, self.columns[number].0)
    }

    /// The tree that is meant, made without the text around it.
    fn expected(&self, behind: bool) -> Result<Ast, NoKeyset> {
        let mut expected = self.ast.clone();
        let Ast::Query(query) = &mut expected else { return refuse("it is no query") };
        query.limit_clause = Some(LimitClause::LimitOffset {
            limit: Some(Expr::value(Value::Placeholder(LIMIT.to_owned()))),
            offset: None,
            limit_by: Vec::new(),
        });
        let SetExpr::Select(select) = &mut *query.body else { return refuse("it is not one plain SELECT") };
        for (number, (column, _)) in self.columns.iter().enumerate() {
            select.projection.push(SelectItem::ExprWithAlias {
                expr: Expr::CompoundIdentifier(vec![self.known_as.clone(), column.clone()]),
                alias: Ident::new(format!("{HIDDEN}{number}")),
            });
        }
        if behind {
            let condition = Expr::Nested(Box::new(self.expected_condition(0)));
            select.selection = Some(match select.selection.take() {
                Some(selection) => and(Expr::Nested(Box::new(selection)), condition),
                None => condition,
            });
        }
        Ok(expected)
    }

    fn expected_condition(&self, from: usize) -> Expr {
        let (column, descending) = &self.columns[from];
        let compare = |op| Expr::BinaryOp {
            left: Box::new(Expr::CompoundIdentifier(vec![self.known_as.clone(), column.clone()])),
            op,
            right: Box::new(Expr::value(Value::Placeholder(format!("{KEY}{from}")))),
        };
        let (strict, loose) = if *descending {
            (BinaryOperator::Lt, BinaryOperator::LtEq)
        } else {
            (BinaryOperator::Gt, BinaryOperator::GtEq)
        };
        if from + 1 == self.columns.len() {
            return compare(strict);
        }
        let rest = Expr::Nested(Box::new(self.expected_condition(from + 1)));
        let behind = Expr::BinaryOp { left: Box::new(compare(strict)), op: BinaryOperator::Or, right: Box::new(rest) };
        and(compare(loose), Expr::Nested(Box::new(behind)))
    }
}

fn and(left: Expr, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::And, right: Box::new(right) }
}

fn outside_of_brackets(text: &str, lexemes: &[Lexeme]) -> Vec<Lexeme> {
    let mut depth = 0_usize;
    let outside = lexemes.iter().filter(|lexeme| {
        match &text[lexeme.start..lexeme.end] {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => return depth == 0 && lexeme.kind == LexemeKind::Other,
        }
        false
    });
    outside.copied().collect()
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
