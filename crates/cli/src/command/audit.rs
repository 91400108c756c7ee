//! `mcp-factory audit`: who did what, and what was refused.

use std::process::ExitCode;

use serde_json::Value;

use crate::{
    api, args,
    output::{self, Table, cell, time},
};

pub fn run(args: &args::access::Audit) -> anyhow::Result<ExitCode> {
    api::with(&args.asking.reach, args.asking.output, async |api| {
        let ask = api.get(&["mcp", "audit"]).query("limit", Some(args.limit)).query("all", args.all.then_some(true));
        output::print(api.output(), &ask.send().await?, shown)?;
        Ok(ExitCode::SUCCESS)
    })
}

fn shown(audit: &Value) -> String {
    let mut table = Table::new(&["WHEN", "OWNER", "BY", "WITH", "WHAT", "OF", "OUTCOME"]);
    for entry in audit["audit"].as_array().into_iter().flatten() {
        let cells = ["owner", "actor", "token", "verb", "subject", "outcome"].map(|field| cell(&entry[field]));
        table.row([time(&entry["at"])].into_iter().chain(cells));
    }
    table.shown("nothing was done yet")
}
