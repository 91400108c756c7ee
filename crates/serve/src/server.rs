//! The trait a server implements, one page long. Both protocol eras, HTTP and stdio, sessions and stateless requests all
//! end here. A call is cancelled by dropping its future: what it holds (a query, a request) must end with it.

mod hand_on;

use std::{any::Any, borrow::Cow, collections::HashMap, pin::Pin, sync::Arc};

use rmcp::model::{Implementation, Prompt, PromptMessage, Resource, ResourceContents, ResourceTemplate, Tool};
use serde_json::{Map, Value, json, value::RawValue};

use crate::{CallContext, Changes, Error, Grant, Listing, ParameterHeader, Principal, Tasks, ToolResult, tasks};

pub(crate) use hand_on::hand_on;

/// What asynchronous methods of the traits return, so that they work behind `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a server can do; decides what is declared and which methods exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    pub tools: bool,
    pub resources: bool,
    pub prompts: bool,
    pub completions: bool,
    /// Calls have log messages for callers who ask for them.
    pub logging: bool,
}

impl Capabilities {
    /// As `server/discover` declares them.
    pub(crate) fn to_json(self, list_changed: bool, tasks: bool) -> Value {
        let mut declared = Map::new();
        if self.tools {
            declared.insert("tools".to_owned(), json!({ "listChanged": list_changed }));
        }
        if self.resources {
            declared.insert("resources".to_owned(), json!({ "listChanged": list_changed, "subscribe": list_changed }));
        }
        if self.prompts {
            declared.insert("prompts".to_owned(), json!({ "listChanged": list_changed }));
        }
        if self.completions {
            declared.insert("completions".to_owned(), json!({}));
        }
        if self.logging {
            declared.insert("logging".to_owned(), json!({}));
        }
        if tasks {
            declared.insert("extensions".to_owned(), json!({ tasks::EXTENSION: {} }));
        }
        Value::Object(declared)
    }
}

/// A prompt, filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptText {
    pub description: Option<String>,
    pub messages: Vec<PromptMessage>,
}

/// What is asked of [`Server::complete`]: the prompt or resource template, the argument and what was typed so far.
#[derive(Debug, Clone, Copy)]
pub struct Completion<'a> {
    pub reference: CompletionReference<'a>,
    pub argument: &'a str,
    pub value: &'a str,
    /// Other arguments that are filled in already, as far as the client tells.
    pub filled: &'a HashMap<String, String>,
}

/// Whose argument is completed.
#[derive(Debug, Clone, Copy)]
pub enum CompletionReference<'a> {
    Prompt(&'a str),
    ResourceTemplate(&'a str),
}

/// One MCP server. Lists are made once and shared; calls get the caller as a [`CallContext`] and nothing else.
pub trait Server: Any + Send + Sync {
    /// Name, title and version, as `server/discover` and `initialize` tell them.
    fn implementation(&self) -> &Implementation;

    /// Handed to the model by the client.
    fn instructions(&self) -> Option<&str> {
        None
    }

    /// What is declared, and which methods there are.
    fn capabilities(&self) -> Capabilities;

    /// Where a server that can change says so; without it no list is ever announced as changed.
    fn changes(&self) -> Option<&Changes> {
        None
    }

    /// Where calls that outlast their requests are kept; without it the Tasks extension is not declared.
    fn tasks(&self) -> Option<&dyn Tasks> {
        None
    }

    /// Asked before anything else of a request, whatever its method: what this caller is granted now, or
    /// [`Error::AccessDenied`]. It is [`CallContext::grant`] then. `None` where every caller is the same.
    fn admit<'a>(&'a self, _principal: &'a Arc<Principal>) -> Option<BoxFuture<'a, Result<Grant, Error>>> {
        None
    }

    /// Whether `/mcp/<something>` are parts of this server. Else such paths are left to [`Config::routes`](crate::http::Config::routes).
    fn has_parts(&self) -> bool {
        false
    }

    /// Whether the caller, as it was admitted, finds something at `/mcp/<name>`; else it is 404. Calls have it as
    /// [`CallContext::part`].
    fn has_part(&self, _cx: &CallContext, _name: &str) -> bool {
        false
    }

    /// Every tool the caller may know of, in a stable order.
    fn tools(&self, cx: &CallContext) -> Arc<Listing<Tool>>;

    /// Parameters of a tool that HTTP clients of 2026-07-28 repeat as headers; checked before the tool is called.
    fn parameter_headers(&self, _tool: &str) -> &[ParameterHeader] {
        &[]
    }

    /// Scopes that a caller of this tool needs. [`call_tool`](Self::call_tool) checks them; here they are known before, for a
    /// challenge that an HTTP client understands.
    fn required_scopes(&self, _tool: &str) -> Cow<'_, [String]> {
        Cow::Borrowed(&[])
    }

    /// The tool that a call is about: another one where `tool` calls others by their names.
    fn called_tool<'a>(&self, tool: &'a str, _arguments: Option<&RawValue>) -> Cow<'a, str> {
        Cow::Borrowed(tool)
    }

    /// Those with a URI of their own; all that this caller may know of.
    fn resources(&self, _cx: &CallContext) -> Arc<Listing<Resource>> {
        Listing::empty()
    }

    /// Those whose URI has places to fill in.
    fn resource_templates(&self, _cx: &CallContext) -> Arc<Listing<ResourceTemplate>> {
        Listing::empty()
    }

    /// All that this caller may know of.
    fn prompts(&self, _cx: &CallContext) -> Arc<Listing<Prompt>> {
        Listing::empty()
    }

    /// Failures of the call itself (bad arguments, a database that is down) are a [`ToolResult`] with `is_error`; an
    /// [`Error`] is for what never reached a tool: an unknown name, a missing scope.
    fn call_tool<'a>(
        &'a self,
        cx: &'a CallContext,
        name: &'a str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<ToolResult, Error>>;

    /// The content of a resource; of templates' ones too.
    fn read_resource<'a>(
        &'a self,
        _cx: &'a CallContext,
        uri: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ResourceContents>, Error>> {
        Box::pin(async move { Err(Error::UnknownResource { uri: uri.to_owned() }) })
    }

    /// A prompt with its arguments filled in.
    fn get_prompt<'a>(
        &'a self,
        _cx: &'a CallContext,
        name: &'a str,
        _arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<PromptText, Error>> {
        Box::pin(async move { Err(Error::UnknownPrompt { name: name.to_owned() }) })
    }

    /// Up to 100 values that continue what was typed.
    fn complete<'a>(
        &'a self,
        _cx: &'a CallContext,
        _completion: Completion<'a>,
    ) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}
