//! Sessions of older clients: the SDK's, bound to the principal that opened them, limited in number, ended when idle.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, future::join_all, stream::unfold};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HOST, RETRY_AFTER},
    request::Parts,
};
use http_body_util::{BodyExt, Collected, Full, combinators::BoxBody};
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService,
        session::{ServerSseMessage, SessionId, SessionManager, local::LocalSessionManager},
    },
};
use tokio::{runtime::Handle, sync::Notify};
use tokio_util::sync::CancellationToken;

use super::{
    Body,
    body::refuse,
    endpoint::{Accepts, PROTOCOL_VERSION, SESSION_ID},
    presence::{self, Presence},
};
use crate::{
    Live, Principal, TraceParent, Whose,
    context::Admitted,
    live::Serving,
    sdk::{Adapter, Shared, WithoutEvents},
    standing::Standing,
    wire::{Refusal, code},
};

pub(super) struct Sessions {
    service: StreamableHttpService<Adapter, Bound>,
    owners: Arc<Owners>,
    live: Live,
    ending: CancellationToken,
    manager: Arc<Bound>,
}

impl Sessions {
    pub(super) fn new(shared: Shared, presence: Option<Arc<dyn Presence>>) -> Self {
        let live = shared.live.clone();
        let config = live.config();
        let owners = Arc::new(Owners::default());
        let mut manager = LocalSessionManager::default();
        manager.session_config.keep_alive = Some(config.session_idle);
        let manager = Arc::new(Bound { sessions: manager, owners: owners.clone(), presence, runtime: OnceLock::new() });
        live.has_sessions(&manager);
        let ending = CancellationToken::new();
        let sdk = StreamableHttpServerConfig::default()
            // Checked before, by the rules of this endpoint.
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_sse_keep_alive(Some(config.keep_alive))
            .with_max_request_body_bytes(config.max_body)
            .with_cancellation_token(ending.clone());
        let service = StreamableHttpService::new(move || Ok(Adapter::new(shared.clone())), manager.clone(), sdk);
        Self { service, owners, live, ending, manager }
    }

    /// How many there may be, and how many of one principal.
    fn most(&self) -> (usize, usize) {
        let config = self.live.config();
        let of_one = if self.live.front().public { config.max_sessions } else { config.max_sessions_per_principal };
        (config.max_sessions, of_one)
    }

    /// Waits until no request runs in a session, and all answers were taken.
    pub(super) async fn idle(&self) {
        let using: Vec<_> = self.owners.lock().sessions.values().map(|session| session.using.clone()).collect();
        join_all(using.iter().map(|using| using.idle())).await;
    }

    /// Ends every session and its streams.
    pub(super) fn end(&self) {
        self.ending.cancel();
    }

