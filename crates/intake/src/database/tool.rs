//! Tools that read: search a table, get a row, list the rows that belong to another one.

use std::collections::HashSet;

use mcp_factory_spec::sql::Dialect;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    Draft, answer,
    choose::{Chosen, Field, is_readable},
    schema::{Column, ColumnKind, Kind},
    statement::{self, Select},
};
use crate::{name, text};

/// Filters of one search, and columns that its text is looked for in.
const MOST_FILTERS: usize = 10;
const MOST_TEXTS: usize = 6;
/// Columns of the same sort that get bounds.
const MOST_BOUNDED: usize = 2;

impl Draft<'_> {
    pub(super) fn reads(&mut self, table: &Chosen<'_>, all: &[Chosen<'_>]) {
        self.search(table);
        self.get(table);
        if table.table.is_link() {
            self.across(table, all);
        } else {
            self.lists(table);
        }
    }

    fn search(&mut self, table: &Chosen<'_>) {
        let fields = statement::answered(table);
        let mut select = Select::of(table, &fields, self.options.by);
        let mut parameters = Parameters::default();
        let mut properties = Map::new();
        let is_text = |field: &&&Field<'_>| field.column.kind == ColumnKind::Text && field.column.values.is_empty();
        let texts: Vec<&Field<'_>> = fields.iter().filter(is_text).take(MOST_TEXTS).copied().collect();
        if !texts.is_empty() {
            let query = parameters.name("query");
            let names: Vec<String> = texts.iter().map(|field| text::plain(&field.column.name, 60)).collect();
            let about = format!("Text to find in {}", names.join(", "));
            properties.insert(
                query.clone(),
                json!({ "type": "string", "minLength": 1, "maxLength": 200, "description": about }),
            );
            select.may_hold(&query, &statement::contains(&texts, &query, self.dialect));
        }
        let mut bounded = [0, 0];
        for field in filters(table, &fields) {
            if properties.len() >= MOST_FILTERS {
                break;
            }
            let column = field.column;
            let group = match column.kind {
                _ if is_exact(table, column) => {
                    let parameter = parameters.name(&column.name);
                    let mut schema = answer::parameter(column, self.dialect);
                    schema.extend(answer::about(column, refers(table, column).as_deref(), self.dialect).map(described));
                    select.may_hold(&parameter, &statement::equals_to(field, &parameter));
                    properties.insert(parameter, Value::Object(schema));
                    continue;
                }
                ColumnKind::Date | ColumnKind::Timestamp => 0,
                _ => 1,
            };
            if bounded[group] >= MOST_BOUNDED {
                continue;
            }
            bounded[group] += 1;
            for (word, sign, about) in [("from", ">=", "At least"), ("to", "<=", "At most")] {
                let parameter = parameters.name(&format!("{}_{word}", column.name));
                let mut schema = answer::parameter(column, self.dialect);
                schema.shift_remove("minimum");
                schema.shift_remove("maximum");
                let about = answer::about(column, None, self.dialect)
                    .map_or(about.to_owned(), |column| format!("{about}: {column}"));
                schema.extend([described(about)]);
                select.may_hold(&parameter, &statement::bounded(field, sign, &parameter, self.dialect));
                properties.insert(parameter, Value::Object(schema));
            }
        }
        let verb = if properties.is_empty() { "List" } else { "Search" };
        let name = self.names.give([format!("{}_{}", verb.to_lowercase(), table.snake)]);
        self.listing(table, table, name, format!("{verb} {}", table.words), properties, select, &fields);
    }

    fn get(&mut self, table: &Chosen<'_>) {
        let Some(key) = table.shown_key().filter(|_| table.table.kind == Kind::Table) else { return };
        let fields = statement::answered(table);
        let mut select = Select::of(table, &fields, self.options.by);
        for field in &key {
            select.holds(&statement::equals(field));
        }
        let one = singular(&table.snake);
        let name = self.names.give([format!("get_{one}"), format!("get_{}", table.snake)]);
        let words: Vec<&str> = key.iter().map(|field| &*field.parameter).collect();
        let about = with_comment(&format!("One row of {} by {}", table.words, words.join(" and ")), table);
        let tool = json!({
            "name": name,
            "description": about,
            "parameters": required(table, &key, self.dialect),
            "returns": answer::row(&fields),
            "connection": self.connection,
            "sql": select.ordered(&[]),
            "single": true,
            "annotations": { "readOnly": true },
        });
        self.push(table, tool);
    }

    /// The rows that refer to one of another table.
    fn lists(&mut self, table: &Chosen<'_>) {
        let fields = statement::answered(table);
        let mut known: HashSet<&[String]> = HashSet::new();
        for reference in &table.table.references {
            let Some(by) = table.fields(&reference.columns).filter(|_| known.insert(&reference.columns)) else {
                continue;
            };
            if !by.iter().all(|field| is_readable(field.column)) {
                continue;
            }
            if table.key().is_some_and(|key| {
                key.len() == by.len() && key.iter().all(|k| by.iter().any(|b| b.parameter == k.parameter))
            }) {
                // One row at most, which is what getting it answers.
                continue;
            }
            let mut select = Select::of(table, &fields, self.options.by);
            by.iter().for_each(|field| select.holds(&statement::equals(field)));
            let columns: Vec<String> = by.iter().map(|field| snake(&field.column.name)).collect();
            let name = self.names.give([format!("list_{}_by_{}", table.snake, columns.join("_and_"))]);
            let about = format!(
                "The rows of {} that belong to one of {}",
                table.words,
                text::plain(&reference.table.replace('_', " "), 80)
            );
            self.listing(table, table, name, about, required(table, &by, self.dialect), select, &fields);
        }
    }

    /// A table that only says which rows of two others belong together: the ones of each of the others.
    fn across(&mut self, link: &Chosen<'_>, all: &[Chosen<'_>]) {
        let [one, other] = link.table.references.as_slice() else { return };
        for (from, to) in [(one, other), (other, one)] {
            let is_target = |chosen: &&Chosen<'_>| chosen.table.name == to.table && chosen.table.schema == to.schema;
            let (Some(target), Some(by), Some(inner)) =
                (all.iter().find(is_target), link.fields(&from.columns), link.fields(&to.columns))
            else {
                continue;
            };
            let Some(outer) = target.fields(&to.to) else { continue };
            let ([by], [inner], [outer]) = (by.as_slice(), inner.as_slice(), outer.as_slice()) else { continue };
            if !is_readable(by.column) {
                continue;
            }
            let fields = statement::answered(target);
            let mut select = Select::of(target, &fields, self.options.by);
            let owned =
                statement::owned(link, self.options.by).map(|owned| format!(" AND {owned}")).unwrap_or_default();
            select.holds(&format!(
                "{} IN (SELECT {} FROM {} WHERE {}{owned})",
                outer.quoted,
                inner.quoted,
                link.quoted,
                statement::equals(by)
            ));
            let of = singular(&snake(&from.table));
            let name = self.names.give([
                format!("list_{}_of_{of}", target.snake),
                format!("list_{}_by_{}_of_{}", target.snake, snake(&by.column.name), link.snake),
            ]);
            let about = format!(
                "The rows of {} that {} has for one of {}",
                target.words,
                link.words,
                text::plain(&from.table.replace('_', " "), 80)
            );
            self.listing(link, target, name, about, required(link, &[by], self.dialect), select, &fields);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one tool")]
    fn listing(
        &mut self,
        of: &Chosen<'_>,
        table: &Chosen<'_>,
        name: String,
        about: String,
        parameters: Map<String, Value>,
        select: Select,
        fields: &[&Field<'_>],
    ) {
        let order = statement::order(table, self.dialect);
        let mut tool = Map::new();
        tool.insert("name".to_owned(), name.into());
        tool.insert("description".to_owned(), with_comment(&about, table).into());
        if !parameters.is_empty() {
            tool.insert("parameters".to_owned(), parameters.into());
        }
        tool.insert("returns".to_owned(), answer::rows(fields));
        tool.insert("connection".to_owned(), self.connection.into());
        tool.insert("sql".to_owned(), select.ordered(&order).into());
        if !order.is_empty() {
            tool.insert("paginate".to_owned(), json!({ "pageSize": 50 }));
        }
        tool.insert("annotations".to_owned(), json!({ "readOnly": true }));
        self.push(of, Value::Object(tool));
    }
}

/// What a search can be narrowed by, what narrows most first.
fn filters<'f, 'a>(table: &Chosen<'_>, fields: &[&'f Field<'a>]) -> Vec<&'f Field<'a>> {
    let rank = |field: &&&Field<'_>| {
        let column = field.column;
        match column.kind {
            _ if refers(table, column).is_some() => 0,
            _ if is_exact(table, column) => 1,
            ColumnKind::Date | ColumnKind::Timestamp => 2,
            _ => 3,
        }
    };
    let is_key = |column: &Column| table.table.primary_key == [column.name.as_str()];
    let may = |field: &&&Field<'_>| {
        use ColumnKind::{Date, Decimal, Integer, Number, Timestamp};
        let column = field.column;
        is_exact(table, column)
            || !is_key(column) && matches!(column.kind, Date | Timestamp | Integer | Decimal | Number)
    };
    let mut filters: Vec<&'f Field<'a>> = fields.iter().filter(may).copied().collect();
    filters.sort_by_key(|field| rank(&field));
    filters
}

