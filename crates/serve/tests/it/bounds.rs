//! T15: what a server keeps is bounded, whoever came by. By counts, which are exact; `bench/` measures what they weigh.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use mcp_serve::{
    BearerTokens, InstanceOptions, Limits, Live,
    http::{Config, Endpoint},
    tokens::{Token, TokenRegistry},
};

use crate::{
    isolation::{count, live_of_any},
    many::World,
    sessions::initialize,
};

const KEPT: usize = 500;
/// Servers in a cache of [`KEPT`]: its shards round up.
const MOST: usize = 512;

fn few() -> InstanceOptions {
    InstanceOptions { max_instances: KEPT, ..InstanceOptions::default() }
}

/// S2-50, S2-51.
#[tokio::test]
async fn t15_a_hundred_thousand_users_leave_as_many_servers_as_are_kept() {
    let world = Arc::new(World::default());
    let instances = world.instances(few());
    let endpoint = Endpoint::new(live_of_any(&instances)).expect("an endpoint");
    for user in 0..100_000 {
        assert_eq!(count(&endpoint, user).await, "1");
        assert!(world.alive.load(Ordering::SeqCst) <= MOST);
    }
    let stats = instances.stats();
    assert!(stats.size <= MOST, "{stats:?}");
    assert_eq!((stats.builds, stats.failed_builds), (100_000, 0));
    assert!(stats.evictions >= 99_000, "{stats:?}");
}

async fn post(endpoint: &Endpoint, token: &str, session: Option<&str>, body: String) -> http::Response<()> {
    let mut request = Request::post("/mcp")
        .header("host", "127.0.0.1")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("authorization", format!("Bearer {token}"));
    if let Some(session) = session {
        request = request.header("mcp-session-id", session).header("mcp-protocol-version", "2025-11-25");
    }
    let response = endpoint.handle(request.body(Full::new(Bytes::from(body))).expect("a request"), None).await;
    response.map(drop)
}

/// S4-39, I5: a session for each of a thousand of ten thousand tokens; one more is refused, the idle ones end, and as many can
/// be opened again. Nothing of the tokens stays when they are removed.
#[tokio::test(start_paused = true)]
async fn t15_ten_thousand_tokens_and_a_thousand_sessions_come_and_go() {
    const TOKENS: usize = 10_000;
    const SESSIONS: usize = 1_000;
    let idle = Duration::from_secs(600);
    let world = Arc::new(World::default());
    let instances = world.instances(few());
    let registry = TokenRegistry::default();
    let secret = |n: usize| format!("a-secret-that-nobody-guesses-{n:05}");
    let name = |n: usize| format!("customer-{n}");
    for n in 0..TOKENS {
        registry.add(Token::new(secret(n)).with_id(name(n)).with_principal(name(n))).expect("a token");
    }
    let config = Config { session_idle: idle, max_sessions: SESSIONS, limits: Limits::none(), ..Config::default() };
    let bearer = BearerTokens::new(registry.clone());
    let live = Live::of_many(Arc::new(instances.clone()), Arc::new(bearer), config);
    let endpoint = Endpoint::new(live).expect("an endpoint");
    let open = async |n: usize| post(&endpoint, &secret(n), None, initialize("2025-11-25")).await;
    let ping = || r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_owned();

    for round in 0..2 {
        let mut sessions = Vec::new();
        for n in (0..SESSIONS).map(|n| n + round * SESSIONS) {
            let opened = open(n).await;
            assert_eq!(opened.status(), StatusCode::OK, "{round} {n}");
            sessions.push((n, opened.headers()["mcp-session-id"].to_str().expect("text").to_owned()));
        }
        let refused = open(TOKENS - 1).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "one too many");
        let status =
            async |(n, session): &(usize, String)| post(&endpoint, &secret(*n), Some(session), ping()).await.status();
        assert_eq!(status(&sessions[SESSIONS / 2]).await, StatusCode::OK);
        tokio::time::sleep(2 * idle).await;
        for session in &sessions {
            assert_eq!(status(session).await, StatusCode::NOT_FOUND, "{round} {session:?}");
        }
    }
    for n in (2 * SESSIONS..TOKENS).step_by(8) {
        assert_eq!(post(&endpoint, &secret(n), None, ping()).await.status(), StatusCode::OK);
    }
    assert!(instances.stats().size <= MOST, "{:?}", instances.stats());
    assert!(world.alive.load(Ordering::SeqCst) <= MOST);
    assert_eq!(registry.len(), TOKENS);
    for n in 0..TOKENS {
        registry.remove(&name(n)).expect("known");
    }
    assert!(registry.is_empty());
    assert_eq!(open(0).await.status(), StatusCode::UNAUTHORIZED);
}
