//! The tests of a server: its lists, its examples, and calls that are made from its schemas, through the protocol in both eras, over
//! loopback; or one call of one tool.
//!
//! Knows nothing of where a spec comes from: whoever runs it makes the engines, on databases that the spec seeds anew or on the
//! real ones. Only tools that read are called unasked on those.

mod cases;
mod client;
mod expectation;
pub mod generated;
mod report;
mod time;

use std::{sync::Arc, time::Instant};

use mcp_factory_engine::Engine;
use mcp_factory_spec::{
    Spec, difference,
    model::{Duration, ToolKind},
    suggest::nearest,
};
use serde_json::{Map, Value};
use tempfile::TempDir;

use cases::Case;
use client::{Callers, Client, Clients, Era, Server};
use generated::Settings;
use time::{Budget, Progress};

pub use client::{Answer, CallError};
pub use report::{Origin, Outcome, Report, Row, told_of_taken};

/// Which tests, and for how long.
#[derive(Debug, Clone)]
pub struct Options {
    /// Examples of writing tools run on the real connections too.
    pub writes: bool,
    /// Other calls of the schemas with another one.
    pub seed: u64,
    /// Random calls of each tool that only reads and has no examples.
    pub cases: usize,
    /// For the calls of one tool that nobody wrote, in each era.
    pub time: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { writes: false, seed: 0, cases: 10, time: Duration::from_millis(10_000) }
    }
}

/// Where the databases are that a spec seeds itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// Where the spec says.
    Real,
    /// In a folder of this test.
    Fresh,
}

/// What is tested.
#[derive(Debug)]
pub struct Subject {
    pub spec: Arc<Spec>,
    pub engine: Engine,
    /// Goes with it.
    pub folder: Option<TempDir>,
}

/// Why nothing was tested.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("can't listen on loopback")]
    Listen(#[source] std::io::Error),
    #[error("the server did not answer a {era} client")]
    NoAnswer { era: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("there is no tool `{tool}`; {}", instead(tool, known))]
    NoTool { tool: String, known: Vec<String> },
    #[error("`{tool}` asks a person first (`confirm`), whom a test can't ask; nothing was called")]
    Asks { tool: String },
    #[error("`{tool}` may write, and {}; nothing was called", if *.on_database {
        "its database was not seeded by the spec"
    } else {
        "what it reaches is the real thing"
    })]
    Writes { tool: String, on_database: bool },
    /// The protocol refused the call.
    #[error(transparent)]
    Call(CallError),
}

/// How many tools are named where none has nearly the name.
const NAMED: usize = 12;

fn instead(tool: &str, known: &[String]) -> String {
    let named = |some: &[String]| some.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match nearest(tool, known.iter().map(String::as_str)) {
        _ if known.len() <= NAMED => format!("there is {}", named(known)),
        Some(near) => format!("did you mean `{near}`? There are {} tools", known.len()),
        None => format!("there are {} tools, such as {}", known.len(), named(&known[..NAMED])),
    }
}

/// All tests. Each era has databases of its own: a writing example may run once in each.
pub async fn run<E: From<Error>, F: Future<Output = Result<Subject, E>>>(
    options: &Options,
    mut subject: impl FnMut(Ground) -> F,
) -> Result<Report, E> {
    prepare();
    let settings = Settings { seed: options.seed, cases: options.cases };
    let mut report = Report::new(options.seed);
    for era in [Era::Modern, Era::Sessions] {
        let ground = if options.writes { Ground::Real } else { Ground::Fresh };
        let Subject { spec, engine, folder } = subject(ground).await?;
        let cases = cases::of(&spec, &engine, options.writes, settings);
        let server = Server::start(&spec, engine, Callers::of(&spec)).await?;
        let ran = run_era(&server, &spec, era, cases, options.time, &mut report).await;
        server.stop().await;
        drop(folder);
        ran?;
    }
    Ok(report)
}

