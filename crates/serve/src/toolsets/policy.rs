//! What may be turned on, and what callers are told when it may not.

use std::{fmt, sync::Arc};

use serde::Serialize;

/// Told of an activation that was refused for the limit: what was asked for, and what was on.
pub type OnLimit = Arc<dyn Fn(&[&str], &[&str]) + Send + Sync>;

/// Bounds what callers turn on.
#[derive(Clone)]
pub struct ExposurePolicy {
    /// What may be turned on. Left out: every toolset.
    pub allow: Option<Vec<String>>,
    /// What may not, whatever `allow` says.
    pub deny: Vec<String>,
    /// Toolsets on at once, in one session or one handle.
    pub max_active: Option<usize>,
    pub on_limit: Option<OnLimit>,
    /// Tools are called `toolset.tool`. Default.
    pub namespace: bool,
}

impl Default for ExposurePolicy {
    fn default() -> Self {
        Self { allow: None, deny: Vec::new(), max_active: None, on_limit: None, namespace: true }
    }
}

impl fmt::Debug for ExposurePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExposurePolicy")
            .field("allow", &self.allow)
            .field("deny", &self.deny)
            .field("max_active", &self.max_active)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl ExposurePolicy {
    /// Why it may not be turned on, whoever asks.
    pub(crate) fn refusal(&self, key: &str) -> Option<String> {
        if self.deny.iter().any(|denied| denied == key) {
            return Some(text::denied(key));
        }
        let allowed = self.allow.as_ref().is_none_or(|allow| allow.iter().any(|allowed| allowed == key));
        (!allowed).then(|| text::not_allowed(key))
    }

    /// What is left where [permissions](super::Permissions) alone choose, with a warning for each field that is not: they would
    /// be a second word about the same.
    pub fn sanitised(self) -> (Self, Vec<String>) {
        let fields = [
            ("allowlist", self.allow.is_some()),
            ("denylist", !self.deny.is_empty()),
            ("maxActiveToolsets", self.max_active.is_some()),
            ("onLimitExceeded", self.on_limit.is_some()),
        ];
        let warnings = fields.iter().filter(|(_, given)| *given).map(|(field, _)| {
            format!("`exposurePolicy.{field}` is not used by a permission-based server: permissions alone choose; it was removed")
        });
        let warnings = warnings.collect();
        (Self { namespace: self.namespace, ..Self::default() }, warnings)
    }
}

/// Why something about a toolset did not happen, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Code {
    #[serde(rename = "E_VALIDATION")]
    Validation,
    #[serde(rename = "E_POLICY_MAX_ACTIVE")]
    PolicyMaxActive,
    #[serde(rename = "E_TOOL_NAME_CONFLICT")]
    ToolNameConflict,
    #[serde(rename = "E_NOTIFY_FAILED")]
    NotifyFailed,
    #[serde(rename = "E_INTERNAL")]
    Internal,
}

impl Code {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validation => "E_VALIDATION",
            Self::PolicyMaxActive => "E_POLICY_MAX_ACTIVE",
            Self::ToolNameConflict => "E_TOOL_NAME_CONFLICT",
            Self::NotifyFailed => "E_NOTIFY_FAILED",
            Self::Internal => "E_INTERNAL",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Kept word for word: clients and prompts know them.
pub(crate) mod text {
    pub(crate) fn enabled(key: &str, tools: usize) -> String {
        format!("Toolset '{key}' enabled successfully. Registered {tools} tools.")
    }

    pub(crate) fn already(key: &str) -> String {
        format!("Toolset '{key}' is already enabled.")
    }

    pub(crate) fn not_found(key: &str, available: &[&str]) -> String {
        let key: String = key.chars().take(128).collect();
        format!("Toolset '{key}' not found. Available toolsets: {}", listed(available))
    }

    pub(crate) fn not_allowed(key: &str) -> String {
        format!("Toolset '{key}' is not allowed by policy.")
    }

    pub(crate) fn denied(key: &str) -> String {
        format!("Toolset '{key}' is denied by policy.")
    }

    pub(crate) fn too_many(most: usize) -> String {
        format!("Activation exceeds maxActiveToolsets ({most}).")
    }

    pub(crate) fn disabled(key: &str) -> String {
        format!("Toolset '{key}' disabled successfully.")
    }

    pub(crate) fn not_active(key: &str, active: &[&str]) -> String {
        let key: String = key.chars().take(128).collect();
        format!("Toolset '{key}' is not currently active. Active toolsets: {}", listed(active))
    }

    fn listed(keys: &[&str]) -> String {
        if keys.is_empty() { "none".to_owned() } else { keys.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S3-13: never in silence, one warning for each field, and the namespace stays.
    #[test]
    fn where_permissions_choose_a_policy_loses_its_choices_and_says_so() {
        let given = ExposurePolicy {
            allow: Some(vec!["a".to_owned()]),
            deny: vec!["b".to_owned()],
            max_active: Some(1),
            on_limit: Some(Arc::new(|_, _| {})),
            namespace: false,
        };
        let (left, warnings) = given.sanitised();
        assert!(left.allow.is_none() && left.deny.is_empty() && left.max_active.is_none() && left.on_limit.is_none());
        assert!(!left.namespace);
        let named = |field: &str| warnings.iter().filter(|warning| warning.contains(&format!(".{field}`"))).count();
        let fields = ["allowlist", "denylist", "maxActiveToolsets", "onLimitExceeded"];
        assert_eq!((fields.map(named), warnings.len()), ([1; 4], 4), "{warnings:?}");
        assert!(ExposurePolicy::default().sanitised().1.is_empty());
    }
}
