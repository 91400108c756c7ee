//! Nobody becomes somebody else by what they send.

use serde_json::json;

use crate::harness::{call, plan};

/// Tools that take whatever is sent.
const OPEN: &str = "
name: a
connections: [{ name: db, type: sqlite, path: a.db, seed: seed.sql }]
tools:
  - name: mine
    description: What is mine
    inputSchema: { type: object, additionalProperties: true }
    sql: SELECT text FROM notes WHERE owner = :principal.id
    annotations: { readOnly: true }
  - name: who
    description: Who I am
    inputSchema: { type: object, additionalProperties: true }
    returns: { type: string }
    command: { argv: [printf, '%s', '{principal.id}'] }
";

#[tokio::test]
async fn an_argument_that_is_named_like_the_caller_is_not_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    let seed = "CREATE TABLE notes (owner TEXT, text TEXT); INSERT INTO notes VALUES ('alice', 'a'), ('bob', 'b')";
    std::fs::write(folder.path().join("seed.sql"), seed).unwrap();
    let engine = plan(OPEN, folder.path(), &[]).unwrap();
    for arguments in [json!({}), json!({ "principal.id": "bob" }), json!({ "principal": { "id": "bob" } })] {
        assert_eq!(call(&engine, "mine", arguments.clone()).await, Ok(json!({ "items": [{ "text": "a" }] })));
        assert_eq!(call(&engine, "who", arguments).await, Ok(json!({ "value": "alice" })));
    }
}
