//! Layers around tool calls: each is applied, whichever way a call comes (W1-1, S2-53).

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mcp_serve::{
    BoxFuture, CallContext, Capabilities, Error, Listing, Live, NoAuthentication, Principal, Rate, Server, ToolResult,
    http::Config,
    middleware::{
        Answer, Audit, AuditRecord, CallLog, Metrics, Middleware, ObserveLayer, Outcome, RateLimitLayer, RetryLayer,
        TimeoutLayer, ToolCall, ValidateLayer,
    },
    model::{Implementation, Tool, ToolAnnotations},
    stdio,
};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::{
    sessions,
    support::{Running, TestServer, within},
};

/// Fails as often as it is told to, then answers; `slow` never answers.
struct Flaky {
    implementation: Implementation,
    tools: Arc<Listing<Tool>>,
    fails: usize,
    calls: AtomicUsize,
}

impl Flaky {
    fn new(fails: usize) -> Arc<Self> {
        let schema = json!({"type": "object"}).as_object().expect("object").clone();
        let tool = |name: &'static str| Tool::new(name, "", schema.clone());
        let reads = tool("read").with_annotations(ToolAnnotations::new().read_only(true));
        let tools = Listing::new(vec![reads, tool("write"), tool("slow"), tool("panic")]).expect("tools");
        let implementation = Implementation::new("flaky", "1");
        Arc::new(Self { implementation, tools, fails, calls: AtomicUsize::new(0) })
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Server for Flaky {
    fn implementation(&self) -> &Implementation {
        &self.implementation
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { tools: true, ..Capabilities::default() }
    }

    fn tools(&self, _: &CallContext) -> Arc<Listing<Tool>> {
        self.tools.clone()
    }

    fn call_tool<'a>(
        &'a self,
        _: &'a CallContext,
        name: &'a str,
        _: Map<String, Value>,
    ) -> BoxFuture<'a, Result<ToolResult, Error>> {
        Box::pin(async move {
            let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            match name {
                "slow" => std::future::pending().await,
                "panic" => panic!("a bug in a tool"),
                "read" | "write" if call <= self.fails => Err(Error::Internal { source: "not yet".into() }),
                "read" | "write" => Ok(ToolResult::text(format!("call {call}"))),
                _ => Err(Error::UnknownTool { name: name.to_owned(), suggestion: None }),
            }
        })
    }
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Modern,
    Older,
    Session,
    Stdio,
}

const WAYS: [Way; 4] = [Way::Modern, Way::Older, Way::Session, Way::Stdio];

/// The answer to a call: its result, or its error.
async fn call(way: Way, server: &Arc<Flaky>, middleware: &Middleware, tool: &str, arguments: Value) -> Value {
    let config = Config { middleware: Some(middleware.clone()), ..Config::default() };
    let live = Live::new(server.clone(), Arc::new(NoAuthentication::default()), config);
    let params = json!({"name": tool, "arguments": arguments});
    let answer = if matches!(way, Way::Stdio) {
        on_stdio(live, params).await
    } else {
        let running = Running::live(live, TestServer::new()).await;
        match way {
            Way::Modern => running.ask_modern("tools/call", params).await.json(),
            Way::Older => running.ask_older("tools/call", params).await.json(),
            _ => {
                let (session, _) = sessions::open(&running, &[]).await;
                sessions::ask(&running, &session, &[], "tools/call", params).await.json()
            }
        }
    };
    answer.get("result").or(answer.get("error")).cloned().unwrap_or_else(|| panic!("an answer: {answer}"))
}

async fn on_stdio(live: Live, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let (mut input, server_input) = tokio::io::duplex(1 << 16);
    let (server_output, output) = tokio::io::duplex(1 << 16);
    let served = tokio::spawn(async move {
        stdio::serve_live_on(live, Principal::local(), server_input, server_output, std::future::pending()).await
    });
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    input.write_all(format!("{request}\n").as_bytes()).await.expect("sent");
    let mut line = String::new();
    within(BufReader::new(output).read_line(&mut line)).await.expect("an answer");
    drop(input);
    within(served).await.expect("no panic").expect("ended well");
    serde_json::from_str(&line).expect("JSON")
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("a text: {result}"))
}

#[tokio::test]
async fn the_audit_says_who_what_and_how_it_ended_and_only_listed_arguments() {
    for way in WAYS {
        let records = Arc::new(Mutex::new(Vec::<AuditRecord>::new()));
        let kept = records.clone();
        let audit = Audit::new(move |record| kept.lock().expect("lock").push(record)).with_arguments(["order"]);
        let layers = Middleware::new(ObserveLayer::new((audit, CallLog::default())));
        let server = Flaky::new(1);
        let arguments = json!({"order": 7, "card": "4111 1111 1111 1111"});
        for tool in ["read", "read", "panic", "no-such-tool"] {
            call(way, &server, &layers, tool, arguments.clone()).await;
        }
        let records = records.lock().expect("lock");
        let outcomes: Vec<_> = records.iter().map(|record| (record.tool.as_str(), record.outcome)).collect();
        let expected = [
            ("read", Outcome::InternalError),
            ("read", Outcome::Ok),
            ("panic", Outcome::Panicked),
            ("no-such-tool", Outcome::Refused),
        ];
        assert_eq!(outcomes, expected, "{way:?}");
        for record in &*records {
            assert_eq!(Value::Object(record.arguments.clone()), json!({"order": 7}), "{way:?}");
            assert_eq!(record.server, "flaky");
            let caller = if matches!(way, Way::Stdio) { "local" } else { "anonymous" };
            assert_eq!(record.principal.id, caller);
        }
    }
}

