//! From a catalog to a server: everything that can't work is refused here.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;

use super::{
    Catalog, Code, Compiled, ExposurePolicy, Initial, Mode, Options, Toolset, Toolsets,
    handle::Handles,
    index::{Conflict, Entry, Index, State, Target},
    meta,
    modules::Module,
    set::Set,
};
use crate::{CallContext, Principal, Server, model::Tool};

/// Why toolsets can't be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    #[error("`_meta` is the toolset of the meta-tools; give yours another key")]
    ReservedKey,
    #[error("`{key}` is no key of a toolset: letters, digits, `_` and `-`, at most 64")]
    Key { key: String },
    #[error("the toolset `{key}` is there twice")]
    Twice { key: String },
    #[error("there are {count} toolsets, and there may be {most}", most = Set::MOST)]
    TooMany { count: usize },
    #[error("the toolset `{toolset}` names the module `{module}`, which is not in the catalog")]
    UnknownModule { toolset: String, module: String },
    #[error("the toolset `{toolset}` names the tool `{tool}`, which the server does not have")]
    UnknownTool { toolset: String, tool: String },
    #[error("`{field}` names the toolset `{toolset}`, which is not in the catalog")]
    UnknownToolset { field: &'static str, toolset: String },
    #[error("two tools would be called `{tool}` ({})", Code::ToolNameConflict)]
    Conflict { tool: String },
    #[error("{count} toolsets are on from the start, and `max_active` is {most}")]
    TooManyInitial { count: usize, most: usize },
}

/// `toolset.tool`, not doubled.
pub(super) fn called(toolset: &str, tool: &str, namespace: bool) -> String {
    let prefixed = tool.strip_prefix(toolset).is_some_and(|rest| rest.starts_with('.'));
    if namespace && !prefixed { format!("{toolset}.{tool}") } else { tool.to_owned() }
}

/// S3-32, the only place that decides it: an explicit value wins, else callers who turn toolsets on have the meta-tools.
#[must_use]
pub fn resolve_meta_tools_flag(explicit: Option<bool>, mode: Mode) -> bool {
    explicit.unwrap_or(mode == Mode::Dynamic)
}

impl Catalog {
    /// What can be said of it before there is a server: keys, modules, and the names that a policy has.
    pub(crate) fn check(&self, policy: &ExposurePolicy) -> Result<(), CatalogError> {
        check_keys(&self.toolsets)?;
        for toolset in &self.toolsets {
            if let Some(module) = toolset.modules.iter().find(|module| !self.modules.contains_key(*module)) {
                return Err(CatalogError::UnknownModule { toolset: toolset.key.clone(), module: module.clone() });
            }
        }
        let known: HashSet<&str> = self.keys().collect();
        for (field, keys) in [("allow", policy.allow.as_deref().unwrap_or_default()), ("deny", &policy.deny)] {
            if let Some(toolset) = keys.iter().find(|key| !known.contains(&***key)) {
                return Err(CatalogError::UnknownToolset { field, toolset: toolset.clone() });
            }
        }
        Ok(())
    }
}

impl Toolsets {
    /// The tools of `inner` are what it lists now; it goes on to answer for prompts, resources and its own tools.
    pub fn new(inner: Arc<dyn Server>, catalog: Catalog, options: Options) -> Result<Self, CatalogError> {
        static GENERATION: AtomicU64 = AtomicU64::new(1);
        let Catalog { toolsets, modules: loaders } = catalog;
        check_keys(&toolsets)?;
        let (mut compiled, mut modules) = (Vec::new(), Vec::new());
        for (place, toolset) in toolsets.iter().enumerate() {
            let mut places = Vec::new();
            for key in &toolset.modules {
                let unknown = || CatalogError::UnknownModule { toolset: toolset.key.clone(), module: key.clone() };
                let load = loaders.get(key).ok_or_else(unknown)?.clone();
                places.push(modules.len());
                modules.push(Module {
                    toolset: place,
                    load,
                    loading: tokio::sync::Mutex::default(),
                    missed: AtomicBool::new(false),
                });
            }
            compiled.push(Compiled {
                key: toolset.key.as_str().into(),
                name: toolset.name.clone(),
                description: toolset.description.clone(),
                decision_criteria: toolset.decision_criteria.clone(),
                scopes: toolset.scopes.clone(),
                module_keys: toolset.modules.clone(),
                modules: places,
            });
        }
        let places = Places(compiled.iter().enumerate().map(|(place, it)| (it.key.clone(), place)).collect());
        let everything = Set::first(compiled.len());
        let allowed = match &options.policy.allow {
            None => everything,
            Some(allow) => places.of("allow", allow)?,
        };
        let allowed = allowed.without(places.of("deny", &options.policy.deny)?);
        let initial = match &options.initial {
            Initial::None => Set::default(),
            Initial::All => allowed,
            Initial::Only(keys) => places.of("initial", keys)?.and(allowed),
        };
        if let Some(most) =
            options.policy.max_active.filter(|most| options.mode == Mode::Dynamic && initial.len() > *most)
        {
            return Err(CatalogError::TooManyInitial { count: initial.len(), most });
        }
        let meta_tools = resolve_meta_tools_flag(options.meta_tools, options.mode);
        let built = Self {
            changes: inner.changes().cloned().unwrap_or_default(),
            generation: GENERATION.fetch_add(1, Ordering::Relaxed),
            toolsets: compiled,
            modules,
            state: ArcSwap::default(),
            merging: Mutex::default(),
            allowed,
            initial,
            mode: options.mode,
            modern: options.modern,
            meta_tools,
            policy: options.policy,
            permissions: options.permissions,
            notifier: options.notifier,
            handles: Handles::new(&options.state_key, options.handle_ttl),
            inner,
        };
        let entries = built.entries(toolsets, &options.always)?;
        let index = Index::default().with(entries, |name| built.is_reserved(name));
        let index = index.map_err(|Conflict(tool)| CatalogError::Conflict { tool })?;
        built.state.store(Arc::new(State::new(index, HashSet::new())));
        Ok(built)
    }

