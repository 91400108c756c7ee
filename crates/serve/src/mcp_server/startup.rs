//! What is on from the start, and whether callers turn on more: said in one place, decided in one place (S3-31, S3-32).

use serde::Deserialize;
use serde_json::Value;

use super::near;
use crate::toolsets::{ExposurePolicy, Initial, Mode, resolve_meta_tools_flag, text};

/// The `startup` of a server. `toolsets` is a list of keys, or `"ALL"`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "Value")]
pub struct Startup {
    /// Left out: static with `toolsets`, else dynamic.
    pub mode: Option<Mode>,
    /// [`Initial::None`] where nothing is said.
    pub toolsets: Initial,
}

/// Why a server can't start with these toolsets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartupError {
    #[error(
        "Invalid startup configuration: {problem}. Hint: Common mistake - use \"toolsets\" not \"initialToolsets\""
    )]
    Invalid { problem: String },
    #[error("STATIC mode requires valid toolsets or 'ALL'; none were valid")]
    NoneValid,
    /// A toolset that is asked for is missed later, so it is missed now (S3-14).
    #[error("{message}")]
    Refused { message: String },
}

/// Reads the `startup` of a file strictly: what it does not know is an error.
pub fn validate_startup_config(startup: &Value) -> Result<Startup, StartupError> {
    let invalid = |problem: String| StartupError::Invalid { problem };
    let Value::Object(fields) = startup else { return Err(invalid(format!("expected an object, not `{startup}`"))) };
    let mut read = Startup::default();
    for (field, value) in fields {
        match field.as_str() {
            "mode" => {
                let mode = Mode::deserialize(value);
                read.mode = Some(mode.map_err(|_| invalid(format!("`mode` is `DYNAMIC` or `STATIC`, not {value}")))?);
            }
            "toolsets" => {
                read.toolsets = match value {
                    Value::String(all) if all == "ALL" => Initial::All,
                    Value::Array(keys) => {
                        let keys = keys.iter().map(|key| key.as_str().map(str::to_owned)).collect::<Option<_>>();
                        Initial::Only(keys.ok_or_else(|| invalid("`toolsets` is a list of keys".to_owned()))?)
                    }
                    _ => return Err(invalid(format!("`toolsets` is a list of keys or \"ALL\", not {value}"))),
                };
            }
            _ => {
                let meant = near(field, &["mode", "toolsets"]);
                let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
                return Err(invalid(format!("there is no `{}`{meant}", field.chars().take(64).collect::<String>())));
            }
        }
    }
    Ok(read)
}

impl TryFrom<Value> for Startup {
    type Error = StartupError;

    fn try_from(startup: Value) -> Result<Self, StartupError> {
        validate_startup_config(&startup)
    }
}

/// What a server is started with, whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) mode: Mode,
    pub(super) initial: Initial,
    pub(super) meta_tools: bool,
    pub(super) warnings: Vec<String>,
}

/// `known` are the keys of the catalog.
pub(super) fn resolve(
    startup: &Startup,
    meta_tools: Option<bool>,
    known: &[String],
    policy: &ExposurePolicy,
) -> Result<Resolved, StartupError> {
    let mut warnings = Vec::new();
    let (mode, initial) = match (startup.mode, &startup.toolsets) {
        (Some(Mode::Dynamic), toolsets) => {
            if *toolsets != Initial::None {
                warnings.push("`startup.toolsets` is ignored in DYNAMIC mode: callers turn toolsets on".to_owned());
            }
            (Mode::Dynamic, Initial::None)
        }
        (_, Initial::All) => (Mode::Static, Initial::All),
        (None, Initial::Only(keys)) if keys.is_empty() => (Mode::Dynamic, Initial::None),
        (_, Initial::Only(keys)) => (Mode::Static, Initial::Only(valid(keys, known, &mut warnings)?)),
        (None, Initial::None) => (Mode::Dynamic, Initial::None),
        (Some(Mode::Static), Initial::None) => (Mode::Static, Initial::Only(Vec::new())),
    };
    if mode == Mode::Static {
        allowed(&initial, known, policy)?;
    }
    Ok(Resolved { mode, initial, meta_tools: resolve_meta_tools_flag(meta_tools, mode), warnings })
}

fn valid(keys: &[String], known: &[String], warnings: &mut Vec<String>) -> Result<Vec<String>, StartupError> {
    let mut valid: Vec<String> = Vec::new();
    for key in keys {
        let key = key.trim();
        if !known.iter().any(|known| known == key) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            warnings.push(text::not_found(key, &known));
        } else if !valid.iter().any(|valid| valid == key) {
            valid.push(key.to_owned());
        }
    }
    if valid.is_empty() && !keys.is_empty() {
        return Err(StartupError::NoneValid);
    }
    Ok(valid)
}

