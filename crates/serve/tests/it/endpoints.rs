//! Endpoints of the embedding program's own (S3-74), behind the same checks as MCP.

use std::sync::Arc;

use http::{Method, Request};
use mcp_serve::{
    ApiKeys, BearerTokens, KeyList, Limits, NoAuthentication, Rate,
    endpoints::{CustomEndpoint, CustomEndpoints, EndpointRequest, EndpointResponse},
    http::Config,
    tokens::{Token, TokenRegistry},
    toolsets::{Catalog, Options, Permissions, Toolset, Toolsets},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use crate::support::{Reply, Running, TestServer, within};

const KEYS: &str = r#"{"key-of-alice": "alice", "key-of-bob": "bob", "key-of-eve": "eve", "key-of-nil": "nil"}"#;

fn keys() -> ApiKeys {
    ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse(KEYS).expect("keys"))
}

async fn told(request: EndpointRequest) -> Result<EndpointResponse, std::io::Error> {
    Ok(EndpointResponse::json(json!({
        "principal": request.principal.id, "client": request.client_id,
        "params": request.params, "query": request.query, "body": request.body,
    })))
}

fn endpoints() -> Vec<CustomEndpoint> {
    let order = json!({
        "type": "object", "required": ["item"], "additionalProperties": false,
        "properties": { "item": { "type": "string" }, "count": { "type": "integer", "minimum": 1 } },
    });
    let page = json!({
        "additionalProperties": false,
        "properties": { "page": { "type": "integer" }, "all": { "type": "boolean" }, "tag": { "type": "array", "items": { "type": "number" } } },
    });
    vec![
        CustomEndpoint::get("/orders/{id}", told)
            .params(json!({ "properties": { "id": { "type": "integer" } } }))
            .query(page),
        CustomEndpoint::new(Method::PUT, "/orders/:id", told).body(order.clone()),
        CustomEndpoint::new(Method::PATCH, "/orders/{id}", told),
        CustomEndpoint::new(Method::DELETE, "/orders/{id}", async |_| {
            Ok::<_, std::io::Error>(EndpointResponse::with_status(http::StatusCode::NO_CONTENT, Value::Null))
        }),
        CustomEndpoint::post("/orders", told).body(order),
        CustomEndpoint::get("/broken", async |_| Err(std::io::Error::other("the password is hunter2"))),
        CustomEndpoint::get("/panics", async |request: EndpointRequest| {
            assert!(request.body.is_string(), "a bug");
            Ok::<_, std::io::Error>(EndpointResponse::json(json!(1)))
        }),
        CustomEndpoint::get("/lies", async |_| {
            Ok::<_, std::io::Error>(EndpointResponse::json(json!({ "secret": "hunter2" })))
        })
        .response(json!({ "type": "object", "required": ["total"] })),
        CustomEndpoint::get("/toolsets-report", told),
    ]
}

async fn serve(authenticator: impl mcp_serve::Authenticator) -> Running {
    let endpoints = CustomEndpoints::new(endpoints()).and_then(|all| all.beside(["/tools"])).expect("endpoints");
    Running::with(Config { endpoints, ..Config::default() }, authenticator).await
}

