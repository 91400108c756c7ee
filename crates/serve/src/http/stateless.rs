//! Requests that stand alone: 2026-07-28, and older clients without a session. This is the path that has to be fast: from
//! the body to the [`Server`](crate::Server) without a copy, and one buffer for the answer.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use http::{HeaderMap, Response, StatusCode, request::Parts};
use rmcp::model::{ClientCapabilities, CompletionContext};
use serde_json::{Map, Value, value::RawValue};

use super::{
    Body,
    body::json,
    endpoint::{Accepts, PROTOCOL_VERSION, Shared},
    stream, tasks,
};
use crate::{
    CallContext, ClientSupport, Completion, CompletionReference, Error, Listing, Log, LogLevel, Progress, Served,
    ToolResult, TraceParent, call,
    context::Admitted,
    input::{Asks, OwnedSubject, Round, Settled, settle},
    limits::Permit,
    live::Serving,
    news, trace,
    wire::{Mismatch, Params, Refusal, Request, Version, agree, code, sse_event},
};

pub(super) async fn answer(
    shared: &Arc<Shared>,
    serving: &Serving,
    head: &Parts,
    request: &Request<'_>,
    caller: Admitted,
) -> Result<Response<Body>, Refusal> {
    let headers = &head.headers;
    let accepts = Accepts::of(headers)?;
    let version = version(headers, request)?;
    if version.is_modern() {
        check_standard_headers(headers, request)?;
    }
    let Served { server, replies, .. } = &**serving;
    let hints = &serving.front().hints;
    let Request { id, params, .. } = request;
    let declared = server.capabilities();
    let one_page = || match &params.cursor {
        None => {
            let cx = CallContext::from(caller.clone());
            match serving.list(&cx.principal) {
                Ok(()) => Ok(cx),
                Err(error) => Err(Refusal::of(&error, cx.call_id, version)),
            }
        }
        Some(_) => Err(invalid("this cursor was not made by this server")),
    };
    let list = |key, items: &RawValue| replies.list(id, version, hints, (key, items));
    let reply = match &*request.method {
        "tools/call" if declared.tools => {
            return call_tool(shared, serving, headers, accepts, version, request, caller).await;
        }
        "tools/list" if declared.tools => list("tools", Listing::json(&server.tools(&one_page()?))),
        "prompts/list" if declared.prompts => list("prompts", Listing::json(&server.prompts(&one_page()?))),
        "resources/list" if declared.resources => list("resources", Listing::json(&server.resources(&one_page()?))),
        "resources/templates/list" if declared.resources => {
            list("resourceTemplates", Listing::json(&server.resource_templates(&one_page()?)))
        }
        "prompts/get" if declared.prompts => {
            let (mut cx, _permit) = enter(serving, caller, version, request)?;
            let (name, arguments) = named(params)?;
            bring_input(shared, serving, version, request, ("prompts/get", name), &mut cx)?;
            let prompt =
                run(serving, async { settle(server.get_prompt(&cx, name, arguments).await) }, &cx, version).await?;
            replies.settled(id, version, &prompt, |prompt| replies.prompt(id, version, prompt))
        }
        "resources/read" if declared.resources => {
            let (mut cx, _permit) = enter(serving, caller, version, request)?;
            let uri = params.uri.as_deref().ok_or_else(|| invalid("`uri` is missing"))?;
            bring_input(shared, serving, version, request, ("resources/read", uri), &mut cx)?;
            let contents = run(serving, async { settle(server.read_resource(&cx, uri).await) }, &cx, version).await?;
            replies.settled(id, version, &contents, |contents| replies.resource(id, version, hints, contents))
        }
        "completion/complete" if declared.completions => {
            let (cx, _permit) = enter(serving, caller, version, request)?;
            let asked = Asked::of(params)?;
            let values = run(serving, async { server.complete(&cx, asked.completion()).await }, &cx, version).await?;
            replies.completion(id, version, &values)
        }
        method if version.is_modern() && tasks::is_method(method) && server.tasks().is_some() => {
            let tasks = server.tasks().expect("asked just now");
            tasks::answer(serving, tasks, version, request, caller).await?
        }
        "server/discover" if version.is_modern() => replies.discover(id, version, hints),
        "subscriptions/listen" if version.is_modern() => {
            return Box::pin(stream::listen(shared, serving, accepts, head, request, caller)).await;
        }
        "ping" if !version.is_modern() => replies.empty(id, version),
        method => {
            let status = if version.is_modern() { StatusCode::NOT_FOUND } else { StatusCode::OK };
            let method: String = method.chars().take(128).collect();
            return Err(Refusal::new(status, code::METHOD_NOT_FOUND, format!("unknown method `{method}`")));
        }
    };
    Ok(sent(reply, accepts))
}

