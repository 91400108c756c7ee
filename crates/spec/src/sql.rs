//! One SQL statement with `:name` placeholders and `[[ ]]` clauses, parsed and never put together from values.
//!
//! A lexer finds placeholders outside of literals and comments, sqlparser parses every variant, and both must have found the
//! same placeholders. What is not understood is refused; what can't be shown to read is a write.

mod effect;
mod keyset;
mod lexer;
mod paging;
mod scope;
mod session;
mod statement;
mod tables;

use std::collections::HashMap;

use sqlparser::{
    ast::Statement as Ast,
    parser::{Parser, ParserError},
};

use crate::Code;

pub use keyset::{Keyset, KeysetColumn, Name, NoKeyset};
pub use lexer::{Lexeme, LexemeKind, lex};
pub use scope::Scope;
pub use statement::{Parameter, Piece, Statement};

/// `[[ ]]` clauses of one statement; 2^8 variants are parsed at load.
const MOST_CLAUSES: usize = 8;
/// What is told of one statement.
const MOST_PROBLEMS: usize = 20;
/// Bytes of one statement.
const LONGEST: usize = 256 * 1024;
/// Words and signs of one statement.
const MOST_LEXEMES: usize = 10_000;
/// The same of all variants together.
const MOST_LEXEMES_OF_VARIANTS: usize = 200_000;
/// Enough for a tree of that many levels; only what is used of it is ever memory.
const STACK: usize = 128 * 1024 * 1024;
/// What each word or sign may take of it, far above what was seen in unoptimised builds, and what any statement may.
const STACK_OF_LEXEME: usize = 16 * 1024;
const STACK_OF_ANY: usize = 768 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    Postgres,
    Mysql,
    Sqlite,
}

/// What is wrong, and where in the text, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    pub code: Code,
    pub offset: usize,
    pub message: String,
    pub help: Option<String>,
}

/// One `:name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    /// `sku`, `principal.id`, `principal.claims.org`, `call.id`.
    pub name: String,
    pub offset: usize,
    /// Alone between the brackets of an `IN`: an array takes as many places as it has elements.
    pub in_list: bool,
    /// The `[[ ]]` clause it stands in.
    pub clause: Option<usize>,
}

/// A statement as its author wrote it, parsed in all its variants.
#[derive(Debug, Clone)]
pub struct Template {
    dialect: Dialect,
    placeholders: Vec<Placeholder>,
    clauses: Vec<Clause>,
    /// By the bits of the clauses that stay.
    variants: Vec<Variant>,
}

/// From `[[` to behind `]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Clause {
    start: usize,
    end: usize,
}

/// What is known of a variant. Its tree is parsed again where it is needed: kept, it would be most of a server's memory.
#[derive(Debug, Clone)]
struct Variant {
    /// As long as the author's text, so that places in it are places in the author's text.
    text: String,
    reads: bool,
    returns_rows: bool,
    has_limit: bool,
    has_order: bool,
    /// Leaves what the database is told of the caller as it is.
    keeps_session: bool,
}

impl Template {
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self, Vec<Problem>> {
        with_stack(text, || Self::parse_here(text, dialect))
    }

    fn parse_here(text: &str, dialect: Dialect) -> Result<Self, Vec<Problem>> {
        if text.len() > LONGEST {
            let message = format!("the statement is longer than {LONGEST} bytes");
            return Err(vec![Problem::new(Code::SqlParse, 0, message)]);
        }
        let lexemes = lexer::lex(text, dialect).map_err(|problem| vec![problem])?;
        if let Some(last) = lexemes.get(MOST_LEXEMES) {
            let message = format!("the statement has more than {MOST_LEXEMES} words and signs");
            return Err(vec![Problem::new(Code::SqlParse, last.start, message)]);
        }
        let mut problems = Vec::new();
        let clauses = clauses(&lexemes, &mut problems);
        let placeholders = placeholders(text, &lexemes, &clauses, &mut problems);
        if clauses.len() <= MOST_CLAUSES && lexemes.len() << clauses.len() > MOST_LEXEMES_OF_VARIANTS {
            let message =
                "the statement is too long for so many `[[ ]]` clauses, which all have to be read with and without";
            problems.push(Problem::new(Code::SqlParse, clauses[0].start, message));
        }
        refuse_more_statements(&lexemes, &mut problems);
        refuse_confusion(&placeholders, &mut problems);
        if !problems.is_empty() {
            problems.truncate(MOST_PROBLEMS);
            return Err(problems);
        }
        let plain = respell(text, &placeholders);
        let mut variants = Vec::with_capacity(1 << clauses.len());
        for kept in 0..1_u32 << clauses.len() {
            let variant = with_clauses(&plain, &clauses, kept);
            let expected =
                placeholders.iter().filter(|p| p.clause.is_none_or(|clause| kept & 1 << clause != 0)).count();
            match parse_one(&variant, dialect, expected) {
                Ok(ast) => variants.push(Variant::of(variant, &ast, dialect)),
                Err(problem) => return Err(vec![problem]),
            }
        }
        Ok(Self { dialect, placeholders, clauses, variants })
    }

    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    #[must_use]
    pub fn placeholders(&self) -> &[Placeholder] {
        &self.placeholders
    }

