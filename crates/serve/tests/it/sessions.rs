//! Sessions of older clients.

use http::Method;
use mcp_serve::{ApiKeys, Change, KeyList, NoAuthentication, http::Config};
use serde_json::{Value, json};

use crate::{
    auth::with_keys,
    support::{Events, Reply, Running},
};

pub fn initialize(version: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}})
    .to_string()
}

pub async fn open(running: &Running, headers: &[(&str, &str)]) -> (String, Reply) {
    let reply = running.ask(running.post(headers, initialize("2025-11-25"))).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let id = reply.header("mcp-session-id").to_owned();
    assert!(!id.is_empty());
    let mut all = vec![("mcp-session-id", id.as_str()), ("mcp-protocol-version", "2025-11-25")];
    all.extend_from_slice(headers);
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(running.ask(running.post(&all, initialized)).await.status, 202);
    (id, reply)
}

pub async fn ask(running: &Running, session: &str, headers: &[(&str, &str)], method: &str, params: Value) -> Reply {
    let mut all = vec![("mcp-session-id", session), ("mcp-protocol-version", "2025-11-25")];
    all.extend_from_slice(headers);
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    running.ask(running.post(&all, body.to_string())).await
}

#[tokio::test]
async fn initialize_opens_a_session_in_the_version_that_was_asked_for() {
    let running = Running::start().await;
    for (asked, given) in [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1900-01-01", "2025-11-25"),
    ] {
        let reply = running.ask(running.post(&[], initialize(asked))).await;
        let result = reply.result();
        assert_eq!(result["protocolVersion"], given, "{asked}");
        assert_eq!(result["serverInfo"]["name"], "test");
        assert_eq!(result["instructions"], "Ask \"nicely\".");
        assert_eq!(result["capabilities"]["tools"], json!({"listChanged": true}));
    }
}

#[tokio::test]
async fn a_session_is_used_and_ended() {
    let running = Running::start().await;
    let (id, _) = open(&running, &[]).await;
    let result = ask(&running, &id, &[], "tools/call", json!({"name": "echo", "arguments": {"a": 1}})).await.result();
    assert_eq!(result["structuredContent"], json!({"a": 1}));
    assert!(result.get("resultType").is_none());
    ask(&running, &id, &[], "ping", json!({})).await.result();
    let delete = [("mcp-session-id", id.as_str()), ("mcp-protocol-version", "2025-11-25")];
    let deleted = running.ask(running.request(Method::DELETE, &delete, "")).await;
    assert_eq!(deleted.status, 204, "{deleted:?}");
    let gone = ask(&running, &id, &[], "ping", json!({})).await;
    assert_eq!(gone.error().0, 404);
    let again = running.ask(running.request(Method::DELETE, &delete, "")).await;
    assert_eq!(again.status, 404);
}

#[tokio::test]
async fn unknown_and_missing_sessions_are_told_apart() {
    let running = Running::start().await;
    assert_eq!(ask(&running, "nonsense", &[], "ping", json!({})).await.status, 404);
    for method in [Method::GET, Method::DELETE] {
        let unknown = running.request(method.clone(), &[("mcp-session-id", "nonsense")], "");
        assert_eq!(running.ask(unknown).await.status, 404);
        let missing = running.request(method, &[("mcp-protocol-version", "2025-11-25")], "");
        assert_eq!(running.ask(missing).await.status, 400);
    }
}

