//! Requests that stand alone: three ways to toolsets, and no list that another request changes (C1, S3-45).

use std::{sync::atomic::Ordering, time::Duration};

use mcp_serve::{
    ApiKeys, KeyList, StateKey,
    toolsets::{ExposurePolicy, Initial, Modern, Options},
};
use serde_json::{Value, json};

use super::{Era, call, dynamic, list, meta, names, serve, serve_to};
use crate::support::{Reply, Running};

const KEYS: &str = r#"{"key-of-alice": "alice", "key-of-bob": "bob"}"#;

fn keys() -> ApiKeys {
    ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse(KEYS).expect("keys"))
}

/// I7: an agent finds what there is, and a client that reads its list once can call it.
#[tokio::test]
async fn search_finds_and_calls_tools_and_the_list_stays() {
    let initial = Initial::Only(vec!["reading".into()]);
    let (running, late) = serve(Options { initial, ..dynamic(Modern::Search) }).await;
    late.works.store(true, Ordering::SeqCst);
    for era in [Era::Modern, Era::Older] {
        let before = list(&running, era).await;
        for name in ["search_tools", "call_tool", "list_toolsets", "describe_toolset", "list_tools", "reading.echo"] {
            assert!(before.contains(&name.to_owned()), "{name}");
        }
        assert!(!before.contains(&"enable_toolset".to_owned()));
        let found =
            meta(&running, era, "search_tools", json!({ "query": "mail a bill to a customer", "limit": 1 })).await;
        let tool = &found["tools"][0];
        assert_eq!((&tool["name"], &tool["active"]), (&json!("writing.send_invoice"), &json!(true)));
        assert!(tool["inputSchema"].is_object());
        let by_name = json!({ "tool": "writing.send_invoice", "arguments": { "customer": "c" } });
        let answer = call(&running, era, "call_tool", by_name).await.result();
        assert_eq!(answer["content"][0]["text"], "send_invoice for anonymous");
        // What is not listed can't be called by its name.
        assert_eq!(call(&running, era, "writing.send_invoice", json!({})).await.error().1, -32602);
        let unknown = call(&running, era, "call_tool", json!({ "tool": "nope" })).await.result();
        assert_eq!(unknown["isError"], true);
        let elsewhere = json!({ "tool": "writing.send_invoice", "toolset": "reading" });
        assert_eq!(call(&running, era, "call_tool", elsewhere).await.result()["isError"], true);
        let all = meta(&running, era, "list_tools", json!({})).await;
        assert_eq!(all["toolsetToTools"]["late"], json!(["late.delayed"]));
        assert_eq!(list(&running, era).await, before);
    }
}

/// T8 for 2026-07-28.
#[tokio::test]
async fn a_handle_enables_for_who_has_it_until_it_is_disabled() {
    let (running, _) = serve(dynamic(Modern::Handle)).await;
    for era in [Era::Modern, Era::Older] {
        let before = list(&running, era).await;
        let mut activation = Value::Null;
        for _ in 0..2 {
            let enable = json!({ "name": "writing", "activation": activation });
            let enabled = meta(&running, era, "enable_toolset", enable).await;
            assert_eq!(enabled["message"], "Toolset 'writing' enabled successfully. Registered 1 tools.");
            let handle = enabled["activation"].clone();
            assert_eq!(enabled["expiresInSeconds"], 3600);
            let with = json!({ "tool": "writing.send_invoice", "activation": handle });
            let answer = call(&running, era, "call_tool", with.clone()).await.result();
            assert_eq!(answer["content"][0]["text"], "send_invoice for anonymous");
            let tools = meta(&running, era, "list_tools", json!({ "activation": handle })).await;
            assert_eq!(tools["toolsetToTools"], json!({ "writing": ["writing.send_invoice"] }));
            let disable = json!({ "name": "writing", "activation": handle });
            activation = meta(&running, era, "disable_toolset", disable).await["activation"].clone();
            // Neither the new one nor the one of before.
            assert_eq!(call(&running, era, "call_tool", with).await.result()["isError"], true);
            let with = json!({ "tool": "writing.send_invoice", "activation": activation });
            assert_eq!(call(&running, era, "call_tool", with).await.result()["isError"], true);
        }
        let without = call(&running, era, "call_tool", json!({ "tool": "writing.send_invoice" })).await.result();
        let text = without["content"][0]["text"].as_str().expect("text").to_owned();
        assert!(text.contains("`writing`, which is not on"), "{text}");
        assert_eq!(list(&running, era).await, before, "the list is what it was");
    }
}