    /// Whether every variant only looks. What can't be told is a write.
    #[must_use]
    pub fn reads(&self) -> bool {
        self.variants.iter().all(|variant| variant.reads)
    }

    /// Whether it answers rows, perhaps none.
    #[must_use]
    pub fn returns_rows(&self) -> bool {
        self.variants.iter().all(|variant| variant.returns_rows)
    }

    /// Whether it cuts its rows itself, so that `paginate` can't.
    #[must_use]
    pub fn has_limit(&self) -> bool {
        self.variants.iter().any(|variant| variant.has_limit)
    }

    #[must_use]
    pub fn has_order(&self) -> bool {
        self.variants.iter().any(|variant| variant.has_order)
    }

    /// The tables that it names, in that order: without schema and quotes, in small letters.
    #[must_use]
    pub fn tables(&self) -> Vec<String> {
        with_stack(self.longest(), || tables::tables(self))
    }

    /// The places of tables whose rows belong to somebody and that are not bound to the caller, in any variant.
    #[must_use]
    pub fn unscoped(&self, scope: &Scope<'_>) -> Vec<Problem> {
        with_stack(self.longest(), || scope::unscoped(self, scope))
    }

    /// What could change whom row security takes the caller for, where it asks settings of the session.
    #[must_use]
    pub fn changed_session(&self) -> Option<Problem> {
        with_stack(self.longest(), || session::changed(self))
    }

    /// Whether nothing that it says by itself changes its session. Functions of the database may.
    #[must_use]
    pub fn keeps_session(&self) -> bool {
        self.variants.iter().all(|variant| variant.keeps_session)
    }

    /// Which clauses stay: those whose arguments are all there.
    #[must_use]
    pub fn variant(&self, present: impl Fn(&str) -> bool) -> usize {
        let mut kept = (1 << self.clauses.len()) - 1;
        for placeholder in &self.placeholders {
            if let Some(clause) = placeholder.clause
                && !present(&placeholder.name)
            {
                kept &= !(1 << clause);
            }
        }
        kept
    }

    #[must_use]
    pub fn variants(&self) -> usize {
        self.variants.len()
    }

    /// A variant as it is run. `order_by` is set as its order (`name, id DESC`); `paged` adds LIMIT and OFFSET as two more
    /// bound values ([`Piece::Limit`], [`Piece::Offset`]).
    pub fn statement(&self, variant: usize, order_by: Option<&str>, paged: bool) -> Result<Statement, Problem> {
        let text = &self.variants[variant].text;
        let tail = match (order_by, paged) {
            (None, false) => Vec::new(),
            _ => with_stack(text, || paging::tail(text, order_by, paged, self.dialect))?,
        };
        let end = statement::body(text, &lexer::lex(text, self.dialect)?);
        Statement::of(text, &[(end, tail)], &self.placeholders, self.dialect)
    }

    /// The same, paged by what the last row has in the columns it is sorted by, or why that can't be.
    pub fn keyset(&self, variant: usize, order_by: Option<&str>) -> Result<Keyset, NoKeyset> {
        let text = &self.variants[variant].text;
        with_stack(text, || keyset::of(text, order_by, &self.placeholders, self.dialect))
    }

    /// With every clause.
    fn longest(&self) -> &str {
        self.variants.last().map_or("", |variant| &variant.text)
    }
}

impl Variant {
    fn of(text: String, ast: &Ast, dialect: Dialect) -> Self {
        let keeps_session = session::keeps(&text, ast, dialect);
        Self {
            text,
            reads: effect::reads(ast),
            returns_rows: effect::returns_rows(ast),
            has_limit: paging::has_limit(ast),
            has_order: paging::has_order(ast),
            keeps_session,
        }
    }
}

