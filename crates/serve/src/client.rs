//! What the client can do, as it declared with this request.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::tasks;

/// What calls may rely on. Nothing is remembered from one request to the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientSupport {
    /// It takes a task for an answer.
    pub tasks: bool,
}

impl ClientSupport {
    /// Of `_meta`'s `io.modelcontextprotocol/clientCapabilities`. What can't be read was not declared.
    pub(crate) fn of(declared: Option<&RawValue>) -> Self {
        #[derive(Deserialize)]
        struct Declared {
            #[serde(default)]
            extensions: serde_json::Map<String, serde_json::Value>,
        }
        let Some(declared) = declared.filter(|declared| declared.get().len() > "{}".len()) else {
            return Self::default();
        };
        let declared: Option<Declared> = serde_json::from_str(declared.get()).ok();
        Self { tasks: declared.is_some_and(|it| it.extensions.get(tasks::EXTENSION).is_some_and(|it| it.is_object())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_declared_is_supported() {
        let of = |json: &str| ClientSupport::of(Some(&RawValue::from_string(json.to_owned()).expect("JSON"))).tasks;
        assert!(of(r#"{"elicitation":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}"#));
        for none in [
            "{}",
            r#"{"tasks":{}}"#,
            r#"{"extensions":{}}"#,
            r#"{"extensions":[]}"#,
            r#"{"extensions":{"io.modelcontextprotocol/tasks":null}}"#,
        ] {
            assert!(!of(none), "{none}");
        }
        assert_eq!(ClientSupport::of(None), ClientSupport::default());
    }
}
