//! What runs in this process: beginning, orders to its drivers, and what they are known to run.

use std::{
    collections::{HashMap, HashSet},
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use mcp_serve::http::Host;
use ring::rand::{SecureRandom as _, SystemRandom};
use semver::Version;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    Error, Factory, Operator, Owner,
    deploy::{Local, LocalOptions},
    deployments::{Books, lifecycle_of, written},
    ground::Stands,
    lifecycle::{Action, Event},
    registry::{self, Deployment, Timestamp, Transaction},
    replicas,
};

/// Read at once when a factory begins.
pub(crate) const PAGE: u32 = 500;

#[derive(Debug)]
pub(crate) struct Hosting {
    pub(crate) local: Local,
    pub(crate) known: Arc<Known>,
    /// This factory, among those that share a registry: the same whenever it begins with this data folder.
    pub(crate) id: Arc<str>,
    /// Nobody else hosts with this data folder.
    lock: Mutex<Option<File>>,
    following: OnceLock<AbortOnDropHandle<()>>,
}

/// What the drivers of this process run, and for whom.
#[derive(Debug, Default)]
pub(crate) struct Known {
    entries: Mutex<HashMap<String, Entry>>,
    /// What serves of these is another since it was last told to other factories.
    untold: Mutex<HashSet<String>>,
}

/// One deployment. Another of the same name was made at another time, or is somebody else's.
#[derive(Debug, Clone)]
struct Entry {
    which: Which,
    /// The version that was healthy before.
    healthy: Option<Version>,
    /// The instance that serves here.
    serving: Option<u64>,
    /// The version of that.
    runs: Option<Version>,
    /// The last instance that was to be started here.
    started: u64,
    /// What runs here as it does in the factory that drives it.
    mirrored: Option<Mirrored>,
    /// What the last instance was made of.
    stands_on: Option<Stands>,
}

pub(crate) type Which = (Owner, Timestamp);

/// What serves of a server in this process.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) owner: Owner,
    pub(crate) server: String,
    pub(crate) runs: Option<(Version, u64)>,
}

#[derive(Debug, Clone)]
struct Mirrored {
    version: Version,
    generation: u64,
    failures: u32,
}

/// What is to be done so that this process runs what another one drives.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Mirroring {
    /// What has the name here is another deployment, and ends first.
    pub(crate) replaces: bool,
    pub(crate) actions: Vec<Action>,
}

