use std::{sync::Arc, time::Duration};

use mcp_factory_connect::{
    Denied, FixedSecrets, Grant, Policy,
    sql::{Backend, Class, Database, DatabaseConfig, Hint, PoolConfig, RunOptions, Source},
};
use mcp_factory_testing::{Certificate, Mariadb};
use serde_json::json;

use crate::{
    collect::{Collect, execute, open, read, rows, run, write},
    servers::{quiet, sleep},
};

fn config(mariadb: &Mariadb) -> DatabaseConfig {
    DatabaseConfig::new("db", Backend::Mysql, Source::Url(mariadb.url()))
}

#[tokio::test]
async fn arguments_are_bound_and_reads_can_not_write() {
    let mariadb = Mariadb::start();
    let database = open(config(&mariadb));
    let hints = [Hint::Any, Hint::Any, Hint::Any, Hint::Number, Hint::Bytes, Hint::Json, Hint::Integer, Hint::Integer];
    let nasty = "'; DROP TABLE items; -- \\ ? :name \u{202e}🦀";
    let arguments = vec![
        json!(nasty),
        json!(i64::MIN),
        json!(u64::MAX),
        json!("19.90"),
        json!("AP8Q"),
        json!({"a": [1]}),
        json!(2.0),
        json!(null),
    ];
    let text = "SELECT ?, ?, ?, CAST(? AS DECIMAL(10,2)), HEX(?), ?, ? + 1, ?";
    let (sink, _) = run(&database, &read(text, &hints), arguments).await.unwrap();
    let expected = [
        format!("Text({nasty:?})"),
        "I64(-9223372036854775808)".into(),
        "U64(18446744073709551615)".into(),
        "Decimal(\"19.90\")".into(),
        "Text(\"00FF10\")".into(),
        r#"Text("{\"a\":[1]}")"#.into(),
        "I64(3)".into(),
        "Null".into(),
    ];
    assert_eq!(sink.rows, [expected]);
    let error = run(&database, &read("SELECT ?", &[Hint::Bytes]), vec![json!("***")]).await.unwrap_err();
    assert_eq!((error.class(), error.message()), (Class::BadArgument, "argument `p1` is not base64"));

    execute(&database, "CREATE TABLE items (id INT PRIMARY KEY, stock TINYINT CHECK (stock >= 0), place POINT)").await;
    let outcome = execute(&database, "INSERT INTO items SELECT seq, seq, NULL FROM seq_1_to_5").await;
    assert_eq!((outcome.rows_affected, outcome.has_rows), (5, false));
    assert_eq!(
        execute(&database, "UPDATE items SET stock = stock WHERE id > 2").await.rows_affected,
        3,
        "matched rows"
    );

    for text in ["DELETE FROM items", "INSERT INTO items VALUES (9, 9, NULL)", "CREATE TABLE x (y INT)"] {
        let error = run(&database, &read(text, &[]), vec![]).await.unwrap_err();
        assert_eq!((error.class(), error.code()), (Class::ReadOnly, Some("25006")), "{text}: {error}");
    }
    for text in ["SELECT 1 INTO OUTFILE '/tmp/x'", "SELECT 1 into/**/dumpfile '/tmp/x'"] {
        assert_eq!(run(&database, &read(text, &[]), vec![]).await.unwrap_err().class(), Class::ReadOnly);
    }
    execute(&database, "UPDATE items SET stock = 1 WHERE id = 1").await;
    let locked = open(DatabaseConfig { read_only: true, ..config(&mariadb) });
    let error = run(&locked, &write("DELETE FROM items", &[]), vec![]).await.unwrap_err();
    assert_eq!(error.class(), Class::ReadOnly);
    assert_eq!(rows(&locked, "SELECT count(*) FROM items").await, [["I64(5)"]]);

    let check = async |text: &str, class: Class, code: &str, message: &str| {
        let error = run(&database, &write(text, &[]), vec![]).await.unwrap_err();
        assert_eq!((error.class(), error.code()), (class, Some(code)), "{error}");
        assert!(error.message().contains(message), "{error}");
    };
    check("INSERT INTO items VALUES (1, 1, NULL)", Class::Constraint, "23000", "Duplicate entry '1'").await;
    check("UPDATE items SET stock = -1", Class::Constraint, "23000", "CONSTRAINT `items.stock` failed").await;
    check("UPDATE items SET stock = 1000", Class::BadArgument, "22003", "Out of range value for column 'stock'").await;
    check("SELECT colour FROM items", Class::Rejected, "42S22", "Unknown column 'colour'").await;
    check("SELEC 1", Class::Rejected, "42000", "syntax").await;
    check("SELECT 1; DELETE FROM items", Class::Rejected, "42000", "syntax").await;
    for text in ["BEGIN", "SET autocommit = 0", "USE mysql"] {
        assert_eq!(run(&database, &write(text, &[]), vec![]).await.unwrap_err().class(), Class::Rejected);
    }
    let error = run(&database, &read("SELECT id, place FROM items", &[]), vec![]).await.unwrap_err();
    assert!(error.message().starts_with("column `place` has the type `geometry`"), "{error}");

    let sink = Collect { limit: Some(1), ..Collect::default() };
    let many = read("SELECT seq FROM seq_1_to_5000000", &[]);
    let (sink, outcome) = database.run(&many, vec![], sink, &RunOptions::default()).await.unwrap();
    assert_eq!((sink.rows.len(), outcome.stopped), (1, true));
    let sink = Collect { limit: Some(1), ..Collect::default() };
    let delete = write("DELETE FROM items WHERE id > 1 RETURNING id", &[]);
    let (sink, outcome) = database.run(&delete, vec![], sink, &RunOptions::default()).await.unwrap();
    assert_eq!((sink.rows.len(), outcome.stopped), (1, true));
    assert_eq!(rows(&database, "SELECT count(*) FROM items").await, [["I64(1)"]]);
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let mariadb = Mariadb::start();
    let wrong = mariadb.url().replace("open%20sesame", "hunter2");
    let database = open(DatabaseConfig::new("shop", Backend::Mysql, Source::Url(wrong)));
    let error = run(&database, &read("SELECT 1", &[]), vec![]).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Configuration, Some("28000")), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[tokio::test]
