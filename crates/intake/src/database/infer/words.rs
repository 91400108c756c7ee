//! What words in the names of tools and parameters mean.

use std::fmt;

use serde_json::Value;

use super::{Chosen, Field, is_text};
use crate::database::{
    schema::ColumnKind,
    tool::{singular, snake},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Search,
    Get,
    Count,
    Create,
    Update,
    Delete,
}

const VERBS: [(Verb, &[&str]); 6] = [
    (Verb::Search, &["search", "find", "list", "query", "lookup", "browse", "filter"]),
    (Verb::Get, &["get", "fetch", "read", "show", "describe", "load"]),
    (Verb::Count, &["count"]),
    (Verb::Create, &["create", "add", "insert", "new", "register"]),
    (Verb::Update, &["update", "set", "change", "edit", "modify", "rename"]),
    (Verb::Delete, &["delete", "remove"]),
];

impl Verb {
    pub fn of(tool: &str) -> Option<Self> {
        let snake = snake(tool);
        let first = snake.split('_').next().unwrap_or_default();
        VERBS.iter().find(|(_, words)| words.contains(&first)).map(|(verb, _)| *verb)
    }

    pub const fn reads(self) -> bool {
        matches!(self, Self::Search | Self::Get | Self::Count)
    }

    pub const fn doing(self) -> &'static str {
        match self {
            Self::Search => "finds rows",
            Self::Get => "gets a row",
            Self::Count => "counts rows",
            Self::Create => "makes a row",
            Self::Update => "changes a row",
            Self::Delete => "deletes a row",
        }
    }
}

/// Each in the singular.
pub fn words(name: &str) -> Vec<String> {
    snake(name).split('_').map(singular).collect()
}

/// `search_order_items_by_sku` is about `order item`.
pub fn subject(tool: &str) -> Vec<String> {
    const STOP: [&str; 7] = ["by", "of", "for", "from", "with", "in", "where"];
    let snake = snake(tool);
    let about = snake.split('_').skip(1).take_while(|word| !STOP.contains(word));
    about.filter(|word| !matches!(*word, "all" | "the" | "a" | "one")).map(singular).collect()
}

/// Whether a text has the words, one after the other.
pub fn mentions(text: &str, name: &str) -> bool {
    let plain = |text: &str| {
        let each = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        each.map(|word| singular(&word.to_lowercase())).collect::<Vec<_>>()
    };
    let (text, name) = (plain(text), plain(name));
    !name.is_empty() && text.windows(name.len()).any(|window| window == name)
}

/// What a parameter is of a table.
pub enum Role<'c, 'a> {
    Equals(&'c Field<'a>),
    In(&'c Field<'a>),
    Contains(Vec<&'c Field<'a>>),
    AtLeast(&'c Field<'a>),
    AtMost(&'c Field<'a>),
    After(&'c Field<'a>),
    Before(&'c Field<'a>),
    Limit,
    Offset,
}

impl fmt::Display for Role<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(field) => write!(f, "its `{}`", field.column.name),
            Self::In(field) => write!(f, "some of its `{}`", field.column.name),
            Self::Contains(fields) => {
                let names: Vec<String> = fields.iter().map(|field| format!("`{}`", field.column.name)).collect();
                write!(f, "text in {}", names.join(", "))
            }
            Self::AtLeast(field) => write!(f, "the least `{}`", field.column.name),
            Self::AtMost(field) => write!(f, "the most `{}`", field.column.name),
            Self::After(field) => write!(f, "what its `{}` is after", field.column.name),
            Self::Before(field) => write!(f, "what its `{}` is before", field.column.name),
            Self::Limit => f.write_str("how many rows"),
            Self::Offset => f.write_str("how many rows before"),
        }
    }
}

pub fn role<'c, 'a>(parameter: &str, schema: &Value, table: &'c Chosen<'a>, description: &str) -> Option<Role<'c, 'a>> {
    let snake = snake(parameter);
    let is_list = schema["type"] == "array";
    let named = |name: &str| {
        let exact = table.columns.iter().find(|field| super::super::tool::snake(&field.column.name) == name);
        exact.or_else(|| of_key(name, table))
    };
    if let Some(field) = named(&snake) {
        return Some(if is_list { Role::In(field) } else { Role::Equals(field) });
    }
    if is_list {
        return named(snake.strip_suffix('s').unwrap_or(&snake)).or_else(|| named(&singular(&snake))).map(Role::In);
    }
    match &*snake {
        "query" | "q" | "search" | "text" | "term" | "keyword" | "keywords" | "search_term" => {
            return contains(table, description);
        }
        "limit" | "max_results" | "page_size" | "top" | "max_rows" => return Some(Role::Limit),
        "offset" | "skip" => return Some(Role::Offset),
        _ => {}
    }
    if let Some(bound) = bound(&snake, table) {
        return Some(bound);
    }
    // `member` of `member_id`, where that is the key of a member.
    if let Some(field) = of_reference(&snake, table) {
        return Some(Role::Equals(field));
    }
    // `name` of `product_name`, where nothing else ends so.
    let mut ending = table.columns.iter().filter(|field| {
        super::super::tool::snake(&field.column.name).strip_suffix(&*snake).is_some_and(|before| before.ends_with('_'))
    });
    match (ending.next(), ending.next()) {
        (Some(field), None) => Some(Role::Equals(field)),
        _ => None,
    }
}

