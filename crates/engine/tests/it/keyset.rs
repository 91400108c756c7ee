//! Pages that begin behind the last row, on real SQLite, PostgreSQL and MariaDB: whatever the order and the ties, they are
//! the whole list; and rows that come and go between pages neither repeat others nor hide them.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use mcp_factory_connect::{
    Policy,
    secrets::FixedSecrets,
    sql::{Access, Backend, Database, DatabaseConfig, RunOptions, Source, Statement},
};
use mcp_factory_engine::{Engine, Paging};
use mcp_factory_testing::{Mariadb, Postgres};
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::{Value, json};

use crate::{
    databases::Nothing,
    harness::{call, plan},
};

/// Text that a collation may take for the same, or sort otherwise than its bytes.
const TEXTS: [&str; 8] = ["", "a", "A", "ä", "é", "b", "10", "9"];
const ORDERS: [&str; 13] = [
    "id",
    "id DESC",
    "a, id",
    "a DESC, id",
    "a, id DESC",
    "b, a DESC, id",
    "b DESC, id",
    "a, b DESC, id DESC",
    "t.b, t.a, t.id",
    "code",
    "b, code DESC",
    "a DESC, g",
    "g, b, a",
];
const PAGE_SIZES: [usize; 3] = [1, 3, 7];

struct Fixture {
    database: Database,
    engine: Engine,
    orders: Vec<&'static str>,
    _running: (Option<Postgres>, Option<Mariadb>, tempfile::TempDir),
}

/// `a`, which of the texts is `b`, and what decides the others.
type Row = (i64, usize, u32);
/// Rows that go, by their place, and rows that come.
type Change = (Vec<prop::sample::Index>, Vec<Row>);

#[derive(Debug, Clone)]
struct Case {
    rows: Vec<Row>,
    order: prop::sample::Index,
    page_size: prop::sample::Index,
    /// One after each page.
    changes: Vec<Change>,
}

fn cases() -> impl Strategy<Value = Case> {
    let row = || (-2_i64..3, 0..TEXTS.len(), 0_u32..6);
    let change = (prop::collection::vec(any::<prop::sample::Index>(), 0..3), prop::collection::vec(row(), 0..3));
    (
        prop::collection::vec(row(), 0..25),
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        prop::collection::vec(change, 0..4),
    )
        .prop_map(|(rows, order, page_size, changes)| Case { rows, order, page_size, changes })
}

