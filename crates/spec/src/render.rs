//! Diagnostics for people (source excerpt, underline) and for programs (JSON). Neither ever shows a secret.
//!
//! What is hidden: every place that a `spec/secret` names, in each excerpt and message; and in excerpts also what only looks
//! like a secret or stands behind a name like one, because a document that can't be parsed has not been searched.

mod excerpt;
mod json;
mod secrecy;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet, normalize_untrusted_str};

pub use self::json::json;
use self::{excerpt::Excerpt, secrecy::Secrecy};
use crate::{Diagnostic, Fix, Severity, Verdict};

/// How many diagnostics of a document people are shown.
pub const SHOWN: usize = 200;

/// How a rendering for people looks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    pub colour: bool,
}

/// The diagnostics of one document, as text for people. `file` is what the document is called.
#[must_use]
pub fn human(file: &str, text: &[u8], diagnostics: &[Diagnostic], style: Style) -> String {
    let file = &normalize_untrusted_str(file);
    let diagnostics = in_order(diagnostics);
    let secrecy = Secrecy::of(text, &diagnostics);
    let renderer = if style.colour { Renderer::styled() } else { Renderer::plain() }.term_width(excerpt::WIDTH);
    let mut shown = String::new();
    for diagnostic in diagnostics.iter().take(SHOWN) {
        shown.push_str(&one(file, diagnostic, &secrecy, &renderer));
        shown.push_str("\n\n");
    }
    if diagnostics.len() > SHOWN {
        shown.push_str(&format!("and {} more problems in {file}\n", diagnostics.len() - SHOWN));
    }
    shown
}

fn one(file: &str, diagnostic: &Diagnostic, secrecy: &Secrecy<'_>, renderer: &Renderer) -> String {
    let level = match diagnostic.code.severity() {
        Severity::Error => Level::ERROR,
        Severity::Blocker => Level::ERROR.with_name("blocker"),
        Severity::Warning => Level::WARNING,
    };
    let message = secrecy.hide(&diagnostic.message);
    let title = level.primary_title(message).id(diagnostic.code.as_str());
    let start = diagnostic.span.start;
    let line = start.line.max(1) as usize;
    let mut group: Group<'_> = match Excerpt::of(diagnostic.span, secrecy) {
        Some(Excerpt { text, underlined }) => {
            let annotation = AnnotationKind::Primary.span(underlined);
            title.element(Snippet::source(text).path(file).line_start(line).annotation(annotation))
        }
        None => title.element(Origin::path(file).line(line).char_column(start.column.max(1) as usize)),
    };
    let path = diagnostic.path.to_string();
    let notes = [
        ("path", (!path.is_empty()).then_some(path)),
        ("help", diagnostic.help.clone()),
        ("fix", diagnostic.fix.as_ref().and_then(|fix| in_words(fix, diagnostic.help.as_deref()))),
    ];
    for (name, note) in notes {
        if let Some(note) = note {
            group = group.element(Level::NOTE.with_name(name).message(normalize_untrusted_str(&secrecy.hide(&note))));
        }
    }
    renderer.render(&[group])
}

/// The fix, unless the help says it already.
fn in_words(fix: &Fix, help: Option<&str>) -> Option<String> {
    if fix.replacement.is_empty() {
        Some("leave it out".to_owned())
    } else if help.is_some_and(|help| help.contains(&fix.replacement)) {
        None
    } else {
        Some(format!("write `{}` instead", fix.replacement))
    }
}

/// By place, each once.
fn in_order(diagnostics: &[Diagnostic]) -> Vec<&Diagnostic> {
    let mut ordered: Vec<&Diagnostic> = diagnostics.iter().collect();
    ordered.sort_by_key(|one| (one.span.start.offset, one.span.end.offset, one.code));
    let mut seen = HashSet::new();
    ordered.retain(|one| seen.insert((one.code, one.span.start.offset, one.span.end.offset, one.message.as_str())));
    ordered
}
