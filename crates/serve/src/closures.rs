//! A server of tools that are closures.

use std::{collections::HashMap, fmt, sync::Arc};

use rmcp::model::{Implementation, JsonObject, Tool};
use serde_json::{Map, Value};

use crate::{BoxFuture, CallContext, Capabilities, Error, FactoryError, Listing, Server, ToolResult};

/// Each tool is told who calls: there is no way to add one that is not.
///
/// ```
/// use mcp_serve::{CallContext, ToolResult, ToolServer};
///
/// let server = ToolServer::new("hello", "1.0.0")
///     .tool("hello", "Says hello", async |cx: CallContext, _| {
///         Ok(ToolResult::text(format!("hello, {}", cx.principal.id)))
///     })
///     .build()?;
/// # Ok::<_, mcp_serve::ToolServerError>(())
/// ```
///
/// ```compile_fail
/// # use mcp_serve::{ToolResult, ToolServer};
/// let server = ToolServer::new("rows", "1.0.0")
///     .tool("rows", "All rows of everybody", async |_arguments| Ok(ToolResult::text("all")));
/// ```
pub struct ToolServer {
    implementation: Implementation,
    instructions: Option<String>,
    tools: Vec<Tool>,
    handlers: HashMap<String, Handler>,
    listing: Arc<Listing<Tool>>,
}

type Handler =
    Box<dyn Fn(CallContext, Map<String, Value>) -> BoxFuture<'static, Result<ToolResult, Error>> + Send + Sync>;

/// Why tools can't be a server.
#[derive(Debug, thiserror::Error)]
pub enum ToolServerError {
    #[error("there are two tools `{name}`")]
    Twice { name: String },
    #[error("the tools can't be written as JSON")]
    Unwritable(#[source] serde_json::Error),
}

impl From<ToolServerError> for FactoryError {
    fn from(error: ToolServerError) -> Self {
        Self::unavailable(error)
    }
}

impl fmt::Debug for ToolServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tools: Vec<_> = self.tools.iter().map(|tool| &tool.name).collect();
        f.debug_struct("ToolServer").field("name", &self.implementation.name).field("tools", &tools).finish()
    }
}

impl ToolServer {
    #[must_use]
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            implementation: Implementation::new(name, version),
            instructions: None,
            tools: Vec::new(),
            handlers: HashMap::new(),
            listing: Listing::empty(),
        }
    }

    /// Handed to the model by the client.
    #[must_use]
    pub fn instructions(mut self, text: impl Into<String>) -> Self {
        self.instructions = Some(text.into());
        self
    }

    /// A tool that takes any object.
    #[must_use]
    pub fn tool<F, Made>(self, name: impl Into<String>, description: impl Into<String>, handler: F) -> Self
    where
        F: Fn(CallContext, Map<String, Value>) -> Made + Send + Sync + 'static,
        Made: Future<Output = Result<ToolResult, Error>> + Send + 'static,
    {
        self.tool_as(Tool::new(name.into(), description.into(), JsonObject::new()), handler)
    }

    /// A tool as its clients are to see it. Arguments come as the client sent them:
    /// [`ValidateLayer`](crate::middleware::ValidateLayer) holds them against the schema.
    #[must_use]
    pub fn tool_as<F, Made>(mut self, tool: Tool, handler: F) -> Self
    where
        F: Fn(CallContext, Map<String, Value>) -> Made + Send + Sync + 'static,
        Made: Future<Output = Result<ToolResult, Error>> + Send + 'static,
    {
        let handler: Handler = Box::new(move |cx, arguments| Box::pin(handler(cx, arguments)));
        self.handlers.insert(tool.name.to_string(), handler);
        self.tools.push(with_object(tool));
        self
    }

    pub fn build(mut self) -> Result<Arc<dyn Server>, ToolServerError> {
        let mut names: Vec<&str> = self.tools.iter().map(|tool| &*tool.name).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ToolServerError::Twice { name: twice[0].to_owned() });
        }
        self.listing = Listing::new(self.tools.clone()).map_err(ToolServerError::Unwritable)?;
        Ok(Arc::new(self))
    }
}

/// Arguments are an object. Clients refuse a whole list where one schema does not say so.
pub(crate) fn with_object(mut tool: Tool) -> Tool {
    if !tool.input_schema.contains_key("type") {
        Arc::make_mut(&mut tool.input_schema).insert("type".to_owned(), "object".into());
    }
    tool
}

impl Server for ToolServer {
    fn implementation(&self) -> &Implementation {
        &self.implementation
    }

    fn instructions(&self) -> Option<&str> {
        self.instructions.as_deref()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { tools: true, logging: true, ..Capabilities::default() }
    }

    fn tools(&self, _: &CallContext) -> Arc<Listing<Tool>> {
        self.listing.clone()
    }

    fn call_tool<'a>(
        &'a self,
        cx: &'a CallContext,
        name: &'a str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<ToolResult, Error>> {
        match self.handlers.get(name) {
            Some(handler) => handler(cx.clone(), arguments),
            None => {
                let unknown = Error::UnknownTool { name: name.chars().take(128).collect(), suggestion: None };
                Box::pin(std::future::ready(Err(unknown)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Principal;

    #[tokio::test]
    async fn each_tool_knows_its_caller_and_two_of_a_name_are_refused() {
        let hello = async |cx: CallContext, _| Ok(ToolResult::text(format!("hello, {}", cx.principal.id)));
        let server = ToolServer::new("hello", "1").tool("hello", "Says hello", hello).build().expect("a server");
        let cx = CallContext::new(Principal::trusted("alice"));
        let answer = server.call_tool(&cx, "hello", Map::new()).await.expect("an answer");
        assert!(format!("{answer:?}").contains("hello, alice"));
        let unknown = server.call_tool(&cx, "nope", Map::new()).await;
        assert!(matches!(unknown, Err(Error::UnknownTool { .. })));
        let twice = ToolServer::new("hello", "1").tool("a", "", hello).tool("a", "", hello).build();
        assert!(matches!(twice, Err(ToolServerError::Twice { name }) if name == "a"));
    }

    #[tokio::test]
    async fn a_schema_that_does_not_say_so_takes_an_object() {
        let hello = async |_: CallContext, _| Ok(ToolResult::text("hello"));
        let tool = Tool::new("a", "", JsonObject::new());
        let server = ToolServer::new("hello", "1").tool_as(tool, hello).build().expect("a server");
        let listed = server.tools(&CallContext::new(Principal::trusted("alice")));
        assert_eq!(listed.items()[0].input_schema["type"], "object");
    }
}
