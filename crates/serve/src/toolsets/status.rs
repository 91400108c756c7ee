//! What a caller is told of toolsets outside of MCP.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Toolsets, permissions::Granted};
use crate::CallContext;

/// What there is for one caller. What a session or an activation turned on is theirs, and not told here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub available_toolsets: Vec<String>,
    /// On from the start.
    pub active_toolsets: Vec<String>,
    /// Modules of these toolsets that have loaded.
    pub registered_modules: Vec<String>,
    pub total_toolsets: usize,
    pub active_count: usize,
    pub tools: Vec<String>,
    /// The meta-tools are under `_meta`.
    pub toolset_to_tools: BTreeMap<String, Vec<String>>,
    /// What the caller's permissions name, and there is not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_toolsets: Vec<String>,
}

impl Toolsets {
    /// As a request that stands alone finds them.
    #[must_use]
    pub fn status(&self, cx: &CallContext) -> Status {
        let (permitted, shown, state) = (self.permitted(cx), self.shown(cx), self.state.load_full());
        let owned = |keys: Vec<&str>| keys.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let mut registered_modules = Vec::new();
        for toolset in permitted.iter().map(|place| &self.toolsets[place]) {
            let modules = toolset.modules.iter().zip(&toolset.module_keys);
            let loaded = modules.filter(|(number, _)| state.loaded.contains(number)).map(|(_, key)| key);
            registered_modules.extend(loaded.cloned());
        }
        registered_modules.sort_unstable();
        registered_modules.dedup();
        let names = |place| state.index.of(place).map(|entry| entry.tool.name.to_string()).collect();
        let mut toolset_to_tools: BTreeMap<String, Vec<String>> =
            shown.toolsets.iter().map(|place| (self.toolsets[place].key.to_string(), names(place))).collect();
        let meta: Vec<String> = shown.meta.tools().iter().map(|tool| tool.name.to_string()).collect();
        if !meta.is_empty() {
            toolset_to_tools.insert("_meta".to_owned(), meta);
        }
        let active_toolsets = owned(self.keys(shown.toolsets));
        Status {
            available_toolsets: owned(self.keys(permitted)),
            active_count: active_toolsets.len(),
            active_toolsets,
            registered_modules,
            total_toolsets: permitted.len(),
            tools: state.listing(shown).items().iter().map(|tool| tool.name.to_string()).collect(),
            toolset_to_tools,
            failed_toolsets: Granted::failed(cx.grant.as_ref(), self.generation).to_vec(),
        }
    }
}
