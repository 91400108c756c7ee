//! A call of a tool by the owner of its server, whether it runs or not, from where there is no protocol: over the protocol then,
//! and counted as everybody's calls are. What runs here is asked itself; what does not is put together for the call.

use std::{sync::Arc, time::Instant};

use mcp_factory_engine::{Engine, Plan};
use mcp_serve::{Principal, http};
use serde_json::{Map, Value, json};

use crate::{
    Caller, Error, Factory, Owner,
    deploy::Probe,
    registry::{Role, Transaction},
};

impl Factory {
    /// The result of the call, as MCP has it; one of a tool that failed is a result too. The caller is its principal.
    pub async fn call(
        &self,
        caller: &Caller,
        server: &str,
        tool: &str,
        arguments: Map<String, Value>,
    ) -> Result<Value, Error> {
        let latest = self.is_to_call(caller, server, tool).await?;
        let running = self.local_of(caller, server).and_then(|local| local.running(server));
        let counted = running.is_some();
        let (engine, config) = match running {
            Some(running) => running,
            None => (self.engine_of(caller.owner(), server, &latest).await?, http::Config::default()),
        };
        if !engine.has_tool(tool) {
            return Err(Error::NotFound { what: "tool", name: short(tool) });
        }
        let probe = Probe::with(&engine, config);
        let principal = Principal::clone(&Principal::trusted(caller.actor().as_str()));
        let principal = Arc::new(Principal { tenant: Some(caller.owner().to_string()), ..principal });
        let began = Instant::now();
        let params = json!({ "name": tool, "arguments": arguments });
        let answer = probe.answer(&principal, "tools/call", params).await;
        let mut answer = answer.map_err(|why| Error::Call { why })?;
        if !counted {
            let failed = answer["result"]["isError"] == true || answer["result"].is_null();
            self.count_call(caller.owner(), server, tool, failed, began.elapsed());
        }
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => {
                let why = answer["error"]["message"].as_str().unwrap_or("it answered without a result").to_owned();
                match answer["error"]["code"].as_i64() {
                    Some(-32602) => Err(Error::argument("this call", format!("is refused: {why}"))),
                    _ => Err(Error::Call { why }),
                }
            }
        }
    }

    /// Written down before: what a call does can't be undone. Returns the latest version of the server.
    pub(crate) async fn is_to_call(&self, caller: &Caller, server: &str, tool: &str) -> Result<semver::Version, Error> {
        let (wanted, is_named) = (server.to_owned(), !tool.is_empty());
        let work = move |transaction: &mut Transaction<'_>, owner: &Owner| {
            let server = transaction.server(owner, &wanted)?.ok_or_else(|| Error::no_server(&wanted))?;
            if !is_named {
                return Err(Error::argument("`tool`", "names the tool to call"));
            }
            Ok(server.latest)
        };
        let subject = format!("{server}/{}", short(tool));
        self.change(caller, Role::Developer, "servers.invoke", &subject, work).await
    }

    /// Put together for a call, and let go after it.
    async fn engine_of(&self, owner: &Owner, server: &str, version: &semver::Version) -> Result<Arc<Engine>, Error> {
        let release = self.release(owner, server, version).await?;
        let factory = self.clone();
        let planned: Result<Plan, _> = tokio::task::spawn_blocking(move || {
            let crate::deploy::Ground { folder, policy, secrets, shared, .. } = release.ground;
            factory.plan(&release.spec, &folder, policy, secrets, &shared)
        })
        .await?;
        Ok(Arc::new(planned.map_err(|problems| Error::Unplanned(Arc::new(problems)))?.build()))
    }
}

fn short(tool: &str) -> String {
    tool.chars().take(128).flat_map(char::escape_debug).collect()
}
