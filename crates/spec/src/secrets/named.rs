//! Keys that are named like a secret, and values under them that are none.

/// What names of secrets end with.
const ENDINGS: &[&str] = &[
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "secret",
    "secrets",
    "apikey",
    "apikeys",
    "credential",
    "credentials",
    "authorization",
    "privatekey",
    "secretkey",
    "accesskey",
    "signingkey",
    "encryptionkey",
];
/// Shorter ones are whole names.
const WHOLE: [&str; 3] = ["pwd", "dbpwd", "pass"];

/// Whether a key says that its value is a secret: its last words do, whatever its case.
pub(super) fn is_secret(key: &str) -> bool {
    if !may_be_secret(key) {
        return false;
    }
    let name = joined(key);
    let name = name.strip_suffix("value").unwrap_or(&name);
    if ENDINGS.iter().any(|ending| name.ends_with(ending)) || WHOLE.contains(&name) {
        return true;
    }
    // Places in a list and the like are called tokens too.
    const HARMLESS: &[&str] = &[
        "page",
        "next",
        "previous",
        "prev",
        "cursor",
        "continuation",
        "progress",
        "idempotency",
        "cancel",
        "cancellation",
        "sync",
        "resume",
        "max",
        "min",
    ];
    name.strip_suffix("token").is_some_and(|before| !HARMLESS.iter().any(|word| before.ends_with(word)))
}

/// Every key of a document is asked about: the last two letters answer for most.
fn may_be_secret(key: &str) -> bool {
    if key.len() > 128 || !key.is_ascii() {
        return true;
    }
    let mut letters = key.bytes().rev().filter(u8::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase());
    let (last, before) = (letters.next(), letters.next());
    match (before, last) {
        (Some(before), Some(last)) => matches!(
            &[before, last],
            b"rd"
                | b"ds"
                | b"wd"
                | b"se"
                | b"et"
                | b"ts"
                | b"ey"
                | b"ys"
                | b"al"
                | b"ls"
                | b"on"
                | b"ss"
                | b"en"
                | b"ue"
        ),
        _ => false,
    }
}

/// Whether a list under such a key is a list of secrets.
pub(super) fn is_plural(key: &str) -> bool {
    joined(key).ends_with('s')
}

/// Whether a query string's key says so; they are shorter than others.
pub(super) fn is_secret_parameter(key: &str) -> bool {
    is_secret(key) || matches!(joined(key).as_str(), "sig" | "pass" | "pwd" | "auth" | "sessionid")
}

/// Whether a value only passes on what comes from elsewhere: `{token}`, `Bearer {token}`; or is nothing.
pub(super) fn is_reference(value: &str) -> bool {
    if value.trim().bytes().all(|byte| matches!(byte, b'*' | b'.')) {
        return true;
    }
    let mut rest = value;
    let mut outside = String::new();
    let mut passed = false;
    while let Some(open) = rest.find('{') {
        let Some(close) = rest[open..].find('}') else { break };
        let name = &rest[open + 1..open + close];
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)) {
            break;
        }
        passed = true;
        outside.push_str(rest[..open].strip_suffix('$').unwrap_or(&rest[..open]));
        rest = &rest[open + close + 1..];
    }
    outside.push_str(rest);
    const SCHEMES: &[&str] = &["", ":", "bearer", "basic", "token", "apikey", "digest"];
    passed && SCHEMES.contains(&outside.trim().to_ascii_lowercase().as_str())
}

/// Whether a word in the place of a password or a value of a query stands for another.
pub(super) fn is_stand_in(word: &str) -> bool {
    word.starts_with('<') && word.ends_with('>') || word.starts_with('$') || is_reference(word)
}

fn joined(key: &str) -> String {
    if key.is_ascii() {
        let mut joined = String::with_capacity(key.len().min(128));
        let letters = key.bytes().take(128).filter(u8::is_ascii_alphanumeric);
        joined.extend(letters.map(|letter| char::from(letter.to_ascii_lowercase())));
        return joined;
    }
    key.chars().take(128).filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_letters_exclude_no_name_of_a_secret() {
        for name in ENDINGS.iter().chain(&WHOLE).chain(&["token", "refreshToken"]) {
            for written in [name.to_string(), name.to_uppercase(), format!("{name}_value"), format!("-{name}.")] {
                assert!(is_secret(&written), "{written}");
            }
        }
    }
}
