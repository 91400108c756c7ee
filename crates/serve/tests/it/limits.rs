//! Rate and concurrency, on real requests.

use std::time::Duration;

use mcp_serve::{ApiKeys, KeyList, Limits, NoAuthentication, Rate, http::Config};
use serde_json::json;

use crate::support::Running;

#[tokio::test]
async fn a_principal_has_a_rate_of_its_own() {
    let keys = ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse("key-number-1,key-number-2").expect("keys"));
    let rate = Some(Rate { calls: 3, per: Duration::from_secs(3600) });
    let running = Running::with(Config { limits: Limits { rate, concurrency: None }, ..Config::default() }, keys).await;
    let call = async |key: &str| {
        let request = running.modern("tools/call", json!({"name": "echo"}), &[("x-api-key", key)]);
        running.ask(request).await
    };
    for _ in 0..3 {
        call("key-number-1").await.result();
    }
    let reply = call("key-number-1").await;
    assert_eq!(reply.error(), (429, 429));
    let seconds: u64 = reply.header("retry-after").parse().expect("seconds");
    assert!((1190..=1200).contains(&seconds), "{seconds}");
    let data = &reply.json()["error"]["data"];
    assert!(data["retryAfterMs"].as_u64().expect("ms") <= 1_200_000);
    // S2-47.
    assert_eq!((&data["code"], data["retryAfter"].as_u64()), (&json!("RATE_LIMIT_EXCEEDED"), Some(seconds)));
    call("key-number-2").await.result();
    // Lists have a rate of their own.
    let list = running.modern("tools/list", json!({}), &[("x-api-key", "key-number-1")]);
    running.ask(list).await.result();
}

/// a long list is a long answer to a short question, as often as anybody asked.
#[tokio::test]
async fn lists_are_not_without_end_in_any_era() {
    let keys = ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse("key-number-1,key-number-2").expect("keys"));
    let rate = Some(Rate { calls: 1, per: Duration::from_secs(3600) });
    let running = Running::with(Config { limits: Limits { rate, concurrency: None }, ..Config::default() }, keys).await;
    let list = async |key: &str| {
        running.ask(running.modern("tools/list", json!({}), &[("x-api-key", key)])).await.status.as_u16()
    };
    let (session, _) = crate::sessions::open(&running, &[("x-api-key", "key-number-1")]).await;
    // As many as a minute has, and those of the time that it takes.
    let mut asked = 0;
    while list("key-number-1").await == 200 {
        asked += 1;
    }
    assert!(asked >= 600, "{asked}");
    assert_eq!(list("key-number-1").await, 429);
    let headers = [("x-api-key", "key-number-1")];
    let refused = async || {
        let reply = crate::sessions::ask(&running, &session, &headers, "prompts/list", json!({})).await;
        reply.json().get("error").is_some()
    };
    crate::support::within(async { while !refused().await {} }).await;
    assert_eq!(list("key-number-2").await, 200);
    let call = running.modern("tools/call", json!({"name": "echo"}), &headers);
    running.ask(call).await.result();
}

#[tokio::test]
async fn calls_beyond_the_limit_are_refused_at_once() {
    let config = Config { limits: Limits { rate: None, concurrency: Some(2) }, ..Config::default() };
    let running = Running::with(config, NoAuthentication::default()).await;
    let wait = || running.spawn(running.modern("tools/call", json!({"name": "wait"}), &[]));
    let calls = [wait(), wait()];
    running.server.until_waiting(2).await;
    let reply = running.ask_modern("tools/call", json!({"name": "echo"})).await;
    assert_eq!(reply.error(), (503, 503));
    assert_eq!(reply.header("retry-after"), "1");
    running.server.release.notify_waiters();
    for call in calls {
        crate::support::within(call).await.expect("no panic").expect("an answer").result();
    }
    running.ask_modern("tools/call", json!({"name": "echo"})).await.result();
}
