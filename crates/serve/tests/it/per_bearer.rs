//! A server for each bearer token, through HTTP in both eras. Names of requirements are REQUIREMENTS.md's.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, SystemTime},
};

use http::Method;
use mcp_serve::{
    BoxFuture, CallContext, Capabilities, Error, FactoryError, InstanceOptions, Limits, Listing, Rate, Server,
    ServerFactory, TenantContext, ToolResult,
    model::{Implementation, JsonObject, Tool},
    per_bearer::create_per_bearer_mcp_server,
    per_bearer::{Event, EventStream, OAuth, Options, PerBearerBuilder, PerBearerError, PerBearerServer},
    tokens::{MemoryTokens, SharedTokens, Token, TokenRegistry},
};
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, watch};

use crate::{
    sessions::{ask, open},
    support::{Events, Logged, Running, within},
};

/// A server of some name, with a tool of that name; `wait` waits for its release.
struct Small {
    implementation: Implementation,
    tools: Arc<Listing<Tool>>,
    calls: Arc<Calls>,
}

#[derive(Default)]
struct Calls {
    waiting: watch::Sender<usize>,
    release: Notify,
}

impl Calls {
    async fn until_waiting(&self, calls: usize) {
        within(self.waiting.subscribe().wait_for(|waiting| *waiting == calls)).await.expect("it lives");
    }
}

impl Server for Small {
    fn implementation(&self) -> &Implementation {
        &self.implementation
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { tools: true, ..Capabilities::default() }
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
        struct Waiting<'a>(&'a watch::Sender<usize>);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.send_modify(|waiting| *waiting -= 1);
            }
        }
        Box::pin(async move {
            match name {
                "wait" => {
                    self.calls.waiting.send_modify(|waiting| *waiting += 1);
                    let _waiting = Waiting(&self.calls.waiting);
                    self.calls.release.notified().await;
                }
                "panic" => panic!("a bug in a tool"),
                name if name == self.implementation.name => {}
                _ => return Err(Error::UnknownTool { name: name.to_owned(), suggestion: None }),
            }
            Ok(ToolResult::text(format!("{} for {}", self.implementation.name, cx.principal.id)))
        })
    }
}

fn small(name: &str, calls: &Arc<Calls>) -> Arc<dyn Server> {
    let tools = [name, "wait", "panic"].map(|name| Tool::new(name.to_owned(), "a tool", JsonObject::new()));
    Arc::new(Small {
        implementation: Implementation::new(name, "1.0.0"),
        tools: Listing::new(tools.to_vec()).expect("tools"),
        calls: calls.clone(),
    })
}

fn factory(name: &'static str) -> impl ServerFactory {
    waiting_factory(name, &Arc::default())
}

fn waiting_factory(name: &'static str, calls: &Arc<Calls>) -> impl ServerFactory + use<> {
    let calls = calls.clone();
    move |_: TenantContext| {
        let server = small(name, &calls);
        async move { Ok::<_, FactoryError>(server) }
    }
}

fn builder() -> PerBearerBuilder {
    create_per_bearer_mcp_server(Options::default())
}

fn alice_and_bob() -> PerBearerBuilder {
    builder()
        .add_token(Token::new(ALICE).with_id("alice"), factory("math"))
        .add_token(Token::new(BOB).with_id("bob"), factory("time"))
}

const ALICE: &str = "secret-a";
const BOB: &str = "secret-b";

async fn started(builder: PerBearerBuilder) -> (PerBearerServer, Running, EventStream) {
    let server = builder.build().expect("good tokens");
    let events = server.events();
    let info = server.start().await.expect("a free port");
    let client = Running::reaching(format!("127.0.0.1:{}", info.port).parse().expect("an address"));
    (server, client, events)
}

fn bearer(secret: &str) -> String {
    format!("Bearer {secret}")
}

/// The name of the server that answers, or the status.
async fn called(client: &Running, secret: &str, tool: &str) -> Result<String, u16> {
    let bearer = bearer(secret);
    let request = client.modern("tools/call", json!({ "name": tool }), &[("authorization", &bearer)]);
    let reply = client.ask(request).await;
    if reply.status != 200 || reply.json().get("error").is_some() {
        return Err(reply.status.as_u16());
    }
    Ok(reply.result()["content"][0]["text"].as_str().expect("text").to_owned())
}

