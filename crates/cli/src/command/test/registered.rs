//! The tests of a server of the factory, which runs them and keeps what came of them.

use std::process::ExitCode;

use mcp_factory::suite::told_of_taken;
use serde_json::{Map, Value, json};

use crate::{
    api::{self, Api},
    args, exit,
    output::{self, Table, cell},
};

pub fn run(name: &str, args: &args::Test, arguments: Map<String, Value>) -> anyhow::Result<ExitCode> {
    api::with(&args.reach, args.output, async |api| match &args.tool {
        Some(tool) => {
            let wanted = json!({ "tool": tool, "arguments": arguments, "writes": args.writes });
            super::told(args, &ask(api, name, &wanted).await?)
        }
        None => {
            let (seed, cases, time) = (args.seed, args.cases, args.time.to_string());
            let wanted = json!({ "writes": args.writes, "seed": seed, "cases": cases, "time": time });
            let report = ask(api, name, &wanted).await?;
            output::print(api.output(), &report, shown)?;
            Ok(if report["failed"] == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILURE) })
        }
    })
}

async fn ask(api: &Api, name: &str, wanted: &Value) -> anyhow::Result<Value> {
    api.post(&["mcp", "servers", name, "test"]).json(wanted).doing(format!("testing `{name}`")).send().await
}

/// Calls that nobody wrote and went well are counted only.
fn shown(report: &Value) -> String {
    let mut table = Table::new(&["ERA", "TOOL", "TEST", "OUTCOME", "MS", "WHY"]);
    for test in report["tests"].as_array().into_iter().flatten() {
        if test["origin"] == "generated" && test["outcome"] == "passed" {
            continue;
        }
        let field = |name: &str| cell(&test[name]);
        let why = if test["why"].is_null() { String::new() } else { field("why") };
        table.row([field("era"), field("tool"), field("test"), field("outcome"), field("milliseconds"), why]);
    }
    let mut text = table.shown("there was nothing to test");
    let count = |name: &str| report[name].as_u64().unwrap_or(0);
    let of =
        |origin: &str| report["tests"].as_array().into_iter().flatten().filter(|test| test["origin"] == origin).count();
    text.push_str(&format!(
        "{} passed, {} failed, {} skipped ({} written, {} generated with --seed {})\n",
        count("passed"),
        count("failed"),
        count("skipped"),
        of("written"),
        of("generated"),
        count("seed"),
    ));
    text.push_str(&told_of_taken(usize::try_from(count("taken")).unwrap_or(usize::MAX)));
    text
}
