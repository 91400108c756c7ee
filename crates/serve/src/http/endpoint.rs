//! One request: checks, authentication, era, and which way it goes.

use std::{
    fmt,
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
};

use axum::body::HttpBody;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ACCEPT, ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE},
    request::Parts,
};
use tokio_util::sync::CancellationToken;

use super::{
    Body, Config, ConfigError,
    body::{is_not_encoded, json, read, read_in_turn, refuse, status},
    cors,
    guard::Guard,
    large::{self, LargeBodies, Size, Turns},
    presence::Presence,
    sessions::Sessions,
    shares::Shares,
    stateless,
};
use crate::{
    Authentication, Authenticator, CallId, Error, Extras, Found, Live, Principal, Servers, SessionContext,
    TenantContext,
    auth::WELL_KNOWN,
    context::Admitted,
    live::{Front, Serving},
    sdk,
    wire::{Message, Refusal, Request as Call, Version, code, depth, parse_request},
};

pub(super) const HEALTH: &str = "/healthz";
pub(super) const SESSION_ID: &str = "mcp-session-id";
pub(super) const PROTOCOL_VERSION: &str = "mcp-protocol-version";

/// One MCP endpoint, without the sockets.
#[derive(Clone)]
pub struct Endpoint(Arc<Shared>);

pub(super) struct Shared {
    pub(super) live: Live,
    /// Made for the first client that wants one: most servers of many have none.
    sessions: OnceLock<Sessions>,
    /// Ends listen streams.
    pub(super) stopping: CancellationToken,
    pub(super) presence: Option<Arc<dyn Presence>>,
    guard: Guard,
    /// By tenant and id.
    pub(super) listening: Arc<Shares<(Option<String>, String)>>,
    large: Arc<LargeBodies>,
}

impl Shared {
    pub(super) fn config(&self) -> &Config {
        self.live.config()
    }

    fn sessions(&self) -> &Sessions {
        self.sessions.get_or_init(|| {
            let (live, stopping) = (self.live.clone(), self.stopping.clone());
            let shared = sdk::Shared { live, caller: sdk::Caller::OfRequest, stopping };
            Sessions::new(shared, self.presence.clone())
        })
    }

    /// Waits until no call runs, and sessions have sent their answers.
    pub(super) async fn idle(&self) {
        // A gate that takes this one's place counts the same calls.
        self.live.front().gate.idle().await;
        if let Some(sessions) = self.sessions.get() {
            sessions.idle().await;
        }
    }

    /// Ends every session and its streams.
    pub(super) fn end_sessions(&self) {
        if let Some(sessions) = self.sessions.get() {
            sessions.end();
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("path", &self.0.config().path).finish_non_exhaustive()
    }
}

impl Endpoint {
    pub fn new(live: Live) -> Result<Self, ConfigError> {
        Self::watched(live, None)
    }

    /// Where somebody wants to know what is open.
    pub(crate) fn watched(live: Live, presence: Option<Arc<dyn Presence>>) -> Result<Self, ConfigError> {
        let config = live.config();
        let guard = Guard::new(&config.allowed_hosts, &config.allowed_origins)?;
        Ok(Self::guarded(live, presence, guard, CancellationToken::new(), Arc::default()))
    }

    /// For a host, which has checked Host and Origin when it asks.
    pub(super) fn hosted(live: Live, stopping: CancellationToken, large: Arc<LargeBodies>) -> Self {
        Self::guarded(live, None, Guard::default(), stopping, large)
    }

    fn guarded(
        live: Live,
        presence: Option<Arc<dyn Presence>>,
        guard: Guard,
        stopping: CancellationToken,
        large: Arc<LargeBodies>,
    ) -> Self {
        let listening = Shares::new(live.config().max_sessions_per_principal);
        Self(Arc::new(Shared { guard, sessions: OnceLock::new(), presence, listening, large, stopping, live }))
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }

