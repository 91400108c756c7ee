//! ORDER BY, LIMIT and OFFSET, set in the parsed statement and written behind the author's text.
//!
//! Only if that text then reads as the statement does in which they were set: what a parser prints may differ from what it
//! read, and a text may end so that what is written behind it means something else.

use sqlparser::ast::{Expr, LimitClause, Offset, OffsetRows, OrderBy, OrderByKind, Query, Statement, Value};

use super::{
    Dialect, Piece, Problem, effect,
    lexer::{self, LexemeKind},
    parse_again, parse_statements, statement,
};
use crate::Code;

pub fn has_limit(statement: &Statement) -> bool {
    let Statement::Query(query) = statement else { return false };
    query.limit_clause.is_some() || query.fetch.is_some()
}

pub fn has_order(statement: &Statement) -> bool {
    matches!(statement, Statement::Query(query) if query.order_by.is_some())
}

/// What is written behind `text` for this order and for a page. Only a query has rows to order and to cut.
pub fn tail(text: &str, order_by: Option<&str>, paged: bool, dialect: Dialect) -> Result<Vec<Piece>, Problem> {
    let mut expected = parse_again(text, dialect);
    let reads = effect::reads(&expected);
    let Statement::Query(query) = &mut expected else {
        return Err(Problem::new(Code::Conflict, 0, "only a query can be sorted or paged"));
    };
    let mut pieces = Vec::new();
    if let Some(order_by) = order_by {
        if query.order_by.is_some() {
            return Err(Problem::new(Code::Conflict, 0, "`sort` stands beside an ORDER BY in the statement"));
        }
        query.order_by = Some(parse_order(order_by, dialect)?);
        pieces.push(Piece::Text(format!("\nORDER BY {order_by}")));
    }
    if paged {
        set_limit(query)?;
        if !reads {
            return Err(Problem::new(Code::Conflict, 0, "a statement that writes would write again for each page"));
        }
        pieces.extend([Piece::Text("\nLIMIT ".to_owned()), Piece::Limit]);
        pieces.extend([Piece::Text(" OFFSET ".to_owned()), Piece::Offset]);
    }
    let mut whole = text[..statement::body(text, &lexer::lex(text, dialect)?)].to_owned();
    for piece in &pieces {
        whole.push_str(match piece {
            Piece::Text(text) => text,
            Piece::Limit => LIMIT,
            Piece::Offset | Piece::Bind { .. } | Piece::In { .. } | Piece::Key(_) => OFFSET,
        });
    }
    match parse_statements(&whole, dialect).as_deref() {
        Ok([statement]) if *statement == expected => Ok(pieces),
        _ => Err(Problem::new(Code::Conflict, 0, "the statement ends so that it can't be sorted or paged")),
    }
}

/// Words and signs of one order.
const MOST_LEXEMES: usize = 500;

/// How the two values of paging are spelled where the text is read again; they are bound by their pieces.
pub(super) const LIMIT: &str = ":limit";
const OFFSET: &str = ":offset";

fn set_limit(query: &mut Query) -> Result<(), Problem> {
    if query.limit_clause.is_some() || query.fetch.is_some() {
        let problem = Problem::new(Code::Conflict, 0, "`paginate` stands beside a LIMIT in the statement");
        return Err(problem.with_help("take the LIMIT away; `paginate` sets it for each page"));
    }
    let bound = |name: &str| Expr::value(Value::Placeholder(name.to_owned()));
    query.limit_clause = Some(LimitClause::LimitOffset {
        limit: Some(bound(LIMIT)),
        offset: Some(Offset { value: bound(OFFSET), rows: OffsetRows::None }),
        limit_by: Vec::new(),
    });
    Ok(())
}

/// `name, id DESC`: expressions without values, and nothing behind them.
pub(super) fn parse_order(order_by: &str, dialect: Dialect) -> Result<OrderBy, Problem> {
    let refuse = |message: String| Problem::new(Code::SqlParse, 0, message);
    let lexemes = lexer::lex(order_by, dialect)?;
    if lexemes.len() > MOST_LEXEMES || lexemes.iter().any(|lexeme| lexeme.kind != LexemeKind::Other) {
        return Err(refuse(format!("`{order_by}` is more than columns and directions to order by")));
    }
    let parsed = parse_statements(&format!("SELECT 1 FROM t ORDER BY {order_by}"), dialect);
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
