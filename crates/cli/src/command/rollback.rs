//! `mcp-factory rollback NAME`: makes a version the latest that was so before.

use std::process::ExitCode;

use serde_json::json;

use crate::{
    api,
    args::servers::Rollback,
    exit,
    output::{self, cell},
    program,
};

pub fn run(args: &Rollback) -> anyhow::Result<ExitCode> {
    api::with(&args.asking.reach, args.asking.output, async |api| {
        let wanted = match &args.to {
            Some(version) => json!({ "version": version.to_string() }),
            None => json!({}),
        };
        let ask = api.post(&["mcp", "servers", &args.name, "rollback"]).json(&wanted);
        let answer = ask.doing(format!("rolling `{}` back", args.name)).send().await;
        let answer = answer.map_err(|error| exit::about_server(error, &args.name))?;
        output::print(api.output(), &answer, |answer| {
            let (name, latest) = (&args.name, cell(&answer["latest"]));
            match answer["changed"].as_bool() {
                Some(false) => format!("{name} {latest} was the latest already\n"),
                _ => {
                    let deploy = program::line(&format!("deploy {name}"));
                    format!("{name} {latest} is the latest now\nnext: {deploy}\n")
                }
            }
        })?;
        Ok(ExitCode::SUCCESS)
    })
}