/// What a follower does after a failure, and how long at most.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl Known {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn untold(&self) -> MutexGuard<'_, HashSet<String>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this process drives it, and is to do this. `false` when it was another deployment until now.
    pub(crate) fn drives(&self, server: &str, which: &Which, actions: &[Action]) -> bool {
        let mut known = self.lock();
        let is_another = known.get(server).is_some_and(|it| it.which != *which);
        if is_another {
            known.remove(server);
        }
        let entry = known.entry(server.to_owned()).or_insert_with(|| Entry::new(which));
        entry.mirrored = None;
        entry.note(actions);
        !is_another
    }

    /// It runs what another factory says that it runs: `serving`, nothing, or (`None`) what it runs anyway.
    pub(crate) fn mirrors(
        &self,
        server: &str,
        which: &Which,
        generation: u64,
        serving: Option<Option<(Version, u64)>>,
    ) -> Mirroring {
        let mut known = self.lock();
        let replaces = known.get(server).is_some_and(|it| it.which != *which);
        if replaces {
            known.remove(server);
        }
        let is_known = known.contains_key(server);
        let actions = match serving {
            Some(Some((version, generation))) => {
                let entry = known.entry(server.to_owned()).or_insert_with(|| Entry::new(which));
                entry.mirror(version, generation)
            }
            Some(None) if is_known => {
                let entry = known.get_mut(server).expect("it is known");
                entry.mirrored = None;
                let mut ended: Vec<u64> = entry.serving.into_iter().chain([entry.started, generation]).collect();
                ended.retain(|generation| *generation > 0);
                ended.sort_unstable();
                ended.dedup();
                if entry.serving.is_none() && entry.started == 0 {
                    ended.clear()
                }
                (entry.serving, entry.started) = (None, 0);
                ended.into_iter().map(|generation| Action::Stop { generation }).collect()
            }
            _ => Vec::new(),
        };
        Mirroring { replaces, actions }
    }

    /// What there is to do here about an instance that another factory drives. `None` where this one does.
    pub(crate) fn happened_to_mirror(&self, server: &str, generation: u64, event: Event) -> Option<Vec<Action>> {
        let mut known = self.lock();
        let entry = known.get_mut(server)?;
        let mirrored = entry.mirrored.as_mut().filter(|mirrored| mirrored.generation == generation)?;
        Some(match event {
            Event::Failed | Event::Exited => {
                let time = FIRST_WAIT.saturating_mul(1 << mirrored.failures.min(16)).min(LONGEST_WAIT);
                mirrored.failures += 1;
                entry.serving = entry.serving.filter(|serving| *serving != generation);
                vec![Action::Wait { generation, time }]
            }
            Event::Waited => vec![Action::Start { version: mirrored.version.clone(), generation }],
            Event::Healthy => {
                mirrored.failures = 0;
                Vec::new()
            }
            Event::Stopped | Event::Settled => Vec::new(),
        })
    }

    pub(crate) fn is_to_do(&self, server: &str, actions: &[Action]) {
        if let Some(entry) = self.lock().get_mut(server) {
            entry.note(actions);
        }
    }

    pub(crate) fn of(&self, server: &str) -> Option<Owner> {
        self.lock().get(server).map(|it| it.which.0.clone())
    }

    /// The instance that serves here.
    pub(crate) fn serving(&self, server: &str) -> Option<u64> {
        self.lock().get(server)?.serving
    }

    pub(crate) fn stands_on(&self, server: &str) -> Option<Stands> {
        self.lock().get(server)?.stands_on.clone()
    }

    pub(crate) fn is_made_of(&self, server: &str, stands: Stands) {
        if let Some(entry) = self.lock().get_mut(server) {
            entry.stands_on = Some(stands);
        }
    }

    pub(crate) fn was_healthy(&self, server: &str, version: &Version) -> bool {
        self.lock().get(server).is_some_and(|it| it.healthy.as_ref() == Some(version))
    }

    pub(crate) fn is_healthy(&self, server: &str, version: &Version) {
        if let Some(entry) = self.lock().get_mut(server) {
            entry.healthy = Some(version.clone());
        }
    }

    /// What is heard of what runs here.
    pub(crate) fn hears(&self, server: &str, generation: u64, event: Event, version: Option<&Version>) {
        let mut known = self.lock();
        let Some(entry) = known.get_mut(server) else { return };
        match event {
            Event::Healthy => {
                entry.serving = Some(generation);
                entry.healthy = version.cloned().or(entry.healthy.take());
                entry.runs = entry.healthy.clone();
            }
            Event::Stopped | Event::Exited if entry.serving == Some(generation) => entry.serving = None,
            Event::Stopped | Event::Exited => {}
            _ => return,
        }
        drop(known);
        self.untold().insert(server.to_owned());
    }

    /// What serves here, as far as it is another than was told.
    pub(crate) fn to_tell(&self) -> Vec<Served> {
        let untold = std::mem::take(&mut *self.untold());
        let known = self.lock();
        let told = untold.into_iter().filter_map(|server| {
            let entry = known.get(&server)?;
            let runs = entry.runs.clone().zip(entry.serving);
            Some(Served { owner: entry.which.0.clone(), server, runs })
        });
        told.collect()
    }

    /// It is to be told later.
    pub(crate) fn not_told(&self, served: Vec<Served>) {
        self.untold().extend(served.into_iter().map(|it| it.server));
    }

    /// Nobody knows of it any more.
    pub(crate) fn tell_all(&self) {
        let all: Vec<String> = self.lock().keys().cloned().collect();
        self.untold().extend(all);
    }

    /// `false` when it is not this one's.
    pub(crate) fn forget(&self, server: &str, owner: &Owner) -> bool {
        let mut known = self.lock();
        let is_theirs = known.get(server).is_some_and(|it| it.which.0 == *owner);
        if is_theirs {
            known.remove(server);
        }
        is_theirs
    }

    /// `false` when it is another one by now.
    pub(crate) fn forget_this(&self, server: &str, which: &Which) -> bool {
        let mut known = self.lock();
        let is_this = known.get(server).is_some_and(|it| it.which == *which);
        if is_this {
            known.remove(server);
        }
        is_this
    }

    pub(crate) fn all(&self) -> Vec<(String, Which)> {
        self.lock().iter().map(|(server, it)| (server.clone(), it.which.clone())).collect()
    }
}

