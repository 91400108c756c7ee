//! The control plane and hosted servers at one listener, asked by raw HTTP.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

mod catalogue;
mod conditions;
mod intake;
mod intake_live;
mod matrix;
mod mcp;
mod watching;

use std::{net::SocketAddr, os::unix::fs::DirBuilderExt as _, time::Duration};

use mcp_factory::{
    Caller, Config, Factory, FactoryKey, Owner, Secret,
    deploy::LocalOptions,
    registry::{Limits, Role},
};
use mcp_factory_control::{Control, Readiness};
use mcp_serve::{
    Approvals,
    http::{Host, HostConfig},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

struct Running {
    factory: Factory,
    readiness: Readiness,
    address: SocketAddr,
    token: String,
    _data: tempfile::TempDir,
}

#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("JSON: {self:?}"))
    }

    fn code(&self) -> (u16, String) {
        assert!(self.head.contains("content-type: application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        (self.status, problem["code"].as_str().expect("a code").to_owned())
    }
}

async fn open(data: &tempfile::TempDir) -> Factory {
    open_in(data, None).await
}

async fn open_in(data: &tempfile::TempDir, registry: Option<Secret>) -> Factory {
    let config = Config {
        data: data.path().join("data"),
        registry,
        key: FactoryKey::new(b"a factory's secret, for tests").unwrap(),
        approvals: Approvals::default(),
        launcher: None,
    };
    Factory::open(config).await.unwrap()
}

impl Running {
    async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let factory = open(&data).await;
        Self::with(factory, data).await
    }

    async fn with(factory: Factory, data: tempfile::TempDir) -> Self {
        let readiness = Readiness::default();
        let control = Control::new(factory.clone(), readiness.clone());
        let host = Host::new(HostConfig { routes: control.clone().routes(), ..HostConfig::default() }).unwrap();
        control.mount(&host).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = host.clone();
        tokio::spawn(async move { serving.serve(listener, std::future::pending()).await });
        let url = format!("http://{address}").parse().unwrap();
        factory.host(host, LocalOptions::new(url)).await.unwrap();
        let issued = factory.issue_token(&Caller::local(), "test", Role::Admin, None).await.unwrap();
        let token = issued.secret.reveal().to_owned();
        Self { factory, readiness, address, token, _data: data }
    }

    /// The token of another user.
    async fn stranger(&self, role: Role, limits: Limits) -> String {
        let name: Owner = "stranger".parse().unwrap();
        self.factory.add_user(&Caller::local(), &name, role, limits).await.unwrap();
        let caller = Caller::local().acting_for(name).unwrap();
        self.factory.issue_token(&caller, "theirs", role, None).await.unwrap().secret.reveal().to_owned()
    }

    async fn send(&self, token: &str, method: &str, path: &str, more: &str, body: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let credential = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{credential}{more}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        BufReader::new(stream)
    }

    async fn ask_as(&self, token: &str, method: &str, path: &str, body: &str) -> Reply {
        self.ask_with(token, method, path, "", body).await
    }

    /// With more in its head.
    async fn ask_with(&self, token: &str, method: &str, path: &str, more: &str, body: &str) -> Reply {
        let mut stream = self.send(token, method, path, more, body).await;
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Reply {
        self.ask_as(&self.token, method, path, body).await
    }

    async fn call(&self, tool: &str) -> (u16, Value) {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool }});
        let more = "content-type: application/json\r\nmcp-protocol-version: 2025-11-25\r\n";
        let mut stream = self.send("", "POST", "/servers/shop/mcp", more, &body.to_string()).await;
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("ends in time")
}

fn shop(version: &str, says: &str) -> String {
    format!(
        "name: shop\nversion: {version}\ntools: [{{ name: hello, description: Greets, static: {{ text: {says} }}, examples: [{{ expect: hello }}] }}]\n"
    )
}

