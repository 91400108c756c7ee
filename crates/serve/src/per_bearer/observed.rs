//! The server of a token as its callers meet it: each call is told.

use std::{
    borrow::Cow,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use futures_util::FutureExt;
use serde_json::{Map, Value, value::RawValue};

use super::{ClientSeen, Event, Timestamp, ToolCalled, TransportError, state::Shared};
use crate::{
    BoxFuture, CallContext, Capabilities, Changes, Completion, Error, Grant, Listing, ParameterHeader, Principal,
    PromptText, Server, Tasks, TokenId, ToolResult,
    model::{Implementation, Prompt, Resource, ResourceContents, ResourceTemplate, Tool},
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

fn session_id(cx: &CallContext) -> Option<Arc<str>> {
    cx.session.as_ref().and_then(|session| session.name())
}

impl Server for Observed {
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
                    arguments: shared.options.event_arguments.then(|| arguments.clone()),
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

    fn implementation(&self) -> &Implementation {
        self.inner.implementation()
    }

    fn instructions(&self) -> Option<&str> {
        self.inner.instructions()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn changes(&self) -> Option<&Changes> {
        // A server that never changes may be replaced by an update, which its clients are to be told.
        self.inner.changes().or(Some(&self.changes))
    }

    fn tasks(&self) -> Option<&dyn Tasks> {
        self.inner.tasks()
    }

    fn admit<'a>(&'a self, principal: &'a Arc<Principal>) -> Option<BoxFuture<'a, Result<Grant, Error>>> {
        self.inner.admit(principal)
    }

    fn has_parts(&self) -> bool {
        self.inner.has_parts()
    }

    fn has_part(&self, cx: &CallContext, name: &str) -> bool {
        self.inner.has_part(cx, name)
    }

    fn tools(&self, cx: &CallContext) -> Arc<Listing<Tool>> {
        self.meet(cx);
        self.inner.tools(cx)
    }

    fn parameter_headers(&self, tool: &str) -> &[ParameterHeader] {
        self.inner.parameter_headers(tool)
    }

    fn required_scopes(&self, tool: &str) -> Cow<'_, [String]> {
        self.inner.required_scopes(tool)
    }

    fn called_tool<'a>(&self, tool: &'a str, arguments: Option<&RawValue>) -> Cow<'a, str> {
        self.inner.called_tool(tool, arguments)
    }

    fn resources(&self, cx: &CallContext) -> Arc<Listing<Resource>> {
        self.inner.resources(cx)
    }

    fn resource_templates(&self, cx: &CallContext) -> Arc<Listing<ResourceTemplate>> {
        self.inner.resource_templates(cx)
    }

    fn prompts(&self, cx: &CallContext) -> Arc<Listing<Prompt>> {
        self.inner.prompts(cx)
    }

    fn read_resource<'a>(
        &'a self,
        cx: &'a CallContext,
        uri: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ResourceContents>, Error>> {
        self.inner.read_resource(cx, uri)
    }

    fn get_prompt<'a>(
        &'a self,
        cx: &'a CallContext,
        name: &'a str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<PromptText, Error>> {
        self.inner.get_prompt(cx, name, arguments)
    }

    fn complete<'a>(
        &'a self,
        cx: &'a CallContext,
        completion: Completion<'a>,
    ) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        self.inner.complete(cx, completion)
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
