//! A [`Server`] as an `rmcp::ServerHandler`: the way of sessions and of stdio, in both protocol eras.
//!
//! One [`Adapter`] per session. It holds nothing of a caller but what the session subscribed to; who calls is read from each
//! request.

mod changes;
mod news;

use std::{
    borrow::Cow,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use futures_util::FutureExt;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult,
        CompletionInfo, ContentBlock, DiscoverResult, ErrorCode, GetPromptRequestParams, GetPromptResponse,
        GetPromptResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
        MetaObject, PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse,
        ReadResourceResult, Reference, ServerConfig, SubscribeRequestParams, SubscriptionFilter,
        UnsubscribeRequestParams,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};
use tokio_util::sync::CancellationToken;

use self::changes::Subscriptions;
use crate::{
    CallContext, Completion, CompletionReference, Content, Error, Log, LogLevel, Principal, Progress, Server,
    ToolResult, call,
    limits::{Gate, Permit},
    wire::{Refusal, Version, code},
};

/// What all sessions of one server share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) server: Arc<dyn Server>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) caller: Caller,
    /// Ends listen streams with a result.
    pub(crate) stopping: CancellationToken,
    pub(crate) list_ttl_ms: u64,
    /// All callers see the same.
    pub(crate) public: bool,
}

/// Where the principal of a request comes from.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    Fixed(Arc<Principal>),
    /// Put into the HTTP request by our authentication; a request without one is refused.
    OfRequest,
}

pub(crate) struct Adapter {
    shared: Shared,
    meta: MetaObject,
    subscriptions: Subscriptions,
    /// The messages that this session asked for; 0 is none.
    log_level: AtomicU8,
}

impl Adapter {
    pub(crate) fn new(shared: Shared) -> Self {
        let info = serde_json::to_value(shared.server.implementation()).expect("names and versions are JSON");
        let mut meta = MetaObject::default();
        meta.0.insert("io.modelcontextprotocol/serverInfo".to_owned(), info);
        Self { shared, meta, subscriptions: Subscriptions::default(), log_level: AtomicU8::new(0) }
    }

    fn principal(&self, cx: &RequestContext<RoleServer>) -> Result<Arc<Principal>, ErrorData> {
        let principal = match &self.shared.caller {
            Caller::Fixed(principal) => Some(principal),
            Caller::OfRequest => {
                cx.extensions.get::<http::request::Parts>().and_then(|head| head.extensions.get::<Arc<Principal>>())
            }
        };
        principal.cloned().ok_or_else(|| {
            tracing::error!("a request without a principal reached a session");
            ErrorData::internal_error("internal error", None)
        })
    }

    fn call(&self, cx: &RequestContext<RoleServer>) -> Result<(CallContext, Version, bool), ErrorData> {
        let version = cx.protocol_version().and_then(|version| Version::parse(version.as_str()));
        let version = version.unwrap_or(Version::V2025_03_26);
        Ok((CallContext::new(self.principal(cx)?), version, version.is_modern()))
    }

    fn enter(&self, cx: &CallContext, version: Version) -> Result<Permit, ErrorData> {
        self.shared.gate.enter(&cx.principal).map_err(|error| refuse(&error, cx, version))
    }

    /// The list methods have one page, so no cursor is one of ours.
    fn one_page(request: Option<PaginatedRequestParams>) -> Result<(), ErrorData> {
        match request.and_then(|request| request.cursor) {
            None => Ok(()),
            Some(_) => Err(ErrorData::invalid_params("this cursor was not made by this server", None)),
        }
    }

    fn declared(declared: bool, method: &'static str) -> Result<(), ErrorData> {
        if declared { Ok(()) } else { Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None)) }
    }

    fn scope(&self) -> CacheScope {
        if self.shared.public { CacheScope::Public } else { CacheScope::Private }
    }

    /// The log messages that this request asks for, or its session.
    fn log_level(&self, cx: &RequestContext<RoleServer>, modern: bool) -> Option<LogLevel> {
        if modern {
            return cx.meta.log_level().map(news::asked);
        }
        LogLevel::from_number(self.log_level.load(Ordering::Relaxed))
    }

    fn meta(&self, modern: bool) -> Option<MetaObject> {
        modern.then(|| self.meta.clone())
    }
}

