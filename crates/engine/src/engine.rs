//! A compiled spec that answers calls.

use std::{borrow::Cow, collections::HashMap, sync::Arc, time::Duration};

use mcp_serve::{
    BoxFuture, CallContext, Capabilities, Change, Changes, Completion, Error, Listing, ParameterHeader, PromptText,
    Server, ToolResult,
    model::{
        DetailedTask, Implementation, InputResponses, Prompt, Resource, ResourceContents, ResourceTemplate,
        Tool as ToolEntry,
    },
};
use serde_json::{Map, Value};
use tokio::sync::broadcast;

use crate::{
    completion::Completions,
    exposure::Exposure,
    prompt::CompiledPrompt,
    resource::Resources,
    tasks::{Desk, result_tool},
    tool::{Kind, Tool, sql::Paging},
};

/// Immutable: a changed spec is a new engine. Connections open at the first call that needs them.
#[derive(Debug)]
pub struct Engine {
    pub(crate) implementation: Implementation,
    pub(crate) instructions: Option<String>,
    pub(crate) tools: HashMap<String, Arc<Tool>>,
    /// Where a tool may outlast its request.
    pub(crate) desk: Option<Desk>,
    pub(crate) tool_listing: Arc<Listing<ToolEntry>>,
    pub(crate) resources: Resources,
    pub(crate) resource_listing: Arc<Listing<Resource>>,
    pub(crate) template_listing: Arc<Listing<ResourceTemplate>>,
    pub(crate) prompts: HashMap<String, CompiledPrompt>,
    pub(crate) prompt_listing: Arc<Listing<Prompt>>,
    pub(crate) completions: Completions,
    pub(crate) changes: Option<Changes>,
    pub(crate) exposure: Option<Exposure>,
}

impl Engine {
    /// Whether a tool may be called unasked: it changes nothing, and wants nobody asked.
    #[must_use]
    pub fn is_read_only(&self, tool: &str) -> bool {
        self.tools.get(tool).is_some_and(|tool| tool.read_only && tool.confirm.is_none())
    }

    /// Whether a person is asked before the tool runs.
    #[must_use]
    pub fn asks_first(&self, tool: &str) -> bool {
        self.tools.get(tool).is_some_and(|tool| tool.confirm.is_some())
    }

    /// Whether a writing tool writes to a database that the spec itself made, and wants nobody asked.
    #[must_use]
    pub fn is_seeded(&self, tool: &str) -> bool {
        self.tools.get(tool).is_some_and(|tool| tool.seeded && tool.confirm.is_none())
    }

    /// Whether the tool changes nothing, asked or unasked.
    #[must_use]
    pub fn only_reads(&self, tool: &str) -> bool {
        self.tools.get(tool).is_some_and(|tool| tool.read_only)
    }

    /// How the pages of an SQL tool are found, for each choice of its `sort`; nothing for a tool without pages. Asks the
    /// database, and waits no longer than `timeout` for each table.
    pub async fn paging(&self, tool: &str, timeout: Duration) -> Vec<(Option<String>, Paging)> {
        match self.tools.get(tool).map(|tool| &tool.kind) {
            Some(Kind::Sql(sql)) => sql.paging(timeout).await,
            _ => Vec::new(),
        }
    }

    #[must_use]
    pub fn has_tool(&self, tool: &str) -> bool {
        self.tools.contains_key(tool)
    }

    /// What is different for clients now that this engine takes the place of `before`.
    #[must_use]
    pub fn changes_since(&self, before: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut list = |changed, change| changes.extend(if changed { Some(change) } else { None });
        let exposure = |engine: &Self| engine.exposure.as_ref().map(|exposure| exposure.fingerprint.clone());
        list(
            self.tool_listing.json().get() != before.tool_listing.json().get() || exposure(self) != exposure(before),
            Change::Tools,
        );
        list(self.prompt_listing.json().get() != before.prompt_listing.json().get(), Change::Prompts);
        list(
            self.resource_listing.json().get() != before.resource_listing.json().get()
                || self.template_listing.json().get() != before.template_listing.json().get(),
            Change::Resources,
        );
        changes.extend(self.resources.changed_since(&before.resources).map(|uri| Change::Resource(uri.into())));
        changes
    }

    /// Whether the caller may still use a tool that it called once, if there is one still.
    fn allows(&self, cx: &CallContext, tool: &str) -> Result<(), Error> {
        self.tools.get(tool).map_or(Ok(()), |tool| tool.allows(cx))
    }

