//! ORDER BY, LIMIT and OFFSET, set in the parsed statement.

use sqlparser::{
    ast::{Expr, LimitClause, Offset, OffsetRows, OrderBy, OrderByKind, Query, Statement, Value},
    parser::Parser,
};

use super::{Dialect, Problem, effect};
use crate::Code;

/// The names of the two values that paging binds. No parameter has such a name: theirs begin with a letter or `_`.
pub const LIMIT: &str = "0limit";
pub const OFFSET: &str = "0offset";

pub fn has_limit(statement: &Statement) -> bool {
    let Statement::Query(query) = statement else { return false };
    query.limit_clause.is_some() || query.fetch.is_some()
}

pub fn has_order(statement: &Statement) -> bool {
    matches!(statement, Statement::Query(query) if query.order_by.is_some())
}

/// Only a query has rows to order and to cut.
pub fn set(
    mut statement: Statement,
    order_by: Option<&str>,
    paged: bool,
    dialect: Dialect,
) -> Result<Statement, Problem> {
    let Statement::Query(query) = &mut statement else {
        return Err(Problem::new(Code::Conflict, 0, "only a query can be sorted or paged"));
    };
    if let Some(order_by) = order_by {
        if query.order_by.is_some() {
            return Err(Problem::new(Code::Conflict, 0, "`sort` stands beside an ORDER BY in the statement"));
        }
        query.order_by = Some(parse_order(order_by, dialect)?);
    }
    if paged {
        set_limit(query)?;
    }
    Ok(statement)
}

fn set_limit(query: &mut Query) -> Result<(), Problem> {
    if query.limit_clause.is_some() || query.fetch.is_some() {
        let problem = Problem::new(Code::Conflict, 0, "`paginate` stands beside a LIMIT in the statement");
        return Err(problem.with_help("take the LIMIT away; `paginate` sets it for each page"));
    }
    let bound = |name: &str| Expr::value(Value::Placeholder(format!(":{name}")));
    query.limit_clause = Some(LimitClause::LimitOffset {
        limit: Some(bound(LIMIT)),
        offset: Some(Offset { value: bound(OFFSET), rows: OffsetRows::None }),
        limit_by: Vec::new(),
    });
    Ok(())
}

/// `name, id DESC`: expressions without values, and nothing behind them.
pub fn parse_order(order_by: &str, dialect: Dialect) -> Result<OrderBy, Problem> {
    let refuse = |message: String| Problem::new(Code::SqlParse, 0, message);
    let parsed = Parser::parse_sql(dialect.parser(), &format!("SELECT 1 FROM t ORDER BY {order_by}"));
    let mut statements = parsed.map_err(|_| refuse(format!("`{order_by}` is no ORDER BY of this database")))?;
    let statement = statements.pop().filter(|_| statements.is_empty());
    let only_looks = statement.as_ref().is_some_and(|s| effect::reads(s) && effect::placeholders(s) == 0);
    let Some(Statement::Query(query)) = statement.filter(|statement| only_looks && !has_limit(statement)) else {
        return Err(refuse(format!("`{order_by}` is more than columns and directions to order by")));
    };
    match query.order_by {
        Some(order @ OrderBy { kind: OrderByKind::Expressions(_), .. }) => Ok(order),
        _ => Err(refuse(format!("`{order_by}` is no list of columns"))),
    }
}