    /// An `initialize`.
    pub(super) async fn open(&self, serving: Serving, head: Parts, body: Bytes, caller: Admitted) -> Response<Body> {
        let Some(opening) = Opening::begin(self, Owner::of(&self.live, &caller)) else {
            let refusal = Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                code::BUSY,
                "there are as many sessions as this server allows; end some, try again later, or use 2026-07-28, which needs none",
            );
            return refuse(refusal.with_header(RETRY_AFTER, HeaderValue::from_static("30")), None);
        };
        let principal = caller.principal.clone();
        let response = OPENER.scope(opening.owner.clone(), self.forward(head, body, caller)).await;
        if let Some(id) = response.headers().get(SESSION_ID).and_then(|id| id.to_str().ok()) {
            // It may be over already; then nothing is left to bind.
            if let Some(session) = self.owners.lock().sessions.get_mut(id) {
                session.is_open = true;
                if let Some(presence) = &self.manager.presence {
                    presence.opened(presence::Open::Session(id.into()), &principal);
                }
            }
            self.manager.runtime.get_or_init(Handle::current);
            // Sent away while it opened, when there was nothing to be found yet.
            if let Some(grace) = serving.since().clone().departed(&principal) {
                let ending = self.manager.leave_one(id);
                self.manager.end_soon(ending, grace);
            }
        }
        response
    }

    /// Everything that names a session. Somebody else's is as unknown as one that never was.
    pub(super) async fn handle(
        &self,
        serving: &Serving,
        mut head: Parts,
        body: Bytes,
        caller: Admitted,
    ) -> Response<Body> {
        let mut ids = head.headers.get_all(SESSION_ID).iter();
        let id = ids.next().and_then(|id| id.to_str().ok());
        let (Some(id), None) = (id, ids.next()) else {
            let message = "one `Mcp-Session-Id` is needed";
            return refuse(Refusal::new(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, message), None);
        };
        let owner = Owner::of(&self.live, &caller);
        let theirs = {
            let open = self.owners.lock();
            let session = open.sessions.get(id).filter(|it| it.is_known() && it.owner.as_deref() == Some(&owner));
            session.map(|session| InUse::begin(&session.using))
        };
        let Some(in_use) = theirs else {
            let message = "there is no such session; begin a new one with `initialize`";
            return refuse(Refusal::new(StatusCode::NOT_FOUND, code::INVALID_REQUEST, message), None);
        };
        // A stream that is listened to runs no call.
        let in_use = (head.method == Method::POST).then_some(in_use);
        if let Some(in_use) = &in_use {
            head.extensions.insert(in_use.clone());
        }
        let id = self.manager.presence.is_some().then(|| id.to_owned());
        let standing =
            (head.method == Method::GET).then(|| Standing::of(&self.live, serving, &head, &caller.principal));
        let response = self.forward(head, body, caller).await;
        self.failed(id.as_deref(), &response);
        match standing {
            Some(standing) if response.status().is_success() => response.map(|body| until(body, standing)),
            // An answer that is made is not yet one that was sent.
            _ => response.map(|body| body.using(in_use)),
        }
    }

    fn failed(&self, session_id: Option<&str>, response: &Response<Body>) {
        if let Some(presence) = self.manager.presence.as_ref().filter(|_| response.status().is_server_error()) {
            presence.failed(session_id, format!("a session's request ended with {}", response.status()));
        }
    }

    async fn forward(&self, mut head: Parts, body: Bytes, caller: Admitted) -> Response<Body> {
        // The SDK wants both types by name; some clients send `*/*` or one of them.
        let accepts = match (&head.method, Accepts::of(&head.headers)) {
            (&Method::POST, Err(refusal)) => return refuse(refusal, None),
            (_, accepts) => accepts.ok(),
        };
        let both = HeaderValue::from_static("application/json, text/event-stream");
        let mut headers = HeaderMap::with_capacity(FORWARDED.len() + 1);
        headers.insert(ACCEPT, both);
        for name in FORWARDED {
            headers.extend(head.headers.get_all(&name).iter().map(|value| (name.clone(), value.clone())));
        }
        head.headers = headers;
        head.extensions.insert(caller);
        if accepts.is_some_and(|accepts| !accepts.events) {
            head.extensions.insert(WithoutEvents);
        }
        let is_post = head.method == Method::POST;
        let response = self.service.handle(Request::from_parts(head, Full::new(body))).await;
        if is_post && accepts.is_some_and(|accepts| !accepts.events) {
            return without_events(response).await;
        }
        let mut response = response.map(Body::sdk);
        if response.status() == StatusCode::ACCEPTED && !is_post {
            // Some clients take nothing but 200 and 204 for the end of a session.
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        response
    }
}

/// A stream that ends with what keeps it open.
fn until(body: Body, standing: Standing) -> Body {
    Body::stream(unfold((body, standing), |(mut body, mut standing)| async {
        loop {
            let frame = tokio::select! {
                biased;
                () = standing.over() => return None,
                frame = body.frame() => frame?.ok()?,
            };
            if let Ok(data) = frame.into_data() {
                return Some((data, (body, standing)));
            }
        }
    }))
}

