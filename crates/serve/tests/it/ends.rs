//! What is open of a caller ends with what let it in, however that ends (S4-36, I3, I4).

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime},
};

use http::{Method, StatusCode};
use mcp_serve::{
    Algorithm, ApiKeys, Authentication, Authenticator, BearerTokens, FactoryError, InstanceOptions, Instances, Jwt,
    JwtConfig, KeyList, Limits, Live, Principal, ProxyHeaders, Server, TrustedProxy, Whose,
    http::Config,
    tokens::{Token, TokenRegistry},
};
use serde_json::json;
use tokio::sync::Notify;

use crate::{
    issuer::{AUDIENCE, SECRET, Signer, claims, now},
    many::World,
    sessions,
    support::{Events, Running, TestServer, within},
};

const ANN: &str = "secret-of-ann-0123456789";
const BOB: &str = "secret-of-bob-0123456789";

fn bearer(secret: &str) -> String {
    format!("Bearer {secret}")
}

fn registry() -> TokenRegistry {
    let registry = TokenRegistry::default();
    for (id, secret) in [("ann", ANN), ("bob", BOB)] {
        registry.add(Token::new(secret).with_id(id)).expect("a token");
    }
    registry
}

/// A `subscriptions/listen` that was acknowledged.
async fn listen(running: &Running, headers: &[(&str, &str)]) -> Events {
    let wanted = json!({"notifications": {"toolsListChanged": true}});
    let mut events = Events::of(running.send(running.modern("subscriptions/listen", wanted, headers)).await);
    within(events.next()).await.expect("an acknowledgement");
    events
}

/// The stream of a session.
async fn stream(running: &Running, session: &str, authorization: &str) -> Events {
    let headers =
        [("mcp-session-id", session), ("mcp-protocol-version", "2025-11-25"), ("authorization", authorization)];
    let response = running.send(running.request(Method::GET, &headers, "")).await;
    assert_eq!(response.status(), StatusCode::OK);
    Events::of(response)
}

async fn ended(mut events: Events) {
    within(async { while events.next_event().await.is_some() {} }).await;
}

async fn goes_on(running: &Running, events: &mut Events) {
    running.server.notify(mcp_serve::Change::Tools);
    let told = within(events.next()).await.expect("it goes on");
    assert_eq!(told["method"], "notifications/tools/list_changed", "{told}");
}

async fn with_registry(config: Config) -> (Running, TokenRegistry) {
    let registry = registry();
    (Running::with(config, BearerTokens::new(registry.clone())).await, registry)
}

/// S4-36, without anybody who tells: the registry does.
#[tokio::test]
async fn a_removed_key_ends_streams_at_once_and_sessions_and_calls_after_the_grace() {
    let (running, registry) = with_registry(Config { grace: Duration::from_millis(50), ..Config::default() }).await;
    let (ann, bob) = (bearer(ANN), bearer(BOB));
    let headers = [("authorization", ann.as_str())];
    let (session, _) = sessions::open(&running, &headers).await;
    let (listening, streaming) = (listen(&running, &headers).await, stream(&running, &session, &ann).await);
    let mut of_bob = listen(&running, &[("authorization", &bob)]).await;
    let waiting = running.spawn(running.modern("tools/call", json!({"name": "wait"}), &headers));
    running.server.until_waiting(1).await;
    registry.remove("ann").expect("there was one");
    ended(listening).await;
    ended(streaming).await;
    let reply = within(waiting).await.expect("no panic").expect("an answer");
    assert_eq!(reply.status, 403, "{reply:?}");
    registry.add(Token::new(ANN).with_id("ann")).expect("the same once more");
    let reply = sessions::ask(&running, &session, &headers, "ping", json!({})).await;
    assert_eq!(reply.status, 404, "the session of the one that was removed is nobody's");
    goes_on(&running, &mut of_bob).await;
}

#[tokio::test]
async fn streams_end_when_their_key_expires_and_sessions_stay_for_the_next() {
    let (running, registry) = with_registry(Config::default()).await;
    // As long as a busy machine may take to open what is to end.
    let expires = SystemTime::now() + Duration::from_secs(3);
    registry.update("ann", |record| record.expires_at = Some(expires)).expect("updated");
    let ann = bearer(ANN);
    let headers = [("authorization", ann.as_str())];
    let (session, _) = sessions::open(&running, &headers).await;
    let (listening, streaming) = (listen(&running, &headers).await, stream(&running, &session, &ann).await);
    ended(listening).await;
    ended(streaming).await;
    assert!(SystemTime::now() >= expires, "not before");
    assert_eq!(sessions::ask(&running, &session, &headers, "ping", json!({})).await.status, 401);
    registry.update("ann", |record| record.expires_at = None).expect("updated");
    sessions::ask(&running, &session, &headers, "ping", json!({})).await.result();
}

