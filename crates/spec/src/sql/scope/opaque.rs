//! What can't be looked through: statements and functions that reach rows which the text does not name, and operators that
//! bind otherwise in MySQL than for the parser.

use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, Expr, ObjectName, Statement, TableFactor, Visit, Visitor};

use super::{Dialect, last};

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
    "xpath_table",
    "pg_logical_",
    "eval",
];

/// Relations of the databases themselves that hold values of rows, or statements of others: samples for the planner, pages,
/// lists of what runs. By name or by the beginning of it.
const HOLDING_ROWS: &[&str] = &[
    "pg_stat",
    "pg_largeobject",
    "pg_prepared_statements",
    "pg_cursors",
    "sqlite_stat",
    "sqlite_dbpage",
    "column_stat",
    "processlist",
    "innodb_",
    "general_log",
    "slow_log",
    "events_statements_",
    "prepared_statements_instances",
];

/// Names the first thing in which rows of somebody could be reached unseen.
pub fn find(statement: &Statement, dialect: Dialect) -> Option<String> {
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
        | Statement::ShowDatabases { .. }
        | Statement::ExplainTable { .. } => return None,
        // In MySQL whatever follows SHOW is a variable to the parser: PROCESSLIST, BINLOG EVENTS.
        Statement::ShowVariable { .. } if dialect != Dialect::Mysql => return None,
        _ => return Some("a statement of this kind".to_owned()),
    }
    let mut opaque = Opaque { found: None, dialect };
    let _ = statement.visit(&mut opaque);
    opaque.found
}

/// Whether a function, in small letters, runs SQL that it is handed as text.
pub fn runs_sql(name: &str) -> bool {
    RUNNING_SQL.iter().any(|known| name.starts_with(known))
}

struct Opaque {
    found: Option<String>,
    dialect: Dialect,
}

impl Opaque {
    fn function(&mut self, name: &ObjectName) -> ControlFlow<()> {
        let Some(ident) = last(name) else { return ControlFlow::Continue(()) };
        let word = ident.value.to_ascii_lowercase();
        if runs_sql(&word) {
            self.found = Some(format!("`{word}` runs SQL of its own and"));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

impl Visitor for Opaque {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let Some(ident) = last(relation) else { return ControlFlow::Continue(()) };
        let word = ident.value.to_ascii_lowercase();
        if HOLDING_ROWS.iter().any(|known| word.starts_with(known)) {
            self.found = Some(format!("`{word}` holds what others store or ask and"));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        // `ONLY products` and `ONLY (products)` are a table and a function to the parser.
        if let TableFactor::Table { name, .. } | TableFactor::Function { name, .. } = factor
            && self.dialect == Dialect::Postgres
            && last(name).is_some_and(|ident| ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("only"))
        {
            self.found = Some("`ONLY` is not understood and".to_owned());
            return ControlFlow::Break(());
        }
        match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => self.function(name),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => self.function(&function.name),
            // What a statement of one caller puts there, the next one on the connection finds.
            Expr::Identifier(ident)
                if self.dialect == Dialect::Mysql && ident.value.starts_with('@') && !ident.value.starts_with("@@") =>
            {
                self.found = Some("a variable of the session outlives the call and".to_owned());
                ControlFlow::Break(())
            }
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
