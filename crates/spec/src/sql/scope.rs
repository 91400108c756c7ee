//! Tables whose rows belong to somebody: every mention must be bound to the caller, provably. Unsure is unscoped.
//!
//! A mention is proven by `table.column = :principal.id` that must hold for each of its rows: in the conjunction of the
//! block's WHERE, or of the ON of the inner join (or of the outer join that can only lose its rows) that brings the table in.
//! Nothing is proven where the database might read the text in another way than the parser did.

mod names;
pub(super) mod opaque;

use std::{collections::BTreeSet, ops::ControlFlow};

use sqlparser::ast::{
    Assignment, AssignmentTarget, BinaryOperator, Delete, Expr, FromTable, Ident, Insert, Join, JoinConstraint,
    JoinOperator, ObjectName, ObjectNamePart, OnConflictAction, OnInsert, Select, SelectItem, SetExpr,
    SqliteOnConflict, Statement, TableFactor, TableObject, TableWithJoins, Update, UpdateTableFromKind, Value, Visit,
    Visitor,
};

use super::{Dialect, Problem, Template, lexer, parse_again, spelled};
use crate::Code;
use names::Names;

/// Which column of which tables holds what of the caller.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub column: &'a str,
    /// `principal.id`, `principal.tenant` or `principal.claims.x`.
    pub by: &'a str,
    pub tables: &'a [&'a str],
}

impl Scope<'_> {
    fn is_scoped(&self, name: &ObjectName) -> bool {
        last(name).is_some_and(|ident| self.is_scoped_table(&ident.value))
    }

    /// Liberal: with any schema before it, in any case.
    fn is_scoped_table(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.tables.iter().any(|table| table.rsplit('.').next().unwrap_or(table).to_lowercase() == name)
    }

    /// Liberal, as is_scoped_table: whether something is written to the column.
    fn may_be_column(&self, name: &ObjectName) -> bool {
        let is = |ident: &Ident| ident.value.to_lowercase() == self.column.to_lowercase();
        name.0.iter().any(|part| part.as_ident().is_none_or(is))
    }

    fn unscoped(&self, offset: usize, table: &str) -> Problem {
        let message = format!("rows of `{table}` belong to somebody, and this does not ask whose");
        Problem::new(Code::TenantUnscoped, offset, message)
            .with_help(format!("bind the column: `{table}.{} = :{}`", self.column, self.by))
    }
}

/// What reaches rows that are not proven to be the caller's, in any variant.
pub fn unscoped(template: &Template, scope: &Scope<'_>) -> Vec<Problem> {
    // A placeholder is found by its spelling in the parsed text, which a parameter may share: `:principal_id`.
    let by = template.placeholders.iter().any(|placeholder| placeholder.name == scope.by);
    let by = by.then(|| format!(":{}", spelled(scope.by)));
    let mut places = BTreeSet::new();
    let mut opaque = None;
    for variant in &template.variants {
        let ast = parse_again(&variant.text, template.dialect);
        if let Some(what) = opaque::find(&ast, template.dialect) {
            opaque = Some(what);
            places.extend(named(&variant.text, scope));
            continue;
        }
        let mut finder = Finder {
            scope,
            by: by.as_deref(),
            sure: template.dialect != Dialect::Mysql || !opaque::binds_otherwise_in_mysql(&ast),
            dialect: template.dialect,
            mentioned: Vec::new(),
            proven: BTreeSet::new(),
        };
        let _ = ast.visit(&mut finder);
        let unproven = finder.mentioned.iter().filter(|(place, _)| !finder.proven.contains(place));
        places.extend(unproven.map(|((line, column), table)| {
            (lexer::offset_of(&variant.text, *line as usize, *column as usize), table.clone())
        }));
    }
    match opaque {
        Some(what) if places.is_empty() => {
            let message = format!("{what} may reach rows that belong to somebody, unseen");
            let help = "`scope: none` on the tool says that it is meant to";
            vec![Problem::new(Code::TenantUnscoped, 0, message).with_help(help)]
        }
        _ => places.into_iter().map(|(offset, table)| scope.unscoped(offset, &table)).collect(),
    }
}

