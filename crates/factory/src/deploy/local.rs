//! The local target: servers in the factory's own process, on its one listener, at `/servers/<name>/mcp`.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mcp_factory_engine::{Engine, Files};
use mcp_serve::{
    CallContext, Changes, ToolResult,
    http::{Config, Host},
    middleware::{Middleware, ObserveLayer},
};
use serde_json::{Map, Value};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    task::JoinHandle,
    time::Instant,
};
use url::Url;

use super::{
    Fault, Ledger, LogBounds, LogRing, Observed, Release,
    driver::{self, Driver, Edit, Order},
    logs::{Calls, HearLayer},
    phases::Site,
};
use crate::lifecycle::Action;

/// Clones share everything.
#[derive(Clone)]
pub struct Local(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    deployments: Mutex<HashMap<String, Deployment>>,
}

/// What all drivers use.
pub(super) struct Shared {
    pub(super) host: Host,
    pub(super) options: LocalOptions,
    pub(super) ledger: Arc<dyn Ledger>,
    /// Reading and compiling takes a core, and waits for the registry in between.
    pub(super) planning: Semaphore,
}

#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// Where the factory is reached: tokens for its servers name URLs below it.
    pub public_url: Url,
    /// What all servers have in common. What a spec says of limits is put into it, and what is about connections is the
    /// host's.
    pub serving: Config,
    pub logs: LogBounds,
    /// For running calls to end when a server stops. Default 5 s.
    pub grace: Duration,
    /// For a server to become healthy. Default 30 s.
    pub health_timeout: Duration,
    /// Where several factories share a registry: after which one that is not heard of is gone, and others drive its servers.
    /// Default 5 s.
    pub lease: Duration,
    /// After which a server that failed before counts as one that runs. Default 1 min.
    pub settled_after: Duration,
    /// Who is told of calls. Default: nobody.
    #[cfg(feature = "telemetry")]
    pub telemetry: Option<crate::telemetry::Telemetry>,
}

impl LocalOptions {
    #[must_use]
    pub fn new(public_url: Url) -> Self {
        Self {
            public_url,
            serving: Config::default(),
            logs: LogBounds::default(),
            grace: Duration::from_secs(5),
            health_timeout: Duration::from_secs(30),
            lease: Duration::from_secs(5),
            settled_after: Duration::from_secs(60),
            #[cfg(feature = "telemetry")]
            telemetry: None,
        }
    }
}

/// One driver, as others see it.
struct Deployment {
    orders: mpsc::UnboundedSender<Order>,
    observed: watch::Receiver<Option<Observed>>,
    /// With what counts calls and logs them.
    config: Config,
    logs: LogRing,
    driver: JoinHandle<()>,
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("deployments", &self.lock().len()).finish_non_exhaustive()
    }
}

impl Local {
    #[must_use]
    pub fn new(host: Host, options: LocalOptions, ledger: Arc<dyn Ledger>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let shared = Arc::new(Shared { host, options, ledger, planning: Semaphore::new(cores * 2) });
        Self(Arc::new(Inner { shared, deployments: Mutex::default() }))
    }

    /// Has it done, in this order, after what was ordered before. Whoever orders has written down why.
    pub fn order(&self, server: &str, actions: Vec<Action>) {
        let mut deployments = self.lock();
        let known = deployments.entry(server.to_owned()).or_insert_with(|| self.begin(server));
        if let Err(mpsc::error::SendError(order)) = known.orders.send(Order::Do(actions)) {
            *known = self.begin(server);
            let _ = known.orders.send(order);
        }
    }

    /// Serves a release in place of the one that runs, until that is started again. Returns the files that it was made of.
    pub async fn try_edit(&self, server: &str, release: Release) -> Result<Files, Fault> {
        let (done, outcome) = oneshot::channel();
        {
            let deployments = self.lock();
            let known = deployments.get(server).ok_or(Fault::NotRunning)?;
            let edit = Edit { release: Box::new(release), done };
            known.orders.send(Order::Try(edit)).map_err(|_| Fault::NotRunning)?;
        }
        outcome.await.unwrap_or(Err(Fault::Superseded))
    }

