//! Prompts, resources, static answers and completion.

use std::collections::HashMap;

use mcp_serve::{CallContext, Completion, CompletionReference, Error, Principal, Server as _, model::ResourceContents};
use serde_json::{Map, json};

use crate::harness::{call, plan};

const TEXT: &str = "
name: a
tools:
  - { name: greet, description: Greets, static: { text: hello }, parameters: { kind: { type: string, enum: [plain, formal] } } }
  - { name: list, description: Lists, static: { json: [1, 2] } }
  - { name: picture, description: Shows, static: { image: dot.png, mimeType: image/png } }
resources:
  - { uri: 'doc://a', name: A, mimeType: text/markdown, text: '# A' }
  - { uri: 'doc://b', name: B, file: b.txt }
  - { uriTemplate: 'kind://{kind}', name: Kind, static: { json: { a: 1 } } }
prompts:
  - name: ask
    arguments: [{ name: kind, required: true }]
    messages:
      - { role: user, text: 'Be {kind}. {{}}' }
      - { role: assistant, resource: 'doc://a' }
";

fn engine(folder: &std::path::Path) -> mcp_factory_engine::Engine {
    std::fs::write(folder.join("dot.png"), [0x89, 0x50]).unwrap();
    std::fs::write(folder.join("b.txt"), "bee").unwrap();
    plan(TEXT, folder, &[]).unwrap()
}

#[tokio::test]
async fn static_answers_are_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    assert_eq!(call(&engine, "greet", json!({})).await, Ok(json!("hello")));
    assert_eq!(call(&engine, "list", json!({})).await, Ok(json!({ "items": [1, 2] })));
}

#[tokio::test]
async fn resources_are_read_by_address_and_by_template() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let cx = CallContext::new(Principal::local());
    for (uri, expected) in [("doc://a", "# A"), ("doc://b", "bee"), ("kind://plain", r#"{"a":1}"#)] {
        let contents = engine.read_resource(&cx, uri).await.unwrap();
        match &contents[0] {
            ResourceContents::TextResourceContents { uri: at, text, .. } => {
                assert_eq!((at.as_str(), text.as_str()), (uri, expected))
            }
            other => panic!("{other:?}"),
        }
    }
    for uri in ["doc://c", "kind://", "kind://a/b", ""] {
        assert!(matches!(engine.read_resource(&cx, uri).await, Err(Error::UnknownResource { .. })), "{uri}");
    }
}

#[tokio::test]
async fn prompts_are_filled_in_and_refuse_what_they_do_not_take() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let cx = CallContext::new(Principal::local());
    let get = |arguments: serde_json::Value| {
        let arguments: Map<_, _> = arguments.as_object().cloned().unwrap();
        engine.get_prompt(&cx, "ask", arguments)
    };
    let prompt = get(json!({ "kind": "{more} plain" })).await.unwrap();
    assert_eq!(
        prompt.messages[0].content.as_text().unwrap().text,
        "Be {more} plain. {}",
        "what is filled in is not read again"
    );
    for wrong in [json!({}), json!({ "kind": 1 }), json!({ "kind": "a", "other": "b" })] {
        assert!(matches!(get(wrong).await, Err(Error::InvalidParams { .. })));
    }
}

#[tokio::test]
async fn arguments_complete_from_the_values_of_parameters_of_that_name() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let cx = CallContext::new(Principal::local());
    let filled = HashMap::new();
    let complete =
        |reference, argument, value| engine.complete(&cx, Completion { reference, argument, value, filled: &filled });
    assert_eq!(complete(CompletionReference::Prompt("ask"), "kind", "F").await.unwrap(), ["formal"]);
    assert_eq!(
        complete(CompletionReference::ResourceTemplate("kind://{kind}"), "kind", "").await.unwrap(),
        ["formal", "plain"]
    );
    assert!(complete(CompletionReference::Prompt("nobody"), "kind", "").await.unwrap().is_empty());
}

