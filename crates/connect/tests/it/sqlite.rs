use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use mcp_factory_connect::{
    Denied, FixedSecrets, Grant, Policy,
    sql::{Backend, Cell, Class, Columns, Database, DatabaseConfig, Hint, RowSink, RunOptions, Seed, Source},
};
use serde_json::json;
use tokio::sync::oneshot;

use crate::collect::{Collect, execute, open, read, rows, run, write};

/// Counts to a number that is never reached in a test.
const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

fn memory(seed: &str) -> DatabaseConfig {
    let seed = Some(Seed::Text(seed.to_owned()));
    DatabaseConfig { seed, ..DatabaseConfig::new("db", Backend::Sqlite, Source::Memory) }
}

fn file(path: &Path, seed: &str) -> DatabaseConfig {
    DatabaseConfig { source: Source::Path(path.to_owned()), ..memory(seed) }
}

const PRODUCTS: &str = "
    CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, stock INTEGER CHECK (stock >= 0));
    INSERT INTO products VALUES (1, 'pen', 3), (2, 'ink', 4), (3, 'paper', 5);";

#[tokio::test]
async fn a_file_is_made_from_its_seed_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let first = open(file(&path, PRODUCTS));
    assert!(!path.exists(), "making a database does no IO");
    assert_eq!(rows(&first, "SELECT count(*) FROM products").await, [["I64(3)"]]);
    assert_eq!(execute(&first, "DELETE FROM products WHERE id = 3").await.rows_affected, 1);
    let second = open(file(&path, PRODUCTS));
    assert_eq!(rows(&second, "SELECT count(*) FROM products").await, [["I64(2)"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_make_one_file_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let openings = (0..8).map(|_| {
        let database = open(file(&path, PRODUCTS));
        tokio::spawn(async move { rows(&database, "SELECT count(*) FROM products").await })
    });
    for opening in openings.collect::<Vec<_>>() {
        assert_eq!(opening.await.unwrap(), [["I64(3)"]]);
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().starts_with("shop.db")), "{left:?}");
}

#[tokio::test]
async fn a_broken_seed_makes_no_file_and_says_where_it_broke() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let database = open(file(&path, "CREATE TABLE a (b); INSERT INTO nowhere VALUES (1);"));
    let error = run(&database, &read("SELECT 1", &[]), vec![]).await.unwrap_err();
    assert_eq!(error.class(), Class::Configuration);
    assert!(error.message().contains("no such table: nowhere"), "{error}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_database_in_memory_is_shared_by_its_connections_and_by_nobody_else() {
    let database = open(memory(PRODUCTS));
    execute(&database, "INSERT INTO products VALUES (4, 'clip', 1)").await;
    assert_eq!(rows(&database, "SELECT count(*) FROM products").await, [["I64(4)"]]);
    assert_eq!(rows(&open(memory(PRODUCTS)), "SELECT count(*) FROM products").await, [["I64(3)"]]);
}

#[tokio::test]
async fn a_write_tells_what_it_changed_and_what_it_returns() {
    let database = open(memory(PRODUCTS));
    let statement = write("UPDATE products SET stock = ?1 WHERE id >= ?2 RETURNING id, stock", &[Hint::Integer; 2]);
    let sink = Collect { limit: Some(1), ..Collect::default() };
    let (sink, outcome) =
        database.run(&statement, vec![json!(9), json!(2)], sink, &RunOptions::default()).await.unwrap();
    assert_eq!(sink.rows, [["I64(2)", "I64(9)"]]);
    assert!(outcome.stopped && outcome.has_rows && outcome.rows_affected == 2);
    assert_eq!(rows(&database, "SELECT sum(stock) FROM products").await, [["I64(21)"]]);
    assert_eq!(execute(&database, "CREATE TABLE other (a)").await.rows_affected, 0);
}

/// The connection that writes is busy: what only reads, whatever it was declared as, does not wait for it.
#[tokio::test]
async fn only_what_writes_waits_for_the_connection_that_writes() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = file(&folder.path().join("a.db"), PRODUCTS);
    config.pool.acquire_timeout = Duration::from_millis(50);
    let database = Arc::new(open(config));
    let text =
        "INSERT INTO products (name) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    let writer = tokio::spawn({
        let database = database.clone();
        async move { run(&database, &write(text, &[]), vec![]).await.map(|_| ()) }
    });
    tokio::task::yield_now().await;
    let (sink, _) = run(&database, &write("SELECT count(*) FROM products", &[]), vec![]).await.unwrap();
    assert_eq!(sink.rows, [["I64(3)"]]);
    let error = run(&database, &write("DELETE FROM products", &[]), vec![]).await.unwrap_err();
    assert_eq!(error.message(), "the one connection of `db` stayed in use for 50ms; try again later");
    writer.abort();
}

