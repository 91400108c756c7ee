//! Requests as strangers send them, put to a whole endpoint without sockets, and what every answer must be.
//!
//! Input is read as text: `POST /mcp`, then headers, an empty line, and the body.

use std::{net::IpAddr, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use mcp_serve::{
    Authenticator, BoxFuture, CallContext, Capabilities, Completion, Error, Listing, Live, LogLevel, ParameterHeader,
    PromptText, Server, ToolResult,
    http::{Config, Endpoint},
    model::{Implementation, Prompt, PromptMessage, Resource, ResourceContents, ResourceTemplate, Role, Tool},
};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

/// Stands in the cause of an internal error, and must stand in no answer.
pub const SECRET: &str = "hunter2-the-secret";

pub struct Front {
    runtime: Runtime,
    endpoint: Endpoint,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// As far as it came without waiting; streams may go on for ever.
    pub body: Vec<u8>,
}

impl Front {
    /// The clock stands still while there is something to do, and jumps when all wait: pauses and timeouts cost nothing.
    pub fn new(authenticator: impl Authenticator, config: Config) -> Self {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let config = Config { max_sessions: 4, max_body: 64 * 1024, ..config };
        let live = Live::new(Arc::new(Fuzzed::new()), Arc::new(authenticator), config);
        let endpoint = runtime.block_on(async { Endpoint::new(live).expect("an endpoint") });
        Self { runtime, endpoint }
    }

    /// `None` for what no HTTP parser would hand over.
    pub fn ask(&self, input: &[u8]) -> Option<Answer> {
        let request = request(input)?;
        let path = request.uri().path().to_owned();
        let answer = self.runtime.block_on(async {
            let local = Some(IpAddr::from([127, 0, 0, 1]));
            let answering = tokio::time::timeout(Duration::from_secs(3_600), self.endpoint.handle(request, local));
            let (head, body) = answering.await.expect("an answer in an hour").into_parts();
            let mut body = pin!(body);
            let mut bytes = Vec::new();
            for _ in 0..64 {
                match futures_util::poll!(body.as_mut().frame()) {
                    std::task::Poll::Ready(None) => break,
                    std::task::Poll::Ready(Some(frame)) => {
                        bytes.extend_from_slice(frame.expect("a frame").data_ref().map_or(&[][..], |data| data));
                    }
                    std::task::Poll::Pending => tokio::task::yield_now().await,
                }
            }
            Answer { status: head.status, headers: head.headers, body: bytes }
        });
        answer.holds(&path);
        Some(answer)
    }
}

impl Answer {
    /// What must be true whatever was asked.
    fn holds(&self, path: &str) {
        assert!(!self.status.is_server_error() || self.status == StatusCode::SERVICE_UNAVAILABLE, "{}", self.status);
        let text = String::from_utf8_lossy(&self.body);
        assert!(!text.contains(SECRET), "the cause of an internal error: {text}");
        let is = |kind: &str| {
            self.headers.get(CONTENT_TYPE).is_some_and(|given| given.as_bytes().starts_with(kind.as_bytes()))
        };
        if path == "/mcp" && is("application/json") {
            message(&serde_json::from_slice(&self.body).expect("JSON"));
        } else if is("text/event-stream") {
            assert_eq!(self.status, StatusCode::OK);
            let whole = text.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
            for event in whole.split("\n\n") {
                let data: Vec<&str> = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
                let data = data.join("\n");
                if !data.trim().is_empty() {
                    message(&serde_json::from_str(&data).expect("JSON in an event"));
                }
            }
        }
    }
}

/// One of ours: JSON-RPC, with exactly one outcome, or something that was said meanwhile.
fn message(message: &Value) {
    assert_eq!(message["jsonrpc"], "2.0", "{message}");
    let fields = ["result", "error", "method"].map(|field| message.get(field).is_some());
    assert_eq!(fields.into_iter().filter(|there| *there).count(), 1, "{message}");
    if let Some(error) = message.get("error") {
        assert!(error["code"].is_i64() && error["message"].is_string(), "{message}");
        let code = error["code"].as_i64().expect("just seen");
        assert!(!matches!(code, -32_099..=-32_023), "a code that only the protocol may use: {message}");
    }
}

fn request(input: &[u8]) -> Option<Request<Full<Bytes>>> {
    let mut rest = input;
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = &rest[..end];
        rest = &rest[end + 1..];
        Some(line)
    };
    let (method, path) = std::str::from_utf8(line()?).ok()?.split_once(' ')?;
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *request.uri_mut() = path.parse::<Uri>().ok()?;
    loop {
        let header = line()?;
        if header.is_empty() {
            break;
        }
        let colon = header.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&header[..colon]).ok()?;
        let value = HeaderValue::from_bytes(header[colon + 1..].trim_ascii()).ok()?;
        request.headers_mut().append(name, value);
    }
    let body = Bytes::copy_from_slice(rest);
    Some(request.map(|()| Full::new(body)))
}

