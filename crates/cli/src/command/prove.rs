//! `mcp-factory prove isolation [FILE]…`: a factory of its own, in a temporary folder, with tenants who all try to see what is
//! not theirs. Each has a canary: a word that stands in their rows and nowhere else. Whoever is answered with another's has
//! crossed, and so has whoever changes a row of another's.
//!
//! A proof in which nobody sees their own canary proves nothing, and says so.

mod ask;
mod ground;
mod postgres;
mod report;
mod rows;

use std::{path::Path, process::ExitCode, sync::Arc};

use anyhow::Context as _;

use crate::{args, exit, progress};
use ground::Ground;
use postgres::Postgres;
use report::Report;

pub fn run(args: &args::prove::Prove) -> anyhow::Result<ExitCode> {
    let args::prove::Prove::Isolation(args) = args;
    // The client's HTTP library wants a TLS provider even for loopback. Two are never installed: an error is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    super::runtime()?.block_on(isolation(args))
}

async fn isolation(args: &args::prove::Isolation) -> anyhow::Result<ExitCode> {
    let folder = tempfile::Builder::new().prefix("mcp-factory-prove-").tempdir().context("can't make a folder")?;
    let postgres = match &args.postgres {
        Some(url) => Some(Arc::new(Postgres::prepare(url).await?)),
        None => None,
    };
    let proven = progress::tell("trying to cross", prove(folder.path(), args, postgres.clone())).await;
    if let Some(postgres) = postgres {
        postgres.end().await;
    }
    let report = proven?;
    super::print(&report.rendered(args.output))?;
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILURE) })
}

async fn prove(
    folder: &Path,
    args: &args::prove::Isolation,
    postgres: Option<Arc<Postgres>>,
) -> anyhow::Result<Report> {
    let ground = Ground::prepare(folder, args.tenants.into(), &args.files, postgres).await?;
    let mut report = Report::new(&ground);
    for server in &ground.servers {
        ask::every_tool(&ground, server, &mut report).await?;
        ask::sessions_of_others(&ground, server, &mut report).await?;
    }
    ask::everything_else(&ground, &mut report).await?;
    ground.end().await;
    Ok(report)
}