/// What the SDK reads. Credentials are not among it: who calls is known by now.
const FORWARDED: [HeaderName; 9] = [
    HOST,
    CONTENT_TYPE,
    HeaderName::from_static(SESSION_ID),
    HeaderName::from_static(TraceParent::HEADER),
    HeaderName::from_static(crate::trace::STATE),
    HeaderName::from_static(PROTOCOL_VERSION),
    HeaderName::from_static("mcp-method"),
    HeaderName::from_static("mcp-name"),
    HeaderName::from_static("last-event-id"),
];

/// The answer alone, for a client that can't read events. Its progress is lost, as on a connection without a session.
async fn without_events(response: Response<BoxBody<Bytes, Infallible>>) -> Response<Body> {
    let is_stream = response.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes() == b"text/event-stream");
    if !is_stream {
        return response.map(Body::sdk);
    }
    let (mut head, body) = response.into_parts();
    let events = body.collect().await.map(Collected::to_bytes).unwrap_or_else(|never: Infallible| match never {});
    let answer = events
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.strip_prefix(b"data:"))
        .map(<[u8]>::trim_ascii)
        .rfind(|data| !data.is_empty());
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(head, Body::whole(answer.map(Bytes::copy_from_slice).unwrap_or_default()))
}

/// Who opened a session.
#[derive(Debug, Clone)]
struct Owner {
    principal: Arc<Principal>,
    /// It belongs to the credential's entry too, not only to its principal.
    by_entry: bool,
    /// Of which part of the server; another one's sessions are not known there.
    part: Option<Arc<str>>,
}

impl Owner {
    fn of(live: &Live, Admitted { principal, part, .. }: &Admitted) -> Self {
        let by_entry = live.front().authenticator.names_entry(principal);
        Self { principal: principal.clone(), by_entry, part: part.clone() }
    }

    fn is_same_principal(&self, other: &Self) -> bool {
        self.principal.id == other.principal.id && self.principal.tenant == other.principal.tenant
    }
}

/// Another token of the same caller is the same owner: tokens are refreshed. Another entry of a list is not.
impl PartialEq for Owner {
    fn eq(&self, other: &Self) -> bool {
        self.is_same_principal(other)
            && self.part == other.part
            && self.by_entry == other.by_entry
            && (!self.by_entry || self.principal.token == other.principal.token)
    }
}

#[derive(Debug, Default)]
struct Owners(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    sessions: HashMap<SessionId, Session>,
    /// Who opens one, until there is a session to count.
    opening: Vec<Arc<Owner>>,
}

impl Open {
    /// Once for each opening: by its session, or by its end without one.
    fn opened(&mut self, opener: &Arc<Owner>) {
        if let Some(at) = self.opening.iter().position(|it| Arc::ptr_eq(it, opener)) {
            self.opening.swap_remove(at);
        }
    }
}

tokio::task_local! {
    /// Whose `initialize` runs: the SDK makes the session, and knows nothing of owners.
    static OPENER: Arc<Owner>;
}

#[derive(Debug, Default)]
struct Session {
    /// Known from the first: what is opened and not yet open takes a place, too, and keeps it if its client goes away.
    owner: Option<Arc<Owner>>,
    /// Not while `initialize` runs, as nobody else can know the id yet.
    is_open: bool,
    /// From now on nobody knows it.
    is_ending: bool,
    using: Arc<Using>,
}

/// Counts the requests that run in a session.
#[derive(Debug, Default)]
pub(crate) struct Using {
    requests: AtomicUsize,
    /// Told when none runs any more.
    idle: Notify,
}

