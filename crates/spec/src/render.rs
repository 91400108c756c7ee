//! Diagnostics for people (source excerpt, underline) and for programs (JSON lines). Neither ever shows a secret.

use crate::Diagnostic;

/// How a rendering for people looks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    pub colour: bool,
}

/// The diagnostics of one document, as text for people. `file` is what the document is called.
#[must_use]
pub fn human(file: &str, text: &[u8], diagnostics: &[Diagnostic], style: Style) -> String {
    let _ = (file, text, diagnostics, style);
    String::new()
}

/// `{"verdict": ..., "diagnostics": [...]}`: what `validate --output json` prints per document.
#[must_use]
pub fn json(file: &str, diagnostics: &[Diagnostic]) -> serde_json::Value {
    let _ = (file, diagnostics);
    serde_json::Value::Null
}
