//! What a limit means where clients carry what they turned on (S3-51, C1).

use std::sync::Arc;

use mcp_serve::{
    Limits, StateKey,
    toolsets::{ExposurePolicy, Modern, Options, Toolsets},
};
use serde_json::{Value, json};

use super::{Era, call, catalog, dynamic, meta, serve};

/// W2-14: an activation can't grow past the limit, however many use it at once: enabling gives another one and leaves it as it
/// was. The limit is one of an activation, as it is one of a session; see docs/patterns/toolsets.md.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_activation_ever_holds_more_than_the_limit() {
    let policy = ExposurePolicy { max_active: Some(2), ..ExposurePolicy::default() };
    let (running, late) = serve(Options { policy, ..dynamic(Modern::Handle) }).await;
    late.works.store(true, std::sync::atomic::Ordering::SeqCst);
    let enable = async |name: &str, activation: &Value| {
        meta(&running, Era::Modern, "enable_toolset", json!({ "name": name, "activation": activation })).await
    };
    let on = async |activation: &Value| {
        let tools = meta(&running, Era::Modern, "list_tools", json!({ "activation": activation })).await;
        tools["toolsetToTools"].as_object().expect("an object").keys().cloned().collect::<Vec<_>>()
    };
    let first = enable("reading", &Value::Null).await["activation"].clone();
    let next = ["writing", "late", "two"].map(async |name| (name, enable(name, &first).await));
    for (name, enabled) in futures_util::future::join_all(next).await {
        assert_eq!(enabled["success"], true, "{name}");
        let both = enabled["activation"].clone();
        assert_eq!(on(&both).await, ["reading", name]);
        let more = ["writing", "late", "two"].into_iter().filter(|other| *other != name);
        for refused in futures_util::future::join_all(more.map(async |other| enable(other, &both).await)).await {
            assert_eq!(refused["message"], "Activation exceeds maxActiveToolsets (2).");
            assert_eq!((&refused["code"], &refused["activation"]), (&json!("E_POLICY_MAX_ACTIVE"), &Value::Null));
        }
        let other = if name == "writing" { "late.delayed" } else { "writing.send_invoice" };
        let refused = call(&running, Era::Modern, "call_tool", json!({ "tool": other, "activation": both })).await;
        assert_eq!(refused.result()["isError"], true);
    }
    assert_eq!(on(&first).await, ["reading"], "it is what it was");
}

/// W2-1: a server that takes another's place, as after a save, knows what was disabled before. Nobody's many activations
/// are in another's way.
#[tokio::test]
async fn what_was_disabled_stays_so_when_the_server_is_replaced() {
    let key = StateKey::new(b"one of the process");
    let options = || Options { state_key: key.clone(), ..dynamic(Modern::Handle) };
    let (running, late) = serve(options()).await;
    let enabled = meta(&running, Era::Modern, "enable_toolset", json!({ "name": "writing" })).await;
    let activation = &enabled["activation"];
    let with = json!({ "tool": "writing.send_invoice", "activation": activation });
    let next = || Toolsets::new(running.server.clone(), catalog(&late), options()).expect("a catalog");
    running.live.replace_server(Arc::new(next()), &Limits::none());
    let answer = call(&running, Era::Modern, "call_tool", with.clone()).await.result();
    assert_eq!(answer["content"][0]["text"], "send_invoice for anonymous", "it is good for the next server");
    meta(&running, Era::Modern, "disable_toolset", json!({ "name": "writing", "activation": activation })).await;
    running.live.replace_server(Arc::new(next()), &Limits::none());
    assert_eq!(call(&running, Era::Modern, "call_tool", with).await.result()["isError"], true);
}
