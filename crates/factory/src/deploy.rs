//! What is started: a driver task for each deployment owns what runs, does what its life cycle says is to be done, and tells
//! what came of it.
//!
//! Knows no registry: what is written down is behind a [`Ledger`]; the facade brings the two together.

mod driver;
mod health;
mod local;
pub mod logs;
mod phases;
mod redaction;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use mcp_factory_connect::{Policy, Secrets};
use mcp_factory_engine::{CursorKey, Engine, Shared, Tasks, authentication::IssuedKeys};
use mcp_factory_spec::Spec;
use mcp_serve::{Approvals, BoxFuture, StateKey, middleware::Outcome};
use semver::Version;

use crate::lifecycle::{Action, Event};

pub(crate) use health::Probe;
pub use health::{Report, Unhealthy};
pub use local::{Local, LocalOptions};
pub use logs::{LogBounds, LogRing};
pub use phases::Fault;

/// One version of a server, as it is to run.
#[derive(Debug, Clone)]
pub struct Release {
    pub spec: Arc<Spec>,
    pub ground: Ground,
    /// It was healthy before, so that its examples are not run again.
    pub proven: bool,
}

/// What a server stands on: whose it is decides what it may reach.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Relative paths of the spec start here. Absolute.
    pub folder: PathBuf,
    pub secrets: Arc<dyn Secrets>,
    pub policy: Policy,
    /// What callers may come with beside the keys that the spec names.
    pub keys: IssuedKeys,
    /// What the connections stand on that an operator shares.
    pub shared: Shared,
    pub cursor_key: CursorKey,
    pub state_key: StateKey,
    pub tasks: Tasks,
    pub approvals: Approvals,
}

/// Where it is written down what happens to instances.
pub trait Ledger: Send + Sync + 'static {
    /// What an instance is made of.
    fn release<'a>(&'a self, server: &'a str, version: &'a Version) -> BoxFuture<'a, Result<Release, Fault>>;

    /// Returns what is to be done about it, when it is written. Told in the order in which it happens to each server.
    fn happened<'a>(&'a self, server: &'a str, news: News<'a>) -> BoxFuture<'a, Vec<Action>>;

    /// A call ended. Must not wait.
    fn called(&self, server: &str, tool: &str, outcome: Outcome, took: Duration);
}

/// What happened to an instance.
#[derive(Debug, Clone, Copy)]
pub struct News<'a> {
    pub generation: u64,
    pub event: Event,
    /// What it is an instance of, where it is healthy.
    pub version: Option<&'a Version>,
    /// Why it failed.
    pub fault: Option<&'a Fault>,
    /// Where it answers, once it is healthy.
    pub endpoint: Option<&'a str>,
}

/// What is known of a deployment without asking what is written down.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The last instance that came to something.
    pub generation: u64,
    /// What became of it.
    pub outcome: Result<Report, Fault>,
    /// What answers callers now.
    pub serving: Option<Serving>,
}

#[derive(Debug, Clone)]
pub struct Serving {
    pub version: Version,
    pub generation: u64,
    pub endpoint: String,
    pub since: SystemTime,
    /// What was tried before it was let to serve.
    pub report: Report,
    pub(crate) engine: Arc<Engine>,
}

impl Observed {
    /// What became of this instance: it may serve on where a later one came to nothing.
    #[must_use]
    pub fn of(self, generation: u64) -> Self {
        match &self.serving {
            Some(serving) if serving.generation == generation && self.generation > generation => {
                Self { generation, outcome: Ok(serving.report), ..self }
            }
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests;
