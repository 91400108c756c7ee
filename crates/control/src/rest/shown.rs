//! What verbs give, as JSON.

use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use mcp_factory::{
    Details, Problem,
    deploy::{Observed, Serving},
    language::{Diagnostic, render},
    registry::{Deployment, Server, Timestamp, VersionInfo},
};
use serde_json::{Value, json};

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

pub fn version(version: &VersionInfo) -> Value {
    json!({
        "version": version.version.to_string(),
        "digest": version.digest,
        "title": version.title,
        "description": version.description,
        "auth": version.auth,
        "tools": version.tools,
        "blockers": version.blockers,
        "created": timestamp(version.created),
    })
}

pub fn diagnostics(text: &[u8], found: &[Diagnostic]) -> Value {
    render::json("spec", text, found)
}

pub fn problems(problems: &[Problem]) -> Value {
    let shown = |it: &Problem| json!({ "code": it.code, "path": it.path, "message": it.message });
    problems.iter().map(shown).collect()
}

pub fn server(server: &Server) -> Value {
    let deployed = server.deployed.as_ref().map(|deployed| {
        json!({ "version": deployed.version.to_string(), "target": deployed.target, "state": deployed.state })
    });
    json!({
        "name": server.name,
        "latest": server.latest.to_string(),
        "title": server.title,
        "description": server.description,
        "auth": server.auth,
        "tools": server.tools,
        "blockers": server.blockers,
        "tags": server.tags,
        "deployed": deployed,
        "created": timestamp(server.created),
        "updated": timestamp(server.updated),
    })
}

pub fn details(details: &Details, observed: Option<&Observed>) -> Value {
    let mut shown = server(&details.server);
    let dependencies = details.dependencies.iter().map(|it| json!({ "kind": it.kind.as_str(), "name": it.name }));
    shown["dependencies"] = dependencies.collect();
    shown["dependents"] = json!(details.dependents);
    shown["deployment"] = details.deployment.as_ref().map_or(Value::Null, |it| deployment(it, observed));
    shown
}

/// S5-33. Nothing is said of what is not meant to run, or did not come to anything yet.
fn health(deployment: &Deployment, observed: Option<&Observed>) -> Option<&'static str> {
    let serves = observed.is_some_and(|observed| observed.serving.is_some());
    match deployment.state.as_str() {
        "running" | "updating" if serves => Some("healthy"),
        "failed" | "backing-off" => Some("unhealthy"),
        _ => None,
    }
}

pub fn deployment(deployment: &Deployment, observed: Option<&Observed>) -> Value {
    let serving_since = observed.and_then(|observed| observed.serving.as_ref()).map(|serving| serving.since);
    json!({
        "server": deployment.server,
        "target": deployment.target,
        "desired": deployment.desired,
        "state": deployment.state,
        "version": deployment.version.to_string(),
        "failures": deployment.failures,
        "problem": deployment.problem,
        "endpoint": deployment.endpoint,
        "health": health(deployment, observed),
        "uptimeSeconds": serving_since.and_then(|since| since.elapsed().ok()).map(|uptime| uptime.as_secs()),
        "updated": timestamp(deployment.updated),
        "serving": observed.and_then(|observed| observed.serving.as_ref()).map(serving),
        "checks": observed.and_then(|observed| observed.outcome.as_ref().ok()).map(|report| json!({
            "protocol": report.checks, "examples": report.examples, "skipped": report.skipped,
        })),
    })
}

pub fn serving(serving: &Serving) -> Value {
    json!({
        "version": serving.version.to_string(),
        "endpoint": serving.endpoint,
        "since": time(serving.since),
    })
}
