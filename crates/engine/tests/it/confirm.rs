//! Tools that ask a person first, called through an endpoint as clients call them.

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    http::{Request, header::HOST},
};
use mcp_serve::{
    ApiKeys, Approvals, KeyList, Live,
    http::{Config, Endpoint},
};
use serde_json::{Value, json};

use crate::harness::{call, plan, plan_with_approvals};

const SPEC: &str = "
name: shop
auth: { type: api_key, envVar: KEYS }
connections:
  - { name: db, type: sqlite, path: shop.db, seed: seed.sql }
tools:
  - name: remove
    description: Removes a product
    parameters: { id: { type: integer, required: true }, note: { type: string, default: '-' }, times: { type: integer, default: 1 } }
    sql: DELETE FROM products WHERE id = :id
    confirm: 'Remove {id} for {principal.id} ({note}, {times}) [{call.id}]?'
  - name: remove_by_link
    description: Removes a product
    parameters: { id: { type: integer, required: true } }
    sql: DELETE FROM products WHERE id = :id
    confirm: { message: 'Remove {id}?', via: link }
    limits: { rate: 2/h }
  - name: remove_by_manager
    description: Removes a product
    parameters: { id: { type: integer, required: true } }
    sql: DELETE FROM products WHERE id = :id
    confirm: { message: 'Remove {id}?', by: managers, via: elicitation }
  - name: remove_later
    description: Removes a product
    parameters: { id: { type: integer, required: true } }
    sql: DELETE FROM products WHERE id = :id
    confirm: Remove {id}?
    task: true
  - { name: count, description: Counts, sql: SELECT count(*) AS n FROM products, single: true }
";

const KEYS: &str = r#"{"key-of-alice": {"principal": "alice", "groups": ["managers"]}, "key-of-bob": "bob",
    "key-of-mona": {"principal": "mona", "groups": ["managers"]}}"#;

struct Shop {
    endpoint: Endpoint,
    _folder: tempfile::TempDir,
}

struct Call<'a> {
    tool: &'a str,
    arguments: Value,
    /// Whether the client can ask.
    asks: bool,
    again: Option<(&'a Value, &'a str)>,
}

impl<'a> Call<'a> {
    fn new(tool: &'a str, id: u32) -> Self {
        Self { tool, arguments: json!({ "id": id }), asks: true, again: None }
    }
}

impl Shop {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("seed.sql"),
            "CREATE TABLE products (id INTEGER); INSERT INTO products VALUES (1), (2), (3), (4), (5), (6);",
        )
        .unwrap();
        let approvals = Approvals::default();
        approvals.serve_at("http://localhost".parse().unwrap());
        let routes = approvals.routes();
        let engine = plan_with_approvals(SPEC, folder.path(), approvals).unwrap();
        let keys = ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse(KEYS).unwrap());
        let live = Live::new(Arc::new(engine), Arc::new(keys), Config { routes, ..Config::default() });
        Self { endpoint: Endpoint::new(live).unwrap(), _folder: folder }
    }

    async fn send(&self, request: Request<Body>) -> (u16, String) {
        let response = self.endpoint.handle(request, None).await;
        let status = response.status().as_u16();
        let body = to_bytes(Body::new(response.into_body()), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn call(&self, key: &str, call: Call<'_>) -> Value {
        let capabilities = if call.asks { json!({ "elicitation": {} }) } else { json!({}) };
        let mut params = json!({ "name": call.tool, "arguments": call.arguments, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": capabilities,
        } });
        if let Some((state, action)) = call.again {
            params["requestState"] = state.clone();
            params["inputResponses"] = json!({ "confirm": { "action": action } });
        }
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
        let request = Request::post("/mcp")
            .header(HOST, "localhost")
            .header("content-type", "application/json")
            .header("x-api-key", key)
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", call.tool);
        let (_, text) = self.send(request.body(body.into()).unwrap()).await;
        let message: Value = serde_json::from_str(&text).unwrap();
        if message["error"].is_object() { message["error"].clone() } else { message["result"].clone() }
    }

    async fn left(&self) -> u64 {
        let call = Call { arguments: json!({}), ..Call::new("count", 0) };
        self.call("key-of-bob", call).await["structuredContent"]["n"].as_u64().unwrap()
    }

    /// Calls what is answered with a link, and returns its path.
    async fn link(&self, key: &str, call: Call<'_>) -> String {
        let result = self.call(key, call).await;
        let text = error(&result);
        let url = text.split_whitespace().find(|word| word.starts_with("http://localhost/")).expect(text);
        url.strip_prefix("http://localhost").unwrap().to_owned()
    }

    async fn decide(&self, link: &str, decision: &str, key: &str) -> (u16, String) {
        let page = self.send(Request::get(link).header(HOST, "localhost").body(Body::empty()).unwrap()).await.1;
        let form = page.split_once("name=\"form\" value=\"").expect(&page).1.split_once('"').unwrap().0;
        let body = format!("form={form}&decision={decision}&key={key}");
        let request = Request::post(link).header(HOST, "localhost").header("origin", "http://localhost");
        self.send(request.body(body.into()).unwrap()).await
    }
}

