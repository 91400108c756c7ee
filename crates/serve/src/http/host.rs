//! Many servers at one listener, each under its name: `/servers/<name>/mcp`.
//!
//! Each is a [`Live`] of its own, with its own authentication, limits, sessions and audience. They share connections, the
//! checks of Host and Origin, and the routes beside them. Which server a request means costs one look into a map that no
//! writer locks; a server that nobody calls costs what it is made of and little more.

mod config;
pub(super) mod conversations;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use axum::body::HttpBody;
use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderValue, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::config::HostConfig;
use self::conversations::{Conversation, Conversations, Listed};
use super::{
    Body, ConfigError, Endpoint, ServeError, Summary,
    body::{json, refuse},
    connections, cors,
    endpoint::HEALTH,
    guard::Guard,
    large::LargeBodies,
    shares::Addresses,
    site::Sockets,
};
use crate::{
    CallContext, ClientSupport, Error, Live, Peer, SessionContext, TenantContext, ToolResult, auth::WELL_KNOWN, call,
    sharded::Sharded,
};

/// Clones share everything.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    config: HostConfig,
    guard: Guard,
    mounts: Sharded<Arc<str>, Arc<Mounted>>,
    changing: Mutex<Changing>,
    conversations: Arc<Conversations>,
    /// Servers that are not mounted any more, and whose calls still run.
    draining: TaskTracker,
    /// Ends listen streams, of all servers.
    stopping: CancellationToken,
    large: Arc<LargeBodies>,
    refusals: OnceLock<RefusalObserver>,
}

type RefusalObserver = Box<dyn Fn(&str, StatusCode) + Send + Sync>;

/// Locked by whoever mounts, unmounts or begins to listen; by no request.
#[derive(Default)]
struct Changing {
    addresses: Vec<SocketAddr>,
    /// Servers are told apart by it even if they follow each other under one name.
    numbers: u64,
}

struct Mounted {
    name: Arc<str>,
    number: u64,
    endpoint: Endpoint,
    /// Nothing of it answers any more, and what still ran is dropped.
    cut: CancellationToken,
}

/// Why a server can't be mounted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    #[error("`{name}` can't be part of a path; use letters, digits, `-`, `_` and `.`")]
    Name { name: String },
    #[error("a server is mounted as `{name}` already")]
    Taken { name: String },
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// How a server went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unmounted {
    /// Calls that did not end in time.
    pub forced: usize,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("config", &self.0.config).field("servers", &self.len()).finish_non_exhaustive()
    }
}