async fn private_networks_need_their_grant() {
    for place in ["127.0.0.1", "localhost", "10.0.0.1", "[::1]"] {
        let config = DatabaseConfig::new("db", Backend::Mysql, Source::Url(format!("mysql://u@{place}/d")));
        let database = Database::new(config, Arc::new(FixedSecrets::default()), Arc::new(Policy::none())).unwrap();
        let error = run(&database, &read("SELECT 1", &[]), vec![]).await.unwrap_err();
        assert_eq!(error.class(), Class::Configuration);
        assert!(error.message().starts_with("a private network is not granted"), "{place}: {error}");
        assert_eq!(error.denied(), Some(&Denied { grant: Grant::PrivateNetworks }));
    }
}

#[tokio::test]
async fn tls_is_used_where_it_is_and_proved_where_it_must_be() {
    let certificate = Certificate::generate();
    let mariadb = Mariadb::start_with_tls(&certificate);
    let cipher = read("SHOW SESSION STATUS LIKE 'Ssl_cipher'", &[]);
    let check = async |options: &str| {
        let url = format!("{}{options}", mariadb.url().replace("127.0.0.1", "localhost"));
        let database = open(DatabaseConfig::new("db", Backend::Mysql, Source::Url(url)));
        match run(&database, &cipher, vec![]).await {
            Ok((sink, _)) => Ok(sink.rows[0][1] != "Text(\"\")"),
            Err(error) => Err((error.class(), error.message().to_owned())),
        }
    };
    assert_eq!(check("").await, Ok(true));
    assert_eq!(check("?ssl-mode=DISABLED").await, Ok(false));
    for mode in ["REQUIRED", "VERIFY_CA", "verify-identity"] {
        let (class, message) = check(&format!("?ssl-mode={mode}")).await.unwrap_err();
        assert_eq!(class, Class::Unavailable);
        assert!(message.contains("invalid peer certificate"), "{message}");
        let trusted = format!("?ssl-mode={mode}&ssl-ca={}", certificate.certificate().display());
        assert_eq!(check(&trusted).await, Ok(true));
    }
    let unknown = check("?ssl-mode=maybe").await.unwrap_err();
    assert_eq!(unknown, (Class::Configuration, "`db` has an unknown `ssl-mode` in its URL".into()));

    // Whoever kills a query comes the same way.
    let database = open(DatabaseConfig::new("db", Backend::Mysql, Source::Url(mariadb.url())));
    let options = RunOptions { timeout: Duration::from_millis(500), ..RunOptions::default() };
    let sleep = read(sleep(Backend::Mysql), &[]);
    let error = database.run(&sleep, vec![], Collect::default(), &options).await.unwrap_err();
    assert_eq!(error.class(), Class::Timeout);
    quiet(&open(config(&mariadb))).await;
}

/// Whatever a statement leaves in its session, the next one on the connection does not find.
#[tokio::test]
async fn nothing_is_left_for_the_next_call() {
    let mariadb = Mariadb::start();
    let config = config(&mariadb);
    let config = DatabaseConfig { pool: PoolConfig { max: 1, ..config.pool }, ..config };
    let database = open(config);
    execute(&database, "CREATE TABLE documents (a INT)").await;
    execute(&database, "CREATE PROCEDURE leave_it() BEGIN SET @left = 1; SET SESSION sql_mode = ''; END").await;
    let left = "SELECT @left, @@sql_mode, @@time_zone, IS_USED_LOCK('left'), (SELECT COUNT(*) FROM documents), CONNECTION_ID()";
    let fresh = rows(&database, left).await;
    for text in [
        "SELECT @left := 1",
        "SELECT 1 INTO @left",
        "CALL leave_it()",
        "SELECT GET_LOCK('left', 0)",
        "CREATE TEMPORARY TABLE documents AS SELECT 1 AS a",
    ] {
        execute(&database, text).await;
        assert_eq!(rows(&database, left).await, fresh, "{text}");
    }
    for text in ["SET @left = 1", "/* a */ SET @left = 1", "# a\nSET @left = 1", "SELECT 1; SET @left = 1"] {
        assert!(run(&database, &write(text, &[]), Vec::new()).await.is_err(), "{text}");
        assert_eq!(rows(&database, left).await, fresh, "{text}");
    }
}
