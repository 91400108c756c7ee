//! Every tool of a proposal is run, and what it answers is what plain SQL of the test's own does.

use std::collections::BTreeMap;

use mcp_factory_connect::sql::Backend;
use mcp_factory_engine::Engine;
use mcp_factory_spec::Spec;
use serde_json::{Map, Value, json};

use super::{Ground, ask};

/// Rows of one table that are compared.
const MOST: usize = 300;

#[derive(Debug, Default)]
pub struct Proved {
    pub tools: usize,
    pub calls: usize,
    pub rows: usize,
}

/// Tools that write are proved by name elsewhere, but for a change that changes nothing.
pub async fn prove(ground: &Ground, spec: &Spec) -> Proved {
    let engine = ground.engine(spec);
    let canonical = spec.canonical();
    let mut proved = Proved::default();
    let tools: BTreeMap<&str, &Value> = canonical["tools"]
        .as_array()
        .expect("tools")
        .iter()
        .map(|tool| (tool["name"].as_str().expect("a name"), tool))
        .collect();
    for (name, tool) in &tools {
        let sql = tool["sql"].as_str().expect("a statement");
        let Some(table) = sql.split_once("\nFROM ").map(|(_, rest)| table_in(rest)) else { continue };
        let rows = plain_rows(ground, table).await;
        proved.tools += 1;
        if name.starts_with("get_") {
            for row in rows.iter().take(20) {
                let arguments = given(tool, row).unwrap_or_else(|| panic!("{name}: {row:?} has no key"));
                let got = ask(&engine, name, Value::Object(arguments))
                    .await
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                same(name, tool, &got, row);
                proved.calls += 1;
            }
        } else if tool["parameters"].as_object().is_some_and(|all| all.values().any(|it| it["required"] == true)) {
            lists(ground, &engine, name, tool, &mut proved).await;
        } else {
            searches(ground, &engine, name, tool, table, &rows, &mut proved).await;
        }
    }
    proved
}

/// The name that a FROM begins with, whatever is in its quotes.
fn table_in(rest: &str) -> &str {
    let Some(quote) = rest.chars().next().filter(|quote| matches!(quote, '"' | '`')) else {
        return rest.lines().next().unwrap_or_default();
    };
    let mut end = 1;
    while let Some(at) = rest[end..].find(quote) {
        end += at + 1;
        match rest[end..].strip_prefix(quote) {
            Some(_) => end += 1,
            None => return &rest[..end],
        }
    }
    rest
}

/// As objects by column, NULLs left out.
async fn plain_rows(ground: &Ground, table: &str) -> Vec<Map<String, Value>> {
    let columns = columns(ground, table).await;
    let quoted: Vec<String> = columns.iter().map(|column| quote(ground.backend, column)).collect();
    let text = format!(
        "SELECT {} FROM {table}",
        quoted.iter().map(|c| as_text(ground.backend, c)).collect::<Vec<_>>().join(", ")
    );
    let rows = ground.plain(&text).await;
    let row = |row: Vec<Value>| columns.iter().cloned().zip(row).filter(|(_, value)| !value.is_null()).collect();
    rows.into_iter().map(row).collect()
}

/// The columns, as the database itself names them.
async fn columns(ground: &Ground, table: &str) -> Vec<String> {
    let bare = unquote(table);
    let text = match ground.backend {
        Backend::Postgres => format!(
            "SELECT attname::text FROM pg_attribute WHERE attrelid = '{}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            table.replace('\'', "''")
        ),
        Backend::Mysql => format!(
            "SELECT COLUMN_NAME AS n FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{}' ORDER BY ORDINAL_POSITION",
            bare.replace('\'', "''").replace('\\', "\\\\")
        ),
        Backend::Sqlite => format!("SELECT name FROM pragma_table_xinfo('{}') ORDER BY cid", bare.replace('\'', "''")),
    };
    ground.plain(&text).await.into_iter().map(|row| row[0].as_str().expect("a name").to_owned()).collect()
}

fn unquote(table: &str) -> String {
    match table.chars().next() {
        Some(quote @ ('"' | '`')) => {
            let inner = &table[1..table.len() - 1];
            inner.replace(&format!("{quote}{quote}"), &quote.to_string())
        }
        _ => table.to_owned(),
    }
}

fn quote(backend: Backend, name: &str) -> String {
    let quote = if backend == Backend::Mysql { '`' } else { '"' };
    format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")))
}

/// Everything is compared as text, in one spelling.
fn as_text(backend: Backend, column: &str) -> String {
    match backend {
        Backend::Postgres => format!("{column}::text"),
        Backend::Mysql => format!("CONVERT({column} USING utf8mb4)"),
        Backend::Sqlite => column.to_owned(),
    }
}

