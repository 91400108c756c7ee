//! Which tables and columns become tools, and which are left out, and why.

use mcp_factory_spec::{secrets, sql::Dialect, suggest::nearest};

use super::{
    Options, finding, fits, quote,
    schema::{Column, ColumnKind, Default, Kind, RowSecurity, Schema, Table},
    tool,
};
use crate::{Finding, Level, text};

/// A table that becomes tools.
pub struct Chosen<'a> {
    pub table: &'a Table,
    /// As it stands in a statement.
    pub quoted: String,
    /// Its name in the names of tools.
    pub snake: String,
    /// Its name for people.
    pub words: String,
    /// In their order; without the owner's.
    pub columns: Vec<Field<'a>>,
    /// The column that says to whom a row belongs.
    pub owner: Option<&'a Column>,
    pub owner_quoted: String,
}

/// A column that may be used.
pub struct Field<'a> {
    pub column: &'a Column,
    pub quoted: String,
    /// Its name as a parameter.
    pub parameter: String,
}

impl<'a> Chosen<'a> {
    pub fn field(&self, name: &str) -> Option<&Field<'a>> {
        self.columns.iter().find(|field| field.column.name == name)
    }

    /// All of them, or nothing.
    pub fn fields(&self, names: &[String]) -> Option<Vec<&Field<'a>>> {
        names.iter().map(|name| self.field(name)).collect()
    }

    /// What tells its rows apart, beside whose they are.
    pub fn key(&self) -> Option<Vec<&Field<'a>>> {
        let key = self.table.key()?;
        let is_owner = |name: &String| self.owner.is_some_and(|owner| owner.name == *name);
        let rest: Vec<String> = key.iter().filter(|name| !is_owner(name)).cloned().collect();
        self.fields(&rest).filter(|fields| !fields.is_empty())
    }

    /// The same, where answers have it: by another one no row can be asked for.
    pub fn shown_key(&self) -> Option<Vec<&Field<'a>>> {
        self.key().filter(|key| key.iter().all(|field| is_readable(field.column)))
    }
}

pub fn choose<'a>(schema: &'a Schema, options: &Options, found: &mut Vec<Finding>) -> Vec<Chosen<'a>> {
    let mut chosen: Vec<Chosen<'a>> = Vec::new();
    for pattern in options.tables.iter().filter(|pattern| !schema.tables.iter().any(|table| fits(pattern, table))) {
        let hint = match pattern.contains(',') {
            true => Some("each pattern takes a `--tables` of its own".to_owned()),
            false => names(schema, pattern),
        };
        let message = format!("no table or view fits `{}`", text::plain(pattern, 100));
        found.push(Finding { hint, ..finding(Level::Note, "", message) });
    }
    for table in wanted(schema, options) {
        match take(table, schema, options, found) {
            Ok(taken) => chosen.push(taken),
            Err(why) => found.push(finding(Level::LeftOut, &table.full_name(), why)),
        }
    }
    // Names that two tables would share get their schema, or a number that stays theirs.
    for at in 0..chosen.len() {
        let same = |other: &Chosen<'_>| other.snake == chosen[at].snake;
        if chosen.iter().filter(|other| same(other)).count() > 1 && chosen.iter().position(same) != Some(at) {
            let full = chosen[at].table.full_name();
            chosen[at].snake = tool::with_hash(&chosen[at].snake, &full);
        }
    }
    chosen
}

/// Some of those there are, beginning with what is near to the one that is not.
fn names(schema: &Schema, missed: &str) -> Option<String> {
    const MOST: usize = 8;
    let mut all: Vec<&str> = schema.tables.iter().map(|table| &*table.name).collect();
    for place in 0..MOST.min(all.len()) {
        let Some(near) = nearest(&missed.replace('*', ""), all[place..].iter().copied()) else { break };
        let Some(at) = all[place..].iter().position(|name| *name == near) else { break };
        all[place..=place + at].rotate_right(1);
    }
    let names: Vec<String> = all.iter().take(MOST).map(|name| format!("`{}`", text::plain(name, 80))).collect();
    let rest = match schema.tables.len().saturating_sub(MOST) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    (!names.is_empty()).then(|| format!("there are {}{rest}", names.join(", ")))
}

pub fn wanted<'a>(schema: &'a Schema, options: &Options) -> impl Iterator<Item = &'a Table> {
    let is_wanted = |table: &Table| options.tables.is_empty() || options.tables.iter().any(|it| fits(it, table));
    schema.tables.iter().filter(move |table| is_wanted(table))
}

/// Whether a table that is wanted could say by it whose its rows are. Where there is none at all, that is another matter.
pub fn says_whose(scope: &str, schema: &Schema, options: &Options) -> bool {
    let has = |table: &Table| table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(scope));
    let mut wanted = wanted(schema, options).peekable();
    wanted.peek().is_none() || wanted.any(has)
}

