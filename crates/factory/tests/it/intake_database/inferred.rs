//! `create FILE --infer`: what a spec lacks, from the live schema; tried, told, and never guessed.

use std::{collections::BTreeMap, path::Path};

use mcp_factory::intake::{Reach, infer};
use mcp_factory_connect::{FixedSecrets, sql::Backend};
use mcp_factory_spec::{Format, Spec};
use mcp_factory_testing::{Mariadb, Postgres};
use serde_json::json;

use super::{Ground, NoFiles, ask, shop};

/// The first tool is the design document's.
const TOOLS: &str = "
  - name: search_products
    description: Search products by name, SKU, or kind
    parameters:
      query: { type: string, required: true }
      kind: { type: string, enum: [book, toy] }
      limit: { type: integer, default: 50 }
    returns:
      type: array
      items: { type: object, properties: { id: { type: string }, name: { type: string }, price: { type: number } } }
  - { name: get_customer, description: A customer, parameters: { id: { type: integer, required: true } } }
  - name: list_orders
    description: Orders, newest last
    parameters: { customer_id: { type: integer }, placed_from: { type: string }, ids: { type: array, items: { type: integer } } }
    paginate: { pageSize: 2 }
  - { name: count_products, description: How many, parameters: { kind: { type: string } } }
  - name: create_product
    description: A new one
    parameters: { id: { type: integer, required: true }, name: { type: string, required: true }, kind: { type: string }, price: { type: number } }
  - name: update_product
    description: Another price or stock
    parameters: { id: { type: integer, required: true }, price: { type: number }, stock: { type: integer } }
  - { name: delete_order, description: Gone, parameters: { id: { type: integer, required: true } } }
  - { name: sync_catalog, description: Whatever that is }
  - { name: update_inventory, description: No table is called so, parameters: { sku: { type: string, required: true }, quantity: { type: integer } } }
  - { name: search_notes, description: One of two, parameters: { text: { type: string } } }
  - { name: search_customers, description: A column that is not there, parameters: { shoe_size: { type: integer } } }
  - { name: delete_customer, description: Which one, parameters: { name: { type: string, required: true } } }
  - { name: create_order, description: Of whom, parameters: { id: { type: integer, required: true } } }
  - { name: done, description: It has one, sql: SELECT 1 AS one }
";

fn spec(text: &str) -> Spec {
    let source = mcp_factory_spec::Source { name: "spec.yaml", bytes: text.as_bytes(), format: Format::Yaml };
    let reading = mcp_factory_spec::read(&source, &NoFiles);
    reading.spec.unwrap_or_else(|| panic!("{:#?}", reading.diagnostics))
}

async fn tools_are_inferred(ground: &Ground, connection: &str, folder: &Path) {
    shop(ground).await;
    ground.execute("CREATE TABLE notes_old (id INTEGER PRIMARY KEY, body VARCHAR(80))").await;
    ground.execute("CREATE TABLE notes_new (id INTEGER PRIMARY KEY, body VARCHAR(80))").await;
    let before = ground.plain("SELECT count(*) AS n FROM orders").await;
    let secrets = [("SHOP_URL", ground.url.as_str())].into_iter().collect::<FixedSecrets>();
    let reach = Reach::operator().with_secrets(secrets);
    let lacking = spec(&format!("name: inventory\nconnections: [{connection}]\ntools:{TOOLS}"));
    let completed = infer::complete(&lacking, &reach, folder).await.expect("it is reached");
    let found: BTreeMap<&str, &Result<infer::Written, String>> =
        completed.tools.iter().map(|outcome| (&*outcome.tool, &outcome.found)).collect();
    for (tool, tried) in [
        ("search_products", "run, read-only"),
        ("get_customer", "run, read-only"),
        ("list_orders", "run, read-only"),
        ("count_products", "run, read-only"),
        ("create_product", "explained, and not run"),
        ("update_product", "explained, and not run"),
        ("delete_order", "explained, and not run"),
    ] {
        let written = found[tool].as_ref().unwrap_or_else(|why| panic!("{:?} {tool}: {why}", ground.backend));
        assert_eq!(written.tried, tried, "{tool}");
        assert!(written.reason.contains('`'), "{}", written.reason);
    }
    for (tool, why) in [
        ("sync_catalog", "does not begin with what it does"),
        ("update_inventory", "no table or view has a name like `inventory`"),
        ("search_notes", "`notes_new` or `notes_old`"),
        ("search_customers", "what `shoe_size` is of `customers` can't be told"),
        ("delete_customer", "are a key of `customers`"),
        ("create_order", "is required, and no parameter gives it"),
    ] {
        let told = found[tool].as_ref().err().unwrap_or_else(|| panic!("{tool}: {:?}", found[tool]));
        assert!(told.contains(why), "{tool}: {told}");
    }
    assert!(!found.contains_key("done"));
    assert_eq!(ground.plain("SELECT count(*) AS n FROM orders").await, before, "nothing was written");

    // What is written runs; what was not is still to be done.
    let mut canonical = completed.spec.canonical();
    let tools = canonical["tools"].as_array_mut().expect("tools");
    assert_eq!(tools.len(), 14);
    tools.retain(|tool| !tool["sql"].is_null());
    assert_eq!(tools.len(), 8);
    assert!(tools.iter().filter(|tool| tool["annotations"]["readOnly"] == true).count() >= 4);
    let engine = ground.served(&canonical);
    let found = ask(&engine, "search_products", json!({ "query": "go" })).await.expect("rows");
    assert_eq!(found["items"], json!([{ "id": "1", "name": "Go", "price": 9.9 }]));
    assert_eq!(
        ask(&engine, "search_products", json!({ "query": "Ball", "kind": "book" })).await.expect("rows")["items"],
        json!([])
    );
    assert_eq!(ask(&engine, "get_customer", json!({ "id": 1 })).await.expect("a row")["name"], "Ann");
    let of_ann =
        ask(&engine, "list_orders", json!({ "customer_id": 1, "placed_from": "2026-01-01" })).await.expect("rows");
    assert_eq!(of_ann["items"].as_array().expect("rows").len(), 1);
    assert_eq!(
        ask(&engine, "list_orders", json!({ "ids": [1, 3] })).await.expect("rows")["items"]
            .as_array()
            .expect("rows")
            .len(),
        2
    );
    assert_eq!(ask(&engine, "count_products", json!({ "kind": "toy" })).await.expect("a number")["count"], 2);
    ask(&engine, "create_product", json!({ "id": 9, "name": "New", "price": 1.5 })).await.expect("made");
    ask(&engine, "update_product", json!({ "id": 9, "stock": 4 })).await.expect("changed");
    let made = ground.plain("SELECT name, kind, stock FROM products WHERE id = 9").await;
    assert_eq!(made, [[json!("New"), json!("book"), json!(4)]]);
}

