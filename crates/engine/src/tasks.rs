//! Calls that outlast their request, kept until somebody asks for their answer.
//!
//! A call of a tool with `task: true` begins like any other. When it lasts, it is written down and goes on by itself: a client
//! that knows tasks gets one, the others an id for `get_result`. While it runs it is here, in its process; the
//! [`store`] knows of it across processes, and of its answer afterwards.

mod kept;
pub mod result_tool;
mod store;

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mcp_serve::{
    CallContext, Content, Error, LastWord, Principal, ToolResult,
    model::{DetailedTask, JsonObject, Task, TaskPayload, TaskStatus},
};
use serde_json::json;
use tokio::{
    sync::{broadcast, watch},
    task::{AbortHandle, JoinError},
};
use tokio_util::task::AbortOnDropHandle;

use crate::tool::{Admission, Tool, humane};
use store::{Bounds, Kept, Outcome, Owner, Store, StoreError};

/// How long a call may take before a client that knows tasks gets one.
const GRACE: Duration = Duration::from_millis(200);
/// How long one that doesn't waits for the answer itself, in the call and in each `get_result`.
const WAIT: Duration = Duration::from_secs(10);
/// How long an answer is kept after the tool's time, where it may take the longest.
const KEPT: Duration = Duration::from_secs(60 * 60);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
const POLL: Duration = Duration::from_secs(1);
const SWEEP: Duration = Duration::from_secs(60);
/// Changes of status that a slow listener may miss.
const CHANGES: usize = 256;

/// The tasks of this process and what is kept of others. Shared by all servers in it, and by the generations of each.
#[derive(Clone)]
pub struct Tasks(Arc<Inner>);

struct Inner {
    /// `None` keeps them in memory.
    folder: Option<PathBuf>,
    store: OnceLock<Store>,
    opening: Mutex<()>,
    running: Mutex<HashMap<Arc<str>, Running>>,
    changes: broadcast::Sender<Arc<str>>,
}

struct Running {
    work: AbortHandle,
    done: watch::Receiver<bool>,
    last_word: LastWord,
    began: Instant,
    limit: Option<Duration>,
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("folder", &self.0.folder).finish_non_exhaustive()
    }
}

impl Tasks {
    /// In this folder, which is made when the first task is. It may be shared with other processes.
    #[must_use]
    pub fn kept_in(folder: PathBuf) -> Self {
        Self::new(Some(folder))
    }

    /// As long as the process.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::new(None)
    }

    fn new(folder: Option<PathBuf>) -> Self {
        Self(Arc::new(Inner {
            folder,
            store: OnceLock::new(),
            opening: Mutex::default(),
            running: Mutex::default(),
            changes: broadcast::Sender::new(CHANGES),
        }))
    }

    pub fn changes(&self) -> broadcast::Receiver<Arc<str>> {
        self.0.changes.subscribe()
    }

    /// Asks the store, off the runtime.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Error> {
        let inner = Arc::clone(&self.0);
        let asked = tokio::task::spawn_blocking(move || question(inner.store()?));
        match asked.await {
            Ok(answer) => answer.map_err(|error| Error::Internal { source: error.into() }),
            Err(panicked) => Err(Error::Internal { source: panicked.into() }),
        }
    }
}

impl Inner {
    fn store(&self) -> Result<&Store, StoreError> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if self.store.get().is_none() {
            let store = Store::open(self.folder.as_deref(), random_id(), Bounds::default())?;
            let _ = self.store.set(store);
        }
        Ok(self.store.get().expect("set just now"))
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Arc<str>, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 192 bits from the operating system: nobody guesses a task.
fn random_id() -> String {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A call that is being written down. A caller who leaves meanwhile leaves no task behind that seems to run.
struct Handing {
    tasks: Tasks,
    id: Arc<str>,
    left: Arc<AtomicBool>,
    done: bool,
}

impl Handing {
    fn over(mut self) {
        self.done = true;
    }
}

impl Drop for Handing {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        // Whichever of the two comes second ends it: this, or what is writing.
        self.left.store(true, Ordering::SeqCst);
        let (tasks, id) = (self.tasks.clone(), Arc::clone(&self.id));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime
                .spawn(async move { tasks.ask(move |store| store.finish(&id, &Outcome::Cancelled)).await.map(drop) });
        }
    }
}

