//! Log messages, for callers who ask for them and for nobody else.

use serde_json::{Value, json};

use crate::{
    sessions::{ask, open},
    support::{Events, Running},
};

fn asking(level: &str) -> Value {
    json!({"name": "talk", "_meta": {"io.modelcontextprotocol/logLevel": level}})
}

fn messages(events: &[Value]) -> Vec<Value> {
    events.iter().filter(|event| event["method"] == "notifications/message").map(|m| m["params"].clone()).collect()
}

#[tokio::test]
async fn a_request_gets_the_messages_it_asked_for_before_its_answer() {
    let running = Running::start().await;
    let warning = json!({"level": "warning", "logger": "talk", "data": {"rows": 3}});
    let reply = running.ask(running.modern("tools/call", asking("debug"), &[])).await;
    let events = reply.events();
    let detail = json!({"level": "debug", "logger": "talk", "data": "a detail"});
    assert_eq!(messages(&events), [detail, warning.clone()]);
    assert_eq!(events.len(), 3, "no progress without a token: {events:?}");
    assert_eq!(events[2]["result"]["content"][0]["text"], "talked");
    let reply = running.ask(running.modern("tools/call", asking("info"), &[])).await;
    assert_eq!(messages(&reply.events()), [warning]);
}

#[tokio::test]
async fn messages_and_progress_keep_their_order() {
    let running = Running::start().await;
    let mut params = asking("debug");
    params["_meta"]["progressToken"] = json!("t");
    let events = running.ask(running.modern("tools/call", params, &[])).await.events();
    let methods: Vec<&str> = events.iter().filter_map(|event| event["method"].as_str()).collect();
    assert_eq!(methods, ["notifications/message", "notifications/progress", "notifications/message"]);
}

#[tokio::test]
async fn messages_that_nobody_asked_for_are_not_sent() {
    let running = Running::start().await;
    let silent = running.ask_modern("tools/call", json!({"name": "talk"})).await;
    assert_eq!(silent.header("content-type"), "application/json");
    let emergencies = running.ask(running.modern("tools/call", asking("emergency"), &[])).await;
    assert_eq!(emergencies.header("content-type"), "application/json");
    let older = running.ask_older("tools/call", asking("debug")).await;
    assert_eq!(older.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_level_that_is_none_is_refused() {
    let running = Running::start().await;
    let reply = running.ask(running.modern("tools/call", asking("loud"), &[])).await;
    assert_eq!(reply.error(), (200, -32602));
}

#[tokio::test]
async fn setting_a_level_is_of_sessions_only() {
    let running = Running::start().await;
    let reply = running.ask_modern("logging/setLevel", json!({"level": "debug"})).await;
    assert_eq!(reply.error(), (404, -32601));
    let discovered = running.ask_modern("server/discover", json!({})).await.result();
    assert_eq!(discovered["capabilities"]["logging"], json!({}));
}

#[tokio::test]
async fn a_session_hears_what_it_asked_for_from_then_on() {
    let running = Running::start().await;
    let (id, opened) = open(&running, &[]).await;
    assert_eq!(opened.result()["capabilities"]["logging"], json!({}));
    let stream = running.request(
        http::Method::GET,
        &[("mcp-session-id", &id), ("mcp-protocol-version", "2025-11-25"), ("accept", "text/event-stream")],
        "",
    );
    let mut stream = Events::of(running.send(stream).await);
    ask(&running, &id, &[], "tools/call", json!({"name": "talk"})).await.result();
    ask(&running, &id, &[], "logging/setLevel", json!({"level": "warning"})).await.result();
    ask(&running, &id, &[], "tools/call", json!({"name": "talk"})).await.result();
    let first = stream.next().await.expect("a message");
    assert_eq!(first["params"], json!({"level": "warning", "logger": "talk", "data": {"rows": 3}}));
    let loud = ask(&running, &id, &[], "logging/setLevel", json!({"level": "loud"})).await;
    assert!(loud.json().get("error").is_some(), "{loud:?}");
}
