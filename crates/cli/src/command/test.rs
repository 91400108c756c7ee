//! `mcp-factory test FILE`: the spec's examples, and calls made from its schemas, through the protocol in both eras; or one
//! call of one tool.
//!
//! Databases that the spec seeds are made anew in a temporary folder, so tests neither need nor change the real ones.

mod cases;
mod client;
mod expectation;
mod generated;
mod report;
mod time;

use std::{process::ExitCode, sync::Arc, time::Instant};

use mcp_factory_engine::Engine;
use mcp_factory_spec::{Spec, difference, model::Duration};
use serde_json::{Map, Value};

use crate::{args, exit, load};
use cases::Case;
use client::{Callers, Client, Era};
use generated::Settings;
use report::{Origin, Outcome, Report};
use time::{Budget, Progress};

pub fn run(args: &args::Test) -> anyhow::Result<ExitCode> {
    // The client's HTTP library wants a TLS provider even for loopback. Two are never installed: an error is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    super::runtime()?.block_on(async {
        match &args.tool {
            Some(tool) => call_one(args, tool).await,
            None => run_all(args).await,
        }
    })
}

/// Calls the tool once, in the current era, and prints what came back.
async fn call_one(args: &args::Test, tool: &str) -> anyhow::Result<ExitCode> {
    let arguments = parse_arguments(args.arguments.as_deref())?;
    let probe = load::engine(&args.spec.spec, args.allow_stubs, load::Seeds::Real)?;
    if !probe.1.has_tool(tool) {
        let known: Vec<String> = probe.0.tools.iter().map(|tool| format!("`{}`", tool.name)).collect();
        return Err(exit::usage(format!("there is no tool `{tool}`"), format!("the spec has {}", known.join(", "))));
    }
    if probe.1.asks_first(tool) {
        return Err(exit::hinted(
            format!("`{tool}` asks a person first (`confirm`), whom a test can't ask; nothing was called"),
            "call it through a client, of `serve` or `stdio`",
        ));
    }
    let writes = !probe.1.is_read_only(tool);
    if writes && !args.writes && !probe.1.is_seeded(tool) {
        return Err(exit::hinted(
            format!("`{tool}` may write, and its database was not seeded by the spec; nothing was called"),
            "pass `--writes` to call it on the real connection",
        ));
    }
    let (spec, engine, _folder) = if writes && !args.writes {
        tracing::info!("`{tool}` may write, so it is called on a fresh database; `--writes` calls it on the real one");
        fresh(args)?
    } else {
        (probe.0, probe.1, None)
    };
    let server = client::Server::start(&spec, engine, Callers::default()).await?;
    let client = Client::connect(&server, Era::Modern, None).await?;
    let result = client.call(tool, arguments).await;
    client.close().await;
    server.stop().await;
    let answer = result.map_err(|error| exit::hinted(error.to_string(), "see the tool's `parameters` in the spec"))?;
    super::print(&answer.shown(args.output))?;
    Ok(if answer.is_error { ExitCode::from(exit::FAILURE) } else { ExitCode::SUCCESS })
}

async fn run_all(args: &args::Test) -> anyhow::Result<ExitCode> {
    let settings = Settings { seed: args.seed, cases: args.cases };
    let mut report = Report::new(args.seed);
    for era in [Era::Modern, Era::Sessions] {
        // Each era has databases of its own: a writing example may run once in each.
        let (spec, engine, _folder) = if args.writes { real(args)? } else { fresh(args)? };
        let cases = cases::of(&spec, &engine, args.writes, settings);
        let callers = Callers::of(&spec);
        let server = client::Server::start(&spec, engine, callers).await?;
        run_era(&server, &spec, era, cases, args.time, &mut report).await?;
        server.stop().await;
    }
    super::print(&report.rendered(args.output))?;
    Ok(if report.failed() > 0 { ExitCode::from(exit::FAILURE) } else { ExitCode::SUCCESS })
}

async fn run_era(
    server: &client::Server,
    spec: &Spec,
    era: Era,
    cases: Vec<Case>,
    time: Duration,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut clients = client::Clients::new(server, era);
    clients.check_lists(spec, report).await?;
    let mut progress = Progress::new(era, cases.len());
    let mut budget = Budget::new(time.get());
    let mut cases = cases.into_iter().peekable();
    let mut before: Option<Case> = None;
    while let Some(case) = cases.next() {
        if before.is_none_or(|before| !before.is_like(&case)) {
            budget.renew();
        }
        let start = Instant::now();
        let mut name = case.name.clone();
        let outcome = match &case.skip {
            Some(reason) => Outcome::Skipped(reason.clone()),
            None => match progress.beside(&case, budget.spend(&case, run_case(&mut clients, &case))).await {
                Some(outcome) => outcome?,
                None => {
                    let others = std::iter::from_fn(|| cases.next_if(|next| next.is_like(&case))).count();
                    progress.leave_out(others);
                    if others > 0 {
                        name.push_str(&format!(", and {others} more"));
                    }
                    let why = "was all the time for calls of this tool that nobody wrote; `--time` gives more";
                    Outcome::Skipped(format!("{time} {why}"))
                }
            },
        };
        report.add(era, case.origin, &case.tool, &name, outcome, start.elapsed());
        before = Some(case);
    }
    clients.close().await;
    Ok(())
}

async fn run_case(clients: &mut client::Clients<'_>, case: &Case) -> anyhow::Result<Outcome> {
    let client = clients.of(case.caller.as_deref()).await?;
    let answer = client.call(&case.tool, case.arguments.clone()).await;
    let misfit = answer.as_ref().ok().and_then(|answer| clients.misfit(&case.tool, answer));
    Ok(match case.expectation.check(answer).and(misfit.map_or(Ok(()), Err)) {
        Ok(()) => Outcome::Passed,
        Err(why) if case.origin == Origin::Written => Outcome::Failed(why),
        // Nobody has seen them before.
        Err(why) => {
            let arguments = difference::short(&Value::Object(case.arguments.clone()));
            Outcome::Failed(format!("{why}; called with {arguments}"))
        }
    })
}

type Loaded = (Arc<Spec>, Engine, Option<tempfile::TempDir>);

fn fresh(args: &args::Test) -> anyhow::Result<Loaded> {
    let folder = tempfile::Builder::new().prefix("mcp-factory-test-").tempdir()?;
    let (spec, engine) = load::engine(&args.spec.spec, args.allow_stubs, load::Seeds::Fresh(folder.path().to_owned()))?;
    Ok((spec, engine, Some(folder)))
}

fn real(args: &args::Test) -> anyhow::Result<Loaded> {
    let (spec, engine) = load::engine(&args.spec.spec, args.allow_stubs, load::Seeds::Real)?;
    Ok((spec, engine, None))
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