#[tokio::test]
async fn a_session_belongs_to_the_principal_that_opened_it() {
    let running = with_keys().await;
    let alice = [("x-api-key", "key-of-alice")];
    let bob = [("x-api-key", "key-of-bob")];
    let (id, _) = open(&running, &alice).await;
    let mine = ask(&running, &id, &alice, "tools/call", json!({"name": "whoami"})).await.result();
    assert_eq!(mine["content"][0]["text"], "alice");
    assert_eq!(ask(&running, &id, &bob, "tools/call", json!({"name": "whoami"})).await.status, 404);
    assert_eq!(ask(&running, &id, &[], "tools/call", json!({"name": "whoami"})).await.status, 401);
    for method in [Method::GET, Method::DELETE] {
        let stolen = [("mcp-session-id", id.as_str()), ("x-api-key", "key-of-bob"), ("accept", "text/event-stream")];
        assert_eq!(running.ask(running.request(method, &stolen, "")).await.status, 404);
    }
    ask(&running, &id, &alice, "ping", json!({})).await.result();
    let scoped = ask(&running, &id, &alice, "tools/call", json!({"name": "scoped"})).await;
    assert_eq!(scoped.error(), (403, 403));
}

#[tokio::test]
async fn sessions_are_limited_and_a_place_becomes_free_again() {
    let config = Config { max_sessions: 2, ..Config::default() };
    let running = Running::with(config, NoAuthentication::default()).await;
    let (first, _) = open(&running, &[]).await;
    open(&running, &[]).await;
    let full = running.ask(running.post(&[], initialize("2025-11-25"))).await;
    assert_eq!(full.error(), (503, 503));
    assert_eq!(full.header("retry-after"), "30");
    running.ask_modern("tools/list", json!({})).await.result();
    let delete = running.request(Method::DELETE, &[("mcp-session-id", &first)], "");
    assert!(running.ask(delete).await.status.is_success());
    open(&running, &[]).await;
}

#[tokio::test]
async fn no_principal_can_take_all_sessions() {
    let keys = ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse("key-number-1,key-number-2").expect("keys"));
    let running = Running::with(Config { max_sessions_per_principal: 2, ..Config::default() }, keys).await;
    let first = [("x-api-key", "key-number-1")];
    open(&running, &first).await;
    open(&running, &first).await;
    let full = running.ask(running.post(&first, initialize("2025-11-25"))).await;
    assert_eq!(full.error(), (503, 503));
    open(&running, &[("x-api-key", "key-number-2")]).await;
}

#[tokio::test]
async fn opening_at_once_takes_no_more_of_them() {
    let keys = ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse("key-number-1,key-number-2").expect("keys"));
    let running = Running::with(Config { max_sessions_per_principal: 2, ..Config::default() }, keys).await;
    let one = |key: &'static str| running.ask(running.post(&[("x-api-key", key)], initialize("2025-11-25")));
    let replies = futures_util::future::join_all((0..16).map(|_| one("key-number-1"))).await;
    let opened = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(opened, 2, "{replies:?}");
    assert_eq!(replies.iter().filter(|reply| reply.status == 503).count(), 14);
    assert_eq!(one("key-number-2").await.status, 200);
}