/// As somebody would write them who has not thought of inference.
const LIBRARY: &str = "
  - name: search_books
    description: Search books by title or author
    parameters: { query: { type: string, required: true }, genre: { type: string }, published_after: { type: integer }, limit: { type: integer, default: 20 } }
  - { name: get_book, description: One book, parameters: { isbn: { type: string, required: true } } }
  - { name: find_member_by_email, description: The member with an address, parameters: { email: { type: string, required: true } } }
  - { name: list_books, description: 'All books, ordered by title', paginate: { pageSize: 2 } }
  - { name: list_loans, description: 'Loans of a member, newest first', parameters: { member: { type: integer, required: true } } }
  - { name: list_overdue_loans, description: Loans that are late }
  - { name: count_loans, description: How many loans a member has, parameters: { member: { type: integer } } }
  - { name: list_members, description: 'Members, newest first', parameters: { joined_from: { type: string }, name: { type: string }, blocked: { type: boolean } } }
  - { name: update_member, description: A new address, parameters: { id: { type: integer, required: true }, email: { type: string } } }
  - { name: delete_loan, description: Forget a loan, parameters: { loan_id: { type: integer, required: true } } }
  - { name: lend_book, description: Lend a book to a member, parameters: { isbn: { type: string, required: true }, member_id: { type: integer, required: true } } }
";

const SHELVES: &[&str] = &[
    "CREATE TABLE members (member_id INTEGER PRIMARY KEY, full_name VARCHAR(80) NOT NULL, email VARCHAR(120) UNIQUE, joined_on DATE NOT NULL, \
     blocked BOOLEAN NOT NULL DEFAULT false)",
    "CREATE TABLE books (isbn VARCHAR(20) PRIMARY KEY, title VARCHAR(200) NOT NULL, author VARCHAR(100), genre VARCHAR(20), published_year INTEGER)",
    "CREATE TABLE loans (id INTEGER PRIMARY KEY, member_id INTEGER NOT NULL, isbn VARCHAR(20) NOT NULL, due_on DATE NOT NULL, returned_on DATE, \
     FOREIGN KEY (member_id) REFERENCES members (member_id), FOREIGN KEY (isbn) REFERENCES books (isbn))",
    "CREATE VIEW overdue_loans AS SELECT id, member_id, isbn, due_on FROM loans WHERE returned_on IS NULL",
    "INSERT INTO members VALUES (1, 'Ann Li', 'ann@x.example', '2026-01-02', false), (2, 'Bob Ray', NULL, '2026-03-04', true)",
    "INSERT INTO books VALUES ('1', 'Faust', 'Goethe', 'poetry', 1808), ('2', 'Emma', 'Austen', 'novel', 1815), ('3', 'Zadig', 'Voltaire', 'novel', 1747)",
    "INSERT INTO loans VALUES (1, 1, '1', '2026-05-06', NULL), (2, 2, '2', '2026-06-07', '2026-06-01')",
];