    fn desk(&self) -> Result<&Desk, Error> {
        self.desk.as_ref().ok_or(Error::UnknownTask)
    }

    fn unknown_tool(&self, name: &str) -> Error {
        let known = self.tools.keys().map(String::as_str);
        let suggestion = mcp_factory_spec::suggest::nearest(name, known).map(str::to_owned);
        Error::UnknownTool { name: name.chars().take(128).collect(), suggestion }
    }
}

impl Server for Engine {
    fn implementation(&self) -> &Implementation {
        &self.implementation
    }

    fn instructions(&self) -> Option<&str> {
        self.instructions.as_deref()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            tools: !self.tools.is_empty(),
            resources: !self.resources.is_empty(),
            prompts: !self.prompts.is_empty(),
            completions: !self.completions.is_empty(),
            logging: !self.tools.is_empty(),
        }
    }

    fn changes(&self) -> Option<&Changes> {
        self.changes.as_ref()
    }

    fn tasks(&self) -> Option<&dyn mcp_serve::Tasks> {
        self.desk.as_ref().map(|_| self as &dyn mcp_serve::Tasks)
    }

    fn tools(&self, _: &CallContext) -> Arc<Listing<ToolEntry>> {
        Arc::clone(&self.tool_listing)
    }

    fn parameter_headers(&self, tool: &str) -> &[ParameterHeader] {
        self.tools.get(tool).map_or(&[], |tool| &tool.headers)
    }

    fn required_scopes(&self, tool: &str) -> Cow<'_, [String]> {
        self.tools.get(tool).map_or(&[][..], |tool| &tool.scopes).into()
    }

    fn resources(&self, _: &CallContext) -> Arc<Listing<Resource>> {
        Arc::clone(&self.resource_listing)
    }

    fn resource_templates(&self, _: &CallContext) -> Arc<Listing<ResourceTemplate>> {
        Arc::clone(&self.template_listing)
    }

    fn prompts(&self, _: &CallContext) -> Arc<Listing<Prompt>> {
        Arc::clone(&self.prompt_listing)
    }

    fn call_tool<'a>(
        &'a self,
        cx: &'a CallContext,
        name: &'a str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<ToolResult, Error>> {
        Box::pin(async move {
            match (self.tools.get(name), &self.desk) {
                (Some(tool), Some(desk)) if tool.task => desk.call(cx, tool, arguments).await,
                (Some(tool), _) => tool.call(cx, arguments).await,
                (None, Some(desk)) if name == result_tool::NAME => {
                    desk.get_result(cx, &arguments, |tool| self.allows(cx, tool)).await
                }
                (None, _) => Err(self.unknown_tool(name)),
            }
        })
    }

    fn read_resource<'a>(
        &'a self,
        cx: &'a CallContext,
        uri: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ResourceContents>, Error>> {
        Box::pin(self.resources.read(cx, uri))
    }

    fn complete<'a>(
        &'a self,
        cx: &'a CallContext,
        completion: Completion<'a>,
    ) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        Box::pin(self.completions.find(cx, completion))
    }

    fn get_prompt<'a>(
        &'a self,
        cx: &'a CallContext,
        name: &'a str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<PromptText, Error>> {
        Box::pin(async move {
            let prompt = self.prompts.get(name).ok_or_else(|| Error::UnknownPrompt { name: name.to_owned() })?;
            prompt.fill(cx, &arguments)
        })
    }
}

impl mcp_serve::Tasks for Engine {
    fn get<'a>(&'a self, cx: &'a CallContext, id: &'a str) -> BoxFuture<'a, Result<DetailedTask, Error>> {
        Box::pin(async move { self.desk()?.get(cx, id, |tool| self.allows(cx, tool)).await })
    }

    fn update<'a>(&'a self, cx: &'a CallContext, id: &'a str, _: InputResponses) -> BoxFuture<'a, Result<(), Error>> {
        // A task asks nothing: who has to be asked is asked before it begins.
        Box::pin(async move { self.desk()?.get(cx, id, |tool| self.allows(cx, tool)).await.map(drop) })
    }

    fn cancel<'a>(&'a self, cx: &'a CallContext, id: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.desk()?.cancel(cx, id).await })
    }

    fn changes(&self) -> broadcast::Receiver<Arc<str>> {
        match &self.desk {
            Some(desk) => desk.tasks.changes(),
            None => broadcast::Sender::new(1).subscribe(),
        }
    }
}