fn take<'a>(
    table: &'a Table,
    schema: &'a Schema,
    options: &Options,
    found: &mut Vec<Finding>,
) -> Result<Chosen<'a>, String> {
    let dialect = schema.dialect;
    let no_name = |what: &str| format!("{what} has a name that can't stand in a statement");
    // No spec holds what looks like a password, wherever it stands.
    let quoted_name = |name: &str| quote::name(name, dialect).filter(|_| secrets::redact(name) == name);
    let mut quoted = quoted_name(&table.name).ok_or_else(|| no_name("it"))?;
    if let Some(schema) = &table.schema {
        quoted = format!("{}.{quoted}", quoted_name(schema).ok_or_else(|| no_name("its schema"))?);
    }
    let owner = owner(table, schema, options, found)?;
    let owner_quoted = owner.and_then(|owner| quote::name(&owner.name, dialect)).unwrap_or_default();
    let (mut columns, mut secret) = (Vec::new(), Vec::new());
    let mut parameters = tool::Parameters::default();
    for column in table.columns.iter().filter(|column| owner.is_none_or(|owner| owner.name != column.name)) {
        let is_key = table.primary_key.contains(&column.name)
            || table.references.iter().any(|r| r.columns.contains(&column.name));
        if is_secret(column) && !is_key {
            secret.push(column);
            continue;
        }
        match quoted_name(&column.name) {
            Some(quoted) => columns.push(Field { parameter: parameters.name(&column.name), column, quoted }),
            None => {
                let message = no_name(&format!("the column `{}`", text::plain(&column.name, 80)));
                found.push(finding(Level::Partly, &table.full_name(), message));
            }
        }
    }
    if !secret.is_empty() {
        let it = if secret.len() == 1 { "which looks like a secret" } else { "which look like secrets" };
        let names = listed(secret);
        let mut finding = finding(Level::Partly, &table.full_name(), format!("{names}, {it}"));
        finding.hint = Some("write it into the statements of the tools that are to show it".to_owned());
        found.push(finding);
    }
    let (unread, read): (Vec<_>, Vec<_>) = columns.iter().partition(|field| !is_readable(field.column));
    if read.is_empty() {
        return Err("no column of it can be read".to_owned());
    }
    if !unread.is_empty() {
        let names = listed(unread.into_iter().map(|field| field.column));
        found.push(finding(Level::Partly, &table.full_name(), format!("{names}, which no answer has")));
    }
    row_security(table, options, found);
    let snake = tool::snake(&table.name);
    let snake = match &table.schema {
        Some(schema) => tool::snake(&format!("{schema}_{}", table.name)),
        None => snake,
    };
    let words = text::plain(&table.name.replace('_', " "), 80);
    let words = if words.is_empty() { snake.replace('_', " ") } else { words };
    Ok(Chosen { table, quoted, snake, words, columns, owner, owner_quoted })
}

/// The names of columns, for people.
pub fn listed<'a>(columns: impl IntoIterator<Item = &'a Column>) -> String {
    let name = |column: &Column| format!("`{}`", text::plain(&column.name, 80));
    columns.into_iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Whether an answer can have it.
pub fn is_readable(column: &Column) -> bool {
    !matches!(column.kind, ColumnKind::Index | ColumnKind::Bytes)
}

/// Rows belong to somebody: by a column of the table, or by what they refer to, which no statement here asks.
fn owner<'a>(
    table: &'a Table,
    schema: &'a Schema,
    options: &Options,
    found: &mut Vec<Finding>,
) -> Result<Option<&'a Column>, String> {
    let Some(scope) = &options.scope else { return Ok(None) };
    let of = |table: &'a Table| table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(scope));
    if let Some(owner) = of(table) {
        // As the connection has to declare them.
        for name in [&table.name, &owner.name] {
            let is_word = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_$".contains(&byte));
            if !is_word(name) || !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                let name = text::plain(name, 80);
                return Err(format!("whose rows a connection holds is declared by plain names, and `{name}` is none"));
            }
        }
        if owner.name != *scope && schema.dialect == Dialect::Postgres {
            return Err(format!("its column `{}` is not quite `{scope}`", owner.name));
        }
        let is_text = owner.kind == ColumnKind::Text || schema.dialect == Dialect::Postgres;
        if !is_text {
            return Err(format!("`{scope}` is no text: numbers would make two callers one"));
        }
        if !owner.tells_letters_apart {
            let other = match schema.dialect {
                Dialect::Postgres => "the type `text`, with a collation that is deterministic,",
                _ => "a collation that ends in `_bin`",
            };
            return Err(format!("in `{scope}` `Alice` is `alice`, and so two callers one; {other} tells them apart"));
        }
        return Ok(Some(owner));
    }
    if table.kind == Kind::View {
        return Err(format!("a view without `{scope}`: whose rows it shows can't be seen"));
    }
    // As far as foreign keys lead.
    let mut reached = vec![table];
    let mut at = 0;
    while at < reached.len() {
        for reference in &reached[at].references {
            let Some(target) = schema.tables.iter().find(|t| t.name == reference.table && t.schema == reference.schema)
            else {
                continue;
            };
            if of(target).is_some() {
                return Err(format!(
                    "its rows belong to somebody by way of `{}`, and it has no `{scope}` of its own",
                    target.name
                ));
            }
            if !reached.iter().any(|known| std::ptr::eq(*known, target)) {
                reached.push(target);
            }
        }
        at += 1;
    }
    let unchanged = if options.writes { ", and no tool changes them" } else { "" };
    let message = format!("has no `{scope}`: every caller sees all of its rows{unchanged}");
    found.push(finding(Level::Note, &table.full_name(), message));
    Ok(None)
}