async fn start(backend: Backend) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let (mut postgres, mut mariadb) = (None, None);
    let mut orders = ORDERS.to_vec();
    let (kind, url, types) = match backend {
        Backend::Sqlite => {
            ("sqlite", folder.path().join("t.db").display().to_string(), "ts TEXT NOT NULL, n REAL NOT NULL")
        }
        Backend::Postgres => {
            orders.extend([
                "ts DESC, id",
                "ts, n DESC, id",
                "n, day DESC, id",
                "moment DESC, b, id",
                "guid",
                "a, guid DESC",
            ]);
            let server = postgres.insert(Postgres::start());
            let types = "ts TIMESTAMP NOT NULL, n NUMERIC(20, 6) NOT NULL, day DATE NOT NULL DEFAULT '2024-02-29',
                moment TIMESTAMPTZ NOT NULL DEFAULT '2026-11-21 04:47:15.123456+02', guid UUID NOT NULL UNIQUE DEFAULT gen_random_uuid()";
            ("postgresql", server.url(), types)
        }
        Backend::Mysql => {
            orders.extend(["ts DESC, id", "day, ts, id"]);
            let server = mariadb.insert(Mariadb::start());
            ("mysql", server.url(), "ts DATETIME(6) NOT NULL, n FLOAT NOT NULL, day DATE NOT NULL DEFAULT '2024-02-29'")
        }
    };
    let source = if backend == Backend::Sqlite { Source::Path(url.clone().into()) } else { Source::Url(url.clone()) };
    let config = DatabaseConfig::new("setup", backend, source);
    let database = Database::new(config, Arc::new(FixedSecrets::default()), Arc::new(Policy::operator())).unwrap();
    run(
        &database,
        &format!(
            "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a INTEGER NOT NULL, b VARCHAR(20) NOT NULL,
             code VARCHAR(20) NOT NULL UNIQUE, maybe INTEGER UNIQUE, f REAL NOT NULL DEFAULT 0.5, g INTEGER NOT NULL, {types},
             UNIQUE (a, g))"
        ),
    )
    .await;
    let sort: Vec<String> = orders.iter().enumerate().map(|(number, order)| format!("s{number}: {order:?}")).collect();
    let mut text = format!(
        "name: t\nconnections:\n  - {{ name: db, type: {kind}, envVar: DATABASE }}\nlimits: {{ ratePerPrincipal: none }}\ntools:\n"
    );
    let filter = " WHERE a > -99 OR a < -99 [[ AND a >= :least ]]";
    let mut tool = |name: &str, columns: &str, filter: &str, rest: &str| {
        text += &format!(
            "  - {{ name: {name}, description: Rows, parameters: {{ least: {{ type: integer }} }}, sql: \"SELECT {columns} \
             FROM t{filter}\", annotations: {{ readOnly: true }}, {rest} }}\n"
        );
    };
    let sort = format!("sort: {{ {} }}", sort.join(", "));
    tool("all", "id", filter, &sort);
    for size in PAGE_SIZES {
        let filter = if size == 7 { "; -- no WHERE, and an end that is more than words" } else { filter };
        tool(&format!("pages_of_{size}"), "id", filter, &format!("{sort}, paginate: {{ pageSize: {size} }}"));
    }
    tool(
        "counted",
        "*",
        filter,
        "sort: { ties: a, nulls: maybe, floats: \"f, id\", expression: \"a + 1, id\" }, paginate: { pageSize: 3 }",
    );
    let engine = plan(&text, folder.path(), &[("DATABASE", &url)]).unwrap();
    Fixture { database, engine, orders, _running: (postgres, mariadb, folder) }
}

async fn run(database: &Database, text: &str) {
    let statement = Statement::new(text, Vec::new(), Access::Write);
    database.run(&statement, Vec::new(), Nothing, &RunOptions::default()).await.unwrap();
}

async fn insert(database: &Database, first: i64, rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    let row = |(number, (a, b, ts)): (usize, &Row)| {
        // Ids that do not grow with the rows' age.
        let id = (first + number as i64) * 37 % 1009;
        format!("({id}, {a}, '{}', 'c{id}', {id}, '2026-11-21 04:47:1{}.00000{ts}', {ts}.1)", TEXTS[*b], ts % 3)
    };
    let rows: Vec<String> = rows.iter().enumerate().map(row).collect();
    run(database, &format!("INSERT INTO t (id, a, b, code, g, ts, n) VALUES {}", rows.join(", "))).await;
}

