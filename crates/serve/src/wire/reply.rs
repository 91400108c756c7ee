//! The one writer of answers. What does not change from call to call is serialised once, in [`Replies`].

use std::{borrow::Cow, sync::Arc};

use http::{HeaderName, HeaderValue, StatusCode};
use rmcp::model::{DetailedTask, ResourceContents, Task};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use super::Version;
use crate::{
    Content, Error, PromptText, Server, ToolResult, context::CallId, input::Settled, logging::Message, news::News,
    progress::Step,
};

/// What every answer of one server shares.
#[derive(Debug)]
pub(crate) struct Replies {
    /// `"_meta":{"io.modelcontextprotocol/serverInfo":{...}}`
    meta: Box<str>,
    /// `"io.modelcontextprotocol/serverInfo":{...}`
    server_info: Box<str>,
    /// The fields of `server/discover`.
    discover: Box<str>,
}

/// `"ttlMs":...,"cacheScope":...,` of lists, and of what may change at any time.
#[derive(Debug, Clone)]
pub(crate) struct Hints {
    lists: Arc<str>,
    fresh: Arc<str>,
}

impl Hints {
    /// `shared`: all callers get the same, so caches in between may keep it.
    pub(crate) fn new(shared: bool, list_ttl: std::time::Duration) -> Self {
        let scope = if shared { "public" } else { "private" };
        let hints = |ttl: u128| -> Arc<str> { format!("\"ttlMs\":{ttl},\"cacheScope\":\"{scope}\",").into() };
        Self { lists: hints(list_ttl.as_millis()), fresh: hints(0) }
    }
}

impl Replies {
    pub(crate) fn new(server: &dyn Server) -> Self {
        let info = serde_json::to_string(server.implementation()).expect("names and versions are JSON");
        let server_info = format!("\"io.modelcontextprotocol/serverInfo\":{info}");
        let discover = json!({
            "supportedVersions": Version::ALL.map(Version::as_str),
            "capabilities": server.capabilities().to_json(server.changes().is_some(), server.tasks().is_some()),
        });
        let mut discover = discover.to_string();
        discover.pop();
        if let Some(instructions) = server.instructions() {
            discover.push_str(",\"instructions\":");
            discover.push_str(&Value::from(instructions).to_string());
        }
        Self {
            meta: format!("\"_meta\":{{{server_info}}}").into(),
            server_info: server_info.into(),
            discover: discover[1..].into(),
        }
    }

    /// A result, or the question that comes before it.
    pub(crate) fn settled<T>(
        &self,
        id: &RawValue,
        version: Version,
        settled: &Settled<T>,
        done: impl FnOnce(&T) -> Vec<u8>,
    ) -> Vec<u8> {
        let asked = match settled {
            Settled::Done(result) => return done(result),
            Settled::Asks(asked) => asked,
        };
        let mut reply = self.begin(id, 512);
        reply.extend_from_slice(b"\"resultType\":\"input_required\",");
        if let Some(requests) = &asked.input_requests {
            reply.extend_from_slice(b"\"inputRequests\":");
            append(&mut reply, requests);
            reply.push(b',');
        }
        if let Some(state) = &asked.request_state {
            reply.extend_from_slice(b"\"requestState\":");
            append(&mut reply, state);
            reply.push(b',');
        }
        self.close(reply, version)
    }

    pub(crate) fn tool(&self, id: &RawValue, version: Version, result: &ToolResult) -> Vec<u8> {
        let json_len = match &result.content {
            Content::Json(json) | Content::Both { json, .. } => json.get().len(),
            Content::Blocks(_) => 0,
            Content::Task(task) => return self.task_created(id, task),
        };
        let mut reply = self.open(id, version, json_len * 2 + json_len / 4 + 64);
        match &result.content {
            Content::Json(json) => {
                reply.extend_from_slice(b"\"content\":[{\"type\":\"text\",\"text\":");
                append(&mut reply, json.get());
                reply.extend_from_slice(b"}],\"structuredContent\":");
                reply.extend_from_slice(json.get().as_bytes());
            }
            Content::Blocks(blocks) => {
                reply.extend_from_slice(b"\"content\":");
                append(&mut reply, blocks);
            }
            Content::Task(_) => {}
            Content::Both { blocks, json } => {
                reply.extend_from_slice(b"\"content\":");
                append(&mut reply, blocks);
                reply.extend_from_slice(b",\"structuredContent\":");
                reply.extend_from_slice(json.get().as_bytes());
            }
        }
        if result.is_error {
            reply.extend_from_slice(b",\"isError\":true");
        }
        reply.push(b',');
        self.close(reply, version)
    }

