//! The rules of `sql` beside binding, on real SQLite, PostgreSQL and MariaDB: arrays without elements, clauses, orders, the one
//! row, reads that can't write, and what a connection keeps.

use mcp_factory_connect::sql::Backend;
use mcp_factory_engine::Engine;
use mcp_factory_testing::{Mariadb, Postgres};
use mcp_serve::{Error, Principal};
use mysql_async::prelude::Queryable;
use serde_json::{Value, json};

use crate::harness::{call, call_as, plan};

const ALL: [Backend; 3] = [Backend::Sqlite, Backend::Postgres, Backend::Mysql];

const ITEMS: &[&str] = &[
    "CREATE TABLE items (id INTEGER PRIMARY KEY, name VARCHAR(50) NOT NULL, kind VARCHAR(50), price DECIMAL(12, 2), day DATE)",
    "INSERT INTO items VALUES (1, 'one', 'a', 3.00, '2026-01-01'), (2, 'two', 'b', 1.00, '2026-01-02'), \
     (3, 'three', NULL, 2.00, NULL), (4, 'four', 'a', 2.00, '2026-01-04')",
];

struct Fixture {
    engine: Engine,
    server: Server,
    _folder: tempfile::TempDir,
}

enum Server {
    Sqlite,
    Postgres(#[expect(dead_code, reason = "it runs as long")] Postgres),
    Mariadb(Mariadb),
}

async fn start(backend: Backend, setup: &[&str], tools: &str) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let (server, kind, url) = match backend {
        Backend::Sqlite => {
            let path = folder.path().join("items.db");
            let connection = rusqlite::Connection::open(&path).unwrap();
            setup.iter().for_each(|text| connection.execute_batch(text).unwrap());
            (Server::Sqlite, "sqlite", path.display().to_string())
        }
        Backend::Postgres => {
            let server = Postgres::start();
            let url = server.url();
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            for text in setup {
                client.batch_execute(text).await.unwrap();
            }
            (Server::Postgres(server), "postgresql", url)
        }
        Backend::Mysql => {
            let server = Mariadb::start();
            let url = server.url();
            let mut conn = mysql_async::Conn::from_url(&url).await.unwrap();
            for text in setup {
                conn.query_drop(*text).await.unwrap();
            }
            (Server::Mariadb(server), "mysql", url)
        }
    };
    let pool = if backend == Backend::Sqlite { "" } else { ", pool: { max: 1 }" };
    let spec = format!(
        "name: items\nconnections:\n  - {{ name: db, type: {kind}, envVar: DATABASE{pool} }}\n  \
         - {{ name: locked, type: {kind}, envVar: DATABASE, readOnly: true }}\nlimits: {{ ratePerPrincipal: none }}\ntools:\n{tools}"
    );
    let engine = plan(&spec, folder.path(), &[("DATABASE", &url)]).unwrap();
    Fixture { engine, server, _folder: folder }
}

