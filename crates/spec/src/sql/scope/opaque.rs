//! What can't be looked through: statements and functions that reach rows which the text does not name, and operators that
//! bind otherwise in MySQL than for the parser.

use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, Expr, ObjectName, Statement, TableFactor, Visit, Visitor};

use super::last;

/// Functions that run SQL which they are handed as text, by name or by the beginning of it.
const RUNNING_SQL: &[&str] = &[
    "query_to_xml",
    "cursor_to_xml",
    "table_to_xml",
    "schema_to_xml",
    "database_to_xml",
    "dblink",
    "crosstab",
    "connectby",
    "ts_stat",
    "ts_rewrite",
];

/// Names the first thing in which rows of somebody could be reached unseen.
pub fn find(statement: &Statement) -> Option<String> {
    let statement = match statement {
        Statement::Explain { statement, .. } => statement,
        other => other,
    };
    match statement {
        Statement::Query(_)
        | Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Merge(_) => {}
        Statement::ShowTables { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowVariable { .. }
        | Statement::ShowDatabases { .. }
        | Statement::ExplainTable { .. } => return None,
        _ => return Some("a statement of this kind".to_owned()),
    }
    let mut opaque = Opaque(None);
    let _ = statement.visit(&mut opaque);
    opaque.0
}

struct Opaque(Option<String>);

impl Opaque {
    fn function(&mut self, name: &ObjectName) -> ControlFlow<()> {
        let Some(ident) = last(name) else { return ControlFlow::Continue(()) };
        let word = ident.value.to_ascii_lowercase();
        if RUNNING_SQL.iter().any(|known| word.starts_with(known)) {
            self.0 = Some(format!("`{word}` runs SQL of its own"));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

impl Visitor for Opaque {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => self.function(name),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => self.function(&function.name),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// `||` is OR in MySQL, and with XOR and `:=` binds weaker than AND; the parser has all three bind stronger.
pub fn binds_otherwise_in_mysql(statement: &Statement) -> bool {
    struct Operators;
    impl Visitor for Operators {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            use BinaryOperator::{Assignment, PGOverlap, StringConcat, Xor};
            match expr {
                Expr::BinaryOp { op: StringConcat | Xor | Assignment | PGOverlap, .. } => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    statement.visit(&mut Operators).is_break()
}
