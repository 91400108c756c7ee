//! `mcp-factory deploy NAME`: has a version run, and says what was tried before it was let to serve.

use std::process::ExitCode;

use clap::ValueEnum as _;
use serde_json::{Value, json};

use super::secrets;
use crate::{
    api::{self, Api, Ask},
    args::servers::{Deploy, Target},
    exit,
    output::{self, cell},
    program,
};

pub fn run(args: &Deploy) -> anyhow::Result<ExitCode> {
    // What runs elsewhere is not ours to keep up.
    let goes_on = args.target == Target::Local;
    api::with_running(&args.asking.reach, args.asking.output, goes_on, async |api| {
        let target = args.target.to_possible_value().map(|target| target.get_name().to_owned());
        let mut wanted = json!({ "target": target });
        if let Some(version) = &args.version {
            wanted["version"] = version.to_string().into();
        }
        if let Some(port) = args.port {
            wanted["port"] = port.get().into();
        }
        if let Some(pool) = &args.pool {
            wanted["pool"] = pool.as_str().into();
        }
        let ask = api.post(&["mcp", "deploy", &args.name]).json(&wanted);
        told(api, &args.name, ask.doing(format!("deploying `{}`", args.name))).await
    })
}

/// What came of a command, as `start`, `stop` and `restart` tell it too.
pub async fn told(api: &Api, name: &str, ask: Ask<'_>) -> anyhow::Result<ExitCode> {
    let deployment = ask.send().await.map_err(|error| exit::about_server(error, name))?;
    output::print(api.output(), &deployment, shown)?;
    Ok(ExitCode::SUCCESS)
}

fn shown(deployment: &Value) -> String {
    let (name, serving) = (cell(&deployment["server"]), &deployment["serving"]);
    let unchanged = deployment["unchanged"].as_str().map(|why| format!(" ({why})")).unwrap_or_default();
    if deployment["desired"] == "stopped" {
        return format!("{name} is stopped{unchanged}\n");
    }
    if serving.is_null() {
        let (version, state) = (cell(&deployment["version"]), cell(&deployment["state"]));
        let status = program::line(&format!("status {name}"));
        return format!("{name} {version} is {state}{unchanged}; `{status}` says how far it is\n");
    }
    let mut text = format!("{name} {} runs at {}{unchanged}\n", cell(&serving["version"]), cell(&serving["endpoint"]));
    if let Value::Object(_) = &deployment["checks"] {
        text.push_str(&format!("{}\n", checks(&deployment["checks"])));
    }
    text.push_str(&secrets::missing(&deployment["secrets"]));
    text
}

pub fn checks(checks: &Value) -> String {
    let count = |field: &str| checks[field].as_u64().unwrap_or(0);
    let skipped = match count("skipped") {
        0 => String::new(),
        skipped => format!(", {skipped} left out"),
    };
    let (checks, examples) = (count("protocol"), count("examples"));
    let many = |count: u64| if count == 1 { "" } else { "s" };
    let examples = match examples {
        // None there are, or they passed before.
        0 => String::new(),
        examples => format!(", {examples} example{}", many(examples)),
    };
    format!("passed: {checks} check{} of the protocol{examples}{skipped}", many(checks))
}
