//! `mcp-factory remove NAME`: a server with its versions, what runs of it and what was counted.

use std::process::ExitCode;

use serde_json::json;

use crate::{api, args::servers::Remove, output};

pub fn run(args: &Remove) -> anyhow::Result<ExitCode> {
    api::with(&args.asking.reach, args.asking.output, async |api| {
        let ask = api.delete(&["mcp", "servers", &args.name]).query("force", args.force.then_some(true));
        ask.doing(format!("removing `{}`", args.name)).send().await?;
        // The API answers without a body.
        output::print(api.output(), &json!({ "removed": args.name }), |_| format!("{} is removed\n", args.name))?;
        Ok(ExitCode::SUCCESS)
    })
}
