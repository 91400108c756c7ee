//! Each example is started as the program that it is: it listens where it is told to, says where, answers, and ends well when
//! it is terminated.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use crate::server_factory::{ask, token};

/// Built with the tests, beside them; Cargo tells nobody where.
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

impl Running {
    fn start(command: &mut Command) -> Self {
        Self::start_listening(command.stdin(Stdio::null()))
    }

    fn start_listening(command: &mut Command) -> Self {
        let command = command.args(["--listen", "127.0.0.1:0"]);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("starts");
        let mut said = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let address = said.by_ref().find_map(|line| {
            let line = line.expect("text");
            line.strip_prefix("listening on http://")?.strip_suffix("/mcp")?.parse().ok()
        });
        let address = address.expect("says where it listens");
        // What else it says is read, so that it never waits for a reader.
        std::thread::spawn(move || said.for_each(drop));
        Self { child, address }
    }

    async fn call(&self, token: Option<&str>, tool: &str) -> Result<String, u16> {
        let call = json!({ "name": tool, "arguments": {} });
        let reply = ask(self.address, "/mcp", token, "tools/call", call).await;
        if reply.status != 200 {
            return Err(reply.status.as_u16());
        }
        reply.json()["result"]["content"][0]["text"].as_str().map(str::to_owned).ok_or(200)
    }

