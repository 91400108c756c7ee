use base64::Engine;
use http::Request;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn map(value: Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

fn options(value: Value) -> SessionContextOptions {
    serde_json::from_value(value).expect("options")
}

fn error(value: Value) -> String {
    SessionContexts::new(options(value)).expect_err("refused").to_string()
}

async fn resolved(options: SessionContextOptions, request: http::request::Builder, body: Option<&str>) -> Value {
    let contexts = SessionContexts::new(options).expect("options").expect("enabled");
    let (head, ()) = request.body(()).expect("a request").into_parts();
    let principal = Principal::trusted("ann");
    Value::Object(contexts.of(&head, &principal, None, body.map(str::as_bytes)).await.map().clone())
}

fn uri(query: &str) -> http::request::Builder {
    Request::post(format!("/mcp?{query}"))
}

fn query(encoding: &str) -> SessionContextOptions {
    let param = json!({ "encoding": encoding, "allowedKeys": ["region", "limits"] });
    options(json!({ "base": { "region": "eu", "tier": 1 }, "queryParam": param }))
}

#[tokio::test]
async fn listed_keys_are_merged_over_the_base_and_others_are_dropped() {
    let json = "config=%7B%22region%22%3A%22us%22%2C%22tier%22%3A9%7D";
    assert_eq!(resolved(query("json"), uri(json), None).await, json!({ "region": "us", "tier": 1 }));
    let text = r#"{"region":"??>>~~","limits":{"a":1}}"#;
    for code in [
        base64::engine::general_purpose::STANDARD.encode(text),
        base64::engine::general_purpose::URL_SAFE.encode(text),
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text),
    ] {
        let of = resolved(query("base64"), uri(&format!("config={code}")), None).await;
        assert_eq!(of, json!({ "region": "??>>~~", "tier": 1, "limits": { "a": 1 } }), "{code}");
    }
}

#[tokio::test]
async fn what_can_not_be_read_leaves_the_base() {
    let base = json!({ "region": "eu", "tier": 1 });
    let long = format!("config=%7B%22region%22%3A%22{}%22%7D", "a".repeat(9_000));
    let deep = format!("config=%7B%22region%22%3A{}1{}%7D", "%5B".repeat(20), "%5D".repeat(20));
    for bad in [
        "",
        "config=",
        "config=%7B",
        "config=%5B1%5D",
        "config=1",
        "other=%7B%7D",
        "config=%7B%7D&config=%7B%7D",
        &long,
        &deep,
    ] {
        assert_eq!(resolved(query("json"), uri(bad), None).await, base, "{bad}");
    }
    for bad in ["config=!!", "config=AAAA", "config=%FF"] {
        assert_eq!(resolved(query("base64"), uri(bad), None).await, base, "{bad}");
    }
}

