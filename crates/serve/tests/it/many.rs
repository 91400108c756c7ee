//! Each caller has a server of its own, found by the credential of each request.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Method;
use mcp_serve::{
    BackOff, BearerTokens, BoxFuture, CallContext, Capabilities, Change, Changes, Error, FactoryError, InstanceMode,
    InstanceOptions, Instances, Listing, Live, Server, ServerFactory, TenantContext, ToolResult, Whose,
    http::Config,
    model::{Implementation, Tool},
    tokens::{Token, TokenRegistry},
};
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, watch};

use crate::{
    sessions,
    support::{Events, Reply, Running, TestServer, within},
};

/// A counter of one owner, which it names in all that it says.
struct Notes {
    implementation: Implementation,
    owner: String,
    generation: usize,
    tools: Arc<Listing<Tool>>,
    changes: Changes,
    count: AtomicUsize,
    world: Arc<World>,
}

/// What all of them tell the test.
#[derive(Default)]
pub struct World {
    pub built: Mutex<HashMap<String, usize>>,
    pub alive: AtomicUsize,
    pub waiting: watch::Sender<usize>,
    /// Calls of `wait` that ever began.
    pub begun: AtomicUsize,
    pub release: Notify,
    pub fails: AtomicBool,
    pub panics: AtomicBool,
    pub hold: Option<Arc<Notify>>,
}

impl World {
    pub fn builds(&self) -> usize {
        self.built.lock().expect("lock").values().sum()
    }

    fn build(self: &Arc<Self>, caller: &TenantContext) -> Arc<dyn Server> {
        let owner = caller.user_id().to_owned();
        let generation = {
            let mut built = self.built.lock().expect("lock");
            let generation = built.entry(owner.clone()).or_default();
            *generation += 1;
            *generation
        };
        self.alive.fetch_add(1, Ordering::SeqCst);
        let schema = json!({"type": "object"}).as_object().expect("object").clone();
        let own = format!("tool_of_{owner}_{generation}");
        let tools = ["count", "whose", "wait", own.as_str()].map(|name| Tool::new(name.to_owned(), "", schema.clone()));
        Arc::new(Notes {
            implementation: Implementation::new(format!("notes of {owner}"), "1"),
            generation,
            tools: Listing::new(tools.to_vec()).expect("tools"),
            changes: Changes::new(),
            count: AtomicUsize::new(0),
            world: self.clone(),
            owner,
        })
    }

    pub fn instances(self: &Arc<Self>, options: InstanceOptions) -> Instances {
        Instances::new(self.factory(), options)
    }

    pub fn factory(self: &Arc<Self>) -> impl ServerFactory + use<> {
        let world = self.clone();
        move |caller: TenantContext| {
            let world = world.clone();
            async move {
                if let Some(hold) = &world.hold {
                    hold.notified().await;
                }
                assert!(!world.panics.load(Ordering::SeqCst), "a bug in the factory");
                let server = world.build(&caller);
                if world.fails.load(Ordering::SeqCst) {
                    return Err(FactoryError::unavailable("the password of the database is hunter2"));
                }
                Ok(server)
            }
        }
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        self.world.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Server for Notes {
    fn implementation(&self) -> &Implementation {
        &self.implementation
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { tools: true, ..Capabilities::default() }
    }

    fn changes(&self) -> Option<&Changes> {
        Some(&self.changes)
    }

    fn tools(&self, _: &CallContext) -> Arc<Listing<Tool>> {
        self.tools.clone()
    }

    fn call_tool<'a>(
        &'a self,
        cx: &'a CallContext,
        name: &'a str,
        _: Map<String, Value>,
    ) -> BoxFuture<'a, Result<ToolResult, Error>> {
        Box::pin(async move {
            // Whoever calls, it is never somebody else's server.
            assert_eq!(cx.principal.id, self.owner);
            match name {
                "count" => Ok(ToolResult::text((self.count.fetch_add(1, Ordering::SeqCst) + 1).to_string())),
                "whose" => Ok(ToolResult::text(format!("{} {}", self.owner, self.generation))),
                "change" => {
                    self.changes.notify(Change::Tools);
                    Ok(ToolResult::text("changed"))
                }
                "wait" => {
                    self.world.begun.fetch_add(1, Ordering::SeqCst);
                    self.world.waiting.send_modify(|waiting| *waiting += 1);
                    let _running = Waiting(&self.world);
                    self.world.release.notified().await;
                    Ok(ToolResult::text(format!("{} {}", self.owner, self.generation)))
                }
                _ => Err(Error::UnknownTool { name: name.to_owned(), suggestion: None }),
            }
        })
    }
}

