//! `create_mcp_server` over real HTTP, in both eras.

mod bundles;
mod contexts;
mod notifying;
pub mod routes;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use mcp_serve::{
    ApiKeys, Change, KeyList, Live, NoAuthentication,
    http::Config,
    mcp_server::{
        CreateError, HttpConfig, McpServerConfig, McpServerHandle, McpServerOptions, StartError, Startup,
        create_mcp_server, validate_startup_config,
    },
    toolsets::{
        Initial, META_TOOLS, Mode, Modern, NotReady, NotifyError, Options, ToolsChangedNotifier, Toolsets,
        resolve_meta_tools_flag,
    },
};
use serde_json::json;
use tokio::net::TcpStream;

use crate::{
    sessions::{ask, open},
    support::{Events, Running, TestServer},
    toolsets::{Era, Late, call, catalog, list, meta, request},
};

const KEYS: &str = r#"{"key-of-alice": "alice", "key-of-bob": "bob"}"#;

pub fn keys() -> ApiKeys {
    ApiKeys::new(ApiKeys::DEFAULT_HEADER, KeyList::parse(KEYS).expect("keys"))
}

pub fn anywhere() -> HttpConfig {
    HttpConfig::at("127.0.0.1:0".parse().expect("an address"))
}

pub fn options(late: &Arc<Late>) -> McpServerOptions {
    let server = TestServer::new();
    McpServerOptions::default().server(server).catalog(catalog(late)).with(|config| config.http = anywhere())
}

pub fn only(keys: &[&str]) -> Initial {
    Initial::Only(keys.iter().map(ToString::to_string).collect())
}

/// A client of a server that was started.
pub async fn client(handle: &McpServerHandle) -> Running {
    Running::reaching(handle.start().await.expect("starts"))
}

pub async fn serve(options: McpServerOptions) -> (McpServerHandle, Running) {
    let handle = create_mcp_server(options).await.expect("is made");
    let client = client(&handle).await;
    (handle, client)
}

