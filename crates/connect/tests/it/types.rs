//! `docs/types.md` holds: every row of its tables is read back from the real database.

use std::ops::ControlFlow;

use mcp_factory_connect::sql::{Backend, Cell, Columns, Database, DatabaseConfig, RowSink, RunOptions, Source};
use mcp_factory_testing::{Mariadb, Postgres};

use crate::collect::{Collect, execute, open, read};

/// Keeps the JSON of the last cell.
#[derive(Default)]
struct Json(String);

impl RowSink for Json {
    fn columns(&mut self, _: &Columns) {}

    fn cell(&mut self, _: usize, cell: Cell<'_>) {
        let mut json = Vec::new();
        cell.write_json(&mut json);
        self.0 = String::from_utf8(json).unwrap();
    }

    fn end_row(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn reset(&mut self) {}
}

struct Row {
    ty: String,
    value: String,
    json: String,
}

fn table(heading: &str) -> Vec<Row> {
    let document = include_str!("../../../../docs/types.md");
    let section = document.split("\n## ").find(|section| section.starts_with(heading)).expect("the heading is there");
    let code = |cell: &str| cell.trim().trim_start_matches('`').rsplit_once('`').map(|(code, _)| code.to_owned());
    let first = |cell: &str| cell.trim().trim_start_matches('`').split_once('`').map(|(code, _)| code.to_owned());
    let rows = section.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").collect();
        let [ty, value, json] = cells.as_slice() else { panic!("three cells: {line}") };
        Row { ty: first(ty).unwrap(), value: code(value).unwrap(), json: code(json).unwrap() }
    });
    rows.collect()
}

async fn json(database: &Database, text: &str) -> Result<String, String> {
    let result = database.run(&read(text, &[]), vec![], Json::default(), &RunOptions::default()).await;
    result.map(|(sink, _)| sink.0).map_err(|error| error.to_string())
}

fn hold(heading: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{heading}:\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_row_of_the_table_of_postgresql_holds() {
    let postgres = Postgres::start();
    let database = open(DatabaseConfig::new("db", Backend::Postgres, Source::Url(postgres.url())));
    execute(&database, "CREATE TYPE mood AS ENUM ('sad', 'happy')").await;
    execute(&database, "CREATE DOMAIN price AS numeric(10,2)").await;
    execute(&database, "CREATE TYPE item AS (name text, price numeric, seen date)").await;
    let rows = table("PostgreSQL");
    assert!(rows.len() > 60);
    let mut wrong = Vec::new();
    for Row { ty, value, json: expected } in rows {
        let text = if ty == "record" { format!("SELECT {value}") } else { format!("SELECT ({value})::{ty}") };
        let got = json(&database, &text).await;
        if got.as_ref() != Ok(&expected) {
            wrong.push(format!("{text}: {got:?}, not {expected}"));
        }
    }
    hold("PostgreSQL", &wrong);
}

/// What the server itself writes is what was read, for many values that the server makes.
#[tokio::test]
async fn numbers_dates_and_intervals_read_as_the_server_writes_them() {
    let postgres = Postgres::start();
    let database = open(DatabaseConfig::new("db", Backend::Postgres, Source::Url(postgres.url())));
    let numbers = "(random()::numeric * 10::numeric ^ (i % 60 - 30) * (1 - i % 2 * 2))::numeric(80, 40)";
    let scaled = "trim_scale((random() * 1e8)::int * 10::numeric ^ (i % 24 - 12))";
    let days = "'0001-01-01'::date + i * 365 + i % 366";
    let spans =
        "make_interval(mins => (i * 7919) % 5000 - 2500, days => i % 61 - 30, months => i % 41 - 20, secs => i % 7)";
    let checks = [
        (numbers, "v::text"),
        (scaled, "v::text"),
        (days, "to_char(v, 'YYYY-MM-DD')"),
        ("'1900-01-01'::timestamp + i * interval '1 year 3 hours 7.000009 seconds'", "to_json(v)#>>'{}'"),
        (spans, "v::text"),
        ("ARRAY[i, NULL, -i]", "replace(to_json(v)::text, ' ', '')"),
    ];
    let options = RunOptions { session: vec![("intervalstyle".into(), "iso_8601".into())], ..RunOptions::default() };
    for (value, text) in checks {
        let statement =
            read(&format!("SELECT v, {text} FROM (SELECT {value} AS v FROM generate_series(1, 3000) i) s"), &[]);
        let (sink, _) = database.run(&statement, vec![], Collect::default(), &options).await.unwrap();
        assert_eq!(sink.rows.len(), 3_000);
        for row in sink.rows {
            let inner = |cell: &str| cell.split_once('(').map(|(_, rest)| rest.to_owned());
            assert_eq!(inner(&row[0]), inner(&row[1]), "{value}");
        }
    }
}

async fn stored(database: &Database, Row { ty, value, json: expected }: Row) -> Result<(), String> {
    execute(database, "DROP TABLE IF EXISTS stored").await;
    execute(database, &format!("CREATE TABLE stored (v {ty})")).await;
    execute(database, &format!("INSERT INTO stored VALUES ({value})")).await;
    let got = json(database, "SELECT v FROM stored").await;
    if got.as_ref() == Ok(&expected) { Ok(()) } else { Err(format!("{ty} {value}: {got:?}, not {expected}")) }
}

#[tokio::test]
async fn every_row_of_the_table_of_mysql_holds() {
    let mariadb = Mariadb::start();
    let database = open(DatabaseConfig::new("db", Backend::Mysql, Source::Url(mariadb.url())));
    let rows = table("MySQL");
    assert!(rows.len() > 25);
    let mut wrong = Vec::new();
    for row in rows {
        wrong.extend(stored(&database, row).await.err());
    }
    hold("MySQL", &wrong);
}

#[tokio::test]
async fn every_row_of_the_table_of_sqlite_holds() {
    let database = open(DatabaseConfig::new("db", Backend::Sqlite, Source::Memory));
    let rows = table("SQLite");
    assert!(rows.len() > 15);
    let mut wrong = Vec::new();
    for row in rows {
        wrong.extend(stored(&database, row).await.err());
    }
    hold("SQLite", &wrong);
}
