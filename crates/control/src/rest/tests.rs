//! Tests of a server: run now, and what came of those before.

use axum::{
    Json,
    extract::{Path, State},
};
use mcp_factory::{
    Factory,
    registry::{Paged, TestRun},
    suite::Options,
};
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::shown;
use crate::{
    Control, Problem,
    access::Admitted,
    body::{Asked, Sent},
    paging::Paging,
};

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(run)).routes(routes!(history))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "cases": 5, "seed": 7 }))]
struct Testing {
    /// Left out: the latest.
    #[schema(value_type = Option<String>)]
    version: Option<Version>,
    /// Only one call of this tool; left out: all tests.
    tool: Option<String>,
    /// Of that call.
    #[schema(value_type = Option<Object>)]
    arguments: Option<Map<String, Value>>,
    /// On the real connections, even what may write.
    #[serde(default)]
    writes: bool,
    /// Makes other calls of the tools' schemas.
    seed: Option<u64>,
    /// Random calls of each tool that only reads and has no examples; at most 1,000.
    #[schema(maximum = 1_000)]
    cases: Option<usize>,
    /// For the calls of one tool that nobody wrote, as in `10s`; at most a minute.
    time: Option<String>,
}

/// Tests a version of a server, or calls one of its tools as a test.
///
/// The answer is 200 whatever came of it. All tests are answered with a report: `passed`, `taken` (those of `passed` that nobody
/// wrote and that failed behind the tool), `failed`, `skipped` and `tests`; one call with the result of the tool, as the protocol has
/// it.
#[utoipa::path(
    post, path = "/mcp/servers/{name}/test", request_body = Testing, security(("bearer" = ["developer"])),
    responses(
        (status = 200, body = Object, description = "A report, or the result of the tool"),
        (status = 422, description = "It can't be started, or does not answer"),
    ),
)]
async fn run(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Sent(Testing { version, tool, arguments, writes, seed, cases, time }): Sent<Testing>,
) -> Result<Json<Value>, Problem> {
    let version = version.as_ref();
    if let Some(tool) = tool {
        if seed.is_some() || cases.is_some() || time.is_some() {
            return Err(Problem::argument("`seed`, `cases` and `time` are of all tests, and `tool` is one call"));
        }
        let answer = factory.test_tool(&caller, &name, version, &tool, arguments.unwrap_or_default(), writes).await?;
        return Ok(Json(answer.to_json()));
    }
    if arguments.is_some() {
        return Err(Problem::argument("`arguments` are of a `tool`"));
    }
    let default = Options::default();
    let time = match time {
        Some(time) => time.parse().map_err(|error| Problem::argument(format!("`time`: {error}")))?,
        None => default.time,
    };
    let options = Options { writes, seed: seed.unwrap_or(default.seed), cases: cases.unwrap_or(default.cases), time };
    Ok(Json(factory.test(&caller, &name, version, &options).await?.to_json()))
}

#[derive(Debug, Serialize, ToSchema)]
struct Run {
    at: String,
    #[schema(example = "1.2.0")]
    version: String,
    test: String,
    tool: String,
    passed: bool,
    /// The arguments.
    input: String,
    /// What was answered, or why it failed.
    output: String,
    micros: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Runs {
    /// The newest first.
    tests: Vec<Run>,
    /// Behind which the next page begins.
    next: Option<String>,
}

/// Lists what came of a server's tests.
#[utoipa::path(
    get, path = "/mcp/servers/{name}/tests", params(Paging), security(("bearer" = ["viewer"])),
    responses((status = 200, body = Runs)),
)]
async fn history(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Runs>, Problem> {
    let Paged { entries, next } = factory.test_runs(&caller, &name, &paging.page()).await?;
    let shown = |it: TestRun| Run {
        at: shown::timestamp(it.at),
        version: it.version.to_string(),
        test: it.test,
        tool: it.tool,
        passed: it.passed,
        input: it.input,
        output: it.output,
        micros: it.micros,
    };
    Ok(Json(Runs { tests: entries.into_iter().map(shown).collect(), next }))
}
