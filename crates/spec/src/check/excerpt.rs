//! Where a part of a text stands in the document, which may indent it, or quote it.

use std::ops::Range;

use super::Checker;
use crate::{Code, Diagnostic, Span, path::Path};

impl Checker<'_> {
    /// Reports something within a text, underlined there as well as that can be told.
    pub(super) fn report_within(
        &mut self,
        code: Code,
        at: &Path,
        part: Range<usize>,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let span = self.span_within(at, part);
        self.reader.add(Diagnostic { code, message: message.into(), span, path: at.clone(), help, fix: None });
    }

    fn span_within(&self, at: &Path, part: Range<usize>) -> Span {
        let whole = self.span(at);
        let Some(value) = self.node(at).and_then(|node| node.as_str()) else { return whole };
        let Some(raw) = self.text.get(whole.start.offset as usize..whole.end.offset as usize) else { return whole };
        match find_part(raw, value, part) {
            Some(found) => {
                let start = whole.start.offset as usize;
                self.places().span(start + found.start, start + found.end)
            }
            None => whole,
        }
    }
}

/// The character at an offset of a text.
pub(super) fn character(text: &str, offset: usize) -> Range<usize> {
    let start = text.floor_char_boundary(offset);
    start..text.ceil_char_boundary((start + 1).min(text.len()))
}

/// The word that begins at an offset of a text, or the character there.
pub(super) fn word(text: &str, offset: usize) -> Range<usize> {
    let one = character(text, offset.min(text.len()));
    let rest = &text[one.start..];
    let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    one.start..one.end.max(one.start + length)
}

/// The bytes of `raw` that became `part` of `value`; not beyond the end of its first line.
fn find_part(raw: &str, value: &str, part: Range<usize>) -> Option<Range<usize>> {
    if let Some(start) = raw.find(value) {
        return Some(start + part.start..start + part.end);
    }
    let mut from = 0;
    let mut begin = 0;
    for line in value.split('\n') {
        let end = begin + line.len();
        // A block begins behind the line of its `|`, so its first line can't be taken for something in there.
        let found = from + raw.get(from..)?.find(line)?;
        if part.start <= end {
            let start = found + part.start.checked_sub(begin)?;
            return Some(start..(found + part.end.min(end) - begin).max(start));
        }
        from = found + line.len();
        begin = end + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::find_part;

    #[test]
    fn a_part_of_a_block_is_found_in_its_own_line() {
        let raw = "|\n      SELECT name\n      WHERE sku = :sku\n";
        let value = "SELECT name\nWHERE sku = :sku\n";
        let start = value.find(":sku").expect("it is there");
        let found = find_part(raw, value, start..start + 4).expect("it is in a line of its own");
        assert_eq!(&raw[found.clone()], ":sku");
        assert_eq!(found.start, raw.find(":sku").expect("it is there"));
    }

    #[test]
    fn a_part_of_a_text_with_escapes_is_not_guessed() {
        assert_eq!(find_part(r#""a\tb :c""#, "a\tb :c", 4..6), None);
    }
}