/// A chain of operators becomes a tree as deep as the chain is long, and trees are walked, compared and dropped by recursion.
/// A short statement takes the stack that is there: to map a large one costs more than to read it.
fn with_stack<R>(text: &str, work: impl FnOnce() -> R) -> R {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii();
    let mut before = b' ';
    let mut lexemes = 0;
    for byte in text.bytes() {
        lexemes += usize::from(!(byte.is_ascii_whitespace() || is_word(byte) && is_word(before)));
        before = byte;
    }
    stacker::maybe_grow(STACK_OF_ANY + lexemes.saturating_mul(STACK_OF_LEXEME), STACK, work)
}

impl Problem {
    fn new(code: Code, offset: usize, message: impl Into<String>) -> Self {
        Self { code, offset, message: message.into(), help: None }
    }

    fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

fn clauses(lexemes: &[Lexeme], problems: &mut Vec<Problem>) -> Vec<Clause> {
    let mut clauses = Vec::new();
    let mut open = None;
    for lexeme in lexemes {
        match (lexeme.kind, open) {
            (LexemeKind::ClauseStart, None) => open = Some(lexeme.start),
            (LexemeKind::ClauseStart, Some(_)) => {
                problems.push(Problem::new(Code::SqlParse, lexeme.start, "a `[[` within another `[[ ]]`"));
            }
            (LexemeKind::ClauseEnd, Some(start)) => {
                clauses.push(Clause { start, end: lexeme.end });
                open = None;
            }
            (LexemeKind::ClauseEnd, None) => {
                problems.push(Problem::new(Code::SqlParse, lexeme.start, "a `]]` without its `[[`"));
            }
            _ => {}
        }
    }
    if let Some(start) = open {
        problems.push(Problem::new(Code::SqlParse, start, "a `[[` that is not closed by `]]`"));
    }
    if clauses.len() > MOST_CLAUSES {
        let message = format!("{} `[[ ]]` clauses; a statement has at most {MOST_CLAUSES}", clauses.len());
        problems.push(Problem::new(Code::SqlParse, clauses[MOST_CLAUSES].start, message));
    }
    clauses
}

fn placeholders(text: &str, lexemes: &[Lexeme], clauses: &[Clause], problems: &mut Vec<Problem>) -> Vec<Placeholder> {
    let mut placeholders = Vec::new();
    for (position, lexeme) in lexemes.iter().enumerate() {
        match lexeme.kind {
            LexemeKind::Placeholder => {
                let clause = clauses.iter().position(|clause| (clause.start..clause.end).contains(&lexeme.start));
                placeholders.push(Placeholder {
                    name: text[lexeme.start + 1..lexeme.end].to_owned(),
                    offset: lexeme.start,
                    in_list: is_in_list(text, lexemes, position),
                    clause,
                });
            }
            LexemeKind::DriverPlaceholder => {
                let written = &text[lexeme.start..lexeme.end];
                let problem =
                    Problem::new(Code::ToolPlaceholder, lexeme.start, format!("`{written}` is bound to nothing"));
                problems.push(problem.with_help("write `:name` for the argument `name`"));
            }
            _ => {}
        }
    }
    for (number, clause) in clauses.iter().enumerate() {
        if !placeholders.iter().any(|placeholder| placeholder.clause == Some(number)) {
            let problem = Problem::new(Code::SqlParse, clause.start, "a `[[ ]]` clause without a placeholder");
            problems
                .push(problem.with_help("a clause goes when an argument in it is left out; take the brackets away"));
        }
    }
    placeholders
}

/// `IN ( :ids )`
fn is_in_list(text: &str, lexemes: &[Lexeme], position: usize) -> bool {
    let is = |offset: Option<usize>, expected: &str| {
        offset.and_then(|at| lexemes.get(at)).is_some_and(|l| text[l.start..l.end].eq_ignore_ascii_case(expected))
    };
    is(position.checked_sub(1), "(") && is(position.checked_sub(2), "in") && is(Some(position + 1), ")")
}

fn refuse_more_statements(lexemes: &[Lexeme], problems: &mut Vec<Problem>) {
    let end = lexemes.iter().position(|lexeme| lexeme.kind == LexemeKind::Semicolon);
    let more = end.and_then(|end| lexemes[end..].iter().find(|lexeme| lexeme.kind != LexemeKind::Semicolon));
    if let Some(more) = more {
        let problem = Problem::new(Code::SqlMultipleStatements, more.start, "a second statement");
        problems.push(problem.with_help("a tool runs one statement; make a tool of each"));
    }
}

/// An argument must never be taken for the caller, nor one claim for another.
fn refuse_confusion(placeholders: &[Placeholder], problems: &mut Vec<Problem>) {
    let mut known: HashMap<String, &str> = HashMap::new();
    for placeholder in placeholders {
        let name = &*placeholder.name;
        let other = *known.entry(spelled(name)).or_insert(name);
        if other != name {
            let message = format!("`:{name}` is too much like `:{other}`");
            problems.push(
                Problem::new(Code::ToolPlaceholder, placeholder.offset, message).with_help("rename the parameter"),
            );
        }
    }
}

/// The text in which every placeholder is a plain word, as long as the author's: sqlparser takes `:principal.id` for
/// `:principal`.
fn respell(text: &str, placeholders: &[Placeholder]) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut last = 0;
    for placeholder in placeholders {
        plain.push_str(&text[last..=placeholder.offset]);
        plain.push_str(&spelled(&placeholder.name));
        last = placeholder.offset + 1 + placeholder.name.len();
    }
    plain + &text[last..]
}

