//! Calls that say how far they are, and calls whose caller leaves.

use serde_json::{Value, json};

use crate::support::{Events, Running};

fn with_token(tool: &str, token: Value) -> Value {
    json!({"name": tool, "_meta": {"progressToken": token}})
}

/// W1-8, S2-54: progress was looked for at the wrong place, and swallowed.
#[tokio::test]
async fn a_call_that_reports_becomes_a_stream() {
    let running = Running::start().await;
    for token in [json!("t"), json!(5)] {
        let reply = running.ask(running.modern("tools/call", with_token("count", token.clone()), &[])).await;
        assert_eq!(reply.header("content-type"), "text/event-stream");
        assert_eq!(reply.header("x-accel-buffering"), "no");
        let mut events = reply.events();
        let answer = events.pop().expect("an answer");
        assert_eq!(answer["result"]["content"][0]["text"], "counted");
        assert_eq!(answer["result"]["resultType"], "complete");
        assert_eq!(answer["id"], 7);
        for (event, step) in events.iter().zip(1..) {
            let params =
                json!({"progressToken": token, "progress": f64::from(step), "total": 3.0, "message": "counting"});
            assert_eq!(*event, json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}));
        }
        assert_eq!(events.len(), 3);
    }
}

#[tokio::test]
async fn progress_that_nobody_asked_for_is_not_sent() {
    let running = Running::start().await;
    let silent = running.ask_modern("tools/call", json!({"name": "count"})).await;
    assert_eq!(silent.header("content-type"), "application/json");
    let json_only = running.modern("tools/call", with_token("count", json!(1)), &[("accept", "application/json")]);
    let json_only = running.ask(json_only).await;
    assert_eq!(json_only.header("content-type"), "application/json");
    let quick = running.ask(running.modern("tools/call", with_token("echo", json!(1)), &[])).await;
    assert_eq!(quick.header("content-type"), "application/json");
}

#[tokio::test]
async fn progress_just_before_the_end_is_not_lost() {
    let running = Running::start().await;
    let reply = running.ask(running.modern("tools/call", with_token("hurry", json!(1)), &[])).await;
    let events = reply.events();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["params"]["progress"], 1.0);
    assert_eq!(events[1]["result"]["content"][0]["text"], "hurried");
}

#[tokio::test]
async fn errors_and_panics_under_a_progress_token_are_answered() {
    let running = Running::start().await;
    for (tool, code) in [("panic", -32603), ("broken", -32603), ("nope", -32602)] {
        let reply = running.ask(running.modern("tools/call", with_token(tool, json!(1)), &[])).await;
        assert_eq!(reply.error(), (200, code), "{tool}");
    }
}

#[tokio::test]
async fn older_requests_can_follow_progress_too() {
    let running = Running::start().await;
    let reply = running.ask_older("tools/call", with_token("count", json!(1))).await;
    assert_eq!(reply.events().len(), 4);
    assert!(reply.events()[3]["result"].get("resultType").is_none());
}

#[tokio::test]
async fn a_caller_who_leaves_cancels_the_call() {
    let running = Running::start().await;
    for (calls, params) in [(1, json!({"name": "wait"})), (2, with_token("wait", json!(1)))] {
        let request = running.modern("tools/call", params, &[]);
        {
            let response = running.send(request);
            tokio::select! {
                _ = response => panic!("nothing released the call"),
                () = running.server.until_waiting(1) => {}
            }
        }
        running.server.until_dropped(calls).await;
    }
}

#[tokio::test]
async fn a_caller_who_closes_the_stream_cancels_the_call() {
    let server = crate::support::TestServer::new();
    let config = mcp_serve::http::Config { keep_alive: std::time::Duration::from_millis(20), ..Default::default() };
    let running = Running::serving(server, config, mcp_serve::NoAuthentication::default()).await;
    let response = running.send(running.modern("tools/call", with_token("report-and-wait", json!(1)), &[])).await;
    let mut events = Events::of(response);
    assert_eq!(events.next().await.expect("progress")["params"]["progress"], 1.0);
    assert_eq!(events.next_event().await.expect("a comment"), ": keep-alive");
    running.server.until_waiting(1).await;
    drop(events);
    running.server.until_dropped(1).await;
}
