//! The server under test, and a client that sends exactly what it is told to.

use std::{
    borrow::Cow,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use mcp_serve::{
    Authenticator, BoxFuture, CallContext, Capabilities, Change, Changes, Completion, Content, Elicitation, Error,
    Listing, Live, LogLevel, NoAuthentication, ParameterHeader, PromptText, Server, Tasks, ToolResult,
    http::{Config, ServeError, Summary},
    model::{
        ContentBlock, DetailedTask, Implementation, InputResponses, Prompt, PromptMessage, Resource, ResourceContents,
        ResourceTemplate, Role, Task, TaskPayload, TaskStatus, Tool,
    },
};
use serde_json::{Map, Value, json, value::RawValue};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// Tools with one behaviour each.
#[derive(Debug)]
pub struct TestServer {
    implementation: Implementation,
    parameter_headers: Vec<ParameterHeader>,
    tools: Arc<Listing<Tool>>,
    changes: Option<Changes>,
    /// Calls of `wait` that run, and that were dropped before they ended.
    pub waiting: watch::Sender<usize>,
    pub dropped: watch::Sender<usize>,
    pub release: Notify,
    pub calls: AtomicUsize,
    pub task_changes: tokio::sync::broadcast::Sender<Arc<str>>,
}

pub const TOOLS: [&str; 10] =
    ["echo", "whoami", "wait", "count", "hurry", "panic", "broken", "scoped", "pretty", "picture"];

impl TestServer {
    pub fn new() -> Arc<Self> {
        Self::with(Some(Changes::new()))
    }

    pub fn with(changes: Option<Changes>) -> Arc<Self> {
        let schema = json!({"type": "object"}).as_object().expect("object").clone();
        let routed = json!({"properties": {"region": {"type": "string", "x-mcp-header": "Region"}}});
        let tools = TOOLS.map(|name| Tool::new(name, format!("the tool {name}"), schema.clone()));
        Arc::new(Self {
            implementation: Implementation::new("test", "1.2.3"),
            parameter_headers: ParameterHeader::of(routed.as_object().expect("object")),
            tools: Listing::new(tools.to_vec()).expect("tools"),
            changes,
            waiting: watch::Sender::new(0),
            dropped: watch::Sender::new(0),
            release: Notify::new(),
            calls: AtomicUsize::new(0),
            task_changes: tokio::sync::broadcast::Sender::new(8),
        })
    }

    pub fn notify(&self, change: Change) {
        self.changes.as_ref().expect("a server that changes").notify(change);
    }

    pub async fn until_waiting(&self, calls: usize) {
        within(self.waiting.subscribe().wait_for(|waiting| *waiting == calls)).await.expect("the server lives");
    }

    pub async fn until_dropped(&self, calls: usize) {
        within(self.dropped.subscribe().wait_for(|dropped| *dropped == calls)).await.expect("the server lives");
    }
}

/// Fails a test that would hang.
pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("ends in time")
}

struct Waiting<'a>(&'a TestServer, bool);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|waiting| *waiting -= 1);
        if !self.1 {
            self.0.dropped.send_modify(|dropped| *dropped += 1);
        }
    }
}

fn working() -> Task {
    Task::new("t1", TaskStatus::Working, "2026-07-28T00:00:00Z", "2026-07-28T00:00:00Z").with_ttl_ms(60_000)
}

impl TestServer {
    /// Its only task is alice's, or of whoever calls where nobody is known.
    fn own(cx: &CallContext, id: &str) -> Result<Task, Error> {
        let theirs = id == "t1" && ["alice", "anonymous", "local"].contains(&cx.principal.id.as_str());
        if theirs { Ok(working()) } else { Err(Error::UnknownTask) }
    }
}

impl Tasks for TestServer {
    fn get<'a>(&'a self, cx: &'a CallContext, id: &'a str) -> BoxFuture<'a, Result<DetailedTask, Error>> {
        Box::pin(async move {
            let result = json!({"content": [{"type": "text", "text": "done"}]});
            let result = result.as_object().expect("object").clone();
            Ok(DetailedTask::new(Self::own(cx, id)?, TaskPayload::Completed { result }))
        })
    }

    fn update<'a>(&'a self, cx: &'a CallContext, id: &'a str, _: InputResponses) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { Self::own(cx, id).map(drop) })
    }

    fn cancel<'a>(&'a self, cx: &'a CallContext, id: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { Self::own(cx, id).map(drop) })
    }

    fn changes(&self) -> tokio::sync::broadcast::Receiver<Arc<str>> {
        self.task_changes.subscribe()
    }
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).expect("JSON")
}