/// `principal.id` as `principal_id`. Two names that meet so are refused: see [`refuse_confusion`].
fn spelled(name: &str) -> String {
    name.replace('.', "_")
}

/// Clauses that stay lose their brackets, the others are blanked; lines stay where they are.
fn with_clauses(text: &str, clauses: &[Clause], kept: u32) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut blank = |from: usize, to: usize| {
        for byte in &mut bytes[from..to] {
            if !matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    };
    for (number, clause) in clauses.iter().enumerate() {
        if kept & 1 << number != 0 {
            blank(clause.start, clause.start + 2);
            blank(clause.end - 2, clause.end);
        } else {
            blank(clause.start, clause.end);
        }
    }
    String::from_utf8(bytes).expect("whole characters were blanked")
}

fn parse_statements(text: &str, dialect: Dialect) -> Result<Vec<Ast>, ParserError> {
    Parser::new(dialect.parser()).with_recursion_limit(64).try_with_sql(text)?.parse_statements()
}

/// A text that was parsed when the template was made.
fn parse_again(text: &str, dialect: Dialect) -> Ast {
    let parsed = parse_statements(text, dialect).ok().and_then(|mut statements| statements.pop());
    parsed.expect("it was parsed before, and parsing depends on the text alone")
}

fn parse_one(text: &str, dialect: Dialect, placeholders: usize) -> Result<Ast, Problem> {
    let statements = parse_statements(text, dialect).map_err(|error| parse_problem(text, &error.to_string()))?;
    let mut statements = statements.into_iter();
    let Some(ast) = statements.next() else {
        return Err(Problem::new(Code::Missing, 0, "there is no statement"));
    };
    if statements.next().is_some() {
        return Err(Problem::new(Code::SqlMultipleStatements, 0, "more than one statement"));
    }
    if effect::has_table_command(&ast) {
        let problem = Problem::new(Code::SqlParse, 0, "`TABLE name` is not understood");
        return Err(problem.with_help("write `SELECT * FROM name`"));
    }
    if effect::placeholders(&ast) != placeholders {
        let problem = Problem::new(Code::ToolPlaceholder, 0, "a placeholder stands where a value can't be bound");
        return Err(problem.with_help("bind values only: names of tables and columns can't be arguments"));
    }
    Ok(ast)
}

/// sqlparser puts the place behind its message: `… at Line: 1, Column: 8`.
fn parse_problem(text: &str, message: &str) -> Problem {
    let message = message.trim_start_matches("sql parser error: ");
    let (what, place) = message.rsplit_once(" at Line: ").unwrap_or((message, ""));
    let mut numbers = place.split(", Column: ").filter_map(|number| number.trim().parse::<usize>().ok());
    let offset = match (numbers.next(), numbers.next()) {
        (Some(line), Some(column)) => lexer::offset_of(text, line, column),
        _ => 0,
    };
    Problem::new(Code::SqlParse, offset, format!("not SQL of this database: {}", what.trim()))
}

#[cfg(test)]
mod tests;
