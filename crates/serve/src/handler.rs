//! Somebody's [`rmcp::ServerHandler`] as a [`Server`], unchanged.
//!
//! Calls go straight to the handler; nothing is serialised in between. What it notifies is passed on: progress and log messages
//! to the call they belong to, changed lists and resources to who listens. Who calls is an [`Arc<Principal>`](crate::Principal) among the
//! extensions of a request; the HTTP request itself, with the caller's credential in it, is not shown to a handler.
//!
//! What it asks its client (a form, a model, folders) is asked in the middle of the call where there is a session. A request
//! that stands alone ends with the question, and the handler begins anew when it comes back with the answer: a handler that
//! asks does so before it does anything that lasts, as with [`CallContext::elicit`].

mod line;
mod lists;
mod relay;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, ClientCapabilities, CompleteRequestParams, CompletionContext,
        GetPromptRequestParams, GetPromptResponse, Implementation, InitializeRequestParams, NumberOrString,
        ProgressToken, Prompt, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, Reference,
        RequestMetaObject, Resource, ResourceContents, ResourceTemplate, ServerConfig, Tool,
    },
    service::{Peer, RequestContext, RunningService, serve_directly},
};
use serde_json::{Map, Value};
use tokio_util::sync::DropGuard;

use self::{
    line::Line,
    lists::{Lists, Shown},
    relay::Relay,
};
use crate::{
    BoxFuture, CallContext, Capabilities, Changes, Completion, CompletionReference, Content, Error, Listing,
    ParameterHeader, PromptText, Server, ToolResult,
};

/// Makes a [`Server`] of a handler. Its lists are read now, and again when it says that they changed.
pub async fn server_of<H: ServerHandler>(handler: H) -> Result<Arc<dyn Server>, HandlerError> {
    let handler = Arc::new(handler);
    let info = handler.get_info();
    let relay = Relay::default();
    // As a client that can be asked nothing: no handler then waits for what never comes.
    let client = older_client(ClientCapabilities::default());
    let running = serve_directly(handler.clone(), relay.transport(), Some(client));
    let peer = running.peer().clone();
    let lists = Lists::read(&*handler, &info, &peer).await?;
    let changes = lists::says_changes(&info).then(Changes::new);
    let shown = Shown::new(lists);
    if let Some(changes) = &changes {
        shown.keep_up(handler.clone(), info.clone(), peer.clone(), relay.news(), changes.clone());
    }
    Ok(Arc::new(Wrapped { handler, info, peer, shown, changes, relay, tokens: AtomicI64::new(1), _running: running }))
}

/// Why a handler of rmcp can't be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandlerError {
    #[error("the handler did not answer `{method}`: {message}")]
    List { method: &'static str, message: String },
    #[error("`{method}` has more than {most} pages")]
    TooLong { method: &'static str, most: usize },
    #[error("`{method}` lists what is no JSON")]
    Unwritable { method: &'static str },
}

struct Wrapped<H: ServerHandler> {
    handler: Arc<H>,
    info: ServerConfig,
    peer: Peer<RoleServer>,
    shown: Shown,
    changes: Option<Changes>,
    relay: Relay,
    tokens: AtomicI64,
    /// Ends with this.
    _running: RunningService<RoleServer, Arc<H>>,
}

impl<H: ServerHandler> fmt::Debug for Wrapped<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wrapped").field("server", &self.info.server_info.name).finish_non_exhaustive()
    }
}

/// As handlers see their client, which may be asked in the middle of a call.
fn older_client(capabilities: ClientCapabilities) -> InitializeRequestParams {
    let mut client = InitializeRequestParams::new(capabilities, Implementation::new("mcp-serve", "1"));
    client.protocol_version = ProtocolVersion::V_2025_11_25;
    client
}

/// A handler is told when its caller left.
fn request(peer: &Peer<RoleServer>, id: i64) -> (RequestContext<RoleServer>, DropGuard) {
    let context = RequestContext::new(NumberOrString::Number(id), peer.clone());
    let ended = context.ct.clone().drop_guard();
    (context, ended)
}

/// Passed on unchanged.
fn raised(error: ErrorData) -> Error {
    Error::Raised { code: error.code.0, message: error.message, data: error.data }
}

/// Times that one call may end with questions.
const MOST_ROUNDS: usize = 16;

fn unasked() -> Error {
    Error::Internal {
        source: "the handler ends with what is not passed on: a task, or questions without an end".into(),
    }
}

impl<H: ServerHandler> Wrapped<H> {
    fn line(&self, cx: &CallContext) -> Option<Line<H>> {
        Line::open(&self.handler, &self.relay, cx)
    }

