//! `toolsets`, `exposure`, `access` and `permissions` of specs, from the text to what callers are told over HTTP.

use std::{collections::BTreeSet, sync::Arc};

use axum::body::Body;
use http::{Request, StatusCode};
use mcp_factory_connect::{Policy, secrets::FixedSecrets};
use mcp_factory_engine::{Engine, authentication, authentication::Premises};
use mcp_serve::{
    Authenticator, CallContext, Error, Live, Peer, Principal, Scopes, Server, StateKey, TrustedProxy,
    http::{Config, Endpoint},
};
use serde_json::{Map, Value, json};

use crate::harness::{answer, plan, spec};

const TOOLS: &str = "
name: shop
version: 1.0.0
tools:
  - { name: find, description: Find orders, static: { text: found }, annotations: { readOnly: true } }
  - { name: refund, description: Pay money back, static: { text: paid }, annotations: { readOnly: true } }
  - { name: close, description: Close the books, static: { text: closed }, annotations: { readOnly: true } }
  - name: month
    description: The end of the month
    annotations: { readOnly: true }
    steps: [{ call: close }]
toolsets:
  - { name: reading, description: Look things up, tools: [find, month] }
  - { name: writing, description: Change things, tools: [refund] }
  - { name: books, description: The books, tools: [close] }
";

fn text(more: &str) -> String {
    format!("{TOOLS}{more}\n")
}

fn exposed(more: &str) -> Arc<dyn Server> {
    let folder = tempfile::tempdir().unwrap();
    let engine: Arc<Engine> = Arc::new(plan(&text(more), folder.path(), &[]).unwrap());
    engine.exposed(&StateKey::default())
}

async fn context(server: &dyn Server, principal: Arc<Principal>) -> Result<CallContext, Error> {
    let grant = match server.admit(&principal) {
        None => None,
        Some(deciding) => Some(deciding.await?),
    };
    let mut cx = CallContext::new(principal);
    cx.grant = grant;
    Ok(cx)
}

async fn call(server: &dyn Server, cx: &CallContext, tool: &str, arguments: Value) -> Result<Value, String> {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    match server.call_tool(cx, tool, arguments).await {
        Ok(result) => answer(result),
        Err(error) => Err(error.to_string()),
    }
}

