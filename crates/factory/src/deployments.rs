//! Deployments: the verbs that change what is meant to run, and the books of the drivers that see to it. A command is written
//! down before anything is done about it; what was written and not done is done when the factory begins again.

use std::{sync::Arc, time::Duration};

use mcp_factory_connect::Grant;
use mcp_factory_engine::{Shared, SharedGround};
use mcp_factory_spec::model::ServerName;
use mcp_serve::{BoxFuture, middleware::Outcome};
use semver::Version;

use crate::{
    Caller, Error, Factory, NeededSecret, Owner,
    connections::Resolved,
    deploy::{Fault, Ground, Ledger, Local, LogRing, News, Observed, Release},
    factory::make_folder,
    grants::denied,
    ground::stands_on,
    hosting::{Hosting, Known},
    lifecycle::{Action, Command, Desired, Fallback, Lifecycle, Reply, State},
    registry::{self, Deployment, Role, Transaction},
    spec::read_again,
    telling::Told,
};

/// Where servers run that have no process of their own.
const LOCAL: &str = "local";
/// What came of a command.
#[derive(Debug, Clone)]
pub struct Commanded {
    /// As it was written down then.
    pub deployment: Deployment,
    /// Why nothing was to be done.
    pub already: Option<&'static str>,
    /// What was seen of it, where somebody waited.
    pub observed: Option<Observed>,
    /// What its version needs of its owner's secrets.
    pub secrets: Vec<NeededSecret>,
}

impl Factory {
    /// Until what was begun in this process is healthy, or is found not to be.
    pub async fn settled(&self) {
        if let Some(hosting) = self.hosting() {
            hosting.local.all_settled().await;
        }
    }

