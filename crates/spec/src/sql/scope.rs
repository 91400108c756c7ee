//! Tables whose rows belong to somebody: every mention must be bound to the caller, provably. Unsure is unscoped.
//!
//! A mention is proven by `table.column = :principal.id` that must hold for each of its rows: in the conjunction of the
//! block's WHERE, or of the ON of the inner join (or of the outer join that can only lose its rows) that brings the table in.

use std::{collections::BTreeSet, ops::ControlFlow};

use sqlparser::ast::{
    AssignmentTarget, BinaryOperator, Delete, Expr, FromTable, Ident, Insert, Join, JoinConstraint, JoinOperator,
    ObjectName, OnConflictAction, OnInsert, Select, SelectItem, SetExpr, Statement, TableFactor, TableObject,
    TableWithJoins, Update, UpdateTableFromKind, Value, Visit, Visitor,
};

use super::{Problem, lexer, spelled};
use crate::Code;

/// Which column of which tables holds what of the caller.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub column: &'a str,
    /// `principal.id`, `principal.tenant` or `principal.claims.x`.
    pub by: &'a str,
    pub tables: &'a [&'a str],
}

impl Scope<'_> {
    pub(super) fn problem(&self, offset: usize, table: &str) -> Problem {
        let message = format!("rows of `{table}` belong to somebody, and this does not ask whose");
        Problem::new(Code::TenantUnscoped, offset, message)
            .with_help(format!("bind the column: `{table}.{} = :{}`", self.column, self.by))
    }

    fn is_scoped(&self, name: &ObjectName) -> bool {
        last(name).is_some_and(|ident| self.tables.iter().any(|table| table.eq_ignore_ascii_case(&ident.value)))
    }

    /// For what must be the column: another one may differ in quotes alone.
    fn is_column(&self, ident: &Ident) -> bool {
        ident.value == self.column || ident.quote_style.is_none() && self.may_be_column(ident)
    }

    /// For what must not be the column.
    fn may_be_column(&self, ident: &Ident) -> bool {
        ident.value.eq_ignore_ascii_case(self.column)
    }

    fn is_caller(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Nested(inner) => self.is_caller(inner),
            Expr::Cast { expr, .. } => self.is_caller(expr),
            Expr::Value(value) => {
                matches!(&value.value, Value::Placeholder(name) if name.strip_prefix(':') == Some(&*spelled(self.by)))
            }
            _ => false,
        }
    }
}

/// Where the unproven mentions stand, in bytes, and of which table they are.
pub fn unscoped(statement: &Statement, text: &str, scope: &Scope<'_>) -> BTreeSet<(usize, String)> {
    let mut finder = Finder { scope, mentioned: Vec::new(), proven: BTreeSet::new() };
    let _ = statement.visit(&mut finder);
    if !matches!(statement, Statement::Query(_) | Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_)) {
        // What reaches a whole table (DROP, COPY, LOCK ...) has names that no visitor is shown.
        return named(text, scope);
    }
    let places = finder.mentioned.iter().filter(|(place, _)| !finder.proven.contains(place));
    places
        .map(|((line, column), table)| (lexer::offset_of(text, *line as usize, *column as usize), table.clone()))
        .collect()
}

fn named(text: &str, scope: &Scope<'_>) -> BTreeSet<(usize, String)> {
    let part_of_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
    let mut found = BTreeSet::new();
    let mut offset = 0;
    for word in text.split_inclusive(|letter| !part_of_word(letter)) {
        let name = word.trim_end_matches(|letter| !part_of_word(letter));
        if scope.tables.iter().any(|table| table.eq_ignore_ascii_case(name)) {
            found.insert((offset, name.to_owned()));
        }
        offset += word.len();
    }
    found
}

type Place = (u64, u64);

struct Finder<'a> {
    scope: &'a Scope<'a>,
    mentioned: Vec<(Place, String)>,
    proven: BTreeSet<Place>,
}