/// Something of everything that a server can have.
struct Fuzzed {
    implementation: Implementation,
    tools: Arc<Listing<Tool>>,
    headers: Vec<ParameterHeader>,
}

impl Fuzzed {
    fn new() -> Self {
        let schema = json!({"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}});
        let schema = schema.as_object().expect("an object").clone();
        let tools = ["echo", "talk", "broken", "routed"].map(|name| Tool::new(name, "a tool", schema.clone()));
        Self {
            implementation: Implementation::new("fuzzed", "1"),
            headers: ParameterHeader::of(&schema),
            tools: Listing::new(tools.to_vec()).expect("tools"),
        }
    }
}

impl Server for Fuzzed {
    fn implementation(&self) -> &Implementation {
        &self.implementation
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { tools: true, resources: true, prompts: true, completions: true, logging: true }
    }

    fn tools(&self, _: &CallContext) -> Arc<Listing<Tool>> {
        self.tools.clone()
    }

    fn parameter_headers(&self, tool: &str) -> &[ParameterHeader] {
        if tool == "routed" { &self.headers } else { &[] }
    }

    fn resources(&self, _: &CallContext) -> Arc<Listing<Resource>> {
        Listing::new(vec![Resource::new("doc://a", "A")]).expect("resources")
    }

    fn resource_templates(&self, _: &CallContext) -> Arc<Listing<ResourceTemplate>> {
        Listing::new(vec![ResourceTemplate::new("doc://{name}", "Any")]).expect("templates")
    }

    fn prompts(&self, _: &CallContext) -> Arc<Listing<Prompt>> {
        Listing::new(vec![Prompt::new("greet", Some("Greets"), None)]).expect("prompts")
    }

    fn call_tool<'a>(
        &'a self,
        cx: &'a CallContext,
        name: &'a str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<ToolResult, Error>> {
        Box::pin(async move {
            match name {
                "echo" | "routed" => Ok(ToolResult::json(serde_json::value::to_raw_value(&arguments).expect("JSON"))),
                "talk" => {
                    cx.log(LogLevel::Info, "talk", "a word");
                    cx.progress.report(1.0, None, None);
                    tokio::task::yield_now().await;
                    Ok(ToolResult::text(&cx.principal.id))
                }
                "broken" => Err(Error::Internal { source: SECRET.into() }),
                _ => Err(Error::UnknownTool { name: name.to_owned(), suggestion: None }),
            }
        })
    }

    fn read_resource<'a>(
        &'a self,
        _: &'a CallContext,
        uri: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ResourceContents>, Error>> {
        Box::pin(async move {
            if uri != "doc://a" {
                return Err(Error::UnknownResource { uri: uri.to_owned() });
            }
            Ok(vec![ResourceContents::text("the text", uri)])
        })
    }

    fn get_prompt<'a>(
        &'a self,
        _: &'a CallContext,
        name: &'a str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<PromptText, Error>> {
        Box::pin(async move {
            if name != "greet" {
                return Err(Error::UnknownPrompt { name: name.to_owned() });
            }
            let who = arguments.get("who").and_then(Value::as_str).unwrap_or("nobody");
            let messages = vec![PromptMessage::new_text(Role::User, format!("Greet {who}."))];
            Ok(PromptText { description: None, messages })
        })
    }

    fn complete<'a>(
        &'a self,
        _: &'a CallContext,
        completion: Completion<'a>,
    ) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        Box::pin(async move { Ok(vec![completion.value.to_owned()]) })
    }
}
