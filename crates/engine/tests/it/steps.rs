//! Tools whose steps call others.

use std::{path::Path, sync::Arc};

use mcp_factory_engine::Engine;
use mcp_serve::{Error, Principal, Scopes};
use serde_json::{Value, json};

use crate::harness::{answer, call, call_as, plan};

const SPEC: &str = r#"
name: shop
connections:
  - { name: db, type: sqlite, path: ./shop.db, seed: seed.sql }
tools:
  - name: order_first
    description: Orders the first product that is found
    parameters: { query: { type: string, required: true }, note: { type: string } }
    steps:
      - { call: find, with: { query: "{query}" }, as: found }
      - { call: order, with: { sku: "{found.items.0.sku}", note: "{note}" }, as: placed }
      - { call: greet, as: greeting }
      - return: { sku: "{found.items.0.sku}", price: "{found.items.0.price}", rows: "{placed.rowsAffected}", text: "{greeting} for {query}" }
  - name: find
    description: Finds products
    parameters: { query: { type: string, required: true, minLength: 2 } }
    sql: SELECT sku, price, hint FROM products WHERE name LIKE '%' || :query || '%' ORDER BY sku
    scopes: [shop:read]
  - name: order
    description: Orders a product
    parameters: { sku: { type: string, required: true }, note: { type: string } }
    sql: INSERT INTO orders (sku, note, by) VALUES (:sku, :note, :principal.id)
    scopes: [shop:write]
  - { name: greet, description: Thanks, static: { text: Thank you } }
  - { name: orders, description: Lists orders, sql: "SELECT sku, note, by FROM orders" }
  - name: look
    description: The last answer is the result
    steps: [{ call: greet }, { call: find, with: { query: Laptop } }]
  - name: twice
    description: Steps of steps
    steps: [{ call: look, as: seen }, { return: "{seen.items}" }]
  - name: hint
    description: Passes what may be null
    parameters: { query: { type: string, required: true } }
    steps: [{ call: find, with: { query: "{query}" }, as: f }, { call: order, with: { sku: A, note: "{f.items.0.hint}" } }]
  - name: little
    description: May use little
    limits: { maxRows: 1 }
    steps: [{ call: find, with: { query: Laptop } }, { call: orders }]
  - name: cut
    description: Finds one row and says so
    limits: { maxRows: 1 }
    sql: SELECT sku FROM products ORDER BY sku
  - name: of_cut
    description: Made of a cut answer
    steps: [{ call: cut, as: part }, { return: { first: "{part.items.0.sku}" } }]
  - name: typo
    description: Names what is not there
    steps: [{ call: find, with: { query: Laptop }, as: f }, { call: order, with: { sku: A, note: "{f.items.0.nmae}" } }]
  - name: rated
    description: Calls a tool with a rate
    steps: [{ call: seldom }, { call: seldom }]
  - { name: nap, description: Sleeps, command: { argv: [sleep, "60"] } }
  - { name: naps, description: Sleeps twice, limits: { timeout: 150ms }, steps: [{ call: greet }, { call: nap }, { call: nap }] }
  - { name: seldom, description: Once a minute, static: { text: hello }, limits: { rate: 1/m } }
"#;

const SEED: &str = "CREATE TABLE products (sku TEXT, name TEXT, price INTEGER, hint TEXT);
INSERT INTO products VALUES ('A', 'Laptop 13', 900, NULL), ('B', 'Laptop 15', 1200, 'heavy'), ('C', 'Mouse', 20, NULL);
CREATE TABLE orders (sku TEXT, note TEXT, by TEXT);";

fn start(folder: &Path) -> Engine {
    std::fs::write(folder.join("seed.sql"), SEED).unwrap();
    plan(SPEC, folder, &[]).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

#[tokio::test]
async fn answers_of_earlier_steps_are_used_below_with_their_types() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path());
    let placed = call(&engine, "order_first", json!({ "query": "Laptop" })).await.unwrap();
    assert_eq!(placed, json!({ "sku": "A", "price": 900, "rows": 1, "text": "Thank you for Laptop" }));
    let orders = call(&engine, "orders", json!({})).await.unwrap();
    assert_eq!(orders, json!({ "items": [{ "sku": "A", "note": null, "by": "alice" }] }));
    let seen = call(&engine, "look", json!({})).await.unwrap();
    assert_eq!(seen["items"].as_array().unwrap().len(), 2, "without `return` the last answer is the result");
    assert_eq!(call(&engine, "twice", json!({})).await.unwrap(), seen);
}