/// Whether it is looked for as it is.
fn is_exact(table: &Chosen<'_>, column: &Column) -> bool {
    let is_unique = table.table.unique.iter().any(|key| *key == [column.name.as_str()]);
    let compares = matches!(column.kind, ColumnKind::Integer | ColumnKind::Text | ColumnKind::Uuid | ColumnKind::Hex);
    refers(table, column).is_some() && compares
        || !column.values.is_empty()
        || column.kind == ColumnKind::Boolean
        || is_unique && compares
}

/// Of what table it is a key.
fn refers(table: &Chosen<'_>, column: &Column) -> Option<String> {
    let one = table.table.references.iter().find(|reference| *reference.columns == [column.name.clone()])?;
    Some(format!("key of {}", text::plain(&one.table, 80)))
}

/// Parameters that have to be given.
pub fn required(table: &Chosen<'_>, fields: &[&Field<'_>], dialect: Dialect) -> Map<String, Value> {
    let mut properties = Map::new();
    for field in fields {
        let mut schema = answer::parameter(field.column, dialect);
        schema.insert("required".to_owned(), true.into());
        schema.extend(answer::about(field.column, refers(table, field.column).as_deref(), dialect).map(described));
        properties.insert(field.parameter.clone(), Value::Object(schema));
    }
    properties
}

