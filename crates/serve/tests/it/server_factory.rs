//! The server factory of `examples/server_factory`, wrapped, called by users with real JWTs: by the SDK's client and by raw
//! HTTP.

#[path = "../../examples/server_factory/factory.rs"]
mod factory;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use http::StatusCode;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use mcp_serve::{
    Algorithm, BackOff, BoxFuture, FactoryError, Fetch, FetchBounds, HttpClient, Init, Jwt, JwtConfig, Server,
    model::{CallToolRequestParams, ProtocolVersion},
    resolver::{Credential, ResolveError, Resource, resolver_fn},
    server_of,
    wrap::{
        InstancePool, Tenant, Transport, WrapConfig, WrapError, WrapInstanceMode, WrapOptions, WrappedServer,
        assert_isolated, wrap_server,
    },
};
use rmcp::{
    ServiceExt,
    service::{ClientLifecycleMode, ClientServiceExt},
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use self::factory::{NotesServer, ServerOptions, create_server};
use crate::{
    issuer::{AUDIENCE, SECRET, Signer, claims},
    support::{Reply, within},
};

const ISSUER: &str = "https://issuer.example.com";

pub fn token(user: &str) -> String {
    Signer::secret().token(&json!({ "alg": "HS256" }), &claims(ISSUER, json!({ "sub": user })))
}

pub fn jwt() -> Jwt {
    Jwt::with_secret(JwtConfig::new(ISSUER, AUDIENCE, vec![Algorithm::Hs256]), SECRET).expect("fits")
}

pub fn options() -> WrapOptions {
    WrapOptions::default()
        .server_factory(async |tenant: Tenant| {
            create_server(tenant.access_token(), tenant.user_id(), ServerOptions::default()).await
        })
        .auth_provider(jwt())
        .resource_type("my-resource")
        .transport(Transport::http(0))
}

pub async fn started(options: WrapOptions) -> (WrappedServer, SocketAddr) {
    let server = wrap_server(options).expect("fits");
    let address = within(server.start()).await.expect("starts").expect("an address");
    (server, address)
}

/// One request of 2026-07-28, on a connection of its own.
pub async fn ask(address: SocketAddr, path: &str, token: Option<&str>, method: &str, params: Value) -> Reply {
    let mut params = params;
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
    });
    let name = params.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut request = http::Request::post(path)
        .header("host", address.to_string())
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method)
        .header("x-ghost-owner", "casper")
        .header("x-other", "left out");
    if !name.is_empty() {
        request = request.header("mcp-name", name);
    }
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let stream = TcpStream::connect(address).await.expect("connects");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("handshake");
    tokio::spawn(connection);
    let request = request.body(Full::new(bytes::Bytes::from(body))).expect("a request");
    Reply::of(within(sender.send_request(request)).await.expect("a response")).await
}

pub async fn call(address: SocketAddr, user: &str, tool: &str, arguments: Value) -> Reply {
    ask(address, "/mcp", Some(&token(user)), "tools/call", json!({ "name": tool, "arguments": arguments })).await
}

fn text(reply: &Reply) -> Value {
    let result = reply.result();
    let text = result["content"][0]["text"].as_str().expect("text");
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// T1, I1, S1-8, S2-20, S2-24, S2-41, S2-57: three users with JWTs, at once, in both eras: nobody sees anything of another.
#[tokio::test]
async fn t1_three_jwt_users_at_once_are_isolated() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (server, address) = started(options()).await;
    let users = ["t1-alice", "t1-bob", "t1-carol"];
    let raw = users.map(|user| async move {
        for n in 0..10 {
            let note = json!({ "text": format!("{user} {n}") });
            assert_eq!(text(&call(address, user, "add_note", note).await)["notes"], n + 1);
        }
    });
    join_all(raw).await;
    let by_sdk = users.iter().flat_map(|user| [(user, true), (user, false)]).map(|(user, modern)| async move {
        let config =
            StreamableHttpClientTransportConfig::with_uri(format!("http://{address}/mcp")).auth_header(token(user));
        let transport = StreamableHttpClientTransport::from_config(config);
        let client = if modern {
            let lifecycle = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
            within(().serve_with_lifecycle(transport, lifecycle)).await.expect("connects")
        } else {
            within(().serve(transport)).await.expect("connects")
        };
        let listed = within(client.list_all_tools()).await.expect("tools");
        assert_eq!(listed.len(), 3);
        let result = within(client.call_tool(CallToolRequestParams::new("list_notes"))).await.expect("a result");
        let seen = serde_json::to_string(&result.content).expect("JSON");
        for other in users {
            assert_eq!(seen.contains(other), other == *user, "{user} sees {seen}");
        }
        assert_eq!(seen.matches(user).count(), 10);
    });
    join_all(by_sdk).await;
    within(server.stop()).await.expect("stops");
}