/// `id` and `product_id` are the key of `products`, whatever it is called.
fn of_key<'c, 'a>(name: &str, table: &'c Chosen<'a>) -> Option<&'c Field<'a>> {
    let [key] = table.table.primary_key.as_slice() else { return None };
    let own = format!("{}_id", singular(&table.snake));
    (name == "id" || name == own).then(|| table.field(key)).flatten()
}

/// `member` is the key of one of `members` that the row belongs to.
fn of_reference<'c, 'a>(name: &str, table: &'c Chosen<'a>) -> Option<&'c Field<'a>> {
    let refers = |field: &&Field<'_>| {
        table.table.references.iter().any(|reference| {
            *reference.columns == [field.column.name.clone()]
                && singular(&super::super::tool::snake(&reference.table)) == name
        })
    };
    let mut fields = table.columns.iter().filter(refers);
    fields.next().filter(|_| fields.next().is_none())
}

/// In the texts that the description names, else in all.
fn contains<'c, 'a>(table: &'c Chosen<'a>, description: &str) -> Option<Role<'c, 'a>> {
    let texts: Vec<&Field<'_>> = table.columns.iter().filter(|field| is_text(field)).collect();
    let named: Vec<&Field<'_>> =
        texts.iter().filter(|field| mentions(description, &field.column.name.replace('_', " "))).copied().collect();
    let plain = || texts.iter().filter(|field| field.column.values.is_empty()).take(6).copied().collect();
    let chosen = if named.is_empty() { plain() } else { named };
    (!chosen.is_empty()).then_some(Role::Contains(chosen))
}

/// `min_price`, `placed_from`, `since`, `published_after`.
fn bound<'c, 'a>(snake: &str, table: &'c Chosen<'a>) -> Option<Role<'c, 'a>> {
    const LEAST: &[&str] = &["min", "from", "since", "start", "least"];
    const MOST: &[&str] = &["max", "to", "until", "end", "most"];
    let split = |word: &str| {
        let before = snake.strip_prefix(word).and_then(|rest| rest.strip_prefix('_'));
        before.or_else(|| snake.strip_suffix(word).and_then(|rest| rest.strip_suffix('_')))
    };
    type Bound<'c, 'a> = fn(&'c Field<'a>) -> Role<'c, 'a>;
    let kinds: [(&[&str], Bound<'c, 'a>); 4] =
        [(LEAST, Role::AtLeast), (MOST, Role::AtMost), (&["after"], Role::After), (&["before"], Role::Before)];
    for (words, bound) in kinds {
        for word in words {
            let field = if snake == *word {
                let is_time =
                    |field: &&Field<'_>| matches!(field.column.kind, ColumnKind::Date | ColumnKind::Timestamp);
                let mut times = table.columns.iter().filter(is_time);
                times.next().filter(|_| times.next().is_none())
            } else {
                split(word).and_then(|base| {
                    let names = |field: &&Field<'_>| {
                        let column = super::super::tool::snake(&field.column.name);
                        column == base
                            || ["at", "date", "on", "year"].iter().any(|end| column == format!("{base}_{end}"))
                    };
                    let mut fields = table.columns.iter().filter(names);
                    fields.next().filter(|_| fields.next().is_none())
                })
            };
            if let Some(field) = field.filter(|field| field.column.sorts() || field.column.kind == ColumnKind::Number) {
                return Some(bound(field));
            }
        }
    }
    None
}

/// The order that a description names: the column as it stands in a statement, and whether what is most comes first. An order
/// that is named and not understood is none to guess at.
pub fn order<'c, 'a>(table: &'c Chosen<'a>, description: &str) -> Result<Option<(&'c Field<'a>, bool)>, String> {
    let text = description.to_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|it| !it.is_empty()).collect();
    let untold = |what: &str| {
        Err(format!(
            "its description names an order (`{what}`) that can't be told from the columns of `{}`",
            table.table.full_name()
        ))
    };
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).copied().unwrap_or_default();
        let newest = matches!(*word, "newest" | "latest" | "recent" | "oldest" | "earliest");
        if newest && matches!(next, "first" | "last") {
            let is_time = |field: &&Field<'_>| matches!(field.column.kind, ColumnKind::Date | ColumnKind::Timestamp);
            let mut times = table.columns.iter().filter(is_time);
            let (Some(time), None) = (times.next(), times.next()) else { return untold(&format!("{word} {next}")) };
            return Ok(Some((time, (next == "first") != matches!(*word, "oldest" | "earliest"))));
        }
        if matches!(*word, "sorted" | "ordered" | "order") && next == "by" {
            let named = |field: &&Field<'_>| {
                let name = field.column.name.to_lowercase();
                words.get(at + 2..).is_some_and(|rest| {
                    rest.first() == Some(&&*name) || rest.join(" ").starts_with(&name.replace('_', " "))
                })
            };
            let longest = table.columns.iter().filter(named).max_by_key(|field| field.column.name.len());
            let Some(field) = longest.filter(|field| field.column.sorts()) else {
                return untold(&words[at..words.len().min(at + 4)].join(" "));
            };
            let down = ["descending", "desc", "newest", "highest", "latest", "largest"];
            return Ok(Some((field, words[at + 2..].iter().any(|word| down.contains(word)))));
        }
        // `cheapest first`, but not `the first`.
        let before = at.checked_sub(1).map(|at| words[at]);
        let is_most = word.ends_with("est") && word.len() > 3 || matches!(before, Some("most" | "least"));
        if is_most && next == "first" || matches!(*word, "alphabetical" | "alphabetically") {
            return untold(&format!("{word} {next}"));
        }
    }
    Ok(None)
}
