//! What requests say of their circumstances (S3-75): one context for the factory and for the tool, and no server for two.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::Request;
use mcp_serve::{
    ApiKeys, CallContext, FactoryError, InstanceOptions, Instances, KeyList, Live, NoAuthentication, Server,
    TenantContext, ToolResult, ToolServer,
    http::Config,
    session_context::{ContextRequest, ContextResolver, SessionContextOptions, SessionContexts},
};
use serde_json::{Map, Value, json};

use crate::{
    sessions,
    support::{Running, TestServer},
};

const KEYS: &str = r#"{"key-of-alice": "alice", "key-of-bob": "bob"}"#;
const ALICE: (&str, &str) = ("x-api-key", "key-of-alice");

/// Its tool tells whose server it is and of which context, as the factory was told and as the call is.
fn server_of(caller: &TenantContext, number: usize) -> Arc<dyn Server> {
    let (owner, made_with) = (caller.user_id().to_owned(), caller.context.map().clone());
    let tool = move |cx: CallContext, _: Map<String, Value>| {
        let told = json!({
            "owner": owner, "number": number, "caller": cx.principal.id,
            "madeWith": made_with, "calledWith": cx.context.map(),
        });
        std::future::ready(Ok(ToolResult::text(told.to_string())))
    };
    ToolServer::new("context", "1").tool("tell", "Tells", tool).build().expect("a server")
}

fn contexts(options: Value) -> SessionContextOptions {
    serde_json::from_value(options).expect("options")
}

async fn serve(options: SessionContextOptions) -> Running {
    let number = Arc::new(AtomicUsize::new(0));
    let factory = move |caller: TenantContext| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        async move { Ok::<_, FactoryError>(server_of(&caller, number)) }
    };
    let instances = Arc::new(Instances::new(factory, InstanceOptions::default()));
    let keys = ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse(KEYS).expect("keys"));
    let config = Config { context: SessionContexts::new(options).expect("options"), ..Config::default() };
    Running::live(Live::of_many(instances, Arc::new(keys), config), TestServer::new()).await
}

fn at(mut request: Request<String>, query: &str) -> Request<String> {
    let path = if query.is_empty() { "/mcp".to_owned() } else { format!("/mcp?{query}") };
    *request.uri_mut() = path.parse().expect("a path");
    request
}

fn text(result: &Value) -> Value {
    serde_json::from_str(result["content"][0]["text"].as_str().expect("text")).expect("JSON")
}

async fn tell(running: &Running, query: &str, headers: &[(&str, &str)], meta: Value) -> Value {
    let params = json!({ "name": "tell", "_meta": meta });
    text(&running.ask(at(running.modern("tools/call", params, headers), query)).await.result())
}

const US: &str = "config=%7B%22region%22%3A%22us%22%7D";

#[tokio::test]
async fn factories_and_tools_learn_the_same_in_both_eras() {
    let query = json!({ "encoding": "json", "allowedKeys": ["region"] });
    let running = serve(contexts(json!({ "base": { "region": "eu" }, "queryParam": query }))).await;
    let us = tell(&running, US, &[ALICE], json!({})).await;
    let expected = json!({ "region": "us" });
    assert_eq!((&us["madeWith"], &us["calledWith"]), (&expected, &expected));
    let eu = tell(&running, "", &[ALICE], json!({})).await;
    assert_eq!((&eu["madeWith"], &eu["calledWith"]), (&json!({ "region": "eu" }), &json!({ "region": "eu" })));
    // Each has its server, which is kept for it.
    assert_ne!(us["number"], eu["number"]);
    assert_eq!(tell(&running, US, &[ALICE], json!({})).await["number"], us["number"]);
    let bobs = tell(&running, US, &[("x-api-key", "key-of-bob")], json!({})).await;
    assert_eq!((&bobs["owner"], &bobs["calledWith"]), (&json!("bob"), &expected));
    assert_ne!(bobs["number"], us["number"]);

    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "tell" } }).to_string();
    let alone = at(running.post(&[ALICE, ("mcp-protocol-version", "2025-11-25")], body.clone()), US);
    assert_eq!(text(&running.ask(alone).await.result())["number"], us["number"]);
    let (id, _) = sessions::open(&running, &[ALICE]).await;
    let headers = [ALICE, ("mcp-protocol-version", "2025-11-25"), ("mcp-session-id", id.as_str())];
    for (query, number) in [(US, &us["number"]), ("", &eu["number"])] {
        let told = text(&running.ask(at(running.post(&headers, body.clone()), query)).await.result());
        assert_eq!((&told["number"], &told["madeWith"]), (number, &told["calledWith"]), "{query}");
    }
}

/// W2-12: the origin's key is of the query alone, so that two tenants that a resolver tells apart share a server.
#[tokio::test]
async fn what_a_resolver_makes_of_headers_tells_servers_apart() {
    let resolver = ContextResolver::new(async |request: ContextRequest, mut base: Map<String, Value>, _| {
        assert!(request.headers.get("x-api-key").is_none(), "the credential is nobody's business");
        let site = request.headers.get("x-site").and_then(|site| site.to_str().ok()).ok_or("no site")?;
        base.insert("site".to_owned(), site.into());
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(base)
    });
    let running = serve(SessionContextOptions { resolver: Some(resolver), ..contexts(json!({})) }).await;
    let site = async |site: &'static str| tell(&running, "", &[ALICE, ("x-site", site)], json!({})).await;
    let (one, two, again) = (site("one").await, site("two").await, site("one").await);
    assert_ne!(one["number"], two["number"]);
    assert_eq!(one["number"], again["number"]);
    assert_eq!((&one["madeWith"], &two["calledWith"]), (&json!({ "site": "one" }), &json!({ "site": "two" })));
    // It fails: the base, which is empty.
    assert_eq!(tell(&running, "", &[ALICE], json!({})).await["madeWith"], json!({}));
}

#[tokio::test]
async fn meta_of_the_message_says_which_server_answers() {
    let meta = json!({ "key": "example.com/context", "allowedKeys": ["project"] });
    let running = serve(contexts(json!({ "meta": meta }))).await;
    let project = |name: &str| json!({ "example.com/context": { "project": name, "sly": 1 } });
    let one = tell(&running, "", &[ALICE], project("one")).await;
    let two = tell(&running, "", &[ALICE], project("two")).await;
    assert_eq!((&one["madeWith"], &one["calledWith"]), (&json!({ "project": "one" }), &json!({ "project": "one" })));
    assert_ne!(one["number"], two["number"]);
    let body = running.modern("tools/call", json!({ "name": "tell" }), &[ALICE, ("content-type", "text/plain")]);
    assert_eq!(running.ask(body).await.status, 415);
    let broken = running.post(&[ALICE], "{");
    assert_eq!(running.ask(broken).await.error(), (400, -32700));
}

#[tokio::test]
async fn one_server_for_all_is_told_of_the_context_of_each_call() {
    let server = server_of(&TenantContext::new(mcp_serve::Principal::anonymous()), 0);
    let query = json!({ "encoding": "json", "allowedKeys": ["region"] });
    let options = contexts(json!({ "queryParam": query }));
    let config = Config { context: SessionContexts::new(options).expect("options"), ..Config::default() };
    let running = Running::around(TestServer::new(), server, config, NoAuthentication::default()).await;
    assert_eq!(tell(&running, US, &[], json!({})).await["calledWith"], json!({ "region": "us" }));
    assert_eq!(tell(&running, "", &[], json!({})).await["calledWith"], json!({}));
}