#[tokio::test]
async fn a_read_can_not_write_whatever_it_looks_like() {
    let database = open(memory(PRODUCTS));
    let wrong =
        ["DELETE FROM products", "WITH a AS (SELECT 1) INSERT INTO products SELECT 9, 'x', 1", "CREATE TABLE x (y)"];
    for text in wrong {
        let error = run(&database, &read(text, &[]), vec![]).await.unwrap_err();
        assert_eq!(error.class(), Class::ReadOnly, "{text}: {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let config = DatabaseConfig { read_only: true, ..file(&folder.path().join("a.db"), PRODUCTS) };
    let error = run(&open(config), &write("DELETE FROM products", &[]), vec![]).await.unwrap_err();
    assert_eq!(error.class(), Class::ReadOnly);
}

#[tokio::test]
async fn a_statement_reaches_no_other_file_and_changes_no_setting() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(file(&folder.path().join("a.db"), PRODUCTS));
    let other = folder.path().join("other.db");
    let wrong = [
        format!("ATTACH DATABASE '{}' AS other", other.display()),
        format!("VACUUM INTO '{}'", other.display()),
        "PRAGMA query_only = OFF".to_owned(),
        // In front of tables of the same names, for whoever calls next.
        "CREATE TEMP TABLE items (a)".to_owned(),
        "CREATE TABLE temp.items (a)".to_owned(),
        "CREATE TEMP VIEW items AS SELECT 1 AS a".to_owned(),
        "CREATE VIEW temp.products AS SELECT 1 AS a".to_owned(),
        "CREATE VIRTUAL TABLE temp.products USING fts5(a)".to_owned(),
        "CREATE TEMP TRIGGER told AFTER INSERT ON products BEGIN SELECT 1; END".to_owned(),
        "CREATE TRIGGER temp.told AFTER INSERT ON products BEGIN SELECT 1; END".to_owned(),
        "PRAGMA journal_mode = DELETE".to_owned(),
        "SELECT load_extension('x')".to_owned(),
        "SELECT 1; DELETE FROM products".to_owned(),
        "BEGIN".to_owned(),
        "SAVEPOINT a".to_owned(),
        "SELECT zeroblob(1000000000)".to_owned(),
    ];
    for text in wrong {
        for statement in [read(&text, &[]), write(&text, &[])] {
            let Err(error) = run(&database, &statement, vec![]).await else { panic!("{text} was run") };
            assert!(matches!(error.class(), Class::Rejected | Class::ReadOnly), "{text}: {error:?}");
        }
    }
    assert!(!other.exists());
    assert_eq!(rows(&database, "SELECT count(*) FROM products").await, [["I64(3)"]]);
    assert_eq!(rows(&database, "SELECT name FROM pragma_table_info('products') LIMIT 1").await, [["Text(\"id\")"]]);
}

#[tokio::test]
async fn errors_keep_the_message_of_the_database_and_have_a_class() {
    let database = open(memory(PRODUCTS));
    let check = async |text: &str, class: Class, code: &str, message: &str| {
        let error = run(&database, &write(text, &[]), vec![]).await.unwrap_err();
        assert_eq!((error.class(), error.code()), (class, Some(code)), "{error}");
        assert!(error.message().contains(message), "{error}");
    };
    let unique = "UNIQUE constraint failed: products.name";
    check("INSERT INTO products VALUES (9, 'pen', 1)", Class::Constraint, "SQLITE_CONSTRAINT_UNIQUE", unique).await;
    check("UPDATE products SET stock = -1", Class::Constraint, "SQLITE_CONSTRAINT_CHECK", "stock >= 0").await;
    check("SELECT colour FROM products", Class::Rejected, "SQLITE_ERROR", "no such column: colour").await;
    check("SELEC 1", Class::Rejected, "SQLITE_ERROR", "near \"SELEC\": syntax error").await;
    check("INSERT INTO products VALUES ('x', 'x', 1)", Class::BadArgument, "SQLITE_MISMATCH", "datatype mismatch")
        .await;
}

#[tokio::test]
async fn arguments_are_bound_as_they_are() {
    let database = open(memory(PRODUCTS));
    let hints = [Hint::Any, Hint::Any, Hint::Any, Hint::Any, Hint::Bytes, Hint::Json, Hint::Integer];
    let statement = read("SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, typeof(?7)", &hints);
    let nasty = "'; DROP TABLE products; --\0\u{202e}";
    let arguments = vec![
        json!(nasty),
        json!(9_223_372_036_854_775_807_i64),
        json!(true),
        json!(0.1),
        json!("AAH/"),
        json!({"a": [1, null]}),
        json!(null),
    ];
    let expected = [
        format!("Text({nasty:?})"),
        "I64(9223372036854775807)".into(),
        "I64(1)".into(),
        "F64(0.1)".into(),
        "Bytes([0, 1, 255])".into(),
        r#"Text("{\"a\":[1,null]}")"#.into(),
        "Null".into(),
        "Text(\"null\")".into(),
    ];
    assert_eq!(run(&database, &statement, arguments).await.unwrap().0.rows, [expected]);

    let check = async |hint, argument, message: &str| {
        let error = run(&database, &read("SELECT ?1", &[hint]), vec![argument]).await.unwrap_err();
        assert_eq!((error.class(), error.message()), (Class::BadArgument, message));
    };
    check(Hint::Integer, json!(u64::MAX), "argument `p1` is an integer above 9223372036854775807").await;
    check(Hint::Bytes, json!("***"), "argument `p1` is not base64").await;
}

#[tokio::test]
async fn a_timeout_stops_the_statement() {
    let database = open(memory(PRODUCTS));
    let options = RunOptions { timeout: Duration::from_millis(50), ..RunOptions::default() };
    let error = database.run(&read(ENDLESS, &[]), vec![], Collect::default(), &options).await.unwrap_err();
    assert_eq!((error.class(), error.message()), (Class::Timeout, "the statement was stopped after 50ms"));
}

/// With one connection for long reads, the next long read gets it only when the first has ended.
#[tokio::test]
async fn a_dropped_call_stops_its_statement_and_gives_the_connection_back() {
    let mut config = memory(PRODUCTS);
    config.pool.max = 1;
    let database = open(config);
    let endless = read(ENDLESS, &[]);
    let forever = RunOptions { timeout: Duration::from_hours(1), ..RunOptions::default() };
    for _ in 0..5 {
        let call = database.run(&endless, vec![], Collect::default(), &forever);
        assert!(tokio::time::timeout(Duration::from_millis(20), call).await.is_err());
    }
    let long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300000) SELECT count(*) FROM n";
    assert_eq!(rows(&database, long).await, [["I64(300000)"]]);
}

