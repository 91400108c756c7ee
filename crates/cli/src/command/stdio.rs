//! `mcp-factory stdio FILE`: for clients that start their servers. Nothing but protocol goes to standard output.

use std::{process::ExitCode, sync::Arc};

use mcp_serve::{Principal, stdio};

use crate::{args, command::serve, load, signals};

pub fn run(args: &args::Stdio) -> anyhow::Result<ExitCode> {
    if args.spec.file == std::path::Path::new("-") {
        return Err(crate::exit::usage(
            "the spec can't come from standard input, where the client talks",
            "name a file",
        ));
    }
    let (spec, engine) = load::engine(&args.spec, args.allow_stubs, load::Seeds::Real)?;
    let limits = serve::limits(&spec);
    let principal = Principal::trusted(&args.principal);
    let runtime = super::runtime()?;
    let outcome = runtime.block_on(async move {
        let shutdown = signals::shutdown()?;
        tracing::info!(server = %spec.name, version = %spec.version, tools = spec.tools.len(), "serving on stdio");
        stdio::serve_with(Arc::new(engine), principal, &limits, shutdown).await?;
        Ok(ExitCode::SUCCESS)
    });
    // A read of standard input can't be cancelled; waiting for it would keep the process after a signal.
    runtime.shutdown_background();
    outcome
}
