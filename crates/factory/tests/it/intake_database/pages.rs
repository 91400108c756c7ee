//! Tables and views without a key that sorts: a walk over all pages answers each row once.

use std::collections::BTreeSet;

use mcp_factory::intake::Database;
use mcp_factory_connect::sql::Backend;
use mcp_factory_testing::{Mariadb, Postgres};
use serde_json::json;

use super::{Ground, ask};

const ROWS: usize = 250;

/// `rows` answer as many different ones.
async fn every_row_comes_once(ground: &Ground, tables: &[(&str, &str)]) {
    for (table, rows) in tables {
        ground.execute(table).await;
        ground.execute(rows).await;
    }
    let engine = ground.engine(&ground.spec(Database::default()).await);
    for tool in ["search_event_log", "search_shown", "search_keyed"] {
        let (mut seen, mut count, mut arguments) = (BTreeSet::new(), 0, json!({}));
        loop {
            let page = ask(&engine, tool, arguments.clone()).await.unwrap_or_else(|error| panic!("{tool}: {error}"));
            let rows = page["items"].as_array().expect("rows");
            count += rows.len();
            seen.extend(rows.iter().map(ToString::to_string));
            match page.get("nextCursor") {
                Some(cursor) => arguments["cursor"] = cursor.clone(),
                None => break,
            }
        }
        assert_eq!((seen.len(), count), (ROWS, ROWS), "{tool}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_rows_that_sort_alike_lose_and_repeat_none_in_postgresql() {
    let postgres = Postgres::start();
    let ground = Ground::new(Backend::Postgres, &postgres.url());
    let tables = [
        (
            "CREATE TABLE event_log (at timestamp, kind text, payload json, place point, reading float8)",
            "INSERT INTO event_log SELECT '2026-01-01', 'x', json_build_object('n', n / 10), point(0, n % 10), 1 \
             FROM generate_series(0, 249) n ORDER BY random()",
        ),
        ("CREATE VIEW shown AS SELECT at, payload, place FROM event_log", "SELECT 1"),
        (
            "CREATE TABLE keyed (home inet PRIMARY KEY, kind text)",
            "INSERT INTO keyed SELECT ('10.0.0.' || n)::inet, 'x' FROM generate_series(0, 249) n ORDER BY random()",
        ),
    ];
    every_row_comes_once(&ground, &tables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_rows_that_sort_alike_lose_and_repeat_none_in_mariadb() {
    let mariadb = Mariadb::start();
    let ground = Ground::new(Backend::Mysql, &mariadb.url());
    let letters: Vec<String> = (0..8).map(|bit| format!("IF(seq & {}, 'a', 'A')", 1 << bit)).collect();
    // Rows that differ in the case of their letters only.
    let insert = format!(
        "INSERT INTO event_log SELECT '2026-01-01', CONCAT({}), 1 FROM seq_0_to_249 ORDER BY RAND()",
        letters.join(", ")
    );
    let tables = [
        ("CREATE TABLE event_log (at DATETIME, kind VARCHAR(10) COLLATE utf8mb4_general_ci, reading DOUBLE)", &*insert),
        ("CREATE VIEW shown AS SELECT kind FROM event_log", "SELECT 1"),
        (
            "CREATE TABLE keyed (reading DOUBLE PRIMARY KEY, kind TEXT)",
            "INSERT INTO keyed SELECT seq / 7, 'x' FROM seq_0_to_249 ORDER BY RAND()",
        ),
    ];
    every_row_comes_once(&ground, &tables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_rows_that_sort_alike_lose_and_repeat_none_in_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let ground = Ground::new(Backend::Sqlite, &folder.path().join("shop.db").display().to_string());
    const NUMBERS: &str = "WITH RECURSIVE s (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < 249)";
    let events = format!("INSERT INTO event_log {NUMBERS} SELECT '2026-01-01', 'x', n / 7.0 FROM s ORDER BY random()");
    let keyed = format!("INSERT INTO keyed {NUMBERS} SELECT n / 7.0, 'x' FROM s ORDER BY random()");
    let tables = [
        ("CREATE TABLE event_log (at DATETIME, kind TEXT, reading REAL)", &*events),
        ("CREATE VIEW shown AS SELECT kind, reading FROM event_log", "SELECT 1"),
        ("CREATE TABLE keyed (reading REAL PRIMARY KEY, kind TEXT)", &*keyed),
    ];
    every_row_comes_once(&ground, &tables).await;
}
