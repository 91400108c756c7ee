//! What the MCP conformance suite calls by name, as a server of our own code on `mcp-serve`.
//!
//! `cargo run -p mcp-serve --example conformance -- --listen 127.0.0.1:8080`
//!
//! `catalogue` has the lists, `tools` what tools, prompts and resources answer, `asking` the tools that ask their client.

mod asking;
mod catalogue;
#[path = "../listen/mod.rs"]
mod listen;
mod tools;

use std::{collections::BTreeMap, sync::Arc};

use mcp_serve::{
    BoxFuture, CallContext, Capabilities, Changes, Completion, Error, Listing, NoAuthentication, ParameterHeader,
    PromptText, Server, ToolResult,
    http::{self, Config},
    model::{Implementation, Prompt, Resource, ResourceContents, ResourceTemplate, Tool},
};
use serde_json::{Map, Value};

struct Conformance {
    implementation: Implementation,
    changes: Changes,
    tools: Arc<Listing<Tool>>,
    headers: BTreeMap<String, Vec<ParameterHeader>>,
    prompts: Arc<Listing<Prompt>>,
    resources: Arc<Listing<Resource>>,
    templates: Arc<Listing<ResourceTemplate>>,
}

impl Conformance {
    fn new() -> Result<Self, serde_json::Error> {
        let tools: Vec<Tool> = serde_json::from_value(catalogue::tools())?;
        let headers =
            tools.iter().map(|tool| (tool.name.to_string(), ParameterHeader::of(&tool.input_schema))).collect();
        Ok(Self {
            implementation: Implementation::new("conformance", env!("CARGO_PKG_VERSION")),
            changes: Changes::new(),
            tools: Listing::new(tools)?,
            headers,
            prompts: Listing::new(serde_json::from_value(catalogue::prompts())?)?,
            resources: Listing::new(serde_json::from_value(catalogue::resources())?)?,
            templates: Listing::new(serde_json::from_value(catalogue::templates())?)?,
        })
    }
}

impl Server for Conformance {
    fn implementation(&self) -> &Implementation {
        &self.implementation
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { tools: true, resources: true, prompts: true, completions: true, logging: true }
    }

    fn changes(&self) -> Option<&Changes> {
        Some(&self.changes)
    }

    fn tools(&self, _: &CallContext) -> Arc<Listing<Tool>> {
        self.tools.clone()
    }

    fn parameter_headers(&self, tool: &str) -> &[ParameterHeader] {
        self.headers.get(tool).map_or(&[], Vec::as_slice)
    }

    fn prompts(&self, _: &CallContext) -> Arc<Listing<Prompt>> {
        self.prompts.clone()
    }

    fn resources(&self, _: &CallContext) -> Arc<Listing<Resource>> {
        self.resources.clone()
    }

    fn resource_templates(&self, _: &CallContext) -> Arc<Listing<ResourceTemplate>> {
        self.templates.clone()
    }

    fn call_tool<'a>(
        &'a self,
        cx: &'a CallContext,
        name: &'a str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<ToolResult, Error>> {
        Box::pin(async move {
            match tools::call(cx, &self.changes, name, &arguments).await {
                Some(result) => Ok(result),
                None => asking::call(cx, name, &arguments).await,
            }
        })
    }

    fn read_resource<'a>(
        &'a self,
        _: &'a CallContext,
        uri: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ResourceContents>, Error>> {
        Box::pin(async move { tools::read(uri) })
    }

    fn get_prompt<'a>(
        &'a self,
        cx: &'a CallContext,
        name: &'a str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<PromptText, Error>> {
        Box::pin(async move {
            match tools::prompt(name, &arguments) {
                Some(prompt) => Ok(prompt),
                None => asking::prompt(cx, name).await,
            }
        })
    }

    fn complete<'a>(&'a self, _: &'a CallContext, asked: Completion<'a>) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        const PLACES: [&str; 4] = ["paris", "park", "party", "porto"];
        let continued = PLACES.iter().filter(move |place| place.starts_with(asked.value));
        Box::pin(async move { Ok(continued.map(|place| (*place).to_owned()).collect()) })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (config, everybody) = (Config::default(), Arc::new(NoAuthentication::default()));
    let listener = listen::from_arguments(&config, &*everybody).await?;
    let server = Arc::new(Conformance::new()?);
    http::serve(server, listener, everybody, config, listen::until_interrupted()).await?;
    Ok(())
}