    /// Has a version run, the latest if none is named, in place of the one that runs: when it is healthy. Waits for that at most
    /// so long.
    pub async fn deploy(
        &self,
        caller: &Caller,
        name: &str,
        version: Option<&Version>,
        wait: Duration,
    ) -> Result<Commanded, Error> {
        let version = version.cloned();
        let command = move |transaction: &mut Transaction<'_>, owner: &Owner, server: &str| {
            let known = transaction.server(owner, server)?.ok_or_else(|| Error::no_server(server))?;
            let version = version.clone().unwrap_or(known.latest);
            let found = transaction.version(owner, server, &version)?;
            let found =
                found.ok_or_else(|| Error::NotFound { what: "version", name: format!("{server} {version}") })?;
            if found.blockers > 0 {
                return Err(Error::NotDeployable { name: server.to_owned(), version, blockers: found.blockers });
            }
            Ok(Command::Deploy(version))
        };
        self.command(caller, "servers.deploy", name, wait, command).await
    }

    pub async fn start(&self, caller: &Caller, name: &str, wait: Duration) -> Result<Commanded, Error> {
        self.command(caller, "servers.start", name, wait, |_, _, _| Ok(Command::Start)).await
    }

    pub async fn restart(&self, caller: &Caller, name: &str, wait: Duration) -> Result<Commanded, Error> {
        self.command(caller, "servers.restart", name, wait, |_, _, _| Ok(Command::Restart)).await
    }

    /// Where nothing runs, too: it is not started again then.
    pub async fn stop(&self, caller: &Caller, name: &str) -> Result<Commanded, Error> {
        self.command(caller, "servers.stop", name, Duration::ZERO, |_, _, _| Ok(Command::Stop)).await
    }

    /// What a server said lately. There is none where it does not run in this process, or never did.
    pub async fn logs(&self, caller: &Caller, name: &str) -> Result<Option<LogRing>, Error> {
        let wanted = name.to_owned();
        self.look(caller, move |transaction, owner| {
            transaction.server(owner, &wanted)?.ok_or_else(|| Error::no_server(&wanted)).map(drop)
        })
        .await?;
        Ok(self.hosting_of(caller, name).and_then(|hosting| hosting.local.logs(name)))
    }

    /// What runs in this process, if this is the caller's.
    pub(crate) fn hosting_of(&self, caller: &Caller, name: &str) -> Option<&Hosting> {
        self.hosting().filter(|hosting| hosting.known.of(name).as_ref() == Some(caller.owner()))
    }

    /// What runs now, as far as it is in this process.
    #[must_use]
    pub fn observed(&self, caller: &Caller, name: &str) -> Option<Observed> {
        self.hosting_of(caller, name)?.local.observed(name)
    }

    /// Where this factory is reached, if servers run in it.
    #[must_use]
    pub fn public_url(&self) -> Option<&url::Url> {
        self.hosting().map(|hosting| hosting.local.public_url())
    }

    /// Where the caller's server is known to run, if it does in this process.
    pub(crate) fn local_of(&self, caller: &Caller, name: &str) -> Option<&Local> {
        let hosting = self.hosting()?;
        hosting.known.of(name).filter(|owner| owner == caller.owner())?;
        Some(&hosting.local)
    }

    /// A server is removed, and with it what runs of it.
    pub(crate) async fn end_of(&self, owner: &Owner, name: &str) {
        if let Some(hosting) = self.hosting()
            && hosting.known.forget(name, owner)
        {
            hosting.local.remove(name).await;
        }
    }

    async fn command(
        &self,
        caller: &Caller,
        verb: &'static str,
        name: &str,
        wait: Duration,
        command: impl Fn(&mut Transaction<'_>, &Owner, &str) -> Result<Command, Error> + Send + 'static,
    ) -> Result<Commanded, Error> {
        let (server, me) = (name.to_owned(), self.hosting().map(|hosting| hosting.id.clone()));
        let stood_on = self.hosting_of(caller, name).and_then(|hosting| hosting.known.stands_on(name));
        let work = move |transaction: &mut Transaction<'_>, owner: &Owner| {
            let command = command(transaction, owner, &server)?;
            transaction.server(owner, &server)?.ok_or_else(|| Error::no_server(&server))?;
            if me.is_none() && command != Command::Stop {
                return Err(Error::NoTarget { target: LOCAL });
            }
            let known = transaction.deployment(owner, &server)?;
            let is_deploy = matches!(command, Command::Deploy(_));
            let (mut lifecycle, reply, known) = match (known, command) {
                (None, Command::Deploy(version)) => {
                    let (new, actions) = Lifecycle::deploy(version);
                    (new, Reply::Done(actions), None)
                }
                (None, _) => return Err(Error::NeverDeployed { name: server.clone() }),
                (Some(known), command) => {
                    let mut lifecycle = lifecycle_of(&known)?;
                    let runs_it = lifecycle.state() == State::Running
                        && match &command {
                            Command::Start => true,
                            Command::Deploy(version) => version == lifecycle.version(),
                            _ => false,
                        };
                    // It would be so already, but for what it is made of.
                    let command = match &stood_on {
                        Some(stood_on)
                            if runs_it && stands_on(transaction, owner, &server, lifecycle.version())? != *stood_on =>
                        {
                            Command::Renew
                        }
                        _ => command,
                    };
                    let reply = lifecycle.command(command)?;
                    (lifecycle, reply, Some(known))
                }
            };
            let is_to_do = matches!(&reply, Reply::Done(actions) if !actions.is_empty());
            if me.is_none() && is_to_do {
                // Nothing runs here. Where something does, it is seen that nobody drives it and nothing is to serve.
                let _ = lifecycle.recover();
            }
            let mut deployment = written(&server, &lifecycle, known.as_ref());
            // Why another version does not run is no news of one that does.
            if is_deploy && lifecycle.state() == State::Running {
                deployment.problem = None;
            }
            // Whoever has something to do drives it; who was told to do something before has that to end.
            if is_to_do {
                deployment.factory = me.as_deref().map(str::to_owned);
            }
            transaction.put_deployment(owner, &deployment)?;
            let deployment = transaction.deployment(owner, &server)?.ok_or(registry::Error::Content)?;
            // A version that was tried since and did not serve is another one's.
            let awaited = match lifecycle.state() {
                State::Running => lifecycle.generation(),
                // What is to run begins when what ends has ended.
                State::Stopping => lifecycle.launched() + 1,
                _ => lifecycle.launched(),
            };
            Ok((deployment, reply, awaited))
        };
        let (deployment, reply, awaited) = self.change(caller, Role::Developer, verb, name, work).await?;
        let secrets = self.needed_secrets(caller, name, &deployment.version).await?;
        let (actions, already) = match reply {
            Reply::Done(actions) => (actions, None),
            Reply::AlreadySo(why) => (Vec::new(), Some(why)),
        };
        let Some(hosting) = self.hosting() else {
            return Ok(Commanded { deployment, already, observed: None, secrets });
        };
        if !actions.is_empty() {
            self.order(caller.owner(), &deployment, None, actions).await;
        }
        let settled = hosting.local.settled(name, awaited);
        let observed = if wait.is_zero() || deployment.desired != Desired::Running.as_str() {
            None
        } else {
            tokio::time::timeout(wait, settled).await.ok().flatten().map(|observed| observed.of(awaited))
        };
        let mut deployment = deployment;
        if let Some(Observed { outcome: Ok(_), serving: Some(serving), .. }) = &observed
            && serving.generation == awaited
        {
            // What was waited for is so by now.
            State::Running.as_str().clone_into(&mut deployment.state);
            deployment.endpoint = Some(serving.endpoint.clone());
            (deployment.fallback, deployment.problem) = (None, None);
        }
        Ok(Commanded { deployment, already, observed, secrets })
    }
}