impl Server for TestServer {
    fn implementation(&self) -> &Implementation {
        &self.implementation
    }

    fn instructions(&self) -> Option<&str> {
        Some("Ask \"nicely\".")
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { tools: true, resources: true, prompts: true, completions: true, logging: true }
    }

    fn tasks(&self) -> Option<&dyn Tasks> {
        Some(self)
    }

    fn changes(&self) -> Option<&Changes> {
        self.changes.as_ref()
    }

    fn tools(&self, _cx: &CallContext) -> Arc<Listing<Tool>> {
        self.tools.clone()
    }

    fn parameter_headers(&self, tool: &str) -> &[ParameterHeader] {
        if tool == "routed" { &self.parameter_headers } else { &[] }
    }

    fn required_scopes(&self, tool: &str) -> Cow<'_, [String]> {
        static SCOPES: std::sync::LazyLock<[String; 2]> =
            std::sync::LazyLock::new(|| ["stock:write".to_owned(), "stock:read".to_owned()]);
        if tool == "scoped" { Cow::Borrowed(&*SCOPES) } else { Cow::Borrowed(&[]) }
    }

    fn resources(&self, _cx: &CallContext) -> Arc<Listing<Resource>> {
        Listing::new(vec![Resource::new("doc://a", "A")]).expect("resources")
    }

    fn resource_templates(&self, _cx: &CallContext) -> Arc<Listing<ResourceTemplate>> {
        Listing::new(vec![ResourceTemplate::new("doc://{name}", "Any")]).expect("templates")
    }

    fn prompts(&self, _cx: &CallContext) -> Arc<Listing<Prompt>> {
        Listing::new(vec![Prompt::new("greet", Some("Greets"), None)]).expect("prompts")
    }

    fn call_tool<'a>(
        &'a self,
        cx: &'a CallContext,
        name: &'a str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<ToolResult, Error>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            match name {
                "echo" | "routed" => Ok(ToolResult::json(serde_json::value::to_raw_value(&arguments).expect("JSON"))),
                "whoami" => Ok(ToolResult::text(&cx.principal.id)),
                "wait" | "report-and-wait" => {
                    if name == "report-and-wait" {
                        cx.progress.report(1.0, None, None);
                    }
                    self.waiting.send_modify(|waiting| *waiting += 1);
                    let mut waiting = Waiting(self, false);
                    self.release.notified().await;
                    waiting.1 = true;
                    Ok(ToolResult::text("released"))
                }
                "count" => {
                    for step in 1..=3_u8 {
                        cx.progress.report(step.into(), Some(3.0), Some("counting"));
                        tokio::task::yield_now().await;
                    }
                    Ok(ToolResult::text("counted"))
                }
                "later" if cx.client.tasks => {
                    let task = Box::new(working());
                    Ok(ToolResult { content: Content::Task(task), is_error: false })
                }
                "later" => Ok(ToolResult::text("at once")),
                "talk" => {
                    cx.log(LogLevel::Debug, "talk", "a detail");
                    cx.progress.report(1.0, None, None);
                    cx.log(LogLevel::Warning, "talk", json!({"rows": 3}));
                    Ok(ToolResult::text("talked"))
                }
                "hurry" => {
                    cx.progress.report(1.0, None, None);
                    Ok(ToolResult::text("hurried"))
                }
                "panic" => panic!("a bug in a tool"),
                "broken" => Err(Error::Internal { source: "the password is hunter2".into() }),
                "scoped" if !cx.principal.scopes.allow("stock:write") => {
                    Err(Error::InsufficientScope { scopes: vec!["stock:write".into(), "stock:read".into()] })
                }
                "scoped" => Ok(ToolResult::text("allowed")),
                "pretty" => Ok(ToolResult::json(raw("{\n  \"a\": \"line\\nbreak\",\r\n  \"n\": 9007199254740993\n}"))),
                "ask" => {
                    let answer = cx.elicit("sure", &Elicitation::question("Are you sure?")).await?;
                    Ok(ToolResult::text(format!("{answer:?}")))
                }
                "picture" => {
                    let blocks = vec![ContentBlock::image("AAAA", "image/png")];
                    Ok(ToolResult { content: Content::Both { blocks, json: raw("{\"seen\":true}") }, is_error: true })
                }
                _ => Err(Error::UnknownTool { name: name.to_owned(), suggestion: Some("echo".to_owned()) }),
            }
        })
    }

    fn read_resource<'a>(
        &'a self,
        cx: &'a CallContext,
        uri: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ResourceContents>, Error>> {
        Box::pin(async move {
            match uri {
                "doc://ask" => {
                    let answer = cx.elicit("sure", &Elicitation::question("Are you sure?")).await?;
                    Ok(vec![ResourceContents::text(format!("{answer:?}"), uri)])
                }
                "doc://a" => Ok(vec![ResourceContents::text("the text", uri)]),
                _ => Err(Error::UnknownResource { uri: uri.to_owned() }),
            }
        })
    }

    fn get_prompt<'a>(
        &'a self,
        cx: &'a CallContext,
        name: &'a str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<PromptText, Error>> {
        Box::pin(async move {
            if name == "ask" {
                let answer = cx.elicit("sure", &Elicitation::question("Are you sure?")).await?;
                let messages = vec![PromptMessage::new_text(Role::User, format!("{answer:?}"))];
                return Ok(PromptText { description: None, messages });
            }
            if name != "greet" {
                return Err(Error::UnknownPrompt { name: name.to_owned() });
            }
            let who = arguments.get("who").and_then(Value::as_str).unwrap_or("nobody");
            let messages = vec![PromptMessage::new_text(Role::User, format!("Greet {who}."))];
            Ok(PromptText { description: Some("Greets".to_owned()), messages })
        })
    }

    fn complete<'a>(
        &'a self,
        _cx: &'a CallContext,
        completion: Completion<'a>,
    ) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        let filled = completion.filled.get("greeting").map_or("", String::as_str);
        Box::pin(async move { Ok((0..101).map(|n| format!("{filled}{}{n}", completion.value)).collect()) })
    }
}

