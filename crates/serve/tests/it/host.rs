//! Many servers at one listener.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use http::{Method, request::Parts};
use mcp_serve::{
    ApiKeys, Authentication, Authenticator, CallContext, Error, KeyList, Limits, Live, NoAuthentication, Principal,
    ProtectedResource, Rate,
    http::{Config, ConfigError, Host, HostConfig, MountError, ServeError, Summary, Unmounted},
};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    sessions::{ask, open},
    support::{Events, Reply, Running, TestServer, within},
};

struct Hosting {
    host: Host,
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Result<Summary, ServeError>>,
}

const LONG: Duration = Duration::from_secs(60);

impl Hosting {
    async fn with(config: HostConfig) -> Self {
        let host = Host::new(config).expect("a host");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        let task = tokio::spawn({
            let (host, stop) = (host.clone(), stop.clone());
            async move { host.serve(listener, stop.cancelled()).await }
        });
        Self { host, address, stop, task }
    }

    async fn start() -> Self {
        Self::with(HostConfig::default()).await
    }

    fn mount(&self, name: &str, authenticator: impl Authenticator) -> Arc<TestServer> {
        let server = TestServer::new();
        let live = Live::new(server.clone(), Arc::new(authenticator), Config::default());
        self.host.mount(name, live).expect("mounted");
        server
    }

    fn open(&self, name: &str) -> Arc<TestServer> {
        self.mount(name, NoAuthentication::default())
    }

    fn at(&self, path: &str) -> Running {
        let mut client = Running::reaching(self.address);
        path.clone_into(&mut client.path);
        client
    }

    fn client(&self, name: &str) -> Running {
        self.at(&format!("/servers/{name}/mcp"))
    }

    async fn unmounted(&self, name: &str, grace: Duration) -> Unmounted {
        within(self.host.unmount(name, grace).expect("it was mounted")).await
    }

    async fn stopped(self) -> Summary {
        self.stop.cancel();
        within(self.task).await.expect("no panic").expect("served")
    }
}

fn keys(key: &str) -> ApiKeys {
    ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse(key).expect("a list"))
}

async fn echo(client: &Running, headers: &[(&str, &str)]) -> Reply {
    client.ask(client.modern("tools/call", json!({"name": "echo"}), headers)).await
}

#[tokio::test]
async fn each_server_has_callers_of_its_own_in_both_eras() {
    let hosting = Hosting::start().await;
    let first = hosting.mount("first", keys("key-of-the-first"));
    let second = hosting.mount("second", keys("key-of-the-second"));
    for (name, key, status) in [
        ("first", "key-of-the-first", 200),
        ("first", "key-of-the-second", 401),
        ("second", "key-of-the-second", 200),
        ("second", "key-of-the-first", 401),
    ] {
        let reply = echo(&hosting.client(name), &[("x-api-key", key)]).await;
        assert_eq!(reply.status.as_u16(), status, "{name} {key}");
    }
    let calls = |server: &TestServer| server.calls.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!((calls(&first), calls(&second)), (1, 1));

    let (client, key) = (hosting.client("first"), [("x-api-key", "key-of-the-first")]);
    let (session, _) = open(&client, &key).await;
    ask(&client, &session, &key, "tools/call", json!({"name": "echo"})).await.result();
    // A session is known to the server that opened it, and to no other.
    let other = [("x-api-key", "key-of-the-second")];
    let elsewhere = ask(&hosting.client("second"), &session, &other, "tools/list", json!({})).await;
    assert_eq!(elsewhere.status, 404, "{elsewhere:?}");
}

