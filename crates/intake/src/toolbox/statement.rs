//! A statement of the Toolbox with our placeholders: `$1`, `?` and `:name` become the `:name` of the parameter.
//!
//! Template parameters are text of a statement to the Toolbox. They stay only where a value means the same as that text: as a
//! whole literal, within one, as a number. Where they are a name of something, each text that the file allows becomes a
//! statement of its own. What a caller could say SQL with is refused.

use std::fmt::Write as _;

use mcp_factory_spec::sql::{Dialect, Lexeme, LexemeKind, Template, lex};

use super::{
    parameter::{Parameter, Type},
    template::{self, Piece},
};

/// How many statements one may become.
const MOST: usize = 8;
/// What stands for a template parameter until the statement was taken apart. It reads as a word wherever it stands.
const MARK: &str = "tpl_mark_";

/// One statement in our language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub sql: String,
    /// Whether it only looks.
    pub reads: bool,
    /// The texts that were chosen for template parameters, by their names.
    pub chosen: Vec<(String, String)>,
}

/// Converts a statement. The error says why it can't be.
pub fn convert(
    text: &str,
    dialect: Dialect,
    parameters: &[Parameter],
    templates: &[Parameter],
) -> Result<Vec<Statement>, String> {
    if text.contains(MARK) {
        return Err(format!("its statement contains `{MARK}`"));
    }
    let marked = if text.contains("{{") { mark(&template::parse(text)?, templates, dialect)? } else { text.to_owned() };
    let named = named(&marked, dialect, templates)?;
    let mut statements = Vec::new();
    for choice in choices(&named)? {
        let mut text = marked.clone();
        for (parameter, allowed) in &choice {
            let index = templates.iter().position(|it| it.name == parameter.name).expect("it is one of them");
            text = text.replace(&marker(index), &escaped(parameter, allowed));
        }
        let sql = bind(&text, dialect, parameters, templates)?;
        let template = Template::parse(&sql, dialect)
            .map_err(|problems| format!("its statement is not understood: {}", problems[0].message))?;
        let chosen = choice.into_iter().map(|(parameter, allowed)| (parameter.name.clone(), allowed.to_owned()));
        statements.push(Statement { reads: template.reads(), sql, chosen: chosen.collect() });
    }
    Ok(statements)
}

fn marker(index: usize) -> String {
    // Longer numbers must not begin with shorter ones.
    format!("{MARK}{index:04}")
}

/// A word for each template parameter, and conditions as SQL.
fn mark(pieces: &[Piece<'_>], templates: &[Parameter], dialect: Dialect) -> Result<String, String> {
    let find = |name: &str| {
        let index = templates.iter().position(|parameter| parameter.name == name);
        index.ok_or_else(|| format!("its statement names `{{{{.{name}}}}}`, which is no template parameter"))
    };
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Value { name, function: None } => text.push_str(&marker(find(name)?)),
            Piece::Value { name, function: Some(function) } => {
                return Err(format!("`{{{{{function} .{name}}}}}` writes a list into its statement"));
            }
            Piece::If { name, body } => {
                let index = find(name)?;
                let body = mark(body, templates, dialect)?;
                let Some(condition) = condition(&body, dialect) else {
                    let why = "puts in more than one more condition";
                    return Err(format!("`{{{{if .{name}}}}}` of its statement {why}; make a tool of each"));
                };
                // Go takes nothing, zero and false for no.
                let absent = match templates[index].kind {
                    Type::String => format!("COALESCE({}, '') = ''", marker_as_text(index)),
                    Type::Integer | Type::Float => format!("COALESCE({}, 0) = 0", marker(index)),
                    Type::Boolean => format!("NOT COALESCE({}, FALSE)", marker(index)),
                    _ => return Err(format!("`{{{{if .{name}}}}}` of its statement asks whether a list is there")),
                };
                write!(text, "AND ({absent} OR ({condition}))").expect("writing to a string can't fail");
            }
        }
    }
    Ok(text)
}

fn marker_as_text(index: usize) -> String {
    format!("'{}'", marker(index))
}

