//! `stdio --factory`: the factory for an agent on this machine, in both eras (S5-7). It runs in the background, and stays.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use serde_json::{Value, json};

use crate::run::Place;

/// A client of the program. It goes with the value.
struct Agent {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// In the era of 2026-07-28 each request stands alone.
    modern: bool,
    asked: u64,
}

impl Agent {
    fn start(place: &Place, modern: bool) -> Self {
        let mut command = place.command(&["stdio", "--factory", "--data", "data", "--log-level", "error"]);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut agent = Self { child, input, output, modern, asked: 0 };
        if !modern {
            let client = json!({ "name": "agent", "version": "1" });
            let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
            let opened = agent.ask("initialize", params);
            assert_eq!(opened["result"]["protocolVersion"], "2025-11-25", "{opened}");
            agent.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        }
        agent
    }

    fn say(&mut self, message: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    fn ask(&mut self, method: &str, mut params: Value) -> Value {
        self.asked += 1;
        if self.modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        self.say(&json!({ "jsonrpc": "2.0", "id": self.asked, "method": method, "params": params }));
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "it ended");
            let answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no message: `{line}`"));
            if answer["id"] == self.asked {
                return answer;
            }
        }
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.ask("tools/call", json!({ "name": tool, "arguments": arguments }));
        assert_ne!(answer["result"]["isError"], true, "{tool}: {answer}");
        answer["result"].clone()
    }

    /// When its client has nothing more to say.
    fn end(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was started in the background ends with the test.
struct Background<'a>(&'a Place);

impl Drop for Background<'_> {
    fn drop(&mut self) {
        self.0.run(&["down", "--data", "data"]);
    }
}

#[test]
fn an_agent_on_stdio_makes_a_server_and_calls_it_in_both_eras() {
    let place = Place::new().environment("MCP_FACTORY_LISTEN", "127.0.0.1:0");
    let _background = Background(&place);
    for modern in [false, true] {
        let mut agent = Agent::start(&place, modern);
        let server = if modern { "modern" } else { "older" };
        let spec = json!({ "name": server, "version": "1.0.0", "tools": [
            { "name": "hello", "description": "Greets", "static": { "text": server }, "examples": [{ "expect": server }] }
        ] });
        agent.call("create_server", json!({ "spec": spec.to_string() }));
        let deployed = agent.call("deploy_server", json!({ "server": server }));
        assert_eq!(deployed["structuredContent"]["checks"]["examples"], 1, "{deployed}");
        let said = agent.call("call_tool", json!({ "server": server, "tool": "hello" }));
        assert_eq!(said["content"][0]["text"], server);
        let unknown = agent.ask("tools/call", json!({ "name": "no_such_tool", "arguments": {} }));
        assert!(unknown["error"]["message"].as_str().unwrap().contains("no_such_tool"), "{unknown}");
        agent.end();
    }
    let said = place.run(&["list", "--output", "json", "--data", "data"]);
    assert!(said.out.contains("\"modern\"") && said.out.contains("\"older\""), "the factory went on: {said:?}");
}
