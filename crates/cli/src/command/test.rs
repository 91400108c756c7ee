//! `mcp-factory test FILE`: the spec's examples, and calls made from its schemas, through the protocol in both eras; or one
//! call of one tool. `mcp-factory test NAME`: the same of a server, in the factory (`registered.rs`).
//!
//! Databases that the spec seeds are made anew in a temporary folder, so tests neither need nor change the real ones.

mod registered;

use std::process::ExitCode;

use mcp_factory::suite::{self, Ground, Options, Subject};
use serde_json::{Map, Value};

use crate::{args, exit, load, output, progress};

pub fn run(args: &args::Test) -> anyhow::Result<ExitCode> {
    let arguments = parse_arguments(args.arguments.as_deref())?;
    if let Some(name) = args.spec.name_of_a_server()? {
        return registered::run(&name, args, arguments);
    }
    super::runtime()?.block_on(async {
        match &args.tool {
            Some(tool) => call_one(args, tool, arguments).await,
            None => run_all(args).await,
        }
    })
}

/// Calls the tool once, in the current era, and prints what came back.
async fn call_one(args: &args::Test, tool: &str, arguments: Map<String, Value>) -> anyhow::Result<ExitCode> {
    let call = suite::call(tool, arguments, args.writes, |ground| std::future::ready(subject(args, ground)));
    let answer = progress::tell(&format!("calling `{tool}`"), call).await;
    told(args, &answer.map_err(explained)?.to_json())
}

async fn run_all(args: &args::Test) -> anyhow::Result<ExitCode> {
    let options = Options { writes: args.writes, seed: args.seed, cases: args.cases, time: args.time };
    let run = suite::run(&options, |ground| std::future::ready(subject(args, ground)));
    let report = progress::tell(&format!("testing `{}`", args.spec.spec.file.display()), run).await?;
    output::print(args.output, &report.to_json(), |_| report.table())?;
    Ok(if report.failed() > 0 { ExitCode::from(exit::FAILURE) } else { ExitCode::SUCCESS })
}

/// The answer of a tool, as a factory's test answers it too.
fn told(args: &args::Test, answer: &Value) -> anyhow::Result<ExitCode> {
    output::print(args.output, answer, |answer| match answer.get("structuredContent") {
        Some(value) => format!("{value:#}\n"),
        None => {
            let blocks = answer["content"].as_array().into_iter().flatten();
            let text: Vec<&str> = blocks.filter_map(|block| block["text"].as_str()).collect();
            format!("{}\n", text.join("\n"))
        }
    })?;
    Ok(if answer["isError"] == true { ExitCode::from(exit::FAILURE) } else { ExitCode::SUCCESS })
}

fn subject(args: &args::Test, ground: Ground) -> anyhow::Result<Subject> {
    let (seeds, folder) = match ground {
        Ground::Real => (load::Seeds::Real, None),
        Ground::Fresh => {
            let folder = tempfile::Builder::new().prefix("mcp-factory-test-").tempdir()?;
            (load::Seeds::Fresh(folder.path().to_owned()), Some(folder))
        }
    };
    let (spec, engine) = load::engine(&args.spec.spec, args.allow_stubs, seeds)?;
    Ok(Subject { spec, engine, folder })
}

fn explained(error: anyhow::Error) -> anyhow::Error {
    let hint = match error.downcast_ref::<suite::Error>() {
        Some(suite::Error::NoTool { .. }) => return exit::usage(error.to_string(), "name one of those"),
        Some(suite::Error::Asks { .. }) => "call it through a client, of `serve` or `stdio`",
        Some(suite::Error::Writes { .. }) => "pass `--writes` to call it on the real connection",
        Some(suite::Error::Call(_)) => "see the tool's `parameters` in the spec",
        _ => return error,
    };
    exit::with_hint(error, hint)
}

fn parse_arguments(text: Option<&str>) -> anyhow::Result<Map<String, Value>> {
    let hint = "pass a JSON object, for example '{\"query\": \"laptop\"}'";
    match text.map(serde_json::from_str) {
        None => Ok(Map::new()),
        Some(Ok(Value::Object(arguments))) => Ok(arguments),
        Some(Ok(_)) => Err(exit::usage("the arguments are not a JSON object", hint)),
        Some(Err(error)) => Err(exit::usage(format!("the arguments are not JSON: {error}"), hint)),
    }
}
