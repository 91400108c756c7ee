//! The problems of one reading, as many as are worth keeping.

use super::limits;
use crate::{Code, Diagnostic, Fix, Span, path::Path};

#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Diagnostic>);

impl Findings {
    /// The diagnostic that was added, to say more about it; `None` when there are too many already.
    pub(super) fn add(&mut self, code: Code, span: Span, message: impl Into<String>) -> Option<&mut Diagnostic> {
        if self.is_full() {
            return None;
        }
        let message = message.into();
        self.0.push(Diagnostic { code, message, span, path: Path::default(), help: None, fix: None });
        self.0.last_mut()
    }

    /// Whether nothing more is kept, so that there is no need to say it.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= limits::DIAGNOSTICS
    }

    pub(super) fn into_vec(self) -> Vec<Diagnostic> {
        self.0
    }
}

impl Diagnostic {
    pub(super) fn at(&mut self, path: Path) -> &mut Self {
        self.path = path;
        self
    }

    pub(super) fn helped(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn fixed(&mut self, span: Span, replacement: impl Into<String>) -> &mut Self {
        self.fix = Some(Fix { span, replacement: replacement.into() });
        self
    }
}