impl Visitor for Finder<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        if self.scope.is_scoped(relation)
            && let Some(ident) = last(relation)
        {
            self.mentioned.push((place(ident), ident.value.clone()));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.prove_tables(&select.from, select.selection.as_ref());
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        match statement {
            Statement::Insert(insert) => self.prove_insert(insert),
            Statement::Update(update) => self.prove_update(update),
            Statement::Delete(delete) => self.prove_delete(delete),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Finder<'_> {
    fn prove_tables(&mut self, from: &[TableWithJoins], selection: Option<&Expr>) {
        let names = Names::of(from);
        for table in from {
            // Rows that a RIGHT or FULL join adds have nothing of the tables before it, so WHERE still holds for all.
            self.prove_joined(table, selection, None, &names);
        }
    }

    fn prove_joined(&mut self, table: &TableWithJoins, selection: Option<&Expr>, on: Option<&Expr>, names: &Names) {
        self.prove_factor(&table.relation, selection, on, names);
        for join in &table.joins {
            self.prove_factor(&join.relation, selection, restricting(join), names);
        }
    }

    fn prove_factor(&mut self, factor: &TableFactor, selection: Option<&Expr>, on: Option<&Expr>, names: &Names) {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } if self.scope.is_scoped(name) => {
                let Some(ident) = last(name) else { return };
                let known_as = alias.as_ref().map_or(ident, |alias| &alias.name);
                let alone = names.are_one();
                let binds = |condition: Option<&Expr>| condition.is_some_and(|c| self.binds(c, known_as, alone));
                if names.only_once(known_as) && (binds(selection) || binds(on)) {
                    self.proven.insert(place(ident));
                }
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.prove_joined(table_with_joins, selection, on, names);
            }
            _ => {}
        }
    }

    /// Whether the condition, wherever it holds, has the table's column bound to the caller.
    fn binds(&self, condition: &Expr, table: &Ident, alone: bool) -> bool {
        match condition {
            Expr::Nested(inner) => self.binds(inner, table, alone),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.binds(left, table, alone) || self.binds(right, table, alone)
            }
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                let pair = |column: &Expr, value: &Expr| {
                    self.is_column_of(column, table, alone) && self.scope.is_caller(value)
                };
                pair(left, right) || pair(right, left)
            }
            _ => false,
        }
    }

    fn is_column_of(&self, expr: &Expr, table: &Ident, alone: bool) -> bool {
        match expr {
            Expr::Identifier(column) => alone && self.scope.is_column(column),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [.., owner, column] => self.scope.is_column(column) && is_same(owner, table),
                _ => false,
            },
            _ => false,
        }
    }

    fn prove_update(&mut self, update: &Update) {
        if !update.assignments.iter().all(|assignment| self.keeps_owner(&assignment.target, &assignment.value)) {
            return;
        }
        let more = match &update.from {
            Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) => from.as_slice(),
            None => &[],
        };
        let names = Names::of(std::iter::once(&update.table).chain(more));
        self.prove_joined(&update.table, update.selection.as_ref(), None, &names);
    }

    fn prove_delete(&mut self, delete: &Delete) {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        if !delete.tables.is_empty() {
            return;
        }
        let names = Names::of(from.iter().chain(delete.using.iter().flatten()));
        for table in from {
            self.prove_joined(table, delete.selection.as_ref(), None, &names);
        }
    }

    /// Every row that is made has the caller in the column, and none that is there is touched.
    fn prove_insert(&mut self, insert: &Insert) {
        let TableObject::TableName(name) = &insert.table else { return };
        let Some(ident) = last(name) else { return };
        let column =
            insert.columns.iter().position(|column| last(column).is_some_and(|ident| self.scope.is_column(ident)));
        let (Some(column), Some(source)) = (column, &insert.source) else { return };
        let makes = match &*source.body {
            SetExpr::Values(values) => {
                values.rows.iter().all(|row| row.content.get(column).is_some_and(|value| self.scope.is_caller(value)))
            }
            SetExpr::Select(select) => match select.projection.get(column) {
                Some(SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }) => {
                    let named = |item: &SelectItem| {
                        matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
                    };
                    self.scope.is_caller(value) && select.projection[..column].iter().all(named)
                }
                _ => false,
            },
            _ => false,
        };
        let replaces = insert.replace_into || insert.or.is_some() || insert.overwrite;
        let touches = match &insert.on {
            None => false,
            Some(OnInsert::OnConflict(conflict)) => match &conflict.action {
                OnConflictAction::DoNothing => false,
                OnConflictAction::DoUpdate(update) => {
                    !update.selection.as_ref().is_some_and(|selection| self.binds(selection, ident, false))
                        || !update.assignments.iter().all(|a| self.keeps_owner(&a.target, &a.value))
                }
            },
            Some(_) => true,
        };
        if makes && !replaces && !touches {
            self.proven.insert(place(ident));
        }
    }

    /// An assignment may set the column to the caller and to nothing else.
    fn keeps_owner(&self, target: &AssignmentTarget, value: &Expr) -> bool {
        match target {
            AssignmentTarget::ColumnName(name) => {
                !last(name).is_some_and(|ident| self.scope.may_be_column(ident)) || self.scope.is_caller(value)
            }
            AssignmentTarget::Tuple(names) => {
                !names.iter().any(|name| last(name).is_some_and(|ident| self.scope.may_be_column(ident)))
            }
        }
    }
}

/// What the tables of one block are called, in small letters. A condition on a name that two have proves neither.
struct Names(Vec<String>);

impl Names {
    fn of<'t>(tables: impl IntoIterator<Item = &'t TableWithJoins>) -> Self {
        let mut names = Self(Vec::new());
        for table in tables {
            names.add(table);
        }
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

    fn are_one(&self) -> bool {
        self.0.len() == 1
    }

    fn only_once(&self, name: &Ident) -> bool {
        self.0.iter().filter(|known| **known == name.value.to_lowercase()).count() == 1
    }
}

/// Whether two names are one in every database, whatever it makes of quotes and capitals.
fn is_same(a: &Ident, b: &Ident) -> bool {
    let quoted_alike = a.quote_style.is_some() == b.quote_style.is_some();
    a.value == b.value && (quoted_alike || !a.value.chars().any(char::is_uppercase))
}

/// The condition that every row of the joined table fulfils.
fn restricting(join: &Join) -> Option<&Expr> {
    match &join.join_operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint) => match constraint {
            JoinConstraint::On(condition) => Some(condition),
            _ => None,
        },
        _ => None,
    }
}

fn last(name: &ObjectName) -> Option<&Ident> {
    name.0.last()?.as_ident()
}

fn place(ident: &Ident) -> Place {
    (ident.span.start.line, ident.span.start.column)
}