/// What follows an `AND`, where it is one condition and nothing else.
fn condition(body: &str, dialect: Dialect) -> Option<String> {
    let lexemes = lex(body, dialect).ok()?;
    let word = |lexeme: &Lexeme| body[lexeme.start..lexeme.end].to_ascii_uppercase();
    let first = lexemes.first().filter(|first| word(first) == "AND")?;
    let mut depth = 0_i32;
    for lexeme in &lexemes {
        match &*word(lexeme) {
            "(" => depth += 1,
            ")" => depth -= 1,
            "OR" | "XOR" | "ORDER" | "GROUP" | "HAVING" | "LIMIT" | "OFFSET" | "FETCH" | "FOR" | "UNION"
            | "INTERSECT" | "EXCEPT" | "WHERE" | "WINDOW" | "RETURNING" | "ON" | "JOIN" | "," | ";" | "||"
                if depth == 0 =>
            {
                return None;
            }
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    (depth == 0).then(|| body[first.end..].trim().to_owned())
}

/// The template parameters that stand where only a name can, in the order of the list.
fn named<'p>(text: &str, dialect: Dialect, templates: &'p [Parameter]) -> Result<Vec<&'p Parameter>, String> {
    let lexemes = lexemes(text, dialect)?;
    let mut named: Vec<&Parameter> = Vec::new();
    for (index, parameter) in templates.iter().enumerate() {
        let marker = marker(index);
        let places = lexemes.iter().filter(|lexeme| text[lexeme.start..lexeme.end].contains(&*marker));
        let is_name = |lexeme: &Lexeme| place(text, lexeme, &marker, parameter, dialect) == Place::Name;
        if places.into_iter().any(is_name) {
            if parameter.allowed.is_none() {
                let why = "writes what a caller says into its statement as SQL";
                return Err(format!(
                    "the template parameter `{}` {why}, and has no list of `allowedValues`",
                    parameter.name
                ));
            }
            named.push(parameter);
        }
    }
    Ok(named)
}

fn lexemes(text: &str, dialect: Dialect) -> Result<Vec<Lexeme>, String> {
    lex(text, dialect).map_err(|problem| format!("its statement is not understood: {}", problem.message))
}

/// Where a template parameter stands.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// A value takes the whole place.
    Value,
    /// Within a literal.
    Literal,
    /// A part of the SQL.
    Name,
}

fn place(text: &str, lexeme: &Lexeme, marker: &str, parameter: &Parameter, dialect: Dialect) -> Place {
    let word = &text[lexeme.start..lexeme.end];
    let is_literal = word.starts_with('\'') || dialect == Dialect::Mysql && word.starts_with('"');
    let is_value = parameter.escape.as_deref() == Some("single-quotes")
        || matches!(parameter.kind, Type::Integer | Type::Float | Type::Boolean);
    // `E'…'` is one lexeme with its quote, and means something else.
    let is_escaped = text[..lexeme.start].ends_with(['e', 'E']) || word.contains('\\');
    match is_literal {
        _ if word == marker && is_value => Place::Value,
        true if parameter.escape.is_none() && !is_escaped => {
            if &word[1..word.len() - 1] == marker {
                Place::Value
            } else {
                Place::Literal
            }
        }
        _ => Place::Name,
    }
}

/// Every combination of the texts that are allowed.
fn choices<'p>(named: &[&'p Parameter]) -> Result<Vec<Vec<(&'p Parameter, &'p str)>>, String> {
    let mut choices = vec![Vec::new()];
    for parameter in named {
        let allowed = parameter.allowed.as_deref().unwrap_or_default();
        if choices.len() * allowed.len() > MOST {
            return Err(format!("it would become more than {MOST} tools, one for each of the `allowedValues`"));
        }
        choices = choices
            .iter()
            .flat_map(|choice| {
                allowed.iter().map(move |text| choice.iter().copied().chain([(*parameter, &**text)]).collect())
            })
            .collect();
    }
    Ok(choices)
}

