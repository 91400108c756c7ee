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

#[tokio::test(flavor = "multi_thread")]
async fn tools_are_inferred_of_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let ground = Ground::new(Backend::Sqlite, &folder.path().join("shop.db").display().to_string());
    let connection = "{ name: db, type: sqlite, path: shop.db }";
    tools_are_inferred(&ground, connection, folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_are_inferred_of_postgresql() {
    let postgres = Postgres::start();
    let ground = Ground::new(Backend::Postgres, &postgres.url());
    let connection = format!("{{ name: db, type: postgresql, url: \"{}\" }}", postgres.url());
    tools_are_inferred(&ground, &connection, Path::new("/")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_are_inferred_of_mariadb() {
    let mariadb = Mariadb::start();
    let ground = Ground::new(Backend::Mysql, &mariadb.url());
    let connection = "{ name: db, type: mysql, envVar: SHOP_URL }";
    tools_are_inferred(&ground, connection, Path::new("/")).await;
}
