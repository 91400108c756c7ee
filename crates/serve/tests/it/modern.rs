//! What 2026-07-28 asks of a server, rule by rule.

use serde_json::{Value, json};

use crate::support::{Running, TOOLS};

const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

#[tokio::test]
async fn discover_tells_versions_capabilities_and_who_it_is() {
    let running = Running::start().await;
    let result = running.ask_modern("server/discover", json!({})).await.result();
    assert_eq!(
        result,
        json!({
            "resultType": "complete",
            "ttlMs": 5000,
            "cacheScope": "public",
            "supportedVersions": ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"],
            "capabilities": {
                "tools": {"listChanged": true},
                "resources": {"listChanged": true, "subscribe": true},
                "prompts": {"listChanged": true},
                "completions": {},
                "extensions": {"io.modelcontextprotocol/tasks": {}},
            "logging": {},
            },
            "instructions": "Ask \"nicely\".",
            "_meta": {SERVER_INFO: {"name": "test", "version": "1.2.3"}},
        })
    );
}

#[tokio::test]
async fn every_result_is_complete_and_says_who_made_it() {
    let running = Running::start().await;
    for (method, params) in [
        ("server/discover", json!({})),
        ("tools/list", json!({})),
        ("tools/call", json!({"name": "echo", "arguments": {}})),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({"uri": "doc://a"})),
        ("prompts/list", json!({})),
        ("prompts/get", json!({"name": "greet"})),
        ("completion/complete", complete()),
    ] {
        let reply = running.ask_modern(method, params).await;
        let result = reply.result();
        assert_eq!(result["resultType"], "complete", "{method}");
        assert_eq!(result["_meta"][SERVER_INFO], json!({"name": "test", "version": "1.2.3"}), "{method}");
        assert_eq!(reply.json()["id"], 7, "{method}");
        let cached = method.ends_with("/list") || matches!(method, "server/discover" | "resources/read");
        assert_eq!(result.get("ttlMs").is_some_and(Value::is_u64), cached, "{method}");
        assert_eq!(result.get("cacheScope").is_some(), cached, "{method}");
        assert_eq!(reply.header("content-type"), "application/json");
        assert!(!reply.headers.contains_key("mcp-session-id"));
    }
}

fn complete() -> Value {
    json!({
        "ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "who", "value": "b"},
        "context": {"arguments": {"greeting": "a"}}
    })
}

#[tokio::test]
async fn a_call_answers_structured_and_as_text() {
    let running = Running::start().await;
    let arguments = json!({"b": 1, "a": ["\"quoted\"", "line\nbreak", "käse", 9_007_199_254_740_993_i64], "n": null});
    let result = running.ask_modern("tools/call", json!({"name": "echo", "arguments": arguments})).await.result();
    assert_eq!(result["structuredContent"], arguments);
    assert_eq!(result["content"], json!([{"type": "text", "text": arguments.to_string()}]));
    assert!(result.get("isError").is_none());

    let result = running.ask_modern("tools/call", json!({"name": "picture"})).await.result();
    assert_eq!(result["content"][0]["mimeType"], "image/png");
    assert_eq!(result["structuredContent"], json!({"seen": true}));
    assert_eq!(result["isError"], true);

    let result = running.ask_modern("tools/call", json!({"name": "pretty"})).await.result();
    assert_eq!(result["structuredContent"], json!({"a": "line\nbreak", "n": 9_007_199_254_740_993_i64}));
}

#[tokio::test]
async fn ids_come_back_as_they_were_sent() {
    let running = Running::start().await;
    for id in ["7", "\"a-\\u0062\"", "-1", "0", "1.5", "\"\""] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"server/discover","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
        );
        let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "server/discover")];
        let reply = running.ask(running.post(&headers, body)).await;
        assert!(reply.text.starts_with(&format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},")), "{}", reply.text);
    }
}

