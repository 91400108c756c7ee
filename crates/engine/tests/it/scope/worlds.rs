//! A database in which bobs has rows, and the same one without him: what tells them apart is told of bobs.

use mcp_factory_spec::sql::Dialect;
use mcp_factory_testing::{Mariadb, Postgres};
use mysql_async::prelude::Queryable;
use tokio_postgres::SimpleQueryMessage;

const SETUP: &[&str] = &[
    "CREATE TABLE products (id INTEGER PRIMARY KEY, owner VARCHAR(50), name VARCHAR(50), kind INTEGER)",
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, owner VARCHAR(50), name VARCHAR(50), product INTEGER)",
    // Shared by all, and with a column that is called like the owner's.
    "CREATE TABLE kinds (id INTEGER PRIMARY KEY, owner VARCHAR(50), name VARCHAR(50))",
    "INSERT INTO kinds VALUES (1, 'alice', 'a'), (2, 'bobs', 'b'), (777001, 'alice', 'c')",
    "INSERT INTO products VALUES (1, 'alice', 'a', 1), (2, 'alice', 'b', 2), (777001, 'bobs', 'bobs-1', 1), \
     (777002, 'bobs', 'bobs-2', 777001), (777003, 'bobs', 'a', 2)",
    "INSERT INTO orders VALUES (1, 'alice', 'b', 1), (2, 'alice', 'c', 777001), (777001, 'bobs', 'bobs-3', 777001), \
     (777002, 'bobs', 'bobs-4', 1), (777003, 'bobs', 'b', 2)",
];

const OTHER_SCHEMA: &[&str] = &[
    "CREATE SCHEMA hidden",
    "CREATE TABLE hidden.products (id INTEGER PRIMARY KEY, owner VARCHAR(50), name VARCHAR(50), kind INTEGER)",
    "INSERT INTO hidden.products VALUES (1, 'alice', 'a', 1)",
];

/// Of bobs, and of everybody else.
const HIS: &str = "SELECT 'p', id, owner, name, kind FROM products WHERE owner = 'bobs' UNION ALL \
                   SELECT 'o', id, owner, name, product FROM orders WHERE owner = 'bobs' ORDER BY 1, 2";
const REST: &str = "SELECT 'p', id, owner, name, kind FROM products WHERE owner IS NULL OR owner <> 'bobs' UNION ALL \
                    SELECT 'o', id, owner, name, product FROM orders WHERE owner IS NULL OR owner <> 'bobs' UNION ALL \
                    SELECT 'k', id, owner, name, 0 FROM kinds ORDER BY 1, 2";

pub struct Worlds {
    connection: Connection,
    his: Vec<String>,
}

enum Connection {
    Sqlite(rusqlite::Connection),
    Postgres(tokio_postgres::Client, #[expect(dead_code, reason = "it runs as long")] Postgres),
    Mariadb(mysql_async::Conn, #[expect(dead_code, reason = "it runs as long")] Mariadb),
}

/// What a statement came to.
#[derive(Debug, PartialEq)]
struct Run {
    answer: Vec<String>,
    rest: Vec<String>,
}

impl Worlds {
    pub async fn start(dialect: Dialect) -> Self {
        let connection = match dialect {
            Dialect::Sqlite => Connection::Sqlite(rusqlite::Connection::open_in_memory().unwrap()),
            Dialect::Postgres => {
                let server = Postgres::start();
                let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
                tokio::spawn(connection);
                Connection::Postgres(client, server)
            }
            Dialect::Mysql => {
                let server = Mariadb::start();
                let conn = mysql_async::Conn::from_url(server.url()).await.unwrap();
                Connection::Mariadb(conn, server)
            }
        };
        let mut worlds = Self { connection, his: Vec::new() };
        let other: &[&str] = if dialect == Dialect::Postgres { OTHER_SCHEMA } else { &[] };
        for text in SETUP.iter().chain(other) {
            worlds.rows(text).await.unwrap();
        }
        worlds.his = worlds.rows(HIS).await.unwrap();
        assert_eq!(worlds.his.len(), 6);
        worlds
    }

    pub fn dialect(&self) -> Dialect {
        match self.connection {
            Connection::Sqlite(_) => Dialect::Sqlite,
            Connection::Postgres(..) => Dialect::Postgres,
            Connection::Mariadb(..) => Dialect::Mysql,
        }
    }

    /// Runs it in both worlds, and undoes it. A leak is an error; what the database refused to run is told.
    pub async fn tell_apart(&mut self, text: &str) -> Result<Option<String>, String> {
        let with = self.run(text, true).await?;
        let without = self.run(text, false).await?;
        match (with, without) {
            (Ok(with), Ok(without)) if with == without => Ok(None),
            // That a key is taken can be found out by any INSERT. His rows are as they were, or it were an error.
            (Ok(_), Ok(_)) if text.contains("ON CONFLICT") => Ok(None),
            (Ok(with), Ok(without)) => Err(format!("with the rows of bobs: {with:#?}\nwithout: {without:#?}")),
            // A key may be taken, a subselect may have two rows.
            (Err(error), _) | (_, Err(error)) => Ok(Some(error)),
        }
    }

    async fn run(&mut self, text: &str, with_his: bool) -> Result<Result<Run, String>, String> {
        self.rows("BEGIN").await.unwrap();
        if !with_his {
            self.rows("DELETE FROM products WHERE owner = 'bobs'").await.unwrap();
            self.rows("DELETE FROM orders WHERE owner = 'bobs'").await.unwrap();
        }
        let result = match self.rows(text).await {
            Ok(mut answer) => {
                answer.sort_unstable();
                let his = self.rows(HIS).await.unwrap();
                let rest = self.rows(REST).await.unwrap();
                Ok((his, Run { answer, rest }))
            }
            Err(error) => Err(error),
        };
        self.rows("ROLLBACK").await.unwrap();
        match result {
            Ok((his, _)) if his != if with_his { self.his.clone() } else { Vec::new() } => {
                Err(format!("the rows of bobs became {his:#?}"))
            }
            Ok((_, run)) => Ok(Ok(run)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn rows(&mut self, text: &str) -> Result<Vec<String>, String> {
        match &mut self.connection {
            Connection::Sqlite(connection) => sqlite_rows(connection, text).map_err(|error| error.to_string()),
            Connection::Postgres(client, _) => {
                let messages = client.simple_query(text).await.map_err(|error| format!("{error:?}"))?;
                let rows = messages.iter().filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => {
                        Some((0..row.len()).map(|index| format!("{:?} ", row.get(index))).collect())
                    }
                    _ => None,
                });
                Ok(rows.collect())
            }
            Connection::Mariadb(conn, _) => {
                let rows: Vec<mysql_async::Row> = conn.query(text).await.map_err(|error| error.to_string())?;
                Ok(rows.into_iter().map(|row| format!("{:?}", row.unwrap())).collect())
            }
        }
    }
}

fn sqlite_rows(connection: &rusqlite::Connection, text: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(text)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let cells: rusqlite::Result<String> =
            (0..columns).map(|index| Ok(format!("{:?} ", row.get_ref(index)?))).collect();
        all.push(cells?);
    }
    Ok(all)
}