fn row_security(table: &Table, options: &Options, found: &mut Vec<Finding>) {
    let is_untold = |name: &&String| !options.session.contains_key(*name);
    let with = |settings: &[String]| match settings {
        [] => Some("its policies go by the database's user, which is one for all callers".to_owned()),
        settings => {
            let untold = settings.iter().filter(is_untold);
            let untold: Vec<String> = untold.map(|name| format!("{name}: \"{{principal.id}}\"")).collect();
            (!untold.is_empty()).then(|| {
                let settings = untold.join(", ");
                format!("tell the database who calls: `--session`, or `session: {{ {settings} }}` at the connection")
            })
        }
    };
    let (message, hint) = match &table.row_security {
        RowSecurity::None => return,
        RowSecurity::Holds { settings } => ("row security holds for it".to_owned(), with(settings)),
        RowSecurity::PassedBy { settings } => (
            "has row security, and this user of the database is above it: callers see all rows".to_owned(),
            Some(match with(settings) {
                Some(then) => format!("connect as another user, one that is neither owner nor superuser; then {then}"),
                None => "connect as another user, one that is neither owner nor superuser".to_owned(),
            }),
        ),
    };
    let mut finding = finding(Level::Note, &table.full_name(), message);
    finding.hint = hint;
    found.push(finding);
}

/// What nobody should read by accident: a text under such a name, or a number that has no other. Flags, points in time and counts
/// (`has_password`, `password_changed_at`, `token_count`) only speak of one.
fn is_secret(column: &Column) -> bool {
    const WORDS: [&str; 14] = [
        "passwords",
        "pwd",
        "passphrase",
        "passcode",
        "secret",
        "secrets",
        "token",
        "tokens",
        "hash",
        "salt",
        "credential",
        "credentials",
        "cvv",
        "cvc",
    ];
    const WITHIN: [&str; 13] = [
        "password",
        "passwd",
        "passphrase",
        "passwort",
        "kennwort",
        "motdepasse",
        "contrasena",
        "apikey",
        "privatekey",
        "accesskey",
        "encryptionkey",
        "signingkey",
        "otpseed",
    ];
    let says_so = |words: &[&str]| {
        let joined = words.concat();
        words.iter().any(|word| WORDS.contains(word)) || WITHIN.iter().any(|it| joined.contains(it))
    };
    let snake = tool::snake(&column.name);
    let words: Vec<&str> = snake.split('_').collect();
    match column.kind {
        ColumnKind::Boolean | ColumnKind::Date | ColumnKind::Time | ColumnKind::Timestamp => false,
        // `reset_token`, and not `token_count` or `total_tokens`.
        ColumnKind::Integer | ColumnKind::Number | ColumnKind::Decimal => {
            words.last().is_some_and(|last| *last != "tokens" && says_so(&[last]))
        }
        _ => says_so(&words),
    }
}

impl Field<'_> {
    /// Whether somebody who makes a row has to give it.
    pub fn is_required(&self) -> bool {
        !self.column.nullable && self.column.default == Default::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_look_like_secrets_are_known_by_their_words() {
        let is_secret = |name: &str, kind| is_secret(&Column::new(name.to_owned(), kind));
        for secret in [
            "password",
            "password_hash",
            "PasswordHash",
            "passwordHash",
            "user_password",
            "api_key",
            "ApiKey",
            "token",
            "resetToken",
            "salt",
            "userpassword",
            "pass_phrase",
            "Passwort",
            "kennwort_alt",
            "mot_de_passe",
            "contraseña",
            "otp_seed",
            "otp_secret",
        ] {
            assert!(is_secret(secret, ColumnKind::Text), "{secret}");
        }
        for plain in ["name", "pass_count", "key", "hashtag", "tokenizer", "primary_key", "secretary", "compass", "otp"]
        {
            assert!(!is_secret(plain, ColumnKind::Text), "{plain}");
        }
        for (name, kind, secret) in [
            ("has_password", ColumnKind::Boolean, false),
            ("password_changed_at", ColumnKind::Timestamp, false),
            ("password_expires", ColumnKind::Date, false),
            ("token_count", ColumnKind::Integer, false),
            ("total_tokens", ColumnKind::Decimal, false),
            ("reset_token", ColumnKind::Integer, true),
            ("cvv", ColumnKind::Integer, true),
            ("password", ColumnKind::Bytes, true),
        ] {
            assert_eq!(is_secret(name, kind), secret, "{name}");
        }
    }
}