#[tokio::test]
async fn a_step_that_fails_ends_the_call_and_says_which_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path());
    let none = call(&engine, "order_first", json!({ "query": "Phone" })).await.unwrap_err();
    assert_eq!(none, "step 2, `order`, failed: `{found.items.0.sku}`: there is no `0` in that answer");
    let refused = call(&engine, "order_first", json!({ "query": "L" })).await.unwrap_err();
    assert!(refused.starts_with("step 1, `find`, failed: the arguments were refused"), "{refused}");
    let typo = call(&engine, "typo", json!({})).await.unwrap_err();
    assert!(typo.contains("there is no `nmae`"), "{typo}");
    assert_eq!(call(&engine, "orders", json!({})).await.unwrap(), json!({ "items": [] }), "nothing was ordered");
}

#[tokio::test]
async fn a_null_is_left_out_as_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path());
    for query in ["Mouse", "15"] {
        call(&engine, "hint", json!({ "query": query })).await.unwrap();
    }
    let orders = call(&engine, "orders", json!({})).await.unwrap();
    assert_eq!((&orders["items"][0]["note"], &orders["items"][1]["note"]), (&Value::Null, &json!("heavy")));
}

#[tokio::test]
async fn caps_hold_for_all_steps_together_and_a_cut_is_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path());
    let over = call(&engine, "little", json!({})).await.unwrap_err();
    assert_eq!(over, "step 1, `find`, failed: the answers so far have 2 rows, and this tool may use 1");
    let slow = call(&engine, "naps", json!({})).await.unwrap_err();
    assert_eq!(slow, "the call took longer than its limit of 150ms and was stopped");
    let cut = call(&engine, "of_cut", json!({})).await.unwrap();
    assert_eq!(cut["first"], "A");
    assert!(cut["truncated"]["message"].as_str().unwrap().contains("`part`"), "{cut}");
}

#[tokio::test]
async fn scopes_of_every_step_are_needed_before_the_first_runs() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path());
    let reader = |scopes: &[&str]| {
        let mut principal = Principal::clone(&Principal::trusted("bob"));
        principal.scopes = Scopes::Only(scopes.iter().map(|scope| (*scope).to_owned()).collect());
        Arc::new(principal)
    };
    let refused = call_as(&engine, reader(&["shop:read"]), "order_first", json!({ "query": "Laptop" })).await;
    assert!(matches!(refused, Err(Error::InsufficientScope { .. })), "{refused:?}");
    let refused = call_as(&engine, reader(&[]), "twice", json!({})).await;
    assert!(matches!(refused, Err(Error::InsufficientScope { .. })), "{refused:?}");
    let both = reader(&["shop:read", "shop:write"]);
    let placed = call_as(&engine, both, "order_first", json!({ "query": "Laptop" })).await.unwrap();
    assert!(answer(placed).is_ok());
    let orders = call(&engine, "orders", json!({})).await.unwrap();
    assert_eq!((orders["items"].as_array().unwrap().len(), &orders["items"][0]["by"]), (1, &json!("bob")));
}

#[tokio::test]
async fn the_rate_of_a_step_holds_as_for_any_caller() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path());
    let refused = call(&engine, "rated", json!({})).await.unwrap_err();
    assert!(refused.starts_with("step 2, `seldom`, failed: too many requests"), "{refused}");
}

#[tokio::test]
async fn steps_only_read_when_all_that_they_call_does() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path());
    assert!(engine.is_read_only("look") && engine.is_read_only("twice"));
    assert!(!engine.is_read_only("order_first") && engine.is_seeded("order_first"));
    let text = SPEC.replace(
        "description: Orders the first product that is found",
        "description: Orders\n    annotations: { readOnly: true }",
    );
    let engine = plan(&text, folder.path(), &[]).unwrap();
    assert!(!engine.is_read_only("order_first"), "no word of the author makes writing steps read");
}

#[test]
fn a_confirmation_in_the_middle_is_refused_and_never_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let text = "name: a\ntools:\n  - { name: pay, description: Pays, static: { text: paid }, confirm: Pay? }\n  \
                - { name: all, description: All, steps: [{ call: pay }] }\n";
    let problems = plan(text, folder.path(), &[]).unwrap_err();
    assert!(problems.iter().any(|problem| problem.path == "tools[1].steps[0].call"), "{problems:?}");
}
