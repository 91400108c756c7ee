//! DNS rebinding and foreign web pages.

use mcp_serve::{NoAuthentication, http::Config};
use serde_json::json;

use crate::support::Running;

/// X-2, I9.
#[tokio::test]
async fn foreign_hosts_and_origins_are_refused_on_every_way_in() {
    let config = Config {
        allowed_hosts: vec!["mcp.example.com".to_owned()],
        allowed_origins: vec!["https://app.example.com".to_owned()],
        ..Config::default()
    };
    let running = Running::with(config, NoAuthentication::default()).await;
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}})
    .to_string();
    for (header, value, status) in [
        ("host", "localhost", 200),
        ("host", "mcp.example.com", 200),
        ("host", "evil.com", 403),
        ("host", "localhost.evil.com:80", 403),
        ("origin", "http://localhost:5173", 200),
        ("origin", "https://app.example.com", 200),
        ("origin", "https://evil.com", 403),
        ("origin", "null", 403),
    ] {
        let modern = running.ask(running.modern("tools/list", json!({}), &[(header, value)])).await;
        assert_eq!(modern.status, status, "{header}: {value}");
        let session = running.ask(running.post(&[(header, value)], initialize.clone())).await;
        assert_eq!(session.status, status, "{header}: {value}");
        if status == 403 {
            assert_eq!(modern.error(), (403, 403));
        }
    }
}

#[tokio::test]
async fn a_request_needs_exactly_one_host() {
    let running = Running::start().await;
    for head in ["POST /mcp HTTP/1.1\r\n", "POST /mcp HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n"] {
        let answer =
            crate::sockets::raw(&running, &format!("{head}Connection: close\r\nContent-Length: 0\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    let absolute =
        "POST http://evil.com/mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let answer = crate::sockets::raw(&running, absolute).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[tokio::test]
async fn a_server_without_authentication_does_not_start_for_others() {
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.expect("a port");
    let server = crate::support::TestServer::new();
    let authenticator = std::sync::Arc::new(NoAuthentication::default());
    let outcome =
        mcp_serve::http::serve(server, listener, authenticator, Config::default(), std::future::pending()).await;
    let message = outcome.expect_err("refused").to_string();
    assert!(message.contains("set up authentication or listen on 127.0.0.1"), "{message}");
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_read_what_it_asked_for() {
    let config = Config { allowed_origins: vec!["https://app.example.com".to_owned()], ..Config::default() };
    let keys = mcp_serve::KeyList::parse("a-long-key").expect("keys");
    let running = Running::with(config, mcp_serve::ApiKeys::new(mcp_serve::ApiKeys::DEFAULT_HEADER, keys)).await;
    let preflight = |origin| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "x-api-key,mcp-param-region"),
        ];
        running.request(http::Method::OPTIONS, &headers, "")
    };
    let reply = running.ask(preflight("https://app.example.com")).await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("access-control-allow-origin"), "https://app.example.com");
    assert_eq!(reply.header("access-control-allow-headers"), "x-api-key,mcp-param-region");
    let reply = running.ask(preflight("https://evil.com")).await;
    assert_eq!(reply.status, 403);
    assert_eq!(reply.header("access-control-allow-origin"), "");

    let headers = [("origin", "https://app.example.com"), ("x-api-key", "a-long-key")];
    let reply = running.ask(running.modern("tools/list", json!({}), &headers)).await;
    assert_eq!(reply.header("access-control-allow-origin"), "https://app.example.com");
    assert_eq!(reply.header("vary"), "Origin");
    let refused = running.ask(running.modern("tools/list", json!({}), &headers[..1])).await;
    assert_eq!((refused.status.as_u16(), refused.header("access-control-expose-headers").is_empty()), (401, false));
    let no_page = running.ask(running.modern("tools/list", json!({}), &headers[1..])).await;
    assert_eq!(no_page.header("access-control-allow-origin"), "");
}

/// S2-49, S3-70: beside MCP as for MCP, but for routes that say something about pages themselves.
#[tokio::test]
async fn routes_beside_mcp_answer_the_same_pages() {
    const PAGE: (&str, &str) = ("origin", "https://app.example.com");
    let own = axum::response::AppendHeaders([("access-control-allow-origin", "https://other.example.com")]);
    let routes = axum::Router::new()
        .route("/hello", axum::routing::get(async || "hello"))
        .route("/page", axum::routing::get(async || axum::response::Html("<p>consent")))
        .route("/own", axum::routing::any(async move || (own, "own")));
    let config = Config { allowed_origins: vec!["https://app.example.com".to_owned()], routes, ..Config::default() };
    let running = Running::with(config, NoAuthentication::default()).await;
    let asked = async |method, path: &str, headers: &[(&str, &str)]| {
        let mut request = running.request(method, headers, "");
        *request.uri_mut() = path.parse().expect("a path");
        running.ask(request).await
    };
    let hello = asked(http::Method::GET, "/hello", &[PAGE]).await;
    assert_eq!((&*hello.text, hello.header("access-control-allow-origin")), ("hello", PAGE.1));
    assert_eq!(asked(http::Method::GET, "/hello", &[]).await.header("access-control-allow-origin"), "");
    let page = asked(http::Method::GET, "/page", &[PAGE]).await;
    assert_eq!((&*page.text, page.header("access-control-allow-origin")), ("<p>consent", ""), "for people alone");
    let evil = asked(http::Method::GET, "/hello", &[("origin", "https://evil.com")]).await;
    assert_eq!((evil.status.as_u16(), evil.header("access-control-allow-origin")), (403, ""));
    let asks = [PAGE, ("access-control-request-method", "POST"), ("access-control-request-headers", "authorization")];
    let preflight = asked(http::Method::OPTIONS, "/hello", &asks).await;
    assert_eq!((preflight.status.as_u16(), preflight.header("access-control-allow-headers")), (204, "authorization"));
    for (method, headers) in [(http::Method::GET, &asks[..1]), (http::Method::OPTIONS, &asks[..])] {
        let own = asked(method, "/own", headers).await;
        assert_eq!((own.header("access-control-allow-origin"), &*own.text), ("https://other.example.com", "own"));
    }
}
