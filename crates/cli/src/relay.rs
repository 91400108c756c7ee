//! A client on standard input and output, and an MCP endpoint of a factory: each message becomes a request and goes back as it
//! comes. Nothing of what is said is changed, in either era.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header},
};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

use crate::api::Api;

/// Of one message, either way.
const MOST: usize = 16 << 20;
/// For requests to be answered when the client said all that it had to say.
const GRACE: Duration = Duration::from_secs(5);
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const MODERN: &str = "io.modelcontextprotocol/protocolVersion";

#[derive(Debug)]
struct Relay {
    api: Arc<Api>,
    path: &'static [&'static str],
    answers: mpsc::Sender<Vec<u8>>,
    /// Of an older client.
    session: Mutex<HeaderMap>,
    /// Requests that wait, by their ids: some are cancelled.
    asked: Mutex<HashMap<String, AbortHandle>>,
}

/// Until the input ends, or `shutdown` does.
pub async fn run(
    api: Arc<Api>,
    path: &'static [&'static str],
    mut input: impl AsyncBufRead + Unpin,
    output: impl AsyncWrite + Send + Unpin + 'static,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let (answers, to_write) = mpsc::channel(64);
    let writing = tokio::spawn(write(to_write, output));
    let relay = Arc::new(Relay { api, path, answers, session: Mutex::default(), asked: Mutex::default() });
    let mut shutdown = pin!(shutdown);
    let mut requests = JoinSet::new();
    let mut line = Vec::new();
    loop {
        // Where something else comes first, what was read so far stays in `line`.
        let left = (MOST + 1).saturating_sub(line.len());
        let read = async { (&mut input).take(left as u64).read_until(b'\n', &mut line).await };
        tokio::select! {
            read = read => if read? == 0 { break },
            () = &mut shutdown => break,
            Some(_) = requests.join_next() => continue,
        }
        anyhow::ensure!(line.len() <= MOST, "the client sent a message of more than {MOST} bytes");
        let message = serde_json::from_slice::<Value>(&line);
        line.clear();
        let Ok(message) = message else {
            let error = json!({ "code": -32700, "message": "this is no JSON" });
            relay.say(&json!({ "jsonrpc": "2.0", "id": null, "error": error })).await;
            continue;
        };
        relay.clone().take(message, &mut requests).await;
    }
    let _ = tokio::time::timeout(GRACE, async { while requests.join_next().await.is_some() {} }).await;
    requests.shutdown().await;
    relay.leave().await;
    drop(relay);
    Ok(writing.await??)
}

async fn write(mut answers: mpsc::Receiver<Vec<u8>>, mut output: impl AsyncWrite + Unpin) -> std::io::Result<()> {
    while let Some(mut answer) = answers.recv().await {
        answer.push(b'\n');
        output.write_all(&answer).await?;
        output.flush().await?;
    }
    Ok(())
}

impl Relay {
    async fn take(self: Arc<Self>, message: Value, requests: &mut JoinSet<()>) {
        let method = message["method"].as_str().unwrap_or_default();
        let id = message.get("id").map(Value::to_string);
        if method == "notifications/cancelled" {
            let asked = lock(&self.asked).remove(&message["params"]["requestId"].to_string());
            // Modern requests are cancelled by letting go of them; an older server is told.
            if let (Some(asked), false) = (asked, self.is_open()) {
                return asked.abort();
            }
        }
        if method == "initialize" {
            // What comes next belongs to its session.
            return self.ask(message).await;
        }
        let known = id.clone();
        let relay = self.clone();
        let task = requests.spawn(async move {
            relay.ask(message).await;
            if let Some(id) = known {
                lock(&relay.asked).remove(&id);
            }
        });
        if let Some(id) = id
            && !task.is_finished()
        {
            lock(&self.asked).insert(id, task);
        }
    }

    async fn ask(&self, message: Value) {
        if let Err(error) = self.answered(&message).await
            && let Some(id) = message.get("id").filter(|_| message["method"].is_string())
        {
            let error = json!({ "code": -32603, "message": format!("{error:#}") });
            self.say(&json!({ "jsonrpc": "2.0", "id": id, "error": error })).await;
        }
    }

    async fn answered(&self, message: &Value) -> anyhow::Result<()> {
        let method = message["method"].as_str().unwrap_or_default();
        let mut headers = HeaderMap::new();
        match message["params"]["_meta"][MODERN].as_str() {
            Some(version) => {
                headers.insert(VERSION, HeaderValue::from_str(version)?);
                headers.insert("mcp-method", HeaderValue::from_str(method)?);
                let name = [&message["params"]["name"], &message["params"]["uri"]].into_iter().find_map(Value::as_str);
                if let Some(name) = name {
                    headers.insert("mcp-name", HeaderValue::from_str(name)?);
                }
            }
            None => headers.extend(lock(&self.session).clone()),
        }
        let response = self.api.mcp(self.path, Method::POST, headers, message.to_string()).await?;
        let opens = method == "initialize";
        if opens {
            let id = response.headers().get(SESSION).cloned();
            *lock(&self.session) = id.map(|id| (SESSION, id)).into_iter().collect();
        }
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("text/event-stream") {
            return self.follow(response, opens).await;
        }
        let status = response.status();
        let body = http_body_util::Limited::new(response.into_body(), MOST).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?.to_bytes();
        if body.is_empty() {
            anyhow::ensure!(status.is_success(), "the factory answered {status}");
            return Ok(());
        }
        let answer: Value = serde_json::from_slice(&body)?;
        anyhow::ensure!(answer["jsonrpc"] == "2.0", "the factory answered {status}");
        // An error that was told without reading the request has no id.
        let answer = match message.get("id") {
            Some(id) if answer["id"].is_null() => {
                let mut answer = answer;
                answer["id"] = id.clone();
                answer
            }
            _ => answer,
        };
        if opens {
            self.speak(&answer);
        }
        self.say(&answer).await;
        Ok(())
    }

    /// Each event is a message.
    async fn follow(&self, response: Response<Body>, opens: bool) -> anyhow::Result<()> {
        let mut body = response.into_body();
        let (mut pending, mut data) = (Vec::new(), Vec::new());
        while let Some(frame) = body.frame().await {
            let Ok(chunk) = frame?.into_data() else { continue };
            pending.extend_from_slice(&chunk);
            while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = pending.drain(..=end).collect();
                let line = line.trim_ascii_end();
                if let Some(more) = line.strip_prefix(b"data:") {
                    data.extend_from_slice(more.trim_ascii_start());
                } else if line.is_empty() && !data.is_empty() {
                    if opens && let Ok(answer) = serde_json::from_slice(&data) {
                        self.speak(&answer);
                    }
                    let _ = self.answers.send(std::mem::take(&mut data)).await;
                }
            }
            anyhow::ensure!(pending.len() + data.len() <= MOST, "the answer is too large");
        }
        Ok(())
    }

    fn is_open(&self) -> bool {
        lock(&self.session).contains_key(SESSION)
    }

    /// From now on the version that was agreed on.
    fn speak(&self, answer: &Value) {
        if let Some(version) = answer["result"]["protocolVersion"].as_str().and_then(|it| it.parse().ok()) {
            lock(&self.session).insert(VERSION, version);
        }
    }

    async fn leave(&self) {
        if self.is_open() {
            let headers = lock(&self.session).clone();
            let _ = self.api.mcp(self.path, Method::DELETE, headers, String::new()).await;
        }
    }

    async fn say(&self, message: &Value) {
        // Where nobody reads any more, the input ends too.
        let _ = self.answers.send(message.to_string().into_bytes()).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
