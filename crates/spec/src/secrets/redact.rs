//! Text without its secrets, for what is shown to people and programs.

use std::ops::Range;

use super::{in_text, named};

/// The text with every secret that its look gives away replaced by `***`.
pub fn redact(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for found in in_text(text) {
        shown.push_str(&text[from..found.range.start]);
        shown.push_str("***");
        from = found.range.end;
    }
    shown.push_str(&text[from..]);
    shown
}

/// A line of a document with each character of a secret as `*`, so that columns stay: of `known` places, of what looks like
/// one, and of what stands behind a name like one. The line may be of a document that can't be read.
pub(crate) fn redact_line(line: &str, known: &[Range<usize>]) -> String {
    let mut hidden: Vec<Range<usize>> = known.to_vec();
    hidden.extend(in_text(line).into_iter().map(|found| found.range));
    hidden.extend(assigned(line));
    hidden.extend(unreadable(line));
    hidden.sort_by_key(|range| range.start);
    let mut hidden = hidden.into_iter().peekable();
    let mut end = 0;
    line.char_indices()
        .map(|(at, letter)| {
            while let Some(range) = hidden.next_if(|range| range.start <= at) {
                end = end.max(range.end);
            }
            if at < end { '*' } else { letter }
        })
        .collect()
}

/// What stands behind `password:` or `api_key =`.
fn assigned(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    for (at, _) in line.match_indices([':', '=']) {
        let name = line[from..at].trim_end().trim_end_matches(['"', '\'']);
        let start = name.rfind(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '_' | '-' | '.'));
        let name = &name[start.map_or(0, |start| name.ceil_char_boundary(start + 1))..];
        from = at + 1;
        if name.is_empty() || !named::is_secret(name) {
            continue;
        }
        let value = line[from..].trim_start();
        let start = line.len() - value.len();
        let length = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].find(quote).map_or(value.len(), |end| end + 2),
            Some('{' | '[') | None => 0,
            Some(_) => value[..value.find([',', '}', ']', '#']).unwrap_or(value.len())].trim_end().len(),
        };
        let shown = value[..length].trim().trim_matches(['"', '\'']);
        let harmless = matches!(shown, "true" | "false" | "null" | "string" | "|" | ">" | "|-" | ">-");
        if !harmless && !named::is_reference(shown) {
            found.push(start..start + length);
        }
    }
    found
}

/// Long runs as in a private key.
fn unreadable(line: &str) -> Vec<Range<usize>> {
    let belongs = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let mut found = Vec::new();
    let mut start = 0;
    for run in line.as_bytes().split(|byte| !belongs(*byte)) {
        let mixed = [u8::is_ascii_digit, u8::is_ascii_uppercase, u8::is_ascii_lowercase]
            .iter()
            .all(|kind| run.iter().any(kind));
        if run.len() >= 40 && mixed {
            found.push(start..start + run.len());
        }
        start += run.len() + 1;
    }
    found
}
