//! Who is told that a list changed, and that nothing fails if they can't be (S3-20, S3-21, S3-54).

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use mcp_serve::{
    CallContext, Changes, Principal, SessionState,
    toolsets::{Code, Modern, NotifyError, Options, ToolsChangedNotifier, Toolsets},
};
use serde_json::{Value, json};

use super::{options, serve};
use crate::{
    sessions::open,
    support::TestServer,
    toolsets::{Era, Late, call, catalog, dynamic, list, meta},
};

enum Outside {
    Deaf,
    Broken,
    Panics,
}

impl ToolsChangedNotifier for Outside {
    fn tools_changed(&self) -> Result<(), NotifyError> {
        match self {
            Self::Deaf => Err(NotifyError::NotConnected),
            Self::Broken => Err(NotifyError::Failed("the bus is down".into())),
            Self::Panics => panic!("a bug of the program"),
        }
    }
}

/// S3-54: `E_NOTIFY_FAILED` says that somebody was not told; it happened all the same.
#[tokio::test]
async fn enabling_succeeds_though_somebody_can_not_be_told() {
    for (outside, code) in [
        (Outside::Deaf, Value::Null),
        (Outside::Broken, json!("E_NOTIFY_FAILED")),
        (Outside::Panics, json!("E_NOTIFY_FAILED")),
    ] {
        let (_handle, running) = serve(options(&Arc::default()).notifier(outside)).await;
        let (id, _) = open(&running, &[]).await;
        let era = Era::Session(&id);
        let enabled = meta(&running, era, "enable_toolset", json!({ "name": "writing" })).await;
        assert_eq!((&enabled["success"], &enabled["code"]), (&json!(true), &code));
        assert_eq!(enabled["message"], "Toolset 'writing' enabled successfully. Registered 1 tools.");
        assert!(list(&running, era).await.contains(&"writing.send_invoice".to_owned()));
        let again = meta(&running, era, "enable_toolset", json!({ "name": "writing" })).await;
        assert_eq!(again["code"], Value::Null, "nothing changed, and nobody was to be told");
        let disabled = meta(&running, era, "disable_toolset", json!({ "name": "writing" })).await;
        assert_eq!((&disabled["success"], &disabled["code"]), (&json!(true), &code));
        assert_eq!(call(&running, era, "writing.send_invoice", json!({})).await.error().1, -32602);
    }
}

fn in_session() -> CallContext {
    let mut cx = CallContext::new(Principal::anonymous());
    cx.session = Some(Arc::new(SessionState::default()));
    cx
}

#[derive(Clone, Default)]
struct Counted(Arc<AtomicUsize>);

impl ToolsChangedNotifier for Counted {
    fn tools_changed(&self) -> Result<(), NotifyError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// S3-21: a batch is told once, at its end, and not at all if nothing changed.
#[tokio::test]
async fn a_batch_is_told_once() {
    let (told, late) = (Counted::default(), Arc::<Late>::default());
    let options = Options { notifier: Some(Arc::new(told.clone())), ..dynamic(Modern::Search) };
    let toolsets = Toolsets::new(TestServer::new(), catalog(&late), options).expect("a catalog");
    let cx = in_session();
    let done = toolsets.enable(&cx, &["reading", "nope", "writing", "late"]).await.expect("is allowed");
    let success: Vec<bool> = done.iter().map(|outcome| outcome.success).collect();
    assert_eq!((success, told.0.load(Ordering::SeqCst)), (vec![true, false, true, false], 1));
    assert!(done.iter().all(|outcome| outcome.code != Some(Code::NotifyFailed)), "nobody is connected: {done:?}");
    toolsets.enable(&cx, &["reading", "nope"]).await.expect("is allowed");
    assert_eq!(told.0.load(Ordering::SeqCst), 1);
    assert!(toolsets.disable(&cx, "reading").success);
    assert!(!toolsets.disable(&cx, "reading").success);
    assert_eq!(told.0.load(Ordering::SeqCst), 2);
}

/// S3-20: one trait, told by sessions and by all who listen; that nobody is there is no failure.
#[test]
fn sessions_and_listeners_are_told_the_same_way() {
    let notifiers: [&dyn ToolsChangedNotifier; 2] = [&SessionState::default(), &Changes::new()];
    for notifier in notifiers {
        assert!(matches!(notifier.tools_changed(), Err(NotifyError::NotConnected)));
    }
}

/// What a toolset lacked when it was turned on comes for everybody who has it on.
#[tokio::test]
async fn a_module_that_comes_later_is_told_to_all() {
    let late: Arc<Late> = Arc::default();
    let (told, options) = (Counted::default(), dynamic(Modern::Search));
    let options = Options { notifier: Some(Arc::new(told.clone())), ..options };
    let toolsets = Toolsets::new(TestServer::new(), catalog(&late), options).expect("a catalog");
    let (one, two) = (in_session(), in_session());
    let partly = toolsets.enable(&one, &["two"]).await.expect("is allowed");
    assert_eq!((partly[0].success, &*partly[0].failed_modules), (true, &["late".to_owned()][..]));
    assert_eq!(told.0.load(Ordering::SeqCst), 1);
    late.works.store(true, Ordering::SeqCst);
    toolsets.enable(&two, &["two"]).await.expect("is allowed");
    assert_eq!(told.0.load(Ordering::SeqCst), 3, "once to all, and once to the session");
}
