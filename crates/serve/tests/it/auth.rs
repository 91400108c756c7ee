//! Credentials on real requests.

use http::{HeaderValue, request::Parts};
use mcp_serve::{ApiKeys, Authentication, Authenticator, BearerTokens, Challenge, KeyList, Principal, http::Config};
use serde_json::json;

use crate::support::Running;

const KEYS: &str = r#"{"key-of-alice": "alice", "key-of-bob": {"principal": "bob", "scopes": ["stock:write"]}}"#;

pub async fn with_keys() -> Running {
    let keys = ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse(KEYS).expect("keys"));
    Running::with(Config::default(), keys).await
}

async fn whoami(running: &Running, headers: &[(&str, &str)]) -> String {
    let request = running.modern("tools/call", json!({"name": "whoami"}), headers);
    running.ask(request).await.result()["content"][0]["text"].as_str().expect("text").to_owned()
}

#[tokio::test]
async fn the_key_of_a_request_says_who_calls() {
    let running = with_keys().await;
    assert_eq!(whoami(&running, &[("x-api-key", "key-of-alice")]).await, "alice");
    assert_eq!(whoami(&running, &[("x-api-key", "key-of-bob")]).await, "bob");
    let forged = [("x-api-key", "key-of-alice"), ("x-client-id", "bob"), ("x-forwarded-user", "bob")];
    assert_eq!(whoami(&running, &forged).await, "alice");
}

#[tokio::test]
async fn without_a_known_key_nothing_is_served() {
    let running = with_keys().await;
    for method in ["server/discover", "tools/list", "tools/call", "initialize"] {
        for key in ["", "key-of-eve"] {
            let reply = running.ask(running.modern(method, json!({"name": "echo"}), &[("x-api-key", key)])).await;
            assert_eq!(reply.error(), (401, 401), "{method}");
            assert_eq!(reply.header("www-authenticate"), "ApiKey realm=\"mcp\", header=\"x-api-key\"");
            assert!(reply.json()["error"]["data"]["hint"].as_str().expect("hint").contains("x-api-key"));
            assert!(!reply.text.contains("eve"), "{}", reply.text);
        }
    }
    let mut twice = running.modern("tools/list", json!({}), &[("x-api-key", "key-of-alice")]);
    twice.headers_mut().append("x-api-key", "key-of-bob".parse().expect("value"));
    assert_eq!(running.ask(twice).await.error(), (400, -32600));
    let get = running.request(http::Method::GET, &[("mcp-session-id", "x")], "");
    assert_eq!(running.ask(get).await.status, 401);
}

#[tokio::test]
async fn bearer_tokens_are_challenged_as_such() {
    let tokens = BearerTokens::new(KeyList::parse(r#"{"token-of-carol": "carol"}"#).expect("tokens"));
    let running = Running::with(Config::default(), tokens).await;
    assert_eq!(whoami(&running, &[("authorization", "Bearer token-of-carol")]).await, "carol");
    let reply = running.ask_modern("tools/list", json!({})).await;
    assert_eq!((reply.error(), reply.header("www-authenticate")), ((401, 401), "Bearer realm=\"mcp\""));
    let wrong = running.modern("tools/list", json!({}), &[("authorization", "Bearer nope")]);
    let reply = running.ask(wrong).await;
    assert_eq!(reply.status, 401);
    assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"mcp\", error=\"invalid_token\"");
}

#[tokio::test]
async fn a_missing_scope_is_named() {
    let running = with_keys().await;
    let call = |key| running.modern("tools/call", json!({"name": "scoped"}), &[("x-api-key", key)]);
    running.ask(call("key-of-bob")).await.result();
    let reply = running.ask(call("key-of-alice")).await;
    assert_eq!(reply.error(), (403, 403));
    let challenge = "Bearer error=\"insufficient_scope\", scope=\"stock:write stock:read\"";
    assert_eq!(reply.header("www-authenticate"), challenge);
    assert_eq!(reply.json()["error"]["data"]["scopes"], json!(["stock:write", "stock:read"]));
}

#[tokio::test]
async fn lists_are_private_where_callers_differ() {
    let running = with_keys().await;
    let list = running.modern("tools/list", json!({}), &[("x-api-key", "key-of-bob")]);
    assert_eq!(running.ask(list).await.result()["cacheScope"], "private");
}

/// Asks somebody else, here the scheduler.
#[derive(Debug)]
struct Remote;

impl Authenticator for Remote {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        Authentication::Pending(Box::pin(async move {
            tokio::task::yield_now().await;
            match head.headers.get("x-user").and_then(|user| user.to_str().ok()) {
                Some("panic") => panic!("a bug in authentication"),
                Some(user) => Ok(Principal::trusted(user)),
                None => Err(Challenge::unauthenticated(HeaderValue::from_static("Remote"), "who are you?", "say so")),
            }
        }))
    }
}

#[tokio::test]
async fn an_authenticator_may_take_its_time() {
    let running = Running::with(Config::default(), Remote).await;
    assert_eq!(whoami(&running, &[("x-user", "dave")]).await, "dave");
    let reply = running.ask_modern("tools/list", json!({})).await;
    assert_eq!((reply.error(), reply.header("www-authenticate")), ((401, 401), "Remote"));
}

#[tokio::test]
async fn a_panic_outside_of_calls_is_answered_too() {
    let running = Running::with(Config::default(), Remote).await;
    let reply = running.ask(running.modern("tools/list", json!({}), &[("x-user", "panic")])).await;
    assert_eq!(reply.error(), (500, -32603));
    assert!(!reply.text.contains("bug"));
}