async fn tools(client: &Running, secret: &str) -> Vec<String> {
    let bearer = bearer(secret);
    let list = client.ask(client.modern("tools/list", json!({}), &[("authorization", &bearer)])).await.result();
    let name = |tool: &Value| tool["name"].as_str().expect("a name").to_owned();
    list["tools"].as_array().expect("tools").iter().map(name).collect()
}

async fn next(events: &mut EventStream, name: &str) -> Value {
    within(async {
        loop {
            let event = events.recv().await.expect("the server lives");
            if event.name() == name {
                let json = serde_json::to_value(&*event).expect("JSON");
                assert_eq!(json["event"], name);
                return json["payload"].clone();
            }
        }
    })
    .await
}

// S4-2, S4-30
#[tokio::test]
async fn each_token_has_tools_of_its_own_at_one_endpoint() {
    let (_server, client, _) = started(alice_and_bob()).await;
    assert_eq!(tools(&client, ALICE).await, ["math", "wait", "panic"]);
    assert_eq!(tools(&client, BOB).await, ["time", "wait", "panic"]);
    assert_eq!(called(&client, ALICE, "math").await, Ok("math for alice".to_owned()));
    assert!(called(&client, ALICE, "time").await.is_err(), "another's tool is unknown");
    let headers = bearer(BOB);
    let (session, _) = open(&client, &[("authorization", &headers)]).await;
    let call = ask(&client, &session, &[("authorization", &headers)], "tools/call", json!({"name": "time"})).await;
    assert_eq!(call.result()["content"][0]["text"], "time for bob");
}

// S4-1, S4-4, S4-5, S4-6, S4-11, S4-41
#[tokio::test]
async fn a_server_starts_and_stops_and_says_where_it_is() {
    let server = builder().build().expect("nothing is wrong");
    assert_eq!((server.is_running(), server.get_server_info()), (false, None));
    assert_eq!(server.stop().await.expect_err("it does not run").to_string(), "Server is not running");
    let info = server.start().await.expect("starts without tokens");
    assert_ne!(info.port, 0);
    assert_eq!(info.url, format!("http://127.0.0.1:{}/mcp", info.port));
    assert_eq!((info.host.as_str(), info.endpoint.as_str()), ("127.0.0.1", "/mcp"));
    assert_eq!(server.get_server_info(), Some(info.clone()));
    assert_eq!(server.start().await.expect_err("it runs").to_string(), "Server is already running");
    let client = Running::reaching(format!("127.0.0.1:{}", info.port).parse().expect("an address"));
    assert_eq!(called(&client, "late", "math").await, Err(401));
    let id = server.add_token("late", factory("math")).expect("added");
    assert_eq!(called(&client, "late", "math").await, Ok(format!("math for {id}")));
    server.stop().await.expect("it runs");
    assert!(!server.is_running());
    assert!(tokio::net::TcpStream::connect(client.address).await.is_err(), "the port is free");
    server.start().await.expect("once more");
}

// T3, S4-32, W3-3
#[tokio::test]
async fn t3_a_token_with_the_session_of_another_finds_nothing() {
    let (_server, client, _) = started(alice_and_bob()).await;
    let (alice, bob) = (bearer(ALICE), bearer(BOB));
    let (session, _) = open(&client, &[("authorization", &bob)]).await;
    for method in ["tools/list", "ping"] {
        let reply = ask(&client, &session, &[("authorization", &alice)], method, json!({})).await;
        assert_eq!(reply.error().0, 404);
    }
    ask(&client, &session, &[("authorization", &bob)], "ping", json!({})).await.result();
}

// I3: a session is its token's, whichever of its secrets is used.
#[tokio::test]
async fn a_session_outlives_the_rotation_of_its_secret() {
    let (server, client, _) = started(alice_and_bob()).await;
    let (old, new) = (bearer(ALICE), bearer("secret-a2"));
    let (session, _) = open(&client, &[("authorization", &old)]).await;
    server.rotate_token("alice", "secret-a2", Duration::ZERO).expect("good").expect("known");
    assert_eq!(ask(&client, &session, &[("authorization", &old)], "ping", json!({})).await.status, 401);
    ask(&client, &session, &[("authorization", &new)], "ping", json!({})).await.result();
}

