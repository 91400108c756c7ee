//! `mcp-factory versions NAME`: the versions of a server, the newest first.

use std::process::ExitCode;

use serde_json::Value;

use crate::{
    api,
    args::servers::Named,
    output::{self, Table, cell, time},
};

pub fn run(args: &Named) -> anyhow::Result<ExitCode> {
    api::with(&args.asking.reach, args.asking.output, async |api| {
        let versions = api.get(&["mcp", "servers", &args.name, "versions"]).doing("listing versions");
        let versions = versions.send_all("versions").await?;
        output::print(api.output(), &versions, shown)?;
        Ok(ExitCode::SUCCESS)
    })
}

fn shown(versions: &Value) -> String {
    let mut table = Table::new(&["VERSION", "CREATED", "TOOLS", "BLOCKERS", "CALLERS", "DIGEST"]);
    for version in versions["versions"].as_array().into_iter().flatten() {
        table.row([
            cell(&version["version"]),
            time(&version["created"]),
            cell(&version["tools"]),
            cell(&version["blockers"]),
            cell(&version["auth"]),
            version["digest"].as_str().unwrap_or_default().chars().take(12).collect(),
        ]);
    }
    table.shown("there are no versions")
}
