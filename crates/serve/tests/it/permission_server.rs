//! `create_permission_based_mcp_server` over real HTTP, in both eras.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mcp_serve::{
    BoxFuture, IpNet, Principal, ProxyHeaders, Server, TenantContext, TrustedProxy, Vouched,
    mcp_server::{
        CreateError, McpServerHandle, PermissionBasedConfig, PermissionBasedOptions, StartError,
        create_permission_based_mcp_server,
    },
    toolsets::{Catalog, META_TOOLS, ModuleError, PermissionResolver, Permissions, Toolset},
};
use serde_json::{Value, json};

use crate::{
    mcp_server::{anywhere, client, keys},
    sessions::open,
    support::{Reply, Running, TestServer},
    toolsets::{Era, Late, catalog, names, own, request},
};

const ECHO: &str = "reading.echo";
const WHO: &str = "reading.whoami";
const SEND: &str = "writing.send_invoice";

fn working() -> Arc<Late> {
    let late: Arc<Late> = Arc::default();
    late.works.store(true, Ordering::SeqCst);
    late
}

fn config(permissions: Value) -> PermissionBasedConfig {
    PermissionBasedConfig::from_json(&json!({ "permissions": permissions }).to_string()).expect("reads")
}

fn options() -> PermissionBasedOptions {
    let options = PermissionBasedOptions::default().server(TestServer::new()).catalog(catalog(&working()));
    options.auth_provider(keys()).with(|config| config.http = anywhere())
}

fn of(permissions: Value) -> PermissionBasedOptions {
    options().config(config(permissions)).with(|config| config.http = anywhere())
}

async fn serve(options: PermissionBasedOptions) -> (McpServerHandle, Running) {
    let handle = create_permission_based_mcp_server(options).await.expect("is made");
    let client = client(&handle).await;
    (handle, client)
}

async fn modern(running: &Running, user: &str, method: &str, params: Value) -> Reply {
    let key = format!("key-of-{user}");
    request(running, Era::Modern, &[("x-api-key", &key)], method, params).await
}

async fn list(running: &Running, user: &str) -> Vec<String> {
    names(&modern(running, user, "tools/list", json!({})).await)
}

/// S3-2, S3-33, S3-60, S3-61, S3-65.
#[tokio::test]
async fn each_caller_has_what_they_are_permitted_and_no_more() {
    let map = json!({ "alice": ["reading", "writing", "nope"], "bob": ["nope", "neither"] });
    let (handle, running) = serve(of(json!({ "source": "config", "staticMap": map }))).await;
    assert!(handle.warnings().is_empty());
    let alice = [("x-api-key", "key-of-alice")];
    let (id, _) = open(&running, &alice).await;
    for era in [Era::Modern, Era::Session(&id)] {
        let listed = names(&request(&running, era, &alice, "tools/list", json!({})).await);
        assert_eq!(listed, [ECHO, WHO, SEND]);
        let answer = request(&running, era, &alice, "tools/call", json!({ "name": SEND })).await.result();
        assert_eq!(answer["content"][0]["text"], "send_invoice for alice");
        for meta in META_TOOLS {
            let call = json!({ "name": meta, "arguments": { "name": "late" } });
            assert_eq!(request(&running, era, &alice, "tools/call", call).await.error().1, -32602, "{meta}");
        }
        let other = request(&running, era, &alice, "tools/call", json!({ "name": "late.delayed" })).await;
        assert_eq!(other.error().1, -32602);
    }
    let denied = modern(&running, "bob", "tools/list", json!({})).await;
    assert_eq!((denied.error(), &denied.json()["error"]["message"]), ((403, -32000), &json!("Access denied")));
    // A header of their own gives nobody anything (W2-5, S3-62).
    let forged = [("x-api-key", "key-of-bob"), ("mcp-toolset-permissions", "writing"), ("mcp-client-id", "alice")];
    assert_eq!(running.ask(running.modern("tools/list", json!({}), &forged)).await.status, 403);
}

/// S3-60: resolver, map, default, nothing. S3-64: the resolver may take its time.
#[tokio::test]
async fn a_resolver_comes_first_and_who_is_nowhere_has_nothing() {
    let directory = Directory::default();
    directory.say("alice", Some(&["writing"]));
    let with_map = json!({ "source": "config", "staticMap": { "alice": ["reading"], "bob": ["reading"] } });
    let (_handle, running) = serve(of(with_map).resolver(directory.clone())).await;
    assert_eq!(list(&running, "alice").await, [SEND]);
    assert_eq!(list(&running, "bob").await, [ECHO, WHO]);
    let with_default = json!({ "source": "config", "staticMap": {}, "defaultPermissions": ["writing"] });
    let (_handle, running) = serve(of(with_default)).await;
    assert_eq!(list(&running, "bob").await, [SEND]);
    let (_handle, running) = serve(of(json!({ "source": "config", "staticMap": {} }))).await;
    assert_eq!(list(&running, "bob").await, [""; 0], "empty permissions are a server with no tools");
}