/// Runs a part of the server until it ends or the request is cancelled, which drops it.
async fn run<T>(
    work: impl Future<Output = Result<T, Error>>,
    cx: &CallContext,
    version: Version,
    cancelled: &CancellationToken,
) -> Result<T, ErrorData> {
    tokio::select! {
        outcome = AssertUnwindSafe(work).catch_unwind() => match outcome {
            Ok(outcome) => outcome.map_err(|error| refuse(&error, cx, version)),
            Err(_panic) => {
                tracing::error!(request = %cx.call_id, "a handler panicked");
                Err(error_data(Refusal::internal(cx.call_id)))
            }
        },
        () = cancelled.cancelled() => Err(ErrorData::internal_error("cancelled", None)),
    }
}

fn refuse(error: &Error, cx: &CallContext, version: Version) -> ErrorData {
    error_data(Refusal::of(error, cx.call_id, version))
}

fn error_data(refusal: Refusal) -> ErrorData {
    ErrorData::new(ErrorCode(refusal.code), refusal.message, refusal.data.map(|data| *data))
}

macro_rules! list {
    ($self:ident, $request:ident, $cx:ident, $capability:ident, $method:literal, $list:ident, $result:ident) => {{
        Self::declared($self.shared.server.capabilities().$capability, $method)?;
        Self::one_page($request)?;
        let (call, _, modern) = $self.call(&$cx)?;
        let mut result = $result::with_all_items($self.shared.server.$list(&call).items().to_vec());
        result.meta = $self.meta(modern);
        if modern {
            result.ttl_ms = Some($self.shared.list_ttl_ms);
            result.cache_scope = Some($self.scope());
        }
        Ok(result)
    }};
}

impl ServerHandler for Adapter {
    fn get_info(&self) -> ServerConfig {
        let server = &self.shared.server;
        let declared = server.capabilities().to_json(server.changes().is_some());
        let mut info = ServerConfig::new(serde_json::from_value(declared).expect("capabilities are the protocol's"));
        info.protocol_version = ProtocolVersion::V_2025_11_25;
        info.server_info = server.implementation().clone();
        info.instructions = server.instructions().map(str::to_owned);
        info
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        const SERVED: &[ProtocolVersion] = &[
            ProtocolVersion::V_2026_07_28,
            ProtocolVersion::V_2025_11_25,
            ProtocolVersion::V_2025_06_18,
            ProtocolVersion::V_2025_03_26,
        ];
        Cow::Borrowed(SERVED)
    }

