//! `subscriptions/listen`.

use std::time::Duration;

use mcp_serve::{Change, NoAuthentication, http::Config};
use serde_json::{Value, json};

use crate::support::{Events, Running, TestServer};

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

async fn listen(running: &Running, notifications: Value) -> Events {
    let params = json!({ "notifications": notifications });
    Events::of(running.send(running.modern("subscriptions/listen", params, &[])).await)
}

#[tokio::test]
async fn a_listener_hears_what_it_asked_for_and_nothing_else() {
    let running = Running::start().await;
    let wanted = json!({"toolsListChanged": true, "resourceSubscriptions": ["doc://a"]});
    let mut events = listen(&running, wanted.clone()).await;
    let acknowledged = events.next().await.expect("first");
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(acknowledged["params"]["notifications"], wanted);
    assert_eq!(acknowledged["params"]["_meta"][SUBSCRIPTION], 7);

    running.server.notify(Change::Prompts);
    running.server.notify(Change::Resource("doc://b".into()));
    running.server.notify(Change::Resource("doc://a".into()));
    running.server.notify(Change::Tools);
    let updated = events.next().await.expect("second");
    assert_eq!(updated["method"], "notifications/resources/updated");
    assert_eq!(updated["params"], json!({"uri": "doc://a", "_meta": {SUBSCRIPTION: 7}}));
    let changed = events.next().await.expect("third");
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    assert_eq!(changed["params"]["_meta"][SUBSCRIPTION], 7);
}

#[tokio::test]
async fn a_server_that_never_changes_honours_nothing() {
    let running = Running::serving(TestServer::with(None), Config::default(), NoAuthentication::default()).await;
    let mut events = listen(&running, json!({"toolsListChanged": true, "resourcesListChanged": true})).await;
    assert_eq!(events.next().await.expect("first")["params"]["notifications"], json!({}));
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive_and_ends_with_a_result() {
    let config = Config { keep_alive: Duration::from_millis(20), ..Config::default() };
    let running = Running::with(config, NoAuthentication::default()).await;
    let mut events = listen(&running, json!({"promptsListChanged": true})).await;
    events.next().await.expect("acknowledged");
    assert_eq!(events.next_event().await.expect("a comment"), ": keep-alive");
    running.begin_stop();
    let end = events.next().await.expect("a result");
    assert_eq!(end["id"], 7);
    assert_eq!(end["result"]["resultType"], "complete");
    assert_eq!(end["result"]["_meta"][SUBSCRIPTION], 7);
    assert_eq!(end["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "test");
    assert!(events.next().await.is_none());
    let summary = running.stopped().await;
    assert_eq!(summary.forced, 0);
}

/// It is kept for as long as the stream lasts.
#[tokio::test]
async fn what_is_listened_to_is_named_in_few_words() {
    let running = Running::start().await;
    let short: Vec<_> = (0..1_001).map(|n| format!("doc://{n}")).collect();
    for uris in [short, vec![format!("doc://{}", "x".repeat(65 * 1024))]] {
        let params = json!({"notifications": {"resourceSubscriptions": uris}});
        let refused = running.ask(running.modern("subscriptions/listen", params, &[])).await;
        assert_eq!(refused.error(), (200, -32602), "{refused:?}");
    }
}

#[tokio::test]
async fn who_can_not_read_events_can_not_listen() {
    let running = Running::start().await;
    let params = json!({"notifications": {"toolsListChanged": true}});
    let request = running.modern("subscriptions/listen", params, &[("accept", "application/json")]);
    assert_eq!(running.ask(request).await.error(), (406, -32600));
}