struct Waiting<'a>(&'a World);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|waiting| *waiting -= 1);
    }
}

pub fn secret(user: &str) -> String {
    format!("secret-of-{user}-which-nobody-guesses")
}

pub fn bearer(user: &str) -> String {
    format!("Bearer {}", secret(user))
}

pub fn registry(users: &[&str]) -> TokenRegistry {
    let registry = TokenRegistry::default();
    for user in users {
        registry.add(Token::new(secret(user)).with_id(*user).with_principal(*user)).expect("a token");
    }
    registry
}

async fn serve(instances: &Instances, registry: &TokenRegistry, config: Config) -> Running {
    let bearer = BearerTokens::new(registry.clone());
    let live = Live::of_many(Arc::new(instances.clone()), Arc::new(bearer), config);
    Running::live(live, TestServer::new()).await
}

async fn call(running: &Running, user: &str, tool: &str) -> Reply {
    let request = running.modern("tools/call", json!({"name": tool}), &[("authorization", &bearer(user))]);
    running.ask(request).await
}

fn text(reply: &Reply) -> String {
    reply.result()["content"][0]["text"].as_str().expect("a text").to_owned()
}

/// S2-5, S2-21, S4-30, T1: on both HTTP paths.
#[tokio::test]
async fn each_caller_counts_alone_and_lists_its_own_tools() {
    let world = Arc::new(World::default());
    let instances = world.instances(InstanceOptions::default());
    let running = serve(&instances, &registry(&["ann", "bob", "cyd"]), Config::default()).await;
    for round in 1..=3 {
        for user in ["ann", "bob", "cyd"] {
            assert_eq!(text(&call(&running, user, "count").await), round.to_string());
        }
    }
    let auth = bearer("bob");
    let (session, opened) = sessions::open(&running, &[("authorization", &auth)]).await;
    assert_eq!(opened.result()["serverInfo"]["name"], "notes of bob");
    let reply = sessions::ask(&running, &session, &[("authorization", &auth)], "tools/list", json!({})).await;
    assert_eq!(reply.result()["tools"][3]["name"], "tool_of_bob_1");
    let reply = running.ask(running.modern("tools/list", json!({}), &[("authorization", &bearer("ann"))])).await;
    assert_eq!(reply.result()["tools"][3]["name"], "tool_of_ann_1");
    assert_eq!(reply.result()["cacheScope"], "private");
    assert_eq!(reply.result()["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "notes of ann");
    assert_eq!(world.builds(), 3);
}

/// W1-5, S4-34.
#[tokio::test]
async fn concurrent_misses_build_one_server() {
    let hold = Arc::new(Notify::new());
    let world = Arc::new(World { hold: Some(hold.clone()), ..World::default() });
    let instances = world.instances(InstanceOptions::default());
    let running = serve(&instances, &registry(&["ann"]), Config::default()).await;
    let request = || running.modern("tools/call", json!({"name": "whose"}), &[("authorization", &bearer("ann"))]);
    let calls: Vec<_> = (0..20).map(|_| running.spawn(request())).collect();
    within(async {
        while instances.stats().misses < 20 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    hold.notify_one();
    for call in calls {
        assert_eq!(text(&within(call).await.expect("no panic").expect("an answer")), "ann 1");
    }
    assert_eq!(world.builds(), 1);
    assert_eq!(instances.stats().builds, 1);
}

/// S4-34, S2-13: told as 503, not remembered, and not tried by each request.
#[tokio::test]
async fn a_factory_that_fails_is_asked_again_but_not_at_once() {
    let world = Arc::new(World::default());
    world.fails.store(true, Ordering::SeqCst);
    let back_off = BackOff { first: Duration::from_secs(3600), most: Duration::from_secs(3600) };
    let instances = world.instances(InstanceOptions { back_off, ..InstanceOptions::default() });
    let running = serve(&instances, &registry(&["ann", "bob"]), Config::default()).await;
    for builds in [1, 2, 2, 2] {
        let reply = call(&running, "ann", "whose").await;
        assert_eq!(reply.error(), (503, 503), "{reply:?}");
        assert!(!reply.header("retry-after").is_empty());
        assert!(!reply.text.contains("hunter2"), "{reply:?}");
        assert_eq!(world.builds(), builds);
    }
    world.fails.store(false, Ordering::SeqCst);
    // The failure of one is none of another, and the first attempt after one failure comes at once.
    assert_eq!(text(&call(&running, "bob", "whose").await), "bob 1");
}

#[tokio::test]
async fn a_factory_that_panics_ends_that_request_only() {
    let world = Arc::new(World::default());
    for mode in [InstanceMode::Cached, InstanceMode::PerRequest] {
        let instances = world.instances(InstanceOptions { mode, ..InstanceOptions::default() });
        let running = serve(&instances, &registry(&["ann"]), Config::default()).await;
        world.panics.store(true, Ordering::SeqCst);
        assert_eq!(call(&running, "ann", "whose").await.error(), (503, 503));
        world.panics.store(false, Ordering::SeqCst);
        assert!(text(&call(&running, "ann", "whose").await).starts_with("ann "));
    }
}

/// S2-42, W1-7: the default of the origin, and nothing stays of it.
#[tokio::test]
async fn a_server_for_each_request_ends_with_it() {
    let world = Arc::new(World::default());
    let options = InstanceOptions { mode: InstanceMode::PerRequest, ..InstanceOptions::default() };
    let instances = world.instances(options);
    let running = serve(&instances, &registry(&["ann"]), Config::default()).await;
    for generation in 1..=3 {
        assert_eq!(text(&call(&running, "ann", "whose").await), format!("ann {generation}"));
        assert_eq!(text(&call(&running, "ann", "count").await).parse::<usize>(), Ok(1));
        world.built.lock().expect("lock").insert("ann".into(), generation);
    }
    assert_eq!(world.alive.load(Ordering::SeqCst), 0);
    assert_eq!(instances.stats().size, 0);
}

/// W1-6, S3-76: what a call runs on stays, over the bound too.
#[tokio::test]
async fn a_server_is_never_let_go_while_a_call_runs_on_it() {
    let world = Arc::new(World::default());
    let instances = world.instances(InstanceOptions { max_instances: 2, ..InstanceOptions::default() });
    let users: Vec<String> = (0..50).map(|user| format!("user-{user}")).collect();
    let names: Vec<&str> = users.iter().map(String::as_str).collect();
    let running = serve(&instances, &registry(&names), Config::default()).await;
    assert_eq!(text(&call(&running, "user-0", "count").await), "1");
    let request = running.modern("tools/call", json!({"name": "wait"}), &[("authorization", &bearer("user-0"))]);
    let waiting = running.spawn(request);
    within(world.waiting.subscribe().wait_for(|waiting| *waiting == 1)).await.expect("runs");
    for user in &names[1..] {
        call(&running, user, "count").await;
    }
    assert!(instances.stats().evictions >= 40, "{:?}", instances.stats());
    assert!(world.alive.load(Ordering::SeqCst) <= 4, "{:?}", instances.stats());
    // The same server, with what it counted.
    assert_eq!(text(&call(&running, "user-0", "count").await), "2");
    world.release.notify_waiters();
    assert_eq!(text(&within(waiting).await.expect("no panic").expect("an answer")), "user-0 1");
}

/// S2-52, S4-39.
#[tokio::test]
async fn idle_servers_and_old_ones_are_let_go() {
    let world = Arc::new(World::default());
    let lifetime = Some(Duration::from_millis(300));
    for options in [
        InstanceOptions { idle: Duration::from_millis(200), ..InstanceOptions::default() },
        InstanceOptions { lifetime, ..InstanceOptions::default() },
    ] {
        let instances = world.instances(options);
        let running = serve(&instances, &registry(&["ann"]), Config::default()).await;
        call(&running, "ann", "count").await;
        assert_eq!(instances.stats().builds, 1);
        within(async {
            while world.alive.load(Ordering::SeqCst) > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!((instances.stats().size, instances.stats().expirations), (0, 1));
        assert_eq!(text(&call(&running, "ann", "count").await), "1");
    }
}

/// T6, S4-35, W3-7: the call ends on the server it began with, the session stays, is told, and sees the next one.
#[tokio::test]
async fn a_renewed_server_is_seen_by_the_next_request_in_sessions_too() {
    let world = Arc::new(World::default());
    let instances = world.instances(InstanceOptions::default());
    let registry = registry(&["ann", "bob"]);
    let running = serve(&instances, &registry, Config::default()).await;
    let auth = bearer("ann");
    let headers = [("authorization", auth.as_str())];
    let (session, _) = sessions::open(&running, &headers).await;
    let stream = {
        let all = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-11-25"), headers[0]];
        running.send(running.request(Method::GET, &[&all[..], &[("accept", "text/event-stream")]].concat(), "")).await
    };
    let mut events = Events::of(stream);
    let listen = json!({"notifications": {"toolsListChanged": true}});
    let mut listening = Events::of(running.send(running.modern("subscriptions/listen", listen, &headers)).await);
    assert_eq!(listening.next().await.expect("an event")["method"], "notifications/subscriptions/acknowledged");
    let waiting = running.spawn(running.modern("tools/call", json!({"name": "wait"}), &headers));
    within(world.waiting.subscribe().wait_for(|waiting| *waiting == 1)).await.expect("runs");

    let principal = mcp_serve::Principal::clone(&mcp_serve::Principal::trusted("ann"));
    instances.invalidate(&principal);
    assert_eq!(events.next().await.expect("an event")["method"], "notifications/tools/list_changed");
    assert_eq!(listening.next().await.expect("an event")["method"], "notifications/tools/list_changed");
    let reply = sessions::ask(&running, &session, &headers, "tools/call", json!({"name": "whose"})).await;
    assert_eq!(text(&reply), "ann 2");
    world.release.notify_waiters();
    assert_eq!(text(&within(waiting).await.expect("no panic").expect("an answer")), "ann 1");
    // What the new server says is heard, too.
    sessions::ask(&running, &session, &headers, "tools/call", json!({"name": "change"})).await;
    assert_eq!(events.next().await.expect("an event")["method"], "notifications/tools/list_changed");
    assert_eq!(text(&call(&running, "bob", "whose").await), "bob 1");
}

/// T3, S4-32, W3-3: also where two tokens are of one principal.
#[tokio::test]
async fn a_session_belongs_to_the_entry_and_survives_another_secret_of_it() {
    let world = Arc::new(World::default());
    let instances = world.instances(InstanceOptions::default());
    let registry = registry(&["ann", "bob"]);
    registry.add(Token::new(secret("second")).with_id("second").with_principal("ann")).expect("a token");
    let running = serve(&instances, &registry, Config::default()).await;
    let (session, _) = sessions::open(&running, &[("authorization", &bearer("ann"))]).await;
    let count = async |auth: &str| {
        sessions::ask(&running, &session, &[("authorization", auth)], "tools/call", json!({"name": "count"})).await
    };
    assert_eq!(text(&count(&bearer("ann")).await), "1");
    for other in ["bob", "second"] {
        assert_eq!(count(&bearer(other)).await.status, 404);
    }
    registry.rotate("ann", secret("ann-two").as_str(), Duration::ZERO).expect("rotated");
    assert_eq!(count(&bearer("ann")).await.status, 401);
    assert_eq!(text(&count(&bearer("ann-two")).await), "2", "the session, and the server behind it, stay");
    registry.remove("ann");
    assert_eq!(count(&bearer("ann-two")).await.status, 401);
}

/// S4-36.
#[tokio::test]
async fn who_is_sent_away_loses_streams_at_once_and_calls_after_the_grace() {
    let world = Arc::new(World::default());
    let instances = world.instances(InstanceOptions::default());
    let registry = registry(&["ann", "bob"]);
    let running = serve(&instances, &registry, Config::default()).await;
    let auth = bearer("ann");
    let headers = [("authorization", auth.as_str())];
    let (session, _) = sessions::open(&running, &headers).await;
    let listen = json!({"notifications": {"toolsListChanged": true}});
    let mut listening = Events::of(running.send(running.modern("subscriptions/listen", listen, &headers)).await);
    listening.next().await.expect("an acknowledgement");
    let alone = running.spawn(running.modern("tools/call", json!({"name": "wait"}), &headers));
    let others =
        running.spawn(running.modern("tools/call", json!({"name": "wait"}), &[("authorization", &bearer("bob"))]));
    let in_session = {
        let all = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-11-25"), headers[0]];
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "wait"}});
        running.spawn(running.post(&all, body.to_string()))
    };
    within(world.waiting.subscribe().wait_for(|waiting| *waiting == 3)).await.expect("run");

    registry.remove("ann");
    let whose = Whose::Token("ann".parse().expect("an id"));
    assert_eq!(within(running.live.end(whose, Duration::from_millis(100))).await, 1);
    assert!(listening.next().await.expect("the end").get("result").is_some());
    assert_eq!(within(alone).await.expect("no panic").expect("an answer").status, 403);
    let _ = within(in_session).await.expect("no panic");
    within(world.waiting.subscribe().wait_for(|waiting| *waiting == 1)).await.expect("bob's runs");
    let reply = sessions::ask(&running, &session, &headers, "tools/list", json!({})).await;
    assert_eq!(reply.status, 401);
    world.release.notify_waiters();
    assert_eq!(text(&within(others).await.expect("no panic").expect("an answer")), "bob 1");
}

/// T10: what a caller may do is part of what it gets.
#[tokio::test]
async fn other_scopes_are_another_server_from_the_next_request_on() {
    let world = Arc::new(World::default());
    let instances = world.instances(InstanceOptions::default());
    let registry = registry(&["ann"]);
    let running = serve(&instances, &registry, Config::default()).await;
    assert_eq!(text(&call(&running, "ann", "whose").await), "ann 1");
    let scopes = mcp_serve::Scopes::Only(["read".to_owned()].into());
    registry.update("ann", |record| Arc::make_mut(&mut record.principal).scopes = scopes).expect("updated");
    assert_eq!(text(&call(&running, "ann", "whose").await), "ann 2");
}

/// S2-44: one caller, its own server, found anew with each request.
#[tokio::test]
async fn on_stdio_the_callers_server_is_found_too() {
    let world = Arc::new(World::default());
    let instances = world.instances(InstanceOptions::default());
    let nobody = BearerTokens::new(TokenRegistry::default());
    let live = Live::of_many(Arc::new(instances.clone()), Arc::new(nobody), Config::default());
    let (input, server_input) = tokio::io::duplex(1 << 16);
    let (server_output, output) = tokio::io::duplex(1 << 16);
    let ann = mcp_serve::Principal::trusted("ann");
    let principal = ann.clone();
    let served = tokio::spawn(async move {
        mcp_serve::stdio::serve_live_on(live, principal, server_input, server_output, std::future::pending()).await
    });
    let client = within(rmcp::ServiceExt::serve((), (output, input))).await.expect("connects");
    assert_eq!(client.peer_info().expect("info").server_info.as_ref().map(|it| &*it.name), Some("notes of ann"));
    for generation in ["ann 1", "ann 2"] {
        let result = within(client.call_tool(rmcp::model::CallToolRequestParams::new("whose"))).await.expect("answers");
        let result = serde_json::to_value(&result).expect("JSON");
        assert_eq!(result["content"][0]["text"], generation);
        instances.invalidate(&ann);
    }
    within(client.cancel()).await.expect("closed");
    within(served).await.expect("no panic").expect("ended well");
}

/// Routes of the embedding program know their caller the same way.
#[tokio::test]
async fn a_route_that_asks_who_calls_answers_nobody_else() {
    async fn me(mcp_serve::http::Caller(principal): mcp_serve::http::Caller) -> String {
        principal.id.clone()
    }
    let routes = axum::Router::new().route("/me", axum::routing::get(me));
    let instances = Arc::new(World::default()).instances(InstanceOptions::default());
    let running = serve(&instances, &registry(&["ann"]), Config { routes, ..Config::default() }).await;
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = running.request(Method::GET, headers, "");
        *request.uri_mut() = "/me".parse().expect("a path");
        running.ask(request).await
    };
    let known = ask(&[("authorization", &bearer("ann"))]).await;
    assert_eq!((known.status.as_u16(), known.text.as_str()), (200, "ann"));
    for headers in [&[][..], &[("authorization", "Bearer nobody's-secret-at-all")]] {
        let refused = ask(headers).await;
        assert_eq!(refused.status, 401);
        assert!(refused.header("www-authenticate").starts_with("Bearer "), "{refused:?}");
    }
}

/// with a server for each request, a caller who was out of calls had servers made all the same, and tokens asked for.
#[tokio::test]
async fn nothing_is_made_for_who_may_not_call_now() {
    let world = Arc::new(World::default());
    let instances = world.instances(InstanceOptions { mode: InstanceMode::PerRequest, ..InstanceOptions::default() });
    let registry = TokenRegistry::default();
    for user in ["alice", "bob"] {
        let token = Token::new(format!("a-secret-that-nobody-guesses-{user}")).with_id(user).with_principal(user);
        registry.add(token).expect("a token");
    }
    let rate = mcp_serve::Rate { calls: 2, per: Duration::from_secs(3_600) };
    let config = Config { limits: mcp_serve::Limits { rate: Some(rate), concurrency: None }, ..Config::default() };
    let live = Live::of_many(Arc::new(instances), Arc::new(BearerTokens::new(registry)), config);
    let running = Running::live(live, TestServer::new()).await;
    let call = async |user: &str| {
        let bearer = format!("Bearer a-secret-that-nobody-guesses-{user}");
        let request = running.modern("tools/call", json!({"name": "count"}), &[("authorization", &bearer)]);
        running.ask(request).await
    };
    for _ in 0..2 {
        call("alice").await.result();
    }
    for _ in 0..5 {
        let refused = call("alice").await;
        assert_eq!(refused.error(), (429, 429));
        assert!(refused.header("retry-after").parse::<u64>().expect("seconds") > 1_000);
    }
    assert_eq!(world.builds(), 2);
    call("bob").await.result();
}