// T4, S4-31, W3-2
#[tokio::test]
async fn t4_a_wrong_token_is_401_with_a_challenge_of_one_shape() {
    let expired = Token::new("secret-old").expires_at(SystemTime::now() - Duration::from_secs(60));
    let (server, client, _) = started(alice_and_bob().add_token(expired, factory("old"))).await;
    server.remove_token("bob").expect("known");
    let mut bodies = Vec::new();
    for secret in [BOB, "secret-x", "secret-old"] {
        for era in ["modern", "older"] {
            let bearer = bearer(secret);
            let headers = [("authorization", bearer.as_str())];
            let reply = match era {
                "modern" => client.ask(client.modern("tools/list", json!({}), &headers)).await,
                _ => ask(&client, "some-session", &headers, "tools/list", json!({})).await,
            };
            assert_eq!(reply.status, 401);
            assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"mcp\", error=\"invalid_token\"");
            bodies.push(reply.text);
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "unknown, removed and expired look the same: {bodies:?}");
    for (header, challenge) in [("", "Bearer realm=\"mcp\""), ("Basic dXNlcg==", "Bearer realm=\"mcp\"")] {
        let reply = client.ask(client.modern("tools/list", json!({}), &[("authorization", header)])).await;
        assert_eq!((reply.status.as_u16(), reply.header("www-authenticate")), (401, challenge));
    }
}

// T5, S4-33, W3-4
#[tokio::test]
async fn t5_many_clients_of_one_token_all_work() {
    let made = Arc::new(AtomicUsize::new(0));
    let counting = {
        let (made, calls) = (made.clone(), Arc::default());
        move |_: TenantContext| {
            made.fetch_add(1, SeqCst);
            let server = small("math", &calls);
            async move {
                tokio::task::yield_now().await;
                Ok::<_, FactoryError>(server)
            }
        }
    };
    let (server, client, _) = started(builder().add_token(ALICE, counting)).await;
    let bearer = bearer(ALICE);
    let headers = [("authorization", bearer.as_str())];
    let request = || client.modern("tools/call", json!({"name": "math"}), &headers);
    let answers: Vec<_> = (0..20).map(|_| client.spawn(request())).collect();
    for answer in answers {
        answer.await.expect("no panic").expect("an answer").result();
    }
    assert_eq!(made.load(SeqCst), 1, "one server for all of them (S4-34)");
    let (first, _) = open(&client, &headers).await;
    let (second, _) = open(&client, &headers).await;
    for session in [&first, &second, &first] {
        ask(&client, session, &headers, "tools/call", json!({"name": "math"})).await.result();
    }
    assert_eq!(server.get_stats().active_sessions, 2);
}

// T6, S4-35, W3-7
#[tokio::test]
async fn t6_an_update_ends_no_call_and_no_session() {
    let calls = Arc::default();
    let (server, client, mut events) =
        started(builder().add_token(Token::new(ALICE).with_id("alice"), waiting_factory("old", &calls))).await;
    let bearer = bearer(ALICE);
    let headers = [("authorization", bearer.as_str())];
    let (session, _) = open(&client, &headers).await;
    let stream = [("mcp-session-id", session.as_str()), ("accept", "text/event-stream"), headers[0]];
    let mut stream = Events::of(client.send(client.request(Method::GET, &stream, "")).await);
    let running = client.spawn(client.modern("tools/call", json!({"name": "wait"}), &headers));
    calls.until_waiting(1).await;

    server.update_token("alice", factory("new")).expect("known");
    assert_eq!(tools(&client, ALICE).await, ["new", "wait", "panic"], "the next request meets the new server");
    within(async {
        while stream.next().await.expect("the stream stays")["method"] != "notifications/tools/list_changed" {}
    })
    .await;
    let list = ask(&client, &session, &headers, "tools/list", json!({})).await.result();
    assert_eq!(list["tools"][0]["name"], "new", "in the session too");
    calls.release.notify_waiters();
    let answer = running.await.expect("no panic").expect("an answer").result();
    assert_eq!(answer["content"][0]["text"], "old for alice", "a call ends on the server it began with");

    assert_eq!(next(&mut events, "tokenUpdated").await, "alice");
    let updated = next(&mut events, "serverUpdated").await;
    assert_eq!(
        (&updated["token"], &updated["oldServerName"], &updated["newServerName"]),
        (&json!("alice"), &json!("old"), &json!("new"))
    );
    assert!(server.update_token("nobody", factory("x")).is_none());
}

