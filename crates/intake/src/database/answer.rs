//! Columns as JSON schemas: of what callers give, and of what they are answered.

use mcp_factory_spec::{secrets, sql::Dialect};
use serde_json::{Map, Value, json};

use super::{
    choose::Field,
    schema::{Column, ColumnKind},
};
use crate::text;

/// Values in an `enum`.
const MOST_VALUES: usize = 100;

const DATE: &str = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])";
const TIME: &str = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,9})?)?";

/// What a caller gives for the column.
pub fn parameter(column: &Column, dialect: Dialect) -> Map<String, Value> {
    let mut schema = Map::new();
    let mut set = |key: &str, value: Value| drop(schema.insert(key.to_owned(), value));
    match column.kind {
        ColumnKind::Integer => {
            set("type", "integer".into());
            // Checks that nothing satisfies are the database's to tell.
            let holds = column.minimum.zip(column.maximum).is_none_or(|(low, high)| low <= high);
            for (key, bound) in [("minimum", column.minimum), ("maximum", column.maximum)] {
                if let Some(bound) = bound.filter(|_| holds) {
                    set(key, bound.into());
                }
            }
        }
        ColumnKind::Number | ColumnKind::Decimal => set("type", "number".into()),
        ColumnKind::Boolean => set("type", "boolean".into()),
        ColumnKind::Json => set("type", json!(["object", "array"])),
        ColumnKind::Array => set("type", "array".into()),
        ColumnKind::Bytes => {
            set("type", "string".into());
            set("contentEncoding", "base64".into());
        }
        ColumnKind::Hex => {
            set("type", "string".into());
            set("pattern", "^([0-9a-fA-F]{2})+$".into());
            if let Some(longest) = column.longest {
                set("maxLength", longest.saturating_mul(2).into());
            }
        }
        ColumnKind::Text if may_be_listed(&column.values) => {
            set("type", "string".into());
            set("enum", json!(column.values));
        }
        ColumnKind::Text => {
            set("type", "string".into());
            if let Some(longest) = column.longest {
                set("maxLength", longest.into());
            }
        }
        ColumnKind::Date => {
            set("type", "string".into());
            set("format", "date".into());
            // Others take any text for a date, and find everything or nothing.
            if dialect != Dialect::Postgres {
                set("pattern", format!("^{DATE}$").into());
            }
        }
        ColumnKind::Uuid => {
            set("type", "string".into());
            set("format", "uuid".into());
        }
        // Without a zone it is no `date-time`.
        ColumnKind::Timestamp if is_zoned(column) => {
            set("type", "string".into());
            set("format", "date-time".into());
        }
        ColumnKind::Timestamp => {
            set("type", "string".into());
            let zone = match dialect {
                Dialect::Mysql => "Z?",
                _ => "(Z|[+-][0-9]{2}:?[0-9]{2})?",
            };
            set("pattern", format!("^{DATE}([T ]{TIME}{zone})?$").into());
        }
        ColumnKind::Time => {
            set("type", "string".into());
            let pattern = match dialect {
                // Not only of a day.
                Dialect::Mysql => "^-?[0-9]{1,3}:[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,9})?)?$".to_owned(),
                _ => format!("^{TIME}(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)?$"),
            };
            set("pattern", pattern.into());
        }
        ColumnKind::Other if is_bits(column) => {
            set("type", "string".into());
            set("pattern", "^[01]+$".into());
        }
        ColumnKind::Other | ColumnKind::Opaque | ColumnKind::Geometry | ColumnKind::Index => {
            set("type", "string".into());
        }
    }
    if let Some(form) = form(column, dialect).filter(|_| schema.contains_key("pattern")) {
        // The pattern takes the 31st of any month, too.
        schema.insert("examples".to_owned(), json!([form]));
    }
    schema
}

/// How a point in time is written, where no `format` says it.
fn form(column: &Column, dialect: Dialect) -> Option<&'static str> {
    match column.kind {
        ColumnKind::Timestamp if dialect == Dialect::Sqlite => Some("2026-11-21 04:47:15"),
        ColumnKind::Timestamp if is_zoned(column) => Some("2026-11-21T04:47:15Z"),
        ColumnKind::Timestamp => Some("2026-11-21T04:47:15"),
        ColumnKind::Time => Some("04:47:15"),
        _ => None,
    }
}

/// A few, none of which looks like a secret.
fn may_be_listed(values: &[String]) -> bool {
    !values.is_empty() && values.len() <= MOST_VALUES && values.iter().all(|value| secrets::redact(value) == *value)
}

fn is_zoned(column: &Column) -> bool {
    column.declared.as_deref().is_some_and(|declared| declared.ends_with("with time zone"))
}

/// Written as `10101`.
pub fn is_bits(column: &Column) -> bool {
    column.declared.as_deref().is_some_and(|declared| declared.starts_with("bit"))
}

/// What a model reads of it, where its name does not say it all.
pub fn about(column: &Column, more: Option<&str>, dialect: Dialect) -> Option<String> {
    let comment = text::plain(&column.comment, 200);
    let form = match form(column, dialect) {
        Some(form) => Some(format!("as in {form}")),
        None => (column.kind == ColumnKind::Hex).then(|| "in hexadecimal".to_owned()),
    };
    let comment = Some(comment).filter(|comment| !comment.is_empty());
    let parts: Vec<&str> = [comment.as_deref(), more, form.as_deref()].into_iter().flatten().collect();
    let about = parts.join(if comment.as_deref().is_some_and(|it| it.ends_with('.')) { " " } else { ", " });
    // Its parameter is called otherwise.
    let name = Some(text::plain(&column.name, 60)).filter(|name| !name.is_ascii());
    match (name, about.is_empty()) {
        (Some(name), true) => Some(name),
        (Some(name), false) => Some(format!("{name}: {about}")),
        (None, is_nothing) => (!is_nothing).then_some(about),
    }
}

/// The row as it is answered. NULL is left out of it.
pub fn row(fields: &[&Field<'_>]) -> Value {
    let mut properties = Map::new();
    for field in fields {
        let mut schema = value(field.column);
        let comment = text::plain(&field.column.comment, 200);
        if let Some(schema) = schema.as_object_mut().filter(|_| !comment.is_empty()) {
            schema.insert("description".to_owned(), comment.into());
        }
        properties.insert(field.column.name.clone(), schema);
    }
    json!({ "type": "object", "properties": properties })
}

pub fn rows(fields: &[&Field<'_>]) -> Value {
    json!({ "type": "array", "items": row(fields) })
}

fn value(column: &Column) -> Value {
    match column.kind {
        ColumnKind::Integer => json!({ "type": "integer" }),
        ColumnKind::Number | ColumnKind::Decimal => json!({ "type": "number" }),
        ColumnKind::Boolean => json!({ "type": "boolean" }),
        ColumnKind::Json | ColumnKind::Other => json!({}),
        ColumnKind::Array => json!({ "type": "array" }),
        _ => json!({ "type": "string" }),
    }
}