#[tokio::test]
async fn a_header_and_meta_are_other_sources_and_the_last_one_counts() {
    let of = options(json!({
        "merge": "deep", "base": { "limits": { "rows": 10, "bytes": 5 } },
        "queryParam": { "name": "c", "encoding": "json", "allowedKeys": ["limits"] },
        "header": { "name": "X-Context", "encoding": "json", "allowedKeys": ["limits", "apiKey"] },
        "meta": { "key": "example.com/context", "allowedKeys": ["limits"] },
    }));
    let request = uri("c=%7B%22limits%22%3A%7B%22rows%22%3A1%2C%22q%22%3A1%7D%7D")
        .header("x-context", r#"{"limits":{"rows":2,"h":1},"apiKey":"k"}"#);
    let body = r#"{"jsonrpc":"2.0","id":1,"params":{"_meta":{"example.com/context":{"limits":{"rows":3},"x":1}}}}"#;
    let expected = json!({ "limits": { "rows": 3, "bytes": 5, "q": 1, "h": 1 }, "apiKey": "k" });
    assert_eq!(resolved(of.clone(), request, Some(body)).await, expected);
    let shallow = SessionContextOptions { merge: Merge::Shallow, ..of };
    let body = r#"{"params":{"_meta":{"example.com/context":{"limits":{"rows":3}}}}}"#;
    assert_eq!(resolved(shallow, uri(""), Some(body)).await, json!({ "limits": { "rows": 3 } }));
}

#[test]
fn keys_must_be_listed_and_a_url_is_asked_for_no_secret() {
    assert!(error(json!({ "queryParam": {} })).contains("`sessionContext.queryParam.allowedKeys` is needed"));
    assert!(error(json!({ "header": { "name": "x-c" } })).contains("header.allowedKeys"));
    assert!(error(json!({ "meta": { "key": "c", "allowedKeys": [] } })).contains("meta.allowedKeys"));
    for key in ["token", "API_KEY", "apiKey", "db-password", "clientSecret", "githubToken", "Authorization", "key"] {
        assert!(
            error(json!({ "queryParam": { "allowedKeys": ["a", key] } })).contains("sounds like a secret"),
            "{key}"
        );
        let willing = json!({ "queryParam": { "allowedKeys": [key], "allowSecrets": true } });
        assert!(SessionContexts::new(options(willing)).is_ok());
        let header = json!({ "header": { "name": "x-c", "allowedKeys": [key] } });
        assert!(SessionContexts::new(options(header)).is_ok());
    }
    for key in ["region", "monkey", "keyboard", "author", "passenger"] {
        assert!(SessionContexts::new(options(json!({ "queryParam": { "allowedKeys": [key] } }))).is_ok(), "{key}");
    }
    for name in ["authorization", "Cookie", "no header"] {
        assert!(error(json!({ "header": { "name": name, "allowedKeys": ["a"] } })).contains("no header"), "{name}");
    }
    assert!(SessionContexts::new(options(json!({ "enabled": false }))).expect("options").is_none());
    let unknown = serde_json::from_value::<SessionContextOptions>(json!({ "queryParm": {} })).expect_err("strict");
    assert!(unknown.to_string().contains("unknown field `queryParm`"));
}

/// Values are somebody's, and a resolver has no use for what proves who calls.
#[tokio::test]
async fn a_resolver_sees_no_credential_and_has_the_last_word() {
    let resolver = ContextResolver::new(async |request: ContextRequest, base, parsed| {
        let names: Vec<String> = request.headers.keys().map(ToString::to_string).collect();
        let told = json!({ "names": names, "base": base, "parsed": parsed, "who": request.principal.id });
        Ok::<_, std::io::Error>(map(told))
    });
    let of = SessionContextOptions { resolver: Some(resolver), ..query("json") };
    let contexts = SessionContexts::new(of).expect("options").expect("enabled");
    let request = uri("config=%7B%22region%22%3A%22us%22%7D")
        .header("authorization", "Bearer secret")
        .header("cookie", "secret")
        .header("x-own-key", "secret")
        .header("x-region", "us");
    let (head, ()) = request.body(()).expect("a request").into_parts();
    let credential = Some(HeaderName::from_static("x-own-key"));
    let context = contexts.of(&head, &Principal::trusted("ann"), credential, None).await;
    let expected = json!({
        "names": ["x-region"], "base": { "region": "eu", "tier": 1 }, "parsed": { "region": "us" }, "who": "ann",
    });
    assert_eq!(Value::Object(context.map().clone()), expected);
    assert!(!format!("{context:?} {contexts:?}").contains("us"), "{context:?}");
}

#[tokio::test]
async fn where_a_resolver_fails_the_base_is() {
    let base = json!({ "region": "eu", "tier": 1 });
    let fails = ContextResolver::new(async |_, _, _| Err(std::io::Error::other("down")));
    let panics = ContextResolver::new(async |_, base: Map<String, Value>, _| {
        assert!(base.is_empty(), "a bug");
        Ok::<_, std::io::Error>(base)
    });
    for resolver in [fails, panics] {
        let of = SessionContextOptions { resolver: Some(resolver), ..query("json") };
        assert_eq!(resolved(of, uri("config=%7B%22region%22%3A%22us%22%7D"), None).await, base);
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::from),
        "[ab{}\\[\\]\"]{0,3}".prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::vec(("[ab]{0,2}", inner), 0..3)
                .prop_map(|items| Value::Object(items.into_iter().collect())),
        ]
    })
}

fn reversed(value: &Value) -> Value {
    match value {
        Value::Object(values) => Value::Object(values.iter().rev().map(|(k, v)| (k.clone(), reversed(v))).collect()),
        Value::Array(items) => Value::Array(items.iter().map(reversed).collect()),
        other => other.clone(),
    }
}

proptest! {
    /// S3-75: the origin hashes the top level, and only of what the query says.
    #[test]
    fn contexts_are_the_same_where_all_of_them_is(one in values(), two in values()) {
        let of = |value: &Value| SessionContext::new(map(json!({ "v": value })));
        prop_assert_eq!(of(&one) == of(&two), one == two);
        prop_assert!(of(&one) == of(&reversed(&one)));
    }
}