/// A server that runs until it is stopped or dropped.
pub struct Running {
    pub server: Arc<TestServer>,
    pub live: Live,
    pub address: SocketAddr,
    /// Where it is asked.
    pub path: String,
    stop: CancellationToken,
    task: Option<JoinHandle<Result<Summary, ServeError>>>,
}

impl Running {
    pub async fn start() -> Self {
        Self::with(Config::default(), NoAuthentication::default()).await
    }

    pub async fn with(config: Config, authenticator: impl Authenticator) -> Self {
        Self::serving(TestServer::new(), config, authenticator).await
    }

    pub async fn serving(server: Arc<TestServer>, config: Config, authenticator: impl Authenticator) -> Self {
        let served = server.clone();
        Self::around(server, served, config, authenticator).await
    }

    /// `served` stands around the server.
    pub async fn around(
        server: Arc<TestServer>,
        served: Arc<dyn Server>,
        config: Config,
        authenticator: impl Authenticator,
    ) -> Self {
        Self::live(Live::new(served, Arc::new(authenticator), config), server).await
    }

    pub async fn live(live: Live, server: Arc<TestServer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        let shutdown = stop.clone().cancelled_owned();
        let task = tokio::spawn(mcp_serve::http::serve_live(live.clone(), listener, shutdown));
        Self { server, live, address, path: "/mcp".to_owned(), stop, task: Some(task) }
    }

    /// Only a client, of a server that somebody else runs.
    pub fn reaching(address: SocketAddr) -> Self {
        let server = TestServer::new();
        let live = Live::of_one_caller(server.clone(), &mcp_serve::Limits::none());
        Self { server, live, address, path: "/mcp".to_owned(), stop: CancellationToken::new(), task: None }
    }

    pub fn begin_stop(&self) {
        self.stop.cancel();
    }

    pub async fn stopped(mut self) -> Summary {
        self.stop.cancel();
        within(self.task.take().expect("once")).await.expect("no panic").expect("served")
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Sends a request and leaves the body to be read.
    pub async fn send(&self, request: Request<String>) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.expect("connects");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("handshake");
        tokio::spawn(connection);
        within(sender.send_request(request.map(|body| Full::new(Bytes::from(body))))).await.expect("a response")
    }

    /// Sends a request in the background; `None` if the connection was cut before the answer.
    pub fn spawn(&self, request: Request<String>) -> JoinHandle<Option<Reply>> {
        let address = self.address;
        tokio::spawn(async move {
            let stream = TcpStream::connect(address).await.expect("connects");
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("handshake");
            tokio::spawn(connection);
            match sender.send_request(request.map(|body| Full::new(Bytes::from(body)))).await {
                Ok(response) => Some(Reply::of(response).await),
                Err(_cut) => None,
            }
        })
    }

    pub async fn ask(&self, request: Request<String>) -> Reply {
        Reply::of(self.send(request).await).await
    }

