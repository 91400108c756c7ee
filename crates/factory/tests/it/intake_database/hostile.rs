//! Names and comments that mean something somewhere, and many tables.

use std::time::Instant;

use mcp_factory::intake::Database;
use mcp_factory_connect::sql::Backend;
use mcp_factory_testing::{Mariadb, Postgres};
use serde_json::json;

use super::{Ground, ask, proof};

const HOSTILE: &[&str] = &[
    "a\"b",
    "a'b",
    "a`b",
    "select",
    "order",
    "user",
    "a b",
    "a.b",
    ":x",
    ":principal.id",
    "$1",
    "?",
    "{{x}}",
    "{x}",
    "[[ x ]]",
    "--",
    "/*",
    ";DROP TABLE x",
    "日本語",
    "ünïcödé",
    "🦀",
    "principal",
    "cursor",
    "sort",
    "query",
    "Aa",
    "a%b",
    "a-b",
    "1st",
    "#",
    "@a",
    "a\nb",
    "end",
];

fn quote(backend: Backend, name: &str) -> String {
    let quote = if backend == Backend::Mysql { '`' } else { '"' };
    format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")))
}

/// Another name, as long.
fn second(name: &str) -> String {
    if name.len() < 63 { format!("{name}2") } else { format!("{}2", &name[..62]) }
}

async fn hostile_names(ground: &Ground) {
    let longest = "l".repeat(63);
    // MySQL has names of three bytes a letter.
    let is_there = |name: &&&str| ground.backend != Backend::Mysql || **name != "🦀";
    let named: Vec<&str> = HOSTILE.iter().filter(is_there).copied().collect();
    for name in named.iter().copied().chain([longest.as_str()]) {
        let (table, column) = (quote(ground.backend, name), quote(ground.backend, &second(name)));
        let comment = match ground.backend {
            Backend::Mysql => format!(" COMMENT '{}'", "It''s :x {{y}} $1 [[ z ]] -- */"),
            _ => String::new(),
        };
        ground
            .execute(&format!(
                "CREATE TABLE {table} ({table} INTEGER PRIMARY KEY, {column} VARCHAR(40) NOT NULL){comment}"
            ))
            .await;
        ground.execute(&format!("INSERT INTO {table} VALUES (1, 'one'), (2, 'it''s :x')")).await;
        if ground.backend == Backend::Postgres {
            ground
                .execute(&format!(
                    "COMMENT ON TABLE {table} IS 'It''s :x {{{{y}}}} $1 [[ z ]] -- */ postgres://a:hunter2@b/c'"
                ))
                .await;
            ground.execute(&format!("COMMENT ON COLUMN {table}.{column} IS ':x {{y}}'")).await;
        }
    }
    let proposed = ground.propose(Database { writes: true, ..Database::default() }).await.expect("a spec");
    let spec = &proposed.proposal.spec;
    let all = named.len() + 1;
    let searches = spec.tools.iter().filter(|tool| tool.name.as_str().starts_with("search_")).count();
    assert_eq!(searches, all, "{:?}", proposed.proposal.findings);
    assert_eq!(spec.tools.len(), 5 * all, "search, get, create, update and delete of each");
    assert!(!spec.canonical_yaml().contains("hunter2"));
    let proved = proof::prove(ground, spec).await;
    assert_eq!(proved.tools, 2 * all, "{proved:?}");
    let engine = ground.engine(spec);
    for tool in spec.canonical()["tools"].as_array().expect("tools") {
        let name = tool["name"].as_str().expect("a name");
        let parameters: Vec<&String> = tool["parameters"].as_object().expect("parameters").keys().collect();
        let made = match (name.split('_').next(), parameters.as_slice()) {
            (Some("create"), [key, text]) => {
                ask(&engine, name, json!({ key.as_str(): 3, text.as_str(): "three" })).await
            }
            (Some("update"), [key, text]) => ask(&engine, name, json!({ key.as_str(): 2, text.as_str(): "two" })).await,
            (Some("delete"), [key]) => ask(&engine, name, json!({ key.as_str(): 1 })).await,
            _ => continue,
        };
        made.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for name in named {
        let (table, column) = (quote(ground.backend, name), quote(ground.backend, &second(name)));
        let rows = ground.plain(&format!("SELECT {table}, {column} FROM {table} ORDER BY 1")).await;
        let keys: Vec<_> = rows.iter().map(|row| (row[0].as_i64(), row[1].as_str().unwrap_or_default())).collect();
        assert!(keys.iter().all(|(key, _)| *key != Some(1)), "{name}: {keys:?}");
        assert!(keys.contains(&(Some(2), "two")) || keys.contains(&(Some(3), "three")), "{name}: {keys:?}");
    }
}

/// Printed, not asserted: machines differ.
async fn many_tables(ground: &Ground) {
    for number in 0..500 {
        let reference = match number {
            0 => "parent INTEGER",
            _ => "parent INTEGER REFERENCES t0 (id)",
        };
        ground
            .execute(&format!(
                "CREATE TABLE t{number} (id INTEGER PRIMARY KEY, name VARCHAR(80) NOT NULL, kind VARCHAR(10), made DATE, price DECIMAL(10, 2), \
                 active BOOLEAN, note TEXT, {reference})"
            ))
            .await;
    }
    let began = Instant::now();
    let proposed =
        ground.propose(Database { tables: vec!["t*".to_owned()], ..Database::default() }).await.expect("a spec");
    let spec = &proposed.proposal.spec;
    eprintln!("500 tables of {:?}: {} tools in {:?}", ground.backend, spec.tools.len(), began.elapsed());
    assert!(spec.tools.len() >= 1000, "{}", spec.tools.len());
    assert_eq!(spec.canonical()["exposure"]["mode"], "dynamic");
    assert!(spec.toolsets.len() >= 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_and_many_tables_of_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| Ground::new(Backend::Sqlite, &folder.path().join(name).display().to_string());
    hostile_names(&at("hostile.db")).await;
    many_tables(&at("many.db")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_and_many_tables_of_postgresql() {
    let postgres = Postgres::start();
    let ground = Ground::new(Backend::Postgres, &postgres.url());
    hostile_names(&ground).await;
    ground.execute("CREATE DATABASE many").await;
    many_tables(&Ground::new(Backend::Postgres, &postgres.url().replace("/postgres", "/many"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_and_many_tables_of_mariadb() {
    let mariadb = Mariadb::start();
    let ground = Ground::new(Backend::Mysql, &mariadb.url());
    hostile_names(&ground).await;
    ground.execute("CREATE DATABASE many").await;
    many_tables(&Ground::new(
        Backend::Mysql,
        &mariadb.url().replace(&format!(":{}/factory", mariadb.port()), &format!(":{}/many", mariadb.port())),
    ))
    .await;
}
