//! Tasks over HTTP, and what is left of them when the server is killed.

use serde_json::{Value, json};

use crate::run::{Place, Serving};

const SPEC: &str = "
name: jobs
tools:
  - name: wait
    description: Waits
    parameters: { seconds: { type: string, required: true } }
    command: { argv: [sleep, \"{seconds}\"] }
    limits: { timeout: 1m }
    task: true
";

fn ask(server: &Serving, method: &str, mut params: Value) -> Value {
    let name = params.get("name").or(params.get("taskId")).and_then(Value::as_str).unwrap_or_default().to_owned();
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": { "extensions": { "io.modelcontextprotocol/tasks": {} } },
    });
    let headers = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method), ("Mcp-Name", &name)];
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let (_, body) = server.post(&headers, &request.to_string());
    serde_json::from_str(&body).unwrap_or_else(|_| panic!("{body}"))
}

fn begin(server: &Serving, seconds: &str) -> String {
    let reply = ask(server, "tools/call", json!({ "name": "wait", "arguments": { "seconds": seconds } }));
    assert_eq!(reply["result"]["resultType"], "task", "{reply}");
    reply["result"]["taskId"].as_str().unwrap().to_owned()
}

fn get(server: &Serving, id: &str) -> Value {
    ask(server, "tasks/get", json!({ "taskId": id }))["result"].clone()
}

#[test]
fn a_killed_server_keeps_what_was_finished_and_says_what_was_not() {
    let place = Place::new().environment("PATH", "/usr/bin:/bin").file("jobs.yaml", SPEC);
    let server = place.serve(&["jobs.yaml"]);
    let (done, lost) = (begin(&server, "0.4"), begin(&server, "59"));
    let begun = std::time::Instant::now();
    while get(&server, &done)["status"] == "working" {
        assert!(begun.elapsed().as_secs() < 60, "it never ends");
        std::thread::yield_now();
    }
    assert_eq!(get(&server, &lost)["status"], "working");
    server.signal("KILL");
    drop(server);
    let server = place.serve(&["jobs.yaml"]);
    let kept = get(&server, &done);
    assert_eq!(kept["status"], "completed", "{kept}");
    assert!(kept["result"]["content"].is_array(), "{kept}");
    let failed = get(&server, &lost);
    assert_eq!(failed["status"], "failed", "{failed}");
    assert_eq!(failed["error"], json!({ "code": -32603, "message": "the server was stopped while it ran" }));
    assert!(failed.get("result").is_none() && failed["statusMessage"].is_string(), "{failed}");
}