fn spelled(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(yes) => u8::from(*yes).to_string(),
        other => other.to_string(),
    };
    let text = match text.as_str() {
        "true" | "t" => "1".to_owned(),
        "false" | "f" => "0".to_owned(),
        _ => text,
    };
    // A time is written with a `T` and without zeros at its end, here and there with its zone.
    let is_time = text.len() >= 19 && text.as_bytes()[4] == b'-' && matches!(text.as_bytes()[10], b' ' | b'T');
    if is_time {
        let text = text.replace('T', " ").replace('Z', "").replace("+00", "");
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let fraction = fraction.trim_end_matches('0');
        return if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
    }
    match text.parse::<f64>() {
        Ok(number) if text.len() < 16 && !text.starts_with('0') => number.to_string(),
        _ => text,
    }
}

/// What a tool answers has the plain row's values in all fields that it promises.
fn same(name: &str, tool: &Value, got: &Value, row: &Map<String, Value>) {
    let returns = if tool["returns"]["type"] == "array" { &tool["returns"]["items"] } else { &tool["returns"] };
    for (column, schema) in returns["properties"].as_object().expect("properties") {
        let structured = schema["type"] == "array" || schema.get("type").is_none();
        match (got.get(column), row.get(column)) {
            (None, None) => {}
            (Some(_), Some(_)) if structured => {}
            (Some(got), Some(plain)) => assert_eq!(spelled(got), spelled(plain), "{name}: {column}"),
            (got, plain) => panic!("{name}: {column} is {got:?}, and not {plain:?}"),
        }
    }
}

/// Arguments for the required parameters, taken from a row.
fn given(tool: &Value, row: &Map<String, Value>) -> Option<Map<String, Value>> {
    let parameters = tool["parameters"].as_object()?;
    let required = parameters.iter().filter(|(_, schema)| schema["required"] == true);
    required.map(|(name, schema)| Some((name.clone(), typed(schema, column_of(row, name)?)))).collect()
}

/// The value of the column whose name became the parameter.
fn column_of<'r>(row: &'r Map<String, Value>, parameter: &str) -> Option<&'r Value> {
    row.get(parameter).or_else(|| {
        let fits = |column: &str| {
            // As names are written in plain letters.
            let column = [("ü", "ue"), ("ö", "oe"), ("ï", "i"), ("é", "e")]
                .iter()
                .fold(column.to_owned(), |it, (from, to)| it.replace(from, to));
            let plain: String = column.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            let plain: String = plain.trim_matches('_').chars().take(40).collect();
            parameter.contains(&plain) || parameter.starts_with("column_")
        };
        row.iter().find(|(column, _)| fits(column)).map(|(_, value)| value)
    })
}

fn typed(schema: &Value, value: &Value) -> Value {
    let text = spelled(value);
    match schema["type"].as_str() {
        Some("integer" | "number") => serde_json::from_str(&text).unwrap_or(Value::Null),
        Some("boolean") => (text == "1").into(),
        _ => match value {
            Value::String(text) => text.clone().into(),
            other => other.to_string().into(),
        },
    }
}

/// All pages, or as many rows as are compared.
async fn all(engine: &Engine, name: &str, arguments: &Value) -> (Vec<Value>, bool) {
    let (mut rows, mut arguments) = (Vec::new(), arguments.clone());
    loop {
        let page =
            ask(engine, name, arguments.clone()).await.unwrap_or_else(|error| panic!("{name} {arguments}: {error}"));
        rows.extend(page["items"].as_array().unwrap_or_else(|| panic!("{name}: {page}")).iter().cloned());
        match page.get("nextCursor") {
            Some(cursor) if rows.len() < MOST => arguments["cursor"] = cursor.clone(),
            more => return (rows, more.is_none()),
        }
    }
}