fn request(running: &Running, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Request<String> {
    let mut request = running.request(method, headers, body);
    *request.uri_mut() = path.parse().expect("a path");
    request
}

const ALICE: (&str, &str) = ("x-api-key", "key-of-alice");
const JSON: (&str, &str) = ("content-type", "application/json");

async fn ask(running: &Running, method: Method, path: &str, body: &str) -> Reply {
    running.ask(request(running, method, path, &[ALICE, JSON], body)).await
}

#[tokio::test]
async fn methods_parameters_and_bodies_reach_their_handler() {
    let running = serve(keys()).await;
    let got = ask(&running, Method::GET, "/orders/7?page=2&all=true&tag=1&tag=2.5", "").await.json();
    let expected = json!({
        "principal": "alice", "client": "alice", "params": { "id": 7 },
        "query": { "page": 2, "all": true, "tag": [1, 2.5] }, "body": null,
    });
    assert_eq!(got, expected);
    let put = ask(&running, Method::PUT, "/orders/a%2Fb%20c", r#"{"item": "chair"}"#).await.json();
    assert_eq!((&put["params"]["id"], &put["body"]), (&json!("a/b c"), &json!({ "item": "chair" })));
    assert_eq!(ask(&running, Method::PATCH, "/orders/1", "[1]").await.json()["body"], json!([1]));
    assert_eq!(ask(&running, Method::DELETE, "/orders/1", "").await.status, 204);
    assert_eq!(ask(&running, Method::POST, "/orders", r#"{"item": "a"}"#).await.json()["principal"], "alice");
    // W2-9: it only begins like a reserved path.
    assert_eq!(ask(&running, Method::GET, "/toolsets-report", "").await.status, 200);
    let wrong = ask(&running, Method::POST, "/orders/1", "{}").await;
    assert_eq!((wrong.status.as_u16(), wrong.header("allow")), (405, "GET, PUT, PATCH, DELETE"));
    assert_eq!(ask(&running, Method::GET, "/orders/1/2", "").await.status, 404);
}

#[tokio::test]
async fn what_a_schema_does_not_allow_is_told_with_its_field() {
    let running = serve(keys()).await;
    for (method, path, body, field, at) in [
        (Method::POST, "/orders", r#"{"item": "a", "count": 0}"#, "body", "/count"),
        (Method::POST, "/orders", r#"{"item": "a", "sly": 1}"#, "body", ""),
        (Method::POST, "/orders", "", "body", ""),
        (Method::POST, "/orders", "{", "body", ""),
        (Method::GET, "/orders/seven", "", "params", "/id"),
        (Method::GET, "/orders/%ff", "", "params", "/id"),
        (Method::GET, "/orders/7?page=x", "", "query", "/page"),
        (Method::GET, "/orders/7?page=1&page=2", "", "query", "/page"),
        (Method::GET, "/orders/7?sly=1", "", "query", ""),
    ] {
        let reply = ask(&running, method, path, body).await;
        let error = reply.json()["error"].clone();
        assert_eq!((reply.status.as_u16(), &error["code"]), (400, &json!("VALIDATION_ERROR")), "{path} {body}");
        assert_eq!((&error["field"], &error["details"][0]["path"]), (&json!(field), &json!(at)), "{error}");
    }
    let text = request(&running, Method::POST, "/orders", &[ALICE, ("content-type", "text/plain")], r#"{"item":"a"}"#);
    assert_eq!(running.ask(text).await.status, 400);
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    assert_eq!(ask(&running, Method::PATCH, "/orders/1", &deep).await.status, 400);
    let large = format!("\"{}\"", "a".repeat(Config::default().max_body));
    assert_eq!(ask(&running, Method::PATCH, "/orders/1", &large).await.status, 413);
}

#[tokio::test]
async fn what_went_wrong_inside_stays_inside() {
    let running = serve(keys()).await;
    for (path, code) in
        [("/broken", "INTERNAL_ERROR"), ("/panics", "INTERNAL_ERROR"), ("/lies", "RESPONSE_VALIDATION_ERROR")]
    {
        let reply = ask(&running, Method::GET, path, "").await;
        let error = reply.json()["error"].clone();
        assert_eq!((reply.status.as_u16(), &error["code"]), (500, &json!(code)), "{error}");
        assert!(error["requestId"].is_string() && !reply.text.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn callers_are_who_their_credential_says() {
    let running = serve(keys()).await;
    let nobody = running.ask(request(&running, Method::GET, "/toolsets-report", &[], "")).await;
    assert_eq!(nobody.status, 401);
    assert!(nobody.header("www-authenticate").contains("ApiKey"), "{nobody:?}");
    let pretends = [("x-api-key", "key-of-bob"), ("mcp-client-id", "alice")];
    let reply = running.ask(request(&running, Method::GET, "/toolsets-report", &pretends, "")).await;
    assert_eq!((&reply.json()["principal"], &reply.json()["client"]), (&json!("bob"), &json!("bob")));
    assert_eq!(reply.header("cache-control"), "no-store");
    let foreign = [ALICE, ("origin", "https://evil.example.com")];
    assert_eq!(running.ask(request(&running, Method::GET, "/toolsets-report", &foreign, "")).await.status, 403);
}

#[tokio::test]
async fn where_nobody_is_known_a_client_has_a_label_at_most() {
    let running = serve(NoAuthentication::default()).await;
    let client = async |headers: &[(&str, &str)]| -> String {
        let reply = running.ask(request(&running, Method::GET, "/toolsets-report", headers, "")).await.json();
        assert_eq!(reply["principal"], "anonymous");
        reply["client"].as_str().expect("text").to_owned()
    };
    assert_eq!(client(&[("mcp-client-id", "desk-7")]).await, "desk-7");
    for headers in [&[][..], &[("mcp-client-id", "a"), ("mcp-client-id", "b")]] {
        let (one, two) = (client(headers).await, client(headers).await);
        assert!(one.starts_with("anon-") && one.len() == 41 && one != two, "{one} {two}");
    }
}

#[tokio::test]
async fn an_endpoint_counts_for_the_rate_of_its_caller() {
    let endpoints = CustomEndpoints::new(endpoints()).expect("endpoints");
    let rate = Rate { calls: 1, per: std::time::Duration::from_secs(3600) };
    let limits = Limits { rate: Some(rate), ..Limits::default() };
    let running = Running::with(Config { endpoints, limits, ..Config::default() }, keys()).await;
    assert_eq!(ask(&running, Method::GET, "/toolsets-report", "").await.status, 200);
    assert_eq!(ask(&running, Method::GET, "/toolsets-report", "").await.status, 429);
    let params = json!({ "name": "echo" });
    let call = running.modern("tools/call", params, &[ALICE]);
    assert_eq!(running.ask(call).await.status, 429, "and so do calls of tools");
}

/// A body that does not come would keep everybody from calling.
#[tokio::test]
async fn an_endpoint_whose_body_is_awaited_holds_no_place() {
    let endpoints = CustomEndpoints::new(endpoints()).expect("endpoints");
    let limits = Limits { concurrency: Some(1), ..Limits::none() };
    let running = Running::with(Config { endpoints, limits, ..Config::default() }, keys()).await;
    let mut slow = TcpStream::connect(running.address).await.expect("connects");
    let head = "POST /orders HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: key-of-bob\r\nContent-Type: application/json\r\n\
                Content-Length: 13\r\nExpect: 100-continue\r\n\r\n";
    slow.write_all(head.as_bytes()).await.expect("sends");
    // Said when the body is wanted.
    let mut continues = [0; 25];
    within(slow.read_exact(&mut continues)).await.expect("an answer");
    assert_eq!(&continues, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(ask(&running, Method::POST, "/orders", r#"{"item": "a"}"#).await.status, 200);
    slow.write_all(br#"{"item": "b"}"#).await.expect("sends");
    let mut answer = [0; 1024];
    let read = within(slow.read(&mut answer)).await.expect("an answer");
    assert!(String::from_utf8_lossy(&answer[..read]).contains("HTTP/1.1 200"));
}

/// S4-36: as a tool's call does.
#[tokio::test]
async fn an_endpoint_ends_with_its_caller_after_the_grace() {
    let begun = Arc::new(Notify::new());
    let begins = begun.clone();
    let lasting = CustomEndpoint::get("/lasting", move |_| {
        begins.notify_one();
        std::future::pending::<Result<EndpointResponse, std::io::Error>>()
    });
    let endpoints = CustomEndpoints::new([lasting]).expect("endpoints");
    let registry = TokenRegistry::default();
    registry.add(Token::new("secret-of-ann-0123456789").with_id("ann")).expect("a token");
    let config = Config { endpoints, grace: std::time::Duration::ZERO, ..Config::default() };
    let running = Running::with(config, BearerTokens::new(registry.clone())).await;
    let headers = [("authorization", "Bearer secret-of-ann-0123456789")];
    let waiting = running.spawn(request(&running, Method::GET, "/lasting", &headers, ""));
    within(begun.notified()).await;
    registry.remove("ann").expect("there was one");
    assert_eq!(within(waiting).await.expect("no panic").expect("an answer").status, 403);
}

/// S3-74, W2-11: from the toolsets that are served, not from ones made for this request.
#[tokio::test]
async fn a_permission_aware_endpoint_knows_its_callers_toolsets() {
    let server = TestServer::new();
    let reading = Toolset::new("reading", "Reads").tools(["echo"]);
    let writing = Toolset::new("writing", "Writes").tools(["count"]);
    let permissions = Permissions::map([
        ("alice", vec!["writing", "gone"]),
        ("bob", vec!["reading", "writing"]),
        ("eve", vec!["gone"]),
    ]);
    let catalog = Catalog::default().toolset(reading).toolset(writing);
    let options = Options { permissions: Some(permissions), ..Options::default() };
    let toolsets = Arc::new(Toolsets::new(server.clone(), catalog, options).expect("toolsets"));
    let mine = CustomEndpoint::get("/mine", async |request: EndpointRequest| {
        let toolsets = request.toolsets.expect("it asks for them");
        let told = json!({ "allowedToolsets": toolsets.allowed, "failedToolsets": toolsets.failed });
        Ok::<_, std::io::Error>(EndpointResponse::json(told))
    });
    let endpoints = CustomEndpoints::with_toolsets([mine.permission_aware()], toolsets.clone()).expect("endpoints");
    let running = Running::around(server, toolsets, Config { endpoints, ..Config::default() }, keys()).await;
    let mine = async |key: &str| running.ask(request(&running, Method::GET, "/mine", &[("x-api-key", key)], "")).await;
    let of = |allowed: &[&str], failed: &[&str]| json!({ "allowedToolsets": allowed, "failedToolsets": failed });
    assert_eq!(mine("key-of-alice").await.json(), of(&["writing"], &["gone"]));
    assert_eq!(mine("key-of-bob").await.json(), of(&["reading", "writing"], &[]));
    assert_eq!(mine("key-of-nil").await.json(), of(&[], &[]));
    assert_eq!(mine("key-of-eve").await.status, 403);
}

#[tokio::test]
async fn a_page_that_is_allowed_may_ask_first() {
    let running = serve(keys()).await;
    let origin = ("origin", "http://localhost:3000");
    let asks = [origin, ("access-control-request-method", "PUT"), ("access-control-request-headers", "x-api-key")];
    let reply = running.ask(request(&running, Method::OPTIONS, "/orders/1", &asks, "")).await;
    assert_eq!(reply.status, 204);
    assert!(reply.header("access-control-allow-methods").contains("PUT"), "{reply:?}");
    let reply = running.ask(request(&running, Method::GET, "/toolsets-report", &[ALICE, origin], "")).await;
    assert_eq!(reply.header("access-control-allow-origin"), "http://localhost:3000");
}
