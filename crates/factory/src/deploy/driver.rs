//! One task for each deployment. It owns what runs and is the only one to change that. What it does it is told by the life
//! cycle: by whoever gave a command, and by what comes of its own news.

use std::{collections::VecDeque, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use mcp_factory_engine::Files;
use mcp_serve::http::Config;
use semver::Version;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    News, Observed, Release, Report, Serving,
    local::Shared,
    logs::{self, Level},
    phases::{Fault, Mounted, Planned, Proven, Site},
};
use crate::lifecycle::{Action, Event};

/// What a driver is told from outside.
#[derive(Debug)]
pub(super) enum Order {
    Do(Vec<Action>),
    /// Unlike a version, it is nothing that is meant to run: it serves as long as the instance does whose place it takes.
    Try(Edit),
    /// Nothing more.
    End,
}

/// What somebody works on, to be served in place of what runs.
#[derive(Debug)]
pub(super) struct Edit {
    pub(super) release: Box<Release>,
    /// The files that it was made of.
    pub(super) done: oneshot::Sender<Result<Files, Fault>>,
}

pub(super) struct Driver {
    shared: Arc<Shared>,
    site: Site,
    config: Config,
    orders: mpsc::UnboundedReceiver<Order>,
    /// What was ordered, and is not done yet.
    to_do: VecDeque<Action>,
    /// The latest: who waits for an older one hears that there is a newer.
    edit: Option<Edit>,
    ending: bool,
    observed: watch::Sender<Option<Observed>>,
    mounted: Option<Mounted>,
    /// An instance that was started again after a failure, and since when it runs.
    recovering: Option<Instant>,
    waited: bool,
    /// The last instance that was given up: orders of two commands may come in another order than those were written down.
    given_up: u64,
}

/// Drives until the end. A driver that panics has let go of what it held, which is as if that had crashed.
pub(super) async fn supervise(mut driver: Driver) {
    let ring = driver.site.logs.clone();
    let work = async {
        while AssertUnwindSafe(driver.drive()).catch_unwind().await.is_err() {
            tracing::error!(
                server = &*driver.site.name,
                "the driver of a deployment panicked; what it ran has crashed"
            );
            if let Some(mounted) = driver.mounted.take() {
                let generation = mounted.generation;
                drop(mounted);
                let telling = Box::pin(driver.tell(generation, Event::Exited, Some(&Fault::Panicked)));
                let _ = AssertUnwindSafe(telling).catch_unwind().await;
            }
        }
    };
    logs::heard_by(ring, work).await;
}

impl Driver {
    pub(super) fn new(
        shared: Arc<Shared>,
        site: Site,
        config: Config,
        orders: mpsc::UnboundedReceiver<Order>,
        observed: watch::Sender<Option<Observed>>,
    ) -> Self {
        Self {
            shared,
            site,
            config,
            orders,
            to_do: VecDeque::new(),
            edit: None,
            ending: false,
            observed,
            mounted: None,
            recovering: None,
            waited: false,
            given_up: 0,
        }
    }

    async fn drive(&mut self) {
        while !self.ending {
            match self.to_do.pop_front() {
                // Boxed, since a driver idles for most of its life, and takes as much memory as the largest of these.
                Some(Action::Start { version, generation }) => Box::pin(self.start(version, generation)).await,
                Some(Action::Stop { generation }) => Box::pin(self.stop(generation)).await,
                Some(Action::Wait { generation, time }) => Box::pin(self.wait(generation, time)).await,
                None => match self.edit.take() {
                    Some(edit) => Box::pin(self.try_edit(edit)).await,
                    None => self.idle().await,
                },
            }
        }
        if let Some(mounted) = self.mounted.take() {
            Box::pin(self.end(mounted)).await;
        }
    }

    /// Takes orders while something else goes on. Returns when there are new ones.
    async fn ordered(
        orders: &mut mpsc::UnboundedReceiver<Order>,
        to_do: &mut VecDeque<Action>,
        edit: &mut Option<Edit>,
        ending: &mut bool,
    ) {
        match orders.recv().await {
            Some(Order::Do(actions)) => to_do.extend(actions),
            Some(Order::Try(latest)) => *edit = Some(latest),
            Some(Order::End) | None => *ending = true,
        }
    }

