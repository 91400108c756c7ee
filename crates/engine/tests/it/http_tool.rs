//! `http` tools against a real upstream on loopback, which writes down what it was asked.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::IntoResponse,
};
use mcp_factory_engine::Engine;
use serde_json::{Value, json};

use crate::harness::{call, plan};

#[derive(Debug, Clone)]
struct Asked {
    method: String,
    uri: String,
    headers: HeaderMap,
    body: String,
}

type Log = Arc<Mutex<Vec<Asked>>>;

const TOOLS: &str = r#"
tools:
  - name: get
    description: Path, query and header
    parameters:
      id: { type: string, required: true }
      tags: { type: array, items: { type: string } }
      note: { type: string }
    http:
      path: "/customers/{id}/orders"
      query: { tag: "{tags}", fixed: "a&b", note: "{note}" }
      headers: { X-Note: "n:{note}", X-Caller: "{principal.id}" }
      select: /data
    returns: { type: object, properties: { id: { type: string }, total: { type: number } } }
  - name: post
    description: A JSON body
    parameters: { name: { type: string, required: true }, age: { type: integer }, tags: { type: array } }
    http: { method: POST, path: /people, body: { person: { name: "{name}", age: "{age}" }, greeting: "Hi {name}", tags: "{tags}" } }
  - name: form
    description: A form
    parameters: { name: { type: string, required: true } }
    http: { method: POST, path: /form, bodyType: form, body: { name: "{name}", fixed: "x y" } }
  - name: text
    description: Text
    parameters: { name: { type: string, required: true } }
    http: { method: PUT, path: /text, bodyType: text, body: "Hello {name}" }
  - name: cookies
    description: Cookies
    parameters: { a: { type: string }, b: { type: string }, c: { type: integer } }
    http: { path: /people, cookies: { A: "{a}", b: "x{b}", c: "{c}" } }
  - name: styled
    description: Lists and objects as text
    parameters:
      ids: { type: array, items: { type: integer }, default: [1, 2] }
      tags: { type: array, items: { type: string } }
      created: { anyOf: [{ type: object }, { type: integer }] }
      words: { type: array, items: { type: string } }
      metadata: { type: object }
    http:
      method: POST
      path: "/things/{ids}"
      query: { tag: "{tags}", created: "{created}" }
      headers: { X-Words: "{words}" }
      bodyType: form
      body: { metadata: "{metadata}", tags: "{tags}" }
      styles: { ids: commaDelimited, tags: pipeDelimited, created: deepObject, words: spaceDelimited, metadata: deepObject }
  - { name: fails, description: Fails, http: { path: /fails } }
  - { name: nothing, description: Selects nothing, http: { path: /people, select: /no/such } }
"#;

async fn upstream(
    State(log): State<Log>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    log.lock().unwrap().push(Asked {
        method: method.to_string(),
        uri: uri.to_string(),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    });
    if uri.path() == "/base/fails" {
        let said = format!("no such thing for {:?}", log.lock().unwrap().last().unwrap().headers.get("authorization"));
        return (StatusCode::UNPROCESSABLE_ENTITY, [(header::CONTENT_TYPE, "text/plain")], said);
    }
    let answer = json!({ "data": { "id": 7, "total": "12.50", "secret": "x" } });
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], answer.to_string())
}

/// Serves on loopback and says where.
pub async fn listen(router: Router) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// The tools of a server whose one connection is to `address`, below `/base`.
pub fn engine(address: std::net::SocketAddr, tools: &str) -> Engine {
    let text = format!(
        "name: crm\nconnections:\n  - {{ name: api, type: http, url: 'http://{address}/base', allowPrivateNetwork: true }}\n{tools}"
    );
    plan(&text, tempfile::tempdir().unwrap().path(), &[]).unwrap()
}

async fn start() -> (Engine, Log) {
    let log = Log::default();
    let address = listen(Router::new().fallback(upstream).with_state(Arc::clone(&log))).await;
    let text = format!(
        "name: crm\nconnections:\n  - {{ name: api, type: http, url: 'http://{address}/base', allowPrivateNetwork: true, \
         auth: {{ type: bearer, envVar: TOKEN }} }}\n{TOOLS}"
    );
    let folder = tempfile::tempdir().unwrap();
    (plan(&text, folder.path(), &[("TOKEN", "t0ps3cret")]).unwrap(), log)
}

fn last(log: &Log) -> Asked {
    log.lock().unwrap().last().cloned().unwrap()
}