    /// Answers one request. `local` is the address that the connection came in on.
    pub async fn handle<B>(&self, request: Request<B>, local: Option<IpAddr>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
    {
        let shared = &self.0;
        let path = request.uri().path();
        // Probes come by address, and learn nothing.
        if path == HEALTH && request.method() == Method::GET {
            return json(shared.config().health.into());
        }
        let origin = match shared.guard.check(request.uri(), request.headers(), local) {
            Ok(origin) => origin.cloned(),
            Err(refusal) => return refuse(refusal, None),
        };
        let Some(part) = self.at(path) else {
            if path.starts_with(WELL_KNOWN)
                && let Some(document) = self.protected_resource(&request, None, origin.as_ref())
            {
                return document;
            }
            #[cfg(feature = "endpoints")]
            if shared.config().endpoints.has(path) {
                return Box::pin(self.custom(request, origin)).await;
            }
            return Box::pin(self.route(request, origin)).await;
        };
        self.answer(request, part, origin).await
    }

    /// What is asked at this path: the server, a part of it, or nothing of its own.
    pub(super) fn at(&self, path: &str) -> Option<Option<Arc<str>>> {
        let config = self.0.config();
        if config.aliases.iter().any(|alias| alias == path) {
            return Some(None);
        }
        match path.strip_prefix(&*config.path)? {
            "" => Some(None),
            below => self.part(below).map(Some),
        }
    }

    /// Host and Origin are checked by now; `origin` is the web page that calls, if one does.
    pub(super) async fn answer<B>(
        &self,
        request: Request<B>,
        part: Option<Arc<str>>,
        origin: Option<HeaderValue>,
    ) -> Response<Body>
    where
        B: HttpBody<Data = Bytes>,
    {
        let (head, body) = request.into_parts();
        let Some(origin) = origin else { return self.serve(head, body, part).await };
        if let Some(preflight) = cors::preflight(&head, &origin, cors::METHODS) {
            return preflight;
        }
        cors::allow(self.serve(head, body, part).await, origin)
    }

    /// The document of RFC 9728, where this server has one. It comes before authentication: it says how to get there.
    /// `hosted` is the path at which a host serves this server.
    pub(super) fn protected_resource<B>(
        &self,
        request: &Request<B>,
        hosted: Option<&str>,
        origin: Option<&HeaderValue>,
    ) -> Option<Response<Body>> {
        let front = self.0.live.front();
        let resource = front.authenticator.protected_resource()?;
        let path = hosted.unwrap_or(&self.0.config().path);
        if request.method() != Method::GET || !resource.is_at(request.uri(), path) {
            return None;
        }
        let response = json(resource.document().to_vec());
        Some(match origin {
            Some(origin) => cors::allow(response, origin.clone()),
            None => response,
        })
    }

    /// The `reading` of `/mcp/reading`, where the server has parts. Whether it has this one is told to who may know.
    fn part(&self, below: &str) -> Option<Arc<str>> {
        let name = below.strip_prefix('/').filter(|name| !name.is_empty() && !name.contains('/'))?;
        self.0.live.front().has_parts().then(|| name.into())
    }

    /// Who asks for something beside MCP, and the server that answers them.
    pub(super) async fn admitted(&self, head: &mut Parts) -> Result<(Serving, Admitted), Refusal> {
        let front = self.0.live.front();
        let principal = authenticate(&front, head).await?;
        let context = self.context(&front, head, &principal, None).await;
        self.serving(front, head, principal, None, context).await
    }

    /// What the request says of its circumstances. `body` is read where it says something of them, too.
    async fn context(
        &self,
        front: &Front,
        head: &Parts,
        principal: &Arc<Principal>,
        body: Option<&[u8]>,
    ) -> SessionContext {
        let Some(contexts) = &self.0.config().context else { return SessionContext::default() };
        let credential = match front.authenticator.finds(head) {
            Found::Own(header) | Found::Foreign(header) => Some(header),
            Found::Nothing => None,
        };
        contexts.of(head, principal, credential, body).await
    }

    async fn serving(
        &self,
        front: Arc<Front>,
        head: &mut Parts,
        principal: Arc<Principal>,
        part: Option<Arc<str>>,
        context: SessionContext,
    ) -> Result<(Serving, Admitted), Refusal> {
        let serving = match front.of_all() {
            Ok(serving) => serving,
            Err((front, servers)) => {
                let serving = find(front, &*servers, head, &principal, &context).await?;
                // For whoever answers in a session.
                head.extensions.insert(serving.clone());
                serving
            }
        };
        let caller = admit(&serving, principal, part, context).await?;
        Ok((serving, caller))
    }

    async fn serve<B>(&self, mut head: Parts, body: B, part: Option<Arc<str>>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes>,
    {
        let shared = &self.0;
        let front = shared.live.front();
        let principal = match authenticate(&front, &head).await {
            Ok(principal) => principal,
            Err(refusal) => return refuse(refusal, None),
        };
        let (mut body, mut whole) = (Some(body), None);
        if shared.config().context.as_ref().is_some_and(|contexts| contexts.reads_meta()) && head.method == Method::POST
        {
            let reading = self.body(&front, &principal, &head, body.take().expect("nobody read it")).await;
            whole = match reading {
                Ok(body) => Some(body),
                Err(refusal) => return refuse(refusal, None),
            };
        }
        let context = self.context(&front, &head, &principal, whole.as_deref()).await;
        let (serving, caller) = match self.serving(front, &mut head, principal, part, context).await {
            Ok(served) => served,
            Err(refusal) => return refuse(refusal, None),
        };
        match head.method {
            Method::POST => {
                let read = match (whole, body) {
                    (Some(whole), _) => Ok(whole),
                    (None, Some(body)) => self.body(serving.front(), &caller.principal, &head, body).await,
                    (None, None) => unreachable!("it is there or was read"),
                };
                match read {
                    Ok(body) => self.post(serving, head, body, caller).await,
                    Err(refusal) => refuse(refusal, None),
                }
            }
            Method::GET | Method::DELETE if !is_modern(&head.headers) && head.headers.contains_key(SESSION_ID) => {
                Box::pin(shared.sessions().handle(&serving, head, Bytes::new(), caller)).await
            }
            Method::GET | Method::DELETE
                if head.headers.contains_key(PROTOCOL_VERSION) && !is_modern(&head.headers) =>
            {
                let message = "the header `Mcp-Session-Id` is missing";
                refuse(Refusal::new(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, message), None)
            }
            _ => {
                let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
                response
            }
        }
    }

    async fn body<B>(&self, front: &Front, principal: &Principal, head: &Parts, body: B) -> Result<Bytes, Refusal>
    where
        B: HttpBody<Data = Bytes>,
    {
        is_not_encoded(&head.headers)?;
        is_json(&head.headers)?;
        let &Config { max_body, body_timeout, .. } = self.0.config();
        let turns = |patience| Turns {
            large: &self.0.large,
            owner: (!front.authenticator.is_open()).then(|| large::owner(&self.0, principal)),
            patience,
        };
        match large::size(&head.headers) {
            Size::Small => read(body, max_body, body_timeout).await,
            Size::Large => {
                let _turn = Box::pin(turns(body_timeout).wait()).await?;
                read(body, max_body, body_timeout).await
            }
            // It is refused for want of a turn before it would be for its own slowness.
            Size::Unknown => Box::pin(read_in_turn(body, max_body, body_timeout, Some(turns(body_timeout / 2)))).await,
        }
    }

    async fn post(&self, serving: Serving, head: Parts, body: Bytes, caller: Admitted) -> Response<Body> {
        let shared = &self.0;
        let message = match parse_request(&body) {
            Ok(message) => message,
            Err(error) => {
                let mut refusal = Refusal::new(StatusCode::BAD_REQUEST, error.code(), error.to_string());
                if let Some(source) = std::error::Error::source(&error) {
                    refusal = refusal.with_data(serde_json::json!({ "reason": source.to_string() }));
                }
                return refuse(refusal, error.id());
            }
        };
        let in_session = head.headers.contains_key(SESSION_ID);
        match message {
            Message::Request(call) => {
                let max_depth = shared.config().max_depth;
                if call.params.arguments.is_some_and(|arguments| depth(arguments.get()) > max_depth) {
                    let message = format!("the arguments are nested more than {max_depth} deep");
                    return refuse(Refusal::new(StatusCode::OK, code::INVALID_PARAMS, message), Some(call.id));
                }
                let modern = is_modern(&head.headers) || names_version(&call);
                if !modern && (in_session || call.method == "initialize") {
                    let opens = !in_session;
                    // Else the SDK would ask for a session, which nobody can have before it.
                    if opens && let Err(error) = serde_json::from_slice::<Opening>(&body) {
                        let message = format!("malformed params: {error}");
                        let refusal = Refusal::new(StatusCode::BAD_REQUEST, code::INVALID_PARAMS, message);
                        return refuse(refusal, Some(call.id));
                    }
                    // What the SDK would answer with 200 and an error inside, which no client steps up for.
                    if let Some(refusal) = lacks_scope(&serving, &call, &caller.principal) {
                        return refuse(step_up(&serving, refusal), Some(call.id));
                    }
                    drop(call);
                    return if opens {
                        Box::pin(shared.sessions().open(serving, head, body, caller)).await
                    } else {
                        Box::pin(shared.sessions().handle(&serving, head, body, caller)).await
                    };
                }
                stateless::answer(shared, &serving, &head, &call, caller)
                    .await
                    .unwrap_or_else(|refusal| refuse(step_up(&serving, refusal), Some(call.id)))
            }
            _ if in_session && !is_modern(&head.headers) => {
                Box::pin(shared.sessions().handle(&serving, head, body, caller)).await
            }
            Message::Notification { method } => match stateless::notified(&head.headers, &method) {
                Ok(()) => status(StatusCode::ACCEPTED),
                Err(refusal) => refuse(refusal, None),
            },
            Message::Response => {
                let message = "no request of this server waits for an answer";
                refuse(Refusal::new(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, message), None)
            }
        }
    }

    #[cfg(feature = "endpoints")]
    async fn custom<B>(&self, request: Request<B>, origin: Option<HeaderValue>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes>,
    {
        let live = &self.0.live;
        let (head, body) = request.into_parts();
        if let Some(origin) = &origin
            && let Some(preflight) = cors::preflight(&head, origin, cors::METHODS_BESIDE)
        {
            return preflight;
        }
        let request = Request::from_parts(head, body);
        let response = crate::endpoints::serve(live, &live.config().endpoints, request).await;
        match origin {
            Some(origin) => cors::allow(response, origin),
            None => response,
        }
    }

    async fn route<B>(&self, mut request: Request<B>, origin: Option<HeaderValue>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
    {
        request.extensions_mut().insert(CurrentAuthenticator(self.0.live.front().authenticator.clone()));
        request.extensions_mut().insert(self.clone());
        cors::routed(self.0.config().routes.clone(), request, origin).await
    }
}

async fn authenticate(front: &Front, head: &Parts) -> Result<Arc<Principal>, Refusal> {
    let outcome = match front.authenticator.authenticate(head) {
        Authentication::Ready(outcome) => outcome,
        Authentication::Pending(outcome) => outcome.await,
    };
    outcome.map_err(|challenge| challenge.refusal())
}

/// The server of this caller.
async fn find(
    front: Arc<Front>,
    servers: &dyn Servers,
    head: &Parts,
    principal: &Arc<Principal>,
    context: &SessionContext,
) -> Result<Serving, Refusal> {
    let extras = Extras::of(head, servers.extras())?;
    let caller = TenantContext::new(principal.clone()).with_extras(extras).with_context(context.clone());
    Front::serve(front, servers, caller).await.map_err(|error| error.refusal(principal))
}

/// What the server has to say of the caller before anything is read.
async fn admit(
    serving: &Serving,
    principal: Arc<Principal>,
    part: Option<Arc<str>>,
    context: SessionContext,
) -> Result<Admitted, Refusal> {
    let grant = match serving.server.admit(&principal) {
        None => None,
        Some(deciding) => {
            let id = CallId::next();
            let refused = |error: Error| Refusal::of(&error, id, Version::V2026_07_28);
            let decided = AssertUnwindSafe(deciding).catch_unwind().await.map_err(|_panic| {
                tracing::error!(request = %id, "whether a caller is admitted ended in a panic");
                Refusal::internal(id)
            })?;
            Some(decided.map_err(refused)?)
        }
    };
    let caller = Admitted { principal, part, grant, context };
    if let Some(part) = &caller.part
        && !serving.server.has_part(&caller.clone().into(), part)
    {
        let message = "there is nothing for you at this path";
        return Err(Refusal::new(StatusCode::NOT_FOUND, code::INVALID_REQUEST, message));
    }
    Ok(caller)
}

/// `initialize`, as far as it has to be readable.
#[derive(serde::Deserialize)]
struct Opening {
    #[serde(rename = "params")]
    _params: rmcp::model::InitializeRequestParams,
}

/// Put into requests of other routes: they come unauthenticated, and some ask who it is.
#[derive(Clone)]
pub(crate) struct CurrentAuthenticator(pub(crate) Arc<dyn Authenticator>);

/// A call that the caller's scopes don't allow, known before it begins.
fn lacks_scope(serving: &Serving, call: &Call<'_>, principal: &Principal) -> Option<Refusal> {
    let name = call.params.name.as_deref().filter(|_| call.method == "tools/call")?;
    let scopes = serving.server.required_scopes(&serving.server.called_tool(name, call.params.arguments));
    if scopes.iter().all(|scope| principal.scopes.allow(scope)) {
        return None;
    }
    let error = Error::InsufficientScope { scopes: scopes.into_owned() };
    Some(Refusal::of(&error, CallId::next(), Version::V2025_11_25))
}

/// Leads a client that lacks a scope to where it gets a token with it.
fn step_up(serving: &Serving, mut refusal: Refusal) -> Refusal {
    let scopes =
        refusal.data.as_ref().filter(|_| refusal.status == StatusCode::FORBIDDEN).and_then(|data| data.get("scopes"));
    if let (Some(scopes), Some(resource)) = (scopes, serving.front().authenticator.protected_resource()) {
        let scopes: Vec<String> =
            scopes.as_array().into_iter().flatten().filter_map(|it| it.as_str().map(str::to_owned)).collect();
        refusal.headers.retain(|(name, _)| *name != WWW_AUTHENTICATE);
        refusal.headers.push((WWW_AUTHENTICATE, resource.insufficient_scope(&scopes)));
    }
    refusal
}

fn names_version(call: &Call<'_>) -> bool {
    call.params.meta.as_ref().is_some_and(|meta| meta.protocol_version.is_some())
}

fn is_modern(headers: &HeaderMap) -> bool {
    headers
        .get(PROTOCOL_VERSION)
        .and_then(|version| version.to_str().ok())
        // An unknown version is told so by the path that knows about versions.
        .is_some_and(|version| Version::parse(version).is_none_or(Version::is_modern))
}

fn is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_json = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        let essence = value.split_once(';').map_or(value, |(essence, _)| essence);
        essence.trim().eq_ignore_ascii_case("application/json")
    });
    if is_json {
        return Ok(());
    }
    let message = "`Content-Type` must be application/json";
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code::INVALID_REQUEST, message))
}

