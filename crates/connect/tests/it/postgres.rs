use std::{sync::Arc, time::Duration};

use mcp_factory_connect::{
    FixedSecrets, Policy,
    sql::{Backend, Class, Database, DatabaseConfig, Hint, PoolConfig, RunOptions, Source},
};
use mcp_factory_testing::{Certificate, Postgres};
use serde_json::{Value, json};

use crate::{
    collect::{Collect, execute, open, read, rows, run, write},
    servers::{quiet, sleep},
};

fn config(postgres: &Postgres) -> DatabaseConfig {
    DatabaseConfig::new("db", Backend::Postgres, Source::Url(postgres.url()))
}

async fn one(database: &Database, text: &str, hint: Hint, argument: Value) -> Result<String, (Class, String)> {
    match run(database, &read(text, &[hint]), vec![argument]).await {
        Ok((sink, _)) => Ok(sink.rows[0][0].clone()),
        Err(error) => Err((error.class(), error.message().to_owned())),
    }
}

#[tokio::test]
async fn arguments_get_the_type_that_the_database_infers() {
    let postgres = Postgres::start();
    let database = open(config(&postgres));
    let ok = async |text: &str, hint, argument: Value, expected: &str| {
        let got = one(&database, text, hint, argument.clone()).await;
        assert_eq!(got, Ok(expected.to_owned()), "{text} with {argument}");
    };
    ok("SELECT $1::int8", Hint::Any, json!(9_223_372_036_854_775_807_i64), "I64(9223372036854775807)").await;
    ok("SELECT $1::int8", Hint::Any, json!("-9223372036854775808"), "I64(-9223372036854775808)").await;
    ok("SELECT $1::int4 + 1", Hint::Any, json!(2.0), "I64(3)").await;
    ok(
        "SELECT $1::numeric",
        Hint::Any,
        json!("123456789012345678901234567890.5"),
        "Decimal(\"123456789012345678901234567890.5\")",
    )
    .await;
    ok("SELECT $1::numeric", Hint::Any, json!(u64::MAX), "Decimal(\"18446744073709551615\")").await;
    ok("SELECT $1::float8", Hint::Any, json!(0.1), "F64(0.1)").await;
    ok("SELECT $1::date", Hint::Any, json!("2026-11-21"), "Date(\"2026-11-21\")").await;
    ok("SELECT $1::timestamptz", Hint::Any, json!("2026-11-21T04:47:15Z"), "Timestamp(\"2026-11-21T04:47:15Z\")").await;
    ok("SELECT $1::interval", Hint::Any, json!("P1DT2H"), "Interval(\"P1DT2H\")").await;
    ok(
        "SELECT $1::uuid",
        Hint::Any,
        json!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        "Uuid(\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\")",
    )
    .await;
    ok("SELECT $1::bytea", Hint::Bytes, json!("AP8Q"), "Bytes([0, 255, 16])").await;
    ok("SELECT $1::jsonb", Hint::Json, json!({"a": [1, "ä"]}), r#"Json("{\"a\": [1, \"ä\"]}")"#).await;
    ok("SELECT $1::jsonb", Hint::Text, json!("{\"a\": 1}"), r#"Json("{\"a\": 1}")"#).await;
    ok("SELECT $1::jsonb", Hint::Any, json!("{"), r#"Json("\"{\"")"#).await;
    ok("SELECT $1::bool", Hint::Any, json!(true), "Bool(true)").await;
    ok(
        "SELECT $1::text[]",
        Hint::Any,
        json!(["a,b", "\"\\{}", null, "NULL", ""]),
        r#"Nested("[\"a,b\",\"\\\"\\\\{}\",null,\"NULL\",\"\"]")"#,
    )
    .await;
    ok("SELECT $1::int4[]", Hint::Any, json!([[1, 2], [3, null]]), "Nested(\"[[1,2],[3,null]]\")").await;
    ok("SELECT $1::int4range", Hint::Any, json!("[1,3)"), "Text(\"[1,3)\")").await;
    ok("SELECT 7 = ANY($1::int8[])", Hint::Any, json!([5, 7]), "Bool(true)").await;
    ok("SELECT 'x' || $1", Hint::Any, json!(5), "Text(\"x5\")").await;
    ok("SELECT $1::int4", Hint::Any, Value::Null, "Null").await;
    // Where it can't tell, the schema says.
    ok("SELECT $1 IS NULL", Hint::Integer, Value::Null, "Bool(true)").await;
    ok("SELECT $1 IS NULL", Hint::Text, json!("x"), "Bool(false)").await;
    ok("SELECT pg_typeof($1)::text", Hint::Number, json!(1), "Text(\"numeric\")").await;
    execute(&database, "CREATE TABLE keys (a int4, b int8)").await;
    ok("SELECT count(*) FROM keys WHERE a = $1 OR b = $1", Hint::Integer, json!(1), "I64(0)").await;

    let refused = async |text: &str, argument: Value, message: &str| {
        let got = one(&database, text, Hint::Any, argument).await;
        assert_eq!(got, Err((Class::BadArgument, message.to_owned())), "{text}");
    };
    refused(
        "SELECT $1::int4",
        json!(3_000_000_000_i64),
        "argument `p1` is out of the range of `int4`, -2147483648 to 2147483647",
    )
    .await;
    refused(
        "SELECT $1::int4",
        json!(1.5),
        "argument `p1` must be an integer for the database type `int4`, not a number",
    )
    .await;
    refused(
        "SELECT $1::uuid",
        json!("x"),
        "argument `p1` must be a UUID for the database type `uuid`, not a string of another form",
    )
    .await;
    refused(
        "SELECT $1::text[]",
        json!({}),
        "argument `p1` must be an array for the database type `_text`, not an object",
    )
    .await;
    refused("SELECT $1::text", json!("a\0b"), "argument `p1` holds a NUL character, which PostgreSQL can't store")
        .await;
    refused("SELECT $1::date", json!("soon"), "argument `p1`: invalid input syntax for type date: \"soon\"").await;

    let nasty = "'; DROP TABLE keys; --\\\"$1\u{202e}";
    ok("SELECT $1::text", Hint::Any, json!(nasty), &format!("Text({nasty:?})")).await;
    assert_eq!(rows(&database, "SELECT count(*) FROM keys").await, [["I64(0)"]]);
}

/// The row that a check refuses has columns that no tool may answer.
#[tokio::test]
async fn an_error_tells_the_key_that_is_in_the_way_and_no_row() {
    let postgres = Postgres::start();
    let database = open(config(&postgres));
    for text in [
        "CREATE TABLE teams (id int PRIMARY KEY)",
        "CREATE TABLE members (id int PRIMARY KEY, name text NOT NULL, hash text, age int CHECK (age >= 0), \
         team int REFERENCES teams, during int4range, price numeric(4, 2), EXCLUDE USING gist (during WITH &&))",
        "CREATE VIEW adults AS SELECT * FROM members WHERE age >= 18 WITH CHECK OPTION",
        "INSERT INTO members VALUES (1, 'Ann', 'hunter2', 30, NULL, '[1,5)')",
    ] {
        execute(&database, text).await;
    }
    for (text, code, told) in [
        ("UPDATE members SET age = -1", "23514", "members_age_check"),
        ("UPDATE members SET name = NULL", "23502", "column \"name\""),
        ("UPDATE adults SET age = 3", "44000", "view \"adults\""),
        ("INSERT INTO members VALUES (1, 'Ben', 'hunter2', 30)", "23505", "Key (id)=(1) already exists"),
        ("UPDATE members SET team = 7", "23503", "Key (team)=(7) is not present"),
        (
            "INSERT INTO members VALUES (2, 'Ben', 'hunter2', 30, NULL, '[4,8)')",
            "23P01",
            "existing key (during)=([1,5))",
        ),
        ("UPDATE members SET price = 1000", "22003", "A field with precision 4, scale 2"),
    ] {
        let error = run(&database, &write(text, &[]), vec![]).await.unwrap_err();
        assert_eq!(error.code(), Some(code), "{error}");
        assert!(error.message().contains(told) && !error.message().contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn reads_can_not_write_and_errors_keep_what_the_database_said() {
    let postgres = Postgres::start();
    let database = open(config(&postgres));
    execute(&database, "CREATE TABLE items (id int PRIMARY KEY, stock int CHECK (stock >= 0), place point)").await;
    let outcome = execute(&database, "INSERT INTO items SELECT n, n FROM generate_series(1, 5) n").await;
    assert_eq!((outcome.rows_affected, outcome.has_rows), (5, false));
    execute(&database, "CREATE FUNCTION sneaky() RETURNS int LANGUAGE sql AS 'DELETE FROM items RETURNING 1'").await;

    for text in ["DELETE FROM items", "SELECT sneaky()", "SELECT nextval('pg_catalog.x')", "CREATE TABLE x ()"] {
        let error = run(&database, &read(text, &[]), vec![]).await.unwrap_err();
        assert!(matches!(error.class(), Class::ReadOnly | Class::Rejected), "{text}: {error:?}");
    }
    // What a read sets for its session does not last.
    rows(&database, "SELECT set_config('search_path', 'nowhere', false)").await;
    assert_eq!(rows(&database, "SELECT count(*) FROM items").await, [["I64(5)"]]);

    let locked = open(DatabaseConfig { read_only: true, ..config(&postgres) });
    for text in ["DELETE FROM items", "SELECT sneaky()"] {
        let error = run(&locked, &write(text, &[]), vec![]).await.unwrap_err();
        assert_eq!((error.class(), error.code()), (Class::ReadOnly, Some("25006")), "{error}");
    }

    let check = async |text: &str, class: Class, code: &str, message: &str| {
        let error = run(&database, &write(text, &[]), vec![]).await.unwrap_err();
        assert_eq!((error.class(), error.code()), (class, Some(code)), "{error}");
        assert!(error.message().contains(message), "{error}");
    };
    check("INSERT INTO items VALUES (1, 1)", Class::Constraint, "23505", "Key (id)=(1) already exists").await;
    check("UPDATE items SET stock = -1", Class::Constraint, "23514", "items_stock_check").await;
    check("SELECT colour FROM items", Class::Rejected, "42703", "column \"colour\" does not exist").await;
    check("SELEC 1", Class::Rejected, "42601", "syntax error").await;
    check("SELECT 1; DELETE FROM items", Class::Rejected, "42601", "multiple commands").await;
    for text in ["BEGIN", "set search_path to x", "COPY items TO STDOUT"] {
        let error = run(&database, &write(text, &[]), vec![]).await.unwrap_err();
        assert_eq!(error.class(), Class::Rejected, "{error}");
    }
    let error = run(&database, &read("SELECT id, place FROM items", &[]), vec![]).await.unwrap_err();
    assert_eq!(error.class(), Class::Unreadable);
    assert!(error.message().starts_with("column `place` has the type `point`"), "{error}");

    // Many rows of which one is wanted: the connection is whole afterwards.
    let sink = Collect { limit: Some(1), ..Collect::default() };
    let many = read("SELECT n FROM generate_series(1, 3000000) n", &[]);
    let (sink, outcome) = database.run(&many, vec![], sink, &RunOptions::default()).await.unwrap();
    assert_eq!((sink.rows.len(), outcome.stopped), (1, true));
    let sink = Collect { limit: Some(1), ..Collect::default() };
    let update = write("UPDATE items SET stock = 9 WHERE id > 1 RETURNING id", &[]);
    let (sink, outcome) = database.run(&update, vec![], sink, &RunOptions::default()).await.unwrap();
    assert_eq!((sink.rows.len(), outcome.stopped, outcome.rows_affected), (1, true, 4));
    assert_eq!(
        rows(&database, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mcp-factory'").await.len(),
        1
    );

    let mut single = config(&postgres);
    single.pool.max = 1;
    let single = open(single);
    let repeated = read("SELECT count(*) FROM items WHERE id > $1", &[Hint::Integer]);
    for id in 0..5 {
        run(&single, &repeated, vec![json!(id)]).await.unwrap();
    }
    let prepared = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%items WHERE id > $1'";
    assert_eq!(rows(&single, prepared).await, [["I64(1)"]], "prepared once");

    // A table that changed under a prepared statement.
    let all = read("SELECT * FROM items WHERE id = 1", &[]);
    execute(&database, "ALTER TABLE items DROP COLUMN place").await;
    assert_eq!(run(&database, &all, vec![]).await.unwrap().0.columns.len(), 2);
    execute(&database, "ALTER TABLE items ADD COLUMN note text").await;
    assert_eq!(run(&database, &all, vec![]).await.unwrap().0.columns.len(), 3);

    let options = RunOptions { session: vec![("app.user".into(), "alice".into())], ..RunOptions::default() };
    let who = read("SELECT current_setting('app.user', true)", &[]);
    let (sink, _) = database.run(&who, vec![], Collect::default(), &options).await.unwrap();
    assert_eq!(sink.rows, [["Text(\"alice\")"]]);
    assert_ne!(run(&database, &who, vec![]).await.unwrap().0.rows, [["Text(\"alice\")"]]);
}

#[tokio::test]
async fn what_is_not_configured_is_named() {
    let check = async |source: Source, policy: Policy, message: &str| {
        let config = DatabaseConfig::new("db", Backend::Postgres, source);
        let database = Database::new(config, Arc::new(FixedSecrets::default()), Arc::new(policy)).unwrap();
        let error = run(&database, &read("SELECT 1", &[]), vec![]).await.unwrap_err();
        assert_eq!((error.class(), error.message()), (Class::Configuration, message));
        error.denied().map(|denied| denied.grant.name())
    };
    let url = |text: &str| Source::Url(text.to_owned());
    let missing = "there is no secret `DATABASE_URL`; add it to the secrets of this server's owner";
    check(Source::Secret("DATABASE_URL".into()), Policy::operator(), missing).await;
    check(url("mysql://u:hunter2@h/d"), Policy::operator(), "`db` has a URL that is none of PostgreSQL").await;
    let unknown = "`db` has an unknown `sslmode` in its URL";
    assert_eq!(check(url("postgres://h/d?sslmode=never"), Policy::operator(), unknown).await, None);
    let private =
        "a private network is not granted to the owner of this server; the operator can grant `private-networks`";
    for place in ["127.0.0.1", "localhost", "10.0.0.1", "%2Fvar%2Frun", "[::1]", "1.1.1.1:1,127.0.0.1"] {
        let denied = check(url(&format!("postgres://{place}/d")), Policy::none(), private).await;
        assert_eq!(denied, Some("private-networks"));
    }
    let denied = check(url("postgres://h/d?hostaddr=169.254.169.254"), Policy::none(), private).await;
    assert_eq!(denied, Some("private-networks"));
}

#[tokio::test]
async fn tls_is_used_where_it_is_and_proved_where_it_must_be() {
    let certificate = Certificate::generate();
    let postgres = Postgres::start_with_tls(&certificate);
    let encrypted = read("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]);
    let check = async |options: &str| {
        let url = format!("{}?{options}", postgres.url().replace("127.0.0.1", "localhost"));
        let database = open(DatabaseConfig::new("db", Backend::Postgres, Source::Url(url)));
        match run(&database, &encrypted, vec![]).await {
            Ok((sink, _)) => Ok(sink.rows[0][0].clone()),
            Err(error) => Err((error.class(), error.message().to_owned())),
        }
    };
    assert_eq!(check("").await, Ok("Bool(true)".into()));
    assert_eq!(check("sslmode=disable").await, Ok("Bool(false)".into()));
    for mode in ["require", "verify-ca", "verify-full"] {
        let (class, message) = check(&format!("sslmode={mode}")).await.unwrap_err();
        assert_eq!(class, Class::Unavailable);
        assert!(message.contains("invalid peer certificate: UnknownIssuer"), "{message}");
        let trusted = format!("sslmode={mode}&sslrootcert={}", certificate.certificate().display());
        assert_eq!(check(&trusted).await, Ok("Bool(true)".into()));
    }
    let missing = check("sslmode=require&sslrootcert=/nowhere.pem").await.unwrap_err();
    assert_eq!(missing, (Class::Configuration, "`/nowhere.pem` holds no certificates that can be read".into()));

    // Requests to cancel go the same way.
    let observer = open(config(&postgres));
    let url = format!("{}?sslmode=require&sslrootcert={}", postgres.url(), certificate.certificate().display());
    let database = open(DatabaseConfig::new("db", Backend::Postgres, Source::Url(url)));
    let options = RunOptions { timeout: Duration::from_millis(500), ..RunOptions::default() };
    let sleep = read(sleep(Backend::Postgres), &[]);
    let error = database.run(&sleep, vec![], Collect::default(), &options).await.unwrap_err();
    assert_eq!(error.class(), Class::Timeout);
    quiet(&observer).await;
}

/// Whatever a statement leaves in its session, the next one on the connection does not find.
#[tokio::test]
async fn nothing_is_left_for_the_next_call() {
    let postgres = Postgres::start();
    let config = config(&postgres);
    let config =
        DatabaseConfig { schema: Some("shop".to_owned()), pool: PoolConfig { max: 1, ..config.pool }, ..config };
    let database = open(config);
    for text in [
        "CREATE SCHEMA shop",
        "CREATE ROLE other",
        "CREATE FUNCTION shop.leave() RETURNS text LANGUAGE plpgsql AS $$ BEGIN \
         PERFORM set_config('search_path', 'elsewhere', false); PERFORM set_config('app.user', 'left', false); \
         CREATE TEMP TABLE documents (a int); PERFORM pg_advisory_lock(4711); EXECUTE 'LISTEN news'; \
         EXECUTE 'SET SESSION AUTHORIZATION other'; RETURN 'done'; END $$",
    ] {
        execute(&database, text).await;
    }
    let left = "SELECT current_setting('search_path'), coalesce(current_setting('app.user', true), ''), session_user, \
                current_user, to_regclass('pg_temp.documents') IS NULL, (SELECT count(*) FROM pg_listening_channels()), \
                (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()), pg_backend_pid()";
    let fresh = rows(&database, left).await;
    assert!(fresh[0][0].contains("shop"), "{fresh:?}");
    for text in [
        "SELECT set_config('search_path', 'elsewhere', false), set_config('app.user', 'left', false)",
        "WITH x AS MATERIALIZED (SELECT set_config('role', 'other', false)) SELECT * FROM x",
        "SELECT shop.leave()",
        "DO $$ BEGIN PERFORM shop.leave(); END $$",
        "CREATE TEMP TABLE documents (a int)",
        "SELECT 1 AS a INTO TEMP documents",
        "SELECT pg_advisory_lock(4711)",
        "UPDATE pg_settings SET setting = 'left' WHERE name = 'search_path'",
    ] {
        execute(&database, text).await;
        assert_eq!(rows(&database, left).await, fresh, "{text}");
    }
    let failed = run(&database, &write("SELECT shop.leave(), 1 / (SELECT 0)", &[]), Vec::new()).await.unwrap_err();
    assert_eq!(failed.class(), Class::Rejected);
    assert_eq!(rows(&database, left).await, fresh, "after a failure");

    for text in [
        "SET search_path = elsewhere",
        "/* a */ SET ROLE other",
        "/* a /* b */ c */ RESET ALL",
        "-- a\n  DISCARD ALL",
        "; SET ROLE other",
        "PREPARE x AS SELECT 1",
        "SELECT 1; SET ROLE other",
        "SELECT 1; SELECT set_config('role', 'other', false)",
    ] {
        let refused = run(&database, &write(text, &[]), Vec::new()).await;
        assert!(refused.is_err(), "{text}");
        assert_eq!(rows(&database, left).await, fresh, "{text}");
    }
}
