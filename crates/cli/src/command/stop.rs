//! `mcp-factory stop NAME`: ends what runs of a server; it stays in the factory.

use std::process::ExitCode;

use super::deploy::told;
use crate::{api, args::servers::Named};

pub fn run(args: &Named) -> anyhow::Result<ExitCode> {
    api::with(&args.asking.reach, args.asking.output, async |api| {
        let ask = api.post(&["mcp", "servers", &args.name, "stop"]);
        told(api, &args.name, ask.doing(format!("stopping `{}`", args.name))).await
    })
}