/// "ALL" is what the policy leaves; a toolset that is named must be among it.
fn allowed(initial: &Initial, known: &[String], policy: &ExposurePolicy) -> Result<(), StartupError> {
    let refused = |message| Err(StartupError::Refused { message });
    let count = match initial {
        Initial::None => 0,
        Initial::All => known.iter().filter(|key| policy.refusal(key).is_none()).count(),
        Initial::Only(keys) => {
            if let Some(message) = keys.iter().find_map(|key| policy.refusal(key)) {
                return refused(message);
            }
            keys.len()
        }
    };
    match policy.max_active.filter(|most| count > *most) {
        Some(most) => refused(text::too_many(most)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn only(keys: &[&str]) -> Initial {
        Initial::Only(keys.iter().map(ToString::to_string).collect())
    }

    fn known() -> Vec<String> {
        ["a", "b"].map(str::to_owned).to_vec()
    }

    fn resolved(startup: Value) -> Result<Resolved, StartupError> {
        resolve(&validate_startup_config(&startup)?, None, &known(), &ExposurePolicy::default())
    }

    /// S3-31: the six rows. W2-13: the inferred mode is the mode, and there is one answer for everybody who asks.
    #[test]
    fn mode_and_toolsets_come_from_one_table() {
        for (startup, mode, initial, warnings) in [
            (json!({ "mode": "DYNAMIC", "toolsets": ["a"] }), Mode::Dynamic, Initial::None, 1),
            (json!({ "mode": "DYNAMIC", "toolsets": "ALL" }), Mode::Dynamic, Initial::None, 1),
            (json!({ "mode": "DYNAMIC" }), Mode::Dynamic, Initial::None, 0),
            (json!({ "mode": "STATIC", "toolsets": "ALL" }), Mode::Static, Initial::All, 0),
            (json!({ "mode": "STATIC", "toolsets": ["a", "nope", " b ", "a"] }), Mode::Static, only(&["a", "b"]), 1),
            (json!({ "toolsets": "ALL" }), Mode::Static, Initial::All, 0),
            (json!({ "toolsets": ["b", "nope"] }), Mode::Static, only(&["b"]), 1),
            (json!({}), Mode::Dynamic, Initial::None, 0),
            // Static with nothing is allowed, and empty.
            (json!({ "mode": "STATIC", "toolsets": [] }), Mode::Static, only(&[]), 0),
            (json!({ "mode": "STATIC" }), Mode::Static, only(&[]), 0),
            (json!({ "toolsets": [] }), Mode::Dynamic, Initial::None, 0),
        ] {
            let resolved = resolved(startup.clone()).expect("is resolved");
            assert_eq!((resolved.mode, &resolved.initial), (mode, &initial), "{startup}");
            assert_eq!(resolved.warnings.len(), warnings, "{startup}: {:?}", resolved.warnings);
            // S3-32.
            assert_eq!(resolved.meta_tools, mode == Mode::Dynamic, "{startup}");
        }
        let text = "STATIC mode requires valid toolsets or 'ALL'; none were valid";
        for none in [json!({ "mode": "STATIC", "toolsets": ["nope"] }), json!({ "toolsets": ["nope", ""] })] {
            assert_eq!(resolved(none).expect_err("none is valid").to_string(), text);
        }
        let warned = resolved(json!({ "toolsets": ["a", "nope"] })).expect("is resolved").warnings;
        assert_eq!(warned, ["Toolset 'nope' not found. Available toolsets: a, b"]);
    }

    /// S3-32.
    #[test]
    fn an_explicit_word_about_meta_tools_wins() {
        for (mode, explicit, expected) in [
            (Mode::Dynamic, None, true),
            (Mode::Dynamic, Some(false), false),
            (Mode::Static, None, false),
            (Mode::Static, Some(true), true),
        ] {
            let startup = Startup { mode: Some(mode), toolsets: Initial::None };
            let resolved = resolve(&startup, explicit, &known(), &ExposurePolicy::default()).expect("is resolved");
            assert_eq!(resolved.meta_tools, expected, "{mode:?} {explicit:?}");
        }
    }

    /// S3-10.
    #[test]
    fn what_startup_does_not_know_is_an_error_with_the_hint() {
        let hint = r#". Hint: Common mistake - use "toolsets" not "initialToolsets""#;
        for (startup, problem) in [
            (json!({ "initialToolsets": ["a"] }), "there is no `initialToolsets`; did you mean `toolsets`?"),
            (json!({ "tooolsets": ["a"] }), "there is no `tooolsets`; did you mean `toolsets`?"),
            (json!({ "Mode": "STATIC" }), "there is no `Mode`; did you mean `mode`?"),
            (json!({ "quark": 1 }), "there is no `quark`"),
            (json!({ "mode": "ALL" }), "`mode` is `DYNAMIC` or `STATIC`, not \"ALL\""),
            (json!({ "mode": "dynamic" }), "`mode` is `DYNAMIC` or `STATIC`, not \"dynamic\""),
            (json!({ "toolsets": "a" }), "`toolsets` is a list of keys or \"ALL\", not \"a\""),
            (json!({ "toolsets": [1] }), "`toolsets` is a list of keys"),
            (json!([]), "expected an object, not `[]`"),
        ] {
            let error = validate_startup_config(&startup).expect_err("is refused").to_string();
            assert_eq!(error, format!("Invalid startup configuration: {problem}{hint}"));
        }
    }

    /// S3-14: what is asked for and can't be had is not left out in silence.
    #[test]
    fn a_static_toolset_that_the_policy_refuses_fails_the_start() {
        let policy = |policy| {
            let startup = Startup { mode: Some(Mode::Static), toolsets: only(&["a", "b"]) };
            resolve(&startup, None, &known(), &policy).map(|_| ()).map_err(|error| error.to_string())
        };
        let default = ExposurePolicy::default;
        let keys = |key: &str| vec![key.to_owned()];
        assert_eq!(policy(default()), Ok(()));
        assert_eq!(
            policy(ExposurePolicy { deny: keys("b"), ..default() }),
            Err("Toolset 'b' is denied by policy.".to_owned())
        );
        assert_eq!(
            policy(ExposurePolicy { allow: Some(keys("b")), ..default() }),
            Err("Toolset 'a' is not allowed by policy.".to_owned())
        );
        assert_eq!(
            policy(ExposurePolicy { max_active: Some(1), ..default() }),
            Err("Activation exceeds maxActiveToolsets (1).".to_owned())
        );
        let all = Startup { mode: None, toolsets: Initial::All };
        let left = ExposurePolicy { deny: keys("b"), max_active: Some(1), ..default() };
        assert!(resolve(&all, None, &known(), &left).is_ok(), "all is what the policy leaves");
    }
}