/// Nothing is done about a notification, but a client hears when its headers are wrong: what stands between may go by them.
/// `Mcp-Method` may be missing: the official TypeScript client sends it with requests only.
pub(super) fn notified(headers: &HeaderMap, method: &str) -> Result<(), Refusal> {
    let Some(version) = version_header(headers)? else { return Ok(()) };
    let version = Version::parse(version).ok_or_else(|| Refusal::unsupported_version(version))?;
    match agree(headers, "Mcp-Method", method) {
        Err(error) if version.is_modern() && !matches!(error, Mismatch::Missing(_)) => Err(mismatch(&error)),
        _ => Ok(()),
    }
}

fn version_header(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(PROTOCOL_VERSION).iter();
    let header = values.next();
    if values.next().is_some() {
        return Err(mismatch(&Mismatch::Repeated("MCP-Protocol-Version".into())));
    }
    let header = header.map(|value| value.to_str()).transpose();
    header.map_err(|_| mismatch(&Mismatch::Encoding("MCP-Protocol-Version".into())))
}

/// The revision that this request follows. Header and body must agree; without either it is the oldest one.
fn version(headers: &HeaderMap, request: &Request<'_>) -> Result<Version, Refusal> {
    let header = version_header(headers)?;
    let body = request.params.meta.as_ref().and_then(|meta| meta.protocol_version.as_deref());
    if let (Some(header), Some(body)) = (header, body)
        && header != body
    {
        return Err(mismatch(&Mismatch::Differs("MCP-Protocol-Version".into())));
    }
    let version = match header.or(body) {
        Some(version) => Version::parse(version).ok_or_else(|| Refusal::unsupported_version(version))?,
        // A probe for the modern protocol that forgot to say so.
        None if request.method == "server/discover" => Version::V2026_07_28,
        None => Version::V2025_03_26,
    };
    if version.is_modern() {
        let meta = request.params.meta.as_ref();
        for (key, given) in [
            ("protocolVersion", body.is_some()),
            (
                "clientCapabilities",
                meta.and_then(|meta| meta.client_capabilities).is_some_and(|it| it.get().starts_with('{')),
            ),
        ] {
            if !given {
                let message = format!("`_meta` needs the key `io.modelcontextprotocol/{key}`");
                return Err(Refusal::new(StatusCode::BAD_REQUEST, code::INVALID_PARAMS, message));
            }
        }
        if header.is_none() {
            return Err(mismatch(&Mismatch::Missing("MCP-Protocol-Version".into())));
        }
    }
    Ok(version)
}

fn check_standard_headers(headers: &HeaderMap, request: &Request<'_>) -> Result<(), Refusal> {
    agree(headers, "Mcp-Method", &request.method).map_err(|error| mismatch(&error))?;
    let name = match &*request.method {
        "tools/call" | "prompts/get" => request.params.name.as_deref(),
        "resources/read" => request.params.uri.as_deref(),
        method if tasks::is_method(method) => request.params.task_id.as_deref(),
        _ => None,
    };
    name.map_or(Ok(()), |name| agree(headers, "Mcp-Name", name).map_err(|error| mismatch(&error)))
}