    /// A name that is a meta-tool's.
    pub(super) fn is_reserved(&self, name: &str) -> bool {
        self.meta_tools && meta::NAMES.contains(&name)
    }

    /// What is known before any module is loaded.
    fn entries(&self, toolsets: Vec<Toolset>, always: &[String]) -> Result<Vec<Entry>, CatalogError> {
        let inner = self.inner.tools(&CallContext::new(Principal::anonymous()));
        let known: HashMap<&str, usize> =
            inner.items().iter().enumerate().map(|(position, tool)| (&*tool.name, position)).collect();
        let mut grouped = HashSet::new();
        let mut entries = Vec::new();
        for (place, toolset) in toolsets.into_iter().enumerate() {
            for name in toolset.tools {
                let Some(position) = known.get(&*name).copied() else {
                    return Err(CatalogError::UnknownTool { toolset: toolset.key, tool: name });
                };
                grouped.insert(position);
                let called = called(&toolset.key, &name, self.policy.namespace);
                entries.push(wrapped(&inner.items()[position], &called, Set::one(place), (0, position, place)));
            }
            for (position, own) in toolset.own.into_iter().enumerate() {
                let mut tool = own.tool;
                tool.name = called(&toolset.key, &tool.name, self.policy.namespace).into();
                entries.push(Entry {
                    tool: Arc::new(tool),
                    target: Target::Own(own.handler),
                    toolsets: Set::one(place),
                    base: false,
                    always: false,
                    rank: (1, place, position),
                });
            }
        }
        for (position, tool) in inner.items().iter().enumerate() {
            let always = always.iter().any(|name| *name == tool.name);
            if always || !grouped.contains(&position) {
                let entry = wrapped(tool, &tool.name, Set::default(), (0, position, 0));
                entries.push(Entry { base: !always, always, ..entry });
            }
        }
        Ok(entries)
    }
}

fn wrapped(tool: &Tool, called: &str, toolsets: Set, rank: (u8, usize, usize)) -> Entry {
    let target = Target::Wrapped((&*tool.name).into());
    let mut tool = tool.clone();
    tool.name = called.to_owned().into();
    Entry { tool: Arc::new(tool), target, toolsets, base: false, always: false, rank }
}

fn check_keys(toolsets: &[Toolset]) -> Result<(), CatalogError> {
    if toolsets.len() > Set::MOST {
        return Err(CatalogError::TooMany { count: toolsets.len() });
    }
    let mut seen = HashSet::new();
    for Toolset { key, .. } in toolsets {
        if key == "_meta" {
            return Err(CatalogError::ReservedKey);
        }
        let letters = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if !letters || !(1..=64).contains(&key.len()) {
            return Err(CatalogError::Key { key: key.clone() });
        }
        if !seen.insert(key) {
            return Err(CatalogError::Twice { key: key.clone() });
        }
    }
    Ok(())
}

struct Places(HashMap<Arc<str>, usize>);

impl Places {
    fn of(&self, field: &'static str, keys: &[String]) -> Result<Set, CatalogError> {
        keys.iter().try_fold(Set::default(), |set, key| match self.0.get(&**key) {
            Some(place) => Ok(set.or(Set::one(*place))),
            None => Err(CatalogError::UnknownToolset { field, toolset: key.clone() }),
        })
    }
}
