//! Who leaves takes the work along: from the client's word to the end of the query or request, for each kind of tool that
//! reaches outside, in each way of saying so. What a cancelled call holds is looked at from outside.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use mcp_factory_testing::{Mariadb, Postgres};
use serde_json::{Value, json};

use crate::run::{Place, Serving, named_binary};

const PROMISED: Duration = Duration::from_millis(100);
/// Machines that run many tests at once, of a binary that was not optimised, get more.
const GENEROUS: Duration = Duration::from_secs(3);

/// A server with the tool `slow`.
struct Kind<'a> {
    name: &'a str,
    place: Place,
    /// Whether the work of the tool goes on.
    runs: Box<dyn Fn(&Serving) -> bool + 'a>,
}

impl Kind<'_> {
    fn proves(&self) {
        let server = self.place.serve(&["server.yaml"]);
        // The first call pays for what is done once.
        for (measured, way) in [(false, "warm"), (true, "2026-07-28, the stream is closed")] {
            let call = modern(&server);
            self.until(&server, true);
            let cancelled = Instant::now();
            drop(call);
            self.ended(&server, cancelled, measured.then_some(way));
        }
        let session = Session::open(&server);
        let call = session.call(7);
        self.until(&server, true);
        let cancelled = Instant::now();
        session.cancel(7);
        self.ended(&server, cancelled, Some("2025-11-25, notifications/cancelled"));
        drop(call);
        let mut stdio = Stdio::start(&self.place);
        stdio.call(7);
        self.until(&server, true);
        let cancelled = Instant::now();
        stdio.cancel(7);
        self.ended(&server, cancelled, Some("stdio, notifications/cancelled"));
    }

    fn until(&self, server: &Serving, runs: bool) {
        let begun = Instant::now();
        while (self.runs)(server) != runs {
            assert!(begun.elapsed() < Duration::from_secs(60), "{}: runs should be {runs}", self.name);
            std::thread::yield_now();
        }
    }

    fn ended(&self, server: &Serving, cancelled: Instant, way: Option<&str>) {
        self.until(server, false);
        let took = cancelled.elapsed();
        if let Some(way) = way {
            eprintln!("{}: {way}: gone after {} ms", self.name, took.as_millis());
            let most = if named_binary().is_some() { PROMISED } else { GENEROUS };
            assert!(took < most, "{}: {way}: {took:?}", self.name);
        }
    }
}

/// Sends a call of `slow` and leaves the connection open.
fn send(address: &str, headers: &str, body: &Value) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let body = body.to_string();
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         Content-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .unwrap();
    stream
}

fn slow(id: u32, meta: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": "slow", "arguments": {}, "_meta": meta } })
}

/// With a progress token, so that the answer is a stream.
fn modern(server: &Serving) -> TcpStream {
    let headers = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: slow\r\n";
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "progressToken": 1,
    });
    send(&server.address, headers, &slow(1, &meta))
}

fn initialize() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } })
}

fn cancelled(id: u32) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } })
}

const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

struct Session<'a> {
    server: &'a Serving,
    id: String,
}

impl<'a> Session<'a> {
    fn open(server: &'a Serving) -> Self {
        let (head, _) = server.post(&[], &initialize().to_string());
        let id = head.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).expect("a session").to_owned();
        let session = Self { server, id };
        session.say(INITIALIZED);
        session
    }

    fn say(&self, body: &str) {
        let headers = [("Mcp-Session-Id", self.id.as_str()), ("MCP-Protocol-Version", "2025-11-25")];
        let (head, _) = self.server.post(&headers, body);
        assert!(head.starts_with("HTTP/1.1 202"), "{head}");
    }

    fn call(&self, id: u32) -> TcpStream {
        let headers = format!("Mcp-Session-Id: {}\r\nMCP-Protocol-Version: 2025-11-25\r\n", self.id);
        send(&self.server.address, &headers, &slow(id, &json!({})))
    }

    fn cancel(&self, id: u32) {
        self.say(&cancelled(id).to_string());
    }
}

struct Stdio(std::process::Child);

impl Stdio {
    fn start(place: &Place) -> Self {
        let mut child = place.command(&["stdio", "server.yaml"]).stderr(std::process::Stdio::null()).spawn().unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "{}\n{INITIALIZED}", initialize()).unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("protocolVersion"), "{line}");
        Self(child)
    }

    fn call(&mut self, id: u32) {
        writeln!(self.0.stdin.as_mut().unwrap(), "{}", slow(id, &json!({}))).unwrap();
    }

    fn cancel(&mut self, id: u32) {
        writeln!(self.0.stdin.as_mut().unwrap(), "{}", cancelled(id)).unwrap();
    }
}