/// T2: an initialisation that fails once and then works; a hundred first calls at once make one attempt.
#[tokio::test]
async fn t2_a_hundred_first_calls_initialise_once_and_a_failure_is_tried_again() {
    static ATTEMPTS: AtomicUsize = AtomicUsize::new(0);
    let database: Init<(), String> = Init::new(BackOff::default());
    let factory = move |tenant: Tenant| {
        let database = database.clone();
        async move {
            let connect = || async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                let nth = ATTEMPTS.fetch_add(1, Ordering::SeqCst);
                if nth == 0 { Err("no route to database".to_owned()) } else { Ok(()) }
            };
            let ready = database.get_or_init(connect).await;
            ready.map_err(|error| format!("Database initialization failed: {error}"))?;
            let server = create_server("", tenant.user_id(), ServerOptions::default()).await;
            server.map_err(|error| error.to_string())
        }
    };
    let (_server, address) = started(options().server_factory(factory)).await;
    let failed =
        join_all((0..100).map(|n| async move { call(address, &format!("u{n}"), "hello_computer", json!({})).await }));
    let failed = failed.await;
    // Servers that are made at once are bounded, so the last ones of the hundred may come after the failure.
    let refused = failed.iter().filter(|reply| reply.status == StatusCode::SERVICE_UNAVAILABLE).count();
    assert!(refused > 0, "all who waited for the attempt that failed are told");
    assert!(failed.iter().all(|reply| !reply.text.contains("no route")), "the cause is for the log");
    let served = (0..100).map(|n| async move { call(address, &format!("u{n}"), "hello_computer", json!({})).await });
    assert!(join_all(served).await.iter().all(|reply| reply.status == StatusCode::OK));
    assert_eq!(ATTEMPTS.load(Ordering::SeqCst), 2, "one attempt that failed, one that worked");
}

/// S2-47, W1-17: 401 with a challenge and nobody's name; an id that is none is refused with the text of S2-2.
#[tokio::test]
async fn who_is_nobody_is_told_so() {
    let (_server, address) = started(options()).await;
    for wrong in [None, Some("nonsense"), Some("a.b.c")] {
        let reply = ask(address, "/mcp", wrong, "tools/list", json!({})).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        assert!(reply.header("www-authenticate").starts_with("Bearer"), "{reply:?}");
        assert_eq!(reply.json()["error"]["data"]["code"], "AUTHENTICATION_FAILED");
    }
    assert_eq!(call(address, "", "hello_computer", json!({})).await.status, StatusCode::UNAUTHORIZED);
    let blank = call(address, " ", "hello_computer", json!({})).await;
    assert!(blank.status == StatusCode::UNAUTHORIZED || blank.text.contains("userId is required"), "{blank:?}");
}

/// S2-31, S2-33, S2-34.
#[tokio::test]
async fn handlers_answer_refuse_and_fail_in_the_words_of_the_pattern() {
    let (_server, address) = started(options()).await;
    let unknown = call(address, "words", "no_such_tool", json!({})).await;
    assert_eq!(unknown.error(), (200, -32602));
    assert_eq!(unknown.json()["error"]["message"], "Unknown tool: no_such_tool");
    let failed = call(address, "words", "add_note", json!({})).await;
    assert_eq!(failed.result()["isError"], true);
    assert_eq!(failed.result()["content"][0]["text"], "Tool execution failed: `text` is missing");
    assert_eq!(text(&call(address, "words", "hello_computer", json!({})).await)["hello"], "words");
}

/// S2-42, S2-5, S2-21: by default another server for each request; a pooled one is kept for its user, and no other.
#[tokio::test]
async fn servers_are_ephemeral_unless_they_are_pooled() {
    let (ephemeral, address) = started(options()).await;
    for _ in 0..3 {
        assert_eq!(text(&call(address, "alice", "hello_computer", json!({})).await)["calls"], 1);
    }
    assert_eq!(ephemeral.stats().size, 0);
    let (pooled, address) = started(options().with(|config| {
        config.instance_mode = WrapInstanceMode::Pooled;
        let (idle_timeout, max_lifetime) = (Duration::from_secs(60), Duration::from_secs(600));
        config.instance_pool = Some(InstancePool { max_size: 10, idle_timeout, max_lifetime });
    }))
    .await;
    // One credential, one server: a new token of the same user may carry other rights.
    let alice = token("alice");
    for n in 1..=3 {
        let hello = json!({ "name": "hello_computer", "arguments": {} });
        let reply = ask(address, "/mcp", Some(&alice), "tools/call", hello).await;
        assert_eq!(text(&reply)["calls"], n);
        assert_eq!(text(&call(address, &format!("bob{n}"), "hello_computer", json!({})).await)["calls"], 1);
    }
    for n in 0..50 {
        call(address, &format!("user{n}"), "hello_computer", json!({})).await;
    }
    assert!(pooled.stats().size <= 10, "{:?}", pooled.stats());
}