pub fn described(about: String) -> (String, Value) {
    ("description".to_owned(), about.into())
}

/// What the tool does, and what the database says of the table.
pub fn with_comment(about: &str, table: &Chosen<'_>) -> String {
    let comment = text::plain(&table.table.comment, 400);
    if comment.is_empty() { about.to_owned() } else { format!("{about}. {comment}") }
}

// === names ===

/// Names of tools, each given once.
#[derive(Debug, Default)]
pub struct Names(name::Names);

impl Names {
    /// The first that nobody has.
    pub fn give(&mut self, names: impl IntoIterator<Item = String>) -> String {
        self.0.tool(names.into_iter().map(|name| if name.len() > LONGEST { with_hash(&name, &name) } else { name }))
    }
}

/// Names of parameters of one tool.
#[derive(Debug, Default)]
pub struct Parameters(HashSet<String>);

impl Parameters {
    /// What a placeholder can be called: letters, digits and `_`, and nothing that means something else.
    pub fn name(&mut self, column: &str) -> String {
        const RESERVED: [&str; 6] = ["principal", "trigger", "env", "call", "cursor", "sort"];
        let mut name: String =
            name::latin(column).chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
        if !name.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
            name = with_hash("column", column);
        }
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            name.insert(0, '_');
        }
        // A placeholder for the caller is written so with a dot.
        if RESERVED.contains(&&*name.to_ascii_lowercase())
            || name.starts_with("principal_")
            || name.starts_with("call_")
        {
            name = format!("column_{name}");
        }
        if name.len() > LONGEST - 8 {
            name = with_hash(&name, column);
        }
        if !self.0.insert(name.clone()) {
            name = with_hash(&name, column);
            while !self.0.insert(name.clone()) {
                name.push('_');
            }
        }
        name
    }
}

