//! What callers may see comes from who they are, anew with each request (S3-60 to S3-65).

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::request::Parts;
use mcp_serve::{
    Authentication, Authenticator, BoxFuture, Principal,
    toolsets::{Initial, ModuleError, Options, PermissionResolver, Permissions, Rule},
};
use serde_json::{Value, json};

use super::{Era, names, request};
use crate::{sessions::open, support::Running};

/// Whoever a request says it is, with these claims. Stands for any authenticator.
#[derive(Debug, Clone, Default)]
struct Claimed(Arc<Mutex<HashMap<String, Value>>>);

impl Claimed {
    fn set(&self, principal: &str, toolsets: Value) {
        self.0.lock().expect("lock").insert(principal.to_owned(), toolsets);
    }
}

impl Authenticator for Claimed {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        let id = head.headers.get("x-test-user").and_then(|value| value.to_str().ok()).unwrap_or("nobody");
        let mut principal = (*Principal::trusted(id)).clone();
        if let Some(toolsets) = self.0.lock().expect("lock").get(id) {
            principal.claims.insert("toolsets".to_owned(), toolsets.clone());
        }
        Authentication::Ready(Ok(Arc::new(principal)))
    }
}

fn options(permissions: Permissions) -> Options {
    Options { initial: Initial::All, permissions: Some(permissions), ..Options::default() }
}

async fn start(permissions: Permissions, claimed: &Claimed) -> Running {
    let late = Arc::default();
    let server = crate::support::TestServer::new();
    let options = Options { initial: Initial::Only(vec!["reading".into(), "writing".into()]), ..options(permissions) };
    let toolsets =
        mcp_serve::toolsets::Toolsets::new(server.clone(), super::catalog(&late), options).expect("a catalog");
    toolsets.ready().await.expect("ready");
    Running::around(server, Arc::new(toolsets), mcp_serve::http::Config::default(), claimed.clone()).await
}

const ECHO: &str = "reading.echo";
const SEND: &str = "writing.send_invoice";

/// T10. W2-5: a client granted itself permissions by a header. W2-6: a downgrade was not noticed. W2-10: a client's own id.
#[tokio::test]
async fn a_downgrade_counts_from_the_next_request_on_and_a_forged_header_for_nothing() {
    let claimed = Claimed::default();
    claimed.set("alice", json!(["reading", "writing"]));
    claimed.set("bob", json!(["reading"]));
    let running = start(Permissions::claim("toolsets"), &claimed).await;
    let alice = [("x-test-user", "alice")];
    let (id, _) = open(&running, &alice).await;
    for era in [Era::Modern, Era::Session(&id)] {
        claimed.set("alice", json!(["reading", "writing"]));
        let list = async || names(&request(&running, era, &alice, "tools/list", json!({})).await);
        let send = async || request(&running, era, &alice, "tools/call", json!({ "name": SEND })).await;
        assert_eq!(list().await, [ECHO, "reading.whoami", SEND]);
        assert_eq!(send().await.result()["content"][0]["text"], "send_invoice for alice");
        claimed.set("alice", json!(["reading"]));
        assert_eq!(list().await, [ECHO, "reading.whoami"]);
        assert_eq!(send().await.error().1, -32602);
        claimed.set("alice", json!([]));
        assert_eq!(list().await, [""; 0], "empty permissions are a server with no tools (S3-61)");
        claimed.set("alice", json!(["nope"]));
        let denied = request(&running, era, &alice, "tools/list", json!({})).await;
        assert_eq!(denied.error(), (403, -32000));
        assert_eq!(denied.json()["error"]["message"], "Access denied");
    }
    let forged = [("x-test-user", "bob"), ("mcp-toolset-permissions", "writing"), ("mcp-client-id", "alice")];
    let reply = running.ask(running.modern("tools/list", json!({}), &forged)).await;
    assert_eq!(names(&reply), [ECHO, "reading.whoami"]);
}

