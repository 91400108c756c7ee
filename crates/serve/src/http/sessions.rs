//! Sessions of older clients: the SDK's, bound to the principal that opened them, limited in number, ended when idle.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures_util::Stream;
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
use tokio_util::sync::CancellationToken;

use super::{
    Body,
    body::refuse,
    endpoint::{Accepts, PROTOCOL_VERSION, SESSION_ID},
};
use crate::{
    Live,
    context::Admitted,
    sdk::{Adapter, Shared, WithoutEvents},
    wire::{Refusal, code},
};

pub(super) struct Sessions {
    service: StreamableHttpService<Adapter, Bound>,
    owners: Arc<Owners>,
    live: Live,
    ending: CancellationToken,
}

impl Sessions {
    pub(super) fn new(shared: Shared) -> Self {
        let live = shared.live.clone();
        let config = live.config();
        let owners = Arc::new(Owners::default());
        let mut manager = LocalSessionManager::default();
        manager.session_config.keep_alive = Some(config.session_idle);
        let manager = Bound { sessions: manager, owners: owners.clone() };
        let ending = CancellationToken::new();
        let sdk = StreamableHttpServerConfig::default()
            // Checked before, by the rules of this endpoint.
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_sse_keep_alive(Some(config.keep_alive))
            .with_max_request_body_bytes(config.max_body)
            .with_cancellation_token(ending.clone());
        let service = StreamableHttpService::new(move || Ok(Adapter::new(shared.clone())), Arc::new(manager), sdk);
        Self { service, owners, live, ending }
    }

    /// How many there may be, and how many of one principal.
    fn most(&self) -> (usize, usize) {
        let config = self.live.config();
        let of_one = if self.live.front().public { config.max_sessions } else { config.max_sessions_per_principal };
        (config.max_sessions, of_one)
    }

    /// Ends every session and its streams.
    pub(super) fn end(&self) {
        self.ending.cancel();
    }

    /// An `initialize`.
    pub(super) async fn open(&self, head: Parts, body: Bytes, caller: Admitted) -> Response<Body> {
        let owner = Owner::of(&caller);
        let Some(_opening) = Opening::begin(self, &owner) else {
            let refusal = Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                code::BUSY,
                "there are as many sessions as this server allows; end some, try again later, or use 2026-07-28, which needs none",
            );
            return refuse(refusal.with_header(RETRY_AFTER, HeaderValue::from_static("30")), None);
        };
        let response = self.forward(head, body, caller).await;
        if let Some(id) = response.headers().get(SESSION_ID).and_then(|id| id.to_str().ok()) {
            // It may be over already; then nothing is left to bind.
            if let Some(session) = self.owners.lock().sessions.get_mut(id) {
                *session = Some(owner);
            }
        }
        response
    }

    /// Everything that names a session. Somebody else's is as unknown as one that never was.
    pub(super) async fn handle(&self, head: Parts, body: Bytes, caller: Admitted) -> Response<Body> {
        let mut ids = head.headers.get_all(SESSION_ID).iter();
        let id = ids.next().and_then(|id| id.to_str().ok());
        let (Some(id), None) = (id, ids.next()) else {
            let message = "one `Mcp-Session-Id` is needed";
            return refuse(Refusal::new(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, message), None);
        };
        let is_theirs = self.owners.lock().sessions.get(id).and_then(Option::as_ref) == Some(&Owner::of(&caller));
        if !is_theirs {
            let message = "there is no such session; begin a new one with `initialize`";
            return refuse(Refusal::new(StatusCode::NOT_FOUND, code::INVALID_REQUEST, message), None);
        }
        self.forward(head, body, caller).await
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

/// What the SDK reads. Credentials are not among it: who calls is known by now.
const FORWARDED: [HeaderName; 7] = [
    HOST,
    CONTENT_TYPE,
    HeaderName::from_static(SESSION_ID),
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
#[derive(Debug, PartialEq, Eq)]
struct Owner {
    id: String,
    tenant: Option<String>,
    /// Of which part of the server; another one's sessions are not known there.
    part: Option<Arc<str>>,
}

impl Owner {
    fn of(Admitted { principal, part, .. }: &Admitted) -> Self {
        Self { id: principal.id.clone(), tenant: principal.tenant.clone(), part: part.clone() }
    }
}

#[derive(Debug, Default)]
struct Owners(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    /// Without an owner while `initialize` runs; nobody else can know the id yet.
    sessions: HashMap<SessionId, Option<Owner>>,
    opening: usize,
}

impl Owners {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the sessions, until the session itself takes it.
struct Opening<'a>(&'a Owners);

impl<'a> Opening<'a> {
    fn begin(sessions: &'a Sessions, owner: &Owner) -> Option<Self> {
        let (most, most_of_one) = sessions.most();
        let mut open = sessions.owners.lock();
        let of_owner = || open.sessions.values().filter(|session| session.as_ref() == Some(owner)).count();
        if open.sessions.len() + open.opening >= most || of_owner() >= most_of_one {
            return None;
        }
        open.opening += 1;
        Some(Self(&sessions.owners))
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.lock().opening -= 1;
    }
}

/// The SDK's sessions, counted as they come and go.
struct Bound {
    sessions: LocalSessionManager,
    owners: Arc<Owners>,
}

impl SessionManager for Bound {
    type Error = <LocalSessionManager as SessionManager>::Error;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let (id, transport) = self.sessions.create_session().await?;
        self.owners.lock().sessions.insert(id.clone(), None);
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
        self.owners.lock().sessions.remove(id);
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