async fn call_tool(
    shared: &Shared,
    serving: &Serving,
    headers: &HeaderMap,
    accepts: Accepts,
    version: Version,
    request: &Request<'_>,
    caller: Admitted,
) -> Result<Response<Body>, Refusal> {
    let (name, arguments) = named(&request.params)?;
    if version.is_modern() {
        for parameter in serving.server.parameter_headers(name) {
            parameter.agree(headers, &arguments).map_err(|error| mismatch(&error))?;
        }
    }
    let (mut cx, permit) = enter(serving, caller, version, request)?;
    if shared.config().trace_context {
        let meta = request.params.meta.as_ref();
        cx.trace = TraceParent::of(Some(headers), meta.and_then(|meta| meta.traceparent.as_deref()));
        if cx.trace.is_some() {
            cx.trace_state = trace::state_of(Some(headers), meta.and_then(|meta| meta.tracestate.as_deref()));
        }
    }
    bring_input(shared, serving, version, request, ("tools/call", name), &mut cx)?;
    let token = request.params.meta.as_ref().and_then(|meta| meta.progress_token);
    let level = log_level(request, version)?;
    if (token.is_some() || level.is_some()) && accepts.events {
        let (sender, said) = news::channel();
        cx.log = level.map_or_else(Log::none, |level| Log::new(level, sender.clone()));
        cx.progress = token.map_or_else(Progress::none, |_| Progress::new(sender));
        let (serving, id, name) = (serving.clone(), request.id.to_owned(), name.to_owned());
        let keep_alive = shared.config().keep_alive;
        let call = async move {
            let _permit = permit;
            let result = run(&serving, called(&serving, &cx, &name, arguments), &cx, version).await?;
            Ok(tool(&serving, &id, version, &result))
        };
        let id = request.id.to_owned();
        return stream::with_news(call, said, token.map(RawValue::to_owned), id, keep_alive, accepts).await;
    }
    let result = run(serving, called(serving, &cx, name, arguments), &cx, version).await?;
    drop(permit);
    Ok(sent(tool(serving, request.id, version, &result), accepts))
}

async fn called(
    serving: &Serving,
    cx: &CallContext,
    name: &str,
    arguments: Map<String, Value>,
) -> Result<Settled<ToolResult>, Error> {
    settle(call::call_tool(serving, cx, name, arguments).await)
}

fn tool(serving: &Serving, id: &RawValue, version: Version, result: &Settled<ToolResult>) -> Vec<u8> {
    let Served { replies, .. } = &**serving;
    replies.settled(id, version, result, |result| replies.tool(id, version, result))
}