    fn request(
        &self,
        cx: &CallContext,
        line: Option<&Line<H>>,
    ) -> (RequestContext<RoleServer>, DropGuard, Option<relay::Reporting>) {
        let id = self.tokens.fetch_add(1, Ordering::Relaxed);
        let (mut context, ended) = request(line.map_or(&self.peer, Line::peer), id);
        context.extensions.insert(cx.principal.clone());
        if !cx.context.is_empty() {
            context.extensions.insert(cx.context.clone());
        }
        let reporting = cx.progress.is_wanted().then(|| self.relay.report(id, cx.progress.clone()));
        if reporting.is_some() {
            let mut meta = RequestMetaObject::default();
            meta.set_progress_token(ProgressToken(NumberOrString::Number(id)));
            context.meta = meta;
        }
        (context, ended, reporting)
    }
}

impl<H: ServerHandler> Server for Wrapped<H> {
    fn implementation(&self) -> &Implementation {
        &self.info.server_info
    }

    fn instructions(&self) -> Option<&str> {
        self.info.instructions.as_deref()
    }

    fn capabilities(&self) -> Capabilities {
        let declared = &self.info.capabilities;
        Capabilities {
            tools: declared.tools.is_some(),
            resources: declared.resources.is_some(),
            prompts: declared.prompts.is_some(),
            completions: declared.completions.is_some(),
            logging: declared.logging.is_some(),
        }
    }

    fn changes(&self) -> Option<&Changes> {
        self.changes.as_ref()
    }

    fn tools(&self, _: &CallContext) -> Arc<Listing<Tool>> {
        self.shown.now().tools.clone()
    }

    fn parameter_headers(&self, tool: &str) -> &[ParameterHeader] {
        self.shown.first().headers.get(tool).map_or(&[], Vec::as_slice)
    }

    fn resources(&self, _: &CallContext) -> Arc<Listing<Resource>> {
        self.shown.now().resources.clone()
    }

    fn resource_templates(&self, _: &CallContext) -> Arc<Listing<ResourceTemplate>> {
        self.shown.now().templates.clone()
    }

    fn prompts(&self, _: &CallContext) -> Arc<Listing<Prompt>> {
        self.shown.now().prompts.clone()
    }

    fn call_tool<'a>(
        &'a self,
        cx: &'a CallContext,
        name: &'a str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<ToolResult, Error>> {
        Box::pin(async move {
            let mut line = self.line(cx);
            let mut params = CallToolRequestParams::new(name.to_owned()).with_arguments(arguments);
            for _ in 0..MOST_ROUNDS {
                let (context, _ended, _reporting) = self.request(cx, line.as_ref());
                let work = self.handler.call_tool(params.clone(), context);
                match Line::during(line.as_mut(), cx, work).await? {
                    CallToolResponse::Complete(result) => return answered(result),
                    CallToolResponse::InputRequired(asked) => {
                        params.request_state.clone_from(&asked.request_state);
                        params.input_responses = Some(line::replies(cx, asked).await?);
                    }
                    _ => break,
                }
            }
            Err(unasked())
        })
    }

    fn read_resource<'a>(
        &'a self,
        cx: &'a CallContext,
        uri: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ResourceContents>, Error>> {
        Box::pin(async move {
            let mut line = self.line(cx);
            let (context, _ended, _reporting) = self.request(cx, line.as_ref());
            let work = self.handler.read_resource(ReadResourceRequestParams::new(uri), context);
            match Line::during(line.as_mut(), cx, work).await? {
                ReadResourceResponse::Complete(result) => Ok(result.contents),
                _ => Err(unasked()),
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
            let mut line = self.line(cx);
            let (context, _ended, _reporting) = self.request(cx, line.as_ref());
            let params = GetPromptRequestParams::new(name).with_arguments(arguments);
            let work = self.handler.get_prompt(params, context);
            match Line::during(line.as_mut(), cx, work).await? {
                GetPromptResponse::Complete(prompt) => {
                    Ok(PromptText { description: prompt.description, messages: prompt.messages })
                }
                _ => Err(unasked()),
            }
        })
    }

    fn complete<'a>(
        &'a self,
        cx: &'a CallContext,
        completion: Completion<'a>,
    ) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        Box::pin(async move {
            let (context, _ended, _reporting) = self.request(cx, None);
            let reference = match completion.reference {
                CompletionReference::Prompt(name) => Reference::for_prompt(name),
                CompletionReference::ResourceTemplate(uri) => Reference::for_resource(uri),
            };
            let argument = rmcp::model::ArgumentInfo::new(completion.argument, completion.value);
            let mut params = CompleteRequestParams::new(reference, argument);
            if !completion.filled.is_empty() {
                params.context = Some(CompletionContext::with_arguments(completion.filled.clone()));
            }
            Ok(self.handler.complete(params, context).await.map_err(raised)?.completion.values)
        })
    }
}

fn answered(result: rmcp::model::CallToolResult) -> Result<ToolResult, Error> {
    let is_error = result.is_error.unwrap_or(false);
    let blocks = result.content;
    let content = match result.structured_content {
        None => Content::Blocks(blocks),
        Some(value) => {
            let json =
                serde_json::value::to_raw_value(&value).map_err(|error| Error::Internal { source: error.into() })?;
            if blocks.is_empty() { Content::Json(json) } else { Content::Both { blocks, json } }
        }
    };
    Ok(ToolResult { content, is_error })
}