/// S3-61, S3-65.
#[tokio::test]
async fn some_unknown_toolsets_leave_the_others_and_nobody_widens_their_set() {
    let claimed = Claimed::default();
    claimed.set("alice", json!("reading, nope"));
    let running = start(Permissions::claim("toolsets"), &claimed).await;
    let alice = [("x-test-user", "alice")];
    let reply = running.ask(running.modern("tools/list", json!({}), &alice)).await;
    assert_eq!(names(&reply), [ECHO, "reading.whoami"]);
    for meta in mcp_serve::toolsets::META_TOOLS {
        let call = running.modern("tools/call", json!({ "name": meta, "arguments": { "name": "writing" } }), &alice);
        assert_eq!(running.ask(call).await.error().1, -32602, "{meta}");
    }
    let nobody = running.ask(running.modern("tools/list", json!({}), &[("x-test-user", "eve")])).await;
    assert_eq!(names(&nobody), [""; 0]);
}

#[tokio::test]
async fn groups_and_principals_have_the_union_of_their_rules() {
    let rules = vec![
        Rule { group: None, principal: Some("alice".into()), toolsets: vec!["writing".into()] },
        Rule { group: None, principal: None, toolsets: vec!["reading".into()] },
        Rule { group: Some("ops".into()), principal: None, toolsets: vec!["late".into()] },
    ];
    let running = start(Permissions::rules(rules), &Claimed::default()).await;
    let list =
        async |user: &str| names(&running.ask(running.modern("tools/list", json!({}), &[("x-test-user", user)])).await);
    assert_eq!(list("alice").await, [ECHO, "reading.whoami", SEND]);
    assert_eq!(list("bob").await, [ECHO, "reading.whoami"]);
}

/// W2-16: resolvers could not be async.
#[derive(Clone, Default)]
struct Directory {
    says: Arc<Mutex<HashMap<String, Option<Vec<String>>>>>,
    asked: Arc<AtomicUsize>,
}

impl PermissionResolver for Directory {
    fn resolve<'a>(&'a self, principal: &'a Principal) -> BoxFuture<'a, Result<Option<Vec<String>>, ModuleError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.asked.fetch_add(1, Ordering::SeqCst);
            if principal.id == "broken" {
                return Err("the directory is down".into());
            }
            Ok(self.says.lock().expect("lock").get(&principal.id).cloned().flatten())
        })
    }
}

#[tokio::test]
async fn a_resolver_comes_before_the_map_and_the_map_before_the_default_and_failing_is_nothing() {
    let directory = Directory::default();
    directory.says.lock().expect("lock").insert("alice".into(), Some(vec!["writing".into()]));
    let map = ["alice", "bob", "broken"].map(|id| (id.to_owned(), vec!["reading".to_owned(), "writing".to_owned()]));
    let permissions = Permissions::resolver_or_map(directory.clone(), map.into()).or_default(["reading"]);
    let running = start(permissions, &Claimed::default()).await;
    let list =
        async |user: &str| names(&running.ask(running.modern("tools/list", json!({}), &[("x-test-user", user)])).await);
    assert_eq!(list("alice").await, [SEND]);
    assert_eq!(list("bob").await, [ECHO, "reading.whoami", SEND]);
    assert_eq!(list("carol").await, [ECHO, "reading.whoami"]);
    assert_eq!(list("broken").await, [""; 0]);
    assert_eq!(directory.asked.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn what_a_resolver_said_is_kept_until_it_is_invalidated() {
    let directory = Directory::default();
    let says = |toolsets: &[&str]| {
        let toolsets = toolsets.iter().map(ToString::to_string).collect();
        directory.says.lock().expect("lock").insert("alice".into(), Some(toolsets));
    };
    says(&["reading", "writing"]);
    let permissions = Permissions::resolver(directory.clone()).cached(Duration::from_secs(3600));
    let running = start(permissions.clone(), &Claimed::default()).await;
    let list = async || names(&running.ask(running.modern("tools/list", json!({}), &[("x-test-user", "alice")])).await);
    assert_eq!(list().await.len(), 3);
    says(&["reading"]);
    assert_eq!(list().await.len(), 3);
    assert_eq!(directory.asked.load(Ordering::SeqCst), 1);
    permissions.invalidate(None, "alice");
    assert_eq!(list().await.len(), 2);
    assert_eq!(directory.asked.load(Ordering::SeqCst), 2);
}
