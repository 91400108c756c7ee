//! What HTTP itself asks of an API: conditions, methods, kinds and sizes of bodies, requests that come again.

use serde_json::json;

use crate::{Running, shop};

fn tag(head: &str) -> String {
    let line = head.lines().find(|line| line.starts_with("etag: ")).unwrap_or_else(|| panic!("a tag: {head}"));
    line["etag: ".len()..].to_owned()
}

#[tokio::test]
async fn who_has_an_answer_does_not_get_it_again_until_it_is_another() {
    let running = Running::start().await;
    running.ask("POST", "/mcp/create", &shop("1.0.0", "hello")).await;
    for path in ["/mcp/servers", "/mcp/servers/shop", "/mcp/servers/shop/versions"] {
        let reply = running.ask("GET", path, "").await;
        let known = format!("if-none-match: \"other\", {}\r\n", tag(&reply.head));
        for method in ["GET", "HEAD"] {
            let again = running.ask_with(&running.token, method, path, &known, "").await;
            assert_eq!((again.status, again.body.as_str()), (304, ""), "{method} {path}: {again:?}");
        }
        running.ask("POST", "/mcp/create", &shop(&format!("1.0.{}", path.len()), "hello")).await;
        let other = running.ask_with(&running.token, "GET", path, &known, "").await;
        assert_eq!(other.status, 200, "{path}");
        assert_ne!(tag(&other.head), tag(&reply.head));
    }
}

#[tokio::test]
async fn what_was_changed_meanwhile_is_not_changed_by_who_does_not_know() {
    let running = Running::start().await;
    let only_new = "if-none-match: *\r\n";
    let created = running.ask_with(&running.token, "POST", "/mcp/create", only_new, &shop("1.0.0", "hello")).await;
    assert_eq!(created.status, 201);
    let again = running.ask_with(&running.token, "POST", "/mcp/create", only_new, &shop("1.0.1", "hello")).await;
    assert_eq!(again.code(), (412, "changed".to_owned()));
    let seen = format!("if-match: {}\r\n", tag(&running.ask("GET", "/mcp/servers/shop", "").await.head));
    running.ask("POST", "/mcp/create", &shop("1.1.0", "hello")).await;
    for (method, path, body) in [
        ("POST", "/mcp/create", shop("1.2.0", "hello")),
        ("DELETE", "/mcp/servers/shop", String::new()),
        ("POST", "/mcp/servers/shop/rollback", String::new()),
        ("POST", "/mcp/deploy/shop", String::new()),
    ] {
        let refused = running.ask_with(&running.token, method, path, &seen, &body).await;
        assert_eq!(refused.code(), (412, "changed".to_owned()), "{method} {path}");
    }
    let seen = format!("if-match: {}\r\n", tag(&running.ask("GET", "/mcp/servers/shop", "").await.head));
    assert_eq!(running.ask_with(&running.token, "POST", "/mcp/deploy/shop", &seen, "").await.status, 200);
    let any = "if-match: *\r\n";
    assert_eq!(running.ask_with(&running.token, "DELETE", "/mcp/servers/shop", any, "").await.status, 204);
    assert_eq!(running.ask_with(&running.token, "DELETE", "/mcp/servers/shop", any, "").await.code().0, 412);
}

#[tokio::test]
async fn a_creation_that_comes_again_is_answered_as_the_first_time() {
    let running = Running::start().await;
    let key = "idempotency-key: 4f2a\r\n";
    for _ in 0..2 {
        let created = running.ask_with(&running.token, "POST", "/mcp/create", key, &shop("1.0.0", "hello")).await;
        assert_eq!((created.status, &created.json()["outcome"]), (201, &json!("created")), "{created:?}");
    }
    let other = running.ask_with(&running.token, "POST", "/mcp/create", key, &shop("1.1.0", "hello")).await;
    assert_eq!(other.code(), (422, "idempotency-key-reused".to_owned()));
}

#[tokio::test]
async fn what_can_t_be_read_is_a_problem_too() {
    let running = Running::start().await;
    let yaml = "content-type: application/yaml\r\n";
    for (method, path, head, body, status, code) in [
        ("GET", "/mcp/servers/%ff", "", "", 400, "invalid-argument"),
        ("GET", "/mcp/%ff", "", "", 404, "not-found"),
        ("POST", "/mcp/tokens", "", "{", 400, "invalid-argument"),
        ("POST", "/mcp/tokens", yaml, "name: x", 415, "media-type"),
        ("POST", "/mcp/create", "content-type: image/png\r\n", "x", 415, "media-type"),
        ("POST", "/mcp/tokens", "content-encoding: gzip\r\n", "\u{1f}", 415, "content-encoding"),
        ("POST", "/mcp/create", "content-encoding: identity, br\r\n", "x", 415, "content-encoding"),
        ("POST", "/mcp/tokens", "content-encoding: identity\r\n", "{", 400, "invalid-argument"),
        ("TRACE", "/mcp/servers", "", "", 405, "method-not-allowed"),
    ] {
        let refused = running.ask_with(&running.token, method, path, head, body).await;
        assert_eq!(refused.code(), (status, code.to_owned()), "{method} {path}");
        assert_eq!(refused.head.contains("accept-encoding: identity"), code == "content-encoding", "{refused:?}");
    }
    let large = "x".repeat((16 << 20) + 1);
    assert_eq!(running.ask("POST", "/mcp/create", &large).await.code(), (413, "too-large".to_owned()));
}

#[tokio::test]
async fn a_path_says_which_methods_it_takes_and_head_is_get_without_a_body() {
    let running = Running::start().await;
    for (method, status) in [("PUT", 405), ("OPTIONS", 204)] {
        let reply = running.ask(method, "/mcp/servers/shop", "").await;
        assert_eq!(reply.status, status, "{reply:?}");
        assert!(reply.head.contains("allow: get,head,delete"), "{reply:?}");
    }
    let (get, head) = (running.ask("GET", "/mcp/servers", "").await, running.ask("HEAD", "/mcp/servers", "").await);
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let without_date =
        |head: &str| head.lines().filter(|line| !line.starts_with("date")).collect::<Vec<_>>().join("\n");
    assert_eq!(without_date(&head.head), without_date(&get.head));
}