impl Entry {
    fn new(which: &Which) -> Self {
        Self {
            which: which.clone(),
            healthy: None,
            serving: None,
            runs: None,
            started: 0,
            mirrored: None,
            stands_on: None,
        }
    }

    fn note(&mut self, actions: &[Action]) {
        for action in actions {
            if let Action::Start { generation, .. } = action {
                self.started = self.started.max(*generation);
            }
        }
    }

    fn mirror(&mut self, version: Version, generation: u64) -> Vec<Action> {
        if self.mirrored.as_ref().is_some_and(|it| it.generation == generation) {
            return Vec::new();
        }
        let starts = self.serving != Some(generation);
        self.mirrored = Some(Mirrored { version: version.clone(), generation, failures: 0 });
        self.started = self.started.max(generation);
        if starts { vec![Action::Start { version, generation }] } else { Vec::new() }
    }
}

impl Factory {
    /// From now on servers run in this process, on this host; all that were meant to run begin again. Returns how many. What other
    /// factories drive runs here too.
    pub async fn host(&self, host: Host, mut options: LocalOptions) -> Result<usize, Error> {
        // What clients carry between the rounds of a question outlives the process, and goes to any factory of this key.
        options.serving.state_key = self.states();
        let data = self.data().to_owned();
        let (lock, id) = tokio::task::spawn_blocking(move || take(&data)).await??;
        let id: Arc<str> = id.into();
        let known = Arc::new(Known::default());
        let (factory, of) = (self.downgrade(), known.clone());
        host.observe_refusals(move |server, status| {
            let why = if status == http::StatusCode::UNAUTHORIZED { "unauthenticated" } else { "forbidden" };
            if let (Some(factory), Some(owner)) = (factory.upgrade(), of.of(server)) {
                factory.note_refusal(&owner, server, why);
            }
        });
        let books = Books { factory: self.downgrade(), known: known.clone() };
        let lease = options.lease;
        let local = Local::new(host, options, Arc::new(books));
        let hosting = Hosting { local, known, id, lock: Mutex::new(Some(lock)), following: OnceLock::new() };
        if !self.hosts(hosting) {
            return Err(Error::argument("this factory", "hosts servers already"));
        }
        let hosting = self.hosting().expect("it hosts now");
        let (is_shared, me) = (self.registry().is_shared(), hosting.id.clone());
        if is_shared {
            let me = me.clone();
            self.registry()
                .write(move |transaction| transaction.beat(Operator::acting(), &me))
                .await
                .map_err(Error::Registry)?;
        }
        let is_orphan = move |factory: Option<&str>, others: &[String]| {
            !is_shared || factory.is_none_or(|factory| factory == &*me || !others.iter().any(|other| other == factory))
        };
        let begun = self.bring_back(is_orphan, false).await?;
        if is_shared {
            let _ = hosting.following.set(replicas::follow(self, lease).await?);
        }
        Ok(begun)
    }

    /// Ends what runs in this process. It is meant to run still.
    pub async fn unhost(&self) {
        if let Some(hosting) = self.hosting() {
            hosting.local.shutdown().await;
            if self.registry().is_shared() {
                let me = hosting.id.clone();
                let left = self.registry().write(move |transaction| transaction.leave(Operator::acting(), &me)).await;
                if let Err(error) = left {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "other factories were not told that this one ends; they will notice");
                }
            }
            drop(hosting.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
        if let Err(error) = self.flush().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the last calls could not be written down");
        }
    }

