//! `session:` on real databases: each call tells the database who calls, and the database shows everybody their own rows.

use std::{sync::Arc, time::Duration};

use mcp_factory_connect::{
    Policy,
    secrets::FixedSecrets,
    sql::{Access, Backend, Database, DatabaseConfig, Hint, Parameter, RunOptions, Source, Statement},
};
use mcp_factory_engine::Engine;
use mcp_factory_spec::{AllFiles, Format};
use mcp_factory_testing::{Mariadb, Postgres};
use mcp_serve::Principal;
use serde_json::{Value, json};

use crate::{
    databases::Nothing,
    harness::{answer, call_as, plan},
};

/// As people may be called who want to be others.
const CALLERS: [&str; 6] = ["alice", "bob", "alice' OR '1'='1", "ali\\ce", "{principal.id}", "böb\n"];

fn engine(kind: &str, url: &str, table: &str) -> Engine {
    engine_with(kind, url, table, "")
}

fn engine_with(kind: &str, url: &str, table: &str, more: &str) -> Engine {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        r"
name: documents
connections:
  - name: db
    type: {kind}
    envVar: DB
    pool: {{ max: 2, acquireTimeout: 60s }}
    session: {{ app.user: '{{principal.id}}', app.org: '{{principal.claims.org}}' }}
tools:
  - {{ name: list, description: Mine, sql: SELECT owner FROM {table}, annotations: {{ readOnly: true }} }}
  - {{ name: fail, description: Fails, sql: 'SELECT owner, 1 / (SELECT 0 FROM {table} LIMIT 1) AS n FROM {table} WHERE owner = NULLIF(:x, owner)', parameters: {{ x: {{ type: string, required: true }} }} }}
  - {{ name: wipe, description: Changes all, sql: UPDATE {table} SET body = :principal.id }}
  - {{ name: add, description: Adds for anybody, parameters: {{ owner: {{ type: string, required: true }} }}, sql: 'INSERT INTO {table} (owner, body) VALUES (:owner, :owner)' }}
  - {{ name: wait, description: Waits, sql: 'SELECT {} FROM {table}' }}
{more}",
        if kind == "mysql" { "SLEEP(20)" } else { "pg_sleep(20)" },
    );
    plan(&text, folder.path(), &[("DB", url)]).unwrap()
}

fn principal(id: &str) -> Arc<Principal> {
    let mut principal = Principal::clone(&Principal::trusted(id));
    principal.claims.insert("org".to_owned(), json!("acme"));
    Arc::new(principal)
}

async fn ask(engine: &Engine, caller: &str, tool: &str, arguments: Value) -> Result<Value, String> {
    answer(call_as(engine, principal(caller), tool, arguments).await.unwrap())
}

/// The database as its administrator sees it.
fn operator(backend: Backend, url: &str) -> Database {
    let config = DatabaseConfig::new("operator", backend, Source::Url(url.to_owned()));
    Database::new(config, Arc::new(FixedSecrets::default()), Arc::new(Policy::operator())).unwrap()
}

async fn execute(database: &Database, text: &str, arguments: &[&str]) {
    let parameters = arguments.iter().map(|_| Parameter::new("x", Hint::Text)).collect();
    let statement = Statement::new(text, parameters, Access::Write);
    let arguments = arguments.iter().map(|argument| json!(argument)).collect();
    database.run(&statement, arguments, Nothing, &RunOptions::default()).await.unwrap();
}