/// S3-1, S3-3, S3-77.
#[tokio::test]
async fn a_server_listens_from_start_to_close_however_often_they_are_called() {
    let handle = create_mcp_server(options(&Arc::default())).await.expect("is made");
    assert_eq!(handle.local_addr(), None, "nothing listens before it is started");
    handle.close().await.expect("nothing to close");
    let address = handle.start().await.expect("starts");
    assert_eq!((handle.start().await.expect("runs"), handle.local_addr()), (address, Some(address)));
    let both = tokio::join!(handle.start(), handle.start());
    assert_eq!((both.0.expect("runs"), both.1.expect("runs")), (address, address));
    let running = Running::reaching(address);
    assert!(!list(&running, Era::Modern).await.is_empty());
    handle.close().await.expect("closes");
    handle.close().await.expect("is closed");
    assert_eq!(handle.local_addr(), None);
    assert!(TcpStream::connect(address).await.is_err(), "nothing listens there any more");
    let running = client(&handle).await;
    assert!(!list(&running, Era::Modern).await.is_empty(), "it can be started again");
    let address = handle.local_addr().expect("it runs");
    drop(handle);
    crate::support::within(async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// S3-14: no request is served before what is on from the start is there, and what can't be had fails the start.
#[tokio::test]
async fn a_static_toolset_that_does_not_load_fails_the_start() {
    let late: Arc<Late> = Arc::default();
    let startup = Startup { mode: Some(Mode::Static), toolsets: only(&["reading", "late"]) };
    let handle = create_mcp_server(options(&late).startup(startup)).await.expect("is made");
    for _ in 0..2 {
        let error = handle.start().await.expect_err("a module fails");
        assert!(matches!(&error, StartError::NotReady(NotReady::Modules { toolset, .. }) if toolset == "late"));
        assert_eq!(handle.local_addr(), None);
    }
    late.works.store(true, Ordering::SeqCst);
    let running = client(&handle).await;
    assert_eq!(late.loads.load(Ordering::SeqCst), 3);
    for era in [Era::Modern, Era::Older] {
        assert!(list(&running, era).await.contains(&"late.delayed".to_owned()));
    }
    assert_eq!(late.loads.load(Ordering::SeqCst), 3);
}

/// S3-14, S3-31: a toolset that is asked for and refused is no toolset left out.
#[tokio::test]
async fn what_can_never_be_served_is_not_made() {
    let late = Arc::default();
    let refused = async |options: McpServerOptions| create_mcp_server(options).await.expect_err("is refused");
    assert!(matches!(refused(McpServerOptions::default()).await, CreateError::CatalogRequired));
    let startup = Startup { mode: None, toolsets: only(&["nope"]) };
    let error = refused(options(&late).startup(startup)).await;
    assert_eq!(error.to_string(), "STATIC mode requires valid toolsets or 'ALL'; none were valid");
    let startup = Startup { mode: None, toolsets: only(&["reading"]) };
    let deny = |options: McpServerOptions| {
        options
            .with(|config| config.exposure_policy.get_or_insert_default().denylist = Some(vec!["reading".to_owned()]))
    };
    let error = refused(deny(options(&late).startup(startup))).await;
    assert_eq!(error.to_string(), "Toolset 'reading' is denied by policy.");
    let unknown = options(&late)
        .with(|config| config.exposure_policy.get_or_insert_default().allowlist = Some(vec!["nope".to_owned()]));
    assert!(matches!(refused(unknown).await, CreateError::Catalog(_)));
    let open = options(&late).with(|config| config.http.host = "0.0.0.0".to_owned());
    assert!(matches!(refused(open).await, CreateError::Http(_)), "W2-8: open to everybody");
}

/// Warnings are kept where programs can read them, and are errors where nothing may be left out.
#[tokio::test]
async fn what_is_ignored_is_told_and_in_strict_mode_refused() {
    let late = Arc::default();
    let startup = Startup { mode: Some(Mode::Dynamic), toolsets: only(&["reading"]) };
    let handle = create_mcp_server(options(&late).startup(startup.clone())).await.expect("is made");
    assert_eq!(handle.warnings(), ["`startup.toolsets` is ignored in DYNAMIC mode: callers turn toolsets on"]);
    let strict = options(&late).startup(startup).with(|config| config.strict = true);
    let error = create_mcp_server(strict).await.expect_err("is refused");
    assert!(matches!(error, CreateError::Strict { warnings } if warnings.len() == 1));
    assert!(create_mcp_server(options(&late)).await.expect("is made").warnings().is_empty());
}

/// W2-13: a server that was inferred to be static was served as a dynamic one. S3-30, S3-32: one server for all clients at
/// once, and nothing to turn on.
#[tokio::test]
async fn an_inferred_static_server_is_static_for_every_client() {
    let late: Arc<Late> = Arc::default();
    let startup = Startup { mode: None, toolsets: only(&["reading", "writing"]) };
    let (handle, running) = serve(options(&late).startup(startup)).await;
    assert!(handle.toolsets().is_some() && handle.bundles().is_none());
    let ((one, _), (two, _)) = (open(&running, &[]).await, open(&running, &[]).await);
    for era in [Era::Session(&one), Era::Session(&two), Era::Modern, Era::Older, Era::Session(&one)] {
        let listed = list(&running, era).await;
        assert!(listed.contains(&"reading.echo".to_owned()) && listed.contains(&"writing.send_invoice".to_owned()));
        assert!(!META_TOOLS.iter().any(|meta| listed.iter().any(|name| name == meta)), "{listed:?}");
        let enable = call(&running, era, "enable_toolset", json!({ "name": "late" })).await;
        assert_eq!(enable.error().1, -32602);
        let answer = call(&running, era, "writing.send_invoice", json!({})).await.result();
        assert_eq!(answer["content"][0]["text"], "send_invoice for anonymous");
    }
}

/// S3-4: `validateStartupConfig`, `createToolsChangedNotifier` and `resolveMetaToolsFlag` are there for whoever puts such a
/// server together alone, and these servers do what they say.
#[tokio::test]
async fn the_shared_parts_say_alone_what_the_servers_made_of_them_do() {
    struct Told(Arc<AtomicUsize>);

    impl ToolsChangedNotifier for Told {
        fn tools_changed(&self) -> Result<(), NotifyError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    for (startup, mode) in [(json!({}), Mode::Dynamic), (json!({ "toolsets": ["writing"] }), Mode::Static)] {
        for explicit in [None, Some(true), Some(false)] {
            let read = validate_startup_config(&startup).expect("reads");
            let late = Arc::default();
            let options = options(&late).startup(read.clone()).with(|config| config.register_meta_tools = explicit);
            let (_handle, running) = serve(options).await;
            let alone = Options {
                mode,
                modern: Modern::Handle,
                initial: read.toolsets,
                meta_tools: Some(resolve_meta_tools_flag(explicit, mode)),
                ..Options::default()
            };
            let server = TestServer::new();
            let alone = Toolsets::new(server.clone(), catalog(&late), alone).expect("a catalog");
            alone.ready().await.expect("it loads");
            let live = Live::new(Arc::new(alone), Arc::new(NoAuthentication::default()), Config::default());
            let by_hand = Running::live(live, server).await;
            let listed = list(&running, Era::Modern).await;
            assert_eq!(listed, list(&by_hand, Era::Modern).await, "{startup} {explicit:?}");
            let has_meta_tools = listed.iter().any(|name| META_TOOLS.contains(&&**name));
            assert_eq!(has_meta_tools, resolve_meta_tools_flag(explicit, mode), "{startup} {explicit:?}: {listed:?}");
        }
    }
    let wrong = validate_startup_config(&json!({ "initialToolsets": [] })).expect_err("is refused").to_string();
    let file = McpServerConfig::from_json(r#"{ "startup": { "initialToolsets": [] } }"#).expect_err("is refused");
    assert!(file.to_string().starts_with(&wrong), "{file}");

    let told = Arc::new(AtomicUsize::new(0));
    let (_handle, running) = serve(options(&Arc::default()).notifier(Told(told.clone()))).await;
    let (id, _) = open(&running, &[]).await;
    let enabled = meta(&running, Era::Session(&id), "enable_toolset", json!({ "name": "reading" })).await;
    assert_eq!((&enabled["success"], told.load(Ordering::SeqCst)), (&json!(true), 1));
}

/// S3-40: with meta-tools, a static server has `list_tools` alone.
#[tokio::test]
async fn a_static_server_with_meta_tools_lists_and_no_more() {
    let startup = Startup { mode: Some(Mode::Static), toolsets: only(&["writing"]) };
    let options = options(&Arc::default()).startup(startup).with(|config| config.register_meta_tools = Some(true));
    let (_handle, running) = serve(options).await;
    let (id, _) = open(&running, &[]).await;
    for era in [Era::Session(&id), Era::Modern] {
        let listed = list(&running, era).await;
        let metas: Vec<_> = META_TOOLS.iter().filter(|meta| listed.iter().any(|name| name == *meta)).collect();
        assert_eq!(metas, [&"list_tools"]);
        let tools = meta(&running, era, "list_tools", json!({})).await;
        assert_eq!(tools["toolsetToTools"], json!({ "writing": ["writing.send_invoice"] }));
    }
}

/// S3-43, T8 by its unit side: in a session by its list, in 2026-07-28 by an activation. W2-1, W2-2.
#[tokio::test]
async fn a_dynamic_server_turns_toolsets_on_and_off_in_both_eras() {
    let (_handle, running) = serve(options(&Arc::default())).await;
    let (id, _) = open(&running, &[]).await;
    let session = Era::Session(&id);
    for _ in 0..2 {
        let enabled = meta(&running, session, "enable_toolset", json!({ "name": "writing" })).await;
        assert_eq!(enabled["message"], "Toolset 'writing' enabled successfully. Registered 1 tools.");
        assert!(list(&running, session).await.contains(&"writing.send_invoice".to_owned()));
        assert!(!list(&running, Era::Modern).await.contains(&"writing.send_invoice".to_owned()));
        meta(&running, session, "disable_toolset", json!({ "name": "writing" })).await;
        assert_eq!(call(&running, session, "writing.send_invoice", json!({})).await.error().1, -32602);
    }
    let enabled = meta(&running, Era::Modern, "enable_toolset", json!({ "name": "writing" })).await;
    let with = json!({ "tool": "writing.send_invoice", "activation": enabled["activation"] });
    let answer = call(&running, Era::Modern, "call_tool", with.clone()).await.result();
    assert_eq!(answer["content"][0]["text"], "send_invoice for anonymous");
    let off = json!({ "name": "writing", "activation": enabled["activation"] });
    meta(&running, Era::Modern, "disable_toolset", off).await;
    assert_eq!(call(&running, Era::Modern, "call_tool", with).await.result()["isError"], true);
}

/// W2-15: the handle had a server that no client talked to.
#[tokio::test]
async fn the_server_of_the_handle_is_the_one_that_clients_talk_to() {
    let (handle, running) = serve(options(&Arc::default())).await;
    let (id, _) = open(&running, &[]).await;
    let headers =
        [("mcp-session-id", id.as_str()), ("mcp-protocol-version", "2025-11-25"), ("accept", "text/event-stream")];
    let mut news = Events::of(running.send(running.request(http::Method::GET, &headers, "")).await);
    let toolsets: &dyn mcp_serve::Server = &**handle.toolsets().expect("one for all");
    toolsets.changes().expect("it changes").notify(Change::Tools);
    assert_eq!(news.next().await.expect("news")["method"], "notifications/tools/list_changed");
    handle.server().replace_server(TestServer::new(), &mcp_serve::Limits::none());
    for era in [Era::Session(&id), Era::Modern] {
        assert!(list(&running, era).await.contains(&"echo".to_owned()));
    }
}

/// S3-72, W2-10: a client's own name is neither needed nor believed. S3-73: a session that is not there is 404.
#[tokio::test]
async fn a_client_id_is_nobodys_identity() {
    let (_handle, running) = serve(options(&Arc::default()).auth_provider(keys())).await;
    let alice = [("x-api-key", "key-of-alice"), ("mcp-client-id", "shared")];
    let bob = [("x-api-key", "key-of-bob"), ("mcp-client-id", "shared")];
    let (id, _) = open(&running, &alice).await;
    // W2-4: the second of one name ended the first.
    let (second, _) = open(&running, &alice).await;
    let enable = json!({ "name": "enable_toolset", "arguments": { "name": "writing" } });
    ask(&running, &id, &alice, "tools/call", enable).await.result();
    let send = json!({ "name": "writing.send_invoice" });
    let answer = ask(&running, &id, &alice, "tools/call", send.clone()).await.result();
    assert_eq!(answer["content"][0]["text"], "send_invoice for alice");
    assert_eq!(ask(&running, &second, &alice, "tools/call", send.clone()).await.error().1, -32602);
    assert_eq!(ask(&running, &id, &bob, "tools/call", send.clone()).await.status, 404);
    assert_eq!(ask(&running, "nope", &alice, "tools/call", send).await.status, 404);
    let without = request(&running, Era::Modern, &alice[..1], "tools/list", json!({})).await;
    assert_eq!(without.status, 200);
}
