//! Tools in groups: what a caller sees is chosen by an exposure, within what the caller may see.
//!
//! [`Toolsets`] is a [`Server`] around another one. Its [`Catalog`] names the toolsets; a tool of one is a tool of the
//! server within, a closure, or what a module brings when it is first needed. In a session of an older client toolsets are turned
//! on and off, and the list of that session follows. Requests of 2026-07-28 stand alone, so nothing of one changes the list
//! of another; what they do instead is [`Modern`]. [`Permissions`] bound all of it, asked anew for each request.

mod activation;
mod build;
mod calls;
mod catalog;
mod enabling;
mod handle;
mod index;
mod meta;
mod modules;
mod notifier;
mod permissions;
mod policy;
mod rank;
mod served;
mod set;
mod status;

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use serde::Deserialize;

pub use build::{CatalogError, resolve_meta_tools_flag};
pub use catalog::{Catalog, ModuleError, OwnTool, Toolset};
pub use enabling::Outcome;
pub use modules::NotReady;
pub use notifier::{NotifyError, ToolsChangedNotifier};
pub use permissions::{CallerToolsets, PermissionResolver, Permissions, Rule};
pub(crate) use policy::text;
pub use policy::{Code, ExposurePolicy, OnLimit};
pub use rank::Documents;
pub use status::Status;

use crate::{Changes, Server, StateKey};
use handle::Handles;
use index::State;
use modules::Module;
use set::Set;

/// The names of the tools by which callers handle toolsets.
pub use meta::{NAMES as META_TOOLS, found_by_search};

/// A server can have so many.
pub const MOST: usize = 128;

/// A server whose tools come in groups.
pub struct Toolsets {
    inner: Arc<dyn Server>,
    /// Where the server within has none.
    changes: Changes,
    /// Tells one from the next that takes its place.
    generation: u64,
    toolsets: Vec<Compiled>,
    modules: Vec<Module>,
    state: ArcSwap<State>,
    /// Held while what modules brought is added.
    merging: std::sync::Mutex<()>,
    /// What `allow` and `deny` leave.
    allowed: Set,
    initial: Set,
    mode: Mode,
    modern: Modern,
    meta_tools: bool,
    policy: ExposurePolicy,
    permissions: Option<Permissions>,
    notifier: Option<Arc<dyn ToolsChangedNotifier>>,
    handles: Handles,
}

impl fmt::Debug for Toolsets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.toolsets.iter().map(|toolset| &*toolset.key).collect();
        f.debug_struct("Toolsets").field("mode", &self.mode).field("toolsets", &keys).finish_non_exhaustive()
    }
}

/// One toolset, without its tools.
#[derive(Debug)]
struct Compiled {
    key: Arc<str>,
    name: String,
    description: String,
    decision_criteria: Option<String>,
    scopes: Vec<String>,
    module_keys: Vec<String>,
    /// Where its modules are in [`Toolsets::modules`].
    modules: Vec<usize>,
}

/// Whether callers turn toolsets on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Mode {
    /// What is on from the start is all there is.
    #[default]
    Static,
    Dynamic,
}

/// How requests that stand alone reach toolsets that are not on from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Modern {
    /// By `search_tools` and `call_tool`.
    #[default]
    Search,
    /// By a signed handle that `enable_toolset` gives, bound to the caller, good for some time.
    Handle,
    /// By the toolset's own URL, `/mcp/<toolset>`.
    Url,
}

/// What is on from the start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Initial {
    #[default]
    None,
    All,
    Only(Vec<String>),
}

/// How toolsets are exposed.
#[derive(Clone)]
pub struct Options {
    pub mode: Mode,
    pub modern: Modern,
    pub initial: Initial,
    pub policy: ExposurePolicy,
    /// Whether callers get the meta-tools. Left out: where toolsets are dynamic. Static ones have `list_tools` alone.
    pub meta_tools: Option<bool>,
    /// What a caller may see. Left out: everything; with it, a tool in no toolset is nobody's.
    pub permissions: Option<Permissions>,
    /// Tools of the server within that every caller has, whatever is exposed.
    pub always: Vec<String>,
    /// Told besides the client when the list of one is another one, for who passes it on.
    pub notifier: Option<Arc<dyn ToolsChangedNotifier>>,
    /// What signs handles; that of [`Config`](crate::http::Config) where several processes serve the same.
    pub state_key: StateKey,
    /// How long a handle is good. Default 1 h.
    pub handle_ttl: Duration,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("mode", &self.mode)
            .field("modern", &self.modern)
            .field("initial", &self.initial)
            .field("policy", &self.policy)
            .field("meta_tools", &self.meta_tools)
            .field("permissions", &self.permissions)
            .finish_non_exhaustive()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            modern: Modern::default(),
            initial: Initial::default(),
            policy: ExposurePolicy::default(),
            meta_tools: None,
            permissions: None,
            always: Vec::new(),
            notifier: None,
            state_key: StateKey::default(),
            handle_ttl: Duration::from_secs(60 * 60),
        }
    }
}