impl Host {
    pub fn new(config: HostConfig) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self(Arc::new(Inner {
            guard: Guard::new(&config.allowed_hosts, &config.allowed_origins)?,
            config,
            mounts: Sharded::new(),
            changing: Mutex::default(),
            conversations: Arc::default(),
            draining: TaskTracker::new(),
            stopping: CancellationToken::new(),
            large: Arc::default(),
            refusals: OnceLock::new(),
        })))
    }

    /// From now on `live` answers under this name. Of its [`Config`](super::Config), what is about connections, hosts,
    /// origins and routes is the host's business.
    pub fn mount(&self, name: &str, live: Live) -> Result<(), MountError> {
        check_name(name)?;
        self.mount_as(name.into(), live)
    }

    fn mount_as(&self, name: Arc<str>, live: Live) -> Result<(), MountError> {
        let mut changing = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_mounted(&name) {
            return Err(MountError::Taken { name: name.trim_start_matches('/').to_owned() });
        }
        for address in &changing.addresses {
            live.serve_at(*address)?;
        }
        changing.numbers += 1;
        let endpoint = Endpoint::hosted(live, self.0.stopping.child_token(), self.0.large.clone());
        let cut = CancellationToken::new();
        let mounted = Arc::new(Mounted { name: name.clone(), number: changing.numbers, endpoint, cut });
        self.0.mounts.change([(name, mounted)], []);
        Ok(())
    }

    /// The same for a server of the host's own, beside those below [`HostConfig::path`]: at `/<name>` and what its
    /// [`Config::path`](super::Config::path) adds, before the routes.
    pub fn mount_own(&self, name: &str, live: Live) -> Result<(), MountError> {
        check_name(name)?;
        self.mount_as(own(name), live)
    }

    /// Is told of whoever is turned away from a server: its name, and 401 or 403. It must not wait. Only the first counts.
    pub fn observe_refusals(&self, observer: impl Fn(&str, StatusCode) + Send + Sync + 'static) {
        let _ = self.0.refusals.set(Box::new(observer));
    }

    /// From now on nothing answers under this name. Listen streams end at once, sessions when no call runs any more, and
    /// what still runs after `grace` is cut; the future tells how that went, and it goes on when nobody waits for it.
    /// `None` where nothing was mounted.
    pub fn unmount(&self, name: &str, grace: Duration) -> Option<impl Future<Output = Unmounted> + Send + use<>> {
        let changing = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mounted = self.0.mounts.with(name, Arc::clone)?;
        self.0.mounts.change([], [name.into()]);
        drop(changing);
        let drained = self.0.draining.spawn(mounted.drain(self.0.conversations.clone(), grace));
        Some(async { drained.await.unwrap_or(Unmounted { forced: 0 }) })
    }

    /// Calls a tool of the server of this name from inside this process, as the principal of `cx`, whom the embedding program
    /// vouches for: past its authentication, within its limits and layers. `None` where nothing is mounted, or not any more
    /// when the grace of its calls was over.
    pub async fn call_tool(
        &self,
        name: &str,
        cx: CallContext,
        tool: &str,
        arguments: Map<String, Value>,
    ) -> Option<Result<ToolResult, Error>> {
        let mounted = self.0.mounts.with(name, Arc::clone)?;
        // There is no connection that could be cut.
        tokio::select! {
            biased;
            () = mounted.cut.cancelled() => None,
            outcome = mounted.call_tool(cx, tool, arguments) => Some(outcome),
        }
    }

    /// Of the endpoint of a server that has this name, without what its [`Config::path`](super::Config::path) adds.
    #[must_use]
    pub fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.0.config.path)
    }

    #[must_use]
    pub fn is_mounted(&self, name: &str) -> bool {
        self.0.mounts.with(name, |_| ()).is_some()
    }

    /// Servers that are mounted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.mounts.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Serves until `shutdown` ends, then stops accepting, ends listen streams and sessions and waits for the calls that
    /// run, at most [`HostConfig::drain`]. What is mounted stays mounted.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Summary, ServeError> {
        let address = listener.local_addr().map_err(ServeError::Listener)?;
        {
            let mut changing = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
            for mounted in self.0.mounts.values() {
                mounted.endpoint.shared().live.serve_at(address)?;
            }
            changing.addresses.push(address);
        }
        Ok(connections::run(self.clone(), listener, shutdown).await)
    }

    pub(super) async fn handle<B>(
        &self,
        mut request: Request<B>,
        local: Option<IpAddr>,
        peer: Peer,
        conversation: &Conversation,
    ) -> Response<Body>
    where
        B: HttpBody<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
    {
        let path = request.uri().path();
        // Probes come by address, and learn nothing.
        if path == HEALTH && request.method() == Method::GET {
            return json(br#"{"status":"ok"}"#.to_vec());
        }
        let origin = match self.0.guard.check(request.uri(), request.headers(), local) {
            Ok(origin) => origin.cloned(),
            Err(refusal) => return refuse(refusal, None),
        };
        if let Some((name, below)) = self.below(path) {
            let found = self.0.mounts.with(name, Arc::clone);
            let Some((part, mounted)) = found.and_then(|it| Some((it.endpoint.at(below)?, it))) else {
                return unknown();
            };
            let name = mounted.name.clone();
            let response = mounted.answer(request, part, origin, peer, conversation).await;
            if let StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN = response.status()
                && let Some(observer) = self.0.refusals.get()
            {
                observer(&name, response.status());
            }
            return response;
        }
        if let Some((mounted, below)) = self.own_below(path)
            && let Some(part) = mounted.endpoint.at(below)
        {
            return mounted.answer(request, part, origin, peer, conversation).await;
        }
        conversation.leave();
        if let Some(hosted) = path.strip_prefix(WELL_KNOWN)
            && let Some((name, below)) = self.below(hosted)
        {
            let found = self.0.mounts.with(name, Arc::clone).filter(|it| it.endpoint.at(below) == Some(None));
            let document = found.and_then(|it| it.endpoint.protected_resource(&request, Some(hosted), origin.as_ref()));
            return document.unwrap_or_else(unknown);
        }
        request.extensions_mut().insert(peer);
        Box::pin(cors::routed(self.0.config.routes.clone(), request, origin)).await
    }

    /// What is asked of a server of the host's own.
    fn own_below<'a>(&self, path: &'a str) -> Option<(Arc<Mounted>, &'a str)> {
        let end = path.get(1..)?.find('/')? + 1;
        let (name, below) = path.split_at(end);
        Some((self.0.mounts.with(name, Arc::clone)?, below))
    }

    /// Name and path of `/servers/<name>/mcp`. All that begins like this is the host's own.
    fn below<'a>(&self, path: &'a str) -> Option<(&'a str, &'a str)> {
        let rest = path.strip_prefix(&*self.0.config.path)?.strip_prefix('/')?;
        Some(rest.split_at(rest.find('/').unwrap_or(rest.len())))
    }

    pub(super) fn addresses(&self) -> Addresses {
        Addresses::new(self.0.config.max_connections_per_address, self.0.config.proxies.clone())
    }

    pub(super) fn sockets(&self) -> Sockets {
        let &HostConfig { max_connections, head_timeout, write_timeout, drain, .. } = &self.0.config;
        Sockets { max_connections, head_timeout, write_timeout, drain }
    }

    pub(super) fn list(&self, conversation: Arc<Conversation>) -> Listed {
        self.0.conversations.list(conversation)
    }

    pub(super) fn end_streams(&self) {
        self.0.stopping.cancel();
    }

    pub(super) async fn idle(&self) {
        self.0.draining.close();
        let calls = self.0.mounts.values().map(|mounted| async move { mounted.endpoint.shared().idle().await });
        join_all(calls).await;
        self.0.draining.wait().await;
    }

    pub(super) fn end_sessions(&self) {
        self.0.mounts.values().for_each(|mounted| mounted.endpoint.shared().end_sessions());
    }
}

