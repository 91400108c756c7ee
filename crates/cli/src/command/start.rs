//! `mcp-factory start NAME`: has a server run again that was stopped.

use std::process::ExitCode;

use super::deploy::told;
use crate::{api, args::servers::Named};

pub fn run(args: &Named) -> anyhow::Result<ExitCode> {
    api::with_running(&args.asking.reach, args.asking.output, true, async |api| {
        let ask = api.post(&["mcp", "servers", &args.name, "start"]);
        told(api, &args.name, ask.doing(format!("starting `{}`", args.name))).await
    })
}
