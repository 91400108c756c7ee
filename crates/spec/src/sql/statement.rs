//! A variant, taken apart for its driver: text and bound values in turn.

use std::{collections::HashMap, fmt::Write as _};

use super::{Dialect, Placeholder, Problem, lexer, lexer::LexemeKind, paging, spelled};
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
        in_list: bool,
    },
    /// The rows of a page, and one more.
    Limit,
    /// The rows before the page.
    Offset,
}

impl Statement {
    pub(super) fn of(text: &str, placeholders: &[Placeholder], dialect: Dialect) -> Result<Self, Problem> {
        // A name may be bound thousands of times, so it is looked up and not searched for.
        let mut known: HashMap<String, (&str, bool)> = HashMap::new();
        for placeholder in placeholders {
            known.entry(spelled(&placeholder.name)).or_insert((&placeholder.name, false)).1 |= placeholder.in_list;
        }
        let mut pieces = Vec::new();
        let mut last = 0;
        for (position, found) in bound(text, dialect)? {
            let (start, end) = position;
            if start > last {
                pieces.push(Piece::Text(text[last..start].to_owned()));
            }
            pieces.push(match &*found {
                paging::LIMIT => Piece::Limit,
                paging::OFFSET => Piece::Offset,
                word => {
                    let (name, listed) = *known
                        .get(word)
                        .ok_or_else(|| Problem::new(Code::SqlParse, 0, format!("`:{word}` came from nowhere")))?;
                    // The printed statement may write `IN (:ids)` elsewhere than the author did.
                    Piece::Bind { name: name.to_owned(), in_list: listed && in_list(text, start, end) }
                }
            });
            last = end;
        }
        let rest = text[last..].trim_end().trim_end_matches(';').trim_end();
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
        self.pieces.iter().any(|piece| matches!(piece, Piece::Bind { in_list: true, .. }))
    }

    /// The text for the driver and what it binds, in the order of its parameters. `length` says how many places the array
    /// of an `IN (:name)` takes; an empty one takes one, which is bound to NULL and so is like no row.
    #[must_use]
    pub fn render(&self, length: impl Fn(&str) -> usize) -> (String, Vec<Parameter>) {
        let mut text = String::new();
        let mut parameters: Vec<Parameter> = Vec::new();
        for piece in &self.pieces {
            let parameter = match piece {
                Piece::Text(piece) => {
                    text.push_str(piece);
                    continue;
                }
                Piece::Limit => Parameter::Limit,
                Piece::Offset => Parameter::Offset,
                Piece::Bind { name, in_list: true } => {
                    for index in 0..length(name).max(1) {
                        if index > 0 {
                            text.push_str(", ");
                        }
                        self.mark(&mut text, &mut parameters, Parameter::Element { name: name.clone(), index });
                    }
                    continue;
                }
                Piece::Bind { name, in_list: false } => Parameter::Value { name: name.clone() },
            };
            self.mark(&mut text, &mut parameters, parameter);
        }
        (text, parameters)
    }

    /// Writes the driver's mark. Where marks have numbers, the same value has the same one.
    fn mark(&self, text: &mut String, parameters: &mut Vec<Parameter>, parameter: Parameter) {
        let sign = match self.dialect {
            Dialect::Mysql => {
                text.push('?');
                return parameters.push(parameter);
            }
            Dialect::Postgres => '$',
            Dialect::Sqlite => '?',
        };
        let number = parameters.iter().position(|known| *known == parameter).unwrap_or_else(|| {
            parameters.push(parameter);
            parameters.len() - 1
        });
        write!(text, "{sign}{}", number + 1).expect("writing to a string can't fail");
    }
}

/// What one parameter of the driver is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    Value {
        name: String,
    },
    /// An element of an array, or NULL where the array is empty.
    Element {
        name: String,
        index: usize,
    },
    Limit,
    Offset,
}

/// The placeholders of a variant's text, with the two of paging.
fn bound(text: &str, dialect: Dialect) -> Result<Vec<((usize, usize), String)>, Problem> {
    let lexemes = lexer::lex(text, dialect)?;
    let mut found = Vec::new();
    for (position, lexeme) in lexemes.iter().enumerate() {
        match lexeme.kind {
            LexemeKind::Placeholder => {
                found.push(((lexeme.start, lexeme.end), text[lexeme.start + 1..lexeme.end].to_owned()))
            }
            // `:0limit`: a colon and what begins with a digit.
            LexemeKind::Other if &text[lexeme.start..lexeme.end] == ":" => {
                let Some(word) = lexemes.get(position + 1).filter(|word| word.start == lexeme.end) else { continue };
                let name = &text[word.start..word.end];
                if matches!(name, paging::LIMIT | paging::OFFSET) {
                    found.push(((lexeme.start, word.end), name.to_owned()));
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

fn in_list(text: &str, start: usize, end: usize) -> bool {
    let before = text[..start].trim_end().strip_suffix('(').map(str::trim_end);
    let after = text[end..].trim_start().starts_with(')');
    let word = before.and_then(|before| before.rsplit(|c: char| !c.is_ascii_alphabetic()).next());
    after && word.is_some_and(|word| word.eq_ignore_ascii_case("in"))
}
