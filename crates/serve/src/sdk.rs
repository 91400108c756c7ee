//! A [`Server`] as an `rmcp::ServerHandler`: the way of sessions and of stdio, in both protocol eras.
//!
//! One [`Adapter`] per session. It holds nothing of a caller but what the session subscribed to; who calls is read from each
//! request.

mod changes;
mod input;
mod news;
mod tasks;

use std::{
    borrow::Cow,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use futures_util::FutureExt;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, CompleteRequestParams,
        CompleteResult, CompletionInfo, CreateTaskResult, DiscoverResult, ErrorCode, Extensions,
        GetPromptRequestParams, GetPromptResponse, GetPromptResult, GetTaskParams, GetTaskResult,
        InitializeRequestParams, InitializeResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
        ListToolsResult, MetaObject, PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams,
        ReadResourceResponse, ReadResourceResult, Reference, ServerConfig, SubscribeRequestParams, SubscriptionFilter,
        UnsubscribeRequestParams, UpdateTaskParams,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::input::WithoutEvents;
pub(crate) use self::news::level_of;
use self::{
    changes::Subscriptions,
    input::{Brought, settled},
};
use crate::{
    CallContext, Completion, CompletionReference, Content, Error, Live, Log, LogLevel, Principal, Progress, Server,
    SessionState, TenantContext, ToolResult, TraceParent, call,
    context::Admitted,
    follow::Following,
    input::Settled,
    limits::Permit,
    live::Serving,
    trace,
    wire::{Refusal, Version, code},
};

/// What all sessions of one server share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) live: Live,
    pub(crate) caller: Caller,
    /// Ends listen streams with a result.
    pub(crate) stopping: CancellationToken,
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
    subscriptions: Subscriptions,
    /// The messages that this session asked for; 0 is none.
    log_level: AtomicU8,
    session: Arc<SessionState>,
    /// What the server of this caller was when it was asked last, where callers have servers of their own. The SDK wants to
    /// know without saying for whom.
    info: Mutex<Option<ServerConfig>>,
}

impl Adapter {
    pub(crate) fn new(shared: Shared) -> Self {
        Self {
            shared,
            subscriptions: Subscriptions::default(),
            log_level: AtomicU8::new(0),
            session: Arc::default(),
            info: Mutex::default(),
        }
    }

    /// The one caller, who sends no head of a request.
    fn of_fixed(&self, principal: &Arc<Principal>) -> TenantContext {
        let base = self.shared.live.config().context.as_ref().map(|contexts| contexts.base().clone());
        TenantContext::new(principal.clone()).with_context(base.unwrap_or_default())
    }

    /// What serves this request: found with it where it came by HTTP, else now.
    async fn serving(&self, extensions: &Extensions) -> Result<Serving, ErrorData> {
        let found = extensions.get::<http::request::Parts>().and_then(|head| head.extensions.get::<Serving>());
        let serving = match (found, &self.shared.caller) {
            (Some(found), _) => found.clone(),
            (None, Caller::Fixed(principal)) => {
                let found = self.shared.live.serving(|| self.of_fixed(principal)).await;
                found.map_err(|error| error_data(error.refusal(principal)))?
            }
            (None, Caller::OfRequest) => self.shared.live.front().of_all().map_err(|_many| unknown_caller())?,
        };
        if serving.is_own() {
            *self.info.lock().unwrap_or_else(PoisonError::into_inner) = Some(info(&serving));
        }
        Ok(serving)
    }

    async fn caller(&self, cx: &RequestContext<RoleServer>, version: Version) -> Result<Admitted, ErrorData> {
        match &self.shared.caller {
            Caller::Fixed(principal) => {
                let serving = self.serving(&cx.extensions).await?;
                let grant = match serving.server.admit(principal) {
                    None => None,
                    Some(deciding) => {
                        let call = CallContext::new(principal.clone());
                        Some(run(&serving, deciding, &call, version, &cx.ct).await?)
                    }
                };
                Ok(Admitted {
                    principal: principal.clone(),
                    part: None,
                    grant,
                    context: self.of_fixed(principal).context,
                })
            }
            Caller::OfRequest => {
                let head = cx.extensions.get::<http::request::Parts>();
                head.and_then(|head| head.extensions.get::<Admitted>()).cloned().ok_or_else(unknown_caller)
            }
        }
    }

