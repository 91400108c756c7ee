//! Older clients that send single requests without a session.

use serde_json::{Value, json};

use crate::support::Running;

/// X-1, I6: what needs no session is answered after a restart, and by any replica.
#[tokio::test]
async fn an_older_request_alone_gets_an_older_answer() {
    let running = Running::start().await;
    for version in ["", "2025-03-26", "2025-06-18", "2025-11-25"] {
        for (method, params) in [
            ("tools/list", json!({})),
            ("tools/call", json!({"name": "echo", "arguments": {"a": 1}})),
            ("resources/read", json!({"uri": "doc://a"})),
            ("prompts/get", json!({"name": "greet"})),
            ("ping", Value::Null),
        ] {
            let mut body = json!({"jsonrpc": "2.0", "id": 7, "method": method});
            if !params.is_null() {
                body["params"] = params;
            }
            let reply = running.ask(running.post(&[("mcp-protocol-version", version)], body.to_string())).await;
            let result = reply.result();
            for modern in ["resultType", "_meta", "ttlMs", "cacheScope"] {
                assert!(result.get(modern).is_none(), "{method} {version}: {result}");
            }
            if method == "tools/call" {
                assert_eq!(result["structuredContent"], json!({"a": 1}));
            }
            if method == "ping" {
                assert_eq!(result, json!({}));
            }
        }
    }
}

#[tokio::test]
async fn older_errors_are_answers_with_status_200() {
    let running = Running::start().await;
    for (method, params, code) in [
        ("server/discoverx", json!({}), -32601),
        ("subscriptions/listen", json!({"notifications": {}}), -32601),
        ("logging/setLevel", json!({"level": "info"}), -32601),
        ("resources/subscribe", json!({"uri": "doc://a"}), -32601),
        ("tools/call", json!({"name": "nope"}), -32602),
        ("tools/list", json!({"cursor": "x"}), -32602),
        ("resources/read", json!({"uri": "doc://nope"}), -32002),
    ] {
        assert_eq!(running.ask_older(method, params).await.error(), (200, code), "{method}");
    }
}

#[tokio::test]
async fn an_unknown_older_version_is_refused() {
    let running = Running::start().await;
    let body = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;
    for version in ["2024-11-05", "2025-11-26", "latest", "1"] {
        let reply = running.ask(running.post(&[("mcp-protocol-version", version)], body)).await;
        assert_eq!(reply.error(), (400, -32022), "{version}");
    }
}

#[tokio::test]
async fn standard_headers_of_older_requests_are_not_asked_for() {
    let running = Running::start().await;
    running.ask_older("tools/call", json!({"name": "whoami"})).await.result();
}
