//! What is around every server that a factory made: the time a call may take, and a line about it.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use rmcp::model::{Implementation, Prompt, Resource, ResourceContents, ResourceTemplate, Tool};
use serde_json::{Map, Value};

use crate::{
    BoxFuture, CallContext, Capabilities, Changes, Completion, Error, Grant, Listing, ParameterHeader, Principal,
    PromptText, Server, Tasks, ToolResult,
};

#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) timeout: Duration,
    pub(super) log: bool,
}

impl Bounds {
    pub(super) fn around(self, server: Arc<dyn Server>) -> Arc<dyn Server> {
        Arc::new(Bounded { server, bounds: self })
    }
}

struct Bounded {
    server: Arc<dyn Server>,
    bounds: Bounds,
}

impl fmt::Debug for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl Bounded {
    async fn call(&self, cx: &CallContext, name: &str, arguments: Map<String, Value>) -> Result<ToolResult, Error> {
        let begun = Instant::now();
        let outcome = tokio::time::timeout(self.bounds.timeout, self.server.call_tool(cx, name, arguments)).await;
        let (outcome, result) = match outcome {
            // Words for the model, which may ask for less.
            Err(_) => {
                let seconds = self.bounds.timeout.as_secs_f64();
                ("timeout", Ok(ToolResult::error(format!("Tool execution failed: it took longer than {seconds} s"))))
            }
            Ok(Ok(result)) => (if result.is_error { "failed" } else { "ok" }, Ok(result)),
            Ok(Err(error)) => ("refused", Err(error)),
        };
        if self.bounds.log {
            let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            let (user, request) = (&*cx.principal.id, cx.call_id);
            tracing::info!(user, tool = name, outcome, milliseconds, %request, "a tool was called");
        }
        result
    }
}

impl Server for Bounded {
    fn implementation(&self) -> &Implementation {
        self.server.implementation()
    }

    fn instructions(&self) -> Option<&str> {
        self.server.instructions()
    }

    fn capabilities(&self) -> Capabilities {
        self.server.capabilities()
    }

    fn changes(&self) -> Option<&Changes> {
        self.server.changes()
    }

    fn tasks(&self) -> Option<&dyn Tasks> {
        self.server.tasks()
    }

    fn admit<'a>(&'a self, principal: &'a Arc<Principal>) -> Option<BoxFuture<'a, Result<Grant, Error>>> {
        self.server.admit(principal)
    }

    fn has_parts(&self) -> bool {
        self.server.has_parts()
    }

    fn has_part(&self, cx: &CallContext, name: &str) -> bool {
        self.server.has_part(cx, name)
    }

    fn required_scopes(&self, tool: &str) -> &[String] {
        self.server.required_scopes(tool)
    }

    fn tools(&self, cx: &CallContext) -> Arc<Listing<Tool>> {
        self.server.tools(cx)
    }

    fn parameter_headers(&self, tool: &str) -> &[ParameterHeader] {
        self.server.parameter_headers(tool)
    }

    fn resources(&self, cx: &CallContext) -> Arc<Listing<Resource>> {
        self.server.resources(cx)
    }

    fn resource_templates(&self, cx: &CallContext) -> Arc<Listing<ResourceTemplate>> {
        self.server.resource_templates(cx)
    }

    fn prompts(&self, cx: &CallContext) -> Arc<Listing<Prompt>> {
        self.server.prompts(cx)
    }

    fn call_tool<'a>(
        &'a self,
        cx: &'a CallContext,
        name: &'a str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<ToolResult, Error>> {
        Box::pin(self.call(cx, name, arguments))
    }

    fn read_resource<'a>(
        &'a self,
        cx: &'a CallContext,
        uri: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ResourceContents>, Error>> {
        self.server.read_resource(cx, uri)
    }

    fn get_prompt<'a>(
        &'a self,
        cx: &'a CallContext,
        name: &'a str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<PromptText, Error>> {
        self.server.get_prompt(cx, name, arguments)
    }

    fn complete<'a>(
        &'a self,
        cx: &'a CallContext,
        completion: Completion<'a>,
    ) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        self.server.complete(cx, completion)
    }
}
