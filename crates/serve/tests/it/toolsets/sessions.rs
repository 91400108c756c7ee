//! Sessions of older clients: each has its own toolsets.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::Method;
use mcp_serve::{
    ApiKeys, KeyList,
    http::Config,
    toolsets::{Catalog, ExposurePolicy, Initial, META_TOOLS, Modern, Options, Toolset, Toolsets},
};
use serde_json::json;

use super::{Era, call, dynamic, list, meta, request, serve};
use crate::{
    sessions::open,
    support::{Events, Running, TestServer},
};

async fn events(running: &Running, session: &str) -> Events {
    let headers =
        [("mcp-session-id", session), ("mcp-protocol-version", "2025-11-25"), ("accept", "text/event-stream")];
    Events::of(running.send(running.request(Method::GET, &headers, "")).await)
}

/// T8. W2-1: a disabled tool could still be called. W2-2: enabling again failed.
#[tokio::test]
async fn what_is_disabled_is_neither_listed_nor_callable_and_can_be_enabled_again() {
    let (running, _) = serve(dynamic(Modern::Search)).await;
    let (id, _) = open(&running, &[]).await;
    let era = Era::Session(&id);
    for _ in 0..2 {
        assert!(!list(&running, era).await.iter().any(|name| name.starts_with("reading.")));
        assert_eq!(call(&running, era, "reading.echo", json!({})).await.error().1, -32602);
        let enabled = meta(&running, era, "enable_toolset", json!({ "name": "reading" })).await;
        let message = "Toolset 'reading' enabled successfully. Registered 2 tools.";
        assert_eq!(enabled, json!({ "success": true, "message": message }));
        let listed = list(&running, era).await;
        assert!(listed.contains(&"reading.echo".to_owned()) && listed.contains(&"reading.whoami".to_owned()));
        let answer = call(&running, era, "reading.echo", json!({ "a": 1 })).await.result();
        assert_eq!(answer["structuredContent"], json!({ "a": 1 }));
        let again = meta(&running, era, "enable_toolset", json!({ "name": "reading" })).await;
        assert_eq!(again["message"], "Toolset 'reading' is already enabled.");
        let disabled = meta(&running, era, "disable_toolset", json!({ "name": "reading" })).await;
        assert_eq!(disabled, json!({ "success": true, "message": "Toolset 'reading' disabled successfully." }));
        let through = call(&running, era, "call_tool", json!({ "tool": "reading.echo" })).await.result();
        assert_eq!(through["isError"], true);
    }
    let not_active = meta(&running, era, "disable_toolset", json!({ "name": "reading" })).await;
    assert_eq!(not_active["message"], "Toolset 'reading' is not currently active. Active toolsets: none");
}

/// W2-4: what one client did ended or changed another's session.
#[tokio::test]
async fn a_session_is_told_of_its_own_changes_and_of_no_others() {
    let (running, _) = serve(dynamic(Modern::Search)).await;
    let ((one, _), (two, _)) = (open(&running, &[]).await, open(&running, &[]).await);
    let (mut told_one, mut told_two) = (events(&running, &one).await, events(&running, &two).await);
    meta(&running, Era::Session(&one), "enable_toolset", json!({ "name": "reading" })).await;
    assert_eq!(told_one.next().await.expect("news")["method"], "notifications/tools/list_changed");
    assert!(list(&running, Era::Session(&one)).await.contains(&"reading.echo".to_owned()));
    assert!(!list(&running, Era::Session(&two)).await.contains(&"reading.echo".to_owned()));
    assert_eq!(call(&running, Era::Session(&two), "reading.echo", json!({})).await.error().1, -32602);
    // The first thing that the other session hears of is its own change.
    meta(&running, Era::Session(&two), "enable_toolset", json!({ "name": "writing" })).await;
    assert_eq!(told_two.next().await.expect("news")["method"], "notifications/tools/list_changed");
    meta(&running, Era::Session(&one), "disable_toolset", json!({ "name": "reading" })).await;
    assert_eq!(told_one.next().await.expect("news")["method"], "notifications/tools/list_changed");
    running.begin_stop();
    assert_eq!((told_one.next().await, told_two.next().await), (None, None), "nobody heard more");
}