/// I4: a secret that was leaked listens no longer than it calls.
#[tokio::test]
async fn streams_of_a_secret_end_with_it_and_those_of_the_next_go_on() {
    const NEXT: &str = "second-of-ann-0123456789";
    let (running, registry) = with_registry(Config::default()).await;
    let old = listen(&running, &[("authorization", &bearer(ANN))]).await;
    registry.rotate("ann", NEXT, Duration::from_secs(60)).expect("rotated");
    let mut new = listen(&running, &[("authorization", &bearer(NEXT))]).await;
    let mut old = {
        let mut old = old;
        goes_on(&running, &mut old).await;
        old
    };
    assert!(within(new.next()).await.is_some(), "both were told");
    registry.update("ann", |record| record.secrets.truncate(1)).expect("updated");
    assert!(within(old.next()).await.expect("the end").get("result").is_some());
    goes_on(&running, &mut new).await;
}

fn jwt() -> Jwt {
    let algorithms = vec![Algorithm::parse("HS256").expect("known")];
    Jwt::with_secret(JwtConfig::new("https://login.example.com", AUDIENCE, algorithms), SECRET).expect("configured")
}

fn signed(change: serde_json::Value) -> String {
    let claims = claims("https://login.example.com", change);
    bearer(&Signer::secret().token(&json!({"alg": "HS256", "typ": "JWT"}), &claims))
}

#[tokio::test]
async fn streams_of_signed_tokens_end_when_these_are_revoked_or_over() {
    let jwt = jwt();
    let verified = jwt.verified().clone();
    let running = Running::with(Config { grace: Duration::from_millis(20), ..Config::default() }, jwt).await;
    let (first, second) = (signed(json!({"jti": "1"})), signed(json!({"jti": "2"})));
    let short = signed(json!({"exp": now() + 4}));
    let over = listen(&running, &[("authorization", &short)]).await;
    let (session, _) = sessions::open(&running, &[("authorization", &first)]).await;
    let streaming = stream(&running, &session, &second).await;
    let listening = listen(&running, &[("authorization", &first)]).await;
    let waiting = running.spawn(running.modern("tools/call", json!({"name": "wait"}), &[("authorization", &first)]));
    running.server.until_waiting(1).await;
    ended(over).await;
    verified.revoke_principal("alice", None).expect("revoked");
    ended(listening).await;
    ended(streaming).await;
    let reply = within(waiting).await.expect("no panic").expect("an answer");
    assert_eq!(reply.status, 403, "{reply:?}");
}

/// I3: a session is its caller's, whichever token it has at the moment; a stream is of the token that opened it.
#[tokio::test]
async fn one_revoked_token_ends_its_own_streams_only() {
    let jwt = jwt();
    let verified = jwt.verified().clone();
    let (first, second) = (signed(json!({"jti": "1"})), signed(json!({"jti": "2"})));
    let head = http::Request::get("/").header("authorization", &first).body(()).expect("a request").into_parts().0;
    let Authentication::Ready(Ok(principal)) = jwt.authenticate(&head) else { panic!("it is good") };
    let running = Running::with(Config::default(), jwt).await;
    let (session, _) = sessions::open(&running, &[("authorization", &second)]).await;
    let streaming = stream(&running, &session, &first).await;
    let mut other = listen(&running, &[("authorization", &second)]).await;
    verified.revoke(principal.token.as_ref().expect("it has a name")).expect("revoked");
    ended(streaming).await;
    goes_on(&running, &mut other).await;
    sessions::ask(&running, &session, &[("authorization", &second)], "ping", json!({})).await.result();
}

