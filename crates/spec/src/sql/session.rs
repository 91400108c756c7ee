//! What a statement could do to its session: whom row security takes the caller for, and what the next statement finds.
//!
//! Names are looked for among the words of the text rather than in its tree, so that no place in a statement is overlooked.
//! A database has no way to refuse such a change, as what it is told of the caller is set in the same way.

use std::ops::ControlFlow;

use sqlparser::ast::{Select, Statement, Visit, Visitor};

use super::{
    Dialect, Problem, Template,
    lexer::{self, Lexeme},
    parse_again,
    scope::opaque,
};
use crate::Code;

/// Functions and relations of PostgreSQL by which settings change, beside those that run SQL of their own.
const SETTING: &[&str] = &["set_config", "pg_settings", "pg_file_settings", "pg_db_role_setting"];

/// The first thing in any variant by which it could change what the session says of its caller.
pub fn changed(template: &Template) -> Option<Problem> {
    template.variants.iter().filter(|variant| !variant.keeps_session).find_map(|variant| {
        let ast = parse_again(&variant.text, template.dialect);
        let (offset, what) = find(&variant.text, &ast, template.dialect)?;
        let message = format!("{what} could change what the database is told of the caller");
        let help = "row security asks the settings in `session`; `scope: none` on the tool says that it is meant to";
        Some(Problem::new(Code::TenantUnscoped, offset, message).with_help(help))
    })
}

/// Whether nothing of it stays in the session, locks included.
pub fn keeps(text: &str, ast: &Statement, dialect: Dialect) -> bool {
    let locks = dialect == Dialect::Mysql && text.to_ascii_lowercase().contains("get_lock");
    !locks && find(text, ast, dialect).is_none()
}

fn find(text: &str, ast: &Statement, dialect: Dialect) -> Option<(usize, String)> {
    let inner = match ast {
        Statement::Explain { statement, .. } => statement,
        other => other,
    };
    match inner {
        Statement::Query(_)
        | Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Merge(_)
        | Statement::ShowTables { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowDatabases { .. }
        | Statement::ShowVariable { .. }
        | Statement::ExplainTable { .. } => {}
        _ => return Some((0, "a statement of this kind".to_owned())),
    }
    if inner.visit(&mut Into).is_break() {
        return Some((0, "`SELECT … INTO`".to_owned()));
    }
    let lexemes = lexer::lex(text, dialect).ok()?;
    let written = |lexeme: &Lexeme| &text[lexeme.start..lexeme.end];
    let mut before = "";
    for (position, lexeme) in lexemes.iter().enumerate() {
        let word = written(lexeme);
        let is_called = lexemes.get(position + 1).is_some_and(|next| written(next) == "(");
        let found = match dialect {
            Dialect::Postgres => {
                let name = word.trim_matches('"').to_ascii_lowercase();
                SETTING.contains(&name.as_str()) || is_called && opaque::runs_sql(&name)
            }
            Dialect::Mysql => word == ":=" || word == "@" && before.eq_ignore_ascii_case("into"),
            Dialect::Sqlite => false,
        };
        if found {
            return Some((lexeme.start, format!("`{word}`")));
        }
        before = word;
    }
    None
}

/// Breaks at a SELECT that leaves its rows in a table or a variable.
struct Into;

impl Visitor for Into {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if select.into.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
