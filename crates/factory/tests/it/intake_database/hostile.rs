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

/// Values, defaults and checks with quotes and signs in them, and as many columns as the database takes in one table.
async fn hostile_columns(ground: &Ground) {
    const SIZES: &str = "'it''s', ':x', '{y}', '[[ z ]]', '?', '$1', '--', 'a\"b', '日本', ''";
    let of_sizes = match ground.backend {
        Backend::Postgres => {
            ground.execute(&format!("CREATE TYPE \"si\"\"ze\" AS ENUM ({SIZES})")).await;
            "\"si\"\"ze\"".to_owned()
        }
        Backend::Mysql => format!("ENUM({SIZES})"),
        Backend::Sqlite => format!("TEXT CHECK (size IN ({SIZES}))"),
    };
    let computed = match ground.backend {
        Backend::Mysql => "(LENGTH(word) + 1)",
        _ => "(length(word) + 1)",
    };
    let text = if ground.backend == Backend::Mysql { "VARCHAR(40)" } else { "TEXT" };
    ground
        .execute(&format!(
            "CREATE TABLE odd (id INTEGER PRIMARY KEY, size {of_sizes} NOT NULL, word {text} NOT NULL DEFAULT 'it''s :x {{y}} [[ z ]] ? $1 -- /*', \
             plain {text} NOT NULL DEFAULT ':x', below INTEGER DEFAULT -1 CHECK (below < 0 OR below IN (7)), \
             many INTEGER CHECK (many BETWEEN -5 AND 5), never INTEGER CHECK (never > 5 AND never < 2), price DECIMAL(10, 2) DEFAULT 0.10 CHECK (price > -0.5), \
             kind {text} DEFAULT 'a' CHECK (kind IN ('a', 'it''s', ')', 'CHECK (')), made INTEGER GENERATED ALWAYS AS {computed} STORED)"
        ))
        .await;
    let most = match ground.backend {
        Backend::Postgres => 1500,
        Backend::Mysql => 900,
        Backend::Sqlite => 1990,
    };
    let all: Vec<String> = (0..most).map(|number| format!("c{number} INTEGER")).collect();
    ground.execute(&format!("CREATE TABLE wide (id INTEGER PRIMARY KEY, {})", all.join(", "))).await;
    ground.execute("INSERT INTO wide (id, c0, c7) VALUES (1, 2, 3), (2, 2, 4)").await;

    let options = Database { writes: true, tables: vec!["odd".to_owned(), "wide".to_owned()], ..Database::default() };
    let proposed = ground.propose(options).await.expect("a spec");
    let (spec, findings) = (&proposed.proposal.spec, &proposed.proposal.findings);
    let canonical = spec.canonical();
    let tool = |name: &str| {
        let tool = canonical["tools"].as_array().expect("tools").iter().find(|tool| tool["name"] == name);
        tool.unwrap_or_else(|| panic!("{name}: {findings:?}")).clone()
    };
    let sizes = tool("create_odd")["parameters"]["size"]["enum"].clone();
    assert_eq!(sizes, json!(["it's", ":x", "{y}", "[[ z ]]", "?", "$1", "--", "a\"b", "日本", ""]));
    let many = tool("create_odd")["parameters"]["many"].clone();
    assert_eq!((&many["minimum"], &many["maximum"]), (&json!(-5), &json!(5)));
    let engine = ground.engine(spec);
    for (id, size) in sizes.as_array().expect("sizes").iter().enumerate() {
        let mut given = json!({ "id": id + 1, "size": size, "kind": "it's" });
        if ground.backend == Backend::Sqlite {
            // The number of a row is its own to make.
            given.as_object_mut().expect("an object").remove("id");
        }
        let made = ask(&engine, "create_odd", given).await;
        made.unwrap_or_else(|error| panic!("{size}: {error}"));
        let found = ask(&engine, "search_odd", json!({ "size": size })).await.expect("found");
        let [row] = found["items"].as_array().expect("rows").as_slice() else { panic!("{size}: {found}") };
        assert_eq!((&row["size"], &row["kind"]), (size, &json!("it's")));
        assert_eq!(row["word"], "it's :x {y} [[ z ]] ? $1 -- /*", "the database's own default");
        assert_eq!((&row["plain"], &row["below"]), (&json!(":x"), &json!(-1)), "a default that is written again");
        assert_eq!(row["made"], 31);
        ask(&engine, "update_odd", json!({ "id": id + 1, "size": size, "many": -5, "below": 7 }))
            .await
            .expect("changed");
    }
    ask(&engine, "create_odd", json!({ "id": 99, "size": "it''s" })).await.expect_err("it is none of them");
    let rows = ask(&engine, "search_wide", json!({ "c0": 2 })).await;
    let rows = match rows {
        Ok(rows) => rows,
        Err(_) => ask(&engine, "search_wide", json!({ "c0_from": 2 })).await.expect("rows"),
    };
    assert_eq!(rows["items"].as_array().expect("rows").len(), 2);
    assert_eq!(
        ask(&engine, "get_wide", json!({ "id": 2 })).await.expect("a row"),
        json!({ "id": 2, "c0": 2, "c7": 4 })
    );
    let last = format!("c{}", most - 1);
    // A statement has an end: where it would be too long, that is told.
    if spec.tools.iter().any(|tool| tool.name.as_str() == "update_wide") {
        ask(&engine, "update_wide", json!({ "id": 2, last.as_str(): 9 })).await.expect("changed");
        assert_eq!(ask(&engine, "get_wide", json!({ "id": 2 })).await.expect("a row")[&last], 9);
    } else {
        assert!(
            findings.iter().any(|it| it.place == "wide" && it.message.contains("more than 10000 words")),
            "{findings:?}"
        );
    }
}