const LONGEST: usize = 64;

/// A table's or column's name as a part of a name: words of letters and digits.
pub fn snake(name: &str) -> String {
    let snake = name::snake(name);
    let is_whole = name::latin(name).chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '-' | '.'));
    let has_letters = snake.bytes().any(|byte| byte.is_ascii_alphabetic());
    if is_whole && has_letters { snake } else { with_hash(if has_letters { &snake } else { "table" }, name) }
}

/// A name that would not do by itself, with a number made of what it stands for, so that it stays what it is.
pub fn with_hash(name: &str, of: &str) -> String {
    let hash = Sha256::digest(of.as_bytes());
    let kept = &name[..name.len().min(LONGEST - 7)];
    format!("{}_{:02x}{:02x}{:02x}", kept.trim_end_matches('_'), hash[0], hash[1], hash[2])
}

/// `orders` is `order`, `categories` is `category`. What is none of these stays.
pub fn singular(name: &str) -> String {
    let (before, last) = name.rsplit_once('_').map_or(("", name), |(before, last)| (&name[..=before.len()], last));
    let one = if let Some(stem) = last.strip_suffix("ies").filter(|stem| stem.len() > 1) {
        format!("{stem}y")
    } else if let Some(stem) =
        ["sses", "shes", "ches", "xes"].iter().find_map(|end| last.strip_suffix("es").filter(|_| last.ends_with(end)))
    {
        stem.to_owned()
    } else if last.len() > 3
        && last.ends_with('s')
        && !["ss", "us", "is", "as", "news", "series"].iter().any(|end| last.ends_with(end))
    {
        last[..last.len() - 1].to_owned()
    } else {
        last.to_owned()
    };
    format!("{before}{one}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many() {
        for (many, one) in [
            ("orders", "order"),
            ("order_items", "order_item"),
            ("categories", "category"),
            ("addresses", "address"),
            ("boxes", "box"),
            ("status", "status"),
            ("film", "film"),
            ("news", "news"),
            ("analysis", "analysis"),
            ("gas", "gas"),
        ] {
            assert_eq!(singular(many), one);
        }
    }

    #[test]
    fn names_that_are_no_words_keep_one_of_their_own() {
        assert_eq!(snake("InvoiceLine"), "invoice_line");
        assert_eq!(snake("order-items"), "order_items");
        assert_eq!(snake("Größen"), "groessen");
        assert_ne!(snake("日本"), snake("中国"));
        assert!(snake("日本").starts_with("table_"));
        assert_ne!(snake("a$b"), snake("a%b"));
        let mut parameters = Parameters::default();
        assert_eq!(parameters.name("film_id"), "film_id");
        assert_eq!(parameters.name("cursor"), "column_cursor");
        assert_eq!(parameters.name("principal_id"), "column_principal_id");
        assert_eq!(parameters.name("2d"), "_2d");
        assert_eq!(parameters.name("a b"), "a_b");
        assert_eq!(parameters.name("Änderungsdatum"), "Aenderungsdatum");
        assert!(parameters.name("Aenderungsdatum").starts_with("Aenderungsdatum_"));
        assert!(parameters.name("a-b").starts_with("a_b_"));
        assert!(parameters.name("列").starts_with("column_"));
        assert!(parameters.name(&"x".repeat(300)).len() <= 64);
    }
}