    /// The answer to a call that goes on. There are none for older clients.
    fn task_created(&self, id: &RawValue, task: &Task) -> Vec<u8> {
        let mut reply = self.begin(id, 256);
        reply.extend_from_slice(b"\"resultType\":\"task\",");
        append_fields(&mut reply, task);
        self.close(reply, Version::V2026_07_28)
    }

    pub(crate) fn task(&self, id: &RawValue, version: Version, task: &DetailedTask) -> Vec<u8> {
        let mut reply = self.open(id, version, 512);
        append_fields(&mut reply, task);
        self.close(reply, version)
    }

    /// `key` is the field of the items: `tools`, `prompts`, ...
    pub(crate) fn list(
        &self,
        id: &RawValue,
        version: Version,
        hints: &Hints,
        (key, items): (&str, &RawValue),
    ) -> Vec<u8> {
        let mut reply = self.open(id, version, items.get().len() + 96);
        cache(&mut reply, version, &hints.lists);
        for part in ["\"", key, "\":", items.get(), ","] {
            reply.extend_from_slice(part.as_bytes());
        }
        self.close(reply, version)
    }

    pub(crate) fn resource(
        &self,
        id: &RawValue,
        version: Version,
        hints: &Hints,
        contents: &[ResourceContents],
    ) -> Vec<u8> {
        let mut reply = self.open(id, version, 256);
        cache(&mut reply, version, &hints.fresh);
        reply.extend_from_slice(b"\"contents\":");
        append(&mut reply, contents);
        reply.push(b',');
        self.close(reply, version)
    }

    pub(crate) fn prompt(&self, id: &RawValue, version: Version, prompt: &PromptText) -> Vec<u8> {
        let mut reply = self.open(id, version, 256);
        if let Some(description) = &prompt.description {
            reply.extend_from_slice(b"\"description\":");
            append(&mut reply, description);
            reply.push(b',');
        }
        reply.extend_from_slice(b"\"messages\":");
        append(&mut reply, &prompt.messages);
        reply.push(b',');
        self.close(reply, version)
    }

    pub(crate) fn completion(&self, id: &RawValue, version: Version, values: &[String]) -> Vec<u8> {
        let mut reply = self.open(id, version, 128);
        let shown = &values[..values.len().min(100)];
        reply.extend_from_slice(b"\"completion\":");
        // How many there are in all may not be known, where there are more.
        let more = shown.len() < values.len();
        append(&mut reply, &json!({ "values": shown, "hasMore": more }));
        reply.push(b',');
        self.close(reply, version)
    }

    pub(crate) fn discover(&self, id: &RawValue, version: Version, hints: &Hints) -> Vec<u8> {
        let mut reply = self.open(id, version, self.discover.len() + 96);
        cache(&mut reply, version, &hints.lists);
        reply.extend_from_slice(self.discover.as_bytes());
        reply.push(b',');
        self.close(reply, version)
    }

    pub(crate) fn empty(&self, id: &RawValue, version: Version) -> Vec<u8> {
        self.close(self.open(id, version, 0), version)
    }

    /// The last message of a listen stream that the server ends.
    pub(crate) fn listen_end(&self, id: &RawValue) -> Vec<u8> {
        let mut reply = self.open(id, Version::V2026_07_28, 128);
        for part in ["\"_meta\":{\"", SUBSCRIPTION_ID, "\":", id.get(), ",", &self.server_info, "}}}"] {
            reply.extend_from_slice(part.as_bytes());
        }
        reply
    }

    fn open(&self, id: &RawValue, version: Version, room: usize) -> Vec<u8> {
        let mut reply = self.begin(id, room);
        if version.is_modern() {
            reply.extend_from_slice(b"\"resultType\":\"complete\",");
        }
        reply
    }

    fn begin(&self, id: &RawValue, room: usize) -> Vec<u8> {
        let id = id.get().as_bytes();
        let mut reply = Vec::with_capacity(80 + id.len() + self.meta.len() + room);
        reply.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        reply.extend_from_slice(id);
        reply.extend_from_slice(b",\"result\":{");
        reply
    }

    /// Every field before ends in a comma; the older revisions have nothing to put behind the last one.
    fn close(&self, mut reply: Vec<u8>, version: Version) -> Vec<u8> {
        if version.is_modern() {
            reply.extend_from_slice(self.meta.as_bytes());
        } else if reply.last() == Some(&b',') {
            reply.pop();
        }
        reply.extend_from_slice(b"}}");
        reply
    }
}