/// Everybody at once, on fewer connections than callers, with calls that fail and calls that are given up in between.
async fn everybody_sees_their_own(engine: Engine) {
    let engine = Arc::new(engine);
    let rounds = (0..20 * CALLERS.len()).map(|number| {
        let engine = Arc::clone(&engine);
        let caller = CALLERS[number * 5 % CALLERS.len()];
        tokio::spawn(async move {
            match number % 10 {
                3 => {
                    let patience = Duration::from_millis(20);
                    let given_up = tokio::time::timeout(patience, ask(&engine, caller, "wait", json!({}))).await;
                    assert!(!matches!(given_up, Ok(Ok(_))), "{given_up:?}");
                }
                7 => drop(ask(&engine, caller, "fail", json!({ "x": "x" })).await),
                _ => {
                    let seen = ask(&engine, caller, "list", json!({})).await.unwrap();
                    assert_eq!(seen, json!({ "items": [{ "owner": caller }] }));
                }
            }
        })
    });
    for round in rounds.collect::<Vec<_>>() {
        round.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_security_of_postgresql_holds_for_every_call() {
    let postgres = Postgres::start();
    let database = operator(Backend::Postgres, &postgres.url());
    for statement in [
        "CREATE ROLE app LOGIN",
        "CREATE TABLE documents (owner text, body text)",
        "ALTER TABLE documents ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE documents FORCE ROW LEVEL SECURITY",
        "CREATE POLICY own ON documents USING (owner = current_setting('app.user') AND current_setting('app.org') = 'acme')",
        "GRANT ALL ON documents TO app",
    ] {
        execute(&database, statement, &[]).await;
    }
    for caller in CALLERS {
        execute(&database, "INSERT INTO documents VALUES ($1, '')", &[caller]).await;
    }
    let url = postgres.url().replace("//factory@", "//app@");
    everybody_sees_their_own(engine("postgresql", &url, "documents")).await;

    let engine = engine("postgresql", &url, "documents");
    assert_eq!(ask(&engine, "bob", "wipe", json!({})).await.unwrap(), json!({ "rowsAffected": 1 }));
    let refused = ask(&engine, "bob", "add", json!({ "owner": "alice" })).await.unwrap_err();
    assert!(refused.contains("row-level security"), "{refused}");
    assert_eq!(ask(&engine, "bob", "add", json!({ "owner": "bob" })).await.unwrap(), json!({ "rowsAffected": 1 }));

    execute(
        &database,
        "CREATE FUNCTION become() RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.user', 'alice', false) $$",
        &[],
    )
    .await;
    who_became_another_is_told_nothing(&engine_with("postgresql", &url, "documents", BECOMING)).await;

    let nobody = answer(call_as(&engine, Principal::trusted("alice"), "list", json!({})).await.unwrap()).unwrap_err();
    assert!(nobody.contains("`principal.claims.org`"), "who lacks a claim is refused: {nobody}");
}

/// A spec with one tool on a connection that tells who calls: read, and what was found.
fn judged(kind: &str, sql: &str, rest: &str) -> Vec<String> {
    let sql = serde_json::to_string(sql).unwrap();
    let text = format!(
        "name: documents\nconnections: [{{ name: db, type: {kind}, envVar: DB, session: {{ app.user: '{{principal.id}}' }} }}]\n\
         tools: [{{ name: t, description: d, sql: {sql}{rest} }}]\n"
    );
    let source = mcp_factory_spec::Source { name: "test.yaml", bytes: text.as_bytes(), format: Format::Yaml };
    let reading = mcp_factory_spec::read(&source, &AllFiles);
    reading.diagnostics.iter().map(|it| it.code.as_str().to_owned()).collect()
}

/// Ways to be taken for somebody else that a statement names itself.
#[test]
fn what_changes_who_the_database_takes_the_caller_for_is_refused() {
    for sql in [
        "SELECT set_config('app.user', 'alice', true)",
        "SELECT pg_catalog.\"set_config\"('app.user', 'alice', true)",
        "SELECT owner FROM documents, set_config('app.user', 'alice', true)",
        "SELECT owner FROM documents, LATERAL set_config('app.user', 'alice', true) AS x",
        "SELECT owner FROM documents WHERE set_config('app.user', owner, true) = owner",
        "WITH x AS MATERIALIZED (SELECT set_config('app.user', 'alice', true)) SELECT owner FROM documents, x",
        "SELECT owner FROM documents ORDER BY set_config('app.user', 'alice', true)",
        "INSERT INTO documents VALUES (set_config('app.user', 'alice', true), '')",
        "UPDATE documents SET body = 'x' WHERE set_config('app.user', 'alice', true) = 'alice'",
        "DELETE FROM documents USING (SELECT set_config('app.user', 'alice', true)) AS x",
        "UPDATE pg_settings SET setting = 'alice' WHERE name = 'app.user'",
        "SELECT query_to_xml('SELECT set_config(''app.user'', ''alice'', true)', true, false, '')::text AS x",
        "SELECT word FROM ts_stat('SELECT to_tsvector(set_config(''app.user'', ''alice'', true))')",
        "SELECT owner INTO TEMP documents FROM documents",
        "EXPLAIN ANALYZE SELECT set_config('app.user', 'alice', true)",
        "CREATE FUNCTION become() RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.user', 'alice', true) $$",
        "CREATE TEMP TABLE documents (owner text)",
        "CALL become()",
        "SET app.user = 'alice'",
        "/* who */ SET LOCAL app.user = 'alice'",
        "SET ROLE factory",
        "SET SESSION AUTHORIZATION factory",
        "RESET ALL",
        "DISCARD ALL",
        "ALTER ROLE app SET app.user = 'alice'",
        "PREPARE x AS SELECT set_config('app.user', 'alice', true)",
        "TRUNCATE documents",
    ] {
        let found = judged("postgresql", sql, "");
        assert!(found.iter().any(|code| code == "tenant/unscoped" || code == "sql/parse"), "{sql}: {found:?}");
    }
    for (sql, code) in [
        ("SELECT U&\"set\\005fconfig\"('app.user', 'alice', true)", "sql/parse"),
        ("DO $$ BEGIN PERFORM set_config('app.user', 'alice', true); END $$", "sql/parse"),
        ("SELECT 1; SELECT set_config('app.user', 'alice', true)", "sql/multiple-statements"),
    ] {
        let found = judged("postgresql", sql, "");
        assert!(found.iter().any(|it| it == code), "{sql}: {found:?}");
    }
    for sql in [
        "SELECT @`app.user` := 'alice'",
        "SELECT owner FROM documents, (SELECT @`app.user` := 'alice') AS x",
        "SELECT 'alice' INTO @`app.user`",
        "UPDATE documents SET body = (@`app.user` := 'alice')",
        "SET @`app.user` = 'alice'",
        "CALL become('alice')",
        "CREATE TEMPORARY TABLE own (owner varchar(60))",
    ] {
        let found = judged("mysql", sql, "");
        let refusals = ["tenant/unscoped", "sql/parse", "tool/placeholder"];
        assert!(found.iter().any(|code| refusals.contains(&code.as_str())), "{sql}: {found:?}");
    }
    let found = judged("mysql", "SELECT owner /*! , @`app.user` := 'alice' */ FROM own", "");
    assert!(found.iter().any(|it| it == "sql/parse"), "{found:?}");

    for (kind, sql) in [
        (
            "postgresql",
            "SELECT owner, current_setting('app.user') AS me, 'set_config(1)' AS told FROM documents -- set_config()",
        ),
        ("postgresql", "SELECT evaluation FROM documents WHERE body = lower(:principal.id)"),
        ("postgresql", "WITH gone AS (DELETE FROM documents RETURNING owner) SELECT owner FROM gone"),
        ("mysql", "SELECT owner FROM own WHERE owner = @`app.user`"),
        ("mysql", "INSERT INTO own (owner) SELECT owner FROM own"),
    ] {
        let found = judged(kind, sql, "");
        assert!(!found.iter().any(|code| code == "tenant/unscoped" || code == "sql/parse"), "{sql}: {found:?}");
    }
    let meant = judged("postgresql", "SELECT set_config('app.user', 'alice', true)", ", scope: none");
    assert!(!meant.iter().any(|code| code == "tenant/unscoped"), "{meant:?}");
}

/// What the text of a statement does not show: a function of the database that changes the session.
async fn who_became_another_is_told_nothing(engine: &Engine) {
    for tool in ["become", "change"] {
        let refused = ask(engine, "bob", tool, json!({})).await.unwrap_err();
        let ours = refused.contains("changed what the database is told of the caller");
        let theirs = refused.contains("CHECK OPTION") || refused.contains("row-level security");
        assert!(ours || theirs, "{tool}: {refused}");
        let seen = ask(engine, "bob", "list", json!({})).await.unwrap();
        let owners: Vec<_> = seen["items"].as_array().unwrap().iter().map(|row| row["owner"].clone()).collect();
        assert!(!owners.is_empty() && owners.iter().all(|owner| owner == "bob"), "after {tool}: {owners:?}");
    }
}

const BECOMING: &str = "
  - { name: become, description: As another, sql: SELECT owner FROM documents WHERE become() IS NOT NULL, annotations: { readOnly: true } }
  - { name: change, description: As another, sql: UPDATE documents SET body = become() }
";

/// MariaDB has no row security of its own; a view over a function that asks who calls does the same.
#[tokio::test(flavor = "multi_thread")]
async fn views_of_mariadb_can_ask_who_calls() {
    let mariadb = Mariadb::start();
    let database = operator(Backend::Mysql, &mariadb.url());
    for statement in [
        "CREATE TABLE documents (owner varchar(60) COLLATE utf8mb4_bin, body text)",
        "CREATE FUNCTION caller() RETURNS varchar(60) CHARSET utf8mb4 COLLATE utf8mb4_bin READS SQL DATA RETURN @`app.user`",
        "CREATE VIEW own AS SELECT * FROM documents WHERE owner = caller() WITH CHECK OPTION",
    ] {
        execute(&database, statement, &[]).await;
    }
    for caller in CALLERS {
        execute(&database, "INSERT INTO documents VALUES (?, '')", &[caller]).await;
    }
    everybody_sees_their_own(engine("mysql", &mariadb.url(), "own")).await;

    let engine = engine("mysql", &mariadb.url(), "own");
    assert_eq!(ask(&engine, "bob", "wipe", json!({})).await.unwrap(), json!({ "rowsAffected": 1 }));
    assert!(ask(&engine, "bob", "add", json!({ "owner": "alice" })).await.unwrap_err().contains("CHECK OPTION"));

    let become_alice = "CREATE FUNCTION become() RETURNS varchar(60) DETERMINISTIC BEGIN SET @`app.user` = 'alice'; RETURN 'alice'; END";
    execute(&database, become_alice, &[]).await;
    let more = BECOMING.replace("documents", "own");
    who_became_another_is_told_nothing(&engine_with("mysql", &mariadb.url(), "own", &more)).await;
}
