//! Words that carry a secret within: a URL with a password, a query string with a key.

use std::ops::Range;

use super::{Found, named};

pub(super) fn find(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut signs = memchr::memchr2_iter(b':', b'=', text.as_bytes());
    if signs.any(|at| text.as_bytes()[at] == b'=' || text[at..].starts_with("://")) {
        for word in words(text) {
            passwords(text, word.clone(), &mut found);
            parameters(text, word, &mut found);
        }
    }
    found
}

/// What stands between blanks and quotes; a text that is one URL is one word whatever it holds.
fn words(text: &str) -> Vec<Range<usize>> {
    let whole = !text.contains(char::is_whitespace);
    let divides = |letter: char| !whole && (letter.is_whitespace() || matches!(letter, '"' | '\'' | '`' | '<' | '>'));
    let mut words = Vec::new();
    let mut start = 0;
    for (at, divider) in text.match_indices(divides) {
        if at > start {
            words.push(start..at);
        }
        start = at + divider.len();
    }
    words.push(start..text.len());
    words
}

/// `scheme://user:password@host`
fn passwords(text: &str, word: Range<usize>, found: &mut Vec<Found>) {
    let mut first = true;
    let mut from = word.start;
    while let Some(at) = text[from..word.end].find("://") {
        let start = from + at + 3;
        let rest = &text[start..word.end];
        let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let mut user_info = rest[..authority].rfind('@');
        if user_info.is_none() && first && !is_host(&rest[..authority]) {
            // A password with a `/` in it that should have been encoded.
            user_info = rest[..rest.find("://").unwrap_or(rest.len())].rfind('@');
        }
        first = false;
        if let Some(end) = user_info
            && let Some(colon) = rest[..end].find(':')
            && !named::is_stand_in(&rest[colon + 1..end])
        {
            found.push(Found { range: start + colon + 1..start + end, what: "a URL with a password" });
        }
        from = start;
    }
}

/// `host`, `host:port`, or something with a placeholder.
fn is_host(authority: &str) -> bool {
    let behind = authority.rsplit(']').next().unwrap_or(authority);
    behind.split_once(':').is_none_or(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()) || port.contains('{'))
}

/// `?api_key=value`
fn parameters(text: &str, word: Range<usize>, found: &mut Vec<Found>) {
    let Some(question) = text[word.clone()].find(['?', '#']) else { return };
    let mut start = word.start + question + 1;
    for part in text[start..word.end].split(['&', ';', '?', '#']) {
        if let Some((key, value)) = part.split_once('=')
            && key.len() <= 128
            && named::is_secret_parameter(key)
            && !named::is_stand_in(value)
        {
            let value_start = start + key.len() + 1;
            found.push(Found { range: value_start..value_start + value.len(), what: "a secret in a query string" });
        }
        start += part.len() + 1;
    }
}
