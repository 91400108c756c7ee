//! What the factory knows of one server: how it is, where it answers, what it needs.

use std::{fmt::Write as _, process::ExitCode};

use serde_json::Value;

use crate::{
    api::{self, Api},
    args::{Output, factory::Reach},
    command::{deploy::checks, secrets},
    output::{self, Colour, cell, paint, plain, time},
    program,
};

pub fn run(name: &str, reach: &Reach, output: Output) -> anyhow::Result<ExitCode> {
    api::with(reach, output, async |api| {
        let server = api.get(&["mcp", "servers", name]).doing(format!("asking for `{name}`")).send().await?;
        output::print(output, &server, |server| shown(api, server))?;
        Ok(ExitCode::SUCCESS)
    })
}

fn shown(api: &Api, server: &Value) -> String {
    let deployment = &server["deployment"];
    // What runs may be another version than the latest.
    let version = match (&deployment["serving"]["version"], &deployment["version"]) {
        (Value::String(version), _) | (_, Value::String(version)) => version.clone(),
        _ => cell(&server["latest"]),
    };
    let mut text = format!("{} {version}: {}\n", cell(&server["name"]), state(api, server));
    let mut line = |name: &str, value: String| {
        if value != "-" {
            writeln!(text, "  {name:<12} {value}").expect("writing to a string can't fail");
        }
    };
    line("title", plain(&cell(&server["title"])));
    line("description", plain(&cell(&server["description"])));
    let serving = &deployment["serving"];
    line("endpoint", cell(&serving["endpoint"]));
    line("version", cell(&serving["version"]));
    line("latest", Some(cell(&server["latest"])).filter(|latest| *latest != version).unwrap_or_else(|| "-".to_owned()));
    line("target", cell(&deployment["target"]));
    line("since", time(&serving["since"]));
    line("uptime", deployment["uptimeSeconds"].as_u64().map_or_else(|| "-".to_owned(), duration));
    if deployment["checks"].is_object() {
        line("health", checks(&deployment["checks"]));
    }
    for factory in deployment["factories"].as_array().into_iter().flatten() {
        let here = if factory["here"] == true { ", this one" } else { "" };
        let behind = if factory["current"] == true { "" } else { ", not the one that is meant to run yet" };
        line("factory", format!("{}: {}{here}{behind}", cell(&factory["factory"]), cell(&factory["version"])));
    }
    line("problem", plain(&cell(&deployment["problem"])));
    line("tools", cell(&server["tools"]));
    if server["blockers"] != 0 {
        line("blockers", cell(&server["blockers"]));
    }
    line("callers", cell(&server["auth"]));
    line("tags", cell(&server["tags"]));
    let needs = server["dependencies"].as_array().into_iter().flatten();
    let is_set = |needed: &Value| {
        let mut secrets = server["secrets"].as_array().into_iter().flatten().filter(|_| needed["kind"] == "secret");
        match secrets.find(|it| it["name"] == needed["name"]).map(|it| it["set"] == true) {
            None => "",
            Some(true) => " (set)",
            Some(false) => " (missing)",
        }
    };
    let needs: Vec<String> =
        needs.map(|it| format!("{} `{}`{}", cell(&it["kind"]), cell(&it["name"]), is_set(it))).collect();
    line("needs", if needs.is_empty() { "-".to_owned() } else { needs.join(", ") });
    line("needed by", cell(&server["dependents"]));
    line("updated", time(&server["updated"]));
    text.push_str(&secrets::missing(&server["secrets"]));
    text
}

/// In a word, with its health where it should have one.
fn state(api: &Api, server: &Value) -> String {
    let deployment = &server["deployment"];
    if deployment.is_null() {
        return "not deployed".to_owned();
    }
    let state = api.state_of(deployment);
    match deployment["health"].as_str() {
        Some("healthy") => format!("{state}, {}", paint(Colour::Green, "healthy")),
        Some(health) => format!("{state}, {}", paint(Colour::Red, health)),
        None if state == api::DOWN => {
            format!("{}: no factory runs; `{}` starts both", paint(Colour::Red, &state), program::line("up"))
        }
        None => state,
    }
}

fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}