fn ids(answer: &Value) -> Vec<i64> {
    answer["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

async fn check(fixture: &Fixture, case: Case) -> Result<(), TestCaseError> {
    let Fixture { database, engine, orders, .. } = fixture;
    run(database, "DELETE FROM t").await;
    insert(database, 1, &case.rows).await;
    let sort = format!("s{}", case.order.index(orders.len()));
    let tool = format!("pages_of_{}", PAGE_SIZES[case.page_size.index(PAGE_SIZES.len())]);
    let whole = ids(&call(engine, "all", json!({ "sort": sort })).await.unwrap());
    let mut pages = Vec::new();
    let mut touched = BTreeSet::new();
    let mut changes = case.changes.into_iter();
    let mut next_id = 1 + case.rows.len() as i64;
    let mut arguments = json!({ "sort": sort });
    loop {
        let page = call(engine, &tool, arguments.clone()).await.map_err(TestCaseError::fail)?;
        prop_assert_eq!(page["items"][0].as_object().map_or(1, serde_json::Map::len), 1, "keys are not shown");
        pages.extend(ids(&page));
        let Some(cursor) = page.get("nextCursor") else { break };
        arguments["cursor"] = cursor.clone();
        if let Some((gone, come)) = changes.next() {
            for index in gone {
                let id = whole[index.index(whole.len())];
                touched.insert(id);
                run(database, &format!("DELETE FROM t WHERE id = {id}")).await;
            }
            insert(database, next_id, &come).await;
            next_id += come.len() as i64;
        }
    }
    prop_assert_eq!(pages.iter().collect::<BTreeSet<_>>().len(), pages.len(), "no row twice");
    let untouched = |ids: &[i64]| -> Vec<i64> {
        ids.iter().copied().filter(|id| whole.contains(id) && !touched.contains(id)).collect()
    };
    prop_assert_eq!(untouched(&pages), untouched(&whole), "sorted by {}", orders[case.order.index(orders.len())]);
    Ok(())
}

fn all(backend: Backend, cases_of: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let fixture = runtime.block_on(start(backend));
    let timeout = Duration::from_secs(10);
    for size in PAGE_SIZES {
        let paging = runtime.block_on(fixture.engine.paging(&format!("pages_of_{size}"), timeout));
        assert_eq!(paging.len(), fixture.orders.len());
        for (sort, paging) in paging {
            assert!(matches!(paging, Paging::Keyset { .. }), "{sort:?}: {paging:?}");
        }
    }
    for (sort, paging) in runtime.block_on(fixture.engine.paging("counted", timeout)) {
        assert!(matches!(paging, Paging::Offset { .. }), "{sort:?}: {paging:?}");
    }
    let mut runner = TestRunner::new(Config { cases: cases_of, failure_persistence: None, ..Config::default() });
    runner.run(&cases(), |case| runtime.block_on(check(&fixture, case))).unwrap();
    runtime.block_on(counted_pages_have_all_rows_too(&fixture));
    runtime.block_on(a_cursor_of_a_key_is_bound_as_any_other(&fixture));
}

async fn counted_pages_have_all_rows_too(fixture: &Fixture) {
    run(&fixture.database, "DELETE FROM t").await;
    insert(&fixture.database, 1, &[(1, 0, 0), (1, 1, 1), (2, 1, 1), (2, 3, 0)]).await;
    for sort in ["floats", "expression"] {
        let first = call(&fixture.engine, "counted", json!({ "sort": sort })).await.unwrap();
        let second = json!({ "sort": sort, "cursor": first["nextCursor"] });
        let second = call(&fixture.engine, "counted", second).await.unwrap();
        assert_eq!((ids(&first).len(), ids(&second).len()), (3, 1));
    }
}

async fn a_cursor_of_a_key_is_bound_as_any_other(fixture: &Fixture) {
    let page = call(&fixture.engine, "pages_of_1", json!({ "sort": "s0" })).await.unwrap();
    for (tool, arguments) in [
        ("pages_of_3", json!({ "sort": "s0" })),
        ("pages_of_1", json!({ "sort": "s1" })),
        ("pages_of_1", json!({ "sort": "s0", "least": 0 })),
    ] {
        let mut arguments = arguments;
        arguments["cursor"] = page["nextCursor"].clone();
        let refused = call(&fixture.engine, tool, arguments).await.unwrap_err();
        assert!(refused.contains("`cursor` was not made by this tool"), "{refused}");
    }
}

#[test]
fn pages_behind_rows_are_the_whole_list_on_sqlite() {
    all(Backend::Sqlite, 150);
}

#[test]
fn pages_behind_rows_are_the_whole_list_on_postgresql() {
    all(Backend::Postgres, 100);
}

#[test]
fn pages_behind_rows_are_the_whole_list_on_mariadb() {
    all(Backend::Mysql, 100);
}