pub(crate) fn lifecycle_of(known: &Deployment) -> Result<Lifecycle, registry::Error> {
    let fallback = known.fallback.clone().map(|(version, generation)| Fallback { version, generation });
    let desired: Desired = known.desired.parse().map_err(|_| registry::Error::Content)?;
    let state: State = known.state.parse().map_err(|_| registry::Error::Content)?;
    let generations = (known.generation, known.launched);
    Lifecycle::restored(desired, state, known.version.clone(), generations, fallback, known.failures)
        .ok_or(registry::Error::Content)
}

pub(crate) fn written(server: &str, lifecycle: &Lifecycle, known: Option<&Deployment>) -> Deployment {
    let serves = matches!(lifecycle.state(), State::Running | State::Updating);
    Deployment {
        server: server.to_owned(),
        target: LOCAL.to_owned(),
        desired: lifecycle.desired().as_str().to_owned(),
        state: lifecycle.state().as_str().to_owned(),
        version: lifecycle.version().clone(),
        fallback: lifecycle.fallback().map(|fallback| (fallback.version.clone(), fallback.generation)),
        generation: lifecycle.generation(),
        launched: lifecycle.launched(),
        failures: lifecycle.failures(),
        problem: known.and_then(|known| known.problem.clone()),
        endpoint: known.and_then(|known| known.endpoint.clone()).filter(|_| serves),
        factory: known.and_then(|known| known.factory.clone()),
        // Set by the registry.
        created: known.map_or_else(Default::default, |known| known.created),
        updated: known.map_or_else(Default::default, |known| known.updated),
    }
}

/// Between the drivers and the registry. Drivers end with the factory, so that they don't keep it.
pub(crate) struct Books {
    pub(crate) factory: crate::factory::Weak,
    pub(crate) known: Arc<Known>,
}

impl Ledger for Books {
    fn release<'a>(&'a self, server: &'a str, version: &'a Version) -> BoxFuture<'a, Result<Release, Fault>> {
        Box::pin(async move {
            let gone = || Fault::Release("the server is gone".into());
            let factory = self.factory.upgrade().ok_or_else(gone)?;
            let owner = self.known.of(server).ok_or_else(gone)?;
            let failed = |error: Error| match error {
                Error::Unplanned(problems) => Fault::Plan(problems),
                error => Fault::Release(error.to_string().into()),
            };
            let (of, named, number) = (owner.clone(), server.to_owned(), version.clone());
            // Looked at before: what changes meanwhile is news.
            let stands = factory.registry().read(move |it| stands_on(it, &of, &named, &number)).await;
            let stands = stands.map_err(|error| failed(Error::Registry(error)))?;
            let release = factory.release(&owner, server, version).await.map_err(failed)?;
            self.known.is_made_of(server, stands);
            Ok(Release { proven: self.known.was_healthy(server, version), ..release })
        })
    }

    fn happened<'a>(&'a self, server: &'a str, news: News<'a>) -> BoxFuture<'a, Vec<Action>> {
        Box::pin(async move {
            let (Some(factory), Some(owner)) = (self.factory.upgrade(), self.known.of(server)) else {
                return Vec::new();
            };
            self.known.hears(server, news.generation, news.event, news.version);
            if let Some(actions) = self.known.happened_to_mirror(server, news.generation, news.event) {
                return actions;
            }
            let mut pause = Duration::from_millis(50);
            loop {
                match factory.happened(&owner, server, news).await {
                    Ok(actions) => {
                        self.known.is_to_do(server, &actions);
                        return actions;
                    }
                    Err(error) => {
                        let error = error.to_string();
                        tracing::error!(server, error, "what happened can't be written down yet");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(Duration::from_secs(10));
                    }
                }
            }
        })
    }

    /// What never reached a tool is not counted: its name may be the caller's invention.
    fn called(&self, server: &str, tool: &str, outcome: Outcome, took: Duration) {
        if matches!(outcome, Outcome::Refused | Outcome::InputRequired) {
            return;
        }
        if let (Some(factory), Some(owner)) = (self.factory.upgrade(), self.known.of(server)) {
            factory.count_call(&owner, server, tool, outcome != Outcome::Ok, took);
        }
    }
}