    fn terminate(mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("asks");
        assert!(asked.success());
        let ended = self.child.wait().expect("ends");
        assert!(ended.success(), "ends well when it is terminated, not with {ended}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn conformance_lists_its_tools() {
    let running = Running::start(&mut example("conformance"));
    let listed = ask(running.address, "/mcp", None, "tools/list", json!({})).await.result();
    assert!(listed["tools"].as_array().is_some_and(|tools| tools.len() > 20));
    running.terminate();
}

#[tokio::test]
async fn wrap_existing_answers_who_has_a_key() {
    let key = "a-key-of-alice-0123456789abcdef";
    let running = Running::start(example("wrap_existing").env("MCP_KEYS", json!({ key: "alice" }).to_string()));
    let seconds = running.call(Some(key), "seconds").await.expect("an answer").parse::<u64>();
    assert!(seconds.expect("a number") > 1_700_000_000);
    assert_eq!(running.call(Some("another-key"), "seconds").await, Err(401));
    running.terminate();
}

/// S1-3, S1-4, S2-30, S2-40: on a free port, an authenticated call succeeds.
#[tokio::test]
async fn server_factory_answers_who_has_a_jwt() {
    let secret = std::str::from_utf8(crate::issuer::SECRET).expect("text");
    let mut command = example("server_factory");
    let running = Running::start(command.env("JWT_SECRET", secret).env("JWT_AUDIENCE", crate::issuer::AUDIENCE));
    let answer = running.call(Some(&token("alice")), "hello_computer").await.expect("an answer");
    assert!(answer.contains(r#""hello":"alice""#), "{answer}");
    assert_eq!(running.call(None, "hello_computer").await, Err(401));
    running.terminate();
}

/// S4-46.
#[tokio::test]
async fn per_bearer_prototype_and_its_raw_counterpart_answer_who_has_the_token() {
    for name in ["per_bearer_prototype", "per_bearer_raw_rmcp"] {
        let running = Running::start(&mut example(name));
        assert_eq!(running.call(Some("test"), "hello").await, Ok("hello".to_owned()), "{name}");
        assert_eq!(running.call(Some("tset"), "hello").await, Err(401), "{name}");
        running.terminate();
    }
}

#[tokio::test]
async fn per_bearer_development_says_who_calls() {
    let running = Running::start(&mut example("per_bearer_development"));
    assert!(running.call(Some("dev"), "whoami").await.is_ok_and(|answer| answer.starts_with("you are ")));
    running.terminate();
}

#[tokio::test]
async fn per_bearer_saas_shows_secrets_that_are_good() {
    let mut running = Running::start(example("per_bearer_saas").stdout(Stdio::piped()));
    let mut said = BufReader::new(running.child.stdout.take().expect("a pipe")).lines();
    for (customer, answer) in [("acme", Err(200)), ("globex", Ok("a report".to_owned()))] {
        let line = said.next().expect("a line").expect("text");
        let (name, secret) = line.split_once(": ").expect("a name and a secret");
        assert_eq!(name, customer);
        assert_eq!(running.call(Some(secret), "report").await, answer);
    }
    running.terminate();
}

#[tokio::test]
async fn per_bearer_production_reads_the_tokens_of_its_database() {
    use mcp_serve::tokens::{HashKey, RegistryOptions, SharedTokens, SqliteTokens, Token, TokenRegistry};
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tokens.db");
    let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let registry = TokenRegistry::new(RegistryOptions {
        key: HashKey::from_base64(key).expect("long enough"),
        ..RegistryOptions::default()
    });
    let store = SqliteTokens::open(&file).await.expect("opens");
    let tokens = SharedTokens::open(registry, store).await.expect("opens");
    tokens.add(Token::new("a-secret-of-acme").with_id("acme")).await.expect("added");
    let mut command = example("per_bearer_production");
    command.env("HASH_KEY", key).env("TOKENS", &file).env("OAUTH_ISSUER", "https://login.example.com");
    let running = Running::start(&mut command);
    assert_eq!(running.call(Some("a-secret-of-acme"), "plan").await, Ok("free".to_owned()));
    assert_eq!(running.call(Some("a-secret-of-nobody"), "plan").await, Err(401));
    running.terminate();
}

/// A client on the standard input and output of a program.
struct OnStdio(Child, Lines<BufReader<ChildStdout>>);

impl OnStdio {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
        let answers = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut client = Self(child, answers);
        let params = json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
        });
        client.ask("initialize", params);
        client.write(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        client
    }

    fn write(&mut self, message: &Value) {
        writeln!(self.0.stdin.as_mut().expect("open"), "{message}").expect("written");
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.write(&json!({ "jsonrpc": "2.0", "id": method, "method": method, "params": params }));
        let mut answers =
            self.1.by_ref().map(|line| serde_json::from_str::<Value>(&line.expect("text")).expect("JSON"));
        let answer = answers.find(|answer| answer["id"] == method).expect("an answer");
        answer["result"].clone()
    }

    /// The end of its input is the end of the server.
    fn close(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().expect("ends").success());
    }
}

/// S3-30 in one program: what clients turn on, or what everybody has.
#[tokio::test]
async fn dynamic_toolsets_are_turned_on_or_on_from_the_start() {
    let running = Running::start(&mut example("dynamic_toolsets"));
    let enable = json!({ "name": "enable_toolset", "arguments": { "name": "billing" } });
    let enabled = ask(running.address, "/mcp", None, "tools/call", enable).await.result();
    let call = json!({ "tool": "billing.refund", "activation": enabled["structuredContent"]["activation"] });
    let call = json!({ "name": "call_tool", "arguments": call });
    let answer = ask(running.address, "/mcp", None, "tools/call", call).await.result();
    assert_eq!(answer["content"][0]["text"], "it was paid, for anonymous");
    running.terminate();
    let running = Running::start(example("dynamic_toolsets").env("STARTUP", r#"{"toolsets": ["orders"]}"#));
    let answer = running.call(None, "orders.find").await.expect("an answer");
    assert_eq!(answer, "it is on its way, for anonymous");
    assert_eq!(running.call(None, "enable_toolset").await, Err(200));
    running.terminate();
}

/// S3-63: what is typed counts from the next request on.
#[tokio::test]
async fn permissions_are_what_was_typed_last() {
    let key = "a-key-of-alice-0123456789abcdef";
    let mut command = example("permissions");
    command.env("MCP_KEYS", json!({ key: "alice" }).to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = Running::start_listening(&mut command);
    let mut typed = running.child.stdin.take().expect("a pipe");
    let mut said = BufReader::new(running.child.stdout.take().expect("a pipe")).lines();
    assert_eq!(running.call(Some(key), "orders.find").await, Err(200));
    for (line, tool, other) in
        [("alice orders billing", "billing.refund", "stock.count"), ("alice orders", "orders.find", "billing.refund")]
    {
        writeln!(typed, "{line}").expect("written");
        assert_eq!(said.next().expect("a line").expect("text"), "alice: done");
        assert!(running.call(Some(key), tool).await.is_ok(), "{tool}");
        assert_eq!(running.call(Some(key), other).await, Err(200));
    }
    assert_eq!(running.call(Some("another-key"), "orders.find").await, Err(401));
    running.terminate();
}

/// S1-5: the same factory, standalone on standard input and output.
#[test]
fn server_factory_stdio_lists_its_tools() {
    let mut client = OnStdio::start(&mut example("server_factory_stdio"));
    assert_eq!(client.ask("tools/list", json!({}))["tools"].as_array().map(Vec::len), Some(3));
    client.close();
}

/// S2-44, S2-45, W1-16: wrapped on stdio, the user and the user's token are said by the environment, and need not be.
#[test]
fn server_factory_on_stdio_serves_whoever_the_environment_names() {
    for (user, token) in [(None, None), (Some("alice"), Some("a-token-of-alice"))] {
        let mut command = example("server_factory");
        let told = [("MCP_USER_ID", user), ("MY_RESOURCE_ACCESS_TOKEN", token)];
        command.arg("--stdio").envs(told.iter().filter_map(|(name, value)| Some((name, (*value)?))));
        let mut client = OnStdio::start(&mut command);
        let answer = client.ask("tools/call", json!({ "name": "hello_computer", "arguments": {} }));
        let hello: Value = serde_json::from_str(answer["content"][0]["text"].as_str().expect("text")).expect("JSON");
        assert_eq!(
            (&hello["hello"], &hello["linked"]),
            (&json!(user.unwrap_or("default-user")), &json!(token.is_some()))
        );
        client.close();
    }
}

/// None is left out here.
#[test]
fn every_example_is_started() {
    let this = include_str!("examples.rs");
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).expect("a folder");
    for path in folder.map(|entry| entry.expect("an entry").path()) {
        let is_program = path.extension().is_some_and(|end| end == "rs") || path.join("main.rs").exists();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("text");
        assert!(!is_program || this.contains(&format!("\"{name}\"")), "`{name}` is not started by a test");
    }
}