/// The tasks of one server.
#[derive(Debug)]
pub struct Desk {
    pub server: String,
    pub tasks: Tasks,
}

impl Desk {
    fn owner(&self, principal: &Principal) -> Owner {
        Owner {
            server: self.server.clone(),
            principal: principal.id.clone(),
            tenant: principal.tenant.clone().unwrap_or_default(),
        }
    }

    /// Calls the tool; what lasts becomes a task. Until then it ends with its caller.
    pub async fn call(
        &self,
        cx: &CallContext,
        tool: &Arc<Tool>,
        arguments: serde_json::Map<String, serde_json::Value>,
    ) -> Result<ToolResult, Error> {
        let admitted = match tool.admit(cx, arguments).await? {
            Admission::Admitted(admitted) => admitted,
            Admission::Answered(result) => return Ok(result),
        };
        let began = Instant::now();
        let (progress, last_word) = cx.progress.remembered();
        let mut own = cx.clone();
        own.progress = progress;
        let ran = Arc::clone(tool);
        let mut work = AbortOnDropHandle::new(tokio::spawn(async move { ran.run(&own, admitted).await }));
        let wait = if cx.client.tasks { GRACE } else { WAIT };
        if let Ok(ended) = tokio::time::timeout(wait, &mut work).await {
            return answered(ended);
        }
        let id: Arc<str> = random_id().into();
        let (owner, name) = (self.owner(&cx.principal), tool.name.to_string());
        let ttl = tool.timeout.unwrap_or(LONGEST).min(LONGEST) + KEPT;
        let handing = Handing { tasks: self.tasks.clone(), id: Arc::clone(&id), left: Arc::default(), done: false };
        let (key, left) = (Arc::clone(&id), Arc::clone(&handing.left));
        let inserted = self.tasks.ask(move |store| {
            let inserted = store.insert(&key, &owner, &name, ttl)?;
            if left.load(Ordering::SeqCst) {
                store.finish(&key, &Outcome::Cancelled)?;
            }
            if inserted { store.find(&key, &owner) } else { Ok(None) }
        });
        let inserted = inserted.await?;
        // From here to the answer nothing waits: who leaves has left a task behind only if they can know of it.
        handing.over();
        let Some(kept) = inserted else {
            let message = "there are as many tasks as may be; this call is answered within its request";
            cx.log(mcp_serve::LogLevel::Warning, &tool.name, message);
            return answered(work.await);
        };
        let running = (began, last_word);
        self.tasks.go_on(Arc::clone(&id), work, running, tool);
        if cx.client.tasks {
            let task = Box::new(self.tasks.described(&id, &kept, TaskStatus::Working));
            return Ok(ToolResult { content: Content::Task(task), is_error: false });
        }
        Ok(result_tool::still_running(&id, &format!("`{}` is still running", tool.name)))
    }

    async fn find(&self, cx: &CallContext, id: &str) -> Result<Option<Kept>, Error> {
        let (id, owner) = (id.to_owned(), self.owner(&cx.principal));
        self.tasks.ask(move |store| store.find(&id, &owner)).await
    }

    /// As `tasks/get` tells it. `tools` says whether the caller may still use the tool.
    pub async fn get(
        &self,
        cx: &CallContext,
        id: &str,
        allows: impl Fn(&str) -> Result<(), Error>,
    ) -> Result<DetailedTask, Error> {
        let kept = self.find(cx, id).await?.ok_or(Error::UnknownTask)?;
        allows(&kept.tool)?;
        let payload = match &kept.outcome {
            None => TaskPayload::Working,
            Some(Outcome::Cancelled) => TaskPayload::Cancelled,
            Some(Outcome::Failed(message)) => {
                TaskPayload::Failed { error: object(json!({ "code": -32603, "message": message })) }
            }
            Some(Outcome::Completed(text)) => {
                let result =
                    kept::read(text).ok_or_else(|| Error::Internal { source: "a kept answer is damaged".into() })?;
                let result = mcp_serve::model::CallToolResult::from(result);
                TaskPayload::Completed { result: object(serde_json::to_value(result).expect("answers are JSON")) }
            }
        };
        let task = self.tasks.described(id, &kept, payload.status());
        Ok(DetailedTask::new(task, payload))
    }