const ASKED: &str = "
name: a
connections: [{ name: db, type: sqlite, path: shop.db, seed: seed.sql }]
prompts:
  - name: restock
    arguments:
      - name: sku
        complete: { sql: \"SELECT sku, 'x' AS other FROM products WHERE owner = :principal.id AND sku LIKE :value || '%' ORDER BY sku\" }
      - { name: tone, complete: { enum: [plain, Friendly] } }
      - { name: number, complete: { sql: 'WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 150) SELECT n FROM n' } }
      - { name: broken, complete: { sql: SELECT nothing FROM nowhere } }
    messages: [{ role: user, text: Restock }]
resources:
  - uriTemplate: 'product://{sku}'
    name: A product
    sql: SELECT * FROM products WHERE sku = :sku AND owner = :principal.id
    complete: { sku: { sql: 'SELECT NULL AS sku UNION ALL SELECT sku FROM products WHERE owner = :principal.id' } }
  - uriTemplate: 'shelf://{owner}/{sku}'
    name: What somebody has
    sql: SELECT * FROM products WHERE sku = :sku AND owner = :owner
    complete: { sku: { sql: 'SELECT sku FROM products WHERE :owner IS NULL OR owner = :owner ORDER BY sku' } }
";

#[tokio::test]
async fn what_is_typed_is_completed_from_the_rows_of_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    let seed = "CREATE TABLE products (sku TEXT, owner TEXT);
        INSERT INTO products VALUES ('AB-1', 'alice'), ('AC-2', 'alice'), ('B-3', 'alice'), ('AD-4', 'bob')";
    std::fs::write(folder.path().join("seed.sql"), seed).unwrap();
    let engine = plan(ASKED, folder.path(), &[]).unwrap();
    let (alice, bob) = (CallContext::new(Principal::trusted("alice")), CallContext::new(Principal::trusted("bob")));
    let ask = async |cx: &CallContext, argument, value| {
        let reference = CompletionReference::Prompt("restock");
        engine.complete(cx, Completion { reference, argument, value, filled: &HashMap::new() }).await
    };
    assert_eq!(ask(&alice, "sku", "A").await.unwrap(), ["AB-1", "AC-2"]);
    assert_eq!(ask(&alice, "sku", "AC").await.unwrap(), ["AC-2"]);
    assert_eq!(ask(&bob, "sku", "").await.unwrap(), ["AD-4"]);
    assert!(ask(&alice, "sku", "' OR 1=1 --").await.unwrap().is_empty());
    assert_eq!(ask(&alice, "tone", "f").await.unwrap(), ["Friendly"]);
    let numbers = ask(&alice, "number", "").await.unwrap();
    assert_eq!((numbers.len(), numbers[0].as_str()), (150, "1"), "the protocol's limit is the server's to keep");
    assert!(matches!(ask(&alice, "broken", "").await, Err(Error::InvalidParams { .. })));
    assert!(ask(&alice, "other", "").await.unwrap().is_empty());
    let reference = CompletionReference::ResourceTemplate("product://{sku}");
    let values = engine
        .complete(&bob, Completion { reference, argument: "sku", value: "", filled: &HashMap::new() })
        .await
        .unwrap();
    assert_eq!(values, ["AD-4"], "a null completes nothing");
    let reference = CompletionReference::ResourceTemplate("shelf://{owner}/{sku}");
    for (filled, expected) in [
        (vec![], vec!["AB-1", "AC-2", "AD-4", "B-3"]),
        (vec![("owner", "bob")], vec!["AD-4"]),
        (vec![("owner", "bob"), ("principal.id", "alice"), ("value", "x"), ("call", "y")], vec!["AD-4"]),
    ] {
        let filled = filled.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let completion = Completion { reference, argument: "sku", value: "", filled: &filled };
        assert_eq!(engine.complete(&alice, completion).await.unwrap(), expected, "{filled:?}");
    }
}
