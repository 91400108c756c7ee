//! The same tools against real SQLite, PostgreSQL and MariaDB.

use std::sync::Arc;

use mcp_factory_connect::{
    Policy,
    secrets::FixedSecrets,
    sql::{Access, Backend, Cell, Columns, Database, DatabaseConfig, RowSink, RunOptions, Source, Statement},
};
use mcp_factory_engine::Engine;
use mcp_factory_testing::{Mariadb, Postgres};
use mcp_serve::Principal;
use serde_json::{Value, json};

use crate::harness::{answer, call, call_as, plan};

/// Strings that mean something somewhere: none may mean anything here.
const NASTY: &[&str] = &[
    "",
    "'",
    "''",
    "\"",
    "`",
    "\\",
    "\\'",
    "';--",
    "' OR '1'='1",
    "'; DROP TABLE items; --",
    "/* */",
    "-- ",
    "# ",
    "$1",
    "?",
    "?1",
    ":name",
    "::text",
    "[[ AND 1=1 ]]",
    "{name}",
    "{{x}}",
    "%",
    "_",
    "%' OR 1=1 -- ",
    "a\nb\r\nc\td",
    "\u{1}\u{7f}",
    "é",
    "日本語",
    "🦀",
    "\u{202e}rtl",
    "$$",
    "$tag$x$tag$",
    "E'\\x41'",
    "0x41",
    "NULL",
    "null",
    "true",
    "1; SELECT 1",
    "\u{feff}bom",
    "%27%20OR%201=1",
    "${jndi:ldap://x}",
    "<script>",
    "../../etc/passwd",
    "'||(SELECT 1)||'",
    "\\u0027",
    "x' UNION SELECT 1,2,3 -- ",
];

const SETUP: &[&str] = &[
    "CREATE TABLE items (id INTEGER PRIMARY KEY, owner VARCHAR(50) NOT NULL, name VARCHAR(500) NOT NULL, kind VARCHAR(50), \
     price DECIMAL(12, 2), big BIGINT)",
    "INSERT INTO items VALUES (1, 'alice', 'one', 'a', 1.10, 9007199254740993), (2, 'alice', 'two', 'b', 2.20, NULL), \
     (3, 'bob', 'three', 'a', NULL, -9223372036854775808), (4, 'alice', 'four', NULL, 4.40, 4), (5, 'bob', 'five', 'b', 5.50, 5)",
];

const TOOLS: &str = r#"
tools:
  - name: find
    description: By kind
    parameters: { kind: { type: string }, ids: { type: array, items: { type: integer } }, name: { type: string } }
    returns: { type: array, items: { type: object, properties: { id: { type: string }, name: { type: string }, price: { type: number }, big: { type: integer } } } }
    sql: |
      SELECT id, name, kind, price, big FROM items
      WHERE 1 = 1 [[ AND kind = :kind ]] [[ AND id IN (:ids) ]] [[ AND name = :name ]]
      ORDER BY id
    annotations: { readOnly: true }
  - name: mine
    description: The caller's
    sql: SELECT id FROM items WHERE owner = :principal.id ORDER BY id
    annotations: { readOnly: true }
  - name: of_tenant
    description: The tenant's
    sql: SELECT id FROM items WHERE 1 = 1 [[ AND owner = :principal.tenant ]] ORDER BY id
    annotations: { readOnly: true }
  - name: page
    description: In pages
    parameters: { owner: { type: string } }
    sql: SELECT id, name FROM items WHERE (:owner IS NULL OR owner = :owner)
    sort: { id: id, backwards: id DESC }
    paginate: { pageSize: 2 }
    annotations: { readOnly: true }
  - name: get
    description: One
    parameters: { id: { type: integer, required: true } }
    sql: SELECT id, name FROM items WHERE id = :id
    single: true
    annotations: { readOnly: true }
  - name: cut
    description: Cut at two rows
    sql: SELECT id FROM items ORDER BY id
    annotations: { readOnly: true }
    limits: { maxRows: 2 }
  - name: cut_bytes
    description: Cut at a few bytes
    sql: SELECT id, name FROM items ORDER BY id
    annotations: { readOnly: true }
    limits: { maxBytes: 60B }
  - name: rename
    description: Changes a name
    parameters: { id: { type: integer, required: true }, name: { type: string, required: true } }
    sql: UPDATE items SET name = :name WHERE id = :id
  - { name: ping, description: Answers, sql: SELECT 1 AS one, annotations: { readOnly: true } }
  - name: broken
    description: Names a column that is not there
    sql: SELECT no_such_column FROM items
    annotations: { readOnly: true }
"#;

