//! Nothing is let to serve before it was tried: it is initialised and asked for its lists over the protocol, and what may be
//! called unasked is called as its examples say. Nothing that may write is called.

use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, request::Parts};
use http_body_util::{BodyExt as _, Full};
use mcp_factory_engine::Engine;
use mcp_factory_spec::{difference, json_schema, model};
use mcp_serve::{
    Authentication, Authenticator, Limits, Live, Principal,
    http::{Config, Endpoint},
};
use serde_json::{Value, json};

use super::Release;
use crate::tester::tester;

/// What was tried, and passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Of the protocol.
    pub checks: usize,
    /// Examples that ran.
    pub examples: usize,
    /// Examples that did not: their tools may write, or ask a person first.
    pub skipped: usize,
}

/// What did not pass.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Unhealthy {
    what: String,
    why: String,
}

impl Unhealthy {
    pub(super) fn late(within: Duration) -> Self {
        Self { what: "the health check".to_owned(), why: format!("it was not done within {within:?}") }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { checks, examples, skipped } = *self;
        let many = |count: usize| if count == 1 { "" } else { "s" };
        write!(f, "{checks} check{} and {examples} example{} passed", many(checks), many(examples))?;
        match skipped {
            0 => Ok(()),
            1 => f.write_str(", 1 example was left out"),
            _ => write!(f, ", {skipped} examples were left out"),
        }
    }
}

pub(super) async fn check(engine: &Arc<Engine>, release: &Release) -> Result<Report, Unhealthy> {
    let probe = Probe::new(engine);
    let spec = &release.spec;
    let mut report = Report::default();
    probe.ask("server/discover", json!({})).await.map_err(|why| unhealthy("`server/discover`", why))?;
    report.checks += 1;
    for (method, any) in [
        ("tools/list", !spec.tools.is_empty()),
        ("resources/list", !spec.resources.is_empty()),
        ("prompts/list", !spec.prompts.is_empty()),
    ] {
        if any {
            probe.ask(method, json!({})).await.map_err(|why| unhealthy(format!("`{method}`"), why))?;
            report.checks += 1;
        }
    }
    if release.proven {
        return Ok(report);
    }
    probe.open_session().await.map_err(|why| unhealthy("`initialize`", why))?;
    report.checks += 1;
    for tool in &spec.tools {
        let may_run = engine.is_read_only(tool.name.as_str());
        for (number, example) in tool.examples.iter().enumerate() {
            if !may_run {
                report.skipped += 1;
                continue;
            }
            let named = example.name.clone().unwrap_or_else(|| format!("example {}", number + 1));
            let name = tool.name.as_str();
            let outcome = probe.call(name, example).await;
            outcome.map_err(|why| unhealthy(format!("{named} of `{name}`"), why))?;
            report.examples += 1;
        }
    }
    Ok(report)
}

fn unhealthy(what: impl Into<String>, why: String) -> Unhealthy {
    Unhealthy { what: what.into(), why }
}

/// A client of the server, in this process, as whoever an example says.
pub(crate) struct Probe(Endpoint);

impl Probe {
    fn new(engine: &Arc<Engine>) -> Self {
        Self::with(engine, Config::default())
    }

    /// Of the configuration, the layers around calls count.
    pub(crate) fn with(engine: &Arc<Engine>, config: Config) -> Self {
        let config = Config { limits: Limits::none(), middleware: config.middleware, ..Config::default() };
        let live = Live::new(engine.clone(), Arc::new(Named), config);
        Self(Endpoint::new(live).expect("the default has no hosts and origins that could be wrong"))
    }

    /// The result of a request of 2026-07-28, or what was said instead.
    async fn ask(&self, method: &str, params: Value) -> Result<Value, String> {
        self.ask_as(&tester(None), method, params).await
    }

    async fn ask_as(&self, principal: &Arc<Principal>, method: &str, params: Value) -> Result<Value, String> {
        let mut answer = self.answer(principal, method, params).await?;
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(answer["error"]["message"].as_str().unwrap_or("it answered without a result").to_owned()),
        }
    }

    /// The whole answer.
    pub(crate) async fn answer(
        &self,
        principal: &Arc<Principal>,
        method: &str,
        mut params: Value,
    ) -> Result<Value, String> {
        const VERSION: &str = "2026-07-28";
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let mut headers = vec![("mcp-protocol-version", VERSION), ("mcp-method", method)];
        let name = params["name"].as_str().map(str::to_owned);
        if let Some(name) = &name {
            headers.push(("mcp-name", name));
        }
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (_, answer) = self.send(principal, "POST", &headers, body.to_string()).await?;
        serde_json::from_slice(&answer).map_err(|_| "it answered no JSON".to_owned())
    }

    /// As older clients begin.
    async fn open_session(&self) -> Result<(), String> {
        let principal = tester(None);
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "mcp-factory", "version": env!("CARGO_PKG_VERSION") },
        }});
        let (headers, _) = self.send(&principal, "POST", &[], body.to_string()).await?;
        let id = headers.get("mcp-session-id").and_then(|id| id.to_str().ok()).ok_or("it opened no session")?;
        let headers = [("mcp-session-id", id), ("mcp-protocol-version", "2025-11-25")];
        self.send(&principal, "DELETE", &headers, String::new()).await.map(drop)
    }

    async fn send(
        &self,
        principal: &Arc<Principal>,
        method: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<(http::HeaderMap, Bytes), String> {
        let mut request = Request::builder()
            .method(method)
            .uri("/mcp")
            .header("host", "localhost")
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .extension(Whoever(principal.clone()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::from(body)).map_err(|never: Infallible| match never {});
        let request = request.body(body.map_err(|error: axum::Error| error)).map_err(|error| error.to_string())?;
        let (head, body) = self.0.handle(request, None).await.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        if head.status.is_server_error() {
            return Err(format!("it answered {}", head.status));
        }
        Ok((head.headers, body))
    }

    async fn call(&self, tool: &str, example: &model::Example) -> Result<(), String> {
        let principal = tester(example.principal.as_ref());
        let params = json!({ "name": tool, "arguments": example.arguments });
        let result = self.ask_as(&principal, "tools/call", params).await?;
        let failed = result["isError"] == true;
        let text = || {
            let blocks = result["content"].as_array().into_iter().flatten();
            blocks.filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
        };
        let value = || result.get("structuredContent").cloned().unwrap_or_else(|| Value::String(text()));
        match &example.expectation {
            model::Expectation::Failure if failed => Ok(()),
            model::Expectation::Failure => Err("it was expected to fail, and did not".to_owned()),
            _ if failed => Err(text()),
            model::Expectation::Subset(expected) => difference::of(expected, &value()).map_or(Ok(()), Err),
            model::Expectation::Schema(schema) => {
                let validator = json_schema::compile(schema.as_value()).map_err(|error| error.to_string())?;
                let value = value();
                validator.validate(&value).map_err(|error| format!("at `{}`: {error}", error.instance_path()))
            }
        }
    }
}

/// Who a request of the probe is from. It never comes from outside: only who is in this process can put it there.
#[derive(Clone)]
struct Whoever(Arc<Principal>);

#[derive(Debug)]
struct Named;

impl Authenticator for Named {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        let principal = head.extensions.get::<Whoever>().map(|Whoever(principal)| principal.clone());
        Authentication::Ready(Ok(principal.unwrap_or_else(Principal::anonymous)))
    }
}
