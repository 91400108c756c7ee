//! Toolsets around servers that callers have of their own.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use mcp_serve::{
    ApiKeys, FactoryError, InstanceOptions, Instances, KeyList, Live, Server, TenantContext,
    http::Config,
    toolsets::{Catalog, ExposurePolicy, Modern, Options, Permissions, Toolset, Toolsets},
};
use serde_json::json;

use super::{Era, dynamic, names, own, request};
use crate::support::{Running, TestServer};

const KEYS: &str = r#"{"key-of-alice": "alice", "key-of-bob": "bob"}"#;
const ALICE: [(&str, &str); 1] = [("x-api-key", "key-of-alice")];
const BOB: [(&str, &str); 1] = [("x-api-key", "key-of-bob")];

/// Each caller has `common` and a toolset of their name.
fn made(caller: &TenantContext, options: Options) -> Arc<dyn Server> {
    let common = Toolset::new("common", "For all").tools(["whoami"]);
    let mine = Toolset::new(caller.user_id(), "For one").own(own("secret", "Nobody else's"));
    let catalog = Catalog::new().toolset(common).toolset(mine);
    Arc::new(Toolsets::new(TestServer::new(), catalog, options).expect("a catalog"))
}

async fn serve(options: Options) -> (Running, Instances, Arc<AtomicUsize>) {
    let builds = Arc::new(AtomicUsize::new(0));
    let count = builds.clone();
    let factory = move |caller: TenantContext| {
        count.fetch_add(1, Ordering::SeqCst);
        let server = made(&caller, options.clone());
        async move { Ok::<_, FactoryError>(server) }
    };
    let instances = Instances::new(factory, InstanceOptions::default());
    let keys = ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse(KEYS).expect("keys"));
    let live = Live::of_many(Arc::new(instances.clone()), Arc::new(keys), Config::default());
    (Running::live(live, TestServer::new()).await, instances, builds)
}

async fn list(running: &Running, era: Era<'_>, caller: &[(&str, &str)]) -> Vec<String> {
    let mut names = names(&request(running, era, caller, "tools/list", json!({})).await);
    names.retain(|name| name.contains('.'));
    names
}

async fn turn(running: &Running, session: &str, caller: &[(&str, &str)], tool: &str, name: &str) -> bool {
    let params = json!({ "name": tool, "arguments": { "name": name } });
    let result = request(running, Era::Session(session), caller, "tools/call", params).await.result();
    result.get("isError").is_none_or(|error| error == false)
}

async fn may_call(running: &Running, era: Era<'_>, caller: &[(&str, &str)], tool: &str) -> bool {
    let reply = request(running, era, caller, "tools/call", json!({ "name": tool, "arguments": {} })).await;
    reply.json().get("error").is_none()
}

#[tokio::test]
async fn each_caller_turns_on_toolsets_of_their_own_server_and_knows_no_other() {
    let policy = ExposurePolicy { max_active: Some(1), ..ExposurePolicy::default() };
    let (running, instances, builds) = serve(Options { policy, ..dynamic(Modern::Search) }).await;
    let (hers, _) = crate::sessions::open(&running, &ALICE).await;
    let (his, _) = crate::sessions::open(&running, &BOB).await;
    assert!(turn(&running, &hers, &ALICE, "enable_toolset", "alice").await);
    assert!(!turn(&running, &hers, &ALICE, "enable_toolset", "bob").await, "there is none for her");
    assert!(!turn(&running, &hers, &ALICE, "enable_toolset", "common").await, "one at a time");
    assert_eq!(list(&running, Era::Session(&hers), &ALICE).await, ["alice.secret"]);
    assert_eq!(list(&running, Era::Session(&his), &BOB).await, [""; 0]);
    assert!(may_call(&running, Era::Session(&hers), &ALICE, "alice.secret").await);
    assert!(!may_call(&running, Era::Session(&his), &BOB, "alice.secret").await);
    // A second session of hers has its own, on the same server.
    let (second, _) = crate::sessions::open(&running, &ALICE).await;
    assert!(turn(&running, &second, &ALICE, "enable_toolset", "common").await);
    assert_eq!(list(&running, Era::Session(&hers), &ALICE).await, ["alice.secret"]);
    assert_eq!(builds.load(Ordering::SeqCst), 2);
    // Her server is made anew: what was on stays on by its key, and what is off stays off.
    instances.invalidate_all();
    assert_eq!(list(&running, Era::Session(&hers), &ALICE).await, ["alice.secret"]);
    assert_eq!(list(&running, Era::Session(&second), &ALICE).await, ["common.whoami"]);
    assert!(may_call(&running, Era::Session(&hers), &ALICE, "alice.secret").await);
    assert!(turn(&running, &hers, &ALICE, "disable_toolset", "alice").await);
    assert!(!may_call(&running, Era::Session(&hers), &ALICE, "alice.secret").await);
    assert!(builds.load(Ordering::SeqCst) > 2, "it was not made anew");
}

#[tokio::test]
async fn search_finds_what_is_on_the_callers_server() {
    let (running, _, _) = serve(dynamic(Modern::Search)).await;
    for (caller, theirs, others) in [(ALICE, "alice.secret", "bob.secret"), (BOB, "bob.secret", "alice.secret")] {
        let params = json!({ "name": "search_tools", "arguments": { "query": "nobody secret" } });
        let found = request(&running, Era::Modern, &caller, "tools/call", params).await.result();
        assert_eq!(found["structuredContent"]["tools"][0]["name"], theirs);
        for (tool, error) in [(theirs, false), (others, true)] {
            let params = json!({ "name": "call_tool", "arguments": { "tool": tool } });
            let called = request(&running, Era::Modern, &caller, "tools/call", params).await.result();
            assert_eq!(called.get("isError").is_some_and(|it| it == true), error, "{tool}: {called}");
        }
    }
}

/// What a caller was granted means nothing to a server that was made meanwhile.
#[tokio::test]
async fn permissions_bound_each_of_them() {
    let permissions = Permissions::map([("alice", vec!["alice"]), ("bob", vec!["common", "gone"])]);
    let (running, instances, _) = serve(Options { permissions: Some(permissions), ..Options::default() }).await;
    for _ in 0..2 {
        // Static toolsets that nothing turned on from the start.
        assert_eq!(list(&running, Era::Modern, &ALICE).await, [""; 0]);
        assert!(!may_call(&running, Era::Modern, &ALICE, "common.whoami").await);
        instances.invalidate_all();
    }
    let initial = mcp_serve::toolsets::Initial::All;
    let permissions = Permissions::map([("alice", vec!["alice"]), ("bob", vec!["common", "gone"])]);
    let (running, instances, _) =
        serve(Options { permissions: Some(permissions), initial, ..Options::default() }).await;
    for _ in 0..2 {
        assert_eq!(list(&running, Era::Modern, &ALICE).await, ["alice.secret"]);
        assert_eq!(list(&running, Era::Modern, &BOB).await, ["common.whoami"]);
        assert!(!may_call(&running, Era::Modern, &ALICE, "common.whoami").await);
        instances.invalidate_all();
    }
}
