//! What verbs give, as JSON.

use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use mcp_factory::{
    Details,
    deploy::{self, Observed},
    language, registry,
    registry::Timestamp,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

pub fn time(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Millis, true)
}

pub fn timestamp(at: Timestamp) -> String {
    time(at.to_system_time())
}

/// Of days since 1970.
pub fn day(day: i64) -> Option<String> {
    let date = DateTime::<Utc>::from_timestamp(day.checked_mul(24 * 60 * 60)?, 0)?;
    Some(date.format("%Y-%m-%d").to_string())
}

/// One finding about a spec, with its place in what was sent.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "says what `language::render::json` writes")]
pub struct Diagnostic {
    severity: String,
    #[schema(example = "spec/unknown-field")]
    code: String,
    message: String,
    file: String,
    line: u32,
    column: u32,
    path: String,
    help: Option<String>,
    /// What to put in its place.
    fix: Option<Replacement>,
}

#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "says what `language::render::json` writes")]
pub struct Replacement {
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    replacement: String,
}

/// A list of them.
pub fn diagnostics(text: &[u8], found: &[language::Diagnostic]) -> Value {
    language::render::json("spec", text, found)["diagnostics"].take()
}

/// What this build can't run, or what the owner was not granted.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    #[schema(example = "plan/not-supported")]
    code: &'static str,
    /// Where in the spec.
    path: String,
    message: String,
}

pub fn problems(problems: &[mcp_factory::Problem]) -> Vec<Problem> {
    let shown =
        |it: &mcp_factory::Problem| Problem { code: it.code, path: it.path.clone(), message: it.message.clone() };
    problems.iter().map(shown).collect()
}

/// One version of a server.
#[derive(Debug, Serialize, ToSchema)]
pub struct Version {
    #[schema(example = "1.2.0")]
    version: String,
    /// SHA-256 of the canonical text, hexadecimal.
    digest: String,
    title: Option<String>,
    description: Option<String>,
    auth: String,
    /// How many.
    tools: u32,
    /// Problems that keep it from being deployed.
    blockers: u32,
    created: String,
}

pub fn version(version: &registry::VersionInfo) -> Version {
    Version {
        version: version.version.to_string(),
        digest: version.digest.clone(),
        title: version.title.clone(),
        description: version.description.clone(),
        auth: version.auth.clone(),
        tools: version.tools,
        blockers: version.blockers,
        created: timestamp(version.created),
    }
}

/// A server, as its latest version says.
#[derive(Debug, Serialize, ToSchema)]
pub struct Server {
    #[schema(example = "shop")]
    name: String,
    #[schema(example = "1.2.0")]
    latest: String,
    title: Option<String>,
    description: Option<String>,
    auth: String,
    /// How many.
    tools: u32,
    /// Problems that keep it from being deployed.
    blockers: u32,
    tags: Vec<String>,
    deployed: Option<Deployed>,
    created: String,
    updated: String,
}

/// What a list says of a deployment.
#[derive(Debug, Serialize, ToSchema)]
pub struct Deployed {
    version: String,
    target: String,
    #[schema(example = "running")]
    state: String,
}

pub fn server(server: &registry::Server) -> Server {
    let deployed = server.deployed.as_ref().map(|it| Deployed {
        version: it.version.to_string(),
        target: it.target.clone(),
        state: it.state.clone(),
    });
    Server {
        name: server.name.clone(),
        latest: server.latest.to_string(),
        title: server.title.clone(),
        description: server.description.clone(),
        auth: server.auth.clone(),
        tools: server.tools,
        blockers: server.blockers,
        tags: server.tags.clone(),
        deployed,
        created: timestamp(server.created),
        updated: timestamp(server.updated),
    }
}

/// Everything about one server.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServerDetails {
    #[serde(flatten)]
    server: Server,
    dependencies: Vec<Dependency>,
    /// Those among them that are one's own to set.
    secrets: Vec<NeededSecret>,
    /// Servers that can't do without it.
    dependents: Vec<String>,
    pub deployment: Option<Deployment>,
    /// What it was imported from, and what was chosen of that: the next import chooses the same.
    #[schema(value_type = Option<Object>, example = json!({ "openapi": { "tags": ["pets"] } }))]
    origin: Option<Value>,
}

/// A secret that a server needs, and whether it is set. No value ever comes out.
#[derive(Debug, Serialize, ToSchema)]
pub struct NeededSecret {
    #[schema(example = "SHOP_KEY")]
    name: String,
    set: bool,
}

pub fn secrets(needed: &[mcp_factory::NeededSecret]) -> Vec<NeededSecret> {
    needed.iter().map(|it| NeededSecret { name: it.name.clone(), set: it.is_set }).collect()
}