#[tokio::test]
async fn a_session_that_is_idle_ends() {
    let config = Config { session_idle: std::time::Duration::from_millis(50), max_sessions: 1, ..Config::default() };
    let running = Running::with(config, NoAuthentication::default()).await;
    open(&running, &[]).await;
    crate::support::within(async {
        while running.ask(running.post(&[], initialize("2025-11-25"))).await.status != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_session_hears_of_changes_on_its_stream() {
    let running = Running::start().await;
    let (id, _) = open(&running, &[]).await;
    let get =
        [("mcp-session-id", id.as_str()), ("mcp-protocol-version", "2025-11-25"), ("accept", "text/event-stream")];
    let mut events = Events::of(running.send(running.request(Method::GET, &get, "")).await);
    ask(&running, &id, &[], "resources/subscribe", json!({"uri": "doc://a"})).await.result();
    let headers = [("mcp-session-id", id.as_str()), ("mcp-protocol-version", "2025-11-25")];
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(running.ask(running.post(&headers, initialized)).await.status, 202);
    // Both notifications are handled in tasks of the SDK; the listener is there once it hears something.
    let heard = async {
        loop {
            running.server.notify(Change::Tools);
            tokio::select! {
                event = events.next() => return event.expect("a notification"),
                () = tokio::time::sleep(std::time::Duration::from_millis(5)) => {}
            }
        }
    };
    assert_eq!(crate::support::within(heard).await["method"], "notifications/tools/list_changed");
    running.server.notify(Change::Resource("doc://b".into()));
    running.server.notify(Change::Resource("doc://a".into()));
    running.server.notify(Change::Prompts);
    let mut updated = Vec::new();
    loop {
        let event = events.next().await.expect("a notification");
        match event["method"].as_str().expect("method") {
            "notifications/resources/updated" => updated.push(event["params"]["uri"].clone()),
            "notifications/prompts/list_changed" => break,
            _ => {}
        }
    }
    // Once, although it said twice that it is initialized.
    assert_eq!(updated, [json!("doc://a")]);
}

#[tokio::test]
async fn accept_is_read_leniently_in_sessions_too() {
    let running = Running::start().await;
    for accept in ["*/*", "application/json", "text/event-stream", ""] {
        let (id, opened) = open(&running, &[("accept", accept)]).await;
        assert_eq!(opened.result()["protocolVersion"], "2025-11-25");
        let reply = ask(&running, &id, &[("accept", accept)], "tools/call", json!({"name": "echo"})).await;
        reply.result();
        if accept == "application/json" {
            assert_eq!(reply.header("content-type"), "application/json");
            assert_eq!(opened.header("content-type"), "application/json");
        }
    }
}

#[tokio::test]
async fn progress_and_cancellation_work_in_a_session() {
    let running = Running::start().await;
    let (id, _) = open(&running, &[]).await;
    let params = json!({"name": "count", "_meta": {"progressToken": "t"}});
    let events = ask(&running, &id, &[], "tools/call", params).await.events();
    let progress: Vec<&Value> = events.iter().filter(|event| event["method"] == "notifications/progress").collect();
    assert_eq!(progress.len(), 3, "{events:?}");
    assert_eq!(progress[2]["params"]["progress"], 3.0);

    let headers = [("mcp-session-id", id.as_str()), ("mcp-protocol-version", "2025-11-25")];
    let body = json!({"jsonrpc": "2.0", "id": "slow", "method": "tools/call", "params": {"name": "wait"}});
    let _response = running.send(running.post(&headers, body.to_string())).await;
    running.server.until_waiting(1).await;
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "slow"}});
    assert_eq!(running.ask(running.post(&headers, cancel.to_string())).await.status, 202);
    running.server.until_dropped(1).await;
}

#[tokio::test]
async fn internal_errors_and_limits_show_in_sessions_as_elsewhere() {
    let keys = ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse("one-long-key").expect("keys"));
    let config = Config { limits: mcp_serve::Limits { concurrency: Some(1), rate: None }, ..Config::default() };
    let running = Running::with(config, keys).await;
    let key = [("x-api-key", "one-long-key")];
    let (id, _) = open(&running, &key).await;
    let broken = ask(&running, &id, &key, "tools/call", json!({"name": "broken"})).await;
    assert_eq!(broken.error(), (200, -32603));
    assert!(!broken.text.contains("hunter2"));
    let panicked = ask(&running, &id, &key, "tools/call", json!({"name": "panic"})).await;
    assert_eq!(panicked.error(), (200, -32603));

    let call = running.spawn(running.modern("tools/call", json!({"name": "wait"}), &key));
    running.server.until_waiting(1).await;
    let busy = ask(&running, &id, &key, "tools/call", json!({"name": "echo"})).await.result();
    assert_eq!(busy["isError"], true);
    assert!(busy["content"][0]["text"].as_str().expect("text").contains("too many calls at once"));
    running.server.release.notify_one();
    crate::support::within(call).await.expect("no panic").expect("an answer").result();
    ask(&running, &id, &key, "tools/call", json!({"name": "echo"})).await.result();
}
