//! Which statements can be paged so: one table, read row for row, sorted by its own columns.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, GroupByExpr, Ident, ObjectNamePart, OrderByKind, OrderBySort, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableFactor, Visit, Visitor,
};

use super::{super::Dialect, NoKeyset, refuse};

/// Columns of one order.
const MOST_COLUMNS: usize = 8;

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

/// One column of an ORDER BY, with what is written before it.
pub struct Ordered {
    owner: Option<Ident>,
    column: Ident,
    descending: bool,
}

impl Ordered {
    pub fn of(self, known_as: &Ident, dialect: Dialect) -> Result<(Ident, bool), NoKeyset> {
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

pub fn order(query: &Query) -> Result<Vec<Ordered>, NoKeyset> {
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
pub fn select(query: &Query) -> Result<&Select, NoKeyset> {
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
pub fn table(select: &Select) -> Result<(Vec<Ident>, Ident), NoKeyset> {
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
pub fn names_are_columns(select: &Select, known_as: &Ident, order: &[(Ident, bool)]) -> Result<(), NoKeyset> {
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
