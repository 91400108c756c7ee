//! Several factories on one registry. Each serves every server that runs, so that it doesn't matter which one a caller reaches.
//!
//! Whoever was given a command drives the deployment from then on: its events are the ones that count. The others follow: they
//! run the instance that serves there, begin the next one when it took over there, and end it when that ended. Nobody drives
//! on behalf of somebody who is there: only when nothing is heard of a factory for the time of a lease, another one takes over
//! what it drove. What runs then goes on.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use semver::Version;
use tokio::time::MissedTickBehavior;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    Caller, Error, Factory, Operator, Owner,
    deployments::lifecycle_of,
    factory::Weak,
    hosting::{Hosting, PAGE, Served},
    lifecycle::{Action, Lifecycle, State},
    registry::{self, Beat, Deployment, Replica, Transaction},
};

/// What others did is noticed within this time.
const POLL: Duration = Duration::from_millis(250);

/// What is remembered between two looks.
#[derive(Debug, Default)]
struct Seen {
    revision: Option<u64>,
    others: HashMap<String, Heard>,
    /// Since the last look, and since our last beat.
    looked: Option<Instant>,
    beaten: Option<Instant>,
}

/// The last beat of another factory.
#[derive(Debug)]
struct Heard {
    beat: u64,
    /// For how long it did not change, while we could see.
    silent: Duration,
}

/// What runs in others runs here too, from now on. The first look is done when this returns.
pub(crate) async fn follow(factory: &Factory, lease: Duration) -> Result<AbortOnDropHandle<()>, Error> {
    let mut seen = Seen::default();
    look(factory, &mut seen, lease).await?;
    let following = going_on(factory.downgrade(), seen, lease);
    Ok(AbortOnDropHandle::new(tokio::spawn(following)))
}

async fn going_on(factory: Weak, mut seen: Seen, lease: Duration) {
    let mut ticks = tokio::time::interval(POLL.min(lease / 4));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_well = true;
    loop {
        ticks.tick().await;
        let Some(factory) = factory.upgrade() else { return };
        match look(&factory, &mut seen, lease).await {
            Ok(()) => is_well = true,
            // Told once, not at each look.
            Err(error) if is_well => {
                is_well = false;
                tracing::warn!(error = &error as &dyn std::error::Error, "what other factories do can't be followed");
            }
            Err(_) => {}
        }
    }
}

async fn look(factory: &Factory, seen: &mut Seen, lease: Duration) -> Result<(), Error> {
    let Some(hosting) = factory.hosting() else { return Ok(()) };
    let operator = Operator::acting();
    if seen.beaten.is_none_or(|beaten| beaten.elapsed() >= lease / 5) {
        let me = hosting.id.clone();
        let beats = factory.registry().write(move |transaction| transaction.beat(operator, &me)).await;
        if beats.map_err(Error::Registry)? == 1 {
            // It was thought to be gone, and what it ran with it.
            hosting.known.tell_all();
        }
        seen.beaten = Some(Instant::now());
    }
    tell(factory, hosting).await?;
    let both = move |transaction: &mut Transaction<'_>| {
        Ok::<_, registry::Error>((transaction.revision_of_deployments(operator)?, transaction.factories(operator)?))
    };
    let (revision, beats) = factory.registry().read(both).await.map_err(Error::Registry)?;
    for silent in seen.hear(beats, &hosting.id, lease) {
        let named = silent.factory.clone();
        let buried = factory.registry().write(move |transaction| transaction.bury(operator, &silent)).await;
        if buried.map_err(Error::Registry)? {
            tracing::warn!(factory = named, "a factory is not heard of any more; others take over what it drove");
        }
    }
    if seen.revision == Some(revision) {
        return Ok(());
    }
    mirror(factory).await?;
    seen.revision = Some(revision);
    Ok(())
}

/// What serves here is written down, for whoever asks another factory.
async fn tell(factory: &Factory, hosting: &Hosting) -> Result<(), Error> {
    let served = hosting.known.to_tell();
    if served.is_empty() {
        return Ok(());
    }
    let (me, told) = (hosting.id.clone(), served.clone());
    let written = factory.registry().write(move |transaction| {
        for Served { owner, server, runs } in &told {
            let runs = runs.as_ref().map(|(version, generation)| (version, *generation));
            transaction.put_replica(owner, server, &me, runs)?;
        }
        Ok::<_, registry::Error>(())
    });
    if let Err(error) = written.await {
        hosting.known.not_told(served);
        return Err(error.into());
    }
    Ok(())
}

impl Factory {
    /// What each of several factories runs of a server; nothing where there is one only.
    pub async fn replicas(&self, caller: &Caller, name: &str) -> Result<Vec<Replica>, Error> {
        if !self.registry().is_shared() {
            return Ok(Vec::new());
        }
        let name = name.to_owned();
        self.look(caller, move |transaction, owner| Ok(transaction.replicas(owner, &name)?)).await
    }

    /// This factory, among those that share a registry.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.hosting().map(|hosting| &*hosting.id)
    }
}