impl Drop for Stdio {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A tool of the same server looks at the database's list of what runs.
fn counted(server: &Serving) -> bool {
    let (_, body) = server.call(&[], "running", "{}");
    let reply: Value = serde_json::from_str(&body).unwrap();
    reply["result"]["structuredContent"]["n"].as_u64().unwrap_or_else(|| panic!("{body}")) > 0
}

fn database(kind: &str, url: &str, slow: &str, running: &str) -> Place {
    let spec = format!(
        "name: slow\nconnections: [{{ name: db, type: {kind}, envVar: DB }}]\nlimits: {{ ratePerPrincipal: none }}\ntools:\n  \
         - {{ name: slow, description: Takes a minute, sql: \"{slow}\", limits: {{ timeout: 2m }} }}\n  \
         - {{ name: running, description: Counts what runs, sql: \"{running}\", single: true, limits: {{ rate: none }} }}\n"
    );
    Place::new().file("server.yaml", &spec).environment("DB", url)
}

#[test]
fn a_query_of_postgresql_is_gone() {
    let postgres = Postgres::start();
    let running = "SELECT count(*) AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(60%' \
                   AND pid <> pg_backend_pid()";
    let place = database("postgresql", &postgres.url(), "SELECT pg_sleep(60)", running);
    Kind { name: "sql on PostgreSQL", place, runs: Box::new(counted) }.proves();
}

#[test]
fn a_query_of_mariadb_is_gone() {
    let mariadb = Mariadb::start();
    let running = "SELECT count(*) AS n FROM information_schema.processlist WHERE info LIKE '%benchmark(%' \
                   AND id <> connection_id()";
    // Not `sleep`, which was seen to notice half a second late that it was killed.
    let slow = "SELECT benchmark(100000000000, md5('a')) AS n";
    let place = database("mysql", &mariadb.url(), slow, running);
    Kind { name: "sql on MariaDB", place, runs: Box::new(counted) }.proves();
}

#[test]
fn a_statement_of_sqlite_is_gone() {
    let spec = "name: slow\nconnections: [{ name: db, type: sqlite, path: slow.db }]\ntools:\n  \
        - { name: slow, description: Never ends, sql: \"INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL \
        SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0\", limits: { timeout: 2m } }\n";
    let place = Place::new().file("server.yaml", spec);
    let other = rusqlite::Connection::open(place.path("slow.db")).unwrap();
    other.execute_batch("CREATE TABLE t (i INTEGER)").unwrap();
    other.busy_timeout(Duration::ZERO).unwrap();
    // Whoever writes keeps others from writing.
    let runs = move |_: &Serving| other.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_err();
    Kind { name: "sql on SQLite", place, runs: Box::new(runs) }.proves();
}

/// An upstream that answers every request with `reply` and then nothing more, and whether somebody waits for it.
fn upstream(reply: &'static str) -> (String, impl Fn(&Serving) -> bool) {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", upstream.local_addr().unwrap());
    let connected = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&connected);
    std::thread::spawn(move || {
        for stream in upstream.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            if stream.read(&mut head).unwrap_or(0) == 0 {
                continue;
            }
            let _ = stream.write_all(reply.as_bytes());
            seen.store(true, Ordering::SeqCst);
            while stream.read(&mut head).is_ok_and(|read| read > 0) {}
            seen.store(false, Ordering::SeqCst);
        }
    });
    (url, move |_| connected.load(Ordering::SeqCst))
}

fn api(url: &str, tools: &str) -> Place {
    let connection = format!("name: api, type: http, url: '{url}', allowPrivateNetwork: true");
    let spec = format!("name: slow\nconnections: [{{ {connection} }}]\ntools:\n{tools}");
    Place::new().file("server.yaml", &spec)
}

const REQUEST: &str =
    "  - { name: slow, description: Never answers, http: { path: /slow }, limits: { timeout: 2m } }\n";

#[test]
fn a_request_to_an_upstream_is_closed() {
    let (url, runs) = upstream("");
    Kind { name: "http, a request", place: api(&url, REQUEST), runs: Box::new(runs) }.proves();
}

#[test]
fn a_download_is_closed() {
    let begun = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n[{\"id\": 1},";
    let (url, runs) = upstream(begun);
    Kind { name: "http, a download", place: api(&url, REQUEST), runs: Box::new(runs) }.proves();
}

#[test]
fn the_step_that_runs_is_stopped() {
    let (url, runs) = upstream("");
    let tools = format!(
        "{}  - {{ name: slow, description: Two steps, steps: [{{ call: quick, as: a }}, {{ call: fetch, as: b }}], \
         limits: {{ timeout: 2m }} }}\n  - {{ name: quick, description: Says hello, static: {{ text: hello }} }}\n",
        REQUEST.replace("name: slow", "name: fetch")
    );
    Kind { name: "steps", place: api(&url, &tools), runs: Box::new(runs) }.proves();
}

#[test]
fn a_program_is_gone_with_its_children() {
    let spec = "name: slow\ntools:\n  - { name: slow, description: Waits for a child, limits: { timeout: 2m }, command: { \
                argv: [/bin/sh, -c, \"sleep 60 & echo $! > new; mv new child; wait\"], env: { PATH: '/usr/bin:/bin' }, timeout: 2m } }\n";
    let place = Place::new().file("server.yaml", spec);
    let child = place.path("child");
    let runs = move |_: &Serving| {
        let Ok(id) = std::fs::read_to_string(&child) else { return false };
        // A zombie is gone; somebody else's child just did not wait for it yet.
        std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).is_ok_and(|stat| !stat.contains(") Z"))
    };
    Kind { name: "command", place, runs: Box::new(runs) }.proves();
}
