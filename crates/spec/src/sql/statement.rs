//! A variant, taken apart for its driver: text and bound values in turn.

use std::{collections::HashMap, fmt::Write as _};

use super::{
    Dialect, Placeholder, Problem, is_in_list, lexer,
    lexer::{Lexeme, LexemeKind},
    spelled,
};
use crate::Code;

/// Ready to run: nothing is parsed any more when it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    dialect: Dialect,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    /// The value of an argument or of the caller.
    Bind {
        name: String,
    },
    /// `IN (` or `NOT IN (` as the author wrote it, and behind it as many values as the array has. Its `)` is text again.
    In {
        name: String,
        opens: String,
        negated: bool,
    },
    /// The rows of a page, and one more.
    Limit,
    /// The rows before the page.
    Offset,
    /// What the last row of the page before has in this column of the order.
    Key(usize),
}

/// What is written into the author's text, and at which byte.
pub(super) type Insertion = (usize, Vec<Piece>);

impl Statement {
    /// The author's text word for word, without its `;`, with the insertions, which are in order.
    pub(super) fn of(
        text: &str,
        insertions: &[Insertion],
        placeholders: &[Placeholder],
        dialect: Dialect,
    ) -> Result<Self, Problem> {
        // A name may be bound thousands of times, so it is looked up and not searched for.
        let names: HashMap<String, &str> =
            placeholders.iter().map(|placeholder| (spelled(&placeholder.name), &*placeholder.name)).collect();
        let mut pieces = Vec::new();
        let mut last = 0;
        let lexemes = lexer::lex(text, dialect)?;
        let end = body(text, &lexemes);
        let mut insertions = insertions.iter().peekable();
        let mut insert = |pieces: &mut Vec<Piece>, last: &mut usize, before: usize| {
            while let Some((at, inserted)) = insertions.next_if(|(at, _)| *at <= before) {
                let piece = &text[*last..*at];
                let piece = if *at == end { piece.trim_end() } else { piece };
                if !piece.is_empty() {
                    pieces.push(Piece::Text(piece.to_owned()));
                }
                pieces.extend_from_slice(inserted);
                *last = *at;
            }
        };
        for (position, lexeme) in lexemes.iter().enumerate() {
            if lexeme.kind != LexemeKind::Placeholder {
                continue;
            }
            let word = &text[lexeme.start + 1..lexeme.end];
            let name = names
                .get(word)
                .ok_or_else(|| Problem::new(Code::SqlParse, lexeme.start, format!("`:{word}` came from nowhere")))?;
            let name = (*name).to_owned();
            let predicate = is_in_list(text, &lexemes, position).then(|| predicate(text, &lexemes[..position]));
            let start = predicate.map_or(lexeme.start, |(start, _)| start);
            insert(&mut pieces, &mut last, start);
            if start > last {
                pieces.push(Piece::Text(text[last..start].to_owned()));
            }
            pieces.push(match predicate {
                Some((_, negated)) => Piece::In { name, opens: text[start..lexeme.start].to_owned(), negated },
                None => Piece::Bind { name },
            });
            last = lexeme.end;
        }
        insert(&mut pieces, &mut last, end);
        let rest = text[last..end].trim_end();
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self { dialect, pieces })
    }

    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Whether the text depends on how long an array is.
    #[must_use]
    pub fn expands(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::In { .. }))
    }

    /// The text for the driver and what it binds, in the order of its parameters. `length` says how many places the array
    /// of an `IN (:name)` takes. In none nothing is, and everything is not.
    #[must_use]
    pub fn render(&self, length: impl Fn(&str) -> usize) -> (String, Vec<Parameter>) {
        let mut text = String::new();
        let mut parameters = Parameters::default();
        for piece in &self.pieces {
            let parameter = match piece {
                Piece::Text(piece) => {
                    text.push_str(piece);
                    continue;
                }
                Piece::Limit => Parameter::Limit,
                Piece::Offset => Parameter::Offset,
                Piece::Key(column) => Parameter::Key(*column),
                Piece::In { name, opens, negated } => {
                    let length = length(name);
                    if length == 0 {
                        text.push_str(&self.none(opens, *negated));
                        continue;
                    }
                    text.push_str(opens);
                    for index in 0..length {
                        if index > 0 {
                            text.push_str(", ");
                        }
                        self.mark(&mut text, &mut parameters, Parameter::Element { name: name.clone(), index });
                    }
                    continue;
                }
                Piece::Bind { name } => Parameter::Value { name: name.clone() },
            };
            self.mark(&mut text, &mut parameters, parameter);
        }
        (text, parameters.all)
    }

    /// What stands before the `)` of a list without elements, which no database but SQLite takes as it is. Right for a left
    /// side of any type, and for one that is NULL.
    fn none(&self, opens: &str, negated: bool) -> String {
        match (self.dialect, negated) {
            (Dialect::Sqlite, _) => opens.to_owned(),
            (Dialect::Mysql, _) => format!("{opens}SELECT NULL FROM DUAL WHERE FALSE"),
            // A row that is not there would need the type of the left side.
            (Dialect::Postgres, false) => "= ANY ('{}'".to_owned(),
            (Dialect::Postgres, true) => "<> ALL ('{}'".to_owned(),
        }
    }

    /// Writes the driver's mark. Where marks have numbers, the same value has the same one.
    fn mark(&self, text: &mut String, parameters: &mut Parameters, parameter: Parameter) {
        let sign = match self.dialect {
            Dialect::Mysql => {
                text.push('?');
                return parameters.all.push(parameter);
            }
            Dialect::Postgres => '$',
            Dialect::Sqlite => '?',
        };
        let number = parameters.number(parameter);
        write!(text, "{sign}{number}").expect("writing to a string can't fail");
    }
}

#[derive(Default)]
struct Parameters {
    all: Vec<Parameter>,
    numbers: HashMap<Parameter, usize>,
}

impl Parameters {
    /// From 1.
    fn number(&mut self, parameter: Parameter) -> usize {
        if let Some(number) = self.numbers.get(&parameter) {
            return *number;
        }
        self.all.push(parameter.clone());
        self.numbers.insert(parameter, self.all.len());
        self.all.len()
    }
}

/// What one parameter of the driver is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Parameter {
    Value {
        name: String,
    },
    /// An element of an array, or NULL where the array was left out.
    Element {
        name: String,
        index: usize,
    },
    Limit,
    Offset,
    /// What the last row has in a column of the order.
    Key(usize),
}

/// Where `IN (` begins that ends these lexemes, its NOT included, and whether it has one.
fn predicate(text: &str, before: &[Lexeme]) -> (usize, bool) {
    let [rest @ .., is_in, _] = before else { return (before[0].start, false) };
    match rest.last() {
        Some(not) if text[not.start..not.end].eq_ignore_ascii_case("not") => (not.start, true),
        _ => (is_in.start, false),
    }
}

/// Where the statement ends: before its `;`, if it has one.
pub(super) fn body(text: &str, lexemes: &[Lexeme]) -> usize {
    let end = lexemes.iter().find(|lexeme| lexeme.kind == LexemeKind::Semicolon);
    end.map_or(text.len(), |semicolon| semicolon.start)
}
