//! Calls of a hosted server's tools by its owner: with the server's limits, its log and its counts, as a call over HTTP has them.

use std::sync::Arc;

use mcp_serve::{CallContext, Principal, ToolResult};
use serde_json::{Map, Value};

use crate::{Caller, Error, Factory};

impl Factory {
    /// As the caller of the factory, with every scope: whose server it is may do what its callers may. `cx` is that of the call
    /// which led here; it says how progress is told, and how a person is asked.
    ///
    /// What is refused before it reaches the tool is the inner error, in the protocol's words.
    pub async fn invoke(
        &self,
        caller: &Caller,
        server: &str,
        tool: &str,
        arguments: Map<String, Value>,
        cx: &CallContext,
    ) -> Result<Result<ToolResult, mcp_serve::Error>, Error> {
        self.is_to_call(caller, server, tool).await?;
        let principal = Principal::clone(&Principal::trusted(caller.actor().as_str()));
        let principal = Principal { tenant: Some(caller.owner().to_string()), ..principal };
        let mut cx = cx.clone();
        cx.principal = Arc::new(principal);
        let called = match self.local_of(caller, server) {
            Some(local) => local.call(server, cx, tool, arguments).await,
            None => None,
        };
        called.ok_or_else(|| Error::NotRunning { name: server.to_owned() })
    }
}