#[tokio::test]
async fn a_server_is_created_deployed_called_watched_stopped_and_removed() {
    let running = Running::start().await;
    let created = running.ask("POST", "/mcp/create", &shop("1.0.0", "hello")).await;
    assert_eq!((created.status, created.json()["outcome"].as_str()), (201, Some("created")), "{created:?}");
    assert!(created.head.contains("location: /mcp/servers/shop"));
    assert_eq!(running.ask("POST", "/mcp/create", &shop("1.0.0", "hello")).await.status, 200);
    assert_eq!(running.ask("POST", "/mcp/servers/shop/start", "").await.code().1, "never-deployed");

    let deployed = running.ask("POST", "/mcp/deploy/shop", r#"{"target": "local"}"#).await;
    assert_eq!(deployed.status, 200, "{deployed:?}");
    assert_eq!(deployed.json()["checks"]["examples"], 1);
    assert_eq!(deployed.json()["serving"]["endpoint"], format!("http://{}/servers/shop/mcp", running.address));
    let again = running.ask("POST", "/mcp/deploy/shop", "").await;
    assert_eq!((again.status, &again.json()["unchanged"]), (200, &json!("this version is running")));
    assert_eq!(running.call("hello").await.1["result"]["content"][0]["text"], "hello");

    let shown = running.ask("GET", "/mcp/servers/shop", "").await.json();
    assert_eq!((&shown["deployment"]["state"], &shown["deployment"]["version"]), (&json!("running"), &json!("1.0.0")));
    let listed = running.ask("GET", "/mcp/servers?state=running", "").await.json();
    assert_eq!(listed["servers"][0]["deployed"]["state"], "running");
    let logs = running.ask("GET", "/mcp/servers/shop/logs?tail=1", "").await;
    assert!(logs.body.contains("hello for anonymous: ok"), "{logs:?}");

    assert_eq!(running.ask("POST", "/mcp/servers/shop/stop", "").await.status, 200);
    assert_eq!(running.ask("POST", "/mcp/servers/shop/stop", "").await.status, 200);
    within(async {
        while running.ask("GET", "/mcp/servers/shop", "").await.json()["deployment"]["state"] != "stopped" {}
    })
    .await;
    assert_eq!(running.call("hello").await.0, 404);
    assert_eq!(running.ask("POST", "/mcp/servers/shop/start", "").await.status, 200);
    assert_eq!(running.call("hello").await.0, 200);
    assert_eq!(running.ask("DELETE", "/mcp/servers/shop", "").await.status, 204);
    assert_eq!(running.call("hello").await.0, 404);
    assert_eq!(running.ask("GET", "/mcp/servers/shop", "").await.code().0, 404);
}

/// S5-35.
#[tokio::test]
async fn a_version_that_is_not_healthy_does_not_replace_the_one_that_is() {
    let running = Running::start().await;
    running.ask("POST", "/mcp/create", &shop("1.0.0", "hello")).await;
    running.ask("POST", "/mcp/deploy/shop", "").await;
    running.ask("POST", "/mcp/create", &shop("1.1.0", "bye")).await;
    let refused = running.ask("POST", "/mcp/deploy/shop", "").await;
    assert_eq!(refused.code(), (422, "unhealthy".to_owned()));
    assert_eq!(refused.json()["serving"]["version"], "1.0.0");
    assert_eq!(running.call("hello").await.1["result"]["content"][0]["text"], "hello");
    // What is wrong with one version is not said of the other.
    let shown = running.ask("GET", "/mcp/servers/shop", "").await.json()["deployment"].clone();
    assert_eq!((&shown["state"], &shown["checks"]["examples"]), (&json!("running"), &json!(1)));
    assert!(shown["problem"].as_str().is_some_and(|it| it.starts_with("1.1.0 does not run: example 1")), "{shown}");
    assert_eq!(running.ask("POST", "/mcp/servers/shop/rollback", "").await.status, 200);
    let deployed = running.ask("POST", "/mcp/deploy/shop", "").await;
    assert_eq!((deployed.status, &deployed.json()["version"]), (200, &json!("1.0.0")), "{deployed:?}");
    assert_eq!(deployed.json()["unchanged"], "this version is running");
    assert_eq!(running.ask("GET", "/mcp/servers/shop", "").await.json()["deployment"]["problem"], json!(null));
}

#[tokio::test]
async fn what_is_wrong_is_said_at_once_and_with_its_place() {
    let running = Running::start().await;
    let refused = running.ask("POST", "/mcp/create", "name: shop\ntools: 3\ntoools: []\n").await;
    assert_eq!(refused.code(), (400, "invalid-spec".to_owned()));
    assert!(refused.json()["diagnostics"].to_string().contains("toools"), "{refused:?}");
    for (method, path, status, code) in [
        ("GET", "/mcp/servers?limit=x", 400, "invalid-argument"),
        ("GET", "/mcp/servers?limt=3", 400, "invalid-argument"),
        ("PUT", "/mcp/servers", 405, "method-not-allowed"),
        ("GET", "/mcp/nothing", 404, "not-found"),
        ("POST", "/mcp/create/natural", 501, "not-implemented"),
    ] {
        assert_eq!(running.ask(method, path, "").await.code(), (status, code.to_owned()), "{method} {path}");
    }
    running.ask("POST", "/mcp/create", &shop("1.0.0", "hello")).await;
    let body = r#"{"target": "docker"}"#;
    assert_eq!(running.ask("POST", "/mcp/deploy/shop", body).await.code(), (501, "no-target".to_owned()));
    let body = r#"{"version": "9.9.9"}"#;
    assert_eq!(running.ask("POST", "/mcp/deploy/shop", body).await.code().0, 404);
}

#[tokio::test]
async fn a_log_is_followed_while_the_server_works() {
    let running = Running::start().await;
    running.ask("POST", "/mcp/create", &shop("1.0.0", "hello")).await;
    running.ask("POST", "/mcp/deploy/shop", "").await;
    let mut stream = running.send(&running.token, "GET", "/mcp/servers/shop/logs?follow=true", "", "").await;
    let mut seen = String::new();
    for wanted in ["1.0.0 runs", "\"outcome\":\"ok\""] {
        while !seen.contains(wanted) {
            assert!(within(stream.read_line(&mut seen)).await.unwrap() > 0, "{seen}");
        }
        running.call("hello").await;
    }
    // It ends with the server.
    running.ask("DELETE", "/mcp/servers/shop", "").await;
    within(stream.read_to_string(&mut seen)).await.unwrap();
}

#[tokio::test]
async fn versions_are_listed_and_gone_back_to() {
    let running = Running::start().await;
    for version in ["1.0.0", "1.1.0"] {
        running.ask("POST", "/mcp/create", &shop(version, "hello")).await;
    }
    let versions = running.ask("GET", "/mcp/servers/shop/versions", "").await.json();
    let numbers: Vec<&Value> = versions["versions"].as_array().unwrap().iter().map(|it| &it["version"]).collect();
    assert_eq!(numbers, ["1.1.0", "1.0.0"]);
    let back = running.ask("POST", "/mcp/servers/shop/rollback", "").await.json();
    assert_eq!((&back["latest"], &back["changed"]), (&json!("1.0.0"), &json!(true)));
    assert_eq!(running.ask("POST", "/mcp/deploy/shop", "").await.json()["serving"]["version"], "1.0.0");
    let found = running.ask("GET", "/mcp/search?q=greets", "").await.json();
    assert_eq!((&found["tools"][0]["server"], &found["tools"][0]["tool"]), (&json!("shop"), &json!("hello")));
}

/// T7: a secret goes in and never comes out.
#[tokio::test]
async fn secrets_are_set_and_named_and_never_shown() {
    let running = Running::start().await;
    let value = "a-secret-of-the-owner-1234";
    let body = json!({ "value": value }).to_string();
    assert_eq!(running.ask("PUT", "/mcp/secrets/SHOP_KEYS", &body).await.status, 200);
    let wrong = format!(r#"{{"valu": "{value}"}}"#);
    let refused = running.ask("PUT", "/mcp/secrets/SHOP_KEYS", &wrong).await;
    assert_eq!(refused.code(), (400, "invalid-argument".to_owned()));
    let listed = running.ask("GET", "/mcp/secrets", "").await;
    assert_eq!(listed.json()["secrets"][0]["name"], "SHOP_KEYS");
    let spec = "name: shop\nversion: 1.0.0\nauth: { type: bearer, envVar: SHOP_KEYS }\n\
                tools: [{ name: hello, description: Greets, static: { text: hello } }]\n";
    assert_eq!(running.ask("POST", "/mcp/create", spec).await.status, 201);
    assert_eq!(running.ask("POST", "/mcp/deploy/shop", "").await.status, 200);
    assert_eq!(running.call("hello").await.0, 401);
    let audit = running.ask("GET", "/mcp/audit", "").await;
    assert!(audit.body.contains("secrets.set"), "{audit:?}");
    let logs = running.ask("GET", "/mcp/servers/shop/logs", "").await;
    for reply in [refused, listed, audit, logs] {
        assert!(!reply.body.contains(value) && !reply.head.contains(value), "{reply:?}");
    }
    for _ in 0..2 {
        assert_eq!(running.ask("DELETE", "/mcp/secrets/SHOP_KEYS", "").await.status, 204);
    }
}

#[tokio::test]
async fn tokens_are_issued_for_no_more_than_was_asked_and_revoked() {
    let running = Running::start().await;
    let body = r#"{"name": "reader", "role": "viewer"}"#;
    let issued = running.ask("POST", "/mcp/tokens", body).await;
    assert_eq!(issued.status, 201, "{issued:?}");
    let issued = issued.json();
    let token = issued["secret"].as_str().expect("a secret");
    assert_eq!(running.ask_as(token, "GET", "/mcp/servers", "").await.status, 200);
    let create = running.ask_as(token, "POST", "/mcp/create", &shop("1.0.0", "hello")).await;
    assert_eq!(create.code(), (403, "forbidden".to_owned()));
    assert!(!running.ask("GET", "/mcp/tokens", "").await.body.contains(token));
    assert_eq!(running.ask("DELETE", "/mcp/tokens/reader", "").await.status, 204);
    assert_eq!(running.ask_as(token, "GET", "/mcp/servers", "").await.status, 401);
}

/// S5-52: how often and how well, and nothing of what.
#[tokio::test]
async fn calls_are_counted() {
    let running = Running::start().await;
    running.ask("POST", "/mcp/create", &shop("1.0.0", "hello")).await;
    running.ask("POST", "/mcp/deploy/shop", "").await;
    for tool in ["hello", "hello", "made-up"] {
        running.call(tool).await;
    }
    running.factory.unhost().await;
    let usage = running.ask("GET", "/mcp/usage?server=shop&days=1", "").await.json();
    let rows = usage["usage"].as_array().expect("rows");
    assert!(rows.iter().all(|row| row["tool"] == "hello"), "{usage}");
    assert_eq!(rows.iter().filter_map(|row| row["calls"].as_u64()).sum::<u64>(), 2, "{usage}");
}

/// S5-61.
#[tokio::test]
async fn a_user_may_ask_only_so_often() {
    let running = Running::start().await;
    let limits = Limits { requests_per_minute: 3.try_into().unwrap(), ..Limits::default() };
    let stranger = running.stranger(Role::Viewer, limits).await;
    for _ in 0..3 {
        assert_eq!(running.ask_as(&stranger, "GET", "/mcp/servers", "").await.status, 200);
    }
    let refused = running.ask_as(&stranger, "GET", "/mcp/servers", "").await;
    assert_eq!(refused.code(), (429, "rate-limited".to_owned()));
    assert!(refused.head.contains("retry-after: "), "{refused:?}");
    assert_eq!(running.ask("GET", "/mcp/servers", "").await.status, 200, "others may");
}

#[tokio::test]
async fn who_may_only_look_changes_nothing() {
    let running = Running::start().await;
    let viewer = running.stranger(Role::Viewer, Limits::default()).await;
    let refused = running.ask_as(&viewer, "POST", "/mcp/create", &shop("1.0.0", "hello")).await;
    assert_eq!(refused.code(), (403, "forbidden".to_owned()));
}

#[tokio::test]
async fn it_is_ready_when_it_says_so() {
    let running = Running::start().await;
    assert_eq!(running.ask_as("", "GET", "/readyz", "").await.status, 503);
    running.readiness.set(true);
    assert_eq!(running.ask_as("", "GET", "/readyz", "").await.status, 200);
}

/// Walk 4: what was meant to run runs again, also after a factory that did not end in order.
#[tokio::test]
async fn what_was_meant_to_run_runs_again() {
    let running = Running::start().await;
    running.ask("POST", "/mcp/create", &shop("1.0.0", "hello")).await;
    running.ask("POST", "/mcp/deploy/shop", "").await;
    // As if it were killed and its disk were in another machine: nothing is told to end.
    let (from, data) = (running._data.path().join("data"), tempfile::tempdir().unwrap());
    let to = data.path().join("data");
    std::fs::DirBuilder::new().mode(0o700).create(&to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap).filter(|it| it.path().is_file()) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    let factory = open(&data).await;
    let host = Host::new(HostConfig::default()).unwrap();
    let options = LocalOptions::new("http://127.0.0.1:1".parse().unwrap());
    assert_eq!(factory.host(host.clone(), options).await.unwrap(), 1);
    within(async {
        while !host.is_mounted("shop") {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
