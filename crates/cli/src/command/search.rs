//! `mcp-factory search WORDS`: tools of all servers by what they do, the best first.

use std::process::ExitCode;

use serde_json::Value;

use crate::{
    api,
    args::servers::Search,
    output::{self, Table, cell},
};

pub fn run(args: &Search) -> anyhow::Result<ExitCode> {
    api::with(&args.asking.reach, args.asking.output, async |api| {
        let ask = api.get(&["mcp", "search"]).query("q", Some(args.words.join(" "))).query("limit", Some(args.limit));
        output::print(api.output(), &ask.doing("searching").send().await?, shown)?;
        Ok(ExitCode::SUCCESS)
    })
}

fn shown(found: &Value) -> String {
    let mut table = Table::new(&["SERVER", "TOOL", "DESCRIPTION"]);
    for tool in found["tools"].as_array().into_iter().flatten() {
        table.row([cell(&tool["server"]), cell(&tool["tool"]), cell(&tool["description"])]);
    }
    table.shown("no tool suits; other words may")
}