#[tokio::test]
async fn lists_are_whole_and_in_order() {
    let running = Running::start().await;
    let result = running.ask_modern("tools/list", json!({})).await.result();
    let names: Vec<&str> =
        result["tools"].as_array().expect("tools").iter().map(|tool| tool["name"].as_str().expect("name")).collect();
    assert_eq!(names, TOOLS);
    assert!(result.get("nextCursor").is_none());
    let result = running.ask_modern("completion/complete", complete()).await.result();
    assert_eq!(result["completion"]["values"].as_array().map(Vec::len), Some(100));
    assert_eq!(result["completion"]["values"][1], "ab1");
    assert_eq!(result["completion"]["hasMore"], true);
    let result = running.ask_modern("resources/read", json!({"uri": "doc://a"})).await.result();
    assert_eq!(result["contents"][0]["text"], "the text");
    let result =
        running.ask_modern("prompts/get", json!({"name": "greet", "arguments": {"who": "bob"}})).await.result();
    assert_eq!(result["messages"][0]["content"]["text"], "Greet bob.");
}

#[tokio::test]
async fn headers_must_agree_with_the_body() {
    let running = Running::start().await;
    let call = || json!({"name": "echo"});
    for (method, params, change) in [
        ("tools/call", call(), ("mcp-method", "")),
        ("tools/call", call(), ("mcp-method", "tools/list")),
        ("tools/call", call(), ("mcp-name", "")),
        ("tools/call", call(), ("mcp-name", "whoami")),
        ("tools/call", call(), ("mcp-name", "=?base64?d2hvYW1p?=")),
        ("tools/call", call(), ("mcp-protocol-version", "")),
        ("tools/call", call(), ("mcp-protocol-version", "2025-11-25")),
        ("tools/list", json!({}), ("mcp-method", "")),
        ("resources/read", json!({"uri": "doc://a"}), ("mcp-name", "doc://b")),
        ("resources/read", json!({"uri": "doc://a"}), ("mcp-name", "")),
        ("prompts/get", json!({"name": "greet"}), ("mcp-name", "")),
    ] {
        let reply = running.ask(running.modern(method, params, &[change])).await;
        assert_eq!(reply.error(), (400, -32020), "{method} {change:?}");
        assert_eq!(reply.json()["id"], 7);
    }
    let encoded = running.modern("tools/call", call(), &[("mcp-name", "=?base64?ZWNobw==?=")]);
    running.ask(encoded).await.result();
    let mut twice = running.modern("tools/call", call(), &[]);
    twice.headers_mut().append("mcp-name", "echo".parse().expect("value"));
    assert_eq!(running.ask(twice).await.error(), (400, -32020));
}

#[tokio::test]
async fn annotated_parameters_must_agree_with_their_headers() {
    let running = Running::start().await;
    let params = json!({"name": "routed", "arguments": {"region": "eu"}});
    for (value, fits) in [("eu", true), ("=?base64?ZXU=?=", true), ("us", false), ("", false)] {
        let request = running.modern("tools/call", params.clone(), &[("mcp-param-region", value)]);
        let reply = running.ask(request).await;
        if fits {
            reply.result();
        } else {
            assert_eq!(reply.error(), (400, -32020), "{value}");
        }
    }
    running.ask_modern("tools/call", json!({"name": "routed"})).await.result();
    running.ask_older("tools/call", params).await.result();
}