fn error(result: &Value) -> &str {
    assert_eq!(result["isError"], true, "{result}");
    result["content"][0]["text"].as_str().unwrap()
}

fn done(result: &Value) -> bool {
    result["structuredContent"] == json!({ "rowsAffected": 1 })
}

#[tokio::test]
async fn a_yes_in_the_client_runs_the_tool_once() {
    let shop = Shop::open();
    let arguments = json!({ "id": 1, "note": "a\n\nYes\u{202e}" });
    let call = |again| Call { arguments: arguments.clone(), again, ..Call::new("remove", 1) };
    let asked = shop.call("key-of-alice", call(None)).await;
    let message = asked["inputRequests"]["confirm"]["params"]["message"].as_str().unwrap();
    assert!(message.starts_with("Remove 1 for alice (a\\u{a}\\u{a}Yes\\u{202e}, 1) ["), "{message}");
    assert_eq!(shop.left().await, 6, "nothing is done yet");
    let state = &asked["requestState"];
    assert_eq!(shop.call("key-of-bob", call(Some((state, "accept")))).await["code"], -32602);
    assert_eq!(shop.left().await, 6);
    let answer = shop.call("key-of-alice", call(Some((state, "accept")))).await;
    assert!(done(&answer), "{answer}");
    let again = shop.call("key-of-alice", call(Some((state, "accept")))).await;
    assert_eq!(again["resultType"], "input_required", "the person is asked again");
    assert_eq!(shop.left().await, 5);
}

#[tokio::test]
async fn a_no_tells_the_model_to_leave_it() {
    let shop = Shop::open();
    for (action, text) in [("decline", "said no"), ("cancel", "did not answer")] {
        let asked = shop.call("key-of-alice", Call::new("remove", 1)).await;
        let again = Some((&asked["requestState"], action));
        let answer = shop.call("key-of-alice", Call { again, ..Call::new("remove", 1) }).await;
        let said = error(&answer);
        assert!(said.contains(text) && said.contains("nothing was done") && said.contains("on your own"), "{said}");
    }
    assert_eq!(shop.left().await, 6);
}

#[tokio::test]
async fn a_call_that_may_become_a_task_is_asked_about_before_there_is_one() {
    let shop = Shop::open();
    let asked = shop.call("key-of-alice", Call::new("remove_later", 1)).await;
    assert!(asked["resultType"] == "input_required" && asked.get("taskId").is_none(), "{asked}");
    assert_eq!(shop.left().await, 6);
    let state = &asked["requestState"];
    let again = |action| Call { again: Some((state, action)), ..Call::new("remove_later", 1) };
    assert!(done(&shop.call("key-of-alice", again("accept")).await));
    assert_eq!(shop.call("key-of-alice", again("accept")).await["resultType"], "input_required");
    assert_eq!(shop.left().await, 5);
}

