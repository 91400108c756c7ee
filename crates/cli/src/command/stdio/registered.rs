//! `mcp-factory stdio NAME`: a server of the factory, in this process. Another version takes its place when it is deployed, or is
//! the latest of a server that is not deployed.

use std::{process::ExitCode, time::Duration};

use mcp_factory::{Caller, Error, Factory, Standalone};
use mcp_serve::{Changes, Live, Principal, stdio};
use tokio::time::MissedTickBehavior;

use crate::{
    api, approvals,
    args::Stdio,
    exit,
    signals::{self, Hangups},
    telemetry::Telemetry,
};

/// Another version is noticed within this time.
const LOOK: Duration = Duration::from_secs(1);

pub fn run(name: &str, args: &Stdio) -> anyhow::Result<ExitCode> {
    if args.reach.api.is_some() {
        return Err(exit::usage(
            "a server on stdio runs on the data folder of this machine, and `--api` names another factory",
            "leave `--api` out, or give the client the server's URL: `mcp-factory connect NAME --http`",
        ));
    }
    let runtime = crate::command::runtime()?;
    let outcome = runtime.block_on(serve(name, args));
    // A read of standard input can't be cancelled; waiting for it would keep the process after a signal.
    runtime.shutdown_background();
    outcome
}

async fn serve(name: &str, args: &Stdio) -> anyhow::Result<ExitCode> {
    let (shutdown, hangups) = (signals::shutdown()?, Hangups::listen()?);
    let factory = api::open_factory(&args.reach).await?;
    let changes = Changes::new();
    let server = current(&factory, name, &changes).await.map_err(told)?;
    approvals::of_this_program().open_on_loopback(server.people.clone());
    tracing::info!(server = name, version = %server.spec.version, tools = server.spec.tools.len(), "serving on stdio");
    let telemetry = Telemetry::start()?;
    let live = telemetry.live(&factory, &Caller::local(), &server);
    if !args.no_reload {
        let following =
            Following { factory: factory.clone(), name: name.to_owned(), server, live: live.clone(), changes };
        tokio::spawn(following.follow(hangups));
    }
    let served = stdio::serve_live(live, Principal::trusted(&args.principal), shutdown).await;
    telemetry.end().await;
    factory.flush().await?;
    served?;
    Ok(ExitCode::SUCCESS)
}

async fn current(factory: &Factory, name: &str, changes: &Changes) -> Result<Standalone, Error> {
    let caller = Caller::local();
    let version = factory.current_version(&caller, name).await?;
    factory.standalone(&caller, name, &version, changes).await
}

fn told(error: Error) -> anyhow::Error {
    exit::of_code(error.code(), error.missing(), error.into())
}

struct Following {
    factory: Factory,
    name: String,
    server: Standalone,
    live: Live,
    changes: Changes,
}

impl Following {
    async fn follow(mut self, mut hangups: Hangups) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failed = None;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = hangups.next() => {}
            }
            match self.look().await {
                Ok(()) => failed = None,
                // Told once, not each second.
                Err(error) => {
                    let error = error.to_string();
                    if failed.as_ref() != Some(&error) {
                        tracing::error!(error, "the server goes on with version {}", self.server.spec.version);
                        failed = Some(error);
                    }
                }
            }
        }
    }

    async fn look(&mut self) -> Result<(), Error> {
        let caller = Caller::local();
        let version = self.factory.current_version(&caller, &self.name).await?;
        if version == self.server.spec.version {
            return Ok(());
        }
        let next = self.factory.standalone(&caller, &self.name, &version, &self.changes).await?;
        self.live.replace_server(next.exposed(), &next.limits);
        for change in next.engine.changes_since(&self.server.engine) {
            self.changes.notify(change);
        }
        tracing::info!(server = self.name, %version, "another version is served");
        self.server = next;
        Ok(())
    }
}