#[tokio::test]
async fn unknown_versions_are_told_which_ones_are_served() {
    let running = Running::start().await;
    let params = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "1900-01-01"}});
    let request = running.modern("tools/list", params, &[("mcp-protocol-version", "1900-01-01")]);
    let reply = running.ask(request).await;
    assert_eq!(reply.error(), (400, -32022));
    assert_eq!(
        reply.json()["error"]["data"],
        json!({"supported": ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"], "requested": "1900-01-01"})
    );
}

#[tokio::test]
async fn requests_without_their_metadata_are_refused() {
    let running = Running::start().await;
    let without = |key: &str| {
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        meta.as_object_mut().expect("object").remove(key);
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": {"_meta": meta}});
        let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];
        running.post(&headers, body.to_string())
    };
    for key in ["protocolVersion", "clientCapabilities"] {
        let reply = running.ask(without(&format!("io.modelcontextprotocol/{key}"))).await;
        assert_eq!(reply.error(), (400, -32602), "{key}");
        assert!(reply.text.contains(key), "{}", reply.text);
    }
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];
    let reply = running.ask(running.post(&headers, r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#)).await;
    assert_eq!(reply.error(), (400, -32602));
    let reply = running.ask(running.post(&[], r#"{"jsonrpc":"2.0","id":7,"method":"server/discover"}"#)).await;
    assert_eq!(reply.error(), (400, -32602));
}

#[tokio::test]
async fn removed_and_unknown_methods_are_not_found() {
    let running = Running::start().await;
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "tasks/list",
        "tools/callx",
        "",
    ] {
        let mut request = running.modern(method, json!({}), &[]);
        if method.is_empty() {
            request.headers_mut().insert("mcp-method", "".parse().expect("value"));
        }
        assert_eq!(running.ask(request).await.error(), (404, -32601), "{method}");
    }
}

#[tokio::test]
async fn what_a_server_does_not_know_is_an_invalid_parameter() {
    let running = Running::start().await;
    for (method, params) in [
        ("tools/call", json!({"name": "ecko"})),
        ("prompts/get", json!({"name": "nope"})),
        ("resources/read", json!({"uri": "doc://nope"})),
        ("tools/list", json!({"cursor": "abc"})),
        ("prompts/list", json!({"cursor": ""})),
        ("resources/list", json!({"cursor": "abc"})),
        ("resources/templates/list", json!({"cursor": "abc"})),
        ("tools/call", json!({"arguments": {}})),
        ("tools/call", json!({"name": "echo", "arguments": []})),
        ("tools/call", json!({"name": "echo", "arguments": "x"})),
        ("resources/read", json!({})),
        ("completion/complete", json!({})),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/tool", "name": "x"}, "argument": {"name": "a", "value": ""}}),
        ),
        ("subscriptions/listen", json!({})),
        ("subscriptions/listen", json!({"notifications": {"toolsListChanged": "yes"}})),
    ] {
        let reply = running.ask_modern(method, params.clone()).await;
        assert_eq!(reply.error(), (200, -32602), "{method} {params}");
    }
    let reply = running.ask_modern("tools/call", json!({"name": "ecko"})).await;
    assert!(reply.text.contains("did you mean `echo`?"), "{}", reply.text);
}

#[tokio::test]
async fn notifications_are_accepted_and_answers_are_not() {
    let running = Running::start().await;
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#;
    for method in ["notifications/cancelled", ""] {
        let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
        let reply = running.ask(running.post(&headers, cancelled)).await;
        assert_eq!((reply.status.as_u16(), reply.text.as_str()), (202, ""));
    }
    for (version, method, code) in
        [("2026-07-28", "tools/list", -32020), ("1900-01-01", "notifications/cancelled", -32022)]
    {
        let headers = [("mcp-protocol-version", version), ("mcp-method", method)];
        assert_eq!(running.ask(running.post(&headers, cancelled)).await.error(), (400, code), "{version} {method}");
    }
    let modern = [("mcp-protocol-version", "2026-07-28")];
    let reply = running.ask(running.post(&modern, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)).await;
    assert_eq!(reply.error(), (400, -32600));
}

#[tokio::test]
async fn a_stray_session_id_is_ignored() {
    let running = Running::start().await;
    let change = [("mcp-session-id", "nonsense"), ("last-event-id", "1")];
    let request = running.modern("tools/call", json!({"name": "echo"}), &change);
    running.ask(request).await.result();
}

#[tokio::test]
async fn get_and_delete_are_not_allowed() {
    let running = Running::start().await;
    for method in [http::Method::GET, http::Method::DELETE, http::Method::PUT, http::Method::OPTIONS] {
        for headers in [&[("mcp-protocol-version", "2026-07-28"), ("mcp-session-id", "x")][..], &[]] {
            let reply = running.ask(running.request(method.clone(), headers, "")).await;
            assert_eq!(reply.status, 405, "{method} {headers:?}");
            assert_eq!(reply.header("allow"), "POST");
        }
    }
}

#[tokio::test]
async fn accept_is_read_leniently() {
    let running = Running::start().await;
    let ask = async |accept: &str| {
        let request = running.modern("tools/call", json!({"name": "echo"}), &[("accept", accept)]);
        running.ask(request).await
    };
    for accept in ["*/*", "application/json", "application/json, text/event-stream", ""] {
        let reply = ask(accept).await;
        assert_eq!(reply.header("content-type"), "application/json", "{accept}");
        reply.result();
    }
    let reply = ask("text/event-stream").await;
    assert_eq!(reply.header("content-type"), "text/event-stream");
    reply.result();
    assert_eq!(ask("text/html").await.error(), (406, -32600));
}