#[tokio::test]
async fn a_call_that_its_caller_left_is_audited_as_cancelled() {
    let (sender, mut records) = tokio::sync::mpsc::unbounded_channel();
    let audit = Audit::new(move |record: AuditRecord| sender.send(record.outcome).expect("the test listens"));
    let began = Arc::new(tokio::sync::Notify::new());
    let begun = began.clone();
    let began_layer = ValidateLayer::new(move |_: &ToolCall| {
        begun.notify_one();
        Ok(())
    });
    let config =
        Config { middleware: Some(Middleware::new((ObserveLayer::new(audit), began_layer))), ..Config::default() };
    let live = Live::new(Flaky::new(0), Arc::new(NoAuthentication::default()), config);
    let running = Running::live(live, TestServer::new()).await;
    let leaving = running.spawn(running.modern("tools/call", json!({"name": "slow"}), &[]));
    within(began.notified()).await;
    leaving.abort();
    // The connection is a task of its own: it ends with the runtime or when the server stops.
    running.begin_stop();
    drop(leaving);
    assert_eq!(within(records.recv()).await, Some(Outcome::Cancelled));
}

#[tokio::test]
async fn calls_are_counted_by_tool_and_outcome_and_inventions_together() {
    let metrics = Metrics::default();
    let layers = Middleware::new(ObserveLayer::new(metrics.clone()));
    let server = Flaky::new(1);
    for way in WAYS {
        call(way, &server, &layers, "read", json!({})).await;
        call(way, &server, &layers, &format!("invented by {way:?}"), json!({})).await;
    }
    let counts = metrics.read();
    let names: Vec<_> = counts.iter().map(|count| count.tool.as_str()).collect();
    assert_eq!(names, ["(others)", "read"]);
    assert_eq!((counts[0].of(Outcome::Refused), counts[0].running), (4, 0));
    assert_eq!((counts[1].of(Outcome::InternalError), counts[1].of(Outcome::Ok)), (1, 3));
}

#[tokio::test]
async fn a_principal_calls_no_more_often_than_its_rate() {
    let rate = Rate { calls: 1, per: Duration::from_secs(3600) };
    for way in WAYS {
        let layers = Middleware::new(RateLimitLayer::new(rate));
        let server = Flaky::new(0);
        assert_eq!(text(&call(way, &server, &layers, "read", json!({})).await), "call 1");
        let refused = call(way, &server, &layers, "read", json!({})).await;
        assert!(refused["message"].as_str().expect("an error").contains("too many requests"), "{way:?}: {refused}");
        assert_eq!(server.calls(), 1);
    }
}

#[tokio::test]
async fn what_takes_too_long_is_cancelled() {
    for way in WAYS {
        let layers = Middleware::new(TimeoutLayer::new(Duration::from_millis(20)));
        let result = call(way, &Flaky::new(0), &layers, "slow", json!({})).await;
        assert_eq!(result["isError"], true, "{way:?}: {result}");
        assert!(text(&result).contains("did not answer within 20ms"), "{result}");
    }
}

#[tokio::test]
async fn only_idempotent_tools_are_called_again_unless_told() {
    for way in WAYS {
        let retry = RetryLayer::new(3, Duration::from_millis(1));
        let server = Flaky::new(2);
        assert_eq!(text(&call(way, &server, &Middleware::new(retry.clone()), "read", json!({})).await), "call 3");
        let server = Flaky::new(2);
        assert!(call(way, &server, &Middleware::new(retry.clone()), "write", json!({})).await["message"].is_string());
        assert_eq!(server.calls(), 1);
        let all = Middleware::new(retry.clone().all_tools());
        assert_eq!(text(&call(way, &Flaky::new(2), &all, "write", json!({})).await), "call 3");
        let server = Flaky::new(2);
        let never = Middleware::new(retry.when(|_: &Answer| false));
        call(way, &server, &never, "read", json!({})).await;
        assert_eq!(server.calls(), 1);
        let server = Flaky::new(5);
        call(way, &server, &all, "read", json!({})).await;
        assert_eq!(server.calls(), 3);
    }
}

#[tokio::test]
async fn what_is_not_valid_never_reaches_the_tool() {
    let validate = ValidateLayer::new(|call: &ToolCall| match call.arguments.get("n") {
        Some(Value::Number(_)) => Ok(()),
        _ => Err("`n` must be a number".to_owned()),
    });
    for way in WAYS {
        let layers = Middleware::new((validate.clone(), TimeoutLayer::new(Duration::from_secs(60))));
        let server = Flaky::new(0);
        let result = call(way, &server, &layers, "read", json!({"n": "1"})).await;
        assert_eq!((&result["isError"], text(&result)), (&json!(true), "`n` must be a number"), "{way:?}");
        assert_eq!(server.calls(), 0);
        assert_eq!(text(&call(way, &server, &layers, "read", json!({"n": 1})).await), "call 1");
    }
}

#[tokio::test]
async fn the_first_layer_is_the_outermost() {
    let metrics = Metrics::default();
    let none = Rate { calls: 1, per: Duration::from_secs(3600) };
    // Counted, though it is turned away: who asks too often is seen.
    let layers = Middleware::new((ObserveLayer::new(metrics.clone()), RateLimitLayer::new(none)));
    let server = Flaky::new(0);
    for _ in 0..3 {
        call(Way::Modern, &server, &layers, "read", json!({})).await;
    }
    assert_eq!(metrics.read()[0].of(Outcome::Refused), 2);
}