// S4-3, S4-36
#[tokio::test]
async fn a_removed_token_is_refused_at_once_and_its_calls_and_streams_end() {
    let calls = Arc::default();
    let options = Options { grace: Duration::from_millis(20), ..Options::default() };
    let alice = Token::new(ALICE).with_id("alice");
    let building = create_per_bearer_mcp_server(options).add_token(alice, waiting_factory("math", &calls));
    let (server, client, mut events) = started(building.add_token(BOB, factory("time"))).await;
    let bearer = bearer(ALICE);
    let headers = [("authorization", bearer.as_str())];
    let (session, _) = open(&client, &headers).await;
    let wanted = json!({"notifications": {"toolsListChanged": true}});
    let mut listening = Events::of(client.send(client.modern("subscriptions/listen", wanted, &headers)).await);
    listening.next().await.expect("the acknowledgement");
    let modern = client.spawn(client.modern("tools/call", json!({"name": "wait"}), &headers));
    calls.until_waiting(1).await;
    assert_eq!(server.get_stats().active_sessions, 2, "a session and a stream (S4-25)");

    assert_eq!(server.remove_token(ALICE).expect("by its secret too").token, "alice");
    assert_eq!(called(&client, ALICE, "math").await, Err(401));
    while listening.next().await.is_some() {}
    calls.until_waiting(0).await;
    let reply = modern.await.expect("no panic").expect("an answer");
    assert_eq!(reply.status, 403, "{reply:?}");

    let removed = next(&mut events, "serverRemoved").await;
    assert_eq!((&removed["token"], &removed["serverName"]), (&json!("alice"), &json!("math")));
    assert_eq!(removed["hadActiveSessions"], true, "W3-6");
    assert_eq!(next(&mut events, "tokenRemoved").await, "alice");
    assert_eq!(next(&mut events, "sessionDestroyed").await["sessionId"], session.as_str());
    assert!(server.remove_token("alice").is_none(), "unknown: no effect and no event");
    called(&client, BOB, "time").await.expect("others go on");
    assert_eq!(server.get_stats().active_sessions, 0);
}

// S4-20, S4-21, S4-22, W3-5
#[tokio::test]
async fn every_event_of_the_table_is_told_with_true_values() {
    let (server, client, mut events) = started(alice_and_bob()).await;
    let info = next(&mut events, "started").await;
    assert_eq!(info["port"], client.address.port());
    assert!(info["startedAt"].as_str().expect("a time").ends_with('Z'));
    let bearer = bearer(ALICE);
    let headers = [("authorization", bearer.as_str())];
    let (session, _) = open(&client, &headers).await;
    let registered = next(&mut events, "serverRegistered").await;
    assert_eq!(registered["token"], "alice");
    assert_eq!((&registered["serverName"], &registered["serverVersion"]), (&json!("math"), &json!("1.0.0")));
    assert!(registered["registeredAt"].is_string());
    let created = next(&mut events, "sessionCreated").await;
    assert_eq!(created["sessionId"], session.as_str());
    assert_eq!((&created["token"], &created["serverName"]), (&json!("alice"), &json!("math")));
    let argument = json!({"name": "math", "arguments": {"password": "hunter2"}});
    ask(&client, &session, &headers, "tools/call", argument).await.result();
    let told = next(&mut events, "toolCalled").await;
    assert_eq!((&told["sessionId"], &told["token"]), (&json!(session), &json!("alice")));
    assert_eq!((&told["toolName"], &told["success"], &told["arguments"]), (&json!("math"), &json!(true), &json!(null)));
    assert!(told["calledAt"].is_string() && told["duration"].is_u64());
    called(&client, ALICE, "math").await.expect("called");
    let seen = next(&mut events, "clientSeen").await;
    assert_eq!((&seen["sessionId"], &seen["token"]), (&json!(null), &json!("alice")));
    assert_eq!(next(&mut events, "toolCalled").await["sessionId"], json!(null));
    assert_eq!(called(&client, ALICE, "panic").await, Err(200));
    let error = next(&mut events, "transportError").await;
    assert_eq!(error["error"], "the tool `panic` panicked", "S4-42");
    server.add_token(Token::new("secret-c").with_id("carol"), factory("data")).expect("added");
    assert_eq!(next(&mut events, "tokenAdded").await, "carol");
    let delete = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-11-25"), headers[0]];
    assert_eq!(client.ask(client.request(Method::DELETE, &delete, "")).await.status, 204);
    assert_eq!(next(&mut events, "sessionDestroyed").await["sessionId"], session.as_str());
    server.remove_token("carol").expect("known");
    assert_eq!(next(&mut events, "tokenRemoved").await, "carol");
    server.stop().await.expect("it runs");
    assert_eq!(next(&mut events, "stopped").await, json!(null));
}

