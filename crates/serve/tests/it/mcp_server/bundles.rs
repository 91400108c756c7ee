//! Callers' own servers, where a factory makes them (S3-30, S3-76).

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use mcp_serve::{
    CallContext, FactoryError, InstanceOptions, Server, TenantContext, ToolResult, ToolServer,
    mcp_server::{McpServerOptions, Startup},
    toolsets::{Catalog, Initial, Mode, Modern, Toolset},
};
use serde_json::{Value, json};

use super::{anywhere, keys, only, serve};
use crate::{
    sessions::{ask, open},
    support::Running,
};

/// Whose servers were made, in their order.
type Made = Arc<Mutex<Vec<String>>>;

/// Servers that count their calls: state that is of one caller.
fn counting(made: &Made) -> McpServerOptions {
    let made = made.clone();
    let factory = move |caller: TenantContext| {
        made.lock().expect("lock").push(caller.user_id().to_owned());
        async move {
            let calls = AtomicUsize::new(0);
            let count = move |_: CallContext, _| {
                let calls = calls.fetch_add(1, Ordering::SeqCst) + 1;
                async move { Ok(ToolResult::text(calls.to_string())) }
            };
            let server = ToolServer::new("counting", "1.0.0").tool("count", "Counts", count).build();
            Ok::<Arc<dyn Server>, FactoryError>(server?)
        }
    };
    let catalog = Catalog::new().toolset(Toolset::new("counter", "Counts").tools(["count"]));
    let options = McpServerOptions::default().server_factory(factory).catalog(catalog).auth_provider(keys());
    options.with(|config| config.http = anywhere())
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().expect("text")
}

async fn modern(running: &Running, key: &str, tool: &str, arguments: Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments });
    running.ask(running.modern("tools/call", params, &[("x-api-key", key)])).await.result()
}

#[tokio::test]
async fn each_caller_of_a_dynamic_server_has_a_server_of_their_own() {
    let made = Made::default();
    let (handle, running) = serve(counting(&made)).await;
    assert!(handle.toolsets().is_none());
    let alice = [("x-api-key", "key-of-alice")];
    let (session, _) = open(&running, &alice).await;
    let enable = json!({ "name": "enable_toolset", "arguments": { "name": "counter" } });
    ask(&running, &session, &alice, "tools/call", enable).await.result();
    let count = json!({ "name": "counter.count" });
    assert_eq!(text(&ask(&running, &session, &alice, "tools/call", count.clone()).await.result()), "1");
    for (key, counted) in [("key-of-alice", "2"), ("key-of-bob", "1")] {
        let enabled = modern(&running, key, "enable_toolset", json!({ "name": "counter" })).await;
        let activation = enabled["structuredContent"]["activation"].clone();
        let call = json!({ "tool": "counter.count", "activation": activation });
        assert_eq!(text(&modern(&running, key, "call_tool", call).await), counted);
    }
    assert_eq!(*made.lock().expect("lock"), ["alice", "bob"], "once for each");
    assert_eq!(handle.bundles().expect("bundles").size, 2);
    let alice = mcp_serve::Principal::trusted("alice");
    handle.invalidate(&alice);
    assert_eq!(handle.bundles().expect("bundles").size, 1);
    handle.close().await.expect("closes");
    assert_eq!(handle.bundles().expect("bundles").size, 0, "S3-76: closing lets all go");
}

/// S3-30, C17: a static server is made once, for nobody, and is everybody's; who calls is in each call.
#[tokio::test]
async fn a_static_server_is_one_for_all_callers_whoever_makes_it() {
    let made = Made::default();
    let startup = Startup { mode: Some(Mode::Static), toolsets: Initial::All };
    let (handle, running) = serve(counting(&made).startup(startup)).await;
    assert!(handle.bundles().is_none());
    for (key, counted) in [("key-of-alice", "1"), ("key-of-bob", "2"), ("key-of-alice", "3")] {
        assert_eq!(text(&modern(&running, key, "counter.count", json!({})).await), counted);
    }
    assert_eq!(*made.lock().expect("lock"), ["anonymous"]);
}

/// S3-76: the one that was used least goes, its sessions stay and find another one, with what they turned on.
#[tokio::test]
async fn a_bundle_that_is_let_go_is_made_again_for_its_sessions() {
    let made = Made::default();
    let bundles = InstanceOptions { max_instances: 1, ..InstanceOptions::default() };
    let (_handle, running) = serve(counting(&made).bundles(bundles)).await;
    let alice = [("x-api-key", "key-of-alice")];
    let (session, _) = open(&running, &alice).await;
    let enable = json!({ "name": "enable_toolset", "arguments": { "name": "counter" } });
    ask(&running, &session, &alice, "tools/call", enable).await.result();
    for _ in 0..3 {
        modern(&running, "key-of-bob", "list_toolsets", json!({})).await;
        let counted = ask(&running, &session, &alice, "tools/call", json!({ "name": "counter.count" })).await.result();
        assert!(text(&counted).parse::<u32>().is_ok(), "still on: {counted}");
    }
    assert!(made.lock().expect("lock").len() > 2);
}

/// S3-53: modules load with what is known of whom they load for.
#[tokio::test]
async fn a_catalog_may_depend_on_who_calls() {
    let catalog = |caller: &TenantContext| {
        let user = caller.user_id().to_owned();
        Catalog::new().toolset(Toolset::new("own", "Of the caller").module("own")).module("own", move || {
            let user = user.clone();
            async move {
                let tool = mcp_serve::model::Tool::new("whose", format!("Of {user}"), serde_json::Map::new());
                let answer = move |_, _| std::future::ready(Ok(ToolResult::text(user.clone())));
                Ok(vec![mcp_serve::toolsets::OwnTool::new(tool, answer)])
            }
        })
    };
    let options = McpServerOptions::default().catalog_for(catalog).auth_provider(keys()).with(|config| {
        config.http = anywhere();
        config.modern = Modern::Url;
    });
    let (_handle, running) = serve(options).await;
    for user in ["alice", "bob"] {
        let key = format!("key-of-{user}");
        // By the toolset's own URL, which callers' own servers have too.
        let mut request = running.modern("tools/call", json!({ "name": "own.whose" }), &[("x-api-key", &key)]);
        *request.uri_mut() = "/mcp/own".parse().expect("a path");
        assert_eq!(text(&running.ask(request).await.result()), user);
    }
}

/// One resolver for everybody who asks (W2-13): names are looked up in the catalog that nobody has.
#[tokio::test]
async fn a_static_server_of_a_catalog_for_callers_knows_its_toolsets() {
    let catalog = |_: &TenantContext| Catalog::new().toolset(Toolset::new("counter", "Counts").tools(["count"]));
    let startup = Startup { mode: None, toolsets: only(&["counter"]) };
    let (handle, running) = serve(counting(&Made::default()).catalog_for(catalog).startup(startup)).await;
    assert!(handle.toolsets().is_some());
    assert_eq!(text(&modern(&running, "key-of-bob", "counter.count", json!({})).await), "1");
}
