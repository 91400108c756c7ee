//! What is no request, and what goes wrong inside.

use http::Method;
use mcp_serve::{NoAuthentication, http::Config};
use serde_json::json;

use crate::support::Running;

#[tokio::test]
async fn what_is_no_message_is_refused_with_its_code() {
    let running = Running::start().await;
    for (body, code) in [
        ("", -32700),
        ("{", -32700),
        ("hello", -32700),
        ("[]", -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
        (r#"{"id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}"#, -32602),
    ] {
        // The same in a session as without one: nothing malformed goes any further.
        for headers in [&[][..], &[("mcp-session-id", "x")], &[("mcp-protocol-version", "2026-07-28")]] {
            let reply = running.ask(running.post(headers, body)).await;
            assert_eq!(reply.error(), (400, code), "{body} {headers:?}");
        }
    }
}

#[tokio::test]
async fn only_json_is_read() {
    let running = Running::start().await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for content_type in ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let reply = running.ask(running.post(&[("content-type", content_type)], body)).await;
        assert_eq!(reply.error(), (415, -32600), "{content_type}");
    }
    for content_type in ["application/json; charset=utf-8", "Application/JSON"] {
        running.ask(running.post(&[("content-type", content_type)], body)).await.result();
    }
}

/// RFC 9110 §12.5.3: what is not unpacked is refused before it is read, and the answer says what is taken.
#[tokio::test]
async fn a_compressed_body_is_told_so() {
    let running = Running::start().await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for codings in [&["gzip"][..], &["identity", "br"], &["deflate, identity"]] {
        let headers: Vec<_> = codings.iter().map(|coding| ("content-encoding", *coding)).collect();
        let reply = running.ask(running.post(&headers, body)).await;
        assert_eq!(reply.error(), (415, -32600), "{codings:?}");
        assert_eq!(reply.header("accept-encoding"), "identity");
        assert!(reply.text.contains("Content-Encoding"), "{reply:?}");
    }
    running.ask(running.post(&[("content-encoding", "Identity")], body)).await.result();
}

#[tokio::test]
async fn a_body_has_a_limit_with_and_without_a_length() {
    let running = Running::with(Config { max_body: 1000, ..Config::default() }, NoAuthentication::default()).await;
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping"}}{}"#, " ".repeat(1000));
    let reply = running.ask(running.post(&[], body.clone())).await;
    assert_eq!(reply.error(), (413, -32600));
    let chunked = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let answer = crate::sockets::raw(&running, &chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn arguments_may_be_nested_so_deep_and_no_deeper() {
    let running = Running::start().await;
    let ask = async |depth: usize| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{{"a":{}{}}}}}}}"#,
            "[".repeat(depth - 1),
            "]".repeat(depth - 1)
        );
        running.ask(running.post(&[], body)).await
    };
    ask(64).await.result();
    assert_eq!(ask(65).await.error(), (200, -32602));
    assert_eq!(ask(100_000).await.error(), (200, -32602));
    let in_session = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":"#.to_owned()
        + &"[".repeat(65)
        + &"]".repeat(65)
        + "}}";
    let reply = running.ask(running.post(&[("mcp-session-id", "x")], in_session)).await;
    assert_eq!(reply.error(), (200, -32602));
}

#[tokio::test]
async fn the_cause_of_an_internal_error_stays_inside() {
    let running = Running::start().await;
    for tool in ["broken", "panic"] {
        let reply = running.ask_modern("tools/call", json!({"name": tool})).await;
        assert_eq!(reply.error(), (200, -32603), "{tool}");
        assert_eq!(reply.json()["error"]["message"], "internal error");
        assert_eq!(reply.json()["error"]["data"]["requestId"].as_str().map(str::len), Some(32));
        assert!(!reply.text.contains("hunter2") && !reply.text.contains("bug"), "{}", reply.text);
    }
    running.ask_modern("tools/call", json!({"name": "echo"})).await.result();
}

/// S2-55: liveness, which says nothing to strangers.
#[tokio::test]
async fn health_and_further_routes_are_served_beside() {
    let routes = axum::Router::new().route("/extra", axum::routing::get(async || "more"));
    let running = Running::with(Config { routes, ..Config::default() }, NoAuthentication::default()).await;
    let get = async |path: &str, host: &str| {
        let mut request = running.request(Method::GET, &[("host", host)], "");
        *request.uri_mut() = path.parse().expect("uri");
        let reply = running.ask(request).await;
        (reply.status.as_u16(), reply.text)
    };
    assert_eq!(get("/healthz", "localhost").await, (200, r#"{"status":"ok"}"#.to_owned()));
    assert_eq!(get("/healthz", "10.1.2.3").await, (200, r#"{"status":"ok"}"#.to_owned()));
    assert_eq!(get("/extra", "localhost").await, (200, "more".to_owned()));
    assert_eq!(get("/extra", "evil.com").await.0, 403);
    assert_eq!(get("/nothing", "localhost").await.0, 404);
}