/// What keeps a database alive for a test.
enum Running {
    Folder,
    Postgres(Postgres),
    Mariadb(Mariadb),
}

struct Fixture {
    engine: Engine,
    folder: tempfile::TempDir,
    running: Running,
}

async fn start(backend: Backend) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let (running, kind, url) = match backend {
        Backend::Sqlite => (Running::Folder, "sqlite", folder.path().join("items.db").display().to_string()),
        Backend::Postgres => {
            let server = Postgres::start();
            let url = server.url();
            (Running::Postgres(server), "postgresql", url)
        }
        Backend::Mysql => {
            let server = Mariadb::start();
            let url = server.url();
            (Running::Mariadb(server), "mysql", url)
        }
    };
    let source = if backend == Backend::Sqlite { Source::Path(url.clone().into()) } else { Source::Url(url.clone()) };
    let database = Database::new(
        DatabaseConfig::new("setup", backend, source),
        Arc::new(FixedSecrets::default()),
        Arc::new(Policy::operator()),
    )
    .unwrap();
    for text in SETUP {
        let statement = Statement::new(*text, Vec::new(), Access::Write);
        database.run(&statement, Vec::new(), Nothing, &RunOptions::default()).await.unwrap();
    }
    database.close().await;
    let text = format!(
        "name: items\nconnections:\n  - {{ name: db, type: {kind}, envVar: DATABASE }}\nlimits: {{ ratePerPrincipal: none }}\n{TOOLS}"
    );
    let engine = plan(&text, folder.path(), &[("DATABASE", &url)]).unwrap();
    Fixture { engine, folder, running }
}

pub struct Nothing;

impl RowSink for Nothing {
    fn columns(&mut self, _: &Columns) {}