/// S3-63, W2-6: a downgrade counts from the next request on, in open sessions too; what is kept is kept for its time.
#[tokio::test]
async fn permissions_are_asked_anew_or_forgotten_when_told() {
    let directory = Directory::default();
    directory.say("alice", Some(&["reading", "writing"]));
    let (_handle, running) = serve(options().resolver(directory.clone())).await;
    let alice = [("x-api-key", "key-of-alice")];
    let (id, _) = open(&running, &alice).await;
    let session = async || names(&request(&running, Era::Session(&id), &alice, "tools/list", json!({})).await);
    assert_eq!(session().await, [ECHO, WHO, SEND]);
    directory.say("alice", Some(&["reading"]));
    assert_eq!(session().await, [ECHO, WHO]);
    assert_eq!(modern(&running, "alice", "tools/call", json!({ "name": SEND })).await.error().1, -32602);

    let (handle, running) =
        serve(options().resolver(directory.clone()).permission_ttl(Duration::from_secs(3600))).await;
    let asked = |times: usize| assert_eq!(directory.asked.swap(0, Ordering::SeqCst), times);
    asked(5);
    assert_eq!(list(&running, "alice").await, [ECHO, WHO]);
    directory.say("alice", Some(&["writing"]));
    assert_eq!(list(&running, "alice").await, [ECHO, WHO]);
    asked(1);
    handle.invalidate(&Principal::trusted("alice"));
    assert_eq!(list(&running, "alice").await, [SEND]);
    asked(1);
    directory.say("alice", None);
    // S3-3: what was known of callers goes with the server.
    handle.close().await.expect("closes");
    let running = client(&handle).await;
    assert_eq!(list(&running, "alice").await, [""; 0]);
    asked(1);
}

/// S3-13: never in silence; the names of tools stay as they were said to be.
#[tokio::test]
async fn a_policy_that_would_choose_toolsets_is_left_out_and_told() {
    let policy = json!({
        "allowlist": ["reading"], "denylist": ["writing"], "maxActiveToolsets": 1, "namespaceToolsWithSetKey": false,
    });
    let file = json!({
        "permissions": { "source": "config", "staticMap": { "alice": ["reading", "writing"] } },
        "exposurePolicy": policy, "http": { "port": 0 },
    });
    let mut config = PermissionBasedConfig::from_json(&file.to_string()).expect("reads");
    // Modules of one name in two toolsets need their keys before them.
    let options = || {
        let reading = Toolset::new("reading", "Look things up").tools(["echo", "whoami"]);
        let writing = Toolset::new("writing", "Change things").own(own("send_invoice", "Mails a bill"));
        options().catalog(Catalog::new().toolset(reading).toolset(writing))
    };
    let (handle, running) = serve(options().config(config.clone()).on_limit_exceeded(|_, _| {})).await;
    for (warning, field) in
        handle.warnings().iter().zip(["allowlist", "denylist", "maxActiveToolsets", "onLimitExceeded"])
    {
        assert!(warning.starts_with(&format!("`exposurePolicy.{field}` is not used")), "{warning}");
    }
    assert_eq!(handle.warnings().len(), 4);
    assert_eq!(list(&running, "alice").await, ["echo", "whoami", "send_invoice"]);
    config.strict = true;
    let error = create_permission_based_mcp_server(options().config(config)).await.expect_err("is refused");
    assert!(matches!(error, CreateError::Strict { warnings } if warnings.len() == 3));
}

/// S3-60: what says nothing about anybody is refused when the server is made.
#[tokio::test]
async fn permissions_must_come_from_somewhere_and_from_one_place() {
    let refused =
        async |options: PermissionBasedOptions| create_permission_based_mcp_server(options).await.expect_err("refused");
    assert!(matches!(refused(options()).await, CreateError::PermissionsRequired));
    assert!(matches!(refused(of(json!({ "source": "config" }))).await, CreateError::NoPermissionSource));
    let twice = of(json!({ "source": "config", "staticMap": {} })).permissions(Permissions::claim("toolsets"));
    assert!(matches!(refused(twice).await, CreateError::PermissionsTwice));
    let headers = of(json!({ "source": "headers" })).resolver(Directory::default());
    assert!(matches!(refused(headers).await, CreateError::ResolverOfHeaders));
    let nothing = PermissionBasedOptions::default().permissions(Permissions::claim("toolsets"));
    assert!(matches!(refused(nothing).await, CreateError::CatalogRequired));
}