fn ids(answer: &Value) -> Vec<i64> {
    answer["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

const ARRAYS: &str = r#"
  - name: find
    connection: db
    description: By lists
    parameters:
      ids: { type: array, items: { type: integer } }
      without: { type: array, items: { type: integer } }
      kinds: { type: array, items: { type: string } }
      days: { type: array, items: { type: string, format: date } }
    sql: |
      SELECT id FROM items WHERE 1 = 1
      [[ AND id IN (:ids) ]] [[ AND id NOT IN (:without) ]] [[ AND kind NOT IN (:kinds) ]] [[ AND day IN (:days) ]]
      ORDER BY id
  - name: whole
    connection: db
    description: Without clauses
    parameters: { ids: { type: array, items: { type: integer } }, kinds: { type: array, items: { type: string } }, name: { type: string } }
    sql: SELECT id FROM items WHERE (id IN (:ids) OR kind not in ( :kinds )) AND (:name IS NULL OR name = :name) ORDER BY id
  - name: marked
    connection: db
    description: In what is selected
    parameters: { ids: { type: array, items: { type: integer }, required: true } }
    sql: SELECT id, CASE WHEN id IN (:ids) THEN 'yes' ELSE 'no' END AS hit FROM items WHERE NOT id IN (:ids) ORDER BY id
  - name: pages
    connection: db
    description: In pages
    parameters: { without: { type: array, items: { type: integer } } }
    sql: SELECT id FROM items WHERE id NOT IN (:without)
    sort: { id: id }
    paginate: { pageSize: 3 }
  - name: remove
    connection: db
    description: Removes
    parameters: { ids: { type: array, items: { type: integer }, required: true } }
    sql: DELETE FROM items WHERE id IN (:ids)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn in_no_element_is_nothing_and_not_in_it_is_everything() {
    for backend in ALL {
        let fixture = start(backend, ITEMS, ARRAYS).await;
        let found = async |tool, arguments: Value| {
            let answer = call(&fixture.engine, tool, arguments.clone()).await;
            ids(&answer.unwrap_or_else(|error| panic!("{backend:?} {tool} {arguments}: {error}")))
        };
        let none: [i64; 0] = [];
        assert_eq!(found("find", json!({})).await, [1, 2, 3, 4]);
        assert_eq!(found("find", json!({ "ids": [] })).await, none, "{backend:?}");
        assert_eq!(found("find", json!({ "ids": [2, 4] })).await, [2, 4]);
        assert_eq!(found("find", json!({ "without": [] })).await, [1, 2, 3, 4], "{backend:?}");
        assert_eq!(found("find", json!({ "without": [2] })).await, [1, 3, 4]);
        assert_eq!(found("find", json!({ "kinds": [] })).await, [1, 2, 3, 4], "NULL is not among nothing: {backend:?}");
        assert_eq!(found("find", json!({ "kinds": ["b"] })).await, [1, 4]);
        assert_eq!(found("find", json!({ "days": [] })).await, none, "{backend:?}");
        assert_eq!(found("find", json!({ "days": ["2026-01-02"] })).await, [2]);
        assert_eq!(
            found("find", json!({ "without": [], "days": ["2026-01-02", "2026-01-04"], "kinds": [] })).await,
            [2, 4]
        );
        assert_eq!(found("whole", json!({ "ids": [], "kinds": [] })).await, [1, 2, 3, 4]);
        assert_eq!(found("whole", json!({ "ids": [], "kinds": [], "name": "two" })).await, [2]);
        assert_eq!(found("whole", json!({ "ids": [3], "kinds": ["a", "b"] })).await, [3]);
        assert_eq!(found("whole", json!({})).await, none, "left out is NULL, which nothing is and is not");
        let marked = call(&fixture.engine, "marked", json!({ "ids": [] })).await.unwrap();
        assert_eq!((ids(&marked), &marked["items"][0]["hit"]), (vec![1, 2, 3, 4], &json!("no")));
        let page = call(&fixture.engine, "pages", json!({ "without": [] })).await.unwrap();
        assert_eq!(ids(&page), [1, 2, 3], "{backend:?}");
        let next = json!({ "without": [], "cursor": page["nextCursor"] });
        assert_eq!(found("pages", next).await, [4]);
        let removed = call(&fixture.engine, "remove", json!({ "ids": [] })).await;
        assert_eq!(removed, Ok(json!({ "rowsAffected": 0 })), "{backend:?}");
        let removed = call(&fixture.engine, "remove", json!({ "ids": [1, 77] })).await;
        assert_eq!(removed, Ok(json!({ "rowsAffected": 1 })));
    }
}

const ORDERS: &str = r#"
  - name: list
    connection: db
    description: In an order
    parameters: { kind: { type: string } }
    sql: SELECT id FROM items WHERE 1 = 1 [[ AND kind = :kind ]]
    sort: { dearest: "price DESC, id DESC", id: id, name: "name" }
  - name: get
    connection: db
    description: The one
    parameters: { id: { type: integer }, kind: { type: string } }
    sql: SELECT id, name FROM items WHERE 1 = 1 [[ AND id = :id ]] [[ AND kind = :kind ]]
    single: true
  - name: change
    connection: db
    description: Changes the one
    parameters: { id: { type: integer, required: true } }
    sql: "UPDATE items SET price = 9 WHERE id = :id"
  - name: eight
    connection: db
    description: Eight clauses
    parameters: { a: { type: integer }, b: { type: integer }, c: { type: integer }, d: { type: integer }, e: { type: integer }, f: { type: integer }, g: { type: integer }, h: { type: integer } }
    sql: |
      SELECT id FROM items WHERE id > 0
      [[ AND id <> :a ]] [[ AND id <> :b ]] [[ AND id <> :c ]] [[ AND id <> :d ]]
      [[ AND id <= :e ]] [[ AND id <= :f ]] [[ AND id >= :g ]] [[ AND id >= :h ]]
      ORDER BY id
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_chosen_by_its_name_and_by_nothing_else() {
    for backend in ALL {
        let fixture = start(backend, ITEMS, ORDERS).await;
        let list = async |arguments: Value| call(&fixture.engine, "list", arguments).await;
        for (arguments, expected) in [
            (json!({}), vec![1, 4, 3, 2]),
            (json!({ "sort": "dearest" }), vec![1, 4, 3, 2]),
            (json!({ "sort": "id" }), vec![1, 2, 3, 4]),
            (json!({ "sort": "name" }), vec![4, 1, 3, 2]),
            (json!({ "sort": "id", "kind": "a" }), vec![1, 4]),
            (json!({ "kind": "a" }), vec![1, 4]),
        ] {
            assert_eq!(
                list(arguments.clone()).await.map(|answer| ids(&answer)),
                Ok(expected),
                "{backend:?} {arguments}"
            );
        }
        for wrong in [json!("price"), json!(""), json!("id; DROP TABLE items"), json!("ID"), json!(1)] {
            let error = list(json!({ "sort": wrong })).await.unwrap_err();
            assert!(error.contains("sort"), "{backend:?} {wrong}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_row_is_an_object_and_none_or_several_are_errors() {
    for backend in ALL {
        let fixture = start(backend, ITEMS, ORDERS).await;
        let get = async |arguments: Value| call(&fixture.engine, "get", arguments).await;
        assert_eq!(get(json!({ "id": 2 })).await, Ok(json!({ "id": 2, "name": "two" })), "{backend:?}");
        assert_eq!(get(json!({ "id": 77 })).await, Err("there is no such row".to_owned()), "{backend:?}");
        for several in [json!({}), json!({ "kind": "a" })] {
            let error = get(several).await.unwrap_err();
            assert!(error.starts_with("there is more than one such row"), "{backend:?}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_eight_clauses_stays_or_goes_by_itself() {
    for backend in ALL {
        let fixture = start(backend, ITEMS, ORDERS).await;
        let bounds = [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 3), ("f", 2), ("g", 2), ("h", 3)];
        for mask in 0..256_u32 {
            let given = bounds.iter().enumerate().filter(|(bit, _)| mask & 1 << bit != 0).map(|(_, bound)| *bound);
            let given: Vec<(&str, i64)> = given.collect();
            let holds = |id: &i64| {
                given.iter().all(|(name, bound)| match *name {
                    "e" | "f" => id <= bound,
                    "g" | "h" => id >= bound,
                    _ => id != bound,
                })
            };
            let expected: Vec<i64> = (1..=4).filter(holds).collect();
            let arguments =
                Value::Object(given.iter().map(|(name, bound)| ((*name).to_owned(), json!(bound))).collect());
            let answer = call(&fixture.engine, "eight", arguments.clone()).await;
            assert_eq!(answer.map(|answer| ids(&answer)), Ok(expected), "{backend:?} {arguments}");
        }
    }
}

const SNEAKY: &str = r#"
  - { name: says_so, connection: db, description: Says that it reads, sql: SELECT sneaky() AS x, annotations: { readOnly: true } }
  - { name: says_nothing, connection: db, description: Looks as if it read, sql: SELECT sneaky() AS x }
  - { name: locked, connection: locked, description: May not write, sql: SELECT sneaky() AS x }
  - { name: count, connection: db, description: Counts, sql: SELECT count(*) AS n FROM items, single: true }
"#;

const UNLOCKING: &str = r#"
  - { name: counts_up, connection: locked, description: Takes a number, sql: SELECT next() AS x }
  - { name: unlocks, connection: locked, description: Asks to write, sql: SELECT unlock() AS x }
  - { name: unlocks_here, connection: db, description: Asks to write, sql: SELECT unlock() AS x, annotations: { readOnly: true } }
"#;

async fn nothing_sneaks_in(fixture: &Fixture, tools: &[&str]) {
    for tool in tools {
        let error = call(&fixture.engine, tool, json!({})).await.unwrap_err();
        let said = error.to_lowercase().replace('-', " ");
        // PostgreSQL's words for a read that would become a write half-way are the second ones.
        let refused = said.contains("read only") || said.contains("read write mode must be set before any query");
        assert!(refused, "{tool}: {error}");
        let counted = call(&fixture.engine, "count", json!({})).await;
        assert_eq!(counted, Ok(json!({ "n": 4 })), "{tool}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_writes_is_refused_by_postgresql_itself() {
    let mut setup = ITEMS.to_vec();
    setup.extend([
        "CREATE SEQUENCE numbers",
        "CREATE FUNCTION next() RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT nextval('numbers') $$",
        "CREATE FUNCTION sneaky() RETURNS int LANGUAGE plpgsql VOLATILE AS \
         $$ BEGIN INSERT INTO items VALUES (9, 'nine'); RETURN 1; END $$",
        "CREATE FUNCTION unlock() RETURNS int LANGUAGE plpgsql VOLATILE AS $$ BEGIN \
         PERFORM set_config('transaction_read_only', 'off', false); INSERT INTO items VALUES (9, 'nine'); RETURN 1; END $$",
    ]);
    let fixture = start(Backend::Postgres, &setup, &format!("{SNEAKY}{UNLOCKING}")).await;
    let tools = ["says_so", "says_nothing", "locked", "counts_up", "unlocks", "unlocks_here"];
    nothing_sneaks_in(&fixture, &tools).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_writes_is_refused_by_mariadb_itself() {
    let mut setup = ITEMS.to_vec();
    setup.push(
        "CREATE FUNCTION sneaky() RETURNS INT MODIFIES SQL DATA \
         BEGIN INSERT INTO items (id, name) VALUES (9, 'nine'); RETURN 1; END",
    );
    let fixture = start(Backend::Mysql, &setup, SNEAKY).await;
    nothing_sneaks_in(&fixture, &["says_so", "says_nothing", "locked"]).await;
}

const MANY: &str = r#"
  - name: many
    connection: db
    description: Of any length
    parameters: { ids: { type: array, items: { type: integer }, required: true } }
    sql: SELECT count(*) AS n FROM items WHERE id IN (:ids)
    single: true
"#;

#[tokio::test(flavor = "multi_thread")]
async fn arrays_of_every_length_leave_a_bounded_number_of_statements_prepared() {
    let kept = "  - { name: kept, connection: db, description: Counts, sql: SELECT count(*) AS n FROM pg_prepared_statements, single: true }\n";
    for backend in [Backend::Postgres, Backend::Mysql] {
        let tools = if backend == Backend::Postgres { format!("{MANY}{kept}") } else { MANY.to_owned() };
        let fixture = start(backend, ITEMS, &tools).await;
        for length in 0..=600 {
            let ids: Vec<usize> = (1..=length).collect();
            let answer = call(&fixture.engine, "many", json!({ "ids": ids })).await;
            assert_eq!(answer, Ok(json!({ "n": length.min(4) })), "{backend:?}");
        }
        let kept = match &fixture.server {
            Server::Sqlite => unreachable!("it is not among them"),
            Server::Postgres(_) => call(&fixture.engine, "kept", json!({})).await.unwrap()["n"].as_i64().unwrap(),
            Server::Mariadb(server) => {
                let mut conn = mysql_async::Conn::from_url(server.url()).await.unwrap();
                let text = "SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'";
                let (_, count): (String, i64) = conn.query_first(text).await.unwrap().unwrap();
                count
            }
        };
        assert!((1..=256).contains(&kept), "{backend:?}: {kept} are prepared");
    }
}

#[tokio::test]
async fn a_tool_is_called_as_often_as_its_rate_says_by_each_caller() {
    let tools = "  - { name: rare, connection: db, description: Rare, sql: SELECT 1 AS one, limits: { rate: 2/h } }\n  \
                 - { name: free, connection: db, description: Free, sql: SELECT 1 AS one, limits: { rate: none } }\n";
    let fixture = start(Backend::Sqlite, &[], tools).await;
    let call =
        async |caller: &str, tool: &str| call_as(&fixture.engine, Principal::trusted(caller), tool, json!({})).await;
    for caller in ["alice", "bob"] {
        for _ in 0..2 {
            assert!(!call(caller, "rare").await.unwrap().is_error);
        }
        let Err(Error::RateLimited { retry_after }) = call(caller, "rare").await else { panic!("the third call ran") };
        assert!((1500..=1800).contains(&retry_after.as_secs()), "half an hour for each call: {retry_after:?}");
        for _ in 0..3 {
            assert!(!call(caller, "free").await.unwrap().is_error, "the other tool has a rate of its own");
        }
    }
}