/// Issue 6: as Stripe takes `created`, `metadata` and `line_items`.
#[tokio::test]
async fn lists_and_objects_are_written_in_the_style_of_their_argument() {
    let (engine, log) = start().await;
    let check = async |arguments: Value, uri: &str, body: &str| {
        call(&engine, "styled", arguments).await.unwrap();
        assert_eq!((last(&log).uri.as_str(), last(&log).body.as_str()), (uri, body));
    };
    let created = json!({ "gte": 1, "lt": "b&c", "none": null });
    check(
        json!({ "created": created, "metadata": { "a]": "x", "lines": [{ "price": 1 }, "y"] } }),
        "/base/things/1%2C2?created%5Bgte%5D=1&created%5Blt%5D=b%26c",
        "metadata%5Ba%5D%5D=x&metadata%5Blines%5D%5B0%5D%5Bprice%5D=1&metadata%5Blines%5D%5B1%5D=y",
    )
    .await;
    check(json!({ "created": 1, "ids": [7] }), "/base/things/7?created=1", "").await;
    check(json!({ "tags": ["a", "b"], "words": ["x", "y"] }), "/base/things/1%2C2?tag=a%7Cb", "tags=a%7Cb").await;
    assert_eq!(last(&log).headers["x-words"], "x y");
    let before = log.lock().unwrap().len();
    let refused = call(&engine, "styled", json!({ "tags": ["a|b"] })).await.unwrap_err();
    assert_eq!(refused, "`tags` has \"a|b\" in it, and `|` stands between its elements");
    assert_eq!(log.lock().unwrap().len(), before, "nothing was sent");
}

#[tokio::test]
async fn a_request_is_made_of_its_parts_and_the_answer_is_selected_and_shaped() {
    let (engine, log) = start().await;
    let answer = call(&engine, "get", json!({ "id": "a/b c", "tags": ["x", "y&z"] })).await;
    assert_eq!(answer, Ok(json!({ "id": "7", "total": 12.5 })));
    let asked = last(&log);
    assert_eq!(asked.uri, "/base/customers/a%2Fb%20c/orders?tag=x&tag=y%26z&fixed=a%26b");
    assert_eq!(asked.headers["authorization"], "Bearer t0ps3cret");
    assert_eq!(asked.headers["x-caller"], "alice");
    assert!(!asked.headers.contains_key("x-note"), "a header whose argument was left out goes whole");
}

#[tokio::test]
async fn bodies_keep_types_and_lose_what_was_left_out() {
    let (engine, log) = start().await;
    call(&engine, "post", json!({ "name": "Ann \"A\"", "tags": [1, null] })).await.unwrap();
    let body: Value = serde_json::from_str(&last(&log).body).unwrap();
    assert_eq!(body, json!({ "person": { "name": "Ann \"A\"" }, "greeting": "Hi Ann \"A\"", "tags": [1, null] }));
    call(&engine, "form", json!({ "name": "a=b&c" })).await.unwrap();
    assert_eq!(last(&log).body, "name=a%3Db%26c&fixed=x+y");
    call(&engine, "text", json!({ "name": "Bob" })).await.unwrap();
    assert_eq!((last(&log).body, last(&log).method), ("Hello Bob".to_owned(), "PUT".to_owned()));
}

#[tokio::test]
async fn cookies_go_one_by_one_and_end_where_they_should() {
    let (engine, log) = start().await;
    call(&engine, "cookies", json!({ "b": "y; admin=1, \u{e4}", "c": 3 })).await.unwrap();
    assert_eq!(last(&log).headers["cookie"], "b=xy%3B%20admin=1%2C%20%C3%A4; c=3");
    call(&engine, "cookies", json!({})).await.unwrap();
    assert!(!last(&log).headers.contains_key("cookie"));
}

#[tokio::test]
async fn no_string_leaves_its_place_in_a_request() {
    let (engine, log) = start().await;
    let nasty = [
        "../../admin",
        "x?admin=1",
        "x#y",
        "a%2f..%2fb",
        "http://evil.example/",
        "//evil",
        "\\..\\",
        "a b",
        "é",
        ";jsessionid=1",
        "%00",
        "a&b=c",
    ];
    for value in nasty {
        call(&engine, "get", json!({ "id": value, "note": value })).await.unwrap();
        let asked = last(&log);
        let (path, query) = asked.uri.split_once('?').unwrap();
        assert_eq!(path.split('/').count(), 5, "{value}: {path}");
        assert!(path.starts_with("/base/customers/") && path.ends_with("/orders"), "{value}: {path}");
        assert_eq!(query.split('&').count(), 2, "{value}: {query}");
        call(&engine, "post", json!({ "name": value })).await.unwrap();
        let body: Value = serde_json::from_str(&last(&log).body).unwrap();
        assert_eq!(body["person"]["name"], value);
    }
    let before = log.lock().unwrap().len();
    for value in ["..", ".", "", "a\r\nX-Admin: 1"] {
        let refused = call(&engine, "get", json!({ "id": value, "note": "a\r\nX-Admin: 1" })).await;
        assert!(refused.is_err(), "{value:?}: {refused:?}");
    }
    assert_eq!(log.lock().unwrap().len(), before, "nothing was sent");
}