async fn searches(
    ground: &Ground,
    engine: &Engine,
    name: &str,
    tool: &Value,
    table: &str,
    plain: &[Map<String, Value>],
    proved: &mut Proved,
) {
    let (found, whole) = all(engine, name, &json!({})).await;
    if whole {
        assert_eq!(found.len(), plain.len(), "{name}");
    } else {
        assert!(plain.len() > MOST, "{name}");
    }
    proved.rows += found.len();
    proved.calls += 1;
    // By the key where there is one: every row that is found is one that is there.
    let spelled_row = |row: &Map<String, Value>, columns: &[&String]| {
        columns.iter().map(|column| row.get(*column).map(spelled)).collect::<Vec<_>>()
    };
    let properties = tool["returns"]["items"]["properties"].as_object().expect("columns");
    let simple: Vec<&String> = properties
        .iter()
        .filter(|(_, schema)| schema["type"].is_string() && schema["type"] != "array")
        .map(|(name, _)| name)
        .collect();
    let mut known: BTreeMap<Vec<Option<String>>, usize> = BTreeMap::new();
    for row in plain {
        *known.entry(spelled_row(row, &simple)).or_default() += 1;
    }
    for row in &found {
        let row = row.as_object().expect("a row");
        let times = known.get_mut(&spelled_row(row, &simple)).filter(|times| **times > 0);
        *times.unwrap_or_else(|| panic!("{name}: {row:?} is none of the table's, or comes twice")) -= 1;
    }
    let Some(parameters) = tool["parameters"].as_object() else { return };
    let mut each = Vec::new();
    for (parameter, schema) in parameters {
        let row = plain.iter().find(|row| parameter == "query" || column_of(row, base(parameter)).is_some());
        let Some(row) = row else { continue };
        let value = if parameter == "query" {
            let about = schema["description"].as_str().expect("it says where");
            let is_named = |(column, value): &(&String, &Value)| {
                about.contains(column.as_str()) && value.as_str().is_some_and(|it| !it.is_empty())
            };
            // One name may be a part of another.
            let named = row.iter().filter(is_named).max_by_key(|(column, _)| column.len());
            let Some((_, text)) = named else { continue };
            let text = text.as_str().expect("text");
            let end = text.find(['%', '_', '\\']).unwrap_or(text.len());
            text[..end].chars().take(12).collect::<String>().into()
        } else {
            typed(schema, column_of(row, base(parameter)).expect("it was found by it"))
        };
        if value == "" {
            continue;
        }
        each.push((parameter, value));
    }
    let mut combined = Map::new();
    for (parameter, value) in each {
        let (found, whole) = all(engine, name, &json!({ parameter: value })).await;
        proved.calls += 1;
        assert!(!found.is_empty(), "{name}: {parameter} = {value} finds at least the row that it is of");
        let column = base(parameter);
        if whole
            && parameter != "query"
            && plain.first().is_some_and(|_| plain.iter().any(|row| row.contains_key(column)))
        {
            let text = format!(
                "SELECT count(*) AS n FROM {table} WHERE {} {} {}",
                quote(ground.backend, column),
                sign(parameter),
                literal(&value)
            );
            let count = ground.plain(&text).await[0][0].as_u64().expect("a number");
            assert_eq!(found.len() as u64, count, "{name}: {text}");
        }
        combined.insert(parameter.clone(), value);
    }
    // All at once: every clause stays.
    ask(engine, name, Value::Object(combined)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    proved.calls += 1;
}

fn base(parameter: &str) -> &str {
    parameter.strip_suffix("_from").or_else(|| parameter.strip_suffix("_to")).unwrap_or(parameter)
}

fn sign(parameter: &str) -> &'static str {
    match base(parameter) == parameter {
        true => "=",
        false if parameter.ends_with("_from") => ">=",
        false => "<=",
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", text.replace('\'', "''").replace('T', " ")),
        other => other.to_string(),
    }
}

/// By the statement itself, with the value in place of its placeholder: what is compared is the binding and the pages.
async fn lists(ground: &Ground, engine: &Engine, name: &str, tool: &Value, proved: &mut Proved) {
    let sql = tool["sql"].as_str().expect("a statement");
    let parameters: Vec<&String> = tool["parameters"].as_object().expect("parameters").keys().collect();
    let [parameter] = parameters.as_slice() else { return };
    let condition = sql.split_once(&format!(" = :{parameter}")).expect("it is bound").0;
    let column = condition.rsplit([' ', '(']).next().expect("a column");
    let table = condition.rsplit("FROM ").next().expect("a table").lines().next().expect("a table");
    let table = table.split(" WHERE").next().expect("a table");
    let values = ground.plain(&format!("SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL")).await;
    for row in values.iter().take(20) {
        let value = typed(&tool["parameters"][parameter], &row[0]);
        let (found, whole) = all(engine, name, &json!({ parameter.as_str(): value })).await;
        let inner = sql.replace(&format!(":{parameter}"), &literal(&value));
        let plain =
            ground.plain(&format!("SELECT count(*) AS n FROM ({inner}) AS x")).await[0][0].as_u64().expect("a number");
        if whole {
            assert_eq!(found.len() as u64, plain, "{name}: {value}");
        }
        assert!(plain > 0, "{name}: {value}");
        proved.calls += 1;
        proved.rows += found.len();
    }
}