/// S3-62, W2-5: a header is nothing that anybody may write. It counts as a claim of the principal, which a trusted proxy makes of it.
#[tokio::test]
async fn a_header_counts_only_as_a_claim_that_somebody_vouches_for() {
    let (_handle, running) = serve(of(json!({ "source": "headers" }))).await;
    let forged = [("x-api-key", "key-of-bob"), ("mcp-toolset-permissions", "reading,writing")];
    let listed = running.ask(running.modern("tools/list", json!({}), &forged)).await;
    assert_eq!(names(&listed), [""; 0]);
    let proxy = |peers: &str| {
        let headers = ProxyHeaders { claims: vec!["x-toolsets".parse().expect("a header")], ..ProxyHeaders::default() };
        let peers = vec![IpNet::parse(peers).expect("a net")];
        Vouched::new(Arc::new(keys()), TrustedProxy::from_peers(peers, headers).expect("a proxy")).expect("callers")
    };
    let from = async |peers: &str| {
        let by_header = of(json!({ "source": "headers", "headerName": "X-Toolsets" })).auth_provider(proxy(peers));
        let (_handle, running) = serve(by_header).await;
        let said = [("x-api-key", "key-of-bob"), ("x-toolsets", "writing , nope")];
        running.ask(running.modern("tools/list", json!({}), &said)).await
    };
    assert_eq!(names(&from("127.0.0.1/32").await), [SEND]);
    assert_eq!(from("10.0.0.0/8").await.status, 401);
}

/// S3-14: nobody's toolset is missed later.
#[tokio::test]
async fn a_module_that_does_not_load_fails_the_start() {
    let late: Arc<Late> = Arc::default();
    let options = of(json!({ "source": "config", "staticMap": { "alice": ["late"] } })).catalog(catalog(&late));
    let handle = create_permission_based_mcp_server(options).await.expect("is made");
    assert!(matches!(handle.start().await, Err(StartError::NotReady(_))));
    late.works.store(true, Ordering::SeqCst);
    let running = client(&handle).await;
    assert_eq!(list(&running, "alice").await, ["late.delayed"]);
}

/// W2-11: each HTTP call built a server of its own. Where a factory makes them, each caller has one.
#[tokio::test]
async fn servers_are_made_once_and_not_for_each_request() {
    let made: Arc<Mutex<Vec<String>>> = Arc::default();
    let counted = made.clone();
    let factory = move |caller: TenantContext| {
        counted.lock().expect("lock").push(caller.user_id().to_owned());
        std::future::ready(Ok::<Arc<dyn Server>, ModuleError>(TestServer::new()))
    };
    let map = json!({ "source": "config", "staticMap": { "alice": ["reading"], "bob": ["writing"] } });
    let (handle, running) = serve(of(map).server_factory(factory)).await;
    for _ in 0..3 {
        assert_eq!(list(&running, "alice").await, [ECHO, WHO]);
        assert_eq!(list(&running, "bob").await, [SEND]);
        crate::mcp_server::routes::get(&running, "/tools", &[("x-api-key", "key-of-alice")]).await;
    }
    assert_eq!(*made.lock().expect("lock"), ["alice", "bob"]);
    assert_eq!(handle.bundles().expect("bundles").builds, 2);
}

/// W2-19: the tools of a permission-based server were always none, and told to everybody. S3-61: what there is not is told.
#[tokio::test]
async fn a_caller_is_told_of_their_own_toolsets() {
    let map = json!({ "source": "config", "staticMap": { "alice": ["writing", "nope"] } });
    let (_handle, running) = serve(of(map)).await;
    let tools = async |headers: &[(&str, &str)]| crate::mcp_server::routes::get(&running, "/tools", headers).await;
    assert_eq!(tools(&[]).await.status, 401);
    let status = tools(&[("x-api-key", "key-of-alice")]).await.text;
    let expected = json!({
        "availableToolsets": ["writing"], "activeToolsets": ["writing"], "registeredModules": [],
        "totalToolsets": 1, "activeCount": 1, "tools": [SEND], "toolsetToTools": { "writing": [SEND] },
        "failedToolsets": ["nope"],
    });
    assert_eq!(serde_json::from_str::<Value>(&status).expect("JSON"), expected);
    let nobody = tools(&[("x-api-key", "key-of-bob")]).await.text;
    assert_eq!(serde_json::from_str::<Value>(&nobody).expect("JSON")["tools"], json!([]));
}

/// W2-16: resolvers could not be async.
#[derive(Clone, Default)]
struct Directory {
    says: Arc<Mutex<HashMap<String, Vec<String>>>>,
    asked: Arc<AtomicUsize>,
}

impl Directory {
    fn say(&self, principal: &str, toolsets: Option<&[&str]>) {
        let mut says = self.says.lock().expect("lock");
        says.remove(principal);
        says.extend(toolsets.map(|keys| (principal.to_owned(), keys.iter().map(ToString::to_string).collect())));
    }
}

impl PermissionResolver for Directory {
    fn resolve<'a>(&'a self, principal: &'a Principal) -> BoxFuture<'a, Result<Option<Vec<String>>, ModuleError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.asked.fetch_add(1, Ordering::SeqCst);
            Ok(self.says.lock().expect("lock").get(&principal.id).cloned())
        })
    }
}