#[tokio::test]
async fn a_handle_is_nobody_elses_and_knows_its_limit() {
    let policy = ExposurePolicy { max_active: Some(1), ..ExposurePolicy::default() };
    let options = Options { policy, ..dynamic(Modern::Handle) };
    let (running, _) = serve_to(options, keys()).await;
    let tool = async |key: &str, name: &str, arguments: Value| -> Value {
        let params = json!({ "name": name, "arguments": arguments });
        running.ask(running.modern("tools/call", params, &[("x-api-key", key)])).await.result()
    };
    let enabled = tool("key-of-alice", "enable_toolset", json!({ "name": "writing" })).await;
    let handle = enabled["structuredContent"]["activation"].clone();
    let with = json!({ "tool": "writing.send_invoice", "activation": handle });
    let hers = tool("key-of-alice", "call_tool", with.clone()).await;
    assert_eq!(hers["content"][0]["text"], "send_invoice for alice");
    let stolen = tool("key-of-bob", "call_tool", with).await;
    assert_eq!((&stolen["isError"], &stolen["structuredContent"]["code"]), (&json!(true), &json!("E_VALIDATION")));
    let forged =
        json!({ "tool": "writing.send_invoice", "activation": format!("{}x", handle.as_str().expect("text")) });
    assert_eq!(tool("key-of-alice", "call_tool", forged).await["isError"], true);
    let more = json!({ "name": "reading", "activation": handle });
    let full = tool("key-of-alice", "enable_toolset", more).await;
    assert_eq!(full["structuredContent"]["message"], "Activation exceeds maxActiveToolsets (1).");
}

/// I6.
#[tokio::test]
async fn a_handle_is_good_in_every_process_with_the_key_and_ends_in_time() {
    let options = |ttl| Options { state_key: StateKey::new(b"shared"), handle_ttl: ttl, ..dynamic(Modern::Handle) };
    let hour = Duration::from_secs(3600);
    let ((one, _), (two, _)) = (serve(options(hour)).await, serve(options(hour)).await);
    let handle = meta(&one, Era::Modern, "enable_toolset", json!({ "name": "writing" })).await["activation"].clone();
    let with = json!({ "tool": "writing.send_invoice", "activation": handle });
    assert!(call(&two, Era::Modern, "call_tool", with).await.result().get("isError").is_none());
    let (short, _) = serve(options(Duration::ZERO)).await;
    let handle = meta(&short, Era::Modern, "enable_toolset", json!({ "name": "writing" })).await["activation"].clone();
    let with = json!({ "tool": "writing.send_invoice", "activation": handle });
    assert_eq!(call(&short, Era::Modern, "call_tool", with).await.result()["isError"], true);
}

async fn at(running: &Running, path: &str, method: &str, params: Value) -> Reply {
    let mut request = running.modern(method, params, &[]);
    *request.uri_mut() = path.parse().expect("a path");
    running.ask(request).await
}

#[tokio::test]
async fn a_toolset_has_its_url_and_nothing_else_has() {
    let (running, _) = serve(dynamic(Modern::Url)).await;
    assert_eq!(names(&at(&running, "/mcp/writing", "tools/list", json!({})).await), ["writing.send_invoice"]);
    let call = json!({ "name": "writing.send_invoice" });
    let answer = at(&running, "/mcp/writing", "tools/call", call.clone()).await.result();
    assert_eq!(answer["content"][0]["text"], "send_invoice for anonymous");
    assert_eq!(at(&running, "/mcp/reading", "tools/call", call.clone()).await.error().1, -32602);
    assert_eq!(at(&running, "/mcp", "tools/call", call).await.error().1, -32602);
    for path in ["/mcp/nope", "/mcp/writing/", "/mcp/writing/x", "/mcp/", "/mcpx", "/mcp/_meta", "/mcp/Writing"] {
        assert_eq!(at(&running, path, "tools/list", json!({})).await.status, 404, "{path}");
    }
    let listed = meta(&running, Era::Modern, "list_toolsets", json!({})).await;
    assert_eq!(listed["toolsets"][1]["path"], "/writing");
}

#[tokio::test]
async fn an_older_clients_session_stays_at_its_url() {
    let (running, _) = serve(dynamic(Modern::Url)).await;
    let (root, _) = crate::sessions::open(&running, &[]).await;
    let era = Era::Session(&root);
    meta(&running, era, "enable_toolset", json!({ "name": "reading" })).await;
    assert!(list(&running, era).await.contains(&"reading.echo".to_owned()));
    let headers = [("mcp-session-id", root.as_str()), ("mcp-protocol-version", "2025-11-25")];
    let mut elsewhere = running.post(&headers, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    *elsewhere.uri_mut() = "/mcp/writing".parse().expect("a path");
    assert_eq!(running.ask(elsewhere).await.status, 404);
}

#[tokio::test]
async fn other_ways_have_no_urls() {
    let (running, _) = serve(dynamic(Modern::Search)).await;
    assert_eq!(at(&running, "/mcp/writing", "tools/list", json!({})).await.status, 404);
}
