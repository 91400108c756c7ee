//! What is told of a factory at work: metrics and events.

use std::time::Duration;

use tokio::io::AsyncBufReadExt as _;

use crate::{Running, shop, within};

/// X-5. It names everybody's servers: an admin reads it.
#[tokio::test]
async fn an_admin_reads_what_was_counted_as_prometheus_does() {
    let running = Running::start().await;
    running.ask("POST", "/mcp/create", &shop("1.0.0", "hello")).await;
    running.ask("POST", "/mcp/deploy/shop", "").await;
    running.call("hello").await;
    // Nothing is counted twice or lost when it is written down.
    running.ask("GET", "/mcp/usage", "").await;
    running.call("hello").await;
    let reply = running.ask("GET", "/metrics", "").await;
    assert!(reply.head.contains("content-type: text/plain; version=0.0.4"), "{reply:?}");
    for line in [
        "# TYPE mcp_factory_calls_total counter\n",
        "mcp_factory_calls_total{owner=\"local\",server=\"shop\",tool=\"hello\"} 2\n",
        "mcp_factory_call_errors_total{owner=\"local\",server=\"shop\",tool=\"hello\"} 0\n",
        "mcp_factory_call_duration_seconds_bucket{owner=\"local\",server=\"shop\",le=\"+Inf\"} 2\n",
        "mcp_factory_call_duration_seconds_count{owner=\"local\",server=\"shop\"} 2\n",
        "mcp_factory_deployments{state=\"running\"} 1\n",
        "mcp_factory_request_duration_seconds_count{method=\"POST\",route=\"/mcp/deploy/{name}\",status=\"200\"} 1\n",
    ] {
        assert!(reply.body.contains(line), "{line}{}", reply.body);
    }
}

/// What somebody did and what became of it comes as it happens, and who was away gets what they missed.
#[tokio::test]
async fn events_come_as_they_happen_and_go_on_where_they_were_left() {
    let running = Running::start().await;
    let mut stream = running.send(&running.token, "GET", "/mcp/events", "", "").await;
    let mut seen = String::new();
    while !seen.ends_with("\r\n\r\n") {
        within(stream.read_line(&mut seen)).await.unwrap();
    }
    running.ask("POST", "/mcp/create", &shop("1.0.0", "hello")).await;
    while !seen.contains("event: servers.create") {
        assert!(within(stream.read_line(&mut seen)).await.unwrap() > 0, "{seen}");
    }
    let id = seen.lines().find_map(|line| line.strip_prefix("id: ")).unwrap_or_default().to_owned();
    while !seen.contains("id: ") {
        within(stream.read_line(&mut seen)).await.unwrap();
    }
    let id =
        if id.is_empty() { seen.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned() } else { id };
    drop(stream);

    running.ask("POST", "/mcp/deploy/shop", "").await;
    let more = format!("last-event-id: {id}\r\n");
    let mut stream = running.send(&running.token, "GET", "/mcp/events", &more, "").await;
    let mut seen = String::new();
    while !(seen.contains("event: servers.deploy") && seen.contains("\"state\":\"running\"")) {
        assert!(within(stream.read_line(&mut seen)).await.unwrap() > 0, "{seen}");
    }
    assert!(!seen.contains("servers.create"), "that was told: {seen}");
    let wrong = running.ask_with(&running.token, "GET", "/mcp/events", "last-event-id: 7\r\n", "").await;
    assert_eq!(wrong.code(), (400, "invalid-argument".to_owned()));
}

/// A stream is open no longer than its token is good.
#[tokio::test]
async fn a_stream_ends_with_the_token_that_opened_it() {
    let running = Running::start().await;
    running.ask("POST", "/mcp/create", &shop("1.0.0", "hello")).await;
    running.ask("POST", "/mcp/deploy/shop", "").await;
    for path in ["/mcp/events", "/mcp/servers/shop/logs?follow=true"] {
        let issued = running.ask("POST", "/mcp/tokens", r#"{"name": "watcher", "role": "viewer"}"#).await.json();
        let token = issued["secret"].as_str().unwrap();
        let mut stream = running.send(token, "GET", path, "", "").await;
        let mut seen = String::new();
        within(stream.read_line(&mut seen)).await.unwrap();
        assert!(seen.contains("200"), "{seen}");
        assert_eq!(running.ask("DELETE", "/mcp/tokens/watcher", "").await.status, 204);
        let ended = tokio::time::timeout(Duration::from_secs(60), async {
            while stream.read_line(&mut seen).await.unwrap() > 0 {}
        });
        ended.await.expect("it ends");
    }
}