    /// The registered version goes on as long as the edit is not healthy, and comes back with the next start.
    async fn try_edit(&mut self, Edit { release, done }: Edit) {
        let version = release.spec.version.clone();
        let outcome = match &mut self.mounted {
            None => Err(Fault::NotRunning),
            Some(mounted) => {
                let proving = AssertUnwindSafe(prove(&self.shared, &self.site, *release)).catch_unwind().await;
                proving.unwrap_or(Err(Fault::Panicked)).and_then(|proven| {
                    let files = proven.files().clone();
                    mounted.take_over(proven, mounted.generation, &self.site.changes)?;
                    Ok(files)
                })
            }
        };
        match &outcome {
            Ok(_) => self.site.logs.say(Level::Info, "edit", format!("{version} runs")),
            Err(fault) => {
                self.site.logs.say(Level::Error, "edit", format!("{version} changes nothing: {fault}"));
            }
        }
        if let (Ok(_), Some(mounted)) = (&outcome, &self.mounted) {
            let since = mounted.since;
            self.observed.send_if_modified(|observed| {
                let serving = observed.as_mut().and_then(|observed| observed.serving.as_mut());
                serving.map(|serving| (serving.version, serving.since) = (version, since)).is_some()
            });
        }
        // Whoever asked may have left.
        let _ = done.send(outcome);
    }