/// One call in the current era: on the real connections if the tool only reads, or `writes` says so, else on a database that the
/// spec seeds anew.
pub async fn call<E: From<Error>, F: Future<Output = Result<Subject, E>>>(
    tool: &str,
    arguments: Map<String, Value>,
    writes: bool,
    mut subject: impl FnMut(Ground) -> F,
) -> Result<Answer, E> {
    prepare();
    let mut found = subject(Ground::Real).await?;
    if !found.engine.has_tool(tool) {
        let known = found.spec.tools.iter().map(|tool| tool.name.to_string()).collect();
        return Err(Error::NoTool { tool: tool.to_owned(), known }.into());
    }
    if found.engine.asks_first(tool) {
        return Err(Error::Asks { tool: tool.to_owned() }.into());
    }
    if !writes && !found.engine.is_read_only(tool) {
        if !found.engine.is_seeded(tool) {
            let kind = found.spec.tools.iter().find(|it| *it.name == *tool).and_then(|it| it.kind.as_ref());
            let on_database = matches!(kind, Some(ToolKind::Sql(_)));
            return Err(Error::Writes { tool: tool.to_owned(), on_database }.into());
        }
        tracing::info!("`{tool}` may write, so it is called on a fresh database");
        found = subject(Ground::Fresh).await?;
    }
    let Subject { spec, engine, folder } = found;
    let server = Server::start(&spec, engine, Callers::default()).await?;
    let called = call_once(&server, tool, arguments).await;
    server.stop().await;
    drop(folder);
    Ok(called?)
}

async fn call_once(server: &Server, tool: &str, arguments: Map<String, Value>) -> Result<Answer, Error> {
    let client = Client::connect(server, Era::Modern, None).await?;
    let answer = client.call(tool, arguments).await;
    client.close().await;
    answer.map_err(Error::Call)
}

/// The client's HTTP library wants a TLS provider even for loopback. Two are never installed: an error is the same one.
fn prepare() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

async fn run_era(
    server: &Server,
    spec: &Spec,
    era: Era,
    cases: Vec<Case>,
    time: Duration,
    report: &mut Report,
) -> Result<(), Error> {
    let mut clients = Clients::new(server, era);
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
        let mut output = String::new();
        let outcome = match &case.skip {
            Some(reason) => Outcome::Skipped(reason.clone()),
            None => match progress.beside(&case, budget.spend(&case, run_case(&mut clients, &case))).await {
                Some(ran) => {
                    let (outcome, answered) = ran?;
                    output = answered;
                    outcome
                }
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
        if matches!(outcome, Outcome::Taken(_)) {
            name = name.replacen("answers", "takes", 1);
        }
        let input = Value::Object(case.arguments.clone()).to_string();
        let (tool, origin) = (case.tool.clone(), case.origin);
        report.add(Row { era, origin, tool, name, outcome, time: start.elapsed(), input, output });
        before = Some(case);
    }
    clients.close().await;
    Ok(())
}

/// What came of it, and what was answered.
async fn run_case(clients: &mut Clients<'_>, case: &Case) -> Result<(Outcome, String), Error> {
    let client = clients.of(case.caller.as_deref()).await?;
    let answer = client.call(&case.tool, case.arguments.clone()).await;
    let misfit = answer.as_ref().ok().and_then(|answer| clients.misfit(&case.tool, answer));
    let said = match &answer {
        Ok(answer) => difference::short(&answer.value()),
        Err(error) => error.to_string(),
    };
    let taken = answer.as_ref().ok().filter(|answer| answer.is_error && case.expectation.is_lenient());
    let taken = taken.map(|answer| answer.text.lines().next().unwrap_or_default().chars().take(200).collect());
    let outcome = match case.expectation.check(answer).and(misfit.map_or(Ok(()), Err)) {
        Ok(()) => taken.map_or(Outcome::Passed, Outcome::Taken),
        Err(why) if case.origin == Origin::Written => Outcome::Failed(why),
        // Nobody has seen them before.
        Err(why) => {
            let arguments = difference::short(&Value::Object(case.arguments.clone()));
            Outcome::Failed(format!("{why}; called with {arguments}"))
        }
    };
    Ok((outcome, said))
}