    /// Stops the work, unless it is over.
    pub async fn cancel(&self, cx: &CallContext, id: &str) -> Result<(), Error> {
        let kept = self.find(cx, id).await?.ok_or(Error::UnknownTask)?;
        if kept.outcome.is_some() {
            return Ok(());
        }
        let key = id.to_owned();
        let ended = self.tasks.ask(move |store| store.finish(&key, &Outcome::Cancelled)).await?;
        if let Some(running) = self.tasks.0.running().get(id) {
            running.work.abort();
        }
        if ended {
            let _ = self.tasks.0.changes.send(id.into());
        }
        Ok(())
    }
}

impl Tasks {
    /// The work goes on without its caller, and its answer is kept.
    fn go_on(
        &self,
        id: Arc<str>,
        work: AbortOnDropHandle<ToolResult>,
        (began, last_word): (Instant, LastWord),
        tool: &Tool,
    ) {
        let (finished, done) = watch::channel(false);
        let running = Running { work: work.abort_handle(), done, last_word, began, limit: tool.timeout };
        let first = {
            let mut all = self.0.running();
            all.insert(Arc::clone(&id), running);
            all.len() == 1
        };
        if first {
            self.sweep();
        }
        let (tasks, max_bytes) = (self.clone(), tool.max_bytes);
        let work = work.detach();
        tokio::spawn(async move {
            let outcome = match work.await {
                Ok(result) => Outcome::Completed(kept::write(result, max_bytes)),
                Err(ended) if ended.is_cancelled() => Outcome::Cancelled,
                Err(_panicked) => Outcome::Failed("internal error".to_owned()),
            };
            let key = Arc::clone(&id);
            let changed = tasks.ask(move |store| store.finish(&key, &outcome)).await;
            tasks.0.running().remove(&id);
            let _ = finished.send(true);
            match changed {
                Ok(true) => drop(tasks.0.changes.send(id)),
                Ok(false) => {}
                Err(Error::Internal { source }) => tracing::error!(error = &*source, "the answer of a task is lost"),
                Err(error) => tracing::error!(%error, "the answer of a task is lost"),
            }
        });
    }

    /// Looks for what is over its time as long as something runs; each new task does too.
    fn sweep(&self) {
        let inner = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                let Some(inner) = inner.upgrade() else { return };
                if inner.running().is_empty() {
                    return;
                }
                if let Err(error) = Self(inner).ask(Store::sweep).await {
                    tracing::error!(%error, "old tasks can't be removed");
                }
            }
        });
    }

    fn described(&self, id: &str, kept: &Kept, status: TaskStatus) -> Task {
        let mut task = Task::new(id, status, &*kept.created, &*kept.updated)
            .with_ttl_ms(u64::try_from(kept.ttl.as_millis()).unwrap_or(u64::MAX))
            .with_poll_interval_ms(u64::try_from(POLL.as_millis()).unwrap_or(1000));
        task.status_message = match &kept.outcome {
            None => self.0.running().get(id).map(Running::told),
            Some(Outcome::Failed(message)) => Some(message.clone()),
            Some(_) => None,
        };
        task
    }

    /// Until the task is over, or for so long.
    async fn wait(&self, id: &str, longest: Duration) {
        let done = self.0.running().get(id).map(|running| running.done.clone());
        let over = async {
            match done {
                Some(mut done) => drop(done.wait_for(|done| *done).await),
                // It may run in another process.
                None => tokio::time::sleep(POLL).await,
            }
        };
        let _ = tokio::time::timeout(longest, over).await;
    }
}

impl Running {
    /// What the tool said last, or how long it runs.
    fn told(&self) -> String {
        self.last_word.get().unwrap_or_else(|| {
            let running = humane(Duration::from_secs(self.began.elapsed().as_secs()));
            match self.limit {
                Some(limit) => format!("running for {running} of at most {}", humane(limit)),
                None => format!("running for {running}"),
            }
        })
    }
}

fn answered(ended: Result<ToolResult, JoinError>) -> Result<ToolResult, Error> {
    ended.map_err(|panicked| Error::Internal { source: panicked.into() })
}

fn object(value: serde_json::Value) -> JsonObject {
    match value {
        serde_json::Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}
