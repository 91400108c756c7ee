//! What toolsets there are, as their author writes them.

use std::{collections::HashMap, fmt, sync::Arc};

use serde_json::{Map, Value};

use crate::{BoxFuture, CallContext, Error, ToolResult, model};

/// Why a module did not load. Told in the log; callers learn the module's key.
pub type ModuleError = Box<dyn std::error::Error + Send + Sync>;

pub(super) type Handler =
    dyn Fn(CallContext, Map<String, Value>) -> BoxFuture<'static, Result<ToolResult, Error>> + Send + Sync;
pub(super) type Loader = dyn Fn() -> BoxFuture<'static, Result<Vec<OwnTool>, ModuleError>> + Send + Sync;

/// Toolsets, and the modules that they name.
#[derive(Clone, Default)]
pub struct Catalog {
    pub(super) toolsets: Vec<Toolset>,
    pub(super) modules: HashMap<String, Arc<Loader>>,
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").field("toolsets", &self.toolsets).finish_non_exhaustive()
    }
}

impl Catalog {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn toolset(mut self, toolset: Toolset) -> Self {
        self.toolsets.push(toolset);
        self
    }

    /// The keys of its toolsets, in their order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.toolsets.iter().map(|toolset| &*toolset.key)
    }

    /// Tools that are made when a toolset which names this module is first needed. One that fails is tried again then.
    #[must_use]
    pub fn module<F, T>(mut self, key: impl Into<String>, load: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<Vec<OwnTool>, ModuleError>> + Send + 'static,
    {
        self.modules.insert(key.into(), Arc::new(move || Box::pin(load())));
        self
    }
}

/// Tools under one key.
#[derive(Debug, Clone)]
pub struct Toolset {
    pub(super) key: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) decision_criteria: Option<String>,
    pub(super) tools: Vec<String>,
    pub(super) own: Vec<OwnTool>,
    pub(super) modules: Vec<String>,
    pub(super) scopes: Vec<String>,
}

impl Toolset {
    #[must_use]
    pub fn new(key: impl Into<String>, description: impl Into<String>) -> Self {
        let key = key.into();
        Self {
            name: key.clone(),
            key,
            description: description.into(),
            decision_criteria: None,
            tools: Vec::new(),
            own: Vec::new(),
            modules: Vec::new(),
            scopes: Vec::new(),
        }
    }

    /// What people call it. Left out, it is the key.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// When a model should turn it on.
    #[must_use]
    pub fn decision_criteria(self, criteria: impl Into<String>) -> Self {
        Self { decision_criteria: Some(criteria.into()), ..self }
    }

    /// Tools of the server within, by their names.
    #[must_use]
    pub fn tools<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.tools.extend(names.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub fn own(mut self, tool: OwnTool) -> Self {
        self.own.push(tool);
        self
    }

    /// A [module](Catalog::module) of the catalog.
    #[must_use]
    pub fn module(mut self, key: impl Into<String>) -> Self {
        self.modules.push(key.into());
        self
    }

    /// The scopes that a caller needs for all of it.
    #[must_use]
    pub fn scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }
}

/// A tool that is a closure. It gets the whole [`CallContext`]: who calls, and what is said meanwhile.
#[derive(Clone)]
pub struct OwnTool {
    pub(super) tool: model::Tool,
    pub(super) handler: Arc<Handler>,
}

impl fmt::Debug for OwnTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnTool").field(&self.tool.name).finish()
    }
}

impl OwnTool {
    pub fn new<F, T>(tool: model::Tool, call: F) -> Self
    where
        F: Fn(CallContext, Map<String, Value>) -> T + Send + Sync + 'static,
        T: Future<Output = Result<ToolResult, Error>> + Send + 'static,
    {
        let tool = crate::closures::with_object(tool);
        Self { tool, handler: Arc::new(move |cx, arguments| Box::pin(call(cx, arguments))) }
    }
}
