//! A resource server on real connections, in both eras.

use std::sync::Arc;

use http::{Method, Request};
use mcp_serve::{
    Algorithm, ApiKeys, Chain, IpNet, Jwks, JwksConfig, Jwt, JwtConfig, KeyList, Keys, ProtectedResource, ProxyHeaders,
    TrustedProxy, http::Config,
};
use serde_json::{Value, json};
use url::Url;

use crate::{
    issuer::{AUDIENCE, Issuer, Signer, claims, fetch},
    support::{Reply, Running},
};

const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";

struct Shop {
    running: Running,
    issuer: Issuer,
    signer: Signer,
}

impl Shop {
    async fn open() -> Self {
        let signer = Signer::new("ES256");
        let issuer = Issuer::start(vec![signer.jwk("k")]).await;
        let keys = Jwks::of_issuer(&issuer.url, fetch(), JwksConfig::default());
        let config = JwtConfig::new(&issuer.url, AUDIENCE, vec![Algorithm::Es256]);
        let scopes = vec!["mcp".to_owned()];
        let supported = ["stock:write".to_owned()];
        let url = Url::parse(AUDIENCE).expect("a URL");
        let resource =
            ProtectedResource::new(&url, std::slice::from_ref(&issuer.url), scopes, &supported).expect("a resource");
        let jwt = Jwt::with_keys_of(config, keys).expect("configured").of_resource(resource);
        Self { running: Running::with(Config::default(), jwt).await, issuer, signer }
    }

    fn token(&self, change: Value) -> String {
        let token = self.signer.token(&json!({"alg": "ES256", "kid": "k"}), &claims(&self.issuer.url, change));
        format!("Bearer {token}")
    }

    async fn call(&self, tool: &str, token: &str) -> Reply {
        let request = self.running.modern("tools/call", json!({ "name": tool }), &[("authorization", token)]);
        self.running.ask(request).await
    }

    async fn get(&self, path: &str) -> Reply {
        let request = Request::builder().method(Method::GET).uri(path).header("host", self.running.address.to_string());
        self.running.ask(request.body(String::new()).expect("a request")).await
    }
}

/// S4-40.
#[tokio::test]
async fn the_document_is_there_for_everybody() {
    let shop = Shop::open().await;
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let reply = shop.get(path).await;
        assert_eq!((reply.status.as_u16(), reply.json()["resource"].as_str()), (200, Some(AUDIENCE)), "{path}");
        assert_eq!(reply.json()["authorization_servers"], json!([shop.issuer.url]));
        assert_eq!(reply.json()["scopes_supported"], json!(["mcp", "stock:write"]));
    }
    assert_eq!(shop.get("/.well-known/oauth-protected-resource/other").await.status, 404);
}

/// S4-31, T4: the same status and shape whatever is wrong, and never the token.
#[tokio::test]
async fn every_refusal_leads_to_a_token_that_is_good() {
    let shop = Shop::open().await;
    let reply = shop.running.ask_modern("tools/list", json!({})).await;
    assert_eq!(reply.status, 401);
    assert_eq!(
        reply.header("www-authenticate"),
        format!("Bearer realm=\"mcp\", resource_metadata=\"{METADATA}\", scope=\"mcp\"")
    );
    let expired = shop.token(json!({"exp": 1, "scope": "mcp"}));
    let other = shop.token(json!({"aud": "https://other.example.com"}));
    for token in ["Bearer nonsense", "Bearer a.b.c", &expired, &other] {
        let reply = shop.call("whoami", token).await;
        assert_eq!(reply.error(), (401, 401), "{token}");
        assert_eq!(
            reply.header("www-authenticate"),
            format!("Bearer realm=\"mcp\", error=\"invalid_token\", resource_metadata=\"{METADATA}\", scope=\"mcp\"")
        );
        assert!(!reply.text.contains(&token["Bearer ".len()..]), "{}", reply.text);
    }
    let mut in_query = shop.running.modern("tools/list", json!({}), &[("authorization", &shop.token(json!({})))]);
    *in_query.uri_mut() = "/mcp?access_token=x".parse().expect("a path");
    assert_eq!(shop.running.ask(in_query).await.error(), (400, -32600));
}