/// A reload.
#[tokio::test]
async fn other_authenticators_end_the_streams_that_they_would_not_let_in() {
    let keys = |list: &str| ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse(list).expect("a list"));
    let running =
        Running::with(Config::default(), keys(r#"{"key-of-ann": "ann", "key-of-bob": "bob", "key-of-eve": "eve"}"#))
            .await;
    let ann = listen(&running, &[("x-api-key", "key-of-ann")]).await;
    let mut bob = listen(&running, &[("x-api-key", "key-of-bob")]).await;
    let eve = listen(&running, &[("x-api-key", "key-of-eve")]).await;
    let next = Arc::new(keys(r#"{"key-of-bob": "bob", "key-of-eve": "somebody else"}"#));
    running.live.replace(running.server.clone(), next, &Limits::default()).expect("as before");
    ended(ann).await;
    ended(eve).await;
    goes_on(&running, &mut bob).await;
}

/// A signature is good for one request, and for the stream that it opened.
#[tokio::test]
async fn a_stream_through_a_proxy_is_not_taken_for_a_replay() {
    let proxy = || TrustedProxy::signed(&[7; 32], Duration::from_secs(60), ProxyHeaders::default()).expect("a proxy");
    let running = Running::with(Config::default(), proxy()).await;
    let request = running.modern("subscriptions/listen", json!({}), &[("x-mcp-user", "ann")]);
    let (head, _) = request.into_parts();
    let signature = {
        use hmac::{Hmac, KeyInit, Mac};
        let text = proxy().signed_text(now(), &head);
        let code = Hmac::<sha2::Sha256>::new_from_slice(&[7; 32]).expect("a key").chain_update(text).finalize();
        let hex: String = code.into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={},v1={hex}", now())
    };
    let headers = [("x-mcp-user", "ann"), ("x-mcp-signature", signature.as_str())];
    let mut events = listen(&running, &headers).await;
    running.live.replace(running.server.clone(), Arc::new(proxy()), &Limits::default()).expect("as before");
    goes_on(&running, &mut events).await;
    let other = TrustedProxy::signed(&[8; 32], Duration::from_secs(60), ProxyHeaders::default()).expect("a proxy");
    running.live.replace(running.server.clone(), Arc::new(other), &Limits::default()).expect("as before");
    ended(events).await;
}

/// One caller does not take the places of all others.
#[tokio::test]
async fn a_caller_has_so_many_streams_and_another_has_its_own() {
    let (running, _) = with_registry(Config { max_sessions_per_principal: 1, ..Config::default() }).await;
    let (ann, bob) = (bearer(ANN), bearer(BOB));
    let first = listen(&running, &[("authorization", &ann)]).await;
    let wanted = json!({"notifications": {"toolsListChanged": true}});
    let again = running.modern("subscriptions/listen", wanted.clone(), &[("authorization", &ann)]);
    let refused = running.ask(again).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "30"), "{refused:?}");
    listen(&running, &[("authorization", &bob)]).await;
    drop(first);
    within(async {
        loop {
            let again = running.modern("subscriptions/listen", wanted.clone(), &[("authorization", &ann)]);
            if running.send(again).await.status() == StatusCode::OK {
                return;
            }
        }
    })
    .await;
}

/// What keeps a stream open keeps nothing else alive.
#[tokio::test]
async fn a_stream_holds_on_to_no_server_of_before() {
    let world = Arc::new(World::default());
    let instances = world.instances(InstanceOptions::default());
    let live = Live::of_many(Arc::new(instances.clone()), Arc::new(BearerTokens::new(registry())), Config::default());
    let running = Running::live(live, TestServer::new()).await;
    let ann = bearer(ANN);
    let headers = [("authorization", ann.as_str())];
    let mut listening = listen(&running, &headers).await;
    let (session, _) = sessions::open(&running, &headers).await;
    let _streaming = stream(&running, &session, &ann).await;
    instances.invalidate(&Principal::trusted("ann"));
    within(listening.next()).await.expect("another server");
    sessions::ask(&running, &session, &headers, "tools/list", json!({})).await.result();
    within(async {
        while world.alive.load(Ordering::SeqCst) > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Sent away at a moment at which there is no session yet that could be found.
#[tokio::test]
async fn a_session_whose_initialize_still_runs_ends_too() {
    let (reached, hold) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let factory = {
        let (reached, hold) = (reached.clone(), hold.clone());
        move |_| {
            let (reached, hold) = (reached.clone(), hold.clone());
            async move {
                reached.notify_one();
                hold.notified().await;
                Ok::<Arc<dyn Server>, FactoryError>(TestServer::new())
            }
        }
    };
    let instances = Instances::new(factory, InstanceOptions::default());
    let live = Live::of_many(Arc::new(instances), Arc::new(BearerTokens::new(registry())), Config::default());
    let running = Running::live(live, TestServer::new()).await;
    let ann = bearer(ANN);
    let headers = [("authorization", ann.as_str())];
    let opening = running.spawn(running.post(&headers, sessions::initialize("2025-11-25")));
    within(reached.notified()).await;
    let whose = Whose::Principal { id: "ann".to_owned(), tenant: None };
    assert_eq!(running.live.end(whose, Duration::from_secs(60)).await, 0, "there is none to be found yet");
    hold.notify_one();
    let reply = within(opening).await.expect("no panic").expect("an answer");
    let session = reply.header("mcp-session-id").to_owned();
    assert!(!session.is_empty(), "{reply:?}");
    let reply = sessions::ask(&running, &session, &headers, "ping", json!({})).await;
    assert_eq!(reply.status, 404, "{reply:?}");
}