    fn cell(&mut self, _: usize, _: Cell<'_>) {}

    fn end_row(&mut self) -> std::ops::ControlFlow<()> {
        std::ops::ControlFlow::Continue(())
    }

    fn reset(&mut self) {}
}

fn ids(answer: &Value) -> Vec<i64> {
    let id = |item: &Value| item["id"].as_i64().or_else(|| item["id"].as_str()?.parse().ok()).unwrap();
    answer["items"].as_array().unwrap().iter().map(id).collect()
}

async fn answers_are_typed_and_shaped(fixture: &Fixture) {
    let answer = call(&fixture.engine, "find", json!({ "kind": "a" })).await.unwrap();
    let expected = json!({ "items": [
        { "id": "1", "name": "one", "price": 1.10, "big": 9_007_199_254_740_993_i64 },
        { "id": "3", "name": "three", "big": i64::MIN }
    ] });
    assert_eq!(answer, expected, "`kind` is not listed in `returns`, and a null price is left out");
}

async fn clauses_nulls_and_arrays_choose_the_rows(fixture: &Fixture) {
    let found = async |arguments| ids(&call(&fixture.engine, "find", arguments).await.unwrap());
    assert_eq!(found(json!({})).await, [1, 2, 3, 4, 5]);
    assert_eq!(found(json!({ "kind": null })).await, [1, 2, 3, 4, 5]);
    assert_eq!(found(json!({ "ids": [5, 1, 77] })).await, [1, 5]);
    assert_eq!(found(json!({ "ids": [5, 1], "kind": "b" })).await, [5]);
    assert_eq!(found(json!({ "ids": [] })).await, [] as [i64; 0]);
    let too_many: Vec<i64> = (0..1001).collect();
    let refused = call(&fixture.engine, "find", json!({ "ids": too_many })).await.unwrap_err();
    assert!(refused.contains("`ids` has 1001 elements"), "{refused}");
}

async fn each_caller_sees_its_own_rows(fixture: &Fixture) {
    for (principal, expected) in [("alice", vec![1, 2, 4]), ("bob", vec![3, 5]), ("' OR 1=1 -- ", vec![])] {
        let result = call_as(&fixture.engine, Principal::trusted(principal), "mine", json!({})).await.unwrap();
        assert_eq!(ids(&answer(result).unwrap()), expected, "{principal}");
    }
}

async fn what_is_not_known_of_a_caller_takes_no_clause_along(fixture: &Fixture) {
    let of = |tenant: Option<&str>| {
        let alice = Principal::clone(&Principal::trusted("alice"));
        std::sync::Arc::new(Principal { tenant: tenant.map(str::to_owned), ..alice })
    };
    let result = call_as(&fixture.engine, of(Some("bob")), "of_tenant", json!({})).await.unwrap();
    assert_eq!(ids(&answer(result).unwrap()), [3, 5]);
    let refused = answer(call_as(&fixture.engine, of(None), "of_tenant", json!({})).await.unwrap()).unwrap_err();
    assert!(refused.contains("`principal.tenant`"), "{refused}");
}

async fn pages_visit_every_row_once_in_each_order(fixture: &Fixture) {
    for (sort, expected) in [("id", vec![1, 2, 3, 4, 5]), ("backwards", vec![5, 4, 3, 2, 1])] {
        let mut seen = Vec::new();
        let mut arguments = json!({ "sort": sort });
        loop {
            let page = call(&fixture.engine, "page", arguments.clone()).await.unwrap();
            seen.extend(ids(&page));
            match page.get("nextCursor") {
                Some(cursor) => arguments["cursor"] = cursor.clone(),
                None => break,
            }
        }
        assert_eq!(seen, expected);
    }
    let page = call(&fixture.engine, "page", json!({ "owner": "alice" })).await.unwrap();
    let stolen = json!({ "owner": "bob", "cursor": page["nextCursor"] });
    assert!(
        call(&fixture.engine, "page", stolen).await.unwrap_err().contains("cursor"),
        "a cursor is bound to its arguments"
    );
    let stolen = json!({ "owner": "alice", "cursor": page["nextCursor"] });
    let result = call_as(&fixture.engine, Principal::trusted("bob"), "page", stolen).await.unwrap();
    assert!(answer(result).unwrap_err().contains("cursor"), "a cursor is bound to its caller");
}

async fn what_is_cut_says_so_and_what_is_missing_too(fixture: &Fixture) {
    let cut = call(&fixture.engine, "cut", json!({})).await.unwrap();
    assert_eq!(
        (ids(&cut), &cut["truncated"]["reason"], &cut["truncated"]["limit"]),
        (vec![1, 2], &json!("rows"), &json!(2))
    );
    let cut = call(&fixture.engine, "cut_bytes", json!({})).await.unwrap();
    assert_eq!((ids(&cut), &cut["truncated"]["reason"]), (vec![1, 2], &json!("bytes")));
    assert_eq!(call(&fixture.engine, "get", json!({ "id": 4 })).await, Ok(json!({ "id": 4, "name": "four" })));
    assert_eq!(call(&fixture.engine, "get", json!({ "id": 99 })).await, Err("there is no such row".to_owned()));
    let broken = call(&fixture.engine, "broken", json!({})).await.unwrap_err();
    assert!(broken.contains("no_such_column"), "{broken}");
}

async fn no_string_changes_the_meaning_of_a_statement(fixture: &Fixture) {
    for nasty in NASTY {
        let renamed = call(&fixture.engine, "rename", json!({ "id": 1, "name": nasty })).await;
        assert_eq!(renamed, Ok(json!({ "rowsAffected": 1 })), "{nasty:?}");
        let found = call(&fixture.engine, "find", json!({ "name": nasty })).await.unwrap();
        assert_eq!((ids(&found), &found["items"][0]["name"]), (vec![1], &json!(nasty)), "{nasty:?}");
    }
    assert_eq!(
        ids(&call(&fixture.engine, "find", json!({})).await.unwrap()),
        [1, 2, 3, 4, 5],
        "nothing else was touched"
    );
}

async fn all(backend: Backend) {
    let fixture = start(backend).await;
    answers_are_typed_and_shaped(&fixture).await;
    clauses_nulls_and_arrays_choose_the_rows(&fixture).await;
    each_caller_sees_its_own_rows(&fixture).await;
    what_is_not_known_of_a_caller_takes_no_clause_along(&fixture).await;
    pages_visit_every_row_once_in_each_order(&fixture).await;
    what_is_cut_says_so_and_what_is_missing_too(&fixture).await;
    no_string_changes_the_meaning_of_a_statement(&fixture).await;
    a_database_that_is_down_is_an_error_that_passes(fixture).await;
}

async fn a_database_that_is_down_is_an_error_that_passes(fixture: Fixture) {
    // The tests' servers do not flush, so a kill may cost them their tables; that they answer again is the point.
    let ping = || call(&fixture.engine, "ping", json!({}));
    let down = match &fixture.running {
        Running::Folder => return assert!(fixture.folder.path().exists()),
        Running::Postgres(server) => {
            server.stop();
            let down = ping().await;
            server.restart();
            down
        }
        Running::Mariadb(server) => {
            server.stop();
            let down = ping().await;
            server.restart();
            down
        }
    };
    let down = down.unwrap_err();
    assert!(down.contains("`db`") && !down.contains("sesame"), "it names the connection and no password: {down}");
    assert_eq!(ping().await, Ok(json!({ "items": [{ "one": 1 }] })));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tool_works_on_sqlite() {
    all(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tool_works_on_postgresql() {
    all(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tool_works_on_mariadb() {
    all(Backend::Mysql).await;
}
