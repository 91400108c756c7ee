//! What is asked of a database, and what its answers say. Whoever has a connection asks; nothing here does.

mod check;
mod mysql;
mod postgres;
mod sqlite;

use std::collections::BTreeMap;

use mcp_factory_spec::sql::Dialect;
use serde_json::Value;

use super::schema::{Column, Default, Kind, RowSecurity, Schema, Table};

/// A statement that only reads. Its one parameter, where it has one, is the schema's name, or NULL for the one that
/// unqualified names mean.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    pub text: &'static str,
    pub takes_schema: bool,
    /// What is told where it is refused; without this, nothing can be made of the database.
    pub optional: Option<&'static str>,
}

/// Rows of one answer.
pub type Rows = Vec<Vec<Value>>;

/// In the order in which [`Schema::of`] takes the answers.
#[must_use]
pub const fn questions(dialect: Dialect) -> &'static [Question] {
    match dialect {
        Dialect::Postgres => postgres::QUESTIONS,
        Dialect::Mysql => mysql::QUESTIONS,
        Dialect::Sqlite => sqlite::QUESTIONS,
    }
}

impl Schema {
    /// `None` stands for an optional question that was refused.
    #[must_use]
    pub fn of(dialect: Dialect, answers: &[Option<Rows>]) -> Self {
        let mut schema = Self { dialect, answers_inserts: true, tables: Vec::new(), unread: Vec::new() };
        for (question, answer) in questions(dialect).iter().zip(answers) {
            if let (Some(told), None) = (question.optional, answer) {
                schema.unread.push(told.to_owned());
            }
        }
        let empty = Rows::new();
        let answer = |index: usize| answers.get(index).and_then(Option::as_ref).unwrap_or(&empty);
        let mut tables = Tables::default();
        match dialect {
            Dialect::Postgres => postgres::fill(&mut tables, answer),
            Dialect::Mysql => schema.answers_inserts = mysql::fill(&mut tables, answer, &mut schema.unread),
            Dialect::Sqlite => sqlite::fill(&mut tables, answer),
        }
        schema.tables = tables.0.into_values().filter(|table| !table.columns.is_empty()).collect();
        schema.tables.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
        schema
    }
}

/// By what the database calls them in its answers.
#[derive(Default)]
struct Tables(BTreeMap<String, Table>);

impl Tables {
    fn add(&mut self, id: String, schema: Option<String>, name: String, kind: Kind, comment: String) -> &mut Table {
        let table = Table {
            schema,
            name,
            kind,
            comment,
            columns: Vec::new(),
            primary_key: Vec::new(),
            unique: Vec::new(),
            references: Vec::new(),
            row_security: RowSecurity::None,
            insertable: kind == Kind::Table,
            updatable: kind == Kind::Table,
            deletable: kind == Kind::Table,
        };
        self.0.entry(id).insert_entry(table).into_mut()
    }

    fn get(&mut self, id: &str) -> Option<&mut Table> {
        self.0.get_mut(id)
    }
}

impl Column {
    pub(super) fn new(name: String, kind: super::schema::ColumnKind) -> Self {
        Self {
            name,
            kind,
            declared: None,
            nullable: true,
            default: Default::None,
            moves: false,
            comment: String::new(),
            values: Vec::new(),
            minimum: None,
            maximum: None,
            longest: None,
            tells_letters_apart: true,
            charset: None,
        }
    }
}

fn text(row: &[Value], index: usize) -> String {
    option(row, index).unwrap_or_default()
}

fn option(row: &[Value], index: usize) -> Option<String> {
    match row.get(index)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn yes(row: &[Value], index: usize) -> bool {
    match row.get(index) {
        Some(Value::Bool(yes)) => *yes,
        Some(Value::Number(number)) => number.as_i64() != Some(0),
        Some(Value::String(text)) => matches!(text.as_str(), "1" | "YES" | "t" | "true"),
        _ => false,
    }
}

fn number(row: &[Value], index: usize) -> Option<u64> {
    match row.get(index)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A JSON array of texts.
fn list(row: &[Value], index: usize) -> Vec<String> {
    let texts = |items: &Vec<Value>| items.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    match row.get(index) {
        Some(Value::Array(items)) => texts(items),
        Some(Value::String(json)) => match serde_json::from_str(json) {
            Ok(Value::Array(items)) => texts(&items),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// A default as a part of a statement, where it is a plain value. `expression` is SQL.
fn default_of(expression: &str) -> Default {
    let mut text = expression.trim();
    while let Some(inner) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
        text = inner.trim();
    }
    if text.is_empty() || text.eq_ignore_ascii_case("null") || text.to_ascii_lowercase().starts_with("null::") {
        return Default::None;
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && digits.parse::<f64>().is_ok();
    let is_word =
        ["true", "false", "current_timestamp", "current_date"].iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_number || is_word {
        return Default::Simple(text.to_owned());
    }
    if ["now()", "current_timestamp()"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Default::Simple("CURRENT_TIMESTAMP".to_owned());
    }
    let Some(rest) = text.strip_prefix('\'') else { return Default::Made };
    let Some(end) = rest.find('\'') else { return Default::Made };
    // Quotes and backslashes within are left to the database.
    let (inner, behind) = (&rest[..end], &rest[end + 1..]);
    let is_type = |cast: &str| {
        !cast.contains("::")
            && cast
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '.' | '(' | ')' | '[' | ']' | '"'))
    };
    match behind.strip_prefix("::") {
        None if behind.is_empty() && !inner.contains(['\\', '\0']) => Default::Simple(text.to_owned()),
        Some(cast) if is_type(cast) && !inner.contains(['\\', '\0']) => Default::Simple(format!("'{inner}'")),
        _ => Default::Made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_defaults_can_be_written_again_and_others_are_the_databases_own() {
        let simple = |text: &str| Default::Simple(text.to_owned());
        for (expression, expected) in [
            ("0", simple("0")),
            ("(-1.50)", simple("-1.50")),
            ("'active'::character varying", simple("'active'")),
            ("'G'::public.mpaa_rating", simple("'G'")),
            ("'{}'::text[]", simple("'{}'")),
            ("'it''s'", Default::Made),
            ("-", Default::Made),
            ("1.2.3", Default::Made),
            ("'a\\'", Default::Made),
            ("now()", simple("CURRENT_TIMESTAMP")),
            ("true", simple("true")),
            ("NULL::character varying", Default::None),
            ("nextval('film_id_seq'::regclass)", Default::Made),
            ("'a' || 'b'", Default::Made),
            ("gen_random_uuid()", Default::Made),
        ] {
            assert_eq!(default_of(expression), expected, "{expression}");
        }
    }
}
