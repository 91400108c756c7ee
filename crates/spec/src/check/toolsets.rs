//! Toolsets, what of them is exposed, and who may see them.

use std::collections::HashSet;

use super::Checker;
use crate::{
    Code, NodeValue, Spec,
    model::{Access, Initial, Mode, ToolsetName},
    path::Path,
};

/// A server can have so many.
pub const MOST_TOOLSETS: usize = 128;
/// Patterns against names, of all toolsets together.
const MOST_COMPARISONS: usize = 1_000_000;

impl Checker<'_> {
    pub(super) fn check_toolsets(&mut self, spec: &Spec) {
        let tools = self.declared("tools");
        let mut comparisons = 0;
        if spec.toolsets.len() > MOST_TOOLSETS {
            let (at, number) = (self.element("toolsets", MOST_TOOLSETS), spec.toolsets.len());
            let message = format!("there are {number} toolsets, and a server can have {MOST_TOOLSETS}");
            self.report(Code::Range, &at, message, Some("put tools that are used together into one".to_owned()));
        }
        for (index, toolset) in spec.toolsets.iter().enumerate() {
            let at = self.element("toolsets", index);
            let list = at.key("tools");
            self.needs_content(&list, "the toolset");
            for (index, pattern) in toolset.tools.iter().enumerate() {
                let known = if !pattern.is_glob() {
                    tools.contains(pattern.as_str())
                } else if comparisons < MOST_COMPARISONS {
                    comparisons += tools.len();
                    tools.iter().any(|tool| pattern.matches(tool))
                } else {
                    true
                };
                if known {
                    continue;
                }
                let at = self.reader.place(&list, index);
                if pattern.is_glob() {
                    self.report(Code::ToolsetUnknownTool, &at, format!("no tool is called like `{pattern}`"), None);
                } else {
                    let near = self.suggest(Code::ToolsetUnknownTool, pattern, tools.iter().copied());
                    self.report(Code::ToolsetUnknownTool, &at, format!("there is no tool `{pattern}`"), near);
                }
            }
        }
        self.check_exposure(spec);
        self.check_access(spec);
    }

    fn check_exposure(&mut self, spec: &Spec) {
        let at = Path::default().key("exposure");
        let exposure = &spec.exposure;
        let initial = match &exposure.initial {
            Initial::All => &[][..],
            Initial::Toolsets(toolsets) => toolsets,
        };
        self.check_known(Code::ExposureUnknownToolset, initial, &at.key("initial"));
        if let Some(allow) = &exposure.allow {
            self.check_known(Code::ExposureUnknownToolset, allow, &at.key("allow"));
            for (index, toolset) in initial.iter().enumerate() {
                if !allow.contains(toolset) && self.declared("toolsets").contains(toolset.as_str()) {
                    let at = self.reader.place(&at.key("initial"), index);
                    let message = format!("`{toolset}` is on from the start, and `allow` does not list it");
                    self.report(Code::Conflict, &at, message, None);
                }
            }
        }
        if let Some(most) = exposure.max_active
            && initial.len() > most.get() as usize
        {
            let message = format!("{} toolsets are on from the start, and at most {most} may be", initial.len());
            self.report(Code::Range, &at.key("maxActive"), message, None);
        }
        let permissions = Path::default().key("permissions");
        if exposure.mode == Mode::Dynamic && self.has(&permissions) {
            let message =
                "`permissions` stands beside dynamic exposure: callers either turn toolsets on or are given them";
            self.report(Code::Conflict, &permissions, message, Some("use `access`, which goes with both".to_owned()));
        }
    }

    fn check_access(&mut self, spec: &Spec) {
        let permissions = Path::default().key("permissions");
        let code = Code::PermissionsUnknownToolset;
        match &spec.access {
            Access::Everything => {}
            Access::Rules(_) if self.has(&permissions) => {
                let map = permissions.key("map");
                if let Some(NodeValue::Mapping(entries)) = self.node(&map).map(|node| &node.value) {
                    for entry in entries {
                        self.check_written(code, &map.key(&entry.key));
                    }
                }
                self.check_written(code, &permissions.key("default"));
            }
            Access::Rules(rules) => {
                let list = Path::default().key("access");
                for (index, rule) in rules.iter().enumerate() {
                    let at = self.reader.place(&list, index).key("toolsets");
                    self.check_known(code, &rule.toolsets, &at);
                }
            }
            Access::Claims(claims) => self.check_known(code, &claims.default, &permissions.key("default")),
            Access::Header(header) => {
                self.check_known(code, &header.default, &permissions.key("default"));
                let proven = ["trustedProxies", "signature"].iter().any(|key| self.has(&permissions.key(key)));
                if !proven {
                    let message = "nothing proves who set the header";
                    let help = "add `trustedProxies` or `signature`".to_owned();
                    self.report(Code::Missing, &permissions, message, Some(help));
                }
                self.needs_content(&permissions.key("trustedProxies"), "`trustedProxies`");
            }
        }
    }

    fn check_known(&mut self, code: Code, toolsets: &[ToolsetName], list: &Path) {
        let known = self.declared("toolsets");
        for (index, toolset) in toolsets.iter().enumerate() {
            let at = self.reader.place(list, index);
            self.check_toolset(code, toolset, &at, &known);
        }
    }

    /// The same for a list that is known from the document alone.
    fn check_written(&mut self, code: Code, list: &Path) {
        let known = self.declared("toolsets");
        let Some(NodeValue::Sequence(items)) = self.node(list).map(|node| &node.value) else { return };
        for (index, item) in items.iter().enumerate() {
            if let Some(toolset) = item.as_str() {
                self.check_toolset(code, toolset, &list.index(index), &known);
            }
        }
    }

    fn check_toolset(&mut self, code: Code, toolset: &str, at: &Path, known: &HashSet<&str>) {
        if !toolset.is_empty() && !known.contains(toolset) {
            let near = self.suggest(code, toolset, known.iter().copied());
            self.report(code, at, format!("there is no toolset `{toolset}`"), near);
        }
    }
}
