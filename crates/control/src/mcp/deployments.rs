//! Deployments: what runs of a server, and what it says.

use std::time::{Duration, SystemTime};

use mcp_factory::{deploy::logs, suite::Options};
use semver::Version;
use serde::Deserialize;
use serde_json::{Value, json};

use super::tool::{Asked, Described, Done, Effect, Verbs, answer};
use crate::rest;

/// For a deployment to become healthy before it is answered that it is on its way.
const PATIENCE: Duration = Duration::from_secs(30);
const LINES: usize = 50;
const MOST_LINES: usize = 1_000;

pub fn add(verbs: Verbs) -> Verbs {
    let server = || json!({ "type": "string", "description": "Its name" });
    let deployment = || {
        Some((
            json!({
                "server": { "type": "string" },
                "desired": { "type": "string" },
                "state": { "type": "string", "description": "As it was when the command was written down" },
                "version": { "type": "string" },
                "serving": { "anyOf": [{ "type": "object" }, { "type": "null" }], "description": "The version that answers now, and where" },
                "checks": { "anyOf": [{ "type": "object" }, { "type": "null" }], "description": "What was tried and passed before it served" },
                "secrets": { "type": "array", "items": { "type": "object" }, "description": "What it needs of your secrets, and whether they are set" },
                "unchanged": { "type": "string", "description": "Why nothing was to be done" },
            }),
            &["server", "desired", "state", "version", "serving", "checks"] as &[_],
        ))
    };
    verbs
        .add(
            Described {
                name: "deploy_server",
                title: "Deploy a server",
                description: "Has a version run, the latest if none is named. It is proven first: the protocol, and the examples \
                              of its tools that only read. What is not healthy never serves, and the version before it goes on.",
                effect: Effect::Changes,
                takes: (
                    json!({ "server": server(), "version": { "type": "string", "description": "Such as `1.2.0`" } }),
                    &["server"],
                ),
                gives: deployment(),
            },
            deploy,
        )
        .add(
            Described {
                name: "test_server",
                title: "Test a server",
                description: "Runs the examples of a version, the latest if none is named, and calls made from the schemas of its \
                              tools, in both protocol eras. It need not be deployed. Nothing is written but to databases that \
                              its spec seeds, which are made anew for it.",
                effect: Effect::Changes,
                takes: (
                    json!({ "server": server(), "version": { "type": "string", "description": "Such as `1.2.0`" } }),
                    &["server"],
                ),
                gives: Some((
                    json!({
                        "passed": { "type": "integer" },
                        "taken": {
                            "type": "integer",
                            "description": "Those of `passed` whose arguments, which nobody wrote, were taken, and which then failed behind the tool",
                        },
                        "failed": { "type": "integer" },
                        "skipped": { "type": "integer" },
                        "tests": { "type": "array", "items": { "type": "object" } },
                    }),
                    &["passed", "taken", "failed", "skipped", "tests"],
                )),
            },
            test,
        )
        .add(
            Described {
                name: "start_server",
                title: "Start a server",
                description: "Has a server run again that was deployed and stopped.",
                effect: Effect::Changes,
                takes: (json!({ "server": server() }), &["server"]),
                gives: deployment(),
            },
            start,
        )
        .add(
            Described {
                name: "stop_server",
                title: "Stop a server",
                description: "Ends what runs of a server; calls that run have a few seconds. `start_server` has it run again.",
                effect: Effect::Changes,
                takes: (json!({ "server": server() }), &["server"]),
                gives: deployment(),
            },
            stop,
        )
        .add(
            Described {
                name: "get_logs",
                title: "Read a server's log",
                description: "The last lines of what a server said: its calls with their outcome and time, its starts and \
                              failures. No arguments, no answers, no secrets.",
                effect: Effect::Looks,
                takes: (
                    json!({
                        "server": server(),
                        "tail": { "type": "integer", "minimum": 1, "maximum": MOST_LINES, "default": LINES },
                        "since": { "type": "string", "description": "A time of RFC 3339, or so long ago: `15m`" },
                    }),
                    &["server"],
                ),
                gives: Some((json!({ "lines": { "type": "array", "items": { "type": "object" } } }), &["lines"])),
            },
            get_logs,
        )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    server: String,
    version: Option<Version>,
}

async fn deploy(Asked { factory, caller, .. }: Asked, Wanted { server, version }: Wanted) -> Done {
    let commanded = factory.deploy(&caller, &server, version.as_ref(), PATIENCE).await?;
    answer(&rest::deployments::settled(commanded)?.1)
}

async fn test(Asked { factory, caller, .. }: Asked, Wanted { server, version }: Wanted) -> Done {
    answer(&factory.test(&caller, &server, version.as_ref(), &Options::default()).await?.to_json())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    server: String,
}

async fn start(Asked { factory, caller, .. }: Asked, Named { server }: Named) -> Done {
    answer(&rest::deployments::settled(factory.start(&caller, &server, PATIENCE).await?)?.1)
}

async fn stop(Asked { factory, caller, .. }: Asked, Named { server }: Named) -> Done {
    answer(&rest::deployments::settled(factory.stop(&caller, &server).await?)?.1)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lines {
    server: String,
    tail: Option<usize>,
    since: Option<String>,
}

async fn get_logs(Asked { factory, caller, .. }: Asked, Lines { server, tail, since }: Lines) -> Done {
    let since = since.map(|text| rest::logs::time(&text, SystemTime::now())).transpose()?;
    // A server that never ran has said nothing.
    let ring = factory.logs(&caller, &server).await?.unwrap_or_default();
    let lines = ring.read(logs::Asked { tail: Some(tail.unwrap_or(LINES).min(MOST_LINES)), since });
    answer(&json!({ "lines": lines.iter().map(logs::Line::to_json).collect::<Vec<Value>>() }))
}