/// One of them. It goes with the request through the SDK, and ends with its last copy.
#[derive(Debug, Clone)]
struct InUse(#[expect(dead_code, reason = "held for its end")] Arc<Use>);

#[derive(Debug)]
struct Use(Arc<Using>);

impl InUse {
    fn begin(using: &Arc<Using>) -> Self {
        using.requests.fetch_add(1, Ordering::SeqCst);
        Self(Arc::new(Use(using.clone())))
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if self.0.requests.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

impl Using {
    async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.requests.load(Ordering::SeqCst) == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl Owners {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the sessions, until the session itself takes it.
struct Opening<'a> {
    owners: &'a Owners,
    owner: Arc<Owner>,
}

impl<'a> Opening<'a> {
    fn begin(sessions: &'a Sessions, owner: Owner) -> Option<Self> {
        let (most, most_of_one) = sessions.most();
        let mut open = sessions.owners.lock();
        let of_owner = || {
            let sessions = open.sessions.values().filter(|session| !session.is_ending);
            let owners = sessions.filter_map(|session| session.owner.as_ref()).chain(&open.opening);
            owners.filter(|it| it.is_same_principal(&owner)).count()
        };
        if open.sessions.len() + open.opening.len() >= most || of_owner() >= most_of_one {
            return None;
        }
        let owner = Arc::new(owner);
        open.opening.push(owner.clone());
        Some(Self { owners: &sessions.owners, owner })
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.owners.lock().opened(&self.owner);
    }
}

/// The SDK's sessions, counted as they come and go.
pub(crate) struct Bound {
    sessions: LocalSessionManager,
    owners: Arc<Owners>,
    presence: Option<Arc<dyn Presence>>,
    /// Where sessions run. Known since the first of them.
    runtime: OnceLock<Handle>,
}

/// Sessions that nobody knows any more, and what runs in them. Some may be ending already, with a longer grace.
pub(crate) type Ending = Vec<(SessionId, Arc<Using>)>;

impl Bound {
    /// From now on nobody knows the sessions of this caller.
    pub(crate) fn leave(&self, whose: &Whose) -> Ending {
        let mut open = self.owners.lock();
        let theirs = open.sessions.iter_mut();
        let is_theirs = |it: &Session| it.owner.as_ref().is_some_and(|owner| whose.is(&owner.principal));
        let theirs = theirs.filter(|(_, it)| it.is_open && is_theirs(it));
        theirs.map(|(id, session)| session.leave(id)).collect()
    }

    fn leave_one(&self, id: &str) -> Ending {
        self.owners.lock().sessions.get_mut(id).map(|session| session.leave(&id.into())).into_iter().collect()
    }

    /// Ends them when no request runs in them, at most after `grace`. Returns how many there are.
    pub(crate) async fn end(&self, ending: Ending, grace: Duration) -> usize {
        let idle = join_all(ending.iter().map(|(_, using)| using.idle()));
        let _ = tokio::time::timeout(grace, idle).await;
        for (id, _) in &ending {
            // It may have ended by itself.
            let _ = self.close_session(id).await;
        }
        ending.len()
    }

    /// The same, and waits for nothing.
    pub(crate) fn end_soon(self: &Arc<Self>, ending: Ending, grace: Duration) {
        if let (false, Some(runtime)) = (ending.is_empty(), self.runtime.get()) {
            let sessions = self.clone();
            runtime.spawn(async move { sessions.end(ending, grace).await });
        }
    }
}

impl Session {
    fn is_known(&self) -> bool {
        self.is_open && !self.is_ending
    }

    fn leave(&mut self, id: &SessionId) -> (SessionId, Arc<Using>) {
        self.is_ending = true;
        (id.clone(), self.using.clone())
    }
}

impl SessionManager for Bound {
    type Error = <LocalSessionManager as SessionManager>::Error;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let (id, transport) = self.sessions.create_session().await?;
        let owner = OPENER.try_with(Clone::clone).ok();
        let mut open = self.owners.lock();
        if let Some(owner) = &owner {
            open.opened(owner);
        }
        open.sessions.insert(id.clone(), Session { owner, ..Session::default() });
        drop(open);
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        self.sessions.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        self.sessions.has_session(id).await
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        {
            let mut owners = self.owners.lock();
            if let (Some(_), Some(watching)) = (owners.sessions.remove(id), &self.presence) {
                watching.closed(&presence::Open::Session((&**id).into()));
            }
        }
        self.sessions.close_session(id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.sessions.create_stream(id, message).await
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        self.sessions.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.sessions.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.sessions.resume(id, last_event_id).await
    }
}
