//! `toolsets`, `exposure`, `access` and `permissions` of a spec, as the serving library has them.
//!
//! The engine itself answers for every tool; what a caller sees of it is decided around it. So `steps` reach what their author
//! wrote, whether the caller sees it or not, and `mcp-factory test` runs every tool.

use std::{collections::BTreeSet, sync::Arc};

use mcp_factory_spec::{Spec, model};
use mcp_serve::{
    Server, StateKey,
    toolsets::{
        Catalog, CatalogError, ExposurePolicy, Initial, Mode, Modern, Options, Permissions, Rule, Toolset, Toolsets,
    },
};

use crate::{Engine, tasks::result_tool};

// What the check of a spec lets pass can be served.
const _: () = assert!(mcp_factory_spec::MOST_TOOLSETS <= mcp_serve::toolsets::MOST);

/// What stands around an engine whose spec chooses.
#[derive(Debug, Clone)]
pub struct Exposure {
    toolsets: Vec<Toolset>,
    options: Options,
    /// Changes where lists may have changed.
    pub(crate) fingerprint: String,
}

impl Exposure {
    /// `None` where every caller has every tool.
    pub fn of(spec: &Spec) -> Option<Self> {
        let model::Exposure { mode, modern, initial, allow, max_active, namespace } = &spec.exposure;
        let chosen = !matches!(initial, model::Initial::Toolsets(keys) if keys.is_empty());
        let scoped = spec.toolsets.iter().any(|toolset| !toolset.scopes.is_empty());
        let dynamic = *mode == model::Mode::Dynamic;
        let bounded = spec.access != model::Access::default();
        if !(dynamic || bounded || chosen || scoped || *namespace || allow.is_some()) {
            return None;
        }
        let initial = match initial {
            model::Initial::All => Initial::All,
            model::Initial::Toolsets(_) if chosen => Initial::Only(names(initial)),
            // Where nobody turns anything on, nothing said is everything.
            model::Initial::Toolsets(_) if dynamic => Initial::None,
            model::Initial::Toolsets(_) => Initial::All,
        };
        let options = Options {
            mode: if dynamic { Mode::Dynamic } else { Mode::Static },
            modern: match modern {
                model::Modern::Search => Modern::Search,
                model::Modern::Handle => Modern::Handle,
                model::Modern::Url => Modern::Url,
            },
            initial,
            policy: ExposurePolicy {
                allow: allow.as_ref().map(|allow| allow.iter().map(ToString::to_string).collect()),
                max_active: max_active.map(|most| most.get() as usize),
                namespace: *namespace,
                ..ExposurePolicy::default()
            },
            permissions: permissions(&spec.access),
            always: spec.tools.iter().any(|tool| tool.task).then(|| result_tool::NAME.to_owned()).into_iter().collect(),
            ..Options::default()
        };
        let toolsets = spec.toolsets.iter().map(|toolset| compiled(spec, toolset)).collect();
        let fingerprint = format!("{:?}{:?}{:?}", spec.toolsets, spec.exposure, spec.access);
        Some(Self { toolsets, options, fingerprint })
    }

    fn around(&self, engine: Arc<Engine>, state_key: &StateKey) -> Result<Toolsets, CatalogError> {
        let catalog = self.toolsets.iter().cloned().fold(Catalog::new(), Catalog::toolset);
        let options = Options { state_key: state_key.clone(), ..self.options.clone() };
        Toolsets::new(engine, catalog, options)
    }
}

impl Engine {
    /// What is served: the engine, and around it what its spec has to say of who sees what. Handles are signed with the key.
    #[must_use]
    pub fn exposed(self: &Arc<Self>, state_key: &StateKey) -> Arc<dyn Server> {
        match &self.exposure {
            None => self.clone(),
            Some(exposure) => Arc::new(exposure.around(self.clone(), state_key).expect("it was tried when planned")),
        }
    }

    /// Whether it can be exposed as its spec wants.
    pub(crate) fn try_exposed(self: &Arc<Self>) -> Result<(), CatalogError> {
        let exposure = self.exposure.as_ref();
        exposure.map_or(Ok(()), |exposure| exposure.around(self.clone(), &StateKey::default()).map(drop))
    }
}

fn names(initial: &model::Initial) -> Vec<String> {
    match initial {
        model::Initial::All => Vec::new(),
        model::Initial::Toolsets(keys) => keys.iter().map(ToString::to_string).collect(),
    }
}

fn compiled(spec: &Spec, toolset: &model::Toolset) -> Toolset {
    let compiled = Toolset::new(toolset.name.to_string(), toolset.description.clone().unwrap_or_default());
    compiled.tools(tools(spec, toolset)).scopes(toolset.scopes.iter().cloned())
}

fn tools<'a>(spec: &'a Spec, toolset: &'a model::Toolset) -> impl Iterator<Item = String> + 'a {
    let tools = spec.tools.iter().map(|tool| tool.name.to_string());
    tools.filter(|tool| toolset.tools.iter().any(|pattern| pattern.matches(tool)))
}

fn permissions(access: &model::Access) -> Option<Permissions> {
    let keys = |keys: &[model::ToolsetName]| keys.iter().map(ToString::to_string).collect::<Vec<_>>();
    match access {
        model::Access::Everything => None,
        model::Access::Rules(rules) => {
            let rules = rules.iter().map(|rule| Rule {
                group: rule.group.clone(),
                principal: rule.principal.clone(),
                toolsets: keys(&rule.toolsets),
            });
            Some(Permissions::rules(rules.collect()))
        }
        model::Access::Claims(claims) => {
            Some(Permissions::claim(claims.claim.clone()).or_default(keys(&claims.default)))
        }
        model::Access::Header(header) => {
            Some(Permissions::claim(header.header.to_string().to_ascii_lowercase()).or_default(keys(&header.default)))
        }
    }
}

/// The scopes that are needed for a tool by whichever of its toolsets it is reached, and so in `steps`, too.
pub fn scopes_of_toolsets(spec: &Spec, tool: &model::Tool) -> BTreeSet<String> {
    let mut needed: Option<BTreeSet<String>> = None;
    let toolsets = spec.toolsets.iter();
    for toolset in toolsets.filter(|toolset| toolset.tools.iter().any(|pattern| pattern.matches(&tool.name))) {
        let scopes: BTreeSet<String> = toolset.scopes.iter().cloned().collect();
        needed = Some(needed.map_or_else(|| scopes.clone(), |needed| &needed & &scopes));
    }
    needed.unwrap_or_default()
}

/// What the author may not have meant.
pub fn notices(spec: &Spec) -> Vec<String> {
    if spec.access == model::Access::default() {
        return Vec::new();
    }
    let grouped = |tool: &model::Tool| {
        spec.toolsets.iter().any(|toolset| toolset.tools.iter().any(|pattern| pattern.matches(&tool.name)))
    };
    let alone: Vec<String> =
        spec.tools.iter().filter(|tool| !grouped(tool)).map(|tool| format!("`{}`", tool.name)).collect();
    if alone.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "with `access` or `permissions`, nobody sees a tool that is in no toolset: {}; `steps` still reach it",
        alone.join(", ")
    )]
}