/// S3-40, S3-41, S3-50.
#[tokio::test]
async fn the_meta_tools_answer_as_they_are_known() {
    let on_limit = Arc::new(AtomicUsize::new(0));
    let counted = on_limit.clone();
    let policy = ExposurePolicy {
        allow: Some(vec!["reading".into(), "writing".into(), "two".into()]),
        deny: vec!["two".into()],
        max_active: Some(1),
        on_limit: Some(Arc::new(move |attempted, active| {
            assert_eq!((attempted, active), (&["writing"][..], &["reading"][..]));
            counted.fetch_add(1, Ordering::SeqCst);
        })),
        namespace: true,
    };
    let (running, _) = serve(Options { policy, ..dynamic(Modern::Search) }).await;
    let (id, _) = open(&running, &[]).await;
    let era = Era::Session(&id);
    let enable = async |name: &str| meta(&running, era, "enable_toolset", json!({ "name": name })).await;
    enable("reading").await;
    let full = enable("writing").await;
    let expected = "Activation exceeds maxActiveToolsets (1).";
    assert_eq!(full, json!({ "success": false, "message": expected, "code": "E_POLICY_MAX_ACTIVE" }));
    assert_eq!(on_limit.load(Ordering::SeqCst), 1);
    assert_eq!(enable("late").await["message"], "Toolset 'late' is not allowed by policy.");
    assert_eq!(enable("two").await["message"], "Toolset 'two' is denied by policy.");
    let unknown = enable("nope").await;
    assert_eq!(unknown["message"], "Toolset 'nope' not found. Available toolsets: reading, writing");
    assert_eq!(unknown["code"], "E_VALIDATION");
    let listed = meta(&running, era, "list_toolsets", json!({})).await;
    assert_eq!(
        listed["toolsets"][0],
        json!({
            "key": "reading",
            "active": true,
            "definition": {
                "name": "reading",
                "description": "Look things up",
                "modules": [],
                "decisionCriteria": "To look something up",
            },
            "tools": ["reading.echo", "reading.whoami"],
        })
    );
    assert_eq!(listed["toolsets"].as_array().map(Vec::len), Some(2), "what the policy forbids is no offer");
    let described = meta(&running, era, "describe_toolset", json!({ "name": "writing" })).await;
    assert_eq!(described["definition"]["name"], "Write");
    assert_eq!(described["tools"][0]["inputSchema"]["properties"]["customer"]["type"], "string");
    let error = meta(&running, era, "describe_toolset", json!({ "name": "x" })).await;
    assert_eq!(error, json!({ "error": "Unknown toolset 'x'" }));
    let tools = meta(&running, era, "list_tools", json!({})).await;
    assert_eq!(tools["toolsetToTools"], json!({ "reading": ["reading.echo", "reading.whoami"] }));
    let found = meta(&running, era, "search_tools", json!({ "query": "bill" })).await;
    assert_eq!(found["tools"][0]["name"], "writing.send_invoice");
    assert_eq!((&found["tools"][0]["active"], &found["tools"][0]["toolsets"]), (&json!(false), &json!(["writing"])));
    let wrong = meta(&running, era, "enable_toolset", json!({ "key": "reading" })).await;
    assert_eq!((&wrong["success"], &wrong["code"]), (&json!(false), &json!("E_VALIDATION")));
    let hints = async |name: &str| {
        let tools = running_tools(&running, era).await;
        tools.iter().find(|tool| tool["name"] == name).expect("listed")["annotations"].clone()
    };
    for name in ["enable_toolset", "disable_toolset"] {
        let hints = hints(name).await;
        assert_eq!((&hints["destructiveHint"], &hints["idempotentHint"]), (&json!(true), &json!(true)), "{name}");
    }
    for name in ["list_toolsets", "describe_toolset", "list_tools"] {
        let hints = hints(name).await;
        assert_eq!((&hints["readOnlyHint"], &hints["idempotentHint"]), (&json!(true), &json!(true)), "{name}");
    }
}

async fn running_tools(running: &Running, era: Era<'_>) -> Vec<serde_json::Value> {
    let reply = super::request(running, era, &[], "tools/list", json!({})).await;
    reply.result()["tools"].as_array().expect("tools").clone()
}

/// W2-7, S3-53: a broken loader was a success with no tools.
#[tokio::test]
async fn a_module_that_fails_is_reported_and_tried_again() {
    let (running, late) = serve(dynamic(Modern::Search)).await;
    let (id, _) = open(&running, &[]).await;
    let era = Era::Session(&id);
    let failed = meta(&running, era, "enable_toolset", json!({ "name": "late" })).await;
    assert_eq!(failed["success"], false);
    assert_eq!(failed["failed_modules"], json!(["late"]));
    assert!(!list(&running, era).await.iter().any(|name| name.starts_with("late.")));
    let partly = meta(&running, era, "enable_toolset", json!({ "name": "two" })).await;
    assert_eq!((&partly["success"], &partly["failed_modules"]), (&json!(true), &json!(["late"])));
    assert!(list(&running, era).await.contains(&"two.sure".to_owned()));
    late.works.store(true, Ordering::SeqCst);
    let enabled = meta(&running, era, "enable_toolset", json!({ "name": "late" })).await;
    assert_eq!(enabled["message"], "Toolset 'late' enabled successfully. Registered 1 tools.");
    let answer = call(&running, era, "late.delayed", json!({})).await.result();
    // W2-17: a handler knows who calls.
    assert_eq!(answer["content"][0]["text"], "delayed for anonymous");
    // Once for all sessions.
    let loads = late.loads.load(Ordering::SeqCst);
    let (other, _) = open(&running, &[]).await;
    meta(&running, Era::Session(&other), "enable_toolset", json!({ "name": "late" })).await;
    assert_eq!(late.loads.load(Ordering::SeqCst), loads);
    assert!(loads < 1000, "a module that no toolset names is left alone");
}

