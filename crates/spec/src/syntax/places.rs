//! Byte offsets become lines and columns, in near constant time however long the lines are.

use std::cell::Cell;

use super::{Position, Span};

const STRIDE: usize = 64;
/// So many lines further are looked at before the line is searched for.
const NEAR: usize = 4;

/// The lines of a text, and how many characters stand before every 64th byte.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    text: &'a str,
    /// Where each line begins. A line ends with a line feed, a carriage return, or both.
    lines: Vec<u32>,
    /// Characters that begin before each multiple of [`STRIDE`]; empty where every character is one byte.
    characters: Vec<u32>,
    /// The line that was asked for last: readers go forwards, so the next place is in it or near.
    last: Cell<Line>,
}

/// A line of the text.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    /// Counted from 0.
    index: usize,
    start: usize,
    /// Behind what ends it.
    end: usize,
    /// How many characters stand before it.
    before: usize,
    /// Whether every character is one byte.
    is_plain: bool,
}

impl<'a> Places<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let mut lines = vec![0];
        for at in memchr::memchr2_iter(b'\n', b'\r', bytes) {
            if bytes[at] == b'\n' || bytes.get(at + 1) != Some(&b'\n') {
                lines.push(narrow(at + 1));
            }
        }
        let mut characters = Vec::new();
        if !text.is_ascii() {
            let mut before = 0;
            for chunk in bytes.chunks(STRIDE) {
                characters.push(before);
                before += count(chunk);
            }
            characters.push(before);
        }
        Self { text, lines, characters, last: Cell::default() }
    }

    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        let from = self.position(start);
        // Most are words within a line.
        let line = self.last.get();
        if line.is_plain && (start..line.end).contains(&end) {
            let column = from.column + narrow(end - start);
            return Span { start: from, end: Position { offset: narrow(end), line: from.line, column } };
        }
        let end = self.position(end);
        Span { start: from, end: if end.offset < from.offset { from } else { end } }
    }

    pub(super) fn text(&self, start: usize, end: usize) -> &'a str {
        &self.text[start..end]
    }

    /// The place of a byte; of the character it belongs to, if it is in the midst of one.
    pub(super) fn position(&self, offset: usize) -> Position {
        let line = self.line(offset);
        let (offset, column) = match line.is_plain {
            true => (offset, offset - line.start + 1),
            false => {
                let offset = self.text.floor_char_boundary(offset);
                let column = self.characters_before(offset) - line.before + 1;
                // A byte order mark stands before the first column, as in editors.
                (offset, column - usize::from(line.start == 0 && offset > 0 && self.text.starts_with('\u{feff}')))
            }
        };
        Position { offset: narrow(offset), line: narrow(line.index + 1), column: narrow(column) }
    }

    /// The line that a byte is in.
    fn line(&self, offset: usize) -> Line {
        let last = self.last.get();
        if (last.start..last.end).contains(&offset) {
            return last;
        }
        let begins_before = |start: &u32| *start as usize <= offset;
        let near = self.lines.get(last.index..self.lines.len().min(last.index + NEAR)).unwrap_or_default();
        let index = match near.iter().position(|start| !begins_before(start)) {
            Some(passed) if passed > 0 => last.index + passed - 1,
            _ => self.lines.partition_point(begins_before) - 1,
        };
        let start = self.lines[index] as usize;
        let end = self.lines.get(index + 1).map_or(self.text.len(), |next| *next as usize);
        let before = self.characters_before(start);
        let is_plain = self.characters_before(end) - before == end - start;
        let line = Line { index, start, end, before, is_plain };
        self.last.set(line);
        line
    }

    /// Where the character with this index begins; the end of the text for any behind it.
    pub(super) fn offset_of(&self, character: usize) -> usize {
        if self.characters.is_empty() {
            return character.min(self.text.len());
        }
        let stride = self.characters.partition_point(|before| *before as usize <= character) - 1;
        let mut left = character - self.characters[stride] as usize;
        let mut offset = stride * STRIDE;
        let bytes = self.text.as_bytes();
        while offset < bytes.len() {
            if begins(bytes[offset]) {
                if left == 0 {
                    break;
                }
                left -= 1;
            }
            offset += 1;
        }
        offset.min(bytes.len())
    }

    fn characters_before(&self, offset: usize) -> usize {
        match self.characters.get(offset / STRIDE) {
            None => offset,
            Some(before) => {
                let from = offset - offset % STRIDE;
                // Most parts of most documents have characters of one byte only.
                if self.characters.get(offset / STRIDE + 1).is_some_and(|next| next - before == STRIDE as u32) {
                    return *before as usize + offset - from;
                }
                (*before + count(&self.text.as_bytes()[from..offset])) as usize
            }
        }
    }
}

fn begins(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}

fn count(bytes: &[u8]) -> u32 {
    bytes.iter().map(|byte| u32::from(begins(*byte))).sum()
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("a document has at most 16 MiB")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_span_is_two_places(text in "[a-zäß😀\n\r\u{feff}]{0,200}", ends in any::<[prop::sample::Index; 2]>()) {
            let [start, end] = ends.map(|end| end.index(text.len() + 1));
            let (start, end) = (start.min(end), start.max(end));
            let span = Places::new(&text).span(start, end);
            let places = Places::new(&text);
            prop_assert_eq!((span.start, span.end), (places.position(start), places.position(end)));
        }

        #[test]
        fn a_place_is_what_counting_from_the_start_gives(text in "[a-zäß😀\n\r\u{feff}]{0,200}") {
            let places = Places::new(&text);
            let (mut line, mut column) = (1, 1);
            for (index, (offset, character)) in text.char_indices().enumerate() {
                let position = places.position(offset);
                prop_assert_eq!((position.line, position.column), (line, column));
                prop_assert_eq!(places.offset_of(index), offset);
                let rest = &text[offset + character.len_utf8()..];
                if character == '\n' || character == '\r' && !rest.starts_with('\n') {
                    (line, column) = (line + 1, 1);
                } else if offset > 0 || character != '\u{feff}' {
                    column += 1;
                }
            }
            prop_assert_eq!(places.offset_of(text.chars().count() + 5), text.len());
        }
    }
}
