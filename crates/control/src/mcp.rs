//! The factory for agents (S5-7): its verbs as the tools of an MCP server. Like the routes, they have no rule of their own.
//!
//! An agent that lacks a tool finds one that is there, or makes a server that has it, deploys it and calls it, all through one
//! connection: what is new is reached with `call_tool`, so that no client has to list anything again.

mod connections;
mod deployments;
mod intake;
mod kinds;
mod servers;
mod tool;
mod tools;

use std::sync::Arc;

use mcp_factory::Caller;
use mcp_serve::{
    BoxFuture, CallContext, Capabilities, Error, Grant, Listing, Principal, Server, ToolResult,
    model::{Implementation, Tool},
};
use serde_json::{Map, Value};

use self::tool::Verbs;
use crate::access::Access;

const INSTRUCTIONS: &str = "\
Find a tool that is there: `search_tools`, then `call_tool`. There is none: read `describe_kind` and `list_connections`, write \
a spec (one YAML or JSON document), mend it with `validate_server` (or have `import_server` make it of an OpenAPI document and the like), then `create_server` and `deploy_server`, which runs its \
examples and says what passed. Call its tools with `call_tool`; nothing has to be listed again. A failure has a `code` and a \
`hint`. To change a server, create it again with a higher `version` and deploy it.";

/// Whoever is admitted is a [`Caller`] from then on, made of the credential of this request.
struct Agents {
    access: Access,
    tools: Arc<dyn Server>,
}

pub fn server(access: Access) -> Arc<dyn Server> {
    let verbs = Verbs::new(access.factory().clone(), INSTRUCTIONS);
    let verbs = [tools::add, servers::add, intake::add, deployments::add, connections::add, kinds::add]
        .into_iter()
        .fold(verbs, |verbs, add| add(verbs));
    Arc::new(Agents { access, tools: verbs.build() })
}

impl Server for Agents {
    fn implementation(&self) -> &Implementation {
        self.tools.implementation()
    }

    fn instructions(&self) -> Option<&str> {
        self.tools.instructions()
    }

    fn capabilities(&self) -> Capabilities {
        self.tools.capabilities()
    }

    fn admit<'a>(&'a self, principal: &'a Arc<Principal>) -> Option<BoxFuture<'a, Result<Grant, Error>>> {
        Some(Box::pin(async move {
            let caller: Caller = self.access.grant(principal).await?;
            Ok(Arc::new(caller) as Grant)
        }))
    }

    fn tools(&self, cx: &CallContext) -> Arc<Listing<Tool>> {
        self.tools.tools(cx)
    }

    fn call_tool<'a>(
        &'a self,
        cx: &'a CallContext,
        name: &'a str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<ToolResult, Error>> {
        self.tools.call_tool(cx, name, arguments)
    }
}
