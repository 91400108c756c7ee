//! A server for one caller, in a process of its own: desktop clients start their servers, and talk to them on stdio.

use std::{sync::Arc, time::Duration};

use mcp_factory_engine::{
    Engine, Plan, Surroundings,
    authentication::{self, Premises},
    limits,
};
use mcp_factory_spec::Spec;
use mcp_serve::{
    Authenticator, Changes, Limits, Live, NoAuthentication, Server, StateKey,
    http::Config,
    middleware::{Middleware, ObserveLayer, Observer, Outcome, ToolCall},
};
use semver::Version;

use crate::{Caller, Error, Factory, Owner, deploy::Ground, lifecycle::Desired, registry::Role};

/// One version, compiled for its owner and this machine; nothing is open yet.
#[derive(Debug)]
pub struct Standalone {
    pub spec: Arc<Spec>,
    pub engine: Arc<Engine>,
    pub limits: Limits,
    /// Whom it would let in over HTTP, where that can be known: people who approve calls say who they are.
    pub people: Option<Arc<dyn Authenticator>>,
    states: StateKey,
}

impl Standalone {
    /// As callers see it.
    #[must_use]
    pub fn exposed(&self) -> Arc<dyn Server> {
        self.engine.exposed(&self.states)
    }
}

impl Factory {
    /// For one caller, who is not asked who they are. Calls count as those of the server do anywhere.
    #[must_use]
    pub fn live(&self, caller: &Caller, server: &Standalone) -> Live {
        let middleware = Some(Middleware::new(self.counted(caller, server)));
        let config = Config { limits: server.limits.clone(), middleware, ..Config::default() };
        Live::new(server.exposed(), Arc::new(NoAuthentication::default()), config)
    }

    /// The same, with its calls told to whom the environment says.
    #[cfg(feature = "telemetry")]
    #[must_use]
    pub fn live_traced(&self, caller: &Caller, server: &Standalone, telemetry: &crate::telemetry::Telemetry) -> Live {
        let layers = (telemetry.layer(server.spec.name.as_str()), self.counted(caller, server));
        let (limits, middleware) = (server.limits.clone(), Some(Middleware::new(layers)));
        let config = Config { limits, middleware, trace_context: true, ..Config::default() };
        Live::new(server.exposed(), Arc::new(NoAuthentication::default()), config)
    }

    fn counted(&self, caller: &Caller, server: &Standalone) -> ObserveLayer<Counting> {
        let (owner, server) = (caller.owner().clone(), server.spec.name.to_string());
        ObserveLayer::new(Counting { factory: self.clone(), owner, server })
    }

    /// What whoever starts a server by themselves gets: the version that is meant to run, else the latest.
    pub async fn current_version(&self, caller: &Caller, name: &str) -> Result<Version, Error> {
        let details = self.get(caller, name).await?;
        let meant = details.deployment.filter(|deployment| deployment.desired == Desired::Running.as_str());
        Ok(meant.map_or(details.server.latest, |deployment| deployment.version))
    }

    /// Its clients hear of `changes` when another version takes its place.
    pub async fn standalone(
        &self,
        caller: &Caller,
        name: &str,
        version: &Version,
        changes: &Changes,
    ) -> Result<Standalone, Error> {
        caller.needs(Role::Developer)?;
        let (wanted, number) = (name.to_owned(), version.clone());
        let blockers = self.look(caller, move |transaction, owner| {
            let known = transaction.version(owner, &wanted, &number)?;
            known.map(|known| known.blockers).ok_or_else(|| Error::no_server(&wanted))
        });
        match blockers.await? {
            0 => {}
            blockers => {
                return Err(Error::NotDeployable { name: name.to_owned(), version: version.clone(), blockers });
            }
        }
        let release = self.release(caller.owner(), name, version).await?;
        let changes = changes.clone();
        tokio::task::spawn_blocking(move || compiled(release.spec, release.ground, changes)).await?
    }
}

fn compiled(spec: Arc<Spec>, ground: Ground, changes: Changes) -> Result<Standalone, Error> {
    let Ground { folder, secrets, policy, keys, shared, cursor_key, state_key, tasks, approvals } = ground;
    let premises = Premises { resource: None, secrets: secrets.clone(), policy: policy.clone(), issued: Some(keys) };
    let surroundings = Surroundings {
        folder,
        secrets,
        policy,
        cursor_key,
        fresh_seeds: None,
        changes: Some(changes),
        tasks,
        approvals,
    };
    let plan =
        Plan::with_shared(&spec, &surroundings, &shared).map_err(|problems| Error::Unplanned(Arc::new(problems)))?;
    for notice in plan.notices() {
        tracing::warn!("{notice}");
    }
    Ok(Standalone {
        people: authentication::authenticator(&spec, &premises).ok(),
        limits: limits(&spec),
        engine: Arc::new(plan.build()),
        states: state_key,
        spec,
    })
}

struct Counting {
    factory: Factory,
    owner: Owner,
    server: String,
}

impl Observer for Counting {
    type Seen = Box<str>;

    fn begin(&self, call: &ToolCall) -> Box<str> {
        call.tool[..call.tool.floor_char_boundary(128)].into()
    }

    fn end(&self, tool: Box<str>, outcome: Outcome, took: Duration) {
        // What never reached a tool is not counted: its name may be the caller's invention.
        if !matches!(outcome, Outcome::Refused | Outcome::InputRequired) {
            self.factory.count_call(&self.owner, &self.server, &tool, outcome != Outcome::Ok, took);
        }
    }
}