    /// Drives from now on what nobody drives any more. What was half done is finished or undone. What runs is left as it is when it
    /// `goes_on`. Returns how many are to do something.
    pub(crate) async fn bring_back(
        &self,
        is_orphan: impl Fn(Option<&str>, &[String]) -> bool + Clone + Send + 'static,
        goes_on: bool,
    ) -> Result<usize, Error> {
        let Some(hosting) = self.hosting() else { return Ok(0) };
        let (mut after, mut begun) = (String::new(), 0);
        loop {
            let (from, me, is_orphan) = (after.clone(), hosting.id.clone(), is_orphan.clone());
            let work = move |transaction: &mut Transaction<'_>| recover(transaction, &me, &from, &is_orphan, goes_on);
            let (last, recovered) = self.registry().write(work).await.map_err(Error::Registry)?;
            for Recovered { deployment, owner, ran, mut actions } in recovered {
                let server = &deployment.server;
                if let (true, Some((version, generation))) = (actions.is_empty(), &ran)
                    && hosting.known.serving(server) != Some(*generation)
                {
                    actions = vec![Action::Start { version: version.clone(), generation: *generation }];
                }
                if actions.is_empty() && ran.is_none() {
                    continue;
                }
                begun += 1;
                let proven = ran.map(|(version, _)| version);
                self.order(&owner, &deployment, proven.as_ref(), actions).await;
            }
            let Some(last) = last else { return Ok(begun) };
            after = last;
        }
    }

    /// Has it done in this process, which drives it from now on.
    pub(crate) async fn order(
        &self,
        owner: &Owner,
        deployment: &Deployment,
        proven: Option<&Version>,
        actions: Vec<Action>,
    ) {
        let Some(hosting) = self.hosting() else { return };
        let server = &*deployment.server;
        if !hosting.known.drives(server, &(owner.clone(), deployment.created), &actions) {
            // A name that was given up, and is another's now: nothing of the one before is left.
            hosting.local.remove(server).await;
        }
        if let Some(version) = proven {
            hosting.known.is_healthy(server, version);
        }
        hosting.local.order(server, actions);
    }
}

struct Recovered {
    owner: Owner,
    deployment: Deployment,
    /// What was healthy until now, and its instance.
    ran: Option<(Version, u64)>,
    actions: Vec<Action>,
}

/// What was half done when another factory ended is finished or undone. Some at a time: returns where to go on.
fn recover(
    transaction: &mut Transaction<'_>,
    me: &str,
    after: &str,
    is_orphan: &impl Fn(Option<&str>, &[String]) -> bool,
    goes_on: bool,
) -> Result<(Option<String>, Vec<Recovered>), registry::Error> {
    let operator = Operator::acting();
    let factories: Vec<String> = transaction.factories(operator)?.into_iter().map(|it| it.factory).collect();
    let deployments = transaction.deployments(operator, after, PAGE)?;
    let last = deployments.last().map(|(_, last)| last.server.clone());
    let mut recovered = Vec::with_capacity(deployments.len());
    for (owner, known) in deployments {
        if !is_orphan(known.factory.as_deref(), &factories) {
            continue;
        }
        let mut lifecycle = lifecycle_of(&known)?;
        let ran = lifecycle.serving().map(|(version, generation)| (version.clone(), generation));
        let runs = lifecycle.state() == crate::lifecycle::State::Running;
        let actions = if goes_on && runs { Vec::new() } else { lifecycle.recover() };
        let deployment =
            Deployment { factory: Some(me.to_owned()), ..written(&known.server, &lifecycle, Some(&known)) };
        transaction.put_deployment(&owner, &deployment)?;
        recovered.push(Recovered { owner, deployment, ran: ran.filter(|_| runs || !actions.is_empty()), actions });
    }
    Ok((last, recovered))
}

/// The name of this factory, and the lock that is its claim to it. The kernel lets go of it when the process ends, however it ends.
fn take(data: &Path) -> Result<(File, String), Error> {
    let path = data.join("factory-id");
    let failed = |source| Error::Folder { path: path.display().to_string(), source };
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => Error::Hosted { data: data.display().to_string() },
        TryLockError::Error(source) => failed(source),
    })?;
    let mut id = String::new();
    file.read_to_string(&mut id).map_err(failed)?;
    let is_id = |id: &str| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_id(&id) {
        let mut random = [0; 8];
        SystemRandom::new().fill(&mut random).expect("the machine has random numbers");
        id = random.iter().map(|byte| format!("{byte:02x}")).collect();
        file.set_len(0).and_then(|()| file.write_all(id.as_bytes())).and_then(|()| file.sync_all()).map_err(failed)?;
    }
    Ok((file, id))
}
