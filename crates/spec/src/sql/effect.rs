//! What a statement does: whether it only looks, and whether it answers rows. Unsure is a write.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Query, Select, SetExpr, Statement, TableFactor, Value, ValueWithSpan, Visit, Visitor};

/// Functions that change something though they stand in a SELECT, by name or by the beginning of it.
const WRITING: &[&str] = &[
    "nextval",
    "setval",
    "set_config",
    "load_extension",
    "writefile",
    "edit",
    "get_lock",
    "release_lock",
    "release_all_locks",
    "pg_notify",
    "pg_sleep*",
    "pg_terminate_backend",
    "pg_cancel_backend",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_advisory*",
    "pg_try_advisory*",
    "pg_read_*",
    "pg_write_*",
    "pg_ls_*",
    "pg_stat_reset*",
    "pg_create_*",
    "pg_drop_*",
    "pg_switch_*",
    "pg_promote",
    "pg_logical_*",
    "pg_replication_*",
    "pg_file_*",
    "pg_wal_*",
    "lo_*",
    "lowrite",
    "loread",
    "dblink*",
    "pg_backup_*",
    "pg_start_backup",
    "pg_stop_backup",
    "pg_copy_*",
    "pg_export_snapshot",
    "pg_import_*",
    "pg_log_*",
    "pg_restore_*",
    "pg_set_*",
    "pg_clear_*",
    "pg_stat_statements_reset",
    "brin_*",
    "gin_clean_pending_list",
    "query_to_xml*",
    "cursor_to_xml*",
    "table_to_xml*",
    "schema_to_xml*",
    "database_to_xml*",
    "crosstab*",
    "connectby",
    "ts_stat",
    "ts_rewrite",
    "eval",
    "group_replication_*",
    "asynchronous_connection_failover_*",
    "txid_current",
    "pg_current_xact_id",
    "load_file",
    "sys_exec",
    "sys_eval",
    "fts3_tokenizer",
    "readfile",
    "sleep",
    "benchmark",
    "last_insert_id",
];

/// Whether the statement only looks.
pub fn reads(statement: &Statement) -> bool {
    let looks = match statement {
        Statement::Query(_) => true,
        Statement::Explain { analyze, statement, .. } => !analyze && matches!(**statement, Statement::Query(_)),
        Statement::ShowTables { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowVariable { .. }
        | Statement::ShowDatabases { .. }
        | Statement::ExplainTable { .. } => return true,
        _ => false,
    };
    looks && statement.visit(&mut Writes).is_continue()
}

pub fn returns_rows(statement: &Statement) -> bool {
    match statement {
        Statement::Insert(insert) => insert.returning.is_some(),
        Statement::Update(update) => update.returning.is_some(),
        Statement::Delete(delete) => delete.returning.is_some(),
        Statement::Query(query) => query_returns_rows(query),
        Statement::Explain { .. }
        | Statement::ExplainTable { .. }
        | Statement::ShowTables { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowVariable { .. }
        | Statement::ShowDatabases { .. }
        | Statement::Call(_) => true,
        _ => false,
    }
}

fn query_returns_rows(query: &Query) -> bool {
    match &*query.body {
        SetExpr::Insert(statement)
        | SetExpr::Update(statement)
        | SetExpr::Delete(statement)
        | SetExpr::Merge(statement) => returns_rows(statement),
        _ => true,
    }
}

/// Whether `TABLE name` stands in it, of which the parser skips what is behind the name.
pub fn has_table_command(statement: &Statement) -> bool {
    fn is_one(body: &SetExpr) -> bool {
        match body {
            SetExpr::Table(_) => true,
            SetExpr::SetOperation { left, right, .. } => is_one(left) || is_one(right),
            _ => false,
        }
    }
    struct Tables;
    impl Visitor for Tables {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            break_if(is_one(&query.body))
        }
    }
    statement.visit(&mut Tables).is_break()
}

/// How many values are bound.
pub fn placeholders(statement: &Statement) -> usize {
    struct Count(usize);
    impl Visitor for Count {
        type Break = ();

        fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
            self.0 += usize::from(matches!(value.value, Value::Placeholder(_)));
            ControlFlow::Continue(())
        }
    }
    let mut count = Count(0);
    let _ = statement.visit(&mut count);
    count.0
}

/// Breaks at the first thing that writes.
struct Writes;

impl Visitor for Writes {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        break_if(!query.locks.is_empty() || writes(&query.body))
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        break_if(select.into.is_some())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                break_if(is_writing(&name.to_string()))
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => break_if(is_writing(&function.name.to_string())),
            // MySQL's `@x := 1` changes the session.
            Expr::BinaryOp { op, .. } => break_if(matches!(op, sqlparser::ast::BinaryOperator::Assignment)),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn writes(body: &SetExpr) -> bool {
    match body {
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => true,
        SetExpr::SetOperation { left, right, .. } => writes(left) || writes(right),
        SetExpr::Query(query) => writes(&query.body),
        SetExpr::Select(_) | SetExpr::Values(_) | SetExpr::Table(_) => false,
    }
}

fn is_writing(function: &str) -> bool {
    let name = function.replace(['"', '`', '[', ']'], "").to_ascii_lowercase();
    let name = name.rsplit('.').next().unwrap_or_default();
    WRITING.iter().any(|known| match known.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == *known,
    })
}

fn break_if(writes: bool) -> ControlFlow<()> {
    if writes { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
