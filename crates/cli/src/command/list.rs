//! `mcp-factory list`: the servers of the factory.

use std::process::ExitCode;

use serde_json::Value;

use crate::{
    api::{self, Api},
    args,
    output::{self, Table, cell},
};

pub fn run(args: &args::servers::List) -> anyhow::Result<ExitCode> {
    api::with(&args.asking.reach, args.asking.output, async |api| {
        let servers = api
            .get(&["mcp", "servers"])
            .query("tag", args.tag.as_deref())
            .query("name", args.name.as_deref())
            .query("state", args.state.as_deref())
            .doing("listing servers");
        output::print(api.output(), &servers.send_all("servers").await?, |servers| shown(api, servers))?;
        Ok(ExitCode::SUCCESS)
    })
}

fn shown(api: &Api, servers: &Value) -> String {
    let mut table = Table::new(&["NAME", "LATEST", "STATE", "RUNS", "TOOLS", "DESCRIPTION"]);
    for server in servers["servers"].as_array().into_iter().flatten() {
        let deployed = &server["deployed"];
        let state = match server["blockers"].as_u64() {
            Some(blockers) if blockers > 0 && deployed.is_null() => format!("{blockers} blockers"),
            _ => api.state_of(deployed),
        };
        table.row([
            cell(&server["name"]),
            cell(&server["latest"]),
            state,
            cell(&deployed["version"]),
            cell(&server["tools"]),
            cell(&server["description"]),
        ]);
    }
    table.shown("there are no servers; `mcp-factory create FILE` makes one")
}