/// What the caller is told of, each of which can be called, and nothing else can.
async fn tools(server: &dyn Server, cx: &CallContext) -> BTreeSet<String> {
    let listed: BTreeSet<String> = server.tools(cx).items().iter().map(|tool| tool.name.to_string()).collect();
    for tool in ["find", "refund", "close", "month", "reading.find", "writing.refund", "books.close", "reading.month"] {
        let called = call(server, cx, tool, json!({})).await;
        assert_eq!(called.is_ok(), listed.contains(tool), "{tool}: {called:?}");
    }
    listed
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

async fn anybody(more: &str) -> BTreeSet<String> {
    let server = exposed(more);
    tools(&*server, &CallContext::new(Principal::trusted("ann"))).await
}

#[tokio::test]
async fn static_exposure_is_what_is_initial_within_what_is_allowed() {
    assert_eq!(anybody("").await, set(&["find", "refund", "close", "month"]));
    assert_eq!(anybody("exposure: { initial: [reading] }").await, set(&["find", "month"]));
    assert_eq!(anybody("exposure: { allow: [reading, writing] }").await, set(&["find", "month", "refund"]));
    assert_eq!(anybody("exposure: { initial: [books], allow: [books, writing] }").await, set(&["close"]));
    assert_eq!(
        anybody("exposure: { namespace: true, initial: [reading, books] }").await,
        set(&["reading.find", "reading.month", "books.close"])
    );
}

/// What their author wrote steps reach, whoever sees it.
#[tokio::test]
async fn steps_reach_what_their_caller_does_not_see() {
    let server = exposed("exposure: { initial: [reading] }");
    let cx = CallContext::new(Principal::trusted("ann"));
    assert!(call(&*server, &cx, "month", json!({})).await.is_ok());
    assert!(call(&*server, &cx, "close", json!({})).await.is_err());
}

#[tokio::test]
async fn dynamic_exposure_has_one_list_and_finds_the_rest() {
    let server = exposed("exposure: { mode: dynamic, initial: [reading], allow: [reading, writing] }");
    let cx = CallContext::new(Principal::trusted("ann"));
    let meta = ["list_toolsets", "describe_toolset", "list_tools", "search_tools", "call_tool"];
    let expected: BTreeSet<String> = meta.iter().chain(&["find", "month"]).map(ToString::to_string).collect();
    assert_eq!(tools(&*server, &cx).await, expected);
    let found = call(&*server, &cx, "search_tools", json!({ "query": "money" })).await.unwrap();
    assert_eq!(found["tools"][0]["name"], "refund");
    let by_name = |tool: &str| json!({ "tool": tool, "arguments": {} });
    assert_eq!(call(&*server, &cx, "call_tool", by_name("refund")).await.unwrap(), json!("paid"));
    assert!(call(&*server, &cx, "call_tool", by_name("close")).await.is_err(), "it is not allowed");
}

fn of_groups(id: &str, groups: &[&str]) -> Arc<Principal> {
    let groups = groups.iter().map(ToString::to_string).collect();
    Arc::new(Principal { groups, ..(*Principal::trusted(id)).clone() })
}

/// T10: what a caller may see is asked with each request, and a reload is a new answer for the next one.
#[tokio::test]
async fn access_is_the_union_of_the_rules_and_follows_the_spec_that_is_served() {
    let rows = "access: [{ toolsets: [reading] }, { group: clerks, toolsets: [writing] }, { principal: ann, toolsets: [books] }]";
    let server = exposed(rows);
    for (principal, expected) in [
        (of_groups("bob", &[]), set(&["find", "month"])),
        (of_groups("bob", &["clerks"]), set(&["find", "month", "refund"])),
        (of_groups("ann", &["clerks"]), set(&["find", "month", "refund", "close"])),
    ] {
        let cx = context(&*server, principal).await.unwrap();
        assert_eq!(tools(&*server, &cx).await, expected);
    }
    let ann = context(&*server, of_groups("ann", &[])).await.unwrap();
    let next = exposed("access: [{ toolsets: [reading] }]");
    // A grant of the spec before says nothing to this one.
    assert_eq!(tools(&*next, &ann).await, set(&[]));
    let ann = context(&*next, of_groups("ann", &[])).await.unwrap();
    assert_eq!(tools(&*next, &ann).await, set(&["find", "month"]));
}

#[tokio::test]
async fn a_claim_lists_toolsets_and_one_that_names_none_that_there_is_lets_nobody_in() {
    let server = exposed("permissions: { source: claims, claim: may, default: [reading] }");
    let claiming = |may: Value| {
        let claims = Map::from_iter([("may".to_owned(), may)]);
        Arc::new(Principal { claims, ..(*Principal::trusted("ann")).clone() })
    };
    for (may, expected) in [
        (json!(["writing"]), set(&["find", "month", "refund"])),
        (json!("writing, gone"), set(&["find", "month", "refund"])),
        (json!([]), set(&["find", "month"])),
    ] {
        let cx = context(&*server, claiming(may)).await.unwrap();
        assert_eq!(tools(&*server, &cx).await, expected);
    }
    let strict = exposed("permissions: { source: claims, claim: may }");
    let refused = context(&*strict, claiming(json!(["gone"]))).await;
    assert!(matches!(refused, Err(Error::AccessDenied)), "{refused:?}");
    let nothing = context(&*strict, Principal::trusted("ann")).await.unwrap();
    assert_eq!(tools(&*strict, &nothing).await, set(&[]));
}

#[tokio::test]
async fn scopes_of_a_toolset_are_needed_in_whatever_way_its_tools_are_reached() {
    let scoped = TOOLS.replace("name: books, description", "name: books, scopes: [audit], description");
    let folder = tempfile::tempdir().unwrap();
    for exposure in ["", "exposure: { mode: dynamic, initial: ALL }"] {
        let engine = Arc::new(plan(&format!("{scoped}{exposure}\n"), folder.path(), &[]).unwrap());
        let server = engine.exposed(&StateKey::default());
        let with = |scopes: &[&str]| {
            let scopes = Scopes::Only(scopes.iter().map(ToString::to_string).collect());
            CallContext::new(Arc::new(Principal { scopes, ..(*Principal::trusted("ann")).clone() }))
        };
        for tool in ["close", "month"] {
            assert!(call(&*server, &with(&[]), tool, json!({})).await.is_err(), "{tool} {exposure}");
            assert!(call(&*server, &with(&["audit"]), tool, json!({})).await.is_ok(), "{tool} {exposure}");
        }
        assert_eq!(*server.required_scopes("close"), ["audit".to_owned()]);
        if !exposure.is_empty() {
            let arguments = serde_json::value::to_raw_value(&json!({ "tool": "close" })).unwrap();
            assert_eq!(server.called_tool("call_tool", Some(&arguments)), "close");
        }
    }
}

const SECRET: &str = "what the proxy and this server know";

fn authenticator(text: &str) -> Result<Arc<dyn Authenticator>, String> {
    let secrets: FixedSecrets = [("KEYS", r#"{"a-key-of-ann": "ann"}"#), ("PROXY", SECRET)].into_iter().collect();
    let premises = Premises { resource: None, secrets: Arc::new(secrets), policy: Policy::operator(), issued: None };
    authentication::authenticator(&spec(text), &premises).map_err(|error| error.to_string())
}

/// One server over HTTP, without the sockets.
fn endpoint(more: &str) -> (Endpoint, Arc<dyn Authenticator>) {
    let authenticator = authenticator(&text(more)).unwrap();
    let live = Live::new(exposed(more), authenticator.clone(), Config::default());
    (Endpoint::new(live).unwrap(), authenticator)
}

fn listing(headers: &[(&str, &str)], peer: &str) -> Request<Body> {
    let mut request = Request::post("/mcp")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .extension(Peer(peer.parse().unwrap()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} });
    request.body(Body::from(body.to_string())).unwrap()
}

async fn ask(endpoint: &Endpoint, request: Request<Body>) -> Result<BTreeSet<String>, StatusCode> {
    let response = endpoint.handle(request, None).await;
    if response.status() != StatusCode::OK {
        return Err(response.status());
    }
    let body = axum::body::to_bytes(Body::new(response.into_body()), 1 << 20).await.unwrap();
    let reply: Value = serde_json::from_slice(&body).unwrap();
    let tools = reply["result"]["tools"].as_array().unwrap();
    Ok(tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect())
}

const KEY: (&str, &str) = ("x-api-key", "a-key-of-ann");
const PROXY: &str = "10.1.2.3:4";

/// S3-60, S3-62, T10.
#[tokio::test]
async fn a_header_says_what_callers_may_see_where_a_proxy_sets_it() {
    let auth = "auth: { type: api_key, envVar: KEYS }\n";
    let from = format!(
        "{auth}permissions: {{ source: header, header: X-Toolsets, trustedProxies: [10.0.0.0/8], default: [reading] }}"
    );
    let (endpoint, known) = endpoint(&from);
    assert!(known.reads_peer() && !known.is_open());
    let ask = async |headers: &[(&str, &str)], peer: &str| ask(&endpoint, listing(headers, peer)).await;
    let reading = set(&["find", "month"]);
    let both = set(&["find", "month", "refund"]);
    assert_eq!(ask(&[KEY, ("X-TOOLSETS", " writing , gone")], PROXY).await, Ok(both));
    // The next request is judged by what it says, and by nothing that was said before.
    assert_eq!(ask(&[KEY, ("x-toolsets", "")], PROXY).await, Ok(reading.clone()));
    assert_eq!(ask(&[KEY], PROXY).await, Ok(reading.clone()));
    assert_eq!(ask(&[KEY], "192.168.1.1:1").await, Ok(reading), "who says nothing of it is who the key says");
    let forged = ask(&[KEY, ("x-toolsets", "books")], "192.168.1.1:1").await;
    assert_eq!(forged, Err(StatusCode::UNAUTHORIZED));
    assert_eq!(ask(&[("x-toolsets", "books")], PROXY).await, Err(StatusCode::UNAUTHORIZED), "the proxy is no caller");
}

#[tokio::test]
async fn a_signed_header_counts_once_and_unchanged() {
    let auth = "auth: { type: api_key, envVar: KEYS }\n";
    let signature = "signature: { header: X-Signature, envVar: PROXY, tolerance: 1m }";
    let (endpoint, _) = endpoint(&format!("{auth}permissions: {{ source: header, header: X-Toolsets, {signature} }}"));
    let signed = |toolsets: &str| {
        let mut request = listing(&[KEY, ("x-toolsets", toolsets)], "192.168.1.1:1");
        let (head, body) = request.into_parts();
        let headers = mcp_serve::ProxyHeaders {
            claims: vec!["x-toolsets".parse().unwrap()],
            ..mcp_serve::ProxyHeaders::default()
        };
        let minute = std::time::Duration::from_secs(60);
        let proxy = TrustedProxy::signed(SECRET.as_bytes(), minute, headers).unwrap();
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let mut text = proxy.signed_text(time, &head);
        let credential = ring::digest::digest(&ring::digest::SHA256, KEY.1.as_bytes());
        text.extend_from_slice(format!("\n{}", hex(credential.as_ref())).as_bytes());
        let code = hex(ring::hmac::sign(&key, &text).as_ref());
        request = Request::from_parts(head, body);
        request.headers_mut().insert("x-signature", format!("t={time},v1={code}").parse().unwrap());
        request
    };
    assert_eq!(ask(&endpoint, signed("writing")).await, Ok(set(&["refund"])));
    assert_eq!(ask(&endpoint, signed("writing")).await, Err(StatusCode::UNAUTHORIZED), "the very same request again");
    let mut changed = signed("reading");
    changed.headers_mut().insert("x-toolsets", "books".parse().unwrap());
    assert_eq!(ask(&endpoint, changed).await, Err(StatusCode::UNAUTHORIZED));
    let unsigned = listing(&[KEY, ("x-toolsets", "books")], "127.0.0.1:1");
    assert_eq!(ask(&endpoint, unsigned).await, Err(StatusCode::UNAUTHORIZED));
    assert_eq!(ask(&endpoint, signed("gone")).await, Err(StatusCode::FORBIDDEN), "S3-61");
}

/// Where the spec's `auth` says nothing, the proxy says who calls, too.
#[tokio::test]
async fn without_auth_everybody_comes_through_the_proxy() {
    let (endpoint, known) =
        endpoint("permissions: { source: header, header: X-Toolsets, trustedProxies: [10.0.0.0/8] }");
    assert!(!known.is_open(), "it may be listened for elsewhere than on loopback");
    let ask = async |headers: &[(&str, &str)], peer: &str| ask(&endpoint, listing(headers, peer)).await;
    let ann = ("x-mcp-user", "ann");
    assert_eq!(ask(&[ann, ("x-toolsets", "writing")], PROXY).await, Ok(set(&["refund"])));
    assert_eq!(ask(&[ann], PROXY).await, Ok(set(&[])));
    assert_eq!(ask(&[("x-toolsets", "writing")], PROXY).await, Err(StatusCode::UNAUTHORIZED), "who calls?");
    for headers in [&[ann, ("x-toolsets", "writing")][..], &[ann], &[]] {
        assert_eq!(ask(headers, "127.0.0.1:1").await, Err(StatusCode::UNAUTHORIZED), "{headers:?}");
    }
}

#[test]
fn a_proxy_that_can_not_be_trusted_is_told_at_the_start() {
    let signature = "signature: { header: X-S, envVar: PROXY, tolerance: 1h }";
    let long = authenticator(&text(&format!("permissions: {{ source: header, header: X-T, {signature} }}")));
    assert!(long.unwrap_err().contains("5 minutes"));
    let signature = "signature: { header: X-S, envVar: KEYS }";
    let short = authenticator(&text(&format!("permissions: {{ source: header, header: X-T, {signature} }}")));
    assert!(short.unwrap_err().contains("less than 32 bytes"));
}