    /// A POST with the headers every client sends, and these.
    pub fn post(&self, headers: &[(&str, &str)], body: impl Into<String>) -> Request<String> {
        let mut all = vec![("accept", "application/json, text/event-stream"), ("content-type", "application/json")];
        all.retain(|(name, _)| !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)));
        all.extend_from_slice(headers);
        self.request(Method::POST, &all, body)
    }

    /// A header with an empty value is left out.
    pub fn request(&self, method: Method, headers: &[(&str, &str)], body: impl Into<String>) -> Request<String> {
        let mut request = Request::builder().method(method).uri(&*self.path);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header("host", self.address.to_string());
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        request.body(body.into()).expect("a request")
    }

    /// A request of 2026-07-28 as it should be, but for `change`, which replaces or (if empty) removes headers.
    pub fn modern(&self, method: &str, params: Value, change: &[(&str, &str)]) -> Request<String> {
        let mut params = params;
        if params.get("_meta").is_none() {
            params["_meta"] = json!({});
        }
        if let Some(meta) = params["_meta"].as_object_mut() {
            meta.entry("io.modelcontextprotocol/protocolVersion").or_insert("2026-07-28".into());
            meta.entry("io.modelcontextprotocol/clientCapabilities").or_insert(json!({}));
        }
        let name = params
            .get("name")
            .or(params.get("uri"))
            .or(params.get("taskId"))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let mut headers =
            vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", method), ("mcp-name", name.as_str())];
        headers.retain(|(name, _)| !change.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)));
        headers.extend_from_slice(change);
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        self.post(&headers, body.to_string())
    }

    pub async fn ask_modern(&self, method: &str, params: Value) -> Reply {
        self.ask(self.modern(method, params, &[])).await
    }

    /// A session-less request of an older client.
    pub async fn ask_older(&self, method: &str, params: Value) -> Reply {
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        self.ask(self.post(&[("mcp-protocol-version", "2025-11-25")], body.to_string())).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub text: String,
}

impl Reply {
    pub async fn of(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let body = within(body.collect()).await.expect("a whole body").to_bytes();
        let text = String::from_utf8(body.to_vec()).expect("text");
        Self { status: head.status, headers: head.headers, text }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The JSON-RPC message, whichever way it came; of a stream the last one.
    pub fn json(&self) -> Value {
        if self.header("content-type") == "text/event-stream" {
            return self.events().pop().expect("an event");
        }
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        serde_json::from_str(&self.text).expect("JSON")
    }

    pub fn events(&self) -> Vec<Value> {
        assert_eq!(self.header("content-type"), "text/event-stream", "{self:?}");
        self.text
            .split("\n\n")
            .filter_map(|event| {
                let data: Vec<&str> = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
                let data = data.join("\n");
                (!data.trim().is_empty()).then(|| serde_json::from_str(&data).expect("JSON"))
            })
            .collect()
    }

    pub fn result(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        let json = self.json();
        assert!(json.get("error").is_none(), "{json}");
        assert_eq!(json["jsonrpc"], "2.0");
        json["result"].clone()
    }

    /// Status and code of an error.
    pub fn error(&self) -> (u16, i64) {
        let json = self.json();
        (self.status.as_u16(), json["error"]["code"].as_i64().unwrap_or_else(|| panic!("an error: {json}")))
    }
}

/// Reads a stream of events one by one.
pub struct Events {
    body: Incoming,
    text: String,
}

impl Events {
    pub fn of(response: Response<Incoming>) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next message; comments are skipped. `None` at the end.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            let event = self.next_event().await?;
            let data: Vec<&str> = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
            if !data.join("").trim().is_empty() {
                return Some(serde_json::from_str(&data.join("\n")).expect("JSON"));
            }
        }
    }

    /// The next event as text, comments too.
    pub async fn next_event(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = event.to_owned();
                self.text = rest.to_owned();
                return Some(event);
            }
            let frame = within(self.body.frame()).await?.expect("a frame");
            self.text.push_str(std::str::from_utf8(frame.data_ref().expect("data")).expect("text"));
        }
    }
}

/// The status of an empty POST.
pub async fn status_of(stream: TcpStream, path: &str) -> u16 {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("handshake");
    tokio::spawn(connection);
    let request = Request::post(path).header("host", "127.0.0.1").body(Full::<Bytes>::default()).expect("a request");
    within(sender.send_request(request)).await.expect("a response").status().as_u16()
}

/// What is logged while it is the writer.
#[derive(Clone, Default)]
pub struct Logged(Arc<std::sync::Mutex<Vec<u8>>>);

impl Logged {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("lock")).into_owned()
    }
}

impl std::io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