fn escaped(parameter: &Parameter, text: &str) -> String {
    match parameter.escape.as_deref() {
        Some("double-quotes") => format!("\"{}\"", text.replace('"', "\"\"")),
        Some("backticks") => format!("`{}`", text.replace('`', "``")),
        Some("square-brackets") => format!("[{}]", text.replace(']', "]]")),
        Some("single-quotes") => format!("'{}'", text.replace('\'', "''")),
        _ => text.to_owned(),
    }
}

/// Puts a placeholder wherever a driver would bind, or a template parameter is a value.
fn bind(text: &str, dialect: Dialect, parameters: &[Parameter], templates: &[Parameter]) -> Result<String, String> {
    let mut sql = String::with_capacity(text.len());
    let (mut last, mut bound) = (0, 0);
    for lexeme in lexemes(text, dialect)? {
        let word = &text[lexeme.start..lexeme.end];
        let instead = match lexeme.kind {
            LexemeKind::DriverPlaceholder => Some(placeholder(meant(word, dialect, parameters, &mut bound)?)),
            LexemeKind::Placeholder if dialect == Dialect::Sqlite => {
                Some(placeholder(by_name(word, &word[1..], parameters)?))
            }
            LexemeKind::Placeholder => return Err(format!("`{word}` in its statement would be bound here")),
            LexemeKind::ClauseStart => return Err("`[[ ` in its statement would begin a clause here".to_owned()),
            _ if word.contains(MARK) => Some(value(word, dialect, templates)),
            _ => None,
        };
        let Some(instead) = instead else { continue };
        sql.push_str(&text[last..lexeme.start]);
        // `a[1:2]` is a slice.
        if sql.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ')' | ']')) {
            sql.push(' ');
        }
        sql.push_str(&instead);
        last = lexeme.end;
    }
    sql.push_str(&text[last..]);
    // What is left stands in comments.
    for (index, parameter) in templates.iter().enumerate() {
        sql = sql.replace(&marker(index), &parameter.name);
    }
    Ok(sql.trim().to_owned())
}

fn placeholder(parameter: &Parameter) -> String {
    format!(":{}", parameter.placeholder)
}

/// The parameter that a driver would bind.
fn meant<'p>(
    word: &str,
    dialect: Dialect,
    parameters: &'p [Parameter],
    bound: &mut usize,
) -> Result<&'p Parameter, String> {
    let number =
        match word.strip_prefix('?').or_else(|| word.strip_prefix('$').filter(|_| dialect == Dialect::Postgres)) {
            Some("") => {
                *bound += 1;
                *bound
            }
            Some(number) => number.parse().map_err(|_| format!("`{word}` in its statement is not understood"))?,
            None => return by_name(word, &word[1..], parameters),
        };
    *bound = number.max(*bound);
    let parameter = number.checked_sub(1).and_then(|index| parameters.get(index));
    parameter.ok_or_else(|| format!("`{word}` in its statement is the {number}. of {} parameters", parameters.len()))
}

fn by_name<'p>(word: &str, name: &str, parameters: &'p [Parameter]) -> Result<&'p Parameter, String> {
    let found = parameters.iter().find(|parameter| parameter.name == name);
    found.ok_or_else(|| format!("`{word}` in its statement names no parameter"))
}

/// A lexeme in which template parameters stand, as a value.
fn value(word: &str, dialect: Dialect, templates: &[Parameter]) -> String {
    let (quote, inside) = match word.as_bytes()[0] {
        quote @ (b'\'' | b'"') => (char::from(quote), &word[1..word.len() - 1]),
        _ => (' ', word),
    };
    let mut parts: Vec<String> = Vec::new();
    let mut rest = inside;
    while let Some(at) = rest.find(MARK) {
        let end = at + MARK.len() + 4;
        let index: usize = rest[at + MARK.len()..end].parse().expect("a mark ends with four digits");
        if at > 0 {
            parts.push(format!("{quote}{}{quote}", &rest[..at]));
        }
        parts.push(placeholder(&templates[index]));
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        parts.push(format!("{quote}{rest}{quote}"));
    }
    match (&parts[..], dialect) {
        ([one], _) => one.clone(),
        (_, Dialect::Mysql) => format!("CONCAT({})", parts.join(", ")),
        _ => format!("({})", parts.join(" || ")),
    }
}