#[tokio::test]
async fn an_upstream_that_fails_says_why_and_never_the_credential() {
    let (engine, _) = start().await;
    let failed = call(&engine, "fails", json!({})).await.unwrap_err();
    assert!(failed.contains("422") && failed.contains("no such thing") && !failed.contains("t0p"), "{failed}");
    assert!(failed.contains("[redacted]"), "{failed}");
    let nothing = call(&engine, "nothing", json!({})).await.unwrap_err();
    assert!(nothing.contains("/no/such"), "{nothing}");
}

#[tokio::test]
async fn a_private_address_is_refused_unless_the_spec_and_the_policy_allow_it() {
    let folder = tempfile::tempdir().unwrap();
    for url in [
        "http://127.0.0.1:1/",
        "http://localhost:1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/",
    ] {
        let text = format!(
            "name: a\nconnections:\n  - {{ name: api, type: http, url: '{url}' }}\ntools:\n  - {{ name: get, description: Get, http: {{ path: /x }} }}\n"
        );
        let engine = plan(&text, folder.path(), &[]).unwrap();
        let refused = call(&engine, "get", json!({})).await.unwrap_err();
        assert!(
            refused.contains("private") || refused.contains("not public") || refused.contains("allowPrivateNetwork"),
            "{url}: {refused}"
        );
    }
}

#[tokio::test]
async fn a_connection_says_who_calls_and_fetches_its_own_token() {
    let log = Log::default();
    let token = r#"{"access_token":"t0ken","token_type":"bearer","expires_in":60}"#;
    let router = Router::new()
        .route("/token", axum::routing::post(move || async move { token }))
        .fallback(upstream)
        .with_state(Arc::clone(&log));
    let address = listen(router).await;
    let text = format!(
        "
name: crm
connections:
  - name: api
    type: http
    url: http://{address}/base
    allowPrivateNetwork: true
    headers: {{ X-Caller: 'id={{principal.id}}', X-Tenant: '{{principal.tenant}}', X-Fixed: '{{{{a}}}}', X-Over: connection }}
    auth: {{ type: oauth2ClientCredentials, tokenUrl: 'http://{address}/token', clientIdEnvVar: ID, clientSecretEnvVar: SECRET }}
tools:
  - {{ name: get, description: Get, http: {{ path: /x, headers: {{ X-Over: tool, Idempotency-Key: '{{call.id}}' }} }} }}
"
    );
    let folder = tempfile::tempdir().unwrap();
    let engine = plan(&text, folder.path(), &[("ID", "me"), ("SECRET", "s3cret")]).unwrap();
    let as_principal = |id: &str, tenant: Option<&str>| {
        let mut principal = mcp_serve::Principal::clone(&mcp_serve::Principal::trusted(id));
        principal.tenant = tenant.map(str::to_owned);
        crate::harness::call_as(&engine, Arc::new(principal), "get", json!({}))
    };
    assert!(!as_principal("alice", Some("acme")).await.unwrap().is_error);
    let asked = last(&log);
    assert_eq!(asked.headers["x-caller"], "id=alice");
    assert_eq!(asked.headers["x-tenant"], "acme");
    assert_eq!(asked.headers["x-fixed"], "{a}");
    assert_eq!(asked.headers["x-over"], "tool");
    assert_eq!(asked.headers["authorization"], "Bearer t0ken");
    let first = asked.headers["idempotency-key"].clone();
    assert!(!as_principal("alice", Some("acme")).await.unwrap().is_error);
    assert_ne!(last(&log).headers["idempotency-key"], first, "another call is another call");
    // Who has no tenant, or a name that would make another header, is not let through under somebody else's.
    let sent = log.lock().unwrap().len();
    for (id, tenant) in
        [("alice", None), ("a\r\nX-Tenant: acme", Some("acme")), ("alice", Some("x\nX-Caller: id=root"))]
    {
        assert!(as_principal(id, tenant).await.unwrap().is_error, "{id:?} {tenant:?}");
    }
    assert_eq!(log.lock().unwrap().len(), sent);
}