// S4-22, S4-23: a thousand events wait for a slow listener, and a caller may send megabytes with each call.
#[tokio::test]
async fn arguments_are_told_where_they_are_asked_for_and_short() {
    let options = Options { event_arguments: true, ..Options::default() };
    let building = create_per_bearer_mcp_server(options).add_token(Token::new(ALICE).with_id("alice"), factory("math"));
    let (_server, client, mut events) = started(building).await;
    let bearer = bearer(ALICE);
    for (length, is_told) in [(10, true), (4_000, true), (4_100, false), (1_000_000, false)] {
        let arguments = json!({ "text": "x".repeat(length) });
        let call = json!({ "name": "math", "arguments": arguments });
        client.ask(client.modern("tools/call", call, &[("authorization", &bearer)])).await.result();
        let told = next(&mut events, "toolCalled").await;
        assert_eq!(told["arguments"], if is_told { arguments } else { json!(null) }, "{length}");
        assert_eq!(told["success"], true);
    }
}

// S4-23, S4-24
#[tokio::test]
async fn a_listener_may_be_slow_panic_or_call_back() {
    let (sender, hold) = std::sync::mpsc::channel::<()>();
    let hold = Mutex::new(hold);
    let heard = Arc::new(watch::Sender::new(Vec::<String>::new()));
    let (server, client, _) = started(
        alice_and_bob()
            .on_event(move |_| assert!(hold.lock().expect("lock").recv().is_ok()))
            .on_event(|event| panic!("a bug in a listener of {}", event.name())),
    )
    .await;
    server.on_event({
        let (server, heard) = (server.clone(), heard.clone());
        move |event| {
            if let Event::ServerRegistered(info) = event {
                let stats = server.get_stats();
                heard.send_modify(|heard| heard.push(format!("{} of {}", info.token, stats.registered_tokens)));
                server.add_token(Token::new("from-a-listener").with_id("late"), factory("late")).expect("added");
            }
        }
    });
    called(&client, ALICE, "math").await.expect("called");
    within(heard.subscribe().wait_for(|heard| !heard.is_empty())).await.expect("it lives");
    assert_eq!(*heard.borrow(), ["alice of 2"]);
    for _ in 0..1_100 {
        server.update_token("bob", factory("time")).expect("known");
    }
    assert!(server.dropped_events() > 0, "the slow one lost events, and it is counted");
    called(&client, BOB, "time").await.expect("served as ever");
    drop(sender);
}

// S4-34, S4-42
#[tokio::test]
async fn a_factory_that_fails_or_panics_is_told_and_tried_again() {
    let tries = Arc::new(AtomicUsize::new(0));
    let flaky = {
        let (tries, calls) = (tries.clone(), Arc::default());
        move |_: TenantContext| {
            let (attempt, server) = (tries.fetch_add(1, SeqCst), small("flaky", &calls));
            async move {
                match attempt {
                    0 => Err(FactoryError::unavailable("the database is down")),
                    1 => panic!("a bug in a factory"),
                    _ => Ok(server),
                }
            }
        }
    };
    let mut options = Options::default();
    options.servers.back_off.first = Duration::from_millis(1);
    let building = create_per_bearer_mcp_server(options).add_token(Token::new(ALICE).with_id("alice"), flaky);
    let (_server, client, mut events) = started(building).await;
    assert_eq!(called(&client, ALICE, "flaky").await, Err(503));
    let failed = next(&mut events, "serverFailed").await;
    assert_eq!(failed["token"], "alice");
    assert!(failed["error"].as_str().expect("text").contains("the database is down"), "{failed}");
    assert_eq!(called(&client, ALICE, "flaky").await, Err(503));
    assert_eq!(next(&mut events, "serverFailed").await["error"], "the factory panicked");
    within(async { while called(&client, ALICE, "flaky").await.is_err() {} }).await;
}