fn cache(reply: &mut Vec<u8>, version: Version, hints: &str) {
    if version.is_modern() {
        reply.extend_from_slice(hints.as_bytes());
    }
}

pub(crate) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

fn append<T: Serialize + ?Sized>(reply: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(reply, value).expect("answers are JSON and a Vec takes every byte");
}

/// The fields of an object, each with a comma behind it.
fn append_fields<T: Serialize>(reply: &mut Vec<u8>, object: &T) {
    let fields = serde_json::to_vec(object).expect("answers are JSON");
    reply.extend_from_slice(&fields[1..fields.len() - 1]);
    reply.push(b',');
}

/// A notification as JSON.
pub(crate) fn notification(method: &str, params: &Value) -> Vec<u8> {
    let mut text = Vec::with_capacity(160);
    append(&mut text, &json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    text
}

/// The notification for what a call says before its answer. Without a token there are no steps.
pub(crate) fn news(token: Option<&RawValue>, news: &News) -> Vec<u8> {
    match news {
        News::Step(step) => progress(token.unwrap_or(RawValue::NULL), step),
        News::Message(Message { level, logger, data }) => {
            notification("notifications/message", &json!({ "level": level.as_str(), "logger": logger, "data": data }))
        }
    }
}

/// `notifications/progress` for one step.
fn progress(token: &RawValue, step: &Step) -> Vec<u8> {
    #[derive(Serialize)]
    struct Params<'a> {
        #[serde(rename = "progressToken")]
        token: &'a RawValue,
        progress: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a str>,
    }
    let mut text = b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":".to_vec();
    let Step { progress, total, message } = step;
    append(&mut text, &Params { token, progress: *progress, total: *total, message: message.as_deref() });
    text.push(b'}');
    text
}

/// One server-sent event. A message that was written over several lines stays one event.
pub(crate) fn sse_event(json: &[u8]) -> Vec<u8> {
    let mut event = Vec::with_capacity(json.len() + 32);
    event.extend_from_slice(b"event: message\n");
    for line in json.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty()) {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line);
        event.push(b'\n');
    }
    event.push(b'\n');
    event
}

/// JSON-RPC error codes. Our own are HTTP's, which lie outside the range the protocol reserves.
pub(crate) mod code {
    pub(crate) const INVALID_REQUEST: i32 = -32600;
    pub(crate) const METHOD_NOT_FOUND: i32 = -32601;
    pub(crate) const INVALID_PARAMS: i32 = -32602;
    pub(crate) const INTERNAL: i32 = -32603;
    pub(crate) const HEADER_MISMATCH: i32 = -32020;
    pub(crate) const MISSING_CAPABILITY: i32 = -32021;
    pub(crate) const UNSUPPORTED_VERSION: i32 = -32022;
    /// Only in the revisions before 2026-07-28.
    pub(crate) const RESOURCE_NOT_FOUND: i32 = -32002;
    pub(crate) const ACCESS_DENIED: i32 = -32000;
    pub(crate) const UNAUTHENTICATED: i32 = 401;
    pub(crate) const FORBIDDEN: i32 = 403;
    pub(crate) const RATE_LIMITED: i32 = 429;
    pub(crate) const BAD_GATEWAY: i32 = 502;
    pub(crate) const BUSY: i32 = 503;

    /// A code of somebody else's, unless it would say what only this library may say.
    pub(crate) fn passed_on(code: i32, version: super::Version) -> i32 {
        match code {
            RESOURCE_NOT_FOUND if version.is_modern() => INVALID_PARAMS,
            RESOURCE_NOT_FOUND => code,
            -32_099..=-32_020 => INTERNAL,
            _ => code,
        }
    }
}

