//! The examples run: each listens where it is told to, and answers.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::server_factory::{ask, token};

/// Built with the tests.
fn example(name: &str) -> Command {
    let this: PathBuf = std::env::current_exe().expect("a program");
    let built = this.parent().and_then(|deps| deps.parent()).expect("a folder of builds").join("examples").join(name);
    assert!(built.exists(), "build it: cargo build -p mcp-serve --examples");
    Command::new(built)
}

struct Running {
    child: Child,
    address: SocketAddr,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listening(command: &mut Command) -> Running {
    let mut child = command.args(["--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().expect("starts");
    let mut said = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    said.read_line(&mut line).expect("text");
    let address = line.trim().strip_prefix("listening on http://").and_then(|rest| rest.strip_suffix("/mcp"));
    let address = address.unwrap_or_else(|| panic!("says where it listens, not `{line}`")).parse().expect("an address");
    // What else it says is read, so that it never waits for a reader.
    std::thread::spawn(move || said.read_to_end(&mut Vec::new()));
    Running { child, address }
}

#[tokio::test]
async fn conformance_listens_and_lists() {
    let running = listening(&mut example("conformance"));
    let listed = ask(running.address, "/mcp", None, "tools/list", json!({})).await.result();
    assert!(listed["tools"].as_array().is_some_and(|tools| tools.len() > 20));
}

#[tokio::test]
async fn wrap_existing_answers_who_has_a_key() {
    let running =
        listening(example("wrap_existing").env("MCP_KEYS", r#"{"a-key-of-alice-0123456789abcdef": "alice"}"#));
    let call = json!({ "name": "seconds" });
    let answer =
        ask(running.address, "/mcp", Some("a-key-of-alice-0123456789abcdef"), "tools/call", call.clone()).await;
    let seconds = answer.result()["content"][0]["text"].as_str().expect("text").parse::<u64>();
    assert!(seconds.expect("a number") > 1_700_000_000);
    assert_eq!(ask(running.address, "/mcp", Some("another-key"), "tools/call", call).await.status, 401);
}

/// S1-4: on a free port, an authenticated call succeeds.
#[tokio::test]
async fn server_factory_answers_who_has_a_jwt() {
    let secret = std::str::from_utf8(crate::issuer::SECRET).expect("text");
    let running =
        listening(example("server_factory").env("JWT_SECRET", secret).env("JWT_AUDIENCE", crate::issuer::AUDIENCE));
    let call = json!({ "name": "hello_computer", "arguments": {} });
    let answer = ask(running.address, "/mcp", Some(&token("alice")), "tools/call", call.clone()).await.result();
    assert!(answer["content"][0]["text"].as_str().expect("text").contains(r#""hello":"alice""#));
    assert_eq!(ask(running.address, "/mcp", None, "tools/call", call).await.status, 401);
}

/// S1-5: the same factory, standalone on standard input and output.
#[test]
fn server_factory_stdio_lists_its_tools() {
    let mut child =
        example("server_factory_stdio").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
    let mut input = child.stdin.take().expect("a pipe");
    let opening = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    });
    for message in [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": opening }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" }),
    ] {
        writeln!(input, "{message}").expect("written");
    }
    let answers = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut listed = answers.lines().map(|line| serde_json::from_str::<Value>(&line.expect("text")).expect("JSON"));
    let listed = listed.find(|answer| answer["id"] == 2).expect("a list");
    assert_eq!(listed["result"]["tools"].as_array().map(Vec::len), Some(3));
    drop(input);
    assert!(child.wait().expect("ends").success());
}
