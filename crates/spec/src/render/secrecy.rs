//! What must not be shown.

use std::ops::Range;

use crate::{Code, Diagnostic, secrets::redact};

/// Words shorter than this are not looked for in messages: they would be found in other words.
const SHORTEST: usize = 4;

pub(super) struct Secrecy<'a> {
    /// The document, as far as it is text.
    pub text: &'a str,
    /// The places of its secrets, as bytes.
    places: Vec<Range<usize>>,
    words: Vec<&'a str>,
}

impl<'a> Secrecy<'a> {
    pub(super) fn of(text: &'a [u8], diagnostics: &[&Diagnostic]) -> Self {
        let text = match std::str::from_utf8(text) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&text[..error.valid_up_to()]).expect("valid up to there"),
        };
        let secrets = diagnostics.iter().filter(|diagnostic| diagnostic.code == Code::Secret);
        let places: Vec<Range<usize>> =
            secrets.map(|secret| secret.span.start.offset as usize..secret.span.end.offset as usize).collect();
        let words = places
            .iter()
            .filter_map(|place| text.get(place.clone()))
            .map(|word| word.trim_matches(['"', '\'']))
            .filter(|word| word.len() >= SHORTEST)
            .collect();
        Self { text, places, words }
    }

    /// A message, a path or a help without secrets.
    pub(super) fn hide(&self, message: &str) -> String {
        let mut shown = redact(message);
        for word in &self.words {
            if shown.contains(word) {
                shown = shown.replace(word, "***");
            }
        }
        shown
    }

    /// The secrets within a part of the text, counted from its start.
    pub(super) fn within(&self, part: Range<usize>) -> Vec<Range<usize>> {
        let meets = |place: &&Range<usize>| place.start < part.end && part.start < place.end;
        let moved = |place: &Range<usize>| place.start.saturating_sub(part.start)..place.end.min(part.end) - part.start;
        self.places.iter().filter(meets).map(moved).collect()
    }
}
