//! SQL within a spec: what it binds, whether it may write, and whose rows it reaches.

use super::{Checker, excerpt::word, placeholders::Scope};
use crate::{
    Code,
    model::{Connection, ConnectionKind, Tool},
    path::Path,
    sql::{self, Dialect, Problem, Template},
};

impl Checker<'_> {
    pub(super) fn check_sql(
        &mut self,
        text: &str,
        tool: Option<&Tool>,
        connection: Option<&Connection>,
        at: &Path,
        scope: &Scope<'_>,
    ) {
        let template = match parse(text, connection) {
            Ok(template) => template,
            Err(problems) => {
                // What can't be taken apart may use anything.
                scope.note_all();
                return problems.into_iter().for_each(|problem| self.report_problem(text, problem, at));
            }
        };
        for placeholder in template.placeholders() {
            if let Err(help) = scope.resolve(&placeholder.name) {
                let part = placeholder.offset..placeholder.offset + placeholder.name.len() + 1;
                let message = format!("`:{}` names nothing here", placeholder.name);
                self.report_within(Code::ToolPlaceholder, at, part, message, Some(help));
            }
        }
        if let Some(tool) = tool {
            self.check_statement(tool, &template, &at.parent());
        }
        if let Some(connection) = connection {
            if connection.is_read_only() && !template.reads() {
                let message = format!("the statement writes, and the connection `{}` is read-only", connection.name);
                self.report(Code::SqlWritesOnReadOnly, at, message, None);
            }
            if tool.is_none_or(|tool| tool.scope.is_none()) {
                self.check_row_scoping(text, &template, connection, at);
                if connection.tells_who_calls()
                    && let Some(problem) = template.changed_session()
                {
                    self.report_problem(text, problem, at);
                }
            }
        }
    }

    /// What a tool says of its statement.
    fn check_statement(&mut self, tool: &Tool, template: &Template, at: &Path) {
        if tool.annotations.read_only == Some(true) && !template.reads() {
            let message = format!("`{}` says that it changes nothing, and its statement writes", tool.name);
            self.report(Code::ToolReadOnly, &at.key("sql"), message, None);
        } else if tool.cache.is_some() && !template.reads() {
            let message = "`cache` keeps answers, and the statement writes with every call";
            self.report(Code::Conflict, &at.key("cache"), message, None);
        }
        if !template.returns_rows() {
            let needs =
                [("paginate", tool.paginate.is_some()), ("sort", !tool.sort.is_empty()), ("single", tool.single)];
            for (key, _) in needs.into_iter().filter(|(_, given)| *given) {
                self.report(
                    Code::Conflict,
                    &at.key(key),
                    format!("`{key}` needs rows, and the statement has none"),
                    None,
                );
            }
            return;
        }
        let pages = tool.paginate.is_some();
        if pages && template.has_limit() {
            let help = Some("take the LIMIT away: `paginate` sets it for each page".to_owned());
            let message = "`paginate` stands beside a LIMIT in the statement";
            self.report(Code::Conflict, &at.key("paginate"), message, help);
        } else if pages && let Err(problem) = template.statement(0, None, true) {
            self.report(problem.code, &at.key("paginate"), problem.message, problem.help);
        }
        if !tool.sort.is_empty() && template.has_order() {
            let help = Some("take the ORDER BY away: `sort` sets it for each call".to_owned());
            self.report(Code::Conflict, &at.key("sort"), "`sort` stands beside an ORDER BY in the statement", help);
            return;
        }
        for (name, order) in &tool.sort {
            for variant in 0..template.variants() {
                if let Err(problem) = template.statement(variant, Some(order), pages && !template.has_limit()) {
                    let message = format!("the order `{order}`: {problem}");
                    self.report(problem.code, &at.key("sort").key(name), message, problem.help);
                    break;
                }
            }
        }
    }

    fn check_row_scoping(&mut self, text: &str, template: &Template, connection: &Connection, at: &Path) {
        let Some(scope) = connection.scope() else { return };
        let tables: Vec<&str> = scope.tables.iter().map(|table| table.rsplit('.').next().unwrap_or(table)).collect();
        let scope = sql::Scope { column: &scope.column, by: scope.by.as_str(), tables: &tables };
        // One place is enough to see what is missing.
        if let Some(problem) = template.unscoped(&scope).into_iter().next() {
            self.report_problem(text, problem, at);
        }
    }

    fn report_problem(&mut self, text: &str, problem: Problem, at: &Path) {
        let part = word(text, problem.offset);
        self.report_within(problem.code, at, part, problem.message, problem.help);
    }

    /// The same statement where its connection is something else. What is wrong everywhere has been told.
    pub(super) fn check_sql_there(
        &mut self,
        text: &str,
        tool: Option<&Tool>,
        connection: &Connection,
        at: &Path,
        place: &Path,
        scope: &Scope<'_>,
    ) {
        let told = self.reader.mark();
        self.check_sql(text, tool, Some(connection), at, scope);
        self.reader.keep_new(told, |message| format!("{message} (with `{place}`)"));
    }
}

/// By the database's own grammar; by any of them where the operator shares it.
pub(super) fn parse(text: &str, connection: Option<&Connection>) -> Result<Template, Vec<Problem>> {
    let dialects: &[Dialect] = match connection.and_then(|connection| connection.kind.as_ref()) {
        Some(ConnectionKind::Mysql(_)) => &[Dialect::Mysql],
        Some(ConnectionKind::Sqlite(_)) => &[Dialect::Sqlite],
        Some(ConnectionKind::Postgresql(_)) => &[Dialect::Postgres],
        _ => &[Dialect::Mysql, Dialect::Sqlite, Dialect::Postgres],
    };
    let mut last = Vec::new();
    for dialect in dialects {
        match Template::parse(text, *dialect) {
            Ok(template) => return Ok(template),
            Err(problems) => last = problems,
        }
    }
    Err(last)
}
