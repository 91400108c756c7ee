//! Strings that are secrets by their look: keys of well-known services, private keys, JSON Web Tokens.

use super::Found;

/// A kind of key: what it begins with, what it is, how many characters follow at least, and which.
struct Shape(&'static str, &'static str, usize, fn(u8) -> bool);

const SHAPES: &[Shape] = &[
    Shape("sk-", "an API key", 20, is_word),
    Shape("sk_live_", "a Stripe key", 16, is_alphanumeric),
    Shape("sk_test_", "a Stripe key", 16, is_alphanumeric),
    Shape("ghp_", "a GitHub token", 30, is_alphanumeric),
    Shape("gho_", "a GitHub token", 30, is_alphanumeric),
    Shape("ghu_", "a GitHub token", 30, is_alphanumeric),
    Shape("ghs_", "a GitHub token", 30, is_alphanumeric),
    Shape("ghr_", "a GitHub token", 30, is_alphanumeric),
    Shape("github_pat_", "a GitHub token", 30, is_word),
    Shape("glpat-", "a GitLab token", 20, is_word),
    Shape("AKIA", "an AWS access key", 16, is_capital),
    Shape("ASIA", "an AWS access key", 16, is_capital),
    Shape("xoxa-", "a Slack token", 10, is_word),
    Shape("xoxb-", "a Slack token", 10, is_word),
    Shape("xoxp-", "a Slack token", 10, is_word),
    Shape("xoxr-", "a Slack token", 10, is_word),
    Shape("xoxs-", "a Slack token", 10, is_word),
    Shape("AIza", "a Google API key", 35, is_word),
];

/// What one can begin with. Every text is looked through.
const FIRST: [bool; 256] = {
    let mut first = [false; 256];
    let (letters, mut at) = (b"sgAxe-", 0);
    while at < letters.len() {
        first[letters[at] as usize] = true;
        at += 1;
    }
    first
};

pub(super) fn find(text: &str) -> Vec<Found> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = bytes[at..].iter().position(|byte| FIRST[usize::from(*byte)]) {
        at += next;
        // A key begins with a word, not within one.
        let begins = || at == 0 || !is_word(bytes[at - 1]);
        let one = match (bytes[at], bytes.get(at + 1)) {
            (b's', Some(b'k'))
            | (b'g', Some(b'h' | b'i' | b'l'))
            | (b'A', Some(b'K' | b'S' | b'I'))
            | (b'x', Some(b'o'))
                if begins() =>
            {
                known(bytes, at)
            }
            (b'e', Some(b'y')) if begins() => web_token(bytes, at),
            (b'-', Some(b'-')) if bytes[at..].starts_with(b"-----BEGIN ") => private_key(text, at),
            _ => None,
        };
        match one {
            Some(one) => {
                at = one.range.end;
                found.push(one);
            }
            None => at += 1,
        }
    }
    found
}

fn known(bytes: &[u8], at: usize) -> Option<Found> {
    SHAPES.iter().find_map(|Shape(prefix, what, least, belongs)| {
        let rest = bytes[at..].strip_prefix(prefix.as_bytes())?;
        let length = rest.iter().take_while(|byte| belongs(**byte)).count();
        let body = &rest[..length];
        let long = length >= *least && (*prefix != "sk-" || !is_prose(body));
        // Amazon's are of one length.
        let exact =
            !matches!(*prefix, "AKIA" | "ASIA") || length == 16 && rest.get(16).is_none_or(|byte| !is_word(*byte));
        (long && exact).then(|| Found { range: at..at + prefix.len() + length, what })
    })
}

/// Small words with hyphens between, as in the name of a file.
fn is_prose(body: &[u8]) -> bool {
    body.contains(&b'-')
        && body.split(|byte| *byte == b'-').all(|word| word.len() <= 14 && word.iter().all(u8::is_ascii_lowercase))
}

/// `eyJ….….…`: a header, a payload, a signature.
fn web_token(bytes: &[u8], at: usize) -> Option<Found> {
    let rest = bytes[at..].strip_prefix(b"eyJ")?;
    let part = |rest: &[u8]| rest.iter().take_while(|byte| is_word(**byte)).count();
    let header = part(rest);
    let payload = part(rest.get(header + 1..)?);
    let signature = part(rest.get(header + payload + 2..)?);
    let dots = rest[header] == b'.' && rest[header + payload + 1] == b'.';
    let length = 3 + header + 1 + payload + 1 + signature;
    (dots && header >= 8 && payload >= 2 && signature >= 16)
        .then(|| Found { range: at..at + length, what: "a JSON Web Token" })
}

/// To its end line, or all that follows if that is missing.
fn private_key(text: &str, at: usize) -> Option<Found> {
    const BEGIN: &str = "-----BEGIN ";
    let kind = &text[at + BEGIN.len()..];
    let label = kind.bytes().take(40).take_while(|byte| byte.is_ascii_uppercase() || *byte == b' ').count();
    if !kind[..label].ends_with("PRIVATE KEY") && !kind[..label].ends_with("PRIVATE KEY BLOCK") {
        return None;
    }
    let body = &kind[label..];
    let end = body.find("-----END ").map_or(text.len(), |end| {
        let last = at + BEGIN.len() + label + end;
        let line = text[last..].find('\n').unwrap_or(text.len() - last);
        last + line.min(80).min(text.len() - last)
    });
    Some(Found { range: at..text.floor_char_boundary(end), what: "a private key" })
}

fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn is_capital(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