// S4-38
#[tokio::test]
async fn a_token_has_limits_of_its_own_in_both_eras() {
    let limits = Limits { rate: Some(Rate { calls: 2, per: Duration::from_secs(600) }), concurrency: None };
    let alice = Token::new(ALICE).with_id("alice").with_limits(limits);
    let (_server, client, _) =
        started(builder().add_token(alice, factory("math")).add_token(BOB, factory("time"))).await;
    let bearer = bearer(ALICE);
    let (session, _) = open(&client, &[("authorization", &bearer)]).await;
    called(&client, ALICE, "math").await.expect("the first");
    let headers = [("authorization", bearer.as_str())];
    ask(&client, &session, &headers, "tools/call", json!({"name": "math"})).await.result();
    assert_eq!(called(&client, ALICE, "math").await, Err(429));
    let refused = ask(&client, &session, &headers, "tools/call", json!({"name": "math"})).await;
    assert_eq!(refused.result()["isError"], true, "in a session it is told to the model");
    called(&client, BOB, "time").await.expect("another token has limits of its own");
}

// S4-38: one call at a time with this token, others as ever.
#[tokio::test]
async fn a_token_may_be_used_for_so_many_calls_at_once() {
    let calls = Arc::default();
    let limits = Limits { rate: None, concurrency: Some(1) };
    let alice = Token::new(ALICE).with_id("alice").with_limits(limits);
    let building = builder().add_token(alice, waiting_factory("math", &calls)).add_token(BOB, factory("time"));
    let (_server, client, _) = started(building).await;
    let bearer = bearer(ALICE);
    let waiting = client.spawn(client.modern("tools/call", json!({"name": "wait"}), &[("authorization", &bearer)]));
    calls.until_waiting(1).await;
    assert_eq!(called(&client, ALICE, "math").await, Err(503));
    called(&client, BOB, "time").await.expect("others go on");
    calls.release.notify_waiters();
    waiting.await.expect("no panic").expect("an answer").result();
    called(&client, ALICE, "math").await.expect("its place is free again");
}

// S4-39
#[tokio::test]
async fn servers_that_are_used_least_are_let_go_and_made_again() {
    let servers = InstanceOptions { max_instances: 1, ..InstanceOptions::default() };
    let building = create_per_bearer_mcp_server(Options { servers, ..Options::default() });
    let building = building
        .add_token(Token::new(ALICE).with_id("alice"), factory("math"))
        .add_token(Token::new(BOB).with_id("bob"), factory("time"));
    let (server, client, mut events) = started(building).await;
    for _ in 0..3 {
        called(&client, ALICE, "math").await.expect("called");
        called(&client, BOB, "time").await.expect("called");
    }
    assert!(server.get_stats().active_servers <= 1, "{:?}", server.get_stats());
    server.stop().await.expect("it runs");
    let mut registered = 0;
    while let Some(event) = within(events.recv()).await {
        registered += usize::from(event.name() == "serverRegistered");
        if event.name() == "stopped" {
            break;
        }
    }
    assert_eq!(registered, 2, "once for each token, however often it is made again");
    assert_eq!(server.get_stats().active_servers, 0);
}

// S4-7, S4-9
#[tokio::test]
async fn stats_are_one_picture() {
    let (server, client, _) = started(alice_and_bob()).await;
    let bearer = bearer(ALICE);
    let (session, _) = open(&client, &[("authorization", &bearer)]).await;
    let stats = serde_json::to_value(server.get_stats()).expect("JSON");
    assert_eq!(
        (&stats["registeredTokens"], &stats["activeServers"], &stats["activeSessions"]),
        (&json!(2), &json!(1), &json!(1))
    );
    assert_eq!(stats["tokens"], json!(["alice", "bob"]));
    assert_eq!(stats["sessions"][0]["sessionId"], session.as_str());
    assert_eq!(server.get_active_sessions().len(), 1);
    assert!(server.has_token("alice") && server.has_token(ALICE) && !server.has_token("carol"));
    assert_eq!((server.get_token_count(), server.clear_all_tokens()), (2, 2));
    assert_eq!((server.get_tokens().len(), called(&client, ALICE, "math").await), (0, Err(401)));
}