/// How much the server itself has been asked so far. (SQLite has none.)
async fn asked(observer: &Ground) -> u64 {
    let text = match observer.backend {
        Backend::Mysql => {
            "SELECT CAST(VARIABLE_VALUE AS UNSIGNED) FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'COM_SELECT'"
        }
        _ => "SELECT (xact_commit + xact_rollback)::int8 FROM pg_stat_database WHERE datname = 'many'",
    };
    observer.plain(text).await[0][0].as_u64().expect("a number")
}

/// What one import asks, as the server counts it.
async fn questions_of(ground: &Ground, observer: &Ground, tables: &str) -> u64 {
    // PostgreSQL counts a session's when it has ended, so what was asked before has to be in.
    let mut before = asked(observer).await;
    if ground.backend == Backend::Postgres {
        loop {
            let sessions = observer.plain("SELECT count(*) FROM pg_stat_activity WHERE datname = 'many'").await;
            let now = asked(observer).await;
            if sessions[0][0] == 0 && now == before {
                break;
            }
            before = now;
        }
    }
    let began = Instant::now();
    let proposed =
        ground.propose(Database { tables: vec![tables.to_owned()], ..Database::default() }).await.expect("a spec");
    let spec = &proposed.proposal.spec;
    eprintln!("{} tools of {tables} of {:?} in {:?}", spec.tools.len(), ground.backend, began.elapsed());
    match ground.backend {
        Backend::Mysql => asked(observer).await - before - 1,
        _ => loop {
            let sessions = observer.plain("SELECT count(*) FROM pg_stat_activity WHERE datname = 'many'").await;
            let now = asked(observer).await;
            if sessions[0][0] == 0 && now > before {
                break now - before;
            }
        },
    }
}

/// Issue 6 §5: what is asked of the database does not grow with its tables. How long it takes is printed: machines differ.
async fn many_tables(ground: &Ground, observer: Option<&Ground>) {
    let mut all = Vec::new();
    for number in 0..500 {
        let (kind, comment) = match ground.backend {
            Backend::Postgres => ("mood", String::new()),
            Backend::Mysql => ("ENUM('sad', 'ok')", format!(" COMMENT='Things number {number}'")),
            Backend::Sqlite => ("VARCHAR(10)", String::new()),
        };
        all.push(format!(
            "CREATE TABLE t{number} (id INTEGER PRIMARY KEY, name VARCHAR(80) NOT NULL, sku VARCHAR(20) UNIQUE, \
             kind VARCHAR(10) DEFAULT 'a' CHECK (kind IN ('a', 'b')), made DATE, price DECIMAL(10, 2) CHECK (price >= 0), \
             active BOOLEAN, mood {kind}, parent INTEGER REFERENCES t0 (id), other INTEGER REFERENCES t{} (id)){comment}",
            number / 2
        ));
        if ground.backend == Backend::Postgres {
            all.push(format!("COMMENT ON TABLE t{number} IS 'Things number {number}'"));
        }
    }
    if ground.backend == Backend::Postgres {
        ground.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')").await;
        ground.execute(&format!("DO $do$ BEGIN {}; END $do$", all.join("; "))).await;
        ground.database.close().await;
    } else {
        for statement in &all {
            ground.execute(statement).await;
        }
    }
    let proposed = ground.propose(Database::default()).await.expect("a spec");
    let spec = &proposed.proposal.spec;
    assert!(spec.tools.len() >= 1000, "{}", spec.tools.len());
    assert_eq!(spec.canonical()["exposure"]["mode"], "dynamic");
    // As many as can be served, and every tool in one.
    assert_eq!(spec.toolsets.len(), 128);
    assert!(spec.toolsets.iter().map(|it| it.tools.len()).sum::<usize>() >= spec.tools.len());
    ground.engine(spec);
    if let Some(observer) = observer {
        let (one, every) = (questions_of(ground, observer, "t7").await, questions_of(ground, observer, "t*").await);
        eprintln!("{one} questions for a table, {every} for 500, of {:?}", ground.backend);
        assert_eq!(one, every);
        assert!((5..=20).contains(&every), "{every}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_and_many_tables_of_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| Ground::new(Backend::Sqlite, &folder.path().join(name).display().to_string());
    hostile_names(&at("hostile.db")).await;
    hostile_columns(&at("odd.db")).await;
    many_tables(&at("many.db"), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_and_many_tables_of_postgresql() {
    let postgres = Postgres::start();
    let ground = Ground::new(Backend::Postgres, &postgres.url());
    hostile_names(&ground).await;
    ground.execute("CREATE DATABASE many").await;
    hostile_columns(&ground).await;
    many_tables(&Ground::new(Backend::Postgres, &postgres.url().replace("/postgres", "/many")), Some(&ground)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_and_many_tables_of_mariadb() {
    let mariadb = Mariadb::start();
    let ground = Ground::new(Backend::Mysql, &mariadb.url());
    hostile_names(&ground).await;
    ground.execute("CREATE DATABASE many").await;
    let many = mariadb.url().replace(&format!(":{}/factory", mariadb.port()), &format!(":{}/many", mariadb.port()));
    hostile_columns(&ground).await;
    many_tables(&Ground::new(Backend::Mysql, &many), Some(&ground)).await;
}