impl Factory {
    /// What is to run, put together with what operators share.
    pub(crate) async fn release(&self, owner: &Owner, server: &str, version: &Version) -> Result<Release, Error> {
        let (wanted, of, number) = (server.to_owned(), owner.clone(), version.clone());
        let (text, info) = self
            .registry()
            .read(move |transaction| {
                let text = transaction.spec(&of, &wanted, &number)?;
                let info = transaction.version(&of, &wanted, &number)?;
                text.zip(info).ok_or_else(|| Error::no_server(&wanted))
            })
            .await?;
        let spec = tokio::task::spawn_blocking(move || read_again(&text)).await?.ok_or(registry::Error::Content)?;
        self.release_of(owner, server, spec, info.folder).await
    }

    /// What is tried and was not granted is written down.
    fn watched(&self, policy: mcp_factory_connect::Policy, owner: &Owner, server: &str) -> mcp_factory_connect::Policy {
        let (factory, owner, server) = (self.downgrade(), owner.clone(), server.to_owned());
        policy.watched(move |grant| {
            if let Some(factory) = factory.upgrade() {
                factory.note_refusal(&owner, &server, grant.code());
            }
        })
    }

    /// The same of a spec, whether or not it is registered; without a folder of its own, in the factory's for the server.
    pub(crate) async fn release_of(
        &self,
        owner: &Owner,
        server: &str,
        spec: mcp_factory_spec::Spec,
        folder: Option<std::path::PathBuf>,
    ) -> Result<Release, Error> {
        let (spec, shared) = match self.resolve(owner, &spec).await? {
            None => (spec, Shared::new()),
            Some(Resolved { spec: Some(whole), shared, .. }) => (whole, shared),
            Some(Resolved { problems, .. }) => return Err(Error::Unplanned(Arc::new(problems))),
        };
        // What it reaches through a shared connection is judged by that one's policy, and written down as theirs.
        let watched = |(name, ground): (String, SharedGround)| {
            (name, SharedGround { policy: self.watched(ground.policy, owner, server), ..ground })
        };
        let shared = shared.into_iter().map(watched).collect();
        let name = ServerName::new(server).ok_or_else(|| Error::no_server(server))?;
        let folder = match folder {
            Some(folder) => folder,
            // Another factory may have made the server, in a folder of its own.
            None => make_folder(self.folder_of(owner, &name)).await?,
        };
        let secrets = self.secrets_of(owner).await?;
        let ground = Ground {
            policy: self.watched(self.policy_of(owner).await?, owner, server).with(Grant::Path(folder.clone())),
            folder,
            secrets: Arc::new(secrets),
            keys: self.issued_keys(owner, &name),
            shared,
            cursor_key: self.cursors(),
            state_key: self.states(),
            tasks: self.tasks(),
            approvals: self.approvals(),
        };
        Ok(Release { spec: Arc::new(spec), ground, proven: false })
    }

    async fn happened(&self, owner: &Owner, server: &str, news: News<'_>) -> Result<Vec<Action>, registry::Error> {
        let Some(me) = self.hosting().map(|hosting| hosting.id.clone()) else { return Ok(Vec::new()) };
        let denied = match news.fault {
            Some(Fault::Plan(problems)) => denied(problems),
            _ => Vec::new(),
        };
        let told = Told {
            owner: owner.clone(),
            server: server.to_owned(),
            generation: news.generation,
            event: news.event,
            denied,
            problem: news.fault.map(ToString::to_string),
            endpoint: news.endpoint.map(str::to_owned),
        };
        self.telling().tell(self.registry(), &me, told).await
    }
}
