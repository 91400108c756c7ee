//! The way of a release: planned, proven, mounted. Each phase holds what has to be undone if the next one fails, and undoes
//! it when it is dropped; nothing of a release that never served is left.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use mcp_factory_engine::{
    Engine, Files, Plan, Problem, Surroundings,
    authentication::{self, AuthenticationError, Premises},
    limits,
};
use mcp_serve::{
    Authenticator, Changes, Limits, Live, StateKey,
    http::{Config, ConfigError, Host, MountError},
};
use semver::Version;
use url::Url;

use super::{
    Release,
    health::{self, Report, Unhealthy},
    logs::{Level, LogRing},
};

/// Why a release does not serve.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    #[error("this build can't run it: {}", list(.0))]
    Plan(Arc<Vec<Problem>>),
    #[error("{0}")]
    Authentication(Arc<AuthenticationError>),
    #[error(transparent)]
    Unhealthy(Arc<Unhealthy>),
    #[error("it can't be served here: {0}")]
    Mount(#[from] MountError),
    /// What it is made of can't be found, in the words of whoever looked for it.
    #[error("{0}")]
    Release(Arc<str>),
    #[error("it does not run now; an edit takes the place of what runs")]
    NotRunning,
    #[error("a later edit came before it")]
    Superseded,
    #[error("it was stopped before it ran")]
    Stopped,
    #[error("starting it panicked; the log of the factory says where")]
    Panicked,
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl From<ConfigError> for Fault {
    fn from(error: ConfigError) -> Self {
        Self::Mount(error.into())
    }
}

impl From<Unhealthy> for Fault {
    fn from(error: Unhealthy) -> Self {
        Self::Unhealthy(Arc::new(error))
    }
}

/// Compiled for this machine and its owner. Connections are not open yet.
#[derive(Debug)]
pub struct Planned {
    pub engine: Arc<Engine>,
    authenticator: Arc<dyn Authenticator>,
    limits: Limits,
    version: Version,
    state_key: StateKey,
    files: Files,
}

/// Where a server will be, and what it shares with the release before it.
#[derive(Debug, Clone)]
pub struct Site {
    pub name: Arc<str>,
    pub endpoint: Url,
    pub changes: Changes,
    pub logs: LogRing,
}

impl Planned {
    /// Blocks: it reads files and compiles.
    pub fn new(release: &Release, site: &Site) -> Result<Self, Fault> {
        let ground = &release.ground;
        let secrets = site.logs.redactions().around(ground.secrets.clone());
        let surroundings = Surroundings {
            folder: ground.folder.clone(),
            secrets: secrets.clone(),
            policy: ground.policy.clone(),
            cursor_key: ground.cursor_key.clone(),
            fresh_seeds: None,
            changes: Some(site.changes.clone()),
            tasks: ground.tasks.clone(),
            approvals: ground.approvals.clone(),
        };
        let mut shared = ground.shared.clone();
        for ground in shared.values_mut() {
            ground.secrets = site.logs.redactions().around(ground.secrets.clone());
        }
        let plan = if release.proven { Plan::again } else { Plan::with_shared };
        let plan = plan(&release.spec, &surroundings, &shared).map_err(|problems| Fault::Plan(Arc::new(problems)))?;
        for notice in plan.notices() {
            site.logs.say(Level::Warning, "plan", notice.as_str());
        }
        let premises = Premises {
            resource: Some(site.endpoint.clone()),
            secrets,
            policy: ground.policy.clone(),
            issued: Some(ground.keys.clone()),
        };
        let authenticator = authentication::authenticator(&release.spec, &premises)
            .map_err(|error| Fault::Authentication(Arc::new(error)))?;
        let (limits, files) = (limits(&release.spec), plan.files().clone());
        let (version, state_key) = (release.spec.version.clone(), ground.state_key.clone());
        Ok(Self { engine: Arc::new(plan.build()), authenticator, limits, version, state_key, files })
    }

    /// Initialises it and asks for its lists, and calls what may be called unasked. What it was made of goes with that: kept, the
    /// spec would be a good part of a server's memory.
    pub async fn prove(self, release: Release, within: Duration) -> Result<Proven, Fault> {
        let report = match tokio::time::timeout(within, health::check(&self.engine, &release)).await {
            Ok(report) => report?,
            Err(_) => return Err(Unhealthy::late(within).into()),
        };
        Ok(Proven { planned: self, report })
    }
}

/// It answers, as far as that was tried.
#[derive(Debug)]
pub struct Proven {
    planned: Planned,
    pub report: Report,
}

/// Served under its name. Dropped, it is unmounted, and its calls have a grace to end.
pub struct Mounted {
    host: Host,
    name: Arc<str>,
    live: Live,
    pub engine: Arc<Engine>,
    version: Version,
    pub generation: u64,
    pub since: SystemTime,
    pub report: Report,
    grace: Duration,
    mounted: bool,
}

impl Proven {
    /// Beside the spec, which it was made of.
    pub fn files(&self) -> &Files {
        &self.planned.files
    }

    pub fn mount(
        self,
        (host, site, config): (&Host, &Site, Config),
        generation: u64,
        grace: Duration,
    ) -> Result<Mounted, Fault> {
        let Self { planned: Planned { engine, authenticator, limits, version, state_key, .. }, report } = self;
        let exposed = engine.exposed(&state_key);
        let live = Live::new(exposed, authenticator, Config { limits, ..config });
        host.mount(&site.name, live.clone())?;
        let (host, name) = (host.clone(), site.name.clone());
        let since = SystemTime::now();
        Ok(Mounted { host, name, live, engine, version, generation, since, report, grace, mounted: true })
    }
}

impl Mounted {
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The next release takes over between two requests. Calls end with the one they began with. What is refused changes
    /// nothing.
    pub fn take_over(&mut self, next: Proven, generation: u64, changes: &Changes) -> Result<(), Fault> {
        let Proven { planned: Planned { engine, authenticator, limits, version, state_key, .. }, report } = next;
        let exposed = engine.exposed(&state_key);
        self.live.replace(exposed, authenticator, &limits)?;
        for change in engine.changes_since(&self.engine) {
            changes.notify(change);
        }
        (self.engine, self.version, self.generation, self.since) = (engine, version, generation, SystemTime::now());
        self.report = report;
        Ok(())
    }

    /// Returns how many calls did not end in time.
    pub async fn stop(mut self) -> usize {
        self.mounted = false;
        match self.host.unmount(&self.name, self.grace) {
            Some(unmounted) => unmounted.await.forced,
            None => 0,
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Without a runtime no call runs any more.
        if self.mounted && tokio::runtime::Handle::try_current().is_ok() {
            drop(self.host.unmount(&self.name, self.grace));
        }
    }
}

impl fmt::Debug for Mounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mounted").field("name", &self.name).field("version", self.version()).finish_non_exhaustive()
    }
}
