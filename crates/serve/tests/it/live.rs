//! A server that is replaced while it is served.

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use mcp_serve::{
    ApiKeys, KeyList, Limits, Live, NoAuthentication, Rate,
    http::{Config, ConfigError},
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    sessions::{ask, open},
    support::{Running, TestServer},
};

fn open_to_all() -> Arc<NoAuthentication> {
    Arc::new(NoAuthentication::default())
}

#[tokio::test]
async fn a_call_ends_with_the_server_that_it_began_with() {
    let running = Running::start().await;
    let (session, _) = open(&running, &[]).await;
    let waiting = running.spawn(running.modern("tools/call", json!({"name": "wait"}), &[]));
    running.server.until_waiting(1).await;

    let next = TestServer::new();
    running.live.replace(next.clone(), open_to_all(), &Limits::default()).expect("loopback");
    let echo = json!({"name": "echo", "arguments": {"a": 1}});
    running.ask(running.modern("tools/call", echo.clone(), &[])).await.result();
    ask(&running, &session, &[], "tools/call", echo).await.result();
    assert_eq!(next.calls.load(SeqCst), 2, "a new request and a session that was open meet the new server");

    running.server.release.notify_waiters();
    let reply = waiting.await.expect("no panic").expect("the connection stayed");
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(*running.server.dropped.borrow(), 0);
}

#[tokio::test]
async fn an_old_server_goes_with_its_last_call() {
    let running = Running::start().await;
    let waiting = running.spawn(running.modern("tools/call", json!({"name": "wait"}), &[]));
    running.server.until_waiting(1).await;
    let old = Arc::downgrade(&running.server);
    running.live.replace(TestServer::new(), open_to_all(), &Limits::default()).expect("loopback");
    let (live, address) = (running.live.clone(), running.address);
    running.server.release.notify_waiters();
    waiting.await.expect("no panic").expect("an answer");
    // The test's own hold on it is the last one.
    assert_eq!(old.strong_count(), 1, "{live:?} at {address}");
}

#[tokio::test]
async fn callers_are_known_by_what_holds_now() {
    let keys = |list: &str| Arc::new(ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse(list).expect("a list")));
    let first = ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse("first-key").expect("a list"));
    let running = Running::with(Config::default(), first).await;
    let status = async |key: &str| {
        running.ask(running.modern("tools/list", json!({}), &[("x-api-key", key)])).await.status.as_u16()
    };
    assert_eq!((status("first-key").await, status("second-key").await), (200, 401));
    running.live.replace(running.server.clone(), keys("second-key"), &Limits::default()).expect("keys");
    assert_eq!((status("first-key").await, status("second-key").await), (401, 200));
}

#[tokio::test]
async fn limits_that_stay_the_same_go_on_counting() {
    let once = |per| Limits { rate: Some(Rate { calls: 1, per: Duration::from_secs(per) }), ..Limits::default() };
    let running = Running::with(Config { limits: once(60), ..Config::default() }, NoAuthentication::default()).await;
    let calls = async || running.ask(running.modern("tools/call", json!({"name": "echo"}), &[])).await.status.as_u16();
    assert_eq!((calls().await, calls().await), (200, 429));
    running.live.replace(running.server.clone(), open_to_all(), &once(60)).expect("loopback");
    assert_eq!(calls().await, 429);
    running.live.replace(running.server.clone(), open_to_all(), &once(3600)).expect("loopback");
    assert_eq!((calls().await, calls().await), (200, 429));
}

#[tokio::test]
async fn what_may_not_be_served_there_changes_nothing() {
    let keys = ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse("a-long-key").expect("a list"));
    let live = Live::new(TestServer::new(), Arc::new(keys), Config::default());
    let listener = TcpListener::bind("0.0.0.0:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let serving = tokio::spawn(mcp_serve::http::serve_live(live.clone(), listener, std::future::pending()));
    let status = async || {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("connects");
        crate::support::status_of(stream, "/mcp").await
    };
    assert_eq!(status().await, 401);
    let refused = live.replace(TestServer::new(), open_to_all(), &Limits::default());
    assert!(matches!(refused, Err(ConfigError::OpenToOthers { .. })), "{refused:?}");
    assert_eq!(status().await, 401);
    serving.abort();
}
