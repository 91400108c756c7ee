//! `mcp-factory restart NAME`: ends what runs of a server, and starts it again.

use std::process::ExitCode;

use super::deploy::told;
use crate::{api, args::servers::Named};

pub fn run(args: &Named) -> anyhow::Result<ExitCode> {
    api::with_running(&args.asking.reach, args.asking.output, true, async |api| {
        let ask = api.post(&["mcp", "servers", &args.name, "restart"]);
        told(api, &args.name, ask.doing(format!("restarting `{}`", args.name))).await
    })
}