/// What the client can read. Clients should name both types; some send `*/*` or only one, and are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepts {
    pub(super) json: bool,
    pub(super) events: bool,
}

impl Accepts {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut accepts = Self { json: false, events: false };
        let mut any = false;
        for value in headers.get_all(ACCEPT) {
            any = true;
            for range in value.to_str().unwrap_or_default().split(',') {
                let (range, parameters) = range.split_once(';').unwrap_or((range, ""));
                if matches!(parameters.trim().strip_prefix("q=").map(str::trim), Some("0" | "0.0" | "0.00" | "0.000")) {
                    continue;
                }
                let range = range.trim();
                let is = |name: &str| range.eq_ignore_ascii_case(name);
                accepts.json |= is("application/json") || is("application/*") || is("*/*");
                accepts.events |= is("text/event-stream") || is("text/*") || is("*/*");
            }
        }
        if !any {
            return Ok(Self { json: true, events: true });
        }
        if accepts.json || accepts.events {
            return Ok(accepts);
        }
        let message = "`Accept` must name application/json and text/event-stream";
        Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, code::INVALID_REQUEST, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_as_accept_is_understood() {
        let accepts = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, value.parse().expect("header value"));
            Accepts::of(&headers).ok().map(|accepts| (accepts.json, accepts.events))
        };
        assert_eq!(accepts("application/json, text/event-stream"), Some((true, true)));
        assert_eq!(accepts("text/event-stream;q=0.5,Application/JSON; charset=utf-8"), Some((true, true)));
        assert_eq!(accepts("*/*"), Some((true, true)));
        assert_eq!(accepts("application/json"), Some((true, false)));
        assert_eq!(accepts("text/event-stream"), Some((false, true)));
        assert_eq!(accepts("application/json, text/event-stream;q=0"), Some((true, false)));
        assert_eq!(accepts("text/html"), None);
        assert_eq!(Accepts::of(&HeaderMap::new()).ok(), Some(Accepts { json: true, events: true }));
    }
}
