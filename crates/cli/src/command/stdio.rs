//! `mcp-factory stdio FILE`, or NAME (`registered.rs`): for clients that start their servers. Nothing but protocol goes to standard output.
//!
//! `mcp-factory stdio --factory` is the factory itself, for agents: the one that runs, reached by this process.

mod registered;

use std::{process::ExitCode, sync::Arc};

use mcp_serve::{Live, Principal, StateKey, http::Config, stdio};

use crate::{
    api::Api,
    approvals,
    args::{self, factory::Reach},
    command::serve,
    relay,
    reload::Reloader,
    signals, start,
    telemetry::Telemetry,
};

pub fn run(args: &args::Stdio) -> anyhow::Result<ExitCode> {
    if args.factory {
        return factory(&args.reach);
    }
    if let Some(name) = args.spec.name_of_a_server()? {
        return registered::run(&name, args);
    }
    let spec_args = &args.spec.spec;
    if spec_args.file == std::path::Path::new("-") {
        return Err(crate::exit::usage(
            "the spec can't come from standard input, where the client talks",
            "name a file",
        ));
    }
    let (reloader, spec, engine) = Reloader::start(spec_args, args.allow_stubs, !args.no_reload)?;
    let limits = mcp_factory_engine::limits(&spec);
    let principal = Principal::trusted(&args.principal);
    // Who approves says who they are with a key, where there are keys.
    approvals::of_this_program().open_on_loopback(serve::authenticator(&spec, None).ok());
    // Nobody else gets to see a handle of this process.
    let states = StateKey::default();
    let runtime = super::runtime()?;
    let outcome = runtime.block_on(async move {
        let (shutdown, hangups) = (signals::shutdown()?, signals::Hangups::listen()?);
        tracing::info!(server = %spec.name, version = %spec.version, tools = spec.tools.len(), "serving on stdio");
        let telemetry = Telemetry::start()?;
        let mut config = Config { limits, ..Config::default() };
        telemetry.hear(&mut config, spec.name.as_str());
        let live = Live::for_one_caller(engine.exposed(&states), config);
        let next = live.clone();
        tokio::spawn(reloader.follow(hangups, move |spec, engine| {
            next.replace_server(engine.exposed(&states), &mcp_factory_engine::limits(spec));
            Ok(())
        }));
        let served = stdio::serve_live(live, principal, shutdown).await;
        telemetry.end().await;
        served?;
        Ok(ExitCode::SUCCESS)
    });
    // A read of standard input can't be cancelled; waiting for it would keep the process after a signal.
    runtime.shutdown_background();
    outcome
}

fn factory(reach: &Reach) -> anyhow::Result<ExitCode> {
    if reach.api.is_none() {
        start::ensure(reach)?;
    }
    let runtime = super::runtime()?;
    let outcome = runtime.block_on(async {
        let shutdown = signals::shutdown()?;
        let api = Arc::new(Api::open(reach, args::Output::Text).await?);
        let input = tokio::io::BufReader::new(tokio::io::stdin());
        relay::run(api, &["factory", "mcp"], input, tokio::io::stdout(), shutdown).await?;
        Ok(ExitCode::SUCCESS)
    });
    runtime.shutdown_background();
    outcome
}