impl Mounted {
    async fn answer<B>(
        &self,
        mut request: Request<B>,
        part: Option<Arc<str>>,
        origin: Option<HeaderValue>,
        peer: Peer,
        conversation: &Conversation,
    ) -> Response<Body>
    where
        B: HttpBody<Data = Bytes>,
    {
        if self.endpoint.shared().live.reads_peer() {
            request.extensions_mut().insert(peer);
        }
        conversation.arrive(self.number);
        // It may have been cut between the look and the arrival.
        if self.cut.is_cancelled() {
            return unknown();
        }
        let response = self.endpoint.answer(request, part, origin).await;
        if response.body().is_whole() {
            conversation.leave();
        }
        response
    }

    /// What the caller has elsewhere, a session, a task or a context, is not this server's.
    async fn call_tool(&self, cx: CallContext, tool: &str, arguments: Map<String, Value>) -> Result<ToolResult, Error> {
        let caller = || TenantContext::new(cx.principal.clone());
        let serving = self.endpoint.shared().live.serving(caller).await;
        let serving = serving.map_err(|error| Error::Internal { source: error.into() })?;
        let grant = match serving.server.admit(&cx.principal) {
            None => None,
            Some(deciding) => Some(deciding.await?),
        };
        let (client, context) = (ClientSupport::default(), SessionContext::default());
        let cx = CallContext { session: None, part: None, grant, client, context, ..cx };
        let _permit = serving.enter(&cx.principal)?;
        call::call_tool(&serving, &cx, tool, arguments).await
    }

    async fn drain(self: Arc<Self>, conversations: Arc<Conversations>, grace: Duration) -> Unmounted {
        let shared = self.endpoint.shared();
        shared.stopping.cancel();
        let mut forced = 0;
        if tokio::time::timeout(grace, shared.idle()).await.is_err() {
            forced = shared.live.front().gate.running();
            self.cut.cancel();
            conversations.cut(self.number);
        }
        // Whoever found it before it was unmounted may come after its last call.
        self.cut.cancel();
        shared.end_sessions();
        // What was cut is dropped by the tasks it ran on.
        shared.live.front().gate.idle().await;
        Unmounted { forced }
    }
}

fn check_name(name: &str) -> Result<(), MountError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.starts_with('.') || name.len() > 128 || !name.bytes().all(plain) {
        return Err(MountError::Name { name: name.to_owned() });
    }
    Ok(())
}

/// Under which a server of the host's own is known: no name of another has a slash.
fn own(name: &str) -> Arc<str> {
    format!("/{name}").into()
}

/// The same for a name that never was, one that is gone, and a path that is none of the server's.
fn unknown() -> Response<Body> {
    let mut response =
        json(br#"{"title":"Not Found","status":404,"detail":"nothing is served at this path"}"#.to_vec());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}