/// Every word that is the name of such a table, within literals too.
fn named(text: &str, scope: &Scope<'_>) -> Vec<(usize, String)> {
    let part_of_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
    let mut found = Vec::new();
    let mut offset = 0;
    for word in text.split_inclusive(|letter| !part_of_word(letter)) {
        let name = word.trim_end_matches(|letter| !part_of_word(letter));
        if scope.is_scoped_table(name) {
            found.push((offset, name.to_owned()));
        }
        offset += word.len();
    }
    found
}

type Place = (u64, u64);

/// What a table is called by the conditions of its block.
#[derive(Clone, Copy)]
struct Known<'a> {
    as_: &'a Ident,
    /// With its schema, as it was written; an alias hides it.
    name: Option<&'a ObjectName>,
}

struct Finder<'a> {
    scope: &'a Scope<'a>,
    /// How the parsed text spells the caller; `None` if it does not.
    by: Option<&'a str>,
    /// Whether conditions mean to the database what they mean to the parser.
    sure: bool,
    dialect: Dialect,
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

    /// What the parser takes for a table that is called like one of these may be a word it does not know, and the table
    /// itself behind it: `UPDATE LOW_PRIORITY products`.
    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias: Some(alias), .. } = factor
            && self.scope.is_scoped_table(&alias.name.value)
            && !last(name).is_some_and(|ident| ident.value.eq_ignore_ascii_case(&alias.name.value))
        {
            self.mentioned.push((place(&alias.name), alias.name.value.clone()));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.prove_tables(&Vec::from_iter(&select.from), select.selection.as_ref());
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
    fn prove_tables(&mut self, tables: &[&TableWithJoins], selection: Option<&Expr>) {
        let names = Names::of(tables);
        for table in tables {
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
                // `products AS p (owner, id)` calls other columns so.
                if alias.as_ref().is_some_and(|alias| !alias.columns.is_empty()) {
                    return;
                }
                let Some(ident) = last(name) else { return };
                let known_as = alias.as_ref().map_or(ident, |alias| &alias.name);
                let alone = names.are_one();
                let known_as = Known { as_: known_as, name: alias.is_none().then_some(name) };
                let binds = |condition: Option<&Expr>| condition.is_some_and(|c| self.binds(c, known_as, alone));
                if names.only_once(known_as.as_) && (binds(selection) || binds(on)) {
                    self.prove(ident);
                }
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.prove_joined(table_with_joins, selection, on, names);
            }
            _ => {}
        }
    }

    fn prove(&mut self, ident: &Ident) {
        // Mentions without a place of their own would prove each other.
        if self.sure && place(ident) != (0, 0) {
            self.proven.insert(place(ident));
        }
    }

    /// Whether the condition, wherever it holds, has the table's column bound to the caller.
    fn binds(&self, condition: &Expr, table: Known<'_>, alone: bool) -> bool {
        match condition {
            Expr::Nested(inner) => self.binds(inner, table, alone),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.binds(left, table, alone) || self.binds(right, table, alone)
            }
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                let pair =
                    |column: &Expr, value: &Expr| self.is_column_of(column, table, alone) && self.is_caller(value);
                pair(left, right) || pair(right, left)
            }
            _ => false,
        }
    }

    fn is_column_of(&self, expr: &Expr, table: Known<'_>, alone: bool) -> bool {
        match expr {
            Expr::Identifier(column) => alone && self.is_column(column),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [owner, column] => self.is_column(column) && names::are_same(owner, table.as_, self.dialect),
                // `hidden.products.owner` may be of a block around this one, which asks `public.products`.
                [path @ .., column] => {
                    let is_path = |name: &ObjectName| {
                        let same = |(part, ident): (&ObjectNamePart, &Ident)| {
                            part.as_ident().is_some_and(|part| names::are_same(part, ident, self.dialect))
                        };
                        name.0.len() == path.len() && name.0.iter().zip(path).all(same)
                    };
                    self.is_column(column) && table.name.is_some_and(is_path)
                }
                _ => false,
            },
            _ => false,
        }
    }

    fn is_column(&self, ident: &Ident) -> bool {
        names::is_column(ident, self.scope.column, self.dialect)
    }

    fn is_caller(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Nested(inner) => self.is_caller(inner),
            // Elsewhere a cast may make two callers one: in MySQL any text is equal to the number 0.
            Expr::Cast { expr, data_type, .. } if self.dialect == Dialect::Postgres => {
                names::keeps_apart(data_type) && self.is_caller(expr)
            }
            Expr::Value(value) => {
                matches!(&value.value, Value::Placeholder(name) if Some(&**name) == self.by)
            }
            _ => false,
        }
    }

    fn prove_update(&mut self, update: &Update) {
        let replaces = update.or.as_ref().is_some_and(|or| matches!(or, SqliteOnConflict::Replace));
        if replaces || !self.keep_owner(&update.assignments) {
            return;
        }
        let mut tables = vec![&update.table];
        match &update.from {
            Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) => tables.extend(from),
            None => {}
        }
        self.prove_tables(&tables, update.selection.as_ref());
    }

    fn prove_delete(&mut self, delete: &Delete) {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let mut tables: Vec<_> = from.iter().collect();
        if let Some(using) = &delete.using {
            tables.extend(using);
        }
        self.prove_tables(&tables, delete.selection.as_ref());
    }

    /// Every row that is made has the caller in the column, and none that is there is touched.
    fn prove_insert(&mut self, insert: &Insert) {
        let TableObject::TableName(name) = &insert.table else { return };
        let Some(ident) = last(name) else { return };
        let column = insert.columns.iter().position(|column| last(column).is_some_and(|ident| self.is_column(ident)));
        let (Some(column), Some(source)) = (column, &insert.source) else { return };
        let makes = match &*source.body {
            SetExpr::Values(values) => {
                values.rows.iter().all(|row| row.content.get(column).is_some_and(|value| self.is_caller(value)))
            }
            SetExpr::Select(select) => match select.projection.get(column) {
                Some(SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }) => {
                    let named = |item: &SelectItem| {
                        matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
                    };
                    self.is_caller(value) && select.projection[..column].iter().all(named)
                }
                _ => false,
            },
            _ => false,
        };
        let replaces = insert.replace_into
            || insert.or.as_ref().is_some_and(|or| !matches!(or, SqliteOnConflict::Ignore))
            || insert.overwrite;
        let touches = match &insert.on {
            None => false,
            Some(OnInsert::OnConflict(conflict)) => match &conflict.action {
                OnConflictAction::DoNothing => false,
                OnConflictAction::DoUpdate(update) => {
                    let alias = insert.table_alias.as_ref().map(|alias| &alias.alias);
                    let known_as = Known { as_: alias.unwrap_or(ident), name: alias.is_none().then_some(name) };
                    !update.selection.as_ref().is_some_and(|selection| self.binds(selection, known_as, false))
                        || !self.keep_owner(&update.assignments)
                }
            },
            Some(_) => true,
        };
        if makes && !replaces && !touches {
            self.prove(ident);
        }
    }

    /// An assignment may set the column to the caller and to nothing else.
    fn keep_owner(&self, assignments: &[Assignment]) -> bool {
        assignments.iter().all(|Assignment { target, value }| match target {
            AssignmentTarget::ColumnName(name) => !self.scope.may_be_column(name) || self.is_caller(value),
            AssignmentTarget::Tuple(names) => !names.iter().any(|name| self.scope.may_be_column(name)),
        })
    }
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