    async fn idle(&mut self) {
        let settled = self.recovering.map(|since| since + self.shared.options.settled_after);
        let settling = async {
            match settled {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = Self::ordered(&mut self.orders, &mut self.to_do, &mut self.edit, &mut self.ending) => return,
            () = settling => {}
        }
        self.recovering = None;
        if let Some(generation) = self.mounted.as_ref().map(|mounted| mounted.generation) {
            Box::pin(self.tell(generation, Event::Settled, None)).await;
        }
    }

    async fn wait(&mut self, generation: u64, time: Duration) {
        let until = Instant::now() + time;
        self.waited = true;
        // Whatever is ordered meanwhile comes from somebody who knows that it waits.
        while self.to_do.is_empty() && !self.ending {
            tokio::select! {
                () = Self::ordered(&mut self.orders, &mut self.to_do, &mut self.edit, &mut self.ending) => {}
                () = tokio::time::sleep_until(until) => return self.tell(generation, Event::Waited, None).await,
            }
        }
    }

    /// Brings an instance to serve, beside the one that serves or as the first; or undoes all of it.
    async fn start(&mut self, version: Version, generation: u64) {
        if generation <= self.given_up {
            return;
        }
        let outcome = {
            let shared = self.shared.clone();
            let proving = AssertUnwindSafe(prove_version(&shared, &self.site, &version)).catch_unwind();
            let mut proving = std::pin::pin!(proving);
            let is_stop = |action: &Action| *action == Action::Stop { generation };
            loop {
                tokio::select! {
                    biased;
                    outcome = &mut proving => break Some(outcome.unwrap_or(Err(Fault::Panicked))),
                    () = Self::ordered(&mut self.orders, &mut self.to_do, &mut self.edit, &mut self.ending) => {
                        if let Some(stop) = self.to_do.iter().position(is_stop) {
                            self.to_do.remove(stop);
                            break None;
                        }
                        if self.ending {
                            return;
                        }
                    }
                }
            }
        };
        let outcome = match outcome {
            None => {
                self.tell(generation, Event::Stopped, None).await;
                return self.never_ran(generation);
            }
            Some(outcome) => outcome.and_then(|proven| {
                let report = proven.report;
                let Shared { host, options, .. } = &*self.shared;
                match &mut self.mounted {
                    Some(mounted) => mounted.take_over(proven, generation, &self.site.changes)?,
                    None => {
                        let site = (host, &self.site, self.config.clone());
                        self.mounted = Some(proven.mount(site, generation, options.grace)?);
                    }
                }
                Ok(report)
            }),
        };
        match &outcome {
            Ok(report) => self.site.logs.say(Level::Info, "deploy", format!("{version} runs: {report}")),
            Err(fault) => self.site.logs.say(Level::Error, "deploy", format!("{version} does not run: {fault}")),
        }
        let event = if outcome.is_ok() { Event::Healthy } else { Event::Failed };
        let waited = std::mem::take(&mut self.waited);
        if outcome.is_ok() {
            self.recovering = waited.then(Instant::now);
        }
        self.concluded(generation, outcome, event).await;
    }

    async fn stop(&mut self, generation: u64) {
        self.given_up = self.given_up.max(generation);
        // One that another took the place of has let go of everything then.
        if let Some(mounted) = self.mounted.take_if(|mounted| mounted.generation == generation) {
            self.end(mounted).await;
        }
        self.tell(generation, Event::Stopped, None).await;
        self.never_ran(generation);
    }

    /// Whoever waits for an instance hears that it was given up before anything came of it.
    fn never_ran(&self, generation: u64) {
        self.observed.send_if_modified(|observed| {
            let is_news = observed.as_ref().is_none_or(|observed| observed.generation < generation);
            if is_news {
                let serving = observed.take().and_then(|observed| observed.serving);
                *observed = Some(Observed { generation, outcome: Err(Fault::Stopped), serving });
            }
            is_news
        });
    }

    async fn end(&mut self, mounted: Mounted) {
        let version = mounted.version().clone();
        let forced = mounted.stop().await;
        let level = if forced > 0 { Level::Warning } else { Level::Info };
        self.site.logs.say(level, "deploy", format!("{version} stopped; {forced} calls were cut"));
        self.observed.send_if_modified(|observed| observed.as_mut().is_some_and(|it| it.serving.take().is_some()));
    }

    /// Written down first: who waits for it may look there.
    async fn concluded(&mut self, generation: u64, outcome: Result<Report, Fault>, event: Event) {
        self.tell(generation, event, outcome.as_ref().err()).await;
        let serving = self.mounted.as_ref().map(|mounted| Serving {
            version: mounted.version().clone(),
            generation: mounted.generation,
            endpoint: self.site.endpoint.to_string(),
            since: mounted.since,
            report: mounted.report,
            engine: mounted.engine.clone(),
        });
        self.observed.send_replace(Some(Observed { generation, outcome, serving }));
    }

    async fn tell(&mut self, generation: u64, event: Event, fault: Option<&Fault>) {
        let endpoint = (event == Event::Healthy).then(|| self.site.endpoint.as_str());
        let version =
            self.mounted.as_ref().filter(|_| event == Event::Healthy).map(|mounted| mounted.version().clone());
        let news = News { generation, event, version: version.as_ref(), fault, endpoint };
        let actions = self.shared.ledger.happened(&self.site.name, news).await;
        self.to_do.extend(actions);
    }
}

async fn prove_version(shared: &Shared, site: &Site, version: &Version) -> Result<Proven, Fault> {
    let (planned, release) = {
        // Reading a spec takes a core too: thousands that begin at once take turns, and not a thread and a stack each.
        let _turn = shared.planning.acquire().await.expect("the semaphore is never closed");
        let release = shared.ledger.release(&site.name, version).await?;
        plan(site, release).await?
    };
    planned.prove(release, shared.options.health_timeout).await
}

async fn prove(shared: &Shared, site: &Site, release: Release) -> Result<Proven, Fault> {
    let (planned, release) = {
        let _turn = shared.planning.acquire().await.expect("the semaphore is never closed");
        plan(site, release).await?
    };
    planned.prove(release, shared.options.health_timeout).await
}

async fn plan(site: &Site, release: Release) -> Result<(Planned, Release), Fault> {
    let site = site.clone();
    let planning = tokio::task::spawn_blocking(move || Ok((Planned::new(&release, &site)?, release)));
    planning.await.unwrap_or(Err(Fault::Panicked))
}
