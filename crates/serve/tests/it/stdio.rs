//! Standard input and output, here two pipes.

use std::sync::Arc;

use mcp_serve::{Limits, Principal, stdio};
use rmcp::{
    ServiceExt,
    service::{ClientLifecycleMode, ClientServiceExt},
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream},
    task::JoinHandle,
};

use crate::{
    clients::use_everything,
    support::{TestServer, within},
};

type Served = JoinHandle<Result<(), stdio::StdioError>>;

fn serve(server: Arc<TestServer>) -> (DuplexStream, DuplexStream, Served) {
    let (input, server_input) = tokio::io::duplex(1 << 16);
    let (server_output, output) = tokio::io::duplex(1 << 16);
    let served = tokio::spawn(async move {
        let limits = Limits::default();
        stdio::serve_on(server, Principal::local(), &limits, server_input, server_output, std::future::pending()).await
    });
    (input, output, served)
}

fn call(id: u32, tool: &str) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"name": tool, "_meta": meta});
    format!("{}\n", json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}))
}

#[tokio::test]
async fn both_eras_are_served_to_the_sdk_client() {
    for modern in [true, false] {
        let (input, output, served) = serve(TestServer::new());
        let client = if modern {
            let preferred_versions = vec![mcp_serve::model::ProtocolVersion::V_2026_07_28];
            let lifecycle = ClientLifecycleMode::Discover { preferred_versions };
            within(().serve_with_lifecycle((output, input), lifecycle)).await.expect("connects")
        } else {
            within(().serve((output, input))).await.expect("connects")
        };
        use_everything(&client).await;
        within(client.cancel()).await.expect("closed");
        within(served).await.expect("no panic").expect("ended well");
    }
}

#[tokio::test]
async fn the_caller_is_local() {
    let (mut input, output, _served) = serve(TestServer::new());
    input.write_all(call(1, "whoami").as_bytes()).await.expect("sends");
    let mut line = String::new();
    within(BufReader::new(output).read_line(&mut line)).await.expect("reads");
    assert!(line.contains("\"text\":\"local\""), "{line}");
}

#[tokio::test]
async fn the_end_of_the_input_lets_a_running_call_finish() {
    let server = TestServer::new();
    let (mut input, mut output, served) = serve(server.clone());
    input.write_all(call(1, "wait").as_bytes()).await.expect("sends");
    server.until_waiting(1).await;
    drop(input);
    server.release.notify_one();
    let mut all = String::new();
    within(output.read_to_string(&mut all)).await.expect("reads");
    assert!(all.contains("\"text\":\"released\""), "{all}");
    within(served).await.expect("no panic").expect("ended well");
}

#[tokio::test]
async fn an_input_that_ends_at_once_is_no_error() {
    let (input, _output, served) = serve(TestServer::new());
    drop(input);
    within(served).await.expect("no panic").expect("ended well");
}

#[tokio::test]
async fn nonsense_is_not_answered_with_anything_but_protocol() {
    let (mut input, mut output, served) = serve(TestServer::new());
    input.write_all(b"hello\n\n{\"a\":1}\n\xff\xfe\n").await.expect("sends");
    input.write_all(call(1, "echo").as_bytes()).await.expect("sends");
    drop(input);
    let mut all = String::new();
    within(output.read_to_string(&mut all)).await.expect("reads");
    for line in all.lines() {
        let message: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(message["jsonrpc"], "2.0");
    }
    assert!(all.contains("\"structuredContent\""), "{all}");
    within(served).await.expect("no panic").expect("ended well");
}