#[tokio::test]
async fn a_dropped_write_changes_nothing() {
    let database = open(memory(PRODUCTS));
    let text =
        "INSERT INTO products (name) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    let statement = write(text, &[]);
    let call = run(&database, &statement, vec![]);
    assert!(tokio::time::timeout(Duration::from_millis(30), call).await.is_err());
    execute(&database, "UPDATE products SET stock = 1").await;
    assert_eq!(rows(&database, "SELECT count(*) FROM products").await, [["I64(3)"]]);
}

/// On one thread: if a long read held it, no quick one would end before the long one is dropped.
#[tokio::test]
async fn long_reads_hold_up_no_quick_one() {
    let database = Arc::new(open(memory(PRODUCTS)));
    let endless = read(ENDLESS, &[]);
    let long: Vec<_> = (0..20)
        .map(|_| {
            let (database, endless) = (database.clone(), endless.clone());
            tokio::spawn(async move { run(&database, &endless, vec![]).await.map(|_| ()) })
        })
        .collect();
    tokio::task::yield_now().await;
    let quick = read("SELECT name FROM products WHERE id = ?1", &[Hint::Integer]);
    let begun = Instant::now();
    for _ in 0..1_000 {
        let (sink, _) = run(&database, &quick, vec![json!(2)]).await.unwrap();
        assert_eq!((sink.rows, sink.resets), (vec![vec!["Text(\"ink\")".to_owned()]], 0));
        tokio::task::yield_now().await;
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(long.iter().all(|call| !call.is_finished()), "the long ones still run");
    long.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Says when the second run, the one on a thread for long reads, has its first row.
struct SecondRun {
    began: Option<oneshot::Sender<()>>,
    resets: usize,
}

impl RowSink for SecondRun {
    fn columns(&mut self, _: &Columns) {}

    fn cell(&mut self, _: usize, _: Cell<'_>) {}

    fn end_row(&mut self) -> ControlFlow<()> {
        if self.resets > 0 {
            self.began.take().map(|began| began.send(()));
        }
        ControlFlow::Continue(())
    }

    fn reset(&mut self) {
        self.resets += 1;
    }
}

/// Gives its connection back only when as many others as are to come have one too.
struct Together {
    missing: Arc<(Mutex<usize>, Condvar)>,
    resets: usize,
}

impl RowSink for Together {
    fn columns(&mut self, _: &Columns) {}

    fn cell(&mut self, _: usize, _: Cell<'_>) {}

    fn end_row(&mut self) -> ControlFlow<()> {
        let (missing, changed) = &*self.missing;
        let mut count = missing.lock().unwrap();
        *count = count.saturating_sub(1);
        changed.notify_all();
        // So that a failure ends: one that never comes has been refused.
        drop(changed.wait_timeout_while(count, Duration::from_secs(20), |count| *count > 0).unwrap());
        ControlFlow::Continue(())
    }

    fn reset(&mut self) {
        self.resets += 1;
    }
}

/// Long reads have all that there is for them, and there is one connection for quick ones when several come at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quick_reads_at_once_need_nothing_that_long_ones_hold() {
    let folder = tempfile::tempdir().unwrap();
    for mut config in [memory(PRODUCTS), file(&folder.path().join("a.db"), PRODUCTS)] {
        config.pool.max = 3;
        config.pool.acquire_timeout = Duration::from_millis(50);
        let database = Arc::new(open(config));
        let mut long = Vec::new();
        for _ in 0..3 {
            let (database, (began, beginning)) = (database.clone(), oneshot::channel());
            long.push(tokio::spawn(async move {
                let text = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
                let sink = SecondRun { began: Some(began), resets: 0 };
                database.run(&read(text, &[]), vec![], sink, &RunOptions::default()).await.map(|_| ())
            }));
            beginning.await.expect("the long read runs");
        }
        let at_once = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 16);
        let missing = Arc::new((Mutex::new(at_once), Condvar::new()));
        // Each has a thread of its own, for it blocks it.
        let quick = (0..at_once).map(|_| {
            let (database, sink) = (database.clone(), Together { missing: missing.clone(), resets: 0 });
            tokio::task::spawn_blocking(move || {
                let statement = read("SELECT name FROM products WHERE id = 2", &[]);
                let options = RunOptions::default();
                let run = database.run(&statement, vec![], sink, &options);
                tokio::runtime::Handle::current().block_on(run).map(|(sink, _)| sink.resets)
            })
        });
        for call in quick.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap().expect("a quick read is not refused"), 0, "it ran at once");
        }
        assert_eq!(*missing.0.lock().unwrap(), 0, "all of them ran at the same time");
        assert!(long.iter().all(|call| !call.is_finished()), "the long ones still run");
        long.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

#[tokio::test]
async fn long_reads_are_bounded_and_those_too_many_are_told_so() {
    let mut config = memory(PRODUCTS);
    config.pool.max = 2;
    config.pool.acquire_timeout = Duration::from_millis(50);
    let database = Arc::new(open(config));
    let endless = read(ENDLESS, &[]);
    let long: Vec<_> = (0..2)
        .map(|_| {
            let (database, endless) = (database.clone(), endless.clone());
            tokio::spawn(async move { run(&database, &endless, vec![]).await.map(|_| ()) })
        })
        .collect();
    tokio::task::yield_now().await;
    let error = run(&database, &endless, vec![]).await.unwrap_err();
    assert_eq!(error.class(), Class::Busy);
    assert_eq!(error.message(), "all 2 connections of `db` stayed in use for 50ms; try again later");
    long.iter().for_each(tokio::task::JoinHandle::abort);
}

/// A statement that was interrupted at its first run gives its rows once.
#[tokio::test]
async fn a_statement_that_is_run_again_gives_every_row_once() {
    let database = open(memory(PRODUCTS));
    let long =
        read("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200000) SELECT i FROM n", &[]);
    let (first, _) = run(&database, &long, vec![]).await.unwrap();
    assert_eq!((first.rows.len(), first.resets), (200_000, 1));
    let (second, _) = run(&database, &long, vec![]).await.unwrap();
    assert_eq!((second.rows.len(), second.resets), (200_000, 0), "it is remembered");
}

#[tokio::test]
async fn a_path_needs_its_grant() {
    let config = DatabaseConfig::new("db", Backend::Sqlite, Source::Path("/data/a.db".into()));
    let denied = Database::new(config, Arc::new(FixedSecrets::default()), Arc::new(Policy::none())).unwrap_err();
    assert_eq!(denied, Denied { grant: Grant::Path("/data/a.db".into()) });
    let config = DatabaseConfig::new("db", Backend::Sqlite, Source::Secret("DB".into()));
    let secrets: FixedSecrets = [("DB", "/data/a.db")].into_iter().collect();
    let database = Database::new(config, Arc::new(secrets), Arc::new(Policy::none())).unwrap();
    let error = run(&database, &read("SELECT 1", &[]), vec![]).await.unwrap_err();
    assert_eq!(error.class(), Class::Configuration);
    assert!(error.message().starts_with("the path `/data/a.db` is not granted"), "{error}");
    assert_eq!(error.denied(), Some(&Denied { grant: Grant::Path("/data/a.db".into()) }));
}

#[tokio::test]
async fn a_link_leads_out_of_no_granted_folder() {
    let (granted, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let real = |folder: &tempfile::TempDir| folder.path().canonicalize().unwrap();
    rows(&open(file(&outside.path().join("there.db"), PRODUCTS)), "SELECT 1").await;
    let link = std::os::unix::fs::symlink::<PathBuf, PathBuf>;
    link(real(&outside).join("there.db"), real(&granted).join("there.db")).unwrap();
    link(real(&outside).join("new.db"), real(&granted).join("new.db")).unwrap();
    link(real(&outside), real(&granted).join("folder")).unwrap();
    let policy = Arc::new(Policy::none().with(Grant::Path(real(&granted))));
    for name in ["there.db", "new.db", "folder/there.db"] {
        let config = DatabaseConfig { seed: None, ..file(&real(&granted).join(name), "") };
        let database = Database::new(config, Arc::new(FixedSecrets::default()), policy.clone()).unwrap();
        run(&database, &read("SELECT 1", &[]), vec![]).await.unwrap_err();
    }
    assert!(!outside.path().join("new.db").exists());
    // The operator may link as they like.
    let linked = open(DatabaseConfig { seed: None, ..file(&granted.path().join("folder/there.db"), "") });
    assert_eq!(rows(&linked, "SELECT count(*) FROM products").await, [["I64(3)"]]);
}

#[tokio::test]
async fn a_file_that_can_not_be_opened_is_named_and_may_come_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later").join("a.db");
    let config = DatabaseConfig { seed: None, ..file(&path, "") };
    let database = open(config);
    let error = run(&database, &read("SELECT 1", &[]), vec![]).await.unwrap_err();
    assert_eq!(error.class(), Class::Unavailable);
    assert!(error.message().contains("`a.db`") && !error.message().contains("later"), "{error}");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    assert_eq!(rows(&database, "SELECT 1").await, [["I64(1)"]]);
}

#[tokio::test]
async fn declared_types_are_followed_where_nothing_is_lost() {
    let seed = "
        CREATE TABLE t (b BOOLEAN, d DECIMAL(10,2), day DATE, at DATETIME, clock TIME, doc JSON);
        INSERT INTO t VALUES (1, 19.99, '2026-11-21', '2026-11-21 04:47:15.5', '04:47:15', '{\"a\":  1}');
        INSERT INTO t VALUES (2, 'n/a', 'today', 1700000000, 'noon', '{oops');";
    let database = open(memory(seed));
    let exact = [
        "Bool(true)",
        "Decimal(\"19.99\")",
        "Date(\"2026-11-21\")",
        "Timestamp(\"2026-11-21T04:47:15.5\")",
        "Time(\"04:47:15\")",
        "Json(\"{\\\"a\\\":  1}\")",
    ];
    let plain = ["I64(2)", "Text(\"n/a\")", "Text(\"today\")", "I64(1700000000)", "Text(\"noon\")", "Text(\"{oops\")"];
    assert_eq!(rows(&database, "SELECT * FROM t").await, [exact, plain]);
}

#[tokio::test]
async fn a_changed_table_shows_its_new_columns() {
    let database = open(memory(PRODUCTS));
    let all = read("SELECT * FROM products WHERE id = 1", &[]);
    assert_eq!(run(&database, &all, vec![]).await.unwrap().0.columns.len(), 3);
    execute(&database, "ALTER TABLE products ADD COLUMN colour TEXT DEFAULT 'red'").await;
    let (sink, _) = run(&database, &all, vec![]).await.unwrap();
    assert_eq!((sink.columns.len(), sink.rows[0].len()), (4, 4));
}

#[tokio::test]
async fn a_closed_database_lets_nobody_in() {
    let database = open(memory(PRODUCTS));
    execute(&database, "DELETE FROM products").await;
    database.close().await;
    let error = run(&database, &write("DELETE FROM products", &[]), vec![]).await.unwrap_err();
    assert_eq!((error.class(), error.message()), (Class::Unavailable, "`db` is being closed"));
}

/// Whoever calls is told which database, and nothing of where it lies on the machine.
#[tokio::test]
async fn a_database_that_can_not_be_opened_is_named_without_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let config = DatabaseConfig::new("db", Backend::Sqlite, Source::Path(folder.path().join("nowhere/shop.db")));
    let error = run(&open(config), &read("SELECT 1", &[]), vec![]).await.unwrap_err();
    assert_eq!(error.class(), Class::Unavailable);
    assert!(error.message().starts_with("opening the database `shop.db` of `db` failed: "), "{error}");
    assert!(!error.to_string().contains(&*folder.path().to_string_lossy()), "{error}");
}