/// Ten tools: what is certain is written and answers what its description says, what is not is told.
async fn a_library_is_inferred(ground: &Ground, connection: &str, folder: &Path) {
    for statement in SHELVES {
        ground.execute(statement).await;
    }
    let secrets = [("SHOP_URL", ground.url.as_str())].into_iter().collect::<FixedSecrets>();
    let reach = Reach::operator().with_secrets(secrets);
    let lacking = spec(&format!("name: library\nconnections: [{connection}]\ntools:{LIBRARY}"));
    let completed = infer::complete(&lacking, &reach, folder).await.expect("it is reached");
    let refused: BTreeMap<&str, &str> =
        completed.tools.iter().filter_map(|outcome| Some((&*outcome.tool, &**outcome.found.as_ref().err()?))).collect();
    assert_eq!(refused.keys().copied().collect::<Vec<_>>(), ["lend_book", "list_loans"], "{refused:?}");
    assert!(
        refused["list_loans"].contains("names an order (`newest first`) that can't be told"),
        "two dates: {refused:?}"
    );
    let mut canonical = completed.spec.canonical();
    canonical["tools"].as_array_mut().expect("tools").retain(|tool| !tool["sql"].is_null());
    let tools = canonical["tools"].as_array_mut().expect("tools").iter_mut();
    let deleted = tools.into_iter().find(|tool| tool["name"] == "delete_loan").expect("it was written");
    assert_eq!(deleted["annotations"], json!({ "destructive": true, "idempotent": true }));
    let asked = deleted.as_object_mut().and_then(|tool| tool.shift_remove("confirm"));
    assert_eq!(asked, Some(json!("Delete {loan_id} of loans?")), "nobody is here to be asked");
    let engine = ground.served(&canonical);
    let column = async |tool: &str, arguments: serde_json::Value, name: &str| {
        let found =
            ask(&engine, tool, arguments.clone()).await.unwrap_or_else(|error| panic!("{tool} {arguments}: {error}"));
        let rows = found["items"].as_array().unwrap_or_else(|| panic!("{tool}: {found}"));
        json!(rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>())
    };
    let found = column("search_books", json!({ "query": "a", "published_after": 1808 }), "title").await;
    assert_eq!(found, json!(["Emma"]), "after a year is not in it");
    assert_eq!(column("search_books", json!({ "query": "a", "limit": 1 }), "isbn").await, json!(["1"]));
    assert_eq!(column("list_books", json!({}), "title").await, json!(["Emma", "Faust"]));
    assert_eq!(
        column("find_member_by_email", json!({ "email": "ann@x.example" }), "full_name").await,
        json!(["Ann Li"])
    );
    assert_eq!(column("list_overdue_loans", json!({}), "id").await, json!([1]), "the view that is called so");
    assert_eq!(column("list_members", json!({}), "member_id").await, json!([2, 1]), "newest first");
    assert_eq!(
        column("list_members", json!({ "blocked": false, "joined_from": "2026-01-01" }), "member_id").await,
        json!([1])
    );
    assert_eq!(ask(&engine, "count_loans", json!({ "member": 2 })).await.expect("a number")["count"], 1);
    assert_eq!(ask(&engine, "get_book", json!({ "isbn": "2" })).await.expect("a row")["author"], "Austen");
    ask(&engine, "update_member", json!({ "id": 2, "email": "bob@x.example" })).await.expect("changed");
    ask(&engine, "delete_loan", json!({ "loan_id": 2 })).await.expect("deleted");
    let now = ground.plain("SELECT email FROM members ORDER BY member_id").await;
    assert_eq!(json!(now), json!([["ann@x.example"], ["bob@x.example"]]));
    assert_eq!(ground.plain("SELECT id FROM loans").await, [[json!(1)]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_are_inferred_of_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let ground = Ground::new(Backend::Sqlite, &folder.path().join("shop.db").display().to_string());
    let connection = "{ name: db, type: sqlite, path: shop.db }";
    tools_are_inferred(&ground, connection, folder.path()).await;
    a_library_is_inferred(&ground, connection, folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_are_inferred_of_postgresql() {
    let postgres = Postgres::start();
    let ground = Ground::new(Backend::Postgres, &postgres.url());
    let connection = format!("{{ name: db, type: postgresql, url: \"{}\" }}", postgres.url());
    tools_are_inferred(&ground, &connection, Path::new("/")).await;
    a_library_is_inferred(&ground, &connection, Path::new("/")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_are_inferred_of_mariadb() {
    let mariadb = Mariadb::start();
    let ground = Ground::new(Backend::Mysql, &mariadb.url());
    let connection = "{ name: db, type: mysql, envVar: SHOP_URL }";
    tools_are_inferred(&ground, connection, Path::new("/")).await;
    a_library_is_inferred(&ground, connection, Path::new("/")).await;
}
