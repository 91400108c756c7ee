//! OAuth in front of keys: the whole dance by raw requests, and what must not work. (Other people's OAuth clients do it in
//! `tests/clients`.)

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Method, Request, Response};
use mcp_serve::{
    ApiKeys, Authentication, Authenticator, BearerTokens, BoxFuture, Bridge, BridgeKey, BridgeOptions, Fetch,
    FetchBounds, FetchError, KeyList, ProtectedResource, Scopes, http::Config,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded};

use crate::support::{Reply, Running};

const RESOURCE: &str = "https://mcp.example.com/mcp";
const CALLBACK: &str = "https://assistant.example.com/callback";
const VERIFIER: &str = "a-verifier-of-more-than-forty-three-characters-0123456789";
const KEYS: &str = r#"{"key-of-alice": {"principal": "alice", "scopes": ["read", "write"]}, "key-of-bob": "bob"}"#;

/// The documents of clients, as a site would have them.
#[derive(Debug)]
struct Site;

impl Fetch for Site {
    fn fetch(&self, request: Request<Bytes>, _: FetchBounds) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(async move {
            let id = match request.uri().path() {
                "/client" => "https://assistant.example.com/client",
                "/thief" => "https://assistant.example.com/client",
                _ => return Err(FetchError::Unreachable("no such site".into())),
            };
            let document = json!({ "client_id": id, "client_name": "Assistant", "redirect_uris": [CALLBACK] });
            Ok(Response::new(document.to_string().into()))
        })
    }
}

struct Place {
    running: Running,
    bridge: Bridge,
}

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

impl Place {
    async fn open() -> Self {
        Self::with(KEYS, b"secret").await
    }

    async fn with(keys: &str, secret: &[u8]) -> Self {
        Self::before(ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse(keys).expect("keys")), secret).await
    }

    async fn before(keys: impl Authenticator, secret: &[u8]) -> Self {
        let options = BridgeOptions {
            key: BridgeKey::new(secret),
            documents: Some(Arc::new(Site)),
            scopes: vec!["read".to_owned(), "write".to_owned()],
            ..BridgeOptions::new("shop & co", RESOURCE.parse().expect("a URL"))
        };
        let bridge = Bridge::new(Arc::new(keys), options).expect("a bridge");
        let config = Config {
            routes: bridge.routes(),
            allowed_hosts: vec!["mcp.example.com".to_owned()],
            allowed_origins: vec!["https://mcp.example.com".to_owned()],
            ..Config::default()
        };
        Self { running: Running::with(config, bridge.clone()).await, bridge }
    }

    async fn at(&self, path: &str, method: Method, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut request = self.running.request(method, headers, body);
        *request.uri_mut() = path.parse().expect("a path");
        self.running.ask(request).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.at(path, Method::GET, &[], "").await
    }

    async fn post(&self, path: &str, body: &str) -> Reply {
        self.at(path, Method::POST, &[("content-type", "application/x-www-form-urlencoded")], body).await
    }

    async fn registered(&self) -> String {
        let body = json!({ "redirect_uris": [CALLBACK], "client_name": "<b>Assistant</b>" }).to_string();
        let reply = self.at("/oauth/register", Method::POST, &[("content-type", "application/json")], &body).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()["client_id"].as_str().expect("an id").to_owned()
    }

    async fn page(&self, client: &str, change: &[(&str, &str)]) -> Reply {
        let challenge = challenge();
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", CALLBACK),
            ("state", "a state"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("resource", RESOURCE),
        ];
        pairs.retain(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
        pairs.extend(change.iter().filter(|(_, value)| !value.is_empty()));
        self.get(&format!("/oauth/authorize?{}", form(&pairs))).await
    }

    async fn decide(&self, page: &Reply, key: &str, decision: &str) -> Reply {
        assert_eq!(page.status, 200, "{page:?}");
        let request =
            page.text.split_once("name=\"request\" value=\"").expect("a form").1.split_once('"').expect("end").0;
        let body = form(&[("request", request), ("key", key), ("decision", decision)]);
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", "https://mcp.example.com")];
        self.at("/oauth/authorize", Method::POST, &headers, &body).await
    }

    async fn code(&self, client: &str, key: &str, change: &[(&str, &str)]) -> String {
        let reply = self.decide(&self.page(client, change).await, key, "allow").await;
        assert_eq!(reply.status, 303, "{reply:?}");
        answer(&reply, "code").expect("a code")
    }

    async fn exchange(&self, client: &str, code: &str, change: &[(&str, &str)]) -> Reply {
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("client_id", client),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("resource", RESOURCE),
        ];
        pairs.retain(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
        pairs.extend(change.iter().filter(|(_, value)| !value.is_empty()));
        self.post("/oauth/token", &form(&pairs)).await
    }

    async fn refresh(&self, client: &str, token: &str) -> Reply {
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", client)];
        self.post("/oauth/token", &form(&pairs)).await
    }

    async fn tokens(&self, key: &str) -> (String, Value) {
        let client = self.registered().await;
        let code = self.code(&client, key, &[]).await;
        let reply = self.exchange(&client, &code, &[]).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.header("cache-control"), "no-store");
        (client, reply.json())
    }

    async fn call(&self, token: &str) -> Reply {
        let authorization = format!("Bearer {token}");
        let params = json!({ "name": "whoami", "arguments": {} });
        self.running.ask(self.running.modern("tools/call", params, &[("authorization", &authorization)])).await
    }
}