// S4-40
#[tokio::test]
async fn oauth_metadata_names_this_server_and_its_issuer() {
    let oauth2 = OAuth {
        issuer: "https://login.example.com".to_owned(),
        authorization_endpoint: "https://login.example.com/authorize".to_owned(),
        token_endpoint: "https://login.example.com/token".to_owned(),
        registration_endpoint: None,
    };
    let building = create_per_bearer_mcp_server(Options { oauth2: Some(oauth2.clone()), ..Options::default() });
    let (server, client, _) = started(building.add_token(ALICE, factory("math"))).await;
    let url = server.get_server_info().expect("it runs").url;
    let get = |path: &str| {
        let mut request = client.request(Method::GET, &[], "");
        *request.uri_mut() = path.parse().expect("a path");
        request
    };
    let resource = client.ask(get("/.well-known/oauth-protected-resource")).await.json();
    assert_eq!(resource["resource"], url);
    assert_eq!(resource["authorization_servers"], json!(["https://login.example.com"]));
    let metadata = client.ask(get("/.well-known/oauth-authorization-server")).await.json();
    assert_eq!(metadata["token_endpoint"], "https://login.example.com/token");
    assert!(metadata.get("registration_endpoint").is_none());
    let refused = client.ask(client.modern("tools/list", json!({}), &[("authorization", "Bearer wrong")])).await;
    let challenge = refused.header("www-authenticate");
    assert!(challenge.contains("error=\"invalid_token\"") && challenge.contains("resource_metadata="), "{challenge}");
    let wrong = Options { oauth2: Some(OAuth { issuer: "here".to_owned(), ..oauth2 }), ..Options::default() };
    let refused = create_per_bearer_mcp_server(wrong).build().expect("built").start().await;
    assert!(matches!(refused, Err(PerBearerError::OAuth { .. })), "{refused:?}");
}

// W3-1, W3-8, W3-9, S4-8
#[tokio::test]
async fn strangers_learn_nothing() {
    let (_server, client, _) = started(alice_and_bob()).await;
    let mut root = client.request(Method::GET, &[], "");
    *root.uri_mut() = "/".parse().expect("a path");
    let reply = client.ask(root).await;
    assert_eq!(reply.status, 404);
    assert!(!reply.text.contains("alice"), "{}", reply.text);
    let bearer = bearer(ALICE);
    let unknown = ask(&client, "no-such-session", &[("authorization", &bearer)], "ping", json!({})).await;
    assert_eq!(unknown.status, 404);
    let evil = [("authorization", bearer.as_str()), ("origin", "https://evil.example")];
    assert_eq!(client.ask(client.modern("tools/list", json!({}), &evil)).await.status, 403);
}

// S4-10
#[tokio::test]
async fn ten_thousand_tokens_come_at_once() {
    let (server, client, _) = started(builder()).await;
    let calls = Arc::default();
    let tokens = (0..10_000).map(|n| {
        let factory: Arc<dyn ServerFactory> = Arc::new(waiting_factory("many", &calls));
        (Token::new(format!("secret-of-{n}")).with_id(format!("customer-{n}")), factory)
    });
    assert_eq!(server.add_tokens(tokens).expect("added").len(), 10_000);
    assert_eq!(called(&client, "secret-of-4711", "many").await, Ok("many for customer-4711".to_owned()));
    assert_eq!(server.get_stats().active_servers, 1, "made when they are needed");
}

// S4-37: `test` and `dev` do where nobody else can try.
#[test]
fn short_secrets_are_for_loopback() {
    builder().add_token("dev", factory("dev")).build().expect("loopback");
    let open = Options { host: "0.0.0.0".to_owned(), ..Options::default() };
    let refused = create_per_bearer_mcp_server(open).add_token("dev", factory("dev")).build();
    assert!(refused.expect_err("short").to_string().contains("at least 16 characters"));
}

