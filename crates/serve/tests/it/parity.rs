//! The two ways to a server, our own and the SDK's, answer the same to the same.

use mcp_serve::{Principal, stdio};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

use crate::support::{Running, TestServer, within};

/// The SDK's way, without a session: stdio speaks both eras.
struct Sdk {
    input: DuplexStream,
    output: BufReader<DuplexStream>,
}

impl Sdk {
    async fn start(modern: bool) -> Self {
        let (input, server_input) = tokio::io::duplex(1 << 20);
        let (server_output, output) = tokio::io::duplex(1 << 20);
        let limits = mcp_serve::Limits::none();
        tokio::spawn(async move {
            let principal = Principal::anonymous();
            stdio::serve_on(TestServer::new(), principal, &limits, server_input, server_output, std::future::pending())
                .await
        });
        let mut sdk = Self { input, output: BufReader::new(output) };
        if !modern {
            let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
            sdk.ask(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})).await;
            sdk.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        }
        sdk
    }

    async fn send(&mut self, message: Value) {
        self.input.write_all(format!("{message}\n").as_bytes()).await.expect("sends");
    }

    async fn ask(&mut self, message: Value) -> Value {
        self.send(message).await;
        let mut line = String::new();
        within(self.output.read_line(&mut line)).await.expect("reads");
        serde_json::from_str(&line).expect("JSON")
    }
}

fn requests() -> Vec<(&'static str, Value)> {
    let complete = json!({"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "who", "value": "b"}});
    vec![
        ("tools/list", json!({})),
        ("tools/list", json!({"cursor": "x"})),
        ("tools/call", json!({"name": "echo", "arguments": {"z": 1, "a": {"b": [null, true, 1.5, "\u{1F600}"]}}})),
        ("tools/call", json!({"name": "whoami"})),
        ("tools/call", json!({"name": "pretty"})),
        ("tools/call", json!({"name": "picture"})),
        ("tools/call", json!({"name": "nope"})),
        ("tools/call", json!({"name": "broken"})),
        ("tools/call", json!({"name": "panic"})),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({"uri": "doc://a"})),
        ("resources/read", json!({"uri": "doc://nope"})),
        ("prompts/list", json!({})),
        ("prompts/get", json!({"name": "greet", "arguments": {"who": "bob"}})),
        ("prompts/get", json!({"name": "nope"})),
        ("completion/complete", complete),
    ]
}

/// What may differ: ids of requests in errors, and how long and for whom lists are kept.
fn comparable(mut message: Value) -> Value {
    if let Some(data) = message.pointer_mut("/error/data")
        && data.get("requestId").is_some()
    {
        data["requestId"] = "...".into();
    }
    if let Some(result) = message.get_mut("result").and_then(Value::as_object_mut) {
        result.remove("cacheScope");
    }
    message
}

#[tokio::test]
async fn modern_requests() {
    let running = Running::start().await;
    let mut sdk = Sdk::start(true).await;
    for (method, params) in requests().into_iter().chain([("server/discover", json!({}))]) {
        let ours = running.ask_modern(method, params.clone()).await.json();
        let mut params = params;
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let theirs = sdk.ask(json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})).await;
        assert_eq!(comparable(ours), comparable(theirs), "{method} {params}");
    }
}

#[tokio::test]
async fn older_requests() {
    let running = Running::start().await;
    let mut sdk = Sdk::start(false).await;
    let (session, _) = crate::sessions::open(&running, &[]).await;
    for (method, params) in requests().into_iter().chain([("ping", json!({}))]) {
        let ours = running.ask_older(method, params.clone()).await.json();
        let theirs = sdk.ask(json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})).await;
        let in_session = crate::sessions::ask(&running, &session, &[], method, params.clone()).await.json();
        assert_eq!(comparable(ours.clone()), comparable(theirs), "{method} {params}");
        assert_eq!(comparable(ours), comparable(in_session), "{method} {params} in a session");
    }
}
