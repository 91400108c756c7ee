//! The two texts of a page: each is the author's, added to, and reads as the tree that is meant.

use std::fmt::Write as _;

use sqlparser::ast::{BinaryOperator, Expr, Ident, LimitClause, SelectItem, SetExpr, Statement as Ast, Value};

use super::{
    super::{
        Dialect, Piece, Placeholder, Statement,
        lexer::{self, Lexeme, LexemeKind},
        paging::LIMIT,
        parse_statements,
        statement::{self, Insertion},
    },
    NoKeyset, invalid, refuse,
};

/// How the columns are called that are read beside the author's. They are found by their place.
const HIDDEN: &str = "mcp_factory_key_";
/// How a value of a key is spelled where the text is read again.
const KEY: &str = ":mcp_factory_key_";

pub struct Writer<'a> {
    pub text: &'a str,
    pub order_by: Option<&'a str>,
    pub known_as: Ident,
    pub columns: Vec<(Ident, bool)>,
    pub dialect: Dialect,
    /// The author's statement in its order.
    pub ast: &'a Ast,
    pub placeholders: &'a [Placeholder],
}

impl Writer<'_> {
    pub fn write(&self, behind: bool) -> Result<Statement, NoKeyset> {
        let expected = self.expected(behind)?;
        let lexemes = lexer::lex(self.text, self.dialect).map_err(invalid)?;
        let end = statement::body(self.text, &lexemes);
        let outside = outside_of_brackets(self.text, &lexemes);
        let places = |word: &str| {
            let is = |lexeme: &&Lexeme| self.text[lexeme.start..lexeme.end].eq_ignore_ascii_case(word);
            outside.iter().filter(is).copied().collect::<Vec<_>>()
        };
        let order_at = places("order").last().map_or(end, |lexeme| lexeme.start);
        let where_at = places("where").last().map(|lexeme| lexeme.end);
        // `IS DISTINCT FROM` is another.
        for from in places("from") {
            let mut insertions = vec![(from.start, vec![Piece::Text(self.hidden())])];
            if behind {
                match where_at {
                    Some(at) => {
                        insertions.push((at, vec![Piece::Text(" (".to_owned())]));
                        let condition = std::iter::once(Piece::Text("\n) AND (".to_owned()));
                        insertions.push((order_at, condition.chain(self.condition(0)).collect()));
                    }
                    None => {
                        let condition = std::iter::once(Piece::Text("\nWHERE (".to_owned()));
                        insertions.push((order_at, condition.chain(self.condition(0)).collect()));
                    }
                }
                let (_, pieces) = insertions.last_mut().expect("two were pushed");
                pieces.push(Piece::Text(")\n".to_owned()));
            }
            let order = self.order_by.map(|order_by| Piece::Text(format!("\nORDER BY {order_by}")));
            insertions
                .push((end, order.into_iter().chain([Piece::Text("\nLIMIT ".to_owned()), Piece::Limit]).collect()));
            if insertions.is_sorted_by_key(|(at, _)| *at) && self.reads_as(&insertions, &expected, end) {
                return Statement::of(self.text, &insertions, self.placeholders, self.dialect).map_err(invalid);
            }
        }
        refuse("its text can't be added to")
    }

    fn reads_as(&self, insertions: &[Insertion], expected: &Ast, end: usize) -> bool {
        let mut whole = String::new();
        let mut last = 0;
        for (at, pieces) in insertions {
            whole.push_str(&self.text[last..*at]);
            last = *at;
            for piece in pieces {
                match piece {
                    Piece::Text(text) => whole.push_str(text),
                    Piece::Limit => whole.push_str(LIMIT),
                    Piece::Key(number) => write!(whole, "{KEY}{number}").expect("writing to a string can't fail"),
                    Piece::Offset | Piece::Bind { .. } | Piece::In { .. } => return false,
                }
            }
        }
        whole.push_str(&self.text[last..end]);
        matches!(parse_statements(&whole, self.dialect).as_deref(), Ok([statement]) if statement == expected)
    }

    /// `a.name >= :0 AND (a.name > :0 OR (a.id > :1))`: an index finds the first condition.
    fn condition(&self, from: usize) -> Vec<Piece> {
        let (_, descending) = &self.columns[from];
        let (column, sign) = (self.qualified(from), if *descending { "<" } else { ">" });
        if from + 1 == self.columns.len() {
            return vec![Piece::Text(format!("{column} {sign} ")), Piece::Key(from)];
        }
        let mut pieces = vec![
            Piece::Text(format!("{column} {sign}= ")),
            Piece::Key(from),
            Piece::Text(format!(" AND ({column} {sign} ")),
            Piece::Key(from),
            Piece::Text(" OR (".to_owned()),
        ];
        pieces.extend(self.condition(from + 1));
        pieces.push(Piece::Text("))".to_owned()));
        pieces
    }

    fn hidden(&self) -> String {
        let columns = (0..self.columns.len()).map(|number| format!(", {} AS {HIDDEN}{number}", self.qualified(number)));
        columns.collect::<String>() + "\n"
    }

    fn qualified(&self, number: usize) -> String {
        format!("{}.{}", self.known_as, self.columns[number].0)
    }

    /// The tree that is meant, made without the text around it.
    fn expected(&self, behind: bool) -> Result<Ast, NoKeyset> {
        let mut expected = self.ast.clone();
        let Ast::Query(query) = &mut expected else { return refuse("it is no query") };
        query.limit_clause = Some(LimitClause::LimitOffset {
            limit: Some(Expr::value(Value::Placeholder(LIMIT.to_owned()))),
            offset: None,
            limit_by: Vec::new(),
        });
        let SetExpr::Select(select) = &mut *query.body else { return refuse("it is not one plain SELECT") };
        for (number, (column, _)) in self.columns.iter().enumerate() {
            select.projection.push(SelectItem::ExprWithAlias {
                expr: Expr::CompoundIdentifier(vec![self.known_as.clone(), column.clone()]),
                alias: Ident::new(format!("{HIDDEN}{number}")),
            });
        }
        if behind {
            let condition = Expr::Nested(Box::new(self.expected_condition(0)));
            select.selection = Some(match select.selection.take() {
                Some(selection) => and(Expr::Nested(Box::new(selection)), condition),
                None => condition,
            });
        }
        Ok(expected)
    }

    fn expected_condition(&self, from: usize) -> Expr {
        let (column, descending) = &self.columns[from];
        let compare = |op| Expr::BinaryOp {
            left: Box::new(Expr::CompoundIdentifier(vec![self.known_as.clone(), column.clone()])),
            op,
            right: Box::new(Expr::value(Value::Placeholder(format!("{KEY}{from}")))),
        };
        let (strict, loose) = if *descending {
            (BinaryOperator::Lt, BinaryOperator::LtEq)
        } else {
            (BinaryOperator::Gt, BinaryOperator::GtEq)
        };
        if from + 1 == self.columns.len() {
            return compare(strict);
        }
        let rest = Expr::Nested(Box::new(self.expected_condition(from + 1)));
        let behind = Expr::BinaryOp { left: Box::new(compare(strict)), op: BinaryOperator::Or, right: Box::new(rest) };
        and(compare(loose), Expr::Nested(Box::new(behind)))
    }
}

fn and(left: Expr, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::And, right: Box::new(right) }
}

fn outside_of_brackets(text: &str, lexemes: &[Lexeme]) -> Vec<Lexeme> {
    let mut depth = 0_usize;
    let outside = lexemes.iter().filter(|lexeme| {
        match &text[lexeme.start..lexeme.end] {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => return depth == 0 && lexeme.kind == LexemeKind::Other,
        }
        false
    });
    outside.copied().collect()
}
