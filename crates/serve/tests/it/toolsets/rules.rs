//! The rules of sessions, whatever is asked in whatever order (S3-43, S3-51, W2-1, W2-2, W2-14): what is listed is what can be
//! called, never more than `max_active` is on, and no session changes because of another.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use mcp_serve::{
    CallContext, Principal, Server, SessionState,
    toolsets::{Catalog, ExposurePolicy, Modern, Options, Toolset, Toolsets},
};
use proptest::prelude::*;
use serde_json::{Map, json};

use super::{dynamic, own};
use crate::support::TestServer;

const TOOLSETS: usize = 5;
/// Its only module never loads.
const BROKEN: usize = 4;
/// The policy denies it.
const DENIED: usize = 3;

fn key(place: usize) -> String {
    format!("set{place}")
}

/// The first two are there at once, the third takes a while to load.
fn toolsets(max_active: usize) -> Arc<Toolsets> {
    let slow = || async {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        Ok(vec![own("tool", "Loaded")])
    };
    let catalog = (0..TOOLSETS).map(|place| match place {
        2 => Toolset::new(key(place), "Slow").module("slow"),
        BROKEN => Toolset::new(key(place), "Broken").module("broken"),
        _ => Toolset::new(key(place), "There").own(own("tool", "There")),
    });
    let catalog = catalog.fold(Catalog::new(), Catalog::toolset);
    let catalog = catalog.module("slow", slow).module("broken", || async { Err("never".into()) });
    let policy = ExposurePolicy { max_active: Some(max_active), deny: vec![key(DENIED)], ..ExposurePolicy::default() };
    let options = Options { policy, ..dynamic(Modern::Search) };
    Arc::new(Toolsets::new(TestServer::new(), catalog, options).expect("a catalog"))
}

fn session() -> CallContext {
    let mut cx = CallContext::new(Principal::anonymous());
    cx.session = Some(Arc::new(SessionState::default()));
    cx
}

fn listed(toolsets: &Toolsets, cx: &CallContext) -> BTreeSet<usize> {
    let tools = toolsets.tools(cx);
    let names: BTreeSet<&str> = tools.items().iter().map(|tool| &*tool.name).collect();
    (0..TOOLSETS).filter(|place| names.contains(&*format!("{}.tool", key(*place)))).collect()
}

async fn callable(toolsets: &Toolsets, cx: &CallContext) -> BTreeSet<usize> {
    let mut callable = BTreeSet::new();
    for place in 0..TOOLSETS {
        let name = format!("{}.tool", key(place));
        if toolsets.call_tool(cx, &name, Map::new()).await.is_ok() {
            callable.insert(place);
        }
    }
    callable
}

#[derive(Debug, Clone, Copy)]
struct Turn {
    session: usize,
    toolset: usize,
    on: bool,
}

fn turns(sessions: usize, most: usize) -> impl Strategy<Value = Vec<Turn>> {
    let turn = (0..sessions, 0..TOOLSETS, any::<bool>());
    prop::collection::vec(turn.prop_map(|(session, toolset, on)| Turn { session, toolset, on }), 1..most)
}

/// Through the meta-tools, as clients do it.
async fn take(toolsets: &Toolsets, cx: &CallContext, turn: Turn) -> bool {
    let tool = if turn.on { "enable_toolset" } else { "disable_toolset" };
    let arguments = json!({ "name": key(turn.toolset) }).as_object().expect("an object").clone();
    !toolsets.call_tool(cx, tool, arguments).await.expect("an answer").is_error
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_after_the_other_sessions_are_what_they_were_asked_to_be(
        turns in turns(3, 40),
        max_active in 1..=3_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let toolsets = toolsets(max_active);
            let sessions = [session(), session(), session()];
            let mut expected: [BTreeSet<usize>; 3] = Default::default();
            for turn in turns {
                let on = &mut expected[turn.session];
                let possible = match turn {
                    Turn { on: false, toolset, .. } => on.remove(&toolset),
                    // Again is no failure.
                    Turn { toolset, .. } if on.contains(&toolset) => true,
                    Turn { toolset: BROKEN | DENIED, .. } => false,
                    Turn { toolset, .. } => on.len() < max_active && on.insert(toolset),
                };
                prop_assert_eq!(take(&toolsets, &sessions[turn.session], turn).await, possible, "{:?}", turn);
                for (session, expected) in sessions.iter().zip(&expected) {
                    prop_assert_eq!(&listed(&toolsets, session), expected);
                    prop_assert_eq!(&callable(&toolsets, session).await, expected);
                    prop_assert!(expected.len() <= max_active);
                }
            }
            Ok(())
        })?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn all_at_once_nobody_gets_past_the_limit_or_into_another_session(
        turns in prop::collection::vec(turns(2, 12), 2..6),
        max_active in 1..=2_usize,
    ) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let toolsets = toolsets(max_active);
            let (sessions, quiet) = (Arc::new([session(), session()]), session());
            let turned_on = take(&toolsets, &quiet, Turn { session: 0, toolset: 1, on: true }).await;
            prop_assert!(turned_on);
            let over = Arc::new(AtomicBool::new(false));
            let clients: Vec<_> = turns
                .into_iter()
                .map(|turns| {
                    let (toolsets, sessions, over) = (toolsets.clone(), sessions.clone(), over.clone());
                    tokio::spawn(async move {
                        for turn in turns {
                            take(&toolsets, &sessions[turn.session], turn).await;
                            let past = |cx: &CallContext| listed(&toolsets, cx).len() > max_active;
                            over.fetch_or(sessions.iter().any(past), Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            for client in clients {
                client.await.expect("no panic");
            }
            prop_assert!(!over.load(Ordering::Relaxed), "more than {} were on", max_active);
            for session in &*sessions {
                prop_assert_eq!(listed(&toolsets, session), callable(&toolsets, session).await);
            }
            prop_assert_eq!(listed(&toolsets, &quiet), BTreeSet::from([1]));
            Ok(())
        })?;
    }
}