/// How the person behind this request can be asked: with the answer to it, by who knows that and can ask.
fn bring_input(
    shared: &Shared,
    serving: &Serving,
    version: Version,
    request: &Request<'_>,
    (method, name): (&'static str, &str),
    cx: &mut CallContext,
) -> Result<(), Refusal> {
    let Params { meta, arguments, input_responses, request_state, .. } = &request.params;
    // Most clients that ask for speed declare nothing, so that nothing is read.
    let declared = meta.as_ref().and_then(|meta| meta.client_capabilities).map(RawValue::get);
    let Some(declared) = declared.filter(|text| version.is_modern() && Asks::may_be_in(text)) else {
        return Ok(());
    };
    let declared: Result<ClientCapabilities, _> = serde_json::from_str(declared);
    let asks = declared.map(|declared| Asks::of(&declared)).unwrap_or_default();
    if !asks.any() {
        return Ok(());
    }
    let subject = OwnedSubject {
        server: serving.server.implementation().name.clone(),
        method,
        name: name.to_owned(),
        principal: cx.principal.clone(),
        arguments: arguments.map_or("{}", RawValue::get).into(),
    };
    let responses = input_responses.and_then(|responses| serde_json::from_str(responses.get()).ok());
    let responses = responses.unwrap_or_default();
    let round = Round::new(shared.live.rounds(), subject, cx.call_id, request_state.as_deref(), &responses);
    let round = round.map_err(|error| Refusal::of(&error, cx.call_id, version))?;
    cx.bring(asks, round);
    Ok(())
}

/// The log messages that this request asks for. Older clients ask in a session, and here is none.
fn log_level(request: &Request<'_>, version: Version) -> Result<Option<LogLevel>, Refusal> {
    let asked = request.params.meta.as_ref().and_then(|meta| meta.log_level.as_deref());
    match asked.filter(|_| version.is_modern()).map(LogLevel::parse) {
        Some(None) => Err(invalid("`io.modelcontextprotocol/logLevel` is none of the levels of the protocol")),
        level => Ok(level.flatten()),
    }
}

/// An answer as the client can read it.
pub(super) fn sent(reply: Vec<u8>, accepts: Accepts) -> Response<Body> {
    if accepts.json { json(reply) } else { stream::events(Body::whole(sse_event(&reply))) }
}

pub(super) fn enter(
    serving: &Serving,
    caller: Admitted,
    version: Version,
    request: &Request<'_>,
) -> Result<(CallContext, Permit), Refusal> {
    let mut cx = CallContext::from(caller);
    if version.is_modern() {
        cx.client = ClientSupport::of(request.params.meta.as_ref().and_then(|meta| meta.client_capabilities));
    }
    match serving.enter(&cx.principal) {
        Ok(permit) => Ok((cx, permit)),
        Err(error) => Err(Refusal::of(&error, cx.call_id, version)),
    }
}

/// Runs a part of the server. A panic in it ends this request only, and so does the departure of its caller.
pub(super) async fn run<T>(
    serving: &Serving,
    work: impl Future<Output = Result<T, Error>>,
    cx: &CallContext,
    version: Version,
) -> Result<T, Refusal> {
    let work = AssertUnwindSafe(serving.since().unless_gone(&cx.principal, work));
    match work.catch_unwind().await {
        Ok(outcome) => outcome.map_err(|error| Refusal::of(&error, cx.call_id, version)),
        Err(_panic) => {
            tracing::error!(request = %cx.call_id, "a handler panicked");
            Err(Refusal::internal(cx.call_id))
        }
    }
}

fn named<'a>(params: &'a Params<'_>) -> Result<(&'a str, Map<String, Value>), Refusal> {
    let name = params.name.as_deref().ok_or_else(|| invalid("`name` is missing"))?;
    let Some(arguments) = params.arguments else { return Ok((name, Map::new())) };
    match serde_json::from_str(arguments.get()) {
        Ok(arguments) => Ok((name, arguments)),
        Err(_) => Err(invalid("`arguments` must be an object")),
    }
}

/// What `completion/complete` asks. Rare enough to be read a second time.
struct Asked {
    reference: Reference,
    argument: rmcp::model::ArgumentInfo,
    filled: HashMap<String, String>,
}

#[derive(serde::Deserialize)]
#[serde(tag = "type")]
enum Reference {
    #[serde(rename = "ref/prompt")]
    Prompt { name: String },
    #[serde(rename = "ref/resource")]
    ResourceTemplate { uri: String },
}

impl Asked {
    fn of(params: &Params<'_>) -> Result<Self, Refusal> {
        let part = |part: Option<&RawValue>, name: &str| {
            part.map(|part| part.get().to_owned()).ok_or_else(|| invalid(format!("`{name}` is missing")))
        };
        let reference = serde_json::from_str(&part(params.reference, "ref")?)
            .map_err(|_| invalid("`ref` must be a prompt or a resource template"))?;
        let argument = serde_json::from_str(&part(params.argument, "argument")?)
            .map_err(|_| invalid("`argument` must be {name, value}"))?;
        let context: Option<CompletionContext> = params
            .context
            .map(|context| serde_json::from_str(context.get()))
            .transpose()
            .map_err(|_| invalid("`context` must be {arguments}, with texts"))?;
        let filled = context.and_then(|context| context.arguments).unwrap_or_default();
        Ok(Self { reference, argument, filled })
    }

    fn completion(&self) -> Completion<'_> {
        let reference = match &self.reference {
            Reference::Prompt { name } => CompletionReference::Prompt(name),
            Reference::ResourceTemplate { uri } => CompletionReference::ResourceTemplate(uri),
        };
        Completion { reference, argument: &self.argument.name, value: &self.argument.value, filled: &self.filled }
    }
}

pub(super) fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(StatusCode::OK, code::INVALID_PARAMS, message)
}

fn mismatch(error: &Mismatch) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, code::HEADER_MISMATCH, error.to_string())
}