    fn begin(&self, server: &str) -> Deployment {
        let Shared { options, host, ledger, .. } = &*self.0.shared;
        let mut endpoint = options.public_url.clone();
        let base = endpoint.path().trim_end_matches('/').to_owned();
        endpoint.set_path(&format!("{base}{}{}", host.path_of(server), options.serving.path));
        let logs = LogRing::new(options.logs);
        let site = Site { name: server.into(), endpoint, changes: Changes::new(), logs: logs.clone() };
        let calls = Calls { server: site.name.clone(), ring: logs.clone(), ledger: ledger.clone() };
        let layers = (ObserveLayer::new(calls), HearLayer(logs.clone()));
        #[cfg(feature = "telemetry")]
        let (trace_context, middleware) = match &options.telemetry {
            Some(telemetry) => (true, Middleware::new((telemetry.layer(server), layers))),
            None => (options.serving.trace_context, Middleware::new(layers)),
        };
        #[cfg(not(feature = "telemetry"))]
        let (trace_context, middleware) = (options.serving.trace_context, Middleware::new(layers));
        let config = Config { middleware: Some(middleware), trace_context, ..options.serving.clone() };
        let (orders, ordered) = mpsc::unbounded_channel();
        let (said, observed) = watch::channel(None);
        let driver = Driver::new(self.0.shared.clone(), site, config.clone(), ordered, said);
        let driver = tokio::spawn(driver::supervise(driver));
        Deployment { orders, observed, config, logs, driver }
    }

    /// What runs of it ends, and its log. Returns when it is gone.
    pub async fn remove(&self, server: &str) {
        let Some(deployment) = self.lock().remove(server) else { return };
        let _ = deployment.orders.send(Order::End);
        let _ = deployment.driver.await;
        deployment.logs.close();
    }

    /// Where the factory is reached.
    pub fn public_url(&self) -> &Url {
        &self.0.shared.options.public_url
    }

    /// What is, as it changes; nothing before something came of the first order.
    #[must_use]
    pub fn watch(&self, server: &str) -> Option<watch::Receiver<Option<Observed>>> {
        Some(self.lock().get(server)?.observed.clone())
    }

    #[must_use]
    pub fn observed(&self, server: &str) -> Option<Observed> {
        self.watch(server)?.borrow().clone()
    }

    /// What serves now, and how its calls are counted.
    pub(crate) fn running(&self, server: &str) -> Option<(Arc<Engine>, Config)> {
        let deployments = self.lock();
        let deployment = deployments.get(server)?;
        let serving = deployment.observed.borrow().as_ref()?.serving.as_ref()?.engine.clone();
        Some((serving, deployment.config.clone()))
    }

    /// What became of this instance, or of a later one. `None` where there is no such deployment.
    pub async fn settled(&self, server: &str, generation: u64) -> Option<Observed> {
        let mut observed = self.watch(server)?;
        let settled = observed.wait_for(|seen| seen.as_ref().is_some_and(|seen| seen.generation >= generation)).await;
        settled.ok()?.clone()
    }

    /// Until something came of each of them.
    pub async fn all_settled(&self) {
        let deployments: Vec<_> = self.lock().values().map(|known| known.observed.clone()).collect();
        for mut observed in deployments {
            // A driver that ended will not say more.
            let _ = observed.wait_for(Option::is_some).await;
        }
    }

    /// A call from inside this process. `None` where nothing serves under this name.
    pub async fn call(
        &self,
        server: &str,
        cx: CallContext,
        tool: &str,
        arguments: Map<String, Value>,
    ) -> Option<Result<ToolResult, mcp_serve::Error>> {
        self.0.shared.host.call_tool(server, cx, tool, arguments).await
    }

    #[must_use]
    pub fn logs(&self, server: &str) -> Option<LogRing> {
        Some(self.lock().get(server)?.logs.clone())
    }

    /// All of them end, and nothing is written down of it: they are wanted still, and a later process brings them back.
    pub async fn shutdown(&self) {
        let deployments = std::mem::take(&mut *self.lock());
        for deployment in deployments.values() {
            let _ = deployment.orders.send(Order::End);
        }
        let deadline = Instant::now() + self.0.shared.options.grace * 2;
        for (_, mut deployment) in deployments {
            // One that can't write down what it did waits for that, and not for us.
            if tokio::time::timeout_at(deadline, &mut deployment.driver).await.is_err() {
                deployment.driver.abort();
            }
            deployment.logs.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Deployment>> {
        self.0.deployments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
