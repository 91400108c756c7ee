//! `create --database` and `create FILE --infer`, as they are typed.

use std::time::{Duration, Instant};

use mcp_factory_testing::{Mariadb, Postgres};

use crate::{
    factory::json,
    run::{Place, named_binary},
};

const SHOP: &str = "CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL, password TEXT);
CREATE TABLE sales (id INTEGER PRIMARY KEY, product_id INTEGER NOT NULL REFERENCES products (id), sold DATE);
INSERT INTO products VALUES (1, 'Go', 9.5, 'x');";

fn shop() -> Place {
    let place = Place::new();
    rusqlite::Connection::open(place.path("shop.db")).unwrap().execute_batch(SHOP).unwrap();
    place
}

#[test]
fn a_database_is_shown_written_or_made_a_server() {
    let place = shop();
    let said = place.run(&["create", "--database", "shop.db", "--dry-run"]);
    assert!(said.code == Some(0) && said.out.starts_with("name: shop\n"), "{said:?}");
    assert!(said.out.contains("envVar: SHOP_DATABASE_URL") && !said.out.contains("password"), "{said:?}");
    assert!(said.err.contains("left out: `password`, which looks like a secret (at products)"), "{said:?}");
    assert!(said.err.ends_with("5 tools of `shop.db`, 1 part left out as listed above\n"), "{said:?}");

    let place = place.environment("DATABASE_URL", "shop.db");
    let chosen = ["create", "--database", "DATABASE_URL", "--tables", "sale*", "--writes", "--out", "sales.yaml"];
    let said = place.run(&chosen);
    assert!(said.code == Some(0) && said.out.is_empty(), "{said:?}");
    assert_eq!(place.run(&["validate", "sales.yaml", "--strict"]).code, Some(0));
    let said = place.run(&["test", "sales.yaml"]);
    assert_eq!(said.code, Some(0), "{said:?}");

    let said = place.run(&["create", "--database", "shop.db", "--output", "json"]);
    let created = json(&said.out);
    assert_eq!((&created["outcome"], &created["server"]["tools"]), (&"created".into(), &5.into()), "{said:?}");
}

#[test]
fn what_is_no_database_says_why_and_no_password() {
    let place = Place::new();
    for (url, why) in [
        ("postgresql://me:hunter2@127.0.0.1:1/shop", "can't read the database `shop` at 127.0.0.1:1"),
        ("oracle://me:hunter2@127.0.0.1/shop", "begins with"),
        ("gone.db", "there is no such file"),
    ] {
        let said = place.run(&["create", "--database", url, "--dry-run"]);
        assert!(said.code == Some(1) || said.code == Some(2), "{said:?}");
        assert!(said.err.contains(why) && !said.err.contains("hunter2"), "{said:?}");
    }
    assert!(!place.path("gone.db").exists());
    assert_eq!(place.run(&["create", "--database", "gone.db", "--tag", "a"]).code, Some(2));
}

const LACKING: &str = "name: lacking\nconnections: [{ name: db, type: sqlite, path: shop.db }]\ntools:\n  \
    - { name: search_products, description: By name, parameters: { query: { type: string } } }\n  \
    - { name: sync_catalog, description: Whatever that is }\n";

#[test]
fn tools_without_an_implementation_get_one_where_that_is_certain() {
    let place = shop().file("lacking.yaml", LACKING);
    let said = place.run(&["create", "lacking.yaml", "--infer", "--dry-run"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("LIKE '%' || :query || '%'") && said.out.contains("sync_catalog"), "{said:?}");
    assert!(
        said.err.contains("search_products: finds rows of `products`; `query` is text in `name` (run, read-only)"),
        "{said:?}"
    );
    assert!(said.err.contains("sync_catalog: nothing was written"), "{said:?}");
    let said = place.run(&["create", "lacking.yaml", "--infer", "--out", "whole.yaml"]);
    assert!(said.code == Some(0) && place.path("whole.yaml").exists(), "{said:?}");
    assert_eq!(place.run(&["create", "--infer", "--database", "shop.db"]).code, Some(2));
}

/// Issue 6 §5: with the release binary as many as are promised to take at most two seconds, which is printed; else a few.
fn tables() -> usize {
    if named_binary().is_some() { 500 } else { 25 }
}

fn many_tables(kind: &str) -> String {
    let table = |number: usize| {
        format!(
            "CREATE TABLE t{number} (id INTEGER PRIMARY KEY, name VARCHAR(80) NOT NULL, sku VARCHAR(20) UNIQUE, \
             kind VARCHAR(10) DEFAULT 'a' CHECK (kind IN ('a', 'b')), made DATE, price DECIMAL(10, 2) CHECK (price >= 0), \
             active BOOLEAN, mood {kind}, parent INTEGER REFERENCES t0 (id), other INTEGER REFERENCES t{} (id));\n",
            number / 2
        )
    };
    (0..tables()).map(table).collect()
}

fn imports_many_tables(database: &str, url: &str) {
    let place = Place::new().environment("DATABASE_URL", url);
    for writes in ["", "--writes"] {
        let mut command = vec!["create", "--database", "DATABASE_URL", "--dry-run", writes];
        command.retain(|word| !word.is_empty());
        let mut took = [Duration::ZERO; 3];
        for took in &mut took {
            let began = Instant::now();
            let said = place.run(&command);
            *took = began.elapsed();
            assert_eq!(said.code, Some(0), "{}", said.err);
            assert!(said.out.contains(&format!("name: get_t{}\n", tables() - 1)), "{}", said.err);
        }
        eprintln!("{} tables of {database} {writes} imported in {took:?}; 2 s are promised without writes", tables());
    }
}

#[test]
fn many_tables_of_sqlite_are_imported() {
    let place = Place::new();
    let file = place.path("many.db");
    rusqlite::Connection::open(&file).unwrap().execute_batch(&many_tables("VARCHAR(10)")).unwrap();
    imports_many_tables("SQLite", &file.display().to_string());
}

#[test]
fn many_tables_of_postgresql_are_imported() {
    let postgres = Postgres::start();
    postgres.execute(&format!("CREATE TYPE mood AS ENUM ('sad', 'ok');\n{}", many_tables("mood")));
    imports_many_tables("PostgreSQL", &postgres.url());
}

#[test]
fn many_tables_of_mariadb_are_imported() {
    let mariadb = Mariadb::start();
    mariadb.execute(&many_tables("ENUM('sad', 'ok')"));
    imports_many_tables("MariaDB", &mariadb.url());
}