#[tokio::test]
async fn a_host_has_servers_of_its_own_beside_the_others() {
    let hosting = Hosting::start().await;
    let own = || Live::new(TestServer::new(), Arc::new(keys("key-of-the-host")), Config::default());
    hosting.host.mount_own("factory", own()).expect("mounted");
    // The name is free for somebody's server still.
    hosting.open("factory");
    let key = [("x-api-key", "key-of-the-host")];
    assert_eq!(echo(&hosting.at("/factory/mcp"), &key).await.status, 200);
    assert_eq!(echo(&hosting.at("/factory/mcp"), &[]).await.status, 401);
    assert_eq!(echo(&hosting.client("factory"), &[]).await.status, 200);
    for path in ["/factory", "/factory/", "/factory/other", "/other/mcp"] {
        assert_eq!(echo(&hosting.at(path), &key).await.status, 404, "{path}");
    }
    assert_eq!(hosting.host.mount_own("factory", own()), Err(MountError::Taken { name: "factory".to_owned() }));
    for name in ["", "a/b", ".."] {
        assert!(matches!(hosting.host.mount_own(name, own()), Err(MountError::Name { .. })), "{name}");
    }
    assert_eq!(hosting.stopped().await.forced, 0);
}

/// The embedding program vouches for who it is; everything else is as for a call by HTTP.
#[tokio::test]
async fn a_call_from_inside_has_the_limits_of_its_server() {
    let hosting = Hosting::start().await;
    let rate = Some(Rate { calls: 2, per: Duration::from_secs(60) });
    let config = Config { limits: Limits { rate, ..Limits::default() }, ..Config::default() };
    let server = TestServer::new();
    let live = Live::new(server.clone(), Arc::new(keys("a-long-enough-key")), config);
    hosting.host.mount("shop", live).expect("mounted");
    let call = async |name: &str, caller: &str| {
        let cx = CallContext::new(Principal::trusted(caller));
        within(hosting.host.call_tool(name, cx, "echo", serde_json::Map::new())).await
    };
    assert!(call("never", "alice").await.is_none());
    for _ in 0..2 {
        assert!(matches!(call("shop", "alice").await, Some(Ok(answer)) if !answer.is_error));
    }
    assert!(matches!(call("shop", "alice").await, Some(Err(Error::RateLimited { .. }))));
    assert!(matches!(call("shop", "bob").await, Some(Ok(_))));
    assert_eq!(server.calls.load(std::sync::atomic::Ordering::SeqCst), 3);
}

#[tokio::test]
async fn what_is_not_served_is_not_told_apart() {
    let hosting = Hosting::start().await;
    hosting.mount("there", keys("a-long-enough-key"));
    hosting.open("gone");
    assert_eq!(hosting.unmounted("gone", LONG).await, Unmounted { forced: 0 });
    let mut answers = Vec::new();
    for path in ["/servers/never/mcp", "/servers/gone/mcp", "/servers/there", "/servers/there/other", "/servers/"] {
        let client = hosting.at(path);
        let reply = client.ask(client.modern("tools/list", json!({}), &[("x-api-key", "a-long-enough-key")])).await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (404, "application/problem+json"), "{path}");
        answers.push(reply.text);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn names_are_taken_once_and_are_plain() {
    let hosting = Hosting::start().await;
    hosting.open("a");
    let live = || Live::new(TestServer::new(), Arc::new(NoAuthentication::default()), Config::default());
    assert_eq!(hosting.host.mount("a", live()), Err(MountError::Taken { name: "a".to_owned() }));
    for name in ["", "a/b", "a b", "..", "%61", "ä", "a?b"] {
        assert!(matches!(hosting.host.mount(name, live()), Err(MountError::Name { .. })), "{name}");
    }
    assert!(hosting.host.unmount("b", LONG).is_none());
}

/// Keys, of a server that OAuth clients may find.
#[derive(Debug)]
struct Resource(ApiKeys, ProtectedResource);

impl Authenticator for Resource {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        self.0.authenticate(head)
    }

    fn protected_resource(&self) -> Option<&ProtectedResource> {
        Some(&self.1)
    }
}