// S4-45
#[tokio::test]
async fn replicas_that_share_a_store_agree() {
    let store = Arc::new(MemoryTokens::default());
    let key = mcp_serve::tokens::HashKey::from_bytes(&[3; 32]).expect("long enough");
    let replica = async || {
        let options = mcp_serve::tokens::RegistryOptions { key: key.clone(), ..Default::default() };
        let tokens = SharedTokens::follow(TokenRegistry::new(options), store.clone()).await.expect("a store");
        let calls = Arc::<Calls>::default();
        let by_name = move |caller: TenantContext| {
            let server = small(if caller.user_id() == "customer-1" { "one" } else { "other" }, &calls);
            async move { Ok::<_, FactoryError>(server) }
        };
        let (server, client, events) =
            started(builder().with_registry(tokens.registry().clone()).with_factory(by_name)).await;
        (server, client, events, tokens)
    };
    let (_first, _, _, tokens) = replica().await;
    let (_second, client, mut events, _following) = replica().await;
    tokens.add(Token::new("a-secret-of-customer-1").with_id("customer-1")).await.expect("added");
    assert_eq!(next(&mut events, "tokenAdded").await, "customer-1");
    assert_eq!(called(&client, "a-secret-of-customer-1", "one").await, Ok("one for customer-1".to_owned()));
    tokens.remove("customer-1").await.expect("removed").expect("known");
    assert_eq!(next(&mut events, "tokenRemoved").await, "customer-1");
    assert_eq!(called(&client, "a-secret-of-customer-1", "one").await, Err(401));
}

// T7, S4-22, S4-37, W3-5
#[tokio::test]
async fn t7_no_log_event_or_response_has_a_secret() {
    let logged = Logged::default();
    let writer = logged.clone();
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).init();
    let secrets = ["zq-first-secret-of-alice", "zq-second-secret-of-alice", "zq-secret-of-bob", "zq-wrong-secret"];
    let options = Options { logging: true, event_arguments: true, grace: Duration::ZERO, ..Options::default() };
    let building = create_per_bearer_mcp_server(options)
        .add_token(Token::new(secrets[0]), factory("math"))
        .add_token(Token::new(secrets[2]).with_id("bob"), async |_: TenantContext| {
            Err::<Arc<dyn Server>, _>(FactoryError::unavailable("broken"))
        });
    let (server, client, mut events) = started(building).await;
    let mut seen = String::new();
    for secret in secrets {
        let bearer = bearer(secret);
        let headers = [("authorization", bearer.as_str())];
        for method in ["tools/list", "tools/call", "server/discover", "nonsense"] {
            let reply = client.ask(client.modern(method, json!({"name": "panic"}), &headers)).await;
            seen += &format!("{reply:?}");
        }
        let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
        seen += &format!("{:?}", client.ask(client.post(&headers, initialize)).await);
        server.rotate_token(secrets[0], secrets[1], Duration::from_secs(60)).expect("good");
    }
    seen += &format!("{server:?} {:?} {:?}", server.get_stats(), server.get_tokens());
    seen += &serde_json::to_string(&server.get_tokens()).expect("JSON");
    for refused in [
        server.add_token(secrets[0], factory("x")),
        server.add_token(Token::new(secrets[3]).with_id("bob"), factory("x")),
    ] {
        seen += &format!("{refused:?} {}", refused.as_ref().expect_err("taken"));
    }
    server.update_token(secrets[1], factory("new")).expect("known");
    server.remove_token(secrets[2]).expect("known");
    server.stop().await.expect("it runs");
    loop {
        let event = within(events.recv()).await.expect("an event");
        seen += &format!("{event:?} {}", serde_json::to_string(&*event).expect("JSON"));
        if matches!(*event, Event::Stopped) {
            break;
        }
    }
    seen += &logged.text();
    assert!(seen.contains("tokenRemoved") && seen.contains("the tool `panic` panicked"), "there was something to see");
    assert!(
        !seen.contains("zq-"),
        "a secret was shown: {}",
        &seen[seen.find("zq-").unwrap_or(0).saturating_sub(200)..]
    );
}