impl Seen {
    /// Returns those that were silent for longer than a lease. Time in which nothing could be seen is nobody's silence.
    fn hear(&mut self, beats: Vec<Beat>, me: &str, lease: Duration) -> Vec<Beat> {
        let passed = self.looked.replace(Instant::now()).map_or(Duration::ZERO, |looked| looked.elapsed());
        let passed = passed.min(POLL * 2);
        self.others.retain(|factory, _| beats.iter().any(|it| it.factory == *factory));
        let mut silent = Vec::new();
        for beat in beats.into_iter().filter(|it| it.factory != me) {
            let heard = self.others.entry(beat.factory.clone());
            let heard = heard.or_insert(Heard { beat: beat.beat, silent: Duration::ZERO });
            if heard.beat == beat.beat {
                heard.silent += passed;
            } else {
                *heard = Heard { beat: beat.beat, silent: Duration::ZERO };
            }
            if heard.silent > lease {
                silent.push(beat);
            }
        }
        silent
    }
}

/// Runs what others drive, and drives what nobody does.
async fn mirror(factory: &Factory) -> Result<(), Error> {
    let Some(hosting) = factory.hosting() else { return Ok(()) };
    // What is known before and not found then was removed; what begins meanwhile is not known yet.
    let before = hosting.known.all();
    let (factories, deployments) = factory.registry().read(everything).await.map_err(Error::Registry)?;
    for (server, which) in before {
        let is_there =
            |(owner, it): &(Owner, Deployment)| it.server == server && (owner, it.created) == (&which.0, which.1);
        let place = deployments.binary_search_by(|(_, it)| it.server.cmp(&server));
        if place.is_ok_and(|place| is_there(&deployments[place])) || !hosting.known.forget_this(&server, &which) {
            continue;
        }
        hosting.local.remove(&server).await;
        if place.is_err() {
            factory.remove_folder(&which.0, &server).await?;
        }
    }
    let is_live = |id: &str| factories.iter().any(|it| it.factory == id);
    let mut orphans = false;
    for (owner, deployment) in deployments {
        match deployment.factory.as_deref() {
            Some(id) if id == &*hosting.id => end_stray(factory, &deployment)?,
            Some(id) if is_live(id) => follow_one(factory, &owner, &deployment).await?,
            _ => {
                orphans = true;
                follow_one(factory, &owner, &deployment).await?;
            }
        }
    }
    if orphans {
        let is_orphan = |factory: Option<&str>, live: &[String]| {
            factory.is_none_or(|factory| !live.iter().any(|known| known == factory))
        };
        factory.bring_back(is_orphan, true).await?;
    }
    Ok(())
}

/// What was mirrored here before this factory was told to drive it, and is none of the instances that the command was about.
fn end_stray(factory: &Factory, deployment: &Deployment) -> Result<(), Error> {
    let Some(hosting) = factory.hosting() else { return Ok(()) };
    let ended = matches!(lifecycle_of(deployment)?.state(), State::Stopped | State::Failed);
    // One that was started since has a greater number.
    let stray = hosting.known.serving(&deployment.server).filter(|serving| ended && *serving <= deployment.launched);
    if let Some(generation) = stray {
        hosting.local.order(&deployment.server, vec![Action::Stop { generation }]);
    }
    Ok(())
}

async fn follow_one(factory: &Factory, owner: &Owner, deployment: &Deployment) -> Result<(), Error> {
    let Some(hosting) = factory.hosting() else { return Ok(()) };
    let lifecycle = lifecycle_of(deployment)?;
    let serving = serving(&lifecycle);
    let proven = serving.clone().flatten().map(|(version, _)| version);
    let (server, which) = (&*deployment.server, (owner.clone(), deployment.created));
    let mirroring = hosting.known.mirrors(server, &which, lifecycle.generation(), serving);
    if mirroring.replaces {
        hosting.local.remove(server).await;
    }
    if let Some(version) = proven {
        // It passed its checks where it is driven.
        hosting.known.is_healthy(server, &version);
    }
    if !mirroring.actions.is_empty() {
        hosting.local.order(server, mirroring.actions);
    }
    Ok(())
}

/// What is to serve: this instance, none, or (`None`) what does. While another starts in place of one that is gone where it is
/// driven, those that run elsewhere are as good as before.
fn serving(lifecycle: &Lifecycle) -> Option<Option<(Version, u64)>> {
    match lifecycle.state() {
        State::Running | State::Updating => {
            Some(lifecycle.serving().map(|(version, generation)| (version.clone(), generation)))
        }
        State::Starting | State::BackingOff => None,
        State::Stopping | State::Stopped | State::Failed => Some(None),
    }
}

type Everything = (Vec<Beat>, Vec<(Owner, Deployment)>);

fn everything(transaction: &mut Transaction<'_>) -> Result<Everything, registry::Error> {
    let operator = Operator::acting();
    let (factories, mut all) = (transaction.factories(operator)?, Vec::<(Owner, Deployment)>::new());
    loop {
        let after = all.last().map_or_else(String::new, |(_, last)| last.server.clone());
        let some = transaction.deployments(operator, &after, PAGE)?;
        if some.is_empty() {
            return Ok((factories, all));
        }
        all.extend(some);
    }
}