    async fn call(&self, cx: &RequestContext<RoleServer>) -> Result<(CallContext, Version, bool), ErrorData> {
        let version = cx.protocol_version().and_then(|version| Version::parse(version.as_str()));
        let version = version.unwrap_or(Version::V2025_03_26);
        let mut call = CallContext::from(self.caller(cx, version).await?);
        let modern = version.is_modern();
        call.session = (!modern).then(|| self.session.clone());
        let head = cx.extensions.get::<http::request::Parts>();
        if let Some(id) = head.and_then(|head| head.headers.get("mcp-session-id")?.to_str().ok()) {
            self.session.set_name(id);
        }
        call.client.tasks = modern && cx.client_capabilities().is_some_and(|declared| declared.supports_tasks());
        Ok((call, version, modern))
    }

    fn enter(serving: &Serving, cx: &CallContext, version: Version) -> Result<Permit, ErrorData> {
        serving.enter(&cx.principal).map_err(|error| refuse(&error, cx, version))
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

    /// The log messages that this request asks for, or its session.
    fn log_level(&self, cx: &RequestContext<RoleServer>, modern: bool) -> Option<LogLevel> {
        if modern {
            return cx.meta.log_level().map(level_of);
        }
        LogLevel::from_number(self.log_level.load(Ordering::Relaxed))
    }

    fn list_ttl_ms(&self) -> u64 {
        u64::try_from(self.shared.live.config().list_ttl.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Serving {
    fn scope(&self) -> CacheScope {
        if self.front().public { CacheScope::Public } else { CacheScope::Private }
    }

    fn meta(&self, modern: bool) -> Option<MetaObject> {
        modern.then(|| self.meta.clone())
    }
}

/// Runs a part of the server until it ends or the request is cancelled, which drops it.
async fn run<T>(
    serving: &Serving,
    work: impl Future<Output = Result<T, Error>>,
    cx: &CallContext,
    version: Version,
    cancelled: &CancellationToken,
) -> Result<T, ErrorData> {
    tokio::select! {
        outcome = AssertUnwindSafe(serving.since().unless_gone(&cx.principal, work)).catch_unwind() => match outcome {
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
        let serving = $self.serving(&$cx.extensions).await?;
        Self::declared(serving.server.capabilities().$capability, $method)?;
        Self::one_page($request)?;
        let (call, version, modern) = $self.call(&$cx).await?;
        serving.list(&call.principal).map_err(|error| refuse(&error, &call, version))?;
        let mut result = $result::with_all_items(serving.server.$list(&call).items().to_vec());
        result.meta = serving.meta(modern);
        if modern {
            result.ttl_ms = Some($self.list_ttl_ms());
            result.cache_scope = Some(serving.scope());
        }
        Ok(result)
    }};
}

impl ServerHandler for Adapter {
    fn get_info(&self) -> ServerConfig {
        match self.shared.live.front().of_all() {
            Ok(serving) => info(&serving),
            Err(_) => self.info.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default(),
        }
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        self.serving(&cx.extensions).await?;
        cx.peer.set_peer_info(request.clone());
        self.negotiate_initialize(&request)
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

    async fn discover(&self, cx: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let serving = self.serving(&cx.extensions).await?;
        let versions = self.supported_protocol_versions().into_owned();
        let mut result = DiscoverResult::from_server_info(versions, info(&serving));
        result.ttl_ms = self.list_ttl_ms();
        result.cache_scope = serving.scope();
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
        let serving = self.serving(&cx.extensions).await?;
        Self::declared(serving.server.capabilities().tools, "tools/call")?;
        let (mut call, version, modern) = self.call(&cx).await?;
        let _permit = match serving.enter(&call.principal) {
            Ok(permit) => permit,
            // Words for the model: it can wait and try again, which a protocol error does not tell it.
            Err(error) => {
                let mut result = CallToolResult::from(ToolResult::error(error.to_string()));
                result.meta = serving.meta(modern);
                return Ok(result.into());
            }
        };
        let brought = Brought { state: request.request_state, responses: request.input_responses };
        let subject = ("tools/call", &*request.name, request.arguments.as_ref());
        self.bring_input(&serving, &cx, &mut call, subject, brought).map_err(|error| refuse(&error, &call, version))?;
        if self.shared.live.config().trace_context {
            let headers = cx.extensions.get::<http::request::Parts>().map(|head| &head.headers);
            let said = |name| cx.meta.get(name).and_then(serde_json::Value::as_str);
            call.trace = TraceParent::of(headers, said(TraceParent::HEADER));
            if call.trace.is_some() {
                call.trace_state = trace::state_of(headers, said(trace::STATE));
            }
        }
        let arguments = request.arguments.unwrap_or_default();
        let token = cx.meta.get_progress_token();
        let level = self.log_level(&cx, modern);
        let outcome = if token.is_none() && level.is_none() {
            let work = settled(call::call_tool(&serving, &call, &request.name, arguments));
            run(&serving, work, &call, version, &cx.ct).await
        } else {
            let (sender, said) = crate::news::channel();
            call.log = level.map_or_else(Log::none, |level| Log::new(level, sender.clone()));
            call.progress = token.as_ref().map_or_else(Progress::none, |_| Progress::new(sender));
            let work = settled(call::call_tool(&serving, &call, &request.name, arguments));
            news::passing_on(run(&serving, work, &call, version, &cx.ct), said, token.as_ref(), &cx.peer).await
        };
        let outcome = match outcome? {
            Settled::Done(outcome) => outcome,
            Settled::Asks(asked) => return Ok(input::asks(&serving, *asked).into()),
        };
        if let Content::Task(task) = outcome.content {
            let created = CreateTaskResult::new(*task);
            return Ok(CallToolResponse::Task(match serving.meta(modern) {
                Some(meta) => created.with_meta(meta),
                None => created,
            }));
        }
        let mut result = CallToolResult::from(outcome);
        result.meta = serving.meta(modern);
        Ok(result.into())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let serving = self.serving(&cx.extensions).await?;
        Self::declared(serving.server.capabilities().resources, "resources/read")?;
        let (mut call, version, modern) = self.call(&cx).await?;
        let _permit = Self::enter(&serving, &call, version)?;
        let brought = Brought { state: request.request_state, responses: request.input_responses };
        let subject = ("resources/read", &*request.uri, None);
        self.bring_input(&serving, &cx, &mut call, subject, brought).map_err(|error| refuse(&error, &call, version))?;
        let read = settled(serving.server.read_resource(&call, &request.uri));
        let mut result = match run(&serving, read, &call, version, &cx.ct).await? {
            Settled::Done(contents) => ReadResourceResult::new(contents),
            Settled::Asks(asked) => return Ok(input::asks(&serving, *asked).into()),
        };
        result.meta = serving.meta(modern);
        if modern {
            result.ttl_ms = Some(0);
            result.cache_scope = Some(serving.scope());
        }
        Ok(result.into())
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let serving = self.serving(&cx.extensions).await?;
        Self::declared(serving.server.capabilities().prompts, "prompts/get")?;
        let (mut call, version, modern) = self.call(&cx).await?;
        let _permit = Self::enter(&serving, &call, version)?;
        let brought = Brought { state: request.request_state, responses: request.input_responses };
        let subject = ("prompts/get", &*request.name, request.arguments.as_ref());
        self.bring_input(&serving, &cx, &mut call, subject, brought).map_err(|error| refuse(&error, &call, version))?;
        let prompt = serving.server.get_prompt(&call, &request.name, request.arguments.unwrap_or_default());
        let prompt = match run(&serving, settled(prompt), &call, version, &cx.ct).await? {
            Settled::Done(prompt) => prompt,
            Settled::Asks(asked) => return Ok(input::asks(&serving, *asked).into()),
        };
        let mut result = GetPromptResult::new(prompt.messages);
        result.description = prompt.description;
        result.meta = serving.meta(modern);
        Ok(result.into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let serving = self.serving(&cx.extensions).await?;
        Self::declared(serving.server.capabilities().completions, "completion/complete")?;
        let (call, version, modern) = self.call(&cx).await?;
        let _permit = Self::enter(&serving, &call, version)?;
        let reference = match &request.r#ref {
            Reference::Prompt(prompt) => CompletionReference::Prompt(&prompt.name),
            Reference::Resource(resource) => CompletionReference::ResourceTemplate(&resource.uri),
            _ => return Err(ErrorData::invalid_params("`ref` must be a prompt or a resource template", None)),
        };
        let filled = request.context.and_then(|context| context.arguments).unwrap_or_default();
        let (argument, value) = (&request.argument.name, &request.argument.value);
        let completion = Completion { reference, argument, value, filled: &filled };
        let mut values = run(&serving, serving.server.complete(&call, completion), &call, version, &cx.ct).await?;
        let total = values.len();
        values.truncate(CompletionInfo::MAX_VALUES);
        let more = values.len() < total;
        let mut info = CompletionInfo::new(values).expect("truncated to what is allowed");
        info.has_more = Some(more);
        let mut result = CompleteResult::new(info);
        result.meta = serving.meta(modern);
        Ok(result)
    }

    #[expect(deprecated, reason = "log messages are deprecated by 2026-07-28, not gone: clients still ask for them")]
    async fn set_level(
        &self,
        request: rmcp::model::SetLevelRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let (_, _, modern) = self.call(&cx).await?;
        let serving = self.serving(&cx.extensions).await?;
        Self::declared(!modern && serving.server.capabilities().logging, "logging/setLevel")?;
        self.log_level.store(level_of(request.level) as u8, Ordering::Relaxed);
        Ok(())
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        self.task(request, cx).await
    }

    async fn update_task(&self, request: UpdateTaskParams, cx: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.answer_task(request, cx).await
    }

    async fn cancel_task(&self, request: CancelTaskParams, cx: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.end_task(request, cx).await
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        // What is not declared is taken out by the SDK.
        let changes = match self.shared.live.front().of_all() {
            Ok(serving) => serving.server.changes().is_some(),
            // `listen` knows whose server it is.
            Err(_) => true,
        };
        Some(if changes { requested.clone() } else { SubscriptionFilter::new() })
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let serving = self.serving(&subscription.request_context().extensions).await?;
        let changes = Following::of(&self.shared.live, &serving);
        drop(serving);
        changes::announce(&subscription, changes, &self.shared.stopping).await;
        Ok(())
    }

    async fn on_initialized(&self, cx: NotificationContext<RoleServer>) {
        let Ok(serving) = self.serving(&cx.extensions).await else { return };
        if serving.server.changes().is_some() {
            let changes = Following::of(&self.shared.live, &serving);
            self.subscriptions.tell(cx.peer, changes, self.session.changes().listen());
        }
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Self::declared(subscribes(&*self.serving(&cx.extensions).await?.server), "resources/subscribe")?;
        if self.subscriptions.add(request.uri) {
            return Ok(());
        }
        let message = "this session has too many subscriptions; end some with resources/unsubscribe";
        Err(ErrorData::new(ErrorCode(code::RATE_LIMITED), message, None))
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Self::declared(subscribes(&*self.serving(&cx.extensions).await?.server), "resources/unsubscribe")?;
        self.subscriptions.remove(&request.uri);
        Ok(())
    }
}

fn subscribes(server: &dyn Server) -> bool {
    server.capabilities().resources && server.changes().is_some()
}

fn info(serving: &Serving) -> ServerConfig {
    let server = &serving.server;
    let declared = server.capabilities().to_json(server.changes().is_some(), server.tasks().is_some());
    let mut info = ServerConfig::new(serde_json::from_value(declared).expect("capabilities are the protocol's"));
    info.protocol_version = ProtocolVersion::V_2025_11_25;
    info.server_info = server.implementation().clone();
    info.instructions = server.instructions().map(str::to_owned);
    info
}

fn unknown_caller() -> ErrorData {
    tracing::error!("a request without a principal reached a session");
    ErrorData::internal_error("internal error", None)
}