/// W2-14: concurrent enables got past the limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enabling_at_once_never_gets_past_the_limit() {
    let policy = ExposurePolicy { max_active: Some(2), ..ExposurePolicy::default() };
    let (running, late) = serve(Options { policy, ..dynamic(Modern::Search) }).await;
    late.works.store(true, Ordering::SeqCst);
    for _ in 0..10 {
        let (session, _) = open(&running, &[]).await;
        let era = Era::Session(&session);
        // At once in one session, requests need ids of their own.
        let done = ["reading", "writing", "late", "two"].into_iter().enumerate().map(async |(id, key)| {
            let params = json!({ "name": "enable_toolset", "arguments": { "name": key } });
            let body = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
            let headers = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-11-25")];
            running.ask(running.post(&headers, body.to_string())).await.result()
        });
        let done = futures_util::future::join_all(done).await;
        let enabled = done.iter().filter(|outcome| outcome["structuredContent"]["success"] == true).count();
        assert_eq!(enabled, 2);
        let toolsets = meta(&running, era, "list_tools", json!({})).await;
        assert_eq!(toolsets["toolsetToTools"].as_object().map(serde_json::Map::len), Some(2));
    }
}

/// T9. W2-3: a static server served one client at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_clients_use_a_static_server_at_once() {
    let initial = Initial::Only(vec!["reading".into(), "writing".into()]);
    let (running, _) = serve(Options { initial, ..Options::default() }).await;
    let clients = (0..50).map(async |n| {
        let session = if n % 2 == 0 { Some(open(&running, &[]).await.0) } else { None };
        let era = session.as_deref().map_or(Era::Modern, Era::Session);
        let listed = list(&running, era).await;
        assert!(listed.contains(&"reading.echo".to_owned()) && listed.contains(&"writing.send_invoice".to_owned()));
        assert!(!META_TOOLS.iter().any(|meta| listed.iter().any(|name| name == meta)), "{listed:?}");
        let answer = call(&running, era, "reading.echo", json!({ "n": n })).await.result();
        assert_eq!(answer["structuredContent"], json!({ "n": n }));
        assert_eq!(call(&running, era, "late.delayed", json!({})).await.error().1, -32602);
    });
    futures_util::future::join_all(clients).await;
}

/// What steps up is told all at once: the scopes of the toolset and of the tool that is really called.
#[tokio::test]
async fn a_challenge_names_the_scopes_of_the_tool_that_call_tool_calls() {
    const KEYS: &str = r#"{
        "key-of-none": { "principal": "none", "scopes": [] },
        "key-of-half": { "principal": "half", "scopes": ["shop"] },
        "key-of-all": { "principal": "all", "scopes": ["shop", "stock:write", "stock:read"] }
    }"#;
    let keys = ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse(KEYS).expect("keys"));
    let server = TestServer::new();
    let shop = Toolset::new("shop", "Sells").tools(["scoped"]).scopes(["shop"]);
    let options = Options { initial: Initial::All, ..dynamic(Modern::Search) };
    let toolsets = Toolsets::new(server.clone(), Catalog::new().toolset(shop), options).expect("a catalog");
    let running = Running::around(server, Arc::new(toolsets), Config::default(), keys).await;
    let by_name = json!({ "name": "call_tool", "arguments": { "tool": "shop.scoped", "arguments": {} } });
    for (key, allowed) in [("key-of-none", false), ("key-of-half", false), ("key-of-all", true)] {
        let key = [("x-api-key", key)];
        let (session, _) = crate::sessions::open(&running, &key).await;
        for (era, params) in [
            (Era::Modern, by_name.clone()),
            (Era::Session(&session), by_name.clone()),
            (Era::Session(&session), json!({ "name": "shop.scoped" })),
        ] {
            let reply = request(&running, era, &key, "tools/call", params).await;
            if allowed {
                assert_eq!(reply.result()["content"][0]["text"], "allowed");
                continue;
            }
            assert_eq!(reply.status, 403, "{reply:?}");
            for scope in ["shop", "stock:write", "stock:read"] {
                assert!(reply.header("www-authenticate").contains(scope), "{reply:?}");
            }
        }
    }
}