fn answer(reply: &Reply, name: &str) -> Option<String> {
    let url = Url::parse(reply.header("location")).expect("a place to go to");
    let pairs: Vec<_> = url.query_pairs().collect();
    assert!(pairs.iter().any(|(name, value)| name == "iss" && value == "https://mcp.example.com"), "RFC 9207: {url}");
    pairs.into_iter().find(|(given, _)| given == name).map(|(_, value)| value.into_owned())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

#[tokio::test]
async fn a_client_finds_its_way_and_calls_in_the_name_of_whose_key_was_typed() {
    let place = Place::open().await;
    let refused = place.running.ask_modern("tools/list", json!({})).await;
    assert_eq!(refused.status, 401);
    let challenges: Vec<_> =
        refused.headers.get_all("www-authenticate").iter().map(|value| value.to_str().expect("text")).collect();
    let metadata = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
    assert!(challenges.iter().any(|challenge| challenge.contains(metadata)), "{challenges:?}");
    let resource = place.get("/.well-known/oauth-protected-resource/mcp").await.json();
    assert_eq!(resource["resource"], RESOURCE);
    assert_eq!(resource["authorization_servers"], json!(["https://mcp.example.com"]));
    let server = place.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(server["issuer"], "https://mcp.example.com");
    assert_eq!(server["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(server["client_id_metadata_document_supported"], true);

    let client = place.registered().await;
    let page = place.page(&client, &[]).await;
    for shown in ["shop &amp; co", "&lt;b&gt;Assistant&lt;/b&gt;", "<b>assistant.example.com</b>"] {
        assert!(page.text.contains(shown), "{shown} in {}", page.text);
    }
    let policy = page.header("content-security-policy");
    assert!(policy.contains("form-action 'self' https://assistant.example.com;"), "{policy}");
    let reply = place.decide(&page, "key-of-alice", "allow").await;
    assert_eq!(answer(&reply, "state").as_deref(), Some("a state"));
    assert!(reply.header("location").starts_with(CALLBACK));
    let code = answer(&reply, "code").expect("a code");
    let tokens = place.exchange(&client, &code, &[]).await.json();
    assert_eq!((text(&tokens, "token_type"), tokens["expires_in"].as_u64()), ("Bearer", Some(3600)));
    let called = place.call(text(&tokens, "access_token")).await.result();
    assert!(called["content"][0]["text"].as_str().expect("text").contains("alice"), "{called}");
    // The key itself goes on to work, and is in nothing that was handed out.
    assert!(!page.text.contains("key-of-alice") && !tokens.to_string().contains("key-of-alice"));
}

#[tokio::test]
async fn a_client_that_describes_itself_needs_no_registration() {
    let place = Place::open().await;
    let client = "https://assistant.example.com/client";
    let code = place.code(client, "key-of-bob", &[]).await;
    let tokens = place.exchange(client, &code, &[]).await.json();
    assert!(place.call(text(&tokens, "access_token")).await.result().to_string().contains("bob"));
    for (thief, why) in [
        ("https://assistant.example.com/thief", "is not the URL at which it is"),
        ("https://assistant.example.com/none", "can&#39;t be read"),
        ("https://assistant.example.com/", "must have a path"),
        ("http://assistant.example.com/client", "not known"),
        ("nobody", "not known"),
        ("mcpc_AAAA", "not known"),
    ] {
        let page = place.page(thief, &[]).await;
        assert_eq!(page.status, 400, "{thief}");
        assert!(page.text.contains(why) && page.header("location").is_empty(), "{thief}: {}", page.text);
    }
}

#[tokio::test]
async fn what_is_wrong_before_a_person_acted_is_shown_and_sends_nobody_anywhere() {
    let place = Place::open().await;
    let client = place.registered().await;
    for change in [("redirect_uri", "https://evil.example.com/callback"), ("redirect_uri", "")] {
        let page = place.page(&client, &[change]).await;
        assert_eq!((page.status.as_u16(), page.header("location")), (400, ""), "{change:?}");
    }
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("resource", "https://other.example.com/mcp"), "invalid_target"),
    ] {
        let reply = place.page(&client, &[change]).await;
        // Anybody can register a place, so that nobody is sent there who did not act.
        assert_eq!((reply.status.as_u16(), reply.header("location")), (400, ""), "{change:?}");
        let back = format!("{CALLBACK}?error={error}&amp;error_description=");
        assert!(reply.text.contains(&back) && reply.text.contains("state=a+state"), "{change:?}: {}", reply.text);
    }
    let twice = format!("/oauth/authorize?client_id=a&client_id={client}");
    assert_eq!(place.get(&twice).await.status, 400);
    let declined = place.decide(&place.page(&client, &[]).await, "", "deny").await;
    assert_eq!(answer(&declined, "error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn a_wrong_key_gives_no_code_and_a_foreign_page_none_either() {
    let place = Place::open().await;
    let client = place.registered().await;
    let page = place.page(&client, &[]).await;
    let (_, tokens) = place.tokens("key-of-bob").await;
    for key in ["", "key-of-nobody", "key\u{7f}", text(&tokens, "access_token")] {
        let reply = place.decide(&page, key, "allow").await;
        assert_eq!((reply.status.as_u16(), reply.header("location")), (401, ""), "{key:?}");
        assert!(reply.text.contains("This key is not known."));
    }
    let request = page.text.split_once("name=\"request\" value=\"").expect("a form").1.split_once('"').expect("end").0;
    let body = form(&[("request", request), ("key", "key-of-alice"), ("decision", "allow")]);
    for origin in ["https://evil.example.com", "null", ""] {
        let reply = place.at("/oauth/authorize", Method::POST, &[("origin", origin)], &body).await;
        assert_eq!((reply.status.as_u16(), reply.header("location")), (403, ""), "{origin:?}");
    }
}

#[tokio::test]
async fn a_code_is_good_once_for_its_client_verifier_and_redirect() {
    let place = Place::open().await;
    let (client, other) = (place.registered().await, "https://assistant.example.com/client");
    let code = place.code(&client, "key-of-alice", &[]).await;
    for (change, error) in [
        (("client_id", other), "invalid_grant"),
        (("client_id", ""), "invalid_client"),
        (("code_verifier", "another-verifier-of-more-than-forty-three-characters"), "invalid_grant"),
        (("code_verifier", ""), "invalid_request"),
        (("redirect_uri", "https://assistant.example.com/other"), "invalid_grant"),
        (("resource", "https://other.example.com/mcp"), "invalid_target"),
        (("grant_type", "password"), "unsupported_grant_type"),
        (("code", "mcpo_AAAA"), "invalid_grant"),
    ] {
        let reply = place.exchange(&client, &code, &[change]).await;
        assert_eq!(text(&reply.json(), "error"), error, "{change:?}");
    }
    let tokens = place.exchange(&client, &code, &[]).await.json();
    assert_eq!(place.call(text(&tokens, "access_token")).await.status, 200);
    // Somebody else has the code too: what came of it ends.
    assert_eq!(text(&place.exchange(&client, &code, &[]).await.json(), "error"), "invalid_grant");
    assert_eq!(place.call(text(&tokens, "access_token")).await.status, 401);
    assert_eq!(text(&place.refresh(&client, text(&tokens, "refresh_token")).await.json(), "error"), "invalid_grant");
}

#[tokio::test]
async fn tokens_are_renewed_and_each_kind_is_good_for_one_thing() {
    let place = Place::open().await;
    let (client, first) = place.tokens("key-of-alice").await;
    let second = place.refresh(&client, text(&first, "refresh_token")).await.json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!(place.call(text(&second, "access_token")).await.status, 200);
    let misused = [text(&second, "refresh_token").to_owned(), format!("{}x", text(&second, "access_token"))];
    for token in &misused {
        let reply = place.call(token).await;
        assert_eq!(reply.status, 401);
        assert!(reply.header("www-authenticate").contains("oauth-protected-resource"), "{reply:?}");
    }
    assert_eq!(text(&place.refresh(&client, text(&second, "access_token")).await.json(), "error"), "invalid_grant");
    // Two credentials could be of two callers.
    let authorization = format!("Bearer {}", text(&second, "access_token"));
    let params = json!({ "name": "whoami", "arguments": {} });
    let both = [("authorization", &*authorization), ("x-api-key", "key-of-bob")];
    let reply = place.running.ask(place.running.modern("tools/call", params, &both)).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    // RFC 7009: by its client, and all that came of the consent.
    let stranger = form(&[("token", text(&second, "refresh_token")), ("client_id", "nobody")]);
    assert_eq!(place.post("/oauth/revoke", &stranger).await.status, 200);
    assert_eq!(place.call(text(&second, "access_token")).await.status, 200);
    let revoke = form(&[("token", text(&second, "refresh_token")), ("client_id", &client)]);
    assert_eq!(place.post("/oauth/revoke", &revoke).await.status, 200);
    assert_eq!(place.call(text(&second, "access_token")).await.status, 401);
}

#[tokio::test]
async fn a_token_allows_what_was_asked_for_and_never_more_than_the_key() {
    let place = Place::open().await;
    let client = place.registered().await;
    let code = place.code(&client, "key-of-alice", &[("scope", "read admin")]).await;
    let tokens = place.exchange(&client, &code, &[]).await.json();
    assert_eq!(tokens["scope"], "read admin");
    let authorization = format!("Bearer {}", text(&tokens, "access_token"));
    let (head, ()) =
        Request::get("/mcp").header("authorization", authorization).body(()).expect("a request").into_parts();
    let Authentication::Ready(Ok(principal)) = place.bridge.authenticate(&head) else { panic!("alice's token") };
    assert_eq!((&*principal.id, &principal.scopes), ("alice", &Scopes::Only(["read".to_owned()].into())));
}

/// RFC 6749, 6: a client that once asked for a token with less has not given the rest back, and gets no more than it had.
#[tokio::test]
async fn a_token_may_be_renewed_with_less_and_then_with_all_again() {
    let place = Place::open().await;
    let client = place.registered().await;
    let code = place.code(&client, "key-of-alice", &[("scope", "read write")]).await;
    let mut tokens = place.exchange(&client, &code, &[]).await.json();
    for (asked, given) in [("read", Ok("read")), ("read write", Ok("read write")), ("read admin", Err("invalid_scope"))]
    {
        let refresh = text(&tokens, "refresh_token").to_owned();
        let mut pairs = vec![("grant_type", "refresh_token"), ("refresh_token", &refresh), ("client_id", &client)];
        pairs.push(("scope", asked));
        let reply = place.post("/oauth/token", &form(&pairs)).await.json();
        match given {
            Ok(given) => {
                assert_eq!(reply["scope"], given, "{reply}");
                let authorization = format!("Bearer {}", text(&reply, "access_token"));
                let head = Request::get("/mcp").header("authorization", authorization).body(()).expect("a request");
                let (head, ()) = head.into_parts();
                let Authentication::Ready(Ok(principal)) = place.bridge.authenticate(&head) else { panic!("alice's") };
                let scopes = given.split(' ').map(str::to_owned).collect();
                assert_eq!(principal.scopes, Scopes::Only(scopes), "{asked}");
                tokens = reply;
            }
            Err(error) => assert_eq!(reply["error"], error, "{reply}"),
        }
    }
}

/// What every caller needs is asked of the key, and once more of what the program got of it.
#[tokio::test]
async fn a_token_that_was_narrowed_too_far_is_403_and_says_what_it_lacks() {
    let needed = ProtectedResource::new(
        &RESOURCE.parse().expect("a URL"),
        &["https://mcp.example.com".to_owned()],
        vec!["read".to_owned()],
        &[],
    );
    let keys = BearerTokens::new(KeyList::parse(KEYS).expect("keys")).of_resource(needed.expect("a resource"));
    let place = Place::before(keys, b"secret").await;
    assert_eq!(place.call("key-of-alice").await.status, 200);
    assert_eq!(place.call("key-of-bob").await.status, 403, "S4-47");
    let (_, whole) = place.tokens("key-of-alice").await;
    assert_eq!(place.call(text(&whole, "access_token")).await.status, 200);
    let client = place.registered().await;
    let code = place.code(&client, "key-of-alice", &[("scope", "write")]).await;
    let narrow = place.exchange(&client, &code, &[]).await.json();
    let refused = place.call(text(&narrow, "access_token")).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let challenge = refused.header("www-authenticate");
    assert!(challenge.contains("error=\"insufficient_scope\"") && challenge.contains("scope=\"read\""), "{challenge}");
    let page = place.page(&client, &[]).await;
    let refused = place.decide(&page, "key-of-bob", "allow").await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.text.contains("does not allow"), "{}", refused.text);
}

/// A client follows it to where it gets a token.
#[tokio::test]
async fn a_refused_bearer_token_is_led_to_the_bridge_too() {
    let keys = BearerTokens::new(KeyList::parse(KEYS).expect("keys"));
    let place = Place::before(keys, b"secret").await;
    let metadata = "resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\"";
    let refused = place.call("some-other-key").await;
    let challenges: Vec<_> = refused.headers.get_all("www-authenticate").iter().collect();
    assert_eq!((refused.status.as_u16(), challenges.len()), (401, 1));
    let challenge = challenges[0].to_str().expect("text");
    assert!(challenge.contains("error=\"invalid_token\"") && challenge.contains(metadata), "{challenge}");
    let refused = place.running.ask_modern("tools/list", json!({})).await;
    assert!(refused.header("www-authenticate").contains(metadata), "{refused:?}");
}

#[tokio::test]
async fn a_token_ends_with_its_key_and_is_good_at_its_own_server_only() {
    let place = Place::open().await;
    let (client, tokens) = place.tokens("key-of-alice").await;
    // The same secret, but alice's key is gone.
    let after = Place::with(r#"{"key-of-bob": "bob"}"#, b"secret").await;
    assert_eq!(after.call(text(&tokens, "access_token")).await.status, 401);
    assert_eq!(text(&after.refresh(&client, text(&tokens, "refresh_token")).await.json(), "error"), "invalid_grant");
    let other = Place::with(KEYS, b"another secret").await;
    assert_eq!(other.call(text(&tokens, "access_token")).await.status, 401);
}
