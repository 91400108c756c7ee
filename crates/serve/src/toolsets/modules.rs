//! Tools that are made when their toolset is first needed.

use std::{
    collections::HashSet,
    panic::AssertUnwindSafe,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;

use super::{
    Mode, Modern, OwnTool, Toolsets,
    catalog::Loader,
    index::{Conflict, Entry, State, Target},
    set::Set,
};

/// For one module.
const PATIENCE: Duration = Duration::from_secs(30);

/// A module of one toolset.
pub(super) struct Module {
    pub(super) toolset: usize,
    pub(super) load: Arc<Loader>,
    /// Held while it loads: whoever comes meanwhile waits for the same.
    pub(super) loading: tokio::sync::Mutex<()>,
    /// Its toolset was turned on without it: when it comes, lists are other ones.
    pub(super) missed: AtomicBool,
}

/// Why a server must not be served yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    #[error("the toolset `{toolset}` is on from the start, and its modules {} did not load", .modules.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", "))]
    Modules { toolset: String, modules: Vec<String> },
    #[error("the toolset `{toolset}` brings a tool `{tool}`, and there is one of that name (E_TOOL_NAME_CONFLICT)")]
    Conflict { toolset: String, tool: String },
}

impl Toolsets {
    /// Loads what is on from the start. To be awaited before the server is served: a toolset that can't be had then must not
    /// be missed later.
    pub async fn ready(&self) -> Result<(), NotReady> {
        // A URL has its list before anybody calls.
        if self.mode == Mode::Dynamic && self.modern == Modern::Url {
            self.load_all(self.allowed).await;
        }
        for place in self.initial.iter() {
            let toolset = self.toolsets[place].key.to_string();
            match self.load(place).await {
                Err(Conflict(tool)) => return Err(NotReady::Conflict { toolset, tool }),
                Ok(failed) if !failed.is_empty() => return Err(NotReady::Modules { toolset, modules: failed }),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// Loads what these toolsets still lack, as far as it can be had. What can't is in the log.
    pub(super) async fn load_all(&self, places: Set) {
        for place in places.iter() {
            if let Err(Conflict(tool)) = self.load(place).await {
                let toolset = &*self.toolsets[place].key;
                tracing::warn!(
                    toolset,
                    tool,
                    "a module brought a tool of a name that is taken; none of the toolset's was added"
                );
            }
        }
    }

    /// Loads what the toolset still lacks: all of what came is added, or nothing. Gives the modules that failed.
    pub(super) async fn load(&self, place: usize) -> Result<Vec<String>, Conflict> {
        let toolset = &self.toolsets[place];
        let (mut failed, mut came) = (Vec::new(), Vec::new());
        let mut held = Vec::new();
        for (number, key) in toolset.modules.iter().zip(&toolset.module_keys) {
            if self.state.load().loaded.contains(number) {
                continue;
            }
            let module = &self.modules[*number];
            held.push(module.loading.lock().await);
            if self.state.load().loaded.contains(number) {
                continue;
            }
            // A panic in a module is its own.
            let loading = AssertUnwindSafe(async { (module.load)().await }).catch_unwind();
            match tokio::time::timeout(PATIENCE, loading).await {
                Ok(Ok(Ok(tools))) => came.push((*number, tools)),
                Ok(Ok(Err(error))) => {
                    tracing::warn!(toolset = &*toolset.key, module = key, error = &*error, "a module did not load");
                    failed.push(key.clone());
                }
                Ok(Err(_)) | Err(_) => {
                    tracing::warn!(toolset = &*toolset.key, module = key, "a module panicked or took too long to load");
                    failed.push(key.clone());
                }
            }
        }
        if !came.is_empty() {
            self.merge(came)?;
        }
        Ok(failed)
    }

    fn merge(&self, came: Vec<(usize, Vec<OwnTool>)>) -> Result<(), Conflict> {
        let _merging = self.merging.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.state.load_full();
        let mut entries = Vec::new();
        let mut loaded: HashSet<usize> = state.loaded.clone();
        let mut missed = false;
        for (number, tools) in came {
            missed |= self.modules[number].missed.swap(false, Ordering::Relaxed);
            let place = self.modules[number].toolset;
            loaded.insert(number);
            for (position, tool) in tools.into_iter().enumerate() {
                entries.push(self.entry(tool, place, (2, number, position)));
            }
        }
        let index = state.index.with(entries, |name| self.is_reserved(name))?;
        self.state.store(Arc::new(State::new(index, loaded)));
        if missed {
            self.notify(&self.changes);
        }
        Ok(())
    }

    /// The toolset is on from now on, without these.
    pub(super) fn miss(&self, place: usize, failed: &[String]) {
        let toolset = &self.toolsets[place];
        for (number, key) in toolset.modules.iter().zip(&toolset.module_keys) {
            if failed.contains(key) {
                self.modules[*number].missed.store(true, Ordering::Relaxed);
            }
        }
    }

    /// A tool of its own, with the name that callers see.
    fn entry(&self, own: OwnTool, place: usize, rank: (u8, usize, usize)) -> Entry {
        let OwnTool { mut tool, handler } = own;
        tool.name = super::build::called(&self.toolsets[place].key, &tool.name, self.policy.namespace).into();
        Entry {
            tool: Arc::new(tool),
            target: Target::Own(handler),
            toolsets: Set::one(place),
            base: false,
            always: false,
            rank,
        }
    }
}
