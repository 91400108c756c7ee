//! The server of a token as its callers meet it: each call is told.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use futures_util::FutureExt;
use serde_json::{Map, Value};

use super::{ClientSeen, Event, Timestamp, ToolCalled, TransportError, state::Shared};
use crate::{
    BoxFuture, CallContext, Changes, Error, Listing, Server, TokenId, ToolResult, model::Tool, server::hand_on,
};

pub(super) struct Observed {
    pub(super) inner: Arc<dyn Server>,
    pub(super) token: TokenId,
    pub(super) seen: AtomicBool,
    pub(super) changes: Changes,
    pub(super) shared: Weak<Shared>,
}

impl Drop for Observed {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.server_gone(&self.token);
        }
    }
}

impl Observed {
    /// A client without a session, for the first time.
    fn meet(&self, cx: &CallContext) {
        if cx.session.is_some() || self.seen.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(shared) = self.shared.upgrade() {
            shared.events.tell(Event::ClientSeen(ClientSeen {
                session_id: None,
                token: self.token.clone(),
                server_name: self.inner.implementation().name.to_string(),
                seen_at: Timestamp::now(),
            }));
        }
    }
}

/// Bytes of the arguments that an event may hold: a thousand events wait for a slow listener.
const LONGEST: usize = 4 * 1024;

fn told(arguments: &Map<String, Value>) -> Option<Map<String, Value>> {
    let mut room = [0; LONGEST];
    serde_json::to_writer(&mut room[..], arguments).is_ok().then(|| arguments.clone())
}

fn session_id(cx: &CallContext) -> Option<Arc<str>> {
    cx.session.as_ref().and_then(|session| session.name())
}

impl Server for Observed {
    hand_on! {
        inner: implementation instructions capabilities tasks admit parts parameter_headers required_scopes called_tool
            resources prompts complete
    }

    fn call_tool<'a>(
        &'a self,
        cx: &'a CallContext,
        name: &'a str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<ToolResult, Error>> {
        self.meet(cx);
        Box::pin(async move {
            let Some(shared) = self.shared.upgrade().filter(|shared| shared.events.has_audience()) else {
                return self.inner.call_tool(cx, name, arguments).await;
            };
            let (called_at, began) = (Timestamp::now(), Instant::now());
            let mut told = Told {
                shared: &shared,
                call: Some(ToolCalled {
                    session_id: session_id(cx),
                    token: self.token.clone(),
                    // Names come from callers, who may send what they like, and events wait for listeners.
                    tool_name: name[..name.floor_char_boundary(128)].to_owned(),
                    arguments: shared.options.event_arguments.then(|| told(&arguments)).flatten(),
                    called_at,
                    duration: began.elapsed(),
                    success: false,
                }),
                began,
            };
            let work = self.inner.call_tool(cx, name, arguments);
            match AssertUnwindSafe(work).catch_unwind().await {
                Ok(outcome) => {
                    told.success(outcome.as_ref().is_ok_and(|result| !result.is_error));
                    outcome
                }
                Err(panic) => {
                    let error = format!("the tool `{}` panicked", crate::visible(name));
                    shared.events.tell(Event::TransportError(TransportError { session_id: session_id(cx), error }));
                    drop(told);
                    std::panic::resume_unwind(panic)
                }
            }
        })
    }

    fn changes(&self) -> Option<&Changes> {
        // A server that never changes may be replaced by an update, which its clients are to be told.
        self.inner.changes().or(Some(&self.changes))
    }

    fn tools(&self, cx: &CallContext) -> Arc<Listing<Tool>> {
        self.meet(cx);
        self.inner.tools(cx)
    }
}

/// A call that is told when it ends, however it ends.
struct Told<'a> {
    shared: &'a Shared,
    call: Option<ToolCalled>,
    began: Instant,
}

impl Told<'_> {
    fn success(&mut self, success: bool) {
        if let Some(call) = &mut self.call {
            call.success = success;
        }
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if let Some(mut call) = self.call.take() {
            call.duration = self.began.elapsed();
            self.shared.events.tell(Event::ToolCalled(call));
        }
    }
}