/// What a server can't do without.
#[derive(Debug, Serialize, ToSchema)]
pub struct Dependency {
    #[schema(example = "secret")]
    kind: &'static str,
    name: String,
}

pub fn details(details: &Details, observed: Option<&Observed>, needed: &[mcp_factory::NeededSecret]) -> ServerDetails {
    let dependency = |it: &registry::Dependency| Dependency { kind: it.kind.as_str(), name: it.name.clone() };
    ServerDetails {
        server: server(&details.server),
        dependencies: details.dependencies.iter().map(dependency).collect(),
        secrets: secrets(needed),
        dependents: details.dependents.clone(),
        deployment: details.deployment.as_ref().map(|it| deployment(it, observed)),
        origin: details.origin.clone(),
    }
}

/// What is meant to run of a server, and what came of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Deployment {
    server: String,
    #[schema(example = "local")]
    target: String,
    /// `running` or `stopped`: what is meant to be.
    desired: String,
    /// What is.
    state: String,
    version: String,
    failures: u32,
    /// The last thing that went wrong.
    problem: Option<String>,
    endpoint: Option<String>,
    /// `healthy` or `unhealthy`; `null` for what is not meant to run, or did not come to anything yet.
    health: Option<&'static str>,
    #[serde(rename = "uptimeSeconds")]
    uptime_seconds: Option<u64>,
    updated: String,
    serving: Option<Serving>,
    checks: Option<Checks>,
    /// What each factory runs, where several share a registry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub factories: Vec<Replica>,
    /// What its version needs of one's secrets: said in answer to a command.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<NeededSecret>,
    /// Why nothing was to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unchanged: Option<&'static str>,
}

/// What answers callers now.
#[derive(Debug, Serialize, ToSchema)]
pub struct Serving {
    version: String,
    endpoint: String,
    since: String,
}

/// What one of several factories runs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replica {
    #[schema(example = "0c8a5d7e1f2b3a49")]
    factory: String,
    version: String,
    /// Whether it is the instance that is meant to run: one that is behind takes it up within a moment.
    current: bool,
    /// Whether it is the one that answers this.
    here: bool,
    updated: String,
}

pub fn replicas(deployment: &registry::Deployment, here: Option<&str>, found: &[registry::Replica]) -> Vec<Replica> {
    let shown = |it: &registry::Replica| Replica {
        factory: it.factory.clone(),
        version: it.version.to_string(),
        current: it.generation == deployment.generation,
        here: here == Some(&it.factory),
        updated: timestamp(it.updated),
    };
    found.iter().map(shown).collect()
}

/// How many checks it passed before it served.
#[derive(Debug, Serialize, ToSchema)]
pub struct Checks {
    protocol: usize,
    examples: usize,
    /// Examples of tools that may write, or ask a person first.
    skipped: usize,
}

/// S5-33.
fn health(deployment: &registry::Deployment, observed: Option<&Observed>) -> Option<&'static str> {
    let serves = observed.is_some_and(|observed| observed.serving.is_some());
    match deployment.state.as_str() {
        "running" | "updating" if serves => Some("healthy"),
        "failed" | "backing-off" => Some("unhealthy"),
        _ => None,
    }
}

pub fn deployment(deployment: &registry::Deployment, observed: Option<&Observed>) -> Deployment {
    let report = observed.and_then(|observed| match &observed.serving {
        Some(serving) => Some(&serving.report),
        None => observed.outcome.as_ref().ok(),
    });
    let serving_since = observed.and_then(|observed| observed.serving.as_ref()).map(|serving| serving.since);
    Deployment {
        server: deployment.server.clone(),
        target: deployment.target.clone(),
        desired: deployment.desired.clone(),
        state: deployment.state.clone(),
        version: deployment.version.to_string(),
        failures: deployment.failures,
        problem: deployment.problem.clone(),
        endpoint: deployment.endpoint.clone(),
        health: health(deployment, observed),
        uptime_seconds: serving_since.and_then(|since| since.elapsed().ok()).map(|uptime| uptime.as_secs()),
        updated: timestamp(deployment.updated),
        serving: observed.and_then(|observed| observed.serving.as_ref()).map(serving),
        checks: report.map(|it| Checks { protocol: it.checks, examples: it.examples, skipped: it.skipped }),
        factories: Vec::new(),
        secrets: Vec::new(),
        unchanged: None,
    }
}

pub fn serving(serving: &deploy::Serving) -> Serving {
    Serving { version: serving.version.to_string(), endpoint: serving.endpoint.clone(), since: time(serving.since) }
}