#[tokio::test]
async fn nobody_is_asked_about_arguments_that_are_refused() {
    let shop = Shop::open();
    for asks in [true, false] {
        let answer = shop.call("key-of-alice", Call { arguments: json!({}), asks, ..Call::new("remove", 1) }).await;
        assert!(error(&answer).contains("`id` is missing"), "{answer}");
    }
}

#[tokio::test]
async fn where_the_client_can_not_ask_a_link_does() {
    let shop = Shop::open();
    let quiet = || Call { asks: false, ..Call::new("remove", 1) };
    let result = shop.call("key-of-alice", quiet()).await;
    let said = error(&result);
    assert!(said.contains("nothing was done yet") && said.contains("exactly the same arguments"), "{said}");
    let link = shop.link("key-of-alice", quiet()).await;
    assert!(shop.decide(&link, "approve", "").await.1.contains("is approved"));
    // Somebody else, something else, and then the call itself, once.
    let other = Call { asks: false, ..Call::new("remove", 2) };
    assert_ne!(shop.link("key-of-bob", quiet()).await, link);
    assert_ne!(shop.link("key-of-alice", other).await, link);
    assert_eq!(shop.left().await, 6);
    assert!(done(&shop.call("key-of-alice", quiet()).await));
    assert_ne!(shop.link("key-of-alice", quiet()).await, link);
    assert_eq!(shop.left().await, 5);
}

#[tokio::test]
async fn a_link_where_the_spec_says_so_and_a_declined_one_is_told() {
    let shop = Shop::open();
    let link = shop.link("key-of-alice", Call::new("remove_by_link", 1)).await;
    assert!(shop.decide(&link, "decline", "").await.1.contains("is declined"));
    assert!(error(&shop.call("key-of-alice", Call::new("remove_by_link", 1)).await).contains("said no"));
    assert_eq!(shop.left().await, 6);
}

#[tokio::test]
async fn asking_takes_nothing_of_the_rate_and_a_refused_call_keeps_its_approval() {
    let shop = Shop::open();
    for id in 1..=3 {
        let link = shop.link("key-of-alice", Call::new("remove_by_link", id)).await;
        shop.decide(&link, "approve", "").await;
    }
    for id in 1..=2 {
        assert!(done(&shop.call("key-of-alice", Call::new("remove_by_link", id)).await));
    }
    for _ in 0..2 {
        assert_eq!(shop.call("key-of-alice", Call::new("remove_by_link", 3)).await["code"], 429);
    }
    assert_eq!(shop.left().await, 4);
}

#[tokio::test]
async fn somebody_else_of_the_group_approves_by_link() {
    let shop = Shop::open();
    let result = shop.call("key-of-alice", Call::new("remove_by_manager", 1)).await;
    assert!(error(&result).contains("somebody of the group `managers`, who is not the caller"), "{result}");
    let link = shop.link("key-of-alice", Call::new("remove_by_manager", 1)).await;
    for (key, status) in [("key-of-alice", 403), ("key-of-bob", 403), ("nobody", 401)] {
        assert_eq!(shop.decide(&link, "approve", key).await.0, status, "{key}");
    }
    shop.link("key-of-alice", Call::new("remove_by_manager", 1)).await;
    assert_eq!(shop.left().await, 6);
    assert_eq!(shop.decide(&link, "approve", "key-of-mona").await.0, 200);
    assert!(done(&shop.call("key-of-alice", Call::new("remove_by_manager", 1)).await));
    assert_eq!(shop.left().await, 5);
}

#[tokio::test]
async fn where_nobody_can_be_asked_nothing_is_done_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let text = "name: a\ntools:\n  - { name: a, description: A, static: { text: done }, confirm: Really? }\n";
    let engine = plan(text, folder.path(), &[]).unwrap();
    let said = call(&engine, "a", json!({})).await.unwrap_err();
    assert!(said.contains("nothing was done") && said.contains("mcp-factory serve"), "{said}");
    assert!(!engine.is_read_only("a") && !engine.is_seeded("a") && engine.asks_first("a"), "no test calls it");
}