/// S4-47: step-up names all that is needed.
#[tokio::test]
async fn a_scope_that_is_missing_is_a_403_that_names_all_scopes() {
    let shop = Shop::open().await;
    let reply = shop.call("whoami", &shop.token(json!({}))).await;
    assert_eq!(reply.error(), (403, 403), "every caller needs `mcp`");
    let missing = |scopes: &str| {
        format!(
            "Bearer realm=\"mcp\", error=\"insufficient_scope\", resource_metadata=\"{METADATA}\", scope=\"{scopes}\""
        )
    };
    assert_eq!(reply.header("www-authenticate"), missing("mcp"));
    let token = shop.token(json!({"scope": "mcp"}));
    assert_eq!(shop.call("whoami", &token).await.result()["content"][0]["text"], "alice");
    let reply = shop.call("scoped", &token).await;
    assert_eq!(reply.error(), (403, 403));
    assert_eq!(reply.header("www-authenticate"), missing("mcp stock:write stock:read"));
    let all = shop.token(json!({"scope": "mcp stock:write stock:read"}));
    shop.call("scoped", &all).await.result();
}

/// I3: a session is its principal's, whatever the token; and in it a missing scope is the same 403.
#[tokio::test]
async fn a_session_survives_a_new_token_and_steps_up() {
    let shop = Shop::open().await;
    let running = &shop.running;
    let old = shop.token(json!({"scope": "mcp", "jti": "1"}));
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}});
    let reply = running.ask(running.post(&[("authorization", &old)], hello.to_string())).await;
    let session = reply.header("mcp-session-id").to_owned();
    let call = async |token: &str, tool: &str| {
        let headers = [("authorization", token), ("mcp-session-id", &session), ("mcp-protocol-version", "2025-11-25")];
        let body = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": tool}});
        running.ask(running.post(&headers, body.to_string())).await
    };
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let headers = [("authorization", old.as_str()), ("mcp-session-id", &session)];
    assert_eq!(running.ask(running.post(&headers, ready.to_string())).await.status, 202);
    assert_eq!(call(&old, "scoped").await.error(), (403, 403));
    assert!(call(&old, "scoped").await.header("www-authenticate").contains("scope=\"mcp stock:write stock:read\""));
    let new = shop.token(json!({"scope": "mcp stock:write stock:read", "jti": "2"}));
    assert_eq!(call(&new, "scoped").await.status, 200);
    let other = shop.token(json!({"scope": "mcp stock:write stock:read", "sub": "bob"}));
    assert_eq!(call(&other, "whoami").await.status, 404, "somebody else's session is none");
}

#[tokio::test]
async fn every_way_in_is_on_the_wire() {
    let shop = Shop::open().await;
    let keys = Jwks::of_issuer(&shop.issuer.url, fetch(), JwksConfig::default());
    let jwt = Jwt::with_keys_of(JwtConfig::new(&shop.issuer.url, AUDIENCE, vec![Algorithm::Es256]), keys);
    let keys = Keys::from(KeyList::parse(r#"{"key-of-bob": "bob"}"#).expect("keys")).of_callers_of(&shop.issuer.url);
    let keys = ApiKeys::new(ApiKeys::DEFAULT_HEADER, keys);
    let chain = Chain::new(vec![Arc::new(jwt.expect("configured")), Arc::new(keys)]).expect("a chain");
    let running = Running::with(Config::default(), chain).await;
    let who = async |headers: &[(&str, &str)]| {
        let reply = running.ask(running.modern("tools/call", json!({"name": "whoami"}), headers)).await;
        if reply.status == 200 {
            reply.result()["content"][0]["text"].as_str().expect("text").to_owned()
        } else {
            reply.status.to_string()
        }
    };
    let token = shop.token(json!({}));
    assert_eq!(who(&[("authorization", &token)]).await, "alice");
    assert_eq!(who(&[("x-api-key", "key-of-bob")]).await, "bob");
    assert!(who(&[("authorization", &token), ("x-api-key", "key-of-bob")]).await.starts_with("400"));
    let response = running.send(running.modern("tools/list", json!({}), &[])).await;
    assert_eq!(response.headers().get_all("www-authenticate").iter().count(), 2);
}

/// T10: on a real connection, whose address is what counts.
#[tokio::test]
async fn a_proxy_is_believed_by_where_it_connects_from() {
    for (peer, status) in [("127.0.0.0/8", 200), ("10.0.0.0/8", 401)] {
        let peers = vec![IpNet::parse(peer).expect("a net")];
        let proxy = TrustedProxy::from_peers(peers, ProxyHeaders::default()).expect("a proxy");
        let running = Running::with(Config::default(), proxy).await;
        let headers = [("x-mcp-user", "carol"), ("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=127.0.0.1")];
        let request = running.modern("tools/call", json!({"name": "whoami"}), &headers);
        assert_eq!(running.ask(request).await.status, status, "{peer}");
    }
}