/// W1-3, C5: the token is the resource's, never the caller's own; a pooled server is not kept with one that was replaced.
#[tokio::test]
async fn a_token_that_was_replaced_is_used_from_the_next_request_on() {
    static GENERATION: AtomicUsize = AtomicUsize::new(0);
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = seen.clone();
    let factory = move |tenant: Tenant| {
        noted.lock().expect("no panic").push(tenant.access_token().to_owned());
        async move { create_server(tenant.access_token(), tenant.user_id(), ServerOptions::default()).await }
    };
    let resolver = resolver_fn(|principal, resource: Resource| async move {
        if principal.id == "stranger" {
            return Ok(None);
        }
        if principal.id == "unlucky" {
            return Err(ResolveError::Unavailable { resource });
        }
        Credential::new(format!("{}-{}", principal.id, GENERATION.load(Ordering::SeqCst))).map(Some)
    });
    let (_server, address) = started(options().server_factory(factory).token_resolver(resolver).with(|config| {
        config.instance_mode = WrapInstanceMode::Pooled;
        let (idle_timeout, max_lifetime) = (Duration::from_secs(60), Duration::from_secs(600));
        config.instance_pool = Some(InstancePool { max_size: 10, idle_timeout, max_lifetime });
    }))
    .await;
    let alice = token("alice");
    let hello = json!({ "name": "hello_computer", "arguments": {} });
    let mut calls = Vec::new();
    for generation in [0, 0, 1, 1] {
        GENERATION.store(generation, Ordering::SeqCst);
        let reply = ask(address, "/mcp", Some(&alice), "tools/call", hello.clone()).await;
        calls.push(text(&reply)["calls"].as_u64().expect("a number"));
    }
    assert_eq!(calls, [1, 2, 1, 2]);
    assert_eq!(*seen.lock().expect("no panic"), ["alice-0", "alice-1"]);
    let stranger = call(address, "stranger", "hello_computer", json!({})).await;
    assert_eq!(stranger.status, StatusCode::FORBIDDEN, "{stranger:?}");
    assert!(stranger.text.contains("connect an account of `my-resource`"), "{stranger:?}");
    let unlucky = call(address, "unlucky", "hello_computer", json!({})).await;
    // S2-47: the resolver is down, not this server.
    assert_eq!(unlucky.status, StatusCode::BAD_GATEWAY, "{unlucky:?}");
    assert!(unlucky.text.contains("can't be had at the moment"), "{unlucky:?}");
    for reply in [&stranger, &unlucky] {
        assert_eq!(reply.json()["error"]["data"]["code"], "TOKEN_RESOLUTION_FAILED");
    }
}

/// S2-42: `middleware.logging` is on unless it is turned off, and says neither arguments nor answers.
#[tokio::test]
async fn a_wrapped_server_logs_a_line_for_each_call() {
    for enabled in [true, false] {
        let (log, _guard) = crate::log::read(tracing::Level::INFO);
        let logging = |config: &mut WrapConfig| config.middleware.logging.enabled = enabled;
        let (server, address) = started(options().with(logging)).await;
        call(address, "logged", "add_note", json!({ "text": "a private note" })).await.result();
        call(address, "logged", "no_such_tool", json!({})).await.error();
        within(server.stop()).await.expect("stops");
        let log = log.text();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("tool called")).collect();
        let expected = [("add_note", "ok"), ("no_such_tool", "refused")];
        assert_eq!(lines.len(), if enabled { expected.len() } else { 0 }, "{log}");
        for (line, (tool, outcome)) in lines.iter().zip(expected) {
            let fields =
                ["principal=\"logged\"".to_owned(), format!("tool=\"{tool}\""), format!("outcome=\"{outcome}\"")];
            assert!(fields.iter().all(|field| line.contains(field)) && line.contains("took_ms="), "{line}");
        }
        assert!(!log.contains("a private note"), "{log}");
    }
}

