//! How serving ends.

use std::time::Duration;

use mcp_serve::{NoAuthentication, http::Config};
use serde_json::json;
use tokio::net::TcpStream;

use crate::support::{Running, within};

#[tokio::test]
async fn a_running_call_ends_before_the_server_does() {
    let running = Running::start().await;
    let call = running.spawn(running.modern("tools/call", json!({"name": "wait"}), &[]));
    running.server.until_waiting(1).await;
    running.begin_stop();
    within(async {
        // The port is free again before the calls are done.
        while TcpStream::connect(running.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    running.server.release.notify_one();
    let reply = within(call).await.expect("no panic").expect("an answer");
    assert_eq!(reply.result()["content"][0]["text"], "released");
    let summary = running.stopped().await;
    assert_eq!((summary.open, summary.forced), (1, 0));
}

#[tokio::test]
async fn a_call_that_does_not_end_is_cut_at_the_deadline() {
    let config = Config { drain: Duration::from_millis(50), ..Config::default() };
    let running = Running::with(config, NoAuthentication::default()).await;
    let server = running.server.clone();
    let call = running.spawn(running.modern("tools/call", json!({"name": "wait"}), &[]));
    server.until_waiting(1).await;
    let summary = running.stopped().await;
    assert_eq!((summary.open, summary.forced), (1, 1));
    server.until_dropped(1).await;
    assert!(within(call).await.expect("no panic").is_none());
}

#[tokio::test]
async fn idle_connections_and_sessions_do_not_hold_up_the_end() {
    let running = Running::start().await;
    let _idle = TcpStream::connect(running.address).await.expect("connects");
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let opened = running.ask(running.post(&[], body.to_string())).await;
    let headers = [
        ("mcp-session-id", opened.header("mcp-session-id")),
        ("mcp-protocol-version", "2025-11-25"),
        ("accept", "text/event-stream"),
    ];
    let _stream = running.send(running.request(http::Method::GET, &headers, "")).await;
    let summary = running.stopped().await;
    assert_eq!(summary.forced, 0);
    assert!(summary.took < Duration::from_secs(5), "{summary:?}");
}
