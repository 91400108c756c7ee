//! Just enough of SQL's lexical rules to know what is code and what is a literal or a comment, in three dialects.

use sqlparser::dialect::{Dialect as ParserDialect, MySqlDialect, PostgreSqlDialect, SQLiteDialect};

use super::{Dialect, Problem};
use crate::Code;

/// A piece of code; literals, comments and blanks are not among them, but for quoted text, which is one `Other`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lexeme {
    pub kind: LexemeKind,
    pub start: usize,
    pub end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LexemeKind {
    /// `:name`
    Placeholder,
    /// `?`, `?1`, `$1`, `@name` or `$name`, where the dialect would bind it.
    DriverPlaceholder,
    Semicolon,
    /// `[[` with a blank behind it.
    ClauseStart,
    ClauseEnd,
    Other,
}

impl Dialect {
    pub(super) fn parser(self) -> &'static dyn ParserDialect {
        match self {
            Self::Postgres => &PostgreSqlDialect {},
            Self::Mysql => &MySqlDialect {},
            Self::Sqlite => &SQLiteDialect {},
        }
    }
}

/// The byte at which a line and a column (in characters, from 1) begin.
pub fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = &text[start.min(text.len())..];
    start + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(offset, _)| offset)
}

pub fn lex(text: &str, dialect: Dialect) -> Result<Vec<Lexeme>, Problem> {
    Lexer { text, bytes: text.as_bytes(), at: 0, dialect, in_clause: false, lexemes: Vec::new() }.run()
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    dialect: Dialect,
    in_clause: bool,
    lexemes: Vec<Lexeme>,
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

impl Lexer<'_> {
    fn run(mut self) -> Result<Vec<Lexeme>, Problem> {
        if let Some(nul) = self.bytes.iter().position(|byte| *byte == 0) {
            return Err(Problem::new(Code::SqlParse, nul, "a NUL in the statement"));
        }
        while let Some(byte) = self.peek(0) {
            self.step(byte)?;
        }
        Ok(self.lexemes)
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn push(&mut self, kind: LexemeKind, end: usize) {
        self.lexemes.push(Lexeme { kind, start: self.at, end });
        self.at = end;
    }

    fn step(&mut self, byte: u8) -> Result<(), Problem> {
        let next = self.peek(1);
        let (mysql, postgres, sqlite) =
            (self.dialect == Dialect::Mysql, self.dialect == Dialect::Postgres, self.dialect == Dialect::Sqlite);
        match byte {
            _ if byte.is_ascii_whitespace() => self.at += 1,
            // MySQL takes `--` for a comment only before a blank: `5--1` is 6 there.
            b'-' if next == Some(b'-') && (!mysql || self.peek(2).is_none_or(|byte| byte.is_ascii_whitespace())) => {
                self.line_comment()
            }
            b'#' if mysql => self.line_comment(),
            b'/' if next == Some(b'*') => self.block_comment()?,
            b'\'' => self.quoted(b'\'', mysql)?,
            b'"' => self.quoted(b'"', mysql)?,
            b'`' if !postgres => self.quoted(b'`', false)?,
            b'[' if next == Some(b'[') && self.peek(2).is_some_and(|byte| byte.is_ascii_whitespace()) => {
                self.in_clause = true;
                self.push(LexemeKind::ClauseStart, self.at + 2);
            }
            b']' if self.in_clause && next == Some(b']') => {
                self.in_clause = false;
                self.push(LexemeKind::ClauseEnd, self.at + 2);
            }
            b'[' if sqlite => self.quoted(b']', false)?,
            b'$' if postgres => self.dollar()?,
            b'$' | b'@' if sqlite && next.is_some_and(is_word_start) => self.driver_placeholder(1),
            b'?' if !postgres => self.driver_placeholder(1),
            b';' => self.push(LexemeKind::Semicolon, self.at + 1),
            b':' => self.colon(),
            _ if is_word_start(byte) => self.word()?,
            _ if byte.is_ascii_digit() => {
                let end = self.end_of(self.at, |byte| is_word(byte) || byte == b'.');
                self.push(LexemeKind::Other, end);
            }
            _ => self.push(LexemeKind::Other, self.at + 1),
        }
        Ok(())
    }

    fn end_of(&self, from: usize, holds: impl Fn(u8) -> bool) -> usize {
        from + self.bytes[from..].iter().take_while(|byte| holds(**byte)).count()
    }

    fn line_comment(&mut self) {
        // PostgreSQL ends it at either, and a comment that ends sooner hides less.
        let ends_at_return = self.dialect == Dialect::Postgres;
        self.at = self.end_of(self.at, |byte| byte != b'\n' && !(ends_at_return && byte == b'\r'));
    }

    fn block_comment(&mut self) -> Result<(), Problem> {
        let start = self.at;
        let unclosed = || Problem::new(Code::SqlParse, start, "a `/*` that is not closed by `*/`");
        if self.dialect == Dialect::Mysql && matches!(self.peek(2), Some(b'!' | b'M' | b'+')) {
            // `/*! … */` is code to MySQL and a comment to everybody who checks it.
            return Err(Problem::new(Code::SqlParse, start, "a comment that the database runs"));
        }
        let mut depth = 0;
        while self.at < self.bytes.len() {
            match (self.bytes[self.at], self.peek(1)) {
                (b'/', Some(b'*')) if depth == 0 || self.dialect == Dialect::Postgres => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ => self.at += 1,
            }
        }
        Err(unclosed())
    }

    /// A quote is doubled to stand within; with `backslash`, a backslash escapes too.
    fn quoted(&mut self, close: u8, backslash: bool) -> Result<(), Problem> {
        let mut end = self.at + 1;
        loop {
            match self.bytes.get(end) {
                None => {
                    let message = format!("a `{}` that is not closed", char::from(self.bytes[self.at]));
                    return Err(Problem::new(Code::SqlParse, self.at, message));
                }
                Some(b'\\') if backslash => end += 2,
                Some(&byte) if byte == close => {
                    if close == b']' || self.bytes.get(end + 1) != Some(&close) {
                        self.push(LexemeKind::Other, end + 1);
                        return Ok(());
                    }
                    end += 2;
                }
                Some(_) => end += 1,
            }
        }
    }

    /// `$1`, or `$tag$ … $tag$`.
    fn dollar(&mut self) -> Result<(), Problem> {
        if self.peek(1).is_some_and(|byte| byte.is_ascii_digit()) {
            self.driver_placeholder(1);
            return Ok(());
        }
        let tag_end = self.end_of(self.at + 1, |byte| is_word_start(byte) || byte.is_ascii_digit());
        if self.bytes.get(tag_end) != Some(&b'$') {
            self.push(LexemeKind::Other, self.at + 1);
            return Ok(());
        }
        let tag = &self.text[self.at..=tag_end];
        match self.text[tag_end + 1..].find(tag) {
            Some(length) => self.push(LexemeKind::Other, tag_end + 1 + length + tag.len()),
            None => return Err(Problem::new(Code::SqlParse, self.at, format!("a `{tag}` that is not closed"))),
        }
        Ok(())
    }

    fn driver_placeholder(&mut self, mark: usize) {
        let end = self.end_of(self.at + mark, is_word);
        self.push(LexemeKind::DriverPlaceholder, end);
    }

    fn word(&mut self) -> Result<(), Problem> {
        let end = self.end_of(self.at, is_word);
        let word = &self.bytes[self.at..end];
        if self.dialect == Dialect::Postgres && word.eq_ignore_ascii_case(b"e") && self.bytes.get(end) == Some(&b'\'') {
            self.at = end;
            return self.quoted(b'\'', true);
        }
        if self.dialect == Dialect::Postgres && word.eq_ignore_ascii_case(b"u") && self.bytes[end..].starts_with(b"&\"")
        {
            // To the parser this is a word, an operator and another name than to the database.
            return Err(Problem::new(Code::SqlParse, self.at, "a name with escapes in it; write it as it is"));
        }
        self.push(LexemeKind::Other, end);
        Ok(())
    }

    /// `::` is a cast, `:=` an assignment, `a[1:2]` a slice; anything else before a name is a placeholder.
    fn colon(&mut self) {
        let next = self.peek(1);
        if matches!(next, Some(b':' | b'=')) {
            return self.push(LexemeKind::Other, self.at + 2);
        }
        let before = self.at.checked_sub(1).map(|at| self.bytes[at]);
        let slice = before.is_some_and(|byte| is_word(byte) || matches!(byte, b')' | b']'));
        if slice || !next.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_') {
            return self.push(LexemeKind::Other, self.at + 1);
        }
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let mut end = self.end_of(self.at + 1, word);
        if matches!(&self.text[self.at + 1..end], "principal" | "call") {
            while self.bytes.get(end) == Some(&b'.') && self.bytes.get(end + 1).is_some_and(|byte| word(*byte)) {
                end = self.end_of(end + 1, word);
            }
        }
        self.push(LexemeKind::Placeholder, end);
    }
}