/// An error as it goes to a client: over HTTP with its status and headers, elsewhere without.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: i32,
    pub(crate) message: Cow<'static, str>,
    pub(crate) data: Option<Box<Value>>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: i32, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), data: None, headers: Vec::new() }
    }

    pub(crate) fn with_data(self, data: Value) -> Self {
        Self { data: Some(Box::new(data)), ..self }
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn unsupported_version(requested: &str) -> Self {
        let requested: String = requested.chars().take(128).collect();
        let data = json!({ "supported": Version::ALL.map(Version::as_str), "requested": requested });
        Self::new(StatusCode::BAD_REQUEST, code::UNSUPPORTED_VERSION, "this protocol version is not served")
            .with_data(data)
    }

    /// The one place where what a server refuses gets its code and status. The cause of an internal error goes to the
    /// log under the id that the client is told.
    pub(crate) fn of(error: &Error, call: CallId, version: Version) -> Self {
        let refusal = |status, code| Self::new(status, code, error.to_string());
        match error {
            Error::UnknownTool { .. }
            | Error::UnknownPrompt { .. }
            | Error::UnknownTask
            | Error::InvalidParams { .. } => refusal(StatusCode::OK, code::INVALID_PARAMS),
            Error::MissingCapability { .. } if !version.is_modern() => refusal(StatusCode::OK, code::INVALID_PARAMS),
            Error::MissingCapability { required } => refusal(StatusCode::BAD_REQUEST, code::MISSING_CAPABILITY)
                .with_data(json!({ "requiredCapabilities": required })),
            Error::UnknownResource { uri } => {
                let code = if version.is_modern() { code::INVALID_PARAMS } else { code::RESOURCE_NOT_FOUND };
                refusal(StatusCode::OK, code).with_data(json!({ "uri": uri }))
            }
            Error::InsufficientScope { scopes } => {
                let refusal = refusal(StatusCode::FORBIDDEN, code::FORBIDDEN).with_data(json!({ "scopes": scopes }));
                let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", scopes.join(" "));
                match HeaderValue::try_from(challenge) {
                    Ok(challenge) => refusal.with_header(http::header::WWW_AUTHENTICATE, challenge),
                    Err(_) => refusal,
                }
            }
            Error::Raised { code, data, .. } => {
                let refusal = refusal(StatusCode::OK, code::passed_on(*code, version));
                match data {
                    Some(data) => refusal.with_data(data.clone()),
                    None => refusal,
                }
            }
            Error::AccessDenied => refusal(StatusCode::FORBIDDEN, code::ACCESS_DENIED),
            Error::RateLimited { retry_after } => {
                let seconds = retry_after.as_millis().div_ceil(1000).max(1);
                refusal(StatusCode::TOO_MANY_REQUESTS, code::RATE_LIMITED)
                    .with_data(json!({
                        "code": Error::RATE_LIMITED,
                        "retryAfter": u64::try_from(seconds).unwrap_or(u64::MAX),
                        "retryAfterMs": u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX),
                    }))
                    .with_header(
                        http::header::RETRY_AFTER,
                        HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX)),
                    )
            }
            Error::Busy | Error::Unaudited => refusal(StatusCode::SERVICE_UNAVAILABLE, code::BUSY)
                .with_header(http::header::RETRY_AFTER, HeaderValue::from_static("1")),
            // A question of something that can't ask, such as a completion.
            Error::InputRequired(_) => {
                tracing::error!(request = %call, "a question where none can be asked");
                Self::internal(call)
            }
            Error::Internal { source } => {
                tracing::error!(request = %call, error = source.as_ref() as &dyn std::error::Error, "internal error");
                Self::internal(call)
            }
        }
    }

    pub(crate) fn internal(call: CallId) -> Self {
        Self::new(StatusCode::OK, code::INTERNAL, "internal error").with_data(json!({ "requestId": call.to_string() }))
    }

    pub(crate) fn to_json(&self, id: Option<&RawValue>) -> Vec<u8> {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(data) = &self.data {
            error["data"] = Value::clone(data);
        }
        let mut text = b"{\"jsonrpc\":\"2.0\"".to_vec();
        // MCP knows no `null` for an id: an answer to what could not be read has none.
        if let Some(id) = id {
            text.extend_from_slice(b",\"id\":");
            text.extend_from_slice(id.get().as_bytes());
        }
        text.extend_from_slice(b",\"error\":");
        append(&mut text, &error);
        text.push(b'}');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_however_its_json_is_written() {
        let event = sse_event(b"{\n  \"a\": 1,\r\n  \"b\": 2\r}");
        let expected = "event: message\ndata: {\ndata:   \"a\": 1,\ndata:   \"b\": 2\ndata: }\n\n";
        assert_eq!(String::from_utf8(event).expect("text"), expected);
    }

    #[test]
    fn the_scopes_that_are_missing_are_named_once_and_whole() {
        let error = Error::InsufficientScope { scopes: vec!["a:read".into(), "b\nevil".into()] };
        let refusal = Refusal::of(&error, CallId::next(), Version::V2026_07_28);
        // A scope that can't stand in a header leaves the header out, not the answer.
        assert!(refusal.headers.is_empty());
        assert_eq!(refusal.status, StatusCode::FORBIDDEN);
    }
}