    async fn discover(&self, _cx: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let versions = self.supported_protocol_versions().into_owned();
        let mut result = DiscoverResult::from_server_info(versions, self.get_info());
        result.ttl_ms = self.shared.list_ttl_ms;
        result.cache_scope = self.scope();
        Ok(result)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        cx: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        list!(self, request, cx, tools, "tools/list", tools, ListToolsResult)
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        cx: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        list!(self, request, cx, prompts, "prompts/list", prompts, ListPromptsResult)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        cx: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        list!(self, request, cx, resources, "resources/list", resources, ListResourcesResult)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        cx: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        list!(self, request, cx, resources, "resources/templates/list", resource_templates, ListResourceTemplatesResult)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        Self::declared(self.shared.server.capabilities().tools, "tools/call")?;
        let (mut call, version, modern) = self.call(&cx)?;
        let _permit = match self.shared.gate.enter(&call.principal) {
            Ok(permit) => permit,
            // Words for the model: it can wait and try again, which a protocol error does not tell it.
            Err(error) => {
                let mut result = call_tool_result(ToolResult::error(error.to_string()));
                result.meta = self.meta(modern);
                return Ok(result.into());
            }
        };
        let arguments = request.arguments.unwrap_or_default();
        let server = self.shared.server.clone();
        let token = cx.meta.get_progress_token();
        let level = self.log_level(&cx, modern);
        let outcome = if token.is_none() && level.is_none() {
            run(call::call_tool(&*server, &call, &request.name, arguments), &call, version, &cx.ct).await
        } else {
            let (sender, said) = crate::news::channel();
            call.log = level.map_or_else(Log::none, |level| Log::new(level, sender.clone()));
            call.progress = token.as_ref().map_or_else(Progress::none, |_| Progress::new(sender));
            let work = call::call_tool(&*server, &call, &request.name, arguments);
            news::passing_on(run(work, &call, version, &cx.ct), said, token.as_ref(), &cx.peer).await
        };
        let mut result = call_tool_result(outcome?);
        result.meta = self.meta(modern);
        Ok(result.into())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        Self::declared(self.shared.server.capabilities().resources, "resources/read")?;
        let (call, version, modern) = self.call(&cx)?;
        let _permit = self.enter(&call, version)?;
        let read = self.shared.server.read_resource(&call, &request.uri);
        let mut result = ReadResourceResult::new(run(read, &call, version, &cx.ct).await?);
        result.meta = self.meta(modern);
        if modern {
            result.ttl_ms = Some(0);
            result.cache_scope = Some(self.scope());
        }
        Ok(result.into())
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        Self::declared(self.shared.server.capabilities().prompts, "prompts/get")?;
        let (call, version, modern) = self.call(&cx)?;
        let _permit = self.enter(&call, version)?;
        let prompt = self.shared.server.get_prompt(&call, &request.name, request.arguments.unwrap_or_default());
        let prompt = run(prompt, &call, version, &cx.ct).await?;
        let mut result = GetPromptResult::new(prompt.messages);
        result.description = prompt.description;
        result.meta = self.meta(modern);
        Ok(result.into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Self::declared(self.shared.server.capabilities().completions, "completion/complete")?;
        let (call, version, modern) = self.call(&cx)?;
        let _permit = self.enter(&call, version)?;
        let reference = match &request.r#ref {
            Reference::Prompt(prompt) => CompletionReference::Prompt(&prompt.name),
            Reference::Resource(resource) => CompletionReference::ResourceTemplate(&resource.uri),
            _ => return Err(ErrorData::invalid_params("`ref` must be a prompt or a resource template", None)),
        };
        let completion = Completion { reference, argument: &request.argument.name, value: &request.argument.value };
        let mut values = run(self.shared.server.complete(&call, completion), &call, version, &cx.ct).await?;
        let total = values.len();
        values.truncate(CompletionInfo::MAX_VALUES);
        let more = values.len() < total;
        let mut info = CompletionInfo::new(values).expect("truncated to what is allowed");
        info.total = u32::try_from(total).ok();
        info.has_more = Some(more);
        let mut result = CompleteResult::new(info);
        result.meta = self.meta(modern);
        Ok(result)
    }

    #[expect(deprecated, reason = "log messages are deprecated by 2026-07-28, not gone: clients still ask for them")]
    async fn set_level(
        &self,
        request: rmcp::model::SetLevelRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let (_, _, modern) = self.call(&cx)?;
        Self::declared(!modern && self.shared.server.capabilities().logging, "logging/setLevel")?;
        self.log_level.store(news::asked(request.level) as u8, Ordering::Relaxed);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        // What is not declared is taken out by the SDK.
        Some(if self.shared.server.changes().is_some() { requested.clone() } else { SubscriptionFilter::new() })
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let changes = self.shared.server.changes().map(crate::Changes::listen);
        changes::announce(&subscription, changes, &self.shared.stopping).await;
        Ok(())
    }

    async fn on_initialized(&self, cx: NotificationContext<RoleServer>) {
        if let Some(changes) = self.shared.server.changes() {
            self.subscriptions.tell(cx.peer, changes.listen());
        }
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Self::declared(self.subscribes(), "resources/subscribe")?;
        if self.subscriptions.add(request.uri) {
            return Ok(());
        }
        let message = "this session has too many subscriptions; end some with resources/unsubscribe";
        Err(ErrorData::new(ErrorCode(code::RATE_LIMITED), message, None))
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Self::declared(self.subscribes(), "resources/unsubscribe")?;
        self.subscriptions.remove(&request.uri);
        Ok(())
    }
}

impl Adapter {
    fn subscribes(&self) -> bool {
        self.shared.server.capabilities().resources && self.shared.server.changes().is_some()
    }
}

fn call_tool_result(result: ToolResult) -> CallToolResult {
    let value = |json: &serde_json::value::RawValue| serde_json::from_str(json.get()).expect("raw JSON is JSON");
    let (content, structured) = match result.content {
        Content::Json(json) => (vec![ContentBlock::text(json.get())], Some(value(&json))),
        Content::Blocks(blocks) => (blocks, None),
        Content::Both { blocks, json } => (blocks, Some(value(&json))),
    };
    let mut answer = CallToolResult::success(content);
    answer.structured_content = structured;
    answer.is_error = result.is_error.then_some(true);
    answer
}