/// S2-7, W1-14: what is not listed does not reach a factory.
#[tokio::test]
async fn only_listed_extras_reach_the_factory() {
    let factory = async |tenant: Tenant| {
        assert_eq!(tenant.extra("other"), None);
        let owner = tenant.extra("ghost_owner").unwrap_or("nobody").to_owned();
        create_server("", &owner, ServerOptions::default()).await
    };
    for (extras, owner) in [(vec!["ghost_owner".to_owned()], "casper"), (Vec::new(), "nobody")] {
        let (_server, address) = started(options().server_factory(factory).with(|config| config.extras = extras)).await;
        assert_eq!(text(&call(address, "alice", "hello_computer", json!({})).await)["hello"], owner);
    }
}

/// S2-43, S2-44, W1-2, W1-9, W1-15.
#[tokio::test]
async fn it_starts_once_stops_for_good_and_answers_at_its_old_paths() {
    let server = wrap_server(options().transport(Transport::sse(0))).expect("fits");
    assert!(server.warnings()[0].contains("deprecated"));
    within(server.stop()).await.expect("nothing to stop");
    let address = within(server.start()).await.expect("starts").expect("an address");
    assert!(address.ip().is_loopback());
    let again = within(server.start()).await.expect_err("runs already");
    assert!(matches!(again, WrapError::AlreadyRunning));
    assert_eq!(again.to_string(), "Server is already running");
    let listed = ask(address, "/mcp/message", Some(&token("alice")), "tools/list", json!({})).await;
    assert_eq!(listed.result()["tools"].as_array().map(Vec::len), Some(3));
    let health =
        http::Request::get(format!("http://{address}/mcp/health")).body(bytes::Bytes::new()).expect("a request");
    let health = HttpClient::new().fetch(health, FetchBounds::default()).await.expect("an answer");
    assert_eq!(&health.body()[..], br#"{"status":"ok"}"#);
    let metrics = http::Request::get(format!("http://{address}/mcp/progress/metrics")).body(bytes::Bytes::new());
    let metrics =
        HttpClient::new().fetch(metrics.expect("a request"), FetchBounds::default()).await.expect("an answer");
    assert_eq!(metrics.status(), 404, "nobody sees what others do");
    within(server.stop()).await.expect("stops");
    within(server.stop()).await.expect("is stopped");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    within(server.start()).await.expect("starts again");
}

/// S2-43.
#[test]
fn what_is_missing_is_named() {
    let error = |options: WrapOptions| wrap_server(options).expect_err("incomplete").to_string();
    let made = async |tenant: Tenant| create_server("", tenant.user_id(), ServerOptions::default()).await;
    assert_eq!(error(WrapOptions::default()), "serverFactory is required");
    assert_eq!(error(WrapOptions::default().server_factory(made)), "authProvider is required");
    let options = || WrapOptions::default().server_factory(made).auth_provider(jwt());
    assert_eq!(error(options()), "resourceType is required");
    assert_eq!(error(options().resource_type("x")), "transport is required");
    assert!(error(options().resource_type("a b").transport(Transport::http(0))).starts_with("resourceType: `a b`"));
    let pooled = options().resource_type("x").transport(Transport::http(0));
    let pooled = pooled.with(|config| config.instance_mode = WrapInstanceMode::Pooled);
    assert_eq!(error(pooled), "instancePool is required when instanceMode is pooled");
}

/// S1-5, S1-7: the factory is a library of its own, and names nothing of its wrapper.
#[test]
fn the_factory_knows_nothing_of_the_wrapper() {
    let source = include_str!("../../examples/server_factory/factory.rs");
    assert!(!source.contains("mcp_serve"));
    let _server: fn(NotesServer) = |server| drop(server);
}

/// S2-23 (a): the helper finds a factory whose users share something, and passes one whose users don't.
#[tokio::test]
async fn shared_state_is_found() {
    let isolated = |tenant: Tenant| -> BoxFuture<'static, Result<Arc<dyn Server>, FactoryError>> {
        Box::pin(async move {
            let made = create_server("", tenant.user_id(), ServerOptions::default()).await;
            server_of(made.map_err(FactoryError::unavailable)?).await.map_err(FactoryError::unavailable)
        })
    };
    let note = || json!({ "text": "a note" }).as_object().expect("an object").clone();
    assert_isolated(isolated, "add_note", note(), "list_notes").await;
    let shared = |_: Tenant| -> BoxFuture<'static, Result<Arc<dyn Server>, FactoryError>> {
        Box::pin(async move {
            let made = create_server("", "everybody", ServerOptions::default()).await;
            server_of(made.map_err(FactoryError::unavailable)?).await.map_err(FactoryError::unavailable)
        })
    };
    let found = tokio::spawn(async move { assert_isolated(shared, "add_note", note(), "list_notes").await }).await;
    assert!(found.is_err_and(|error| error.is_panic()));
}
