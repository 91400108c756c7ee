//! The line that a diagnostic is about, without secrets, cut where it is long.

use std::ops::Range;

use super::secrecy::Secrecy;
use crate::{Span, secrets::redact_line};

/// Columns that a rendering takes; the renderer cuts what is longer.
pub(super) const WIDTH: usize = 140;
/// Bytes on either side that are looked at: enough to see what stands before a secret, and no more however long the line.
const REACH: usize = 4096;
/// A place further to the right has no excerpt.
const FURTHEST: u32 = 1 << 14;

pub(super) struct Excerpt {
    pub text: String,
    /// Bytes of `text`.
    pub underlined: Range<usize>,
}

impl Excerpt {
    /// `None` for a place that the text does not have.
    pub(super) fn of(span: Span, secrecy: &Secrecy<'_>) -> Option<Self> {
        let text = secrecy.text;
        let (start, end) = (span.start.offset as usize, (span.end.offset as usize).max(span.start.offset as usize));
        let known = span.start.line > 0 && span.start.column <= FURTHEST;
        if !known || text.is_empty() || !text.is_char_boundary(start) || !text.is_char_boundary(end) {
            return None;
        }
        let breaks = ['\n', '\r'];
        let from = text.floor_char_boundary(start.saturating_sub(REACH));
        let from = text[from..start].rfind(breaks).map_or(from, |at| from + at + 1);
        let until = text.ceil_char_boundary((start + REACH).min(text.len()));
        let until = text[start..until].find(breaks).map_or(until, |at| start + at);
        let shown = redact_line(&text[from..until], &secrecy.within(from..until));
        let shown: Vec<char> = shown.trim_start_matches('\u{feff}').chars().collect();
        // From here on in characters: hiding a secret keeps their number. What is out of reach is blank.
        let column = span.start.column as usize - 1;
        let before = text[from..start].trim_start_matches('\u{feff}').chars().count();
        let length = text[start..end.min(until).max(start)].chars().count();
        let (left, rest) = shown.split_at(before.min(shown.len()));
        let (middle, right) = rest.split_at(length.min(rest.len()));
        let mut excerpt = " ".repeat(column.saturating_sub(before));
        excerpt.extend(left);
        let start = excerpt.len();
        excerpt.extend(middle);
        let end = excerpt.len();
        excerpt.extend(right.iter().take(WIDTH));
        Some(Self { text: excerpt, underlined: start..end })
    }
}
