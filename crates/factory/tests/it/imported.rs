//! Tools of OpenAPI documents against a server on loopback that reads what it is asked as the document says it is written.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{any, post},
};
use mcp_factory_connect::{Policy, secrets::FixedSecrets};
use mcp_factory_engine::{CursorKey, Engine, Plan, Surroundings, Tasks};
use mcp_factory_intake::openapi::{NoFiles, Options, import};
use mcp_factory_spec::Spec;
use mcp_serve::{Approvals, CallContext, Content, Principal, Server as _};
use serde_json::{Value, json};

async fn listen(router: Router) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn answer(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

fn imported(document: &Value) -> Spec {
    let done = import("api.json", document.to_string(), &NoFiles, &Options::default());
    let done = done.unwrap_or_else(|found| panic!("{found:?}"));
    assert!(done.findings.is_empty(), "{:?}", done.findings);
    done.spec
}

fn engine(spec: &Spec, secrets: &[(&str, &str)]) -> Engine {
    let folder = tempfile::tempdir().expect("a folder");
    let surroundings = Surroundings {
        folder: folder.path().canonicalize().expect("it is there"),
        secrets: Arc::new(secrets.iter().copied().collect::<FixedSecrets>()),
        policy: Policy::operator(),
        cursor_key: CursorKey::new(b"a key for tests"),
        fresh_seeds: None,
        changes: None,
        tasks: Tasks::in_memory(),
        approvals: Approvals::default(),
    };
    Plan::new(spec, &surroundings).unwrap_or_else(|problems| panic!("{problems:?}")).build()
}

async fn call(engine: &Engine, tool: &str, arguments: Value) -> Value {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    let context = CallContext::new(Principal::trusted("alice"));
    let answer = engine.call_tool(&context, tool, arguments).await.expect("the tool is known");
    match answer.content {
        Content::Json(json) | Content::Both { json, .. } => {
            serde_json::from_str(json.get()).expect("an answer is JSON")
        }
        other => panic!("{tool}: {other:?}"),
    }
}

/// Decoded, as every framework hands it on: what stands behind the first step of the path, and the query in its order.
async fn decoded(uri: Uri, headers: HeaderMap) -> Response {
    let rest = uri.path().splitn(3, '/').nth(2).unwrap_or_default();
    let rest = url::form_urlencoded::parse(format!("x={rest}").as_bytes()).next().map(|(_, rest)| rest.into_owned());
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    answer(&json!({ "rest": rest, "query": query, "header": header("x-ids"), "cookie": header("cookie") }))
}

/// A document may have more tags than a server can have toolsets: what was proposed can be served all the same. Issue 6, 1.
#[test]
fn a_document_of_hundreds_of_tags_can_be_served() {
    let operation = |n: usize| json!({ "get": { "tags": [format!("Tag {n}")], "responses": {} } });
    let paths: serde_json::Map<String, Value> = (0..300).map(|n| (format!("/t{n}"), operation(n))).collect();
    let document = json!({
        "openapi": "3.0.3", "info": { "title": "Tags", "version": "1" }, "paths": paths,
        "servers": [{ "url": "https://a.example" }]
    });
    let spec = imported(&document);
    assert_eq!((spec.tools.len(), spec.toolsets.len()), (300, 128));
    engine(&spec, &[]);
}

/// Every style of OpenAPI 3: what a server reads is what was meant. Issue 6, 1.
#[tokio::test]
async fn every_style_arrives_as_it_is_written() {
    let address = listen(Router::new().fallback(any(decoded))).await;
    let list = json!({ "type": "array", "items": { "type": "integer" } });
    let object =
        json!({ "type": "object", "properties": { "role": { "type": "string" }, "age": { "type": "integer" } } });
    let parameter = |place: &str, style: &str, explode: bool, schema: &Value| json!({ "name": "id", "in": place, "style": style, "explode": explode, "required": true, "schema": schema });
    let number = json!({ "type": "integer" });
    let created = json!({ "anyOf": [{ "type": "object", "properties": { "gte": { "type": "integer" } } }, number] });
    // The parameter, what is given, and what arrives in the path or the query.
    let in_path = [
        ("simple", false, &number, json!({ "id": 5 }), "5"),
        ("label", false, &number, json!({ "id": 5 }), ".5"),
        ("matrix", false, &number, json!({ "id": 5 }), ";id=5"),
        ("simple", false, &list, json!({ "id": [3, 4] }), "3,4"),
        ("label", true, &list, json!({ "id": "3.4" }), ".3.4"),
        ("matrix", false, &list, json!({ "id": [3, 4] }), ";id=3,4"),
        ("matrix", true, &list, json!({ "id": "3;id=4" }), ";id=3;id=4"),
        ("simple", false, &object, json!({ "id": "role,admin" }), "role,admin"),
        ("simple", true, &object, json!({ "id": "role=admin,age=3" }), "role=admin,age=3"),
        ("label", true, &object, json!({ "id": "role=admin.age=3" }), ".role=admin.age=3"),
        ("matrix", false, &object, json!({ "id": "role,admin" }), ";id=role,admin"),
        ("matrix", true, &object, json!({ "id": "role=admin;age=3" }), ";role=admin;age=3"),
    ];
    let in_query = [
        ("form", true, &list, json!({ "id": [3, 4] }), json!([["id", "3"], ["id", "4"]])),
        ("form", false, &list, json!({ "id": [3, 4] }), json!([["id", "3,4"]])),
        ("spaceDelimited", false, &list, json!({ "id": [3, 4] }), json!([["id", "3 4"]])),
        ("pipeDelimited", false, &list, json!({ "id": [3, 4] }), json!([["id", "3|4"]])),
        ("form", true, &object, json!({ "role": "a&b", "age": 3 }), json!([["role", "a&b"], ["age", "3"]])),
        ("form", false, &object, json!({ "id": "role,admin" }), json!([["id", "role,admin"]])),
        (
            "deepObject",
            true,
            &object,
            json!({ "id_role": "a", "id_age": 3 }),
            json!([["id[role]", "a"], ["id[age]", "3"]]),
        ),
        ("deepObject", true, &created, json!({ "id": { "gte": 1 } }), json!([["id[gte]", "1"]])),
        ("deepObject", true, &created, json!({ "id": 1 }), json!([["id", "1"]])),
    ];
    let mut paths = serde_json::Map::new();
    for (index, (style, explode, schema, ..)) in in_path.iter().enumerate() {
        let parameter = parameter("path", style, *explode, schema);
        let operation = json!({ "operationId": format!("path_{index}"), "parameters": [parameter], "responses": {} });
        paths.insert(format!("/p{index}/{{id}}"), json!({ "get": operation }));
    }
    for (index, (style, explode, schema, ..)) in in_query.iter().enumerate() {
        let parameter = parameter("query", style, *explode, schema);
        let operation = json!({ "operationId": format!("query_{index}"), "parameters": [parameter], "responses": {} });
        paths.insert(format!("/q{index}"), json!({ "get": operation }));
    }
    let others = json!([
        { "name": "X-Ids", "in": "header", "schema": list },
        { "name": "session", "in": "cookie", "schema": { "type": "string" } },
    ]);
    paths.insert(
        "/other/x".to_owned(),
        json!({ "get": { "operationId": "others", "parameters": others, "responses": {} } }),
    );
    // What can't stand in a path is encoded, once.
    paths
        .insert("/spaced/a b\\c/{id}/d%20e".to_owned(), json!({ "get": { "operationId": "spaced", "responses": {} } }));
    let document = json!({
        "openapi": "3.0.3", "info": { "title": "Styles", "version": "1" }, "paths": paths,
        "servers": [{ "url": format!("http://{address}") }]
    });
    let engine = engine(&imported(&document), &[]);
    for (index, (style, explode, schema, given, expected)) in in_path.iter().enumerate() {
        let arrived = call(&engine, &format!("path_{index}"), given.clone()).await;
        assert_eq!(arrived["rest"], *expected, "{style} {explode} {schema}");
    }
    for (index, (style, explode, schema, given, expected)) in in_query.iter().enumerate() {
        let arrived = call(&engine, &format!("query_{index}"), given.clone()).await;
        assert_eq!(arrived["query"], *expected, "{style} {explode} {schema}");
    }
    let arrived = call(&engine, "spaced", json!({ "id": "x y/z" })).await;
    assert_eq!(arrived["rest"], "a b\\c/x y/z/d e");
    let arrived = call(&engine, "others", json!({ "X-Ids": [3, 4], "session": "a b" })).await;
    assert_eq!((&arrived["header"], &arrived["cookie"]), (&json!("3,4"), &json!("session=a%20b")), "{arrived}");
}

/// The fields of a form, in their order.
async fn fields(body: Bytes) -> Response {
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    answer(&json!({ "fields": fields }))
}

/// `encoding` of OpenAPI 3 and `collectionFormat` of Swagger 2.0. Issue 6, 1.
#[tokio::test]
async fn fields_of_forms_arrive_as_they_are_written() {
    let address = listen(Router::new().fallback(any(fields))).await;
    let list = json!({ "type": "array", "items": { "type": "string" } });
    let free = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let object = json!({ "type": "object", "properties": { "a": { "type": "string" }, "b": { "type": "integer" } } });
    let lines =
        json!({ "type": "array", "items": { "type": "object", "properties": { "price": { "type": "string" } } } });
    let (words, deep) = (json!(["x y", "z"]), "deepObject");
    let forms = [
        (&list, "form", true, json!({ "f": words }), json!([["f", "x y"], ["f", "z"]])),
        (&list, "form", false, json!({ "f": words }), json!([["f", "x y,z"]])),
        (&list, "spaceDelimited", false, json!({ "f": ["x", "z"] }), json!([["f", "x z"]])),
        (&list, "pipeDelimited", false, json!({ "f": words }), json!([["f", "x y|z"]])),
        (&object, "form", true, json!({ "a": "x", "b": 1 }), json!([["a", "x"], ["b", "1"]])),
        (&object, deep, true, json!({ "f_a": "x", "f_b": 1 }), json!([["f[a]", "x"], ["f[b]", "1"]])),
        (&free, deep, true, json!({ "f": { "k&": "x" } }), json!([["f[k&]", "x"]])),
        (&lines, deep, true, json!({ "f": [{ "price": "p" }] }), json!([["f[0][price]", "p"]])),
    ];
    let mut paths = serde_json::Map::new();
    for (index, (schema, style, explode, ..)) in forms.iter().enumerate() {
        let media = json!({ "schema": { "type": "object", "properties": { "f": schema } },
            "encoding": { "f": { "style": style, "explode": explode } } });
        let body = json!({ "required": true, "content": { "application/x-www-form-urlencoded": media } });
        let operation = json!({ "operationId": format!("form_{index}"), "requestBody": body, "responses": {} });
        paths.insert(format!("/f{index}"), json!({ "post": operation }));
    }
    let document = json!({
        "openapi": "3.0.3", "info": { "title": "Forms", "version": "1" }, "paths": paths,
        "servers": [{ "url": format!("http://{address}") }]
    });
    let new = engine(&imported(&document), &[]);
    for (index, (schema, style, explode, given, expected)) in forms.iter().enumerate() {
        let arrived = call(&new, &format!("form_{index}"), given.clone()).await;
        assert_eq!(arrived["fields"], *expected, "{style} {explode} {schema}");
    }

    let formats = [("csv", "x y,z"), ("ssv", "x z"), ("tsv", "x y\tz"), ("pipes", "x y|z")];
    let field = |format: &str| json!({ "name": "f", "in": "formData", "type": "array", "items": { "type": "string" }, "collectionFormat": format });
    let operation =
        |format: &str| json!({ "post": { "operationId": format, "parameters": [field(format)], "responses": {} } });
    let paths: serde_json::Map<String, Value> = formats
        .iter()
        .map(|(format, _)| *format)
        .chain(["multi"])
        .map(|format| (format!("/{format}"), operation(format)))
        .collect();
    let document = json!({
        "swagger": "2.0", "info": { "title": "Forms", "version": "1" }, "host": address.to_string(), "schemes": ["http"],
        "consumes": ["application/x-www-form-urlencoded"], "paths": paths
    });
    let old = engine(&imported(&document), &[]);
    for (format, expected) in formats {
        let given = if format == "ssv" { json!(["x", "z"]) } else { words.clone() };
        assert_eq!(call(&old, format, json!({ "f": given })).await["fields"], json!([["f", expected]]), "{format}");
    }
    assert_eq!(call(&old, "multi", json!({ "f": words })).await["fields"], json!([["f", "x y"], ["f", "z"]]));
}

/// Lets in who comes with everything that the document asks for.
async fn needs_all(uri: Uri, headers: HeaderMap) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let cookies: Vec<&str> = header("cookie").split("; ").collect();
    let is_all = header("x-app") == "the app"
        && query.get("key").is_some_and(|key| key == "the&key")
        && cookies == ["theme=dark", "session=the-session"]
        && header("authorization") == "Bearer the-token";
    let status = if is_all { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    (status, answer(&json!({ "seen": format!("{query:?} {headers:?}") }))).into_response()
}

/// A security requirement with several schemes takes all of them. Issue 6, 1.
#[tokio::test]
async fn several_credentials_go_in_one_request() {
    let address = listen(Router::new().fallback(any(needs_all))).await;
    let document = json!({
        "openapi": "3.0.3", "info": { "title": "Locks", "version": "1" }, "servers": [{ "url": format!("http://{address}") }],
        "paths": { "/x": { "get": {
            "operationId": "look", "responses": {},
            "parameters": [{ "name": "theme", "in": "cookie", "schema": { "type": "string" } }, { "name": "key", "in": "query", "schema": { "type": "string" } }],
            "security": [{ "app": [], "key": [], "session": [], "token": [] }]
        } } },
        "components": { "securitySchemes": {
            "app": { "type": "apiKey", "in": "header", "name": "X-App" },
            "key": { "type": "apiKey", "in": "query", "name": "key" },
            "session": { "type": "apiKey", "in": "cookie", "name": "session" },
            "token": { "type": "http", "scheme": "bearer" }
        } }
    });
    let spec = imported(&document);
    let secrets = [
        ("LOCKS_APP", "the app"),
        ("LOCKS_KEY", "the&key"),
        ("LOCKS_SESSION", "the-session"),
        ("LOCKS_TOKEN", "the-token"),
    ];
    let engine = engine(&spec, &secrets);
    let arrived = call(&engine, "look", json!({ "theme": "dark" })).await;
    assert!(arrived["seen"].is_string(), "{arrived}");
    // It refuses another theme, and repeats what it was sent: none of the secrets is told.
    let context = CallContext::new(Principal::trusted("alice"));
    let arguments = serde_json::Map::from_iter([("theme".to_owned(), json!("light"))]);
    let refused = engine.call_tool(&context, "look", arguments).await.expect("the tool is known");
    let told = format!("{:?}", refused.content);
    assert!(refused.is_error && told.contains("theme=light"), "{told}");
    assert!(!["the app", "the&key", "the-session", "the-token"].iter().any(|secret| told.contains(secret)), "{told}");
}

/// An authorization server that gives tokens to clients (RFC 6749, 4.4) and an API that wants them.
#[tokio::test]
async fn a_document_with_client_credentials_fetches_its_own_token() {
    type Log = Arc<Mutex<Vec<String>>>;
    async fn token(State(log): State<Log>, headers: HeaderMap, body: Bytes) -> Response {
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
        log.lock().unwrap().push(format!("{form:?}"));
        // `client:s3cret`
        if headers.get(header::AUTHORIZATION).is_none_or(|it| it != "Basic Y2xpZW50OnMzY3JldA==") {
            return (StatusCode::UNAUTHORIZED, answer(&json!({ "error": "invalid_client" }))).into_response();
        }
        answer(&json!({ "access_token": "t0ken", "token_type": "Bearer", "expires_in": 300 }))
    }
    async fn api(headers: HeaderMap) -> Response {
        match headers.get(header::AUTHORIZATION).is_some_and(|it| it == "Bearer t0ken") {
            true => answer(&json!({ "ok": true })),
            false => StatusCode::UNAUTHORIZED.into_response(),
        }
    }
    let log = Log::default();
    let router = Router::new().route("/token", post(token)).fallback(any(api)).with_state(Arc::clone(&log));
    let address = listen(router).await;
    let document = json!({
        "openapi": "3.0.3", "info": { "title": "Bank", "version": "1" }, "servers": [{ "url": format!("http://{address}") }],
        "paths": { "/balance": { "get": { "operationId": "balance", "responses": {}, "security": [{ "oauth": ["read"] }] } } },
        "components": { "securitySchemes": { "oauth": { "type": "oauth2", "flows": { "clientCredentials": {
            "tokenUrl": format!("http://{address}/token"), "scopes": { "read": "Reads", "write": "Writes" }
        } } } } }
    });
    let engine = engine(&imported(&document), &[("BANK_CLIENT_ID", "client"), ("BANK_CLIENT_SECRET", "s3cret")]);
    for _ in 0..2 {
        assert_eq!(call(&engine, "balance", json!({})).await, json!({ "ok": true }));
    }
    let asked = log.lock().unwrap().clone();
    assert_eq!(asked, [r#"{"grant_type": "client_credentials", "scope": "read"}"#], "one token for all calls");
}