/// RFC 9728: each hosted server is a resource of its own.
#[tokio::test]
async fn each_server_is_a_resource_of_its_own() {
    let hosting = Hosting::start().await;
    for name in ["a", "b"] {
        let url = format!("https://mcp.example.com/servers/{name}/mcp").parse().expect("a URL");
        let issuers = ["https://login.example.com".to_owned()];
        let resource = ProtectedResource::new(&url, &issuers, Vec::new(), &[]).expect("a resource");
        hosting.mount(name, Resource(keys("a-long-enough-key"), resource));
    }
    hosting.mount("keys", keys("a-long-enough-key"));
    let document = async |path: &str| {
        let client = hosting.at(&format!("/.well-known/oauth-protected-resource{path}"));
        client.ask(client.request(Method::GET, &[], "")).await
    };
    for name in ["a", "b"] {
        let reply = document(&format!("/servers/{name}/mcp")).await;
        assert_eq!(reply.json()["resource"], format!("https://mcp.example.com/servers/{name}/mcp"));
    }
    for path in ["/servers/keys/mcp", "/servers/never/mcp", "/servers/a/other", "/servers/a", ""] {
        assert_eq!(document(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn routes_and_the_health_check_stand_beside_the_servers() {
    let routes = Router::new().route("/mcp/servers", get(async || "control"));
    let hosting = Hosting::with(HostConfig { routes, ..HostConfig::default() }).await;
    hosting.open("a");
    let get = async |path: &str, headers: &[(&str, &str)]| {
        let client = hosting.at(path);
        client.ask(client.request(Method::GET, headers, "")).await
    };
    assert_eq!(get("/mcp/servers", &[]).await.text, "control");
    assert_eq!(get("/healthz", &[("host", "probe")]).await.status, 200);
    assert_eq!(get("/nothing", &[]).await.status, 404);
    for path in ["/mcp/servers", "/servers/a/mcp"] {
        assert_eq!(get(path, &[("host", "evil.example")]).await.status, 403, "{path}");
        assert_eq!(get(path, &[("origin", "https://evil.example")]).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn a_server_that_is_unmounted_ends_its_calls_streams_and_sessions_first() {
    let hosting = Hosting::start().await;
    let (server, _) = (hosting.open("going"), hosting.open("staying"));
    let (going, staying) = (hosting.client("going"), hosting.client("staying"));
    let listen = json!({"notifications": {"toolsListChanged": true}});
    let mut streams = Vec::new();
    for client in [&going, &staying] {
        let mut events = Events::of(client.send(client.modern("subscriptions/listen", listen.clone(), &[])).await);
        events.next().await.expect("an acknowledgement");
        streams.push(events);
    }
    let (session, _) = open(&going, &[]).await;
    let headers =
        [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-11-25"), ("accept", "text/event-stream")];
    let mut of_session = Events::of(going.send(going.request(Method::GET, &headers, "")).await);
    let call = going.spawn(going.modern("tools/call", json!({"name": "wait"}), &[]));
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "wait"}});
    let in_session = going.spawn(going.post(&headers[..2], body.to_string()));
    server.until_waiting(2).await;

    let unmounted = hosting.host.unmount("going", LONG).expect("it was mounted");
    assert_eq!(echo(&going, &[]).await.status, 404);
    let end = within(streams[0].next()).await.expect("a result");
    assert!(end.get("result").is_some(), "{end}");
    // Its name is free while the old server still answers.
    hosting.open("going");
    assert_eq!(echo(&going, &[]).await.status, 200);
    server.release.notify_waiters();
    for call in [call, in_session] {
        let reply = within(call).await.expect("no panic").expect("an answer");
        assert_eq!(reply.result()["content"][0]["text"], "released");
    }
    assert_eq!(within(unmounted).await, Unmounted { forced: 0 });
    while within(of_session.next()).await.is_some() {}
    assert_eq!(ask(&going, &session, &[], "tools/list", json!({})).await.status, 404);
    assert_eq!(echo(&staying, &[]).await.status, 200);
    assert_eq!(hosting.stopped().await.forced, 0);
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_and_nothing_else() {
    let hosting = Hosting::start().await;
    let (server, other) = (hosting.open("going"), hosting.open("staying"));
    let (going, staying) = (hosting.client("going"), hosting.client("staying"));
    let (session, _) = open(&going, &[]).await;
    let wait = json!({"name": "wait"});
    let call = going.spawn(going.modern("tools/call", wait.clone(), &[]));
    let with_progress = json!({"name": "report-and-wait", "_meta": {"progressToken": 1}});
    let mut streamed = Events::of(going.send(going.modern("tools/call", with_progress, &[])).await);
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": wait.clone()});
    let headers = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-11-25")];
    let _in_session = going.spawn(going.post(&headers, body.to_string()));
    streamed.next().await.expect("progress");
    server.until_waiting(3).await;
    let stays = staying.spawn(staying.modern("tools/call", wait, &[]));
    other.until_waiting(1).await;

    assert_eq!(hosting.unmounted("going", Duration::from_millis(20)).await, Unmounted { forced: 3 });
    server.until_dropped(3).await;
    assert!(within(call).await.expect("no panic").is_none());
    other.release.notify_waiters();
    let reply = within(stays).await.expect("no panic").expect("an answer");
    assert_eq!(reply.result()["content"][0]["text"], "released");
}

/// a call from inside this process has no connection that could be cut; its unmount waited for it without end.
#[tokio::test]
async fn a_call_from_inside_is_cut_like_the_others() {
    let hosting = Hosting::start().await;
    let server = hosting.open("going");
    let call = tokio::spawn({
        let host = hosting.host.clone();
        let cx = CallContext::new(Principal::trusted("alice"));
        async move { host.call_tool("going", cx, "wait", serde_json::Map::new()).await }
    });
    server.until_waiting(1).await;
    assert_eq!(hosting.unmounted("going", Duration::from_millis(20)).await, Unmounted { forced: 1 });
    assert!(within(call).await.expect("no panic").is_none(), "nothing is there any more");
    server.until_dropped(1).await;
}

#[tokio::test]
async fn the_host_ends_when_its_calls_have_ended_those_of_unmounted_servers_too() {
    let hosting = Hosting::start().await;
    let (first, second) = (hosting.open("first"), hosting.open("second"));
    let calls = [("first", &first), ("second", &second)].map(|(name, server)| {
        let client = hosting.client(name);
        (client.spawn(client.modern("tools/call", json!({"name": "wait"}), &[])), server)
    });
    for (_, server) in &calls {
        server.until_waiting(1).await;
    }
    drop(hosting.host.unmount("first", LONG));
    hosting.stop.cancel();
    for (call, server) in calls {
        server.release.notify_waiters();
        within(call).await.expect("no panic").expect("an answer").result();
    }
    let summary = hosting.stopped().await;
    assert_eq!((summary.open, summary.forced), (2, 0));
}

#[tokio::test]
async fn an_open_server_is_not_mounted_where_others_can_reach_it() {
    let host = Host::new(HostConfig::default()).expect("a host");
    let live = || Live::new(TestServer::new(), Arc::new(NoAuthentication::default()), Config::default());
    host.mount("open", live()).expect("nobody listens yet");
    let listener = || async { TcpListener::bind("0.0.0.0:0").await.expect("a port") };
    let refused = host.serve(listener().await, std::future::pending()).await;
    assert!(matches!(refused, Err(ServeError::Config(ConfigError::OpenToOthers { .. }))), "{refused:?}");
    within(host.unmount("open", LONG).expect("mounted")).await;
    let mut serving = std::pin::pin!(host.serve(listener().await, std::future::pending()));
    assert!(futures_util::poll!(serving.as_mut()).is_pending());
    let refused = host.mount("open", live());
    assert!(matches!(refused, Err(MountError::Config(ConfigError::OpenToOthers { .. }))), "{refused:?}");
}

/// Issue 5: 2,000 hosted servers in a process. This is what the host adds to each.
#[tokio::test]
async fn servers_that_nobody_calls_cost_little() {
    const SERVERS: u64 = 2_000;
    let host = Host::new(HostConfig::default()).expect("a host");
    let server = TestServer::new();
    let open: Arc<dyn Authenticator> = Arc::new(NoAuthentication::default());
    let config = Config::default();
    let before = resident();
    for number in 0..SERVERS {
        let live = Live::new(server.clone(), open.clone(), config.clone());
        host.mount(&format!("server-{number}"), live).expect("mounted");
    }
    let each = resident().saturating_sub(before) / SERVERS;
    println!("{each} bytes each");
    assert!(each < 12 * 1024, "{each} bytes each");
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("pages");
    pages * 4_096
}
