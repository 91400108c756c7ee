//! Documents made to hurt end in time and in bounds. Run with `--release` for the full sizes and the clock.

use std::time::Duration;

use super::super::*;

const MIB: usize = 1 << 20;
/// A debug build is slow: it gets a small part, and no clock.
const SCALE: usize = if cfg!(debug_assertions) { 1024 } else { 1 };

/// Reads, holds the time to 100 ms per MiB, and gives the tree and the first code.
#[track_caller]
fn hostile(text: &[u8], format: Format) -> (Option<Node>, Option<Code>) {
    let start = worked();
    let (root, found) = read(text, format);
    let elapsed = worked() - start;
    let allowed = 100 * text.len().div_ceil(MIB) as u128;
    if !cfg!(debug_assertions) {
        eprintln!(
            "{:6.2} MiB {:6} ms {:?}",
            text.len() as f64 / MIB as f64,
            elapsed.as_millis(),
            found.first().map(|f| &f.message)
        );
        assert!(elapsed.as_millis() <= allowed, "{elapsed:?}");
    }
    assert!(found.len() <= limits::DIAGNOSTICS);
    (root, found.first().map(|found| found.code))
}

/// How long this thread was on a processor: other work on the machine is not counted.
fn worked() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

/// As often as it takes to fill a share of the largest document.
fn filled(begin: &str, part: &str, end: &str) -> Vec<u8> {
    let room = limits::BYTES / SCALE - begin.len() - end.len();
    [begin, &part.repeat(room / part.len()), end].concat().into_bytes()
}

#[test]
fn alias_bombs_are_not_followed() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..60 {
        let before = level - 1;
        text += &format!("a{level}: &a{level} [*a{before}, *a{before}, *a{before}, *a{before}, *a{before}]\n");
    }
    assert_eq!(hostile(text.as_bytes(), Format::Yaml).1, Some(Code::SyntaxLimits));
    let wide = filled("a: &a [x, x, x, x, x, x, x, x]\nb:\n", "- *a\n", "");
    assert_eq!(hostile(&wide, Format::Yaml).1, Some(Code::SyntaxLimits));
    let mut deep = "a0: &a0 [[[[[[[[[[x]]]]]]]]]]\n".to_owned();
    for level in 1..60 {
        deep += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    assert_eq!(hostile(deep.as_bytes(), Format::Yaml).1, Some(Code::SyntaxLimits));
}

#[test]
fn exactly_so_many_nodes_may_be_copied() {
    let copies = |count: usize| format!("a: &a [{}]\nb: [{}]\n", "1,".repeat(99), "*a,".repeat(count));
    assert_eq!(hostile(copies(100).as_bytes(), Format::Yaml).1, None);
    assert_eq!(hostile(copies(101).as_bytes(), Format::Yaml).1, Some(Code::SyntaxLimits));
}

#[test]
fn depth_ends_at_its_limit() {
    let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
    for format in [Format::Yaml, Format::Json] {
        assert_eq!(hostile(nested(limits::DEPTH).as_bytes(), format).1, None);
        assert_eq!(hostile(nested(limits::DEPTH + 1).as_bytes(), format).1, Some(Code::SyntaxLimits));
        assert_eq!(hostile(nested(100_000).as_bytes(), format).1, Some(Code::SyntaxLimits));
        assert_eq!(hostile(&filled("", "[", ""), format).1, Some(Code::SyntaxLimits));
        assert_eq!(hostile(&filled("", "{\"a\":", ""), format).1, Some(Code::SyntaxLimits));
    }
    for part in ["- ", "? ", "a:\n ", "{a: ", "- - ? "] {
        let code = hostile(&filled("", part, ""), Format::Yaml).1;
        assert!(matches!(code, Some(Code::SyntaxLimits | Code::SyntaxYaml | Code::DuplicateKey)), "{part}");
    }
    let stairs: String = (0..3_000).map(|step| format!("{}a:\n", " ".repeat(step))).collect();
    assert_eq!(hostile(stairs.as_bytes(), Format::Yaml).1, Some(Code::SyntaxLimits));
}

#[test]
fn what_is_too_large_is_not_read() {
    for format in [Format::Yaml, Format::Json] {
        assert_eq!(hostile(&vec![b' '; limits::BYTES + 1], format).1, Some(Code::SyntaxLimits));
        assert_eq!(hostile(&vec![b'['; 17 * MIB], format).1, Some(Code::SyntaxLimits));
    }
    assert_eq!(hostile(&vec![b' '; limits::BYTES], Format::Json).1, Some(Code::Type));
}

#[test]
fn one_giant_scalar_is_read() {
    let whole = |read: (Option<Node>, Option<Code>)| assert!(read.0.is_some() && read.1.is_none());
    whole(hostile(&filled("\"", "a", "\""), Format::Json));
    whole(hostile(&filled("\"", "\\u00e4", "\""), Format::Json));
    whole(hostile(&filled("0.", "1", ""), Format::Json));
    for (begin, part, end) in [
        ("", "a", ""),
        ("", "1", ""),
        ("", "ab ", "c"),
        ("", "a\n", "b"),
        ("", "ä", ""),
        ("'", "a", "'"),
        ("\"", "\\u00e4", "\""),
        ("a: |\n", "  ab c\n", ""),
        ("a: >\n", "  a, b: c\n", ""),
        ("a: |\n", "  \n", "  x\n"),
        ("a: >\n", "   a\n\n", "  x\n"),
        ("'", "a\n\n", "'"),
        ("# ", "a", "\na: b"),
        ("", "# a\n", "a: b"),
        ("", "\n", "a: b"),
        ("a: ", " ", "b"),
        ("a: b", " ", "# c"),
    ] {
        hostile(&filled(begin, part, end), Format::Yaml);
    }
    whole(hostile(&filled("a: |\n", "  Ask for the number first, and for the name only then.\n", ""), Format::Yaml));
}

#[test]
fn a_million_keys_are_searched_once() {
    let count = 900_000 / SCALE;
    let keys: String = (0..count).map(|key| format!("k{key}: {key}\n")).collect();
    hostile(keys.as_bytes(), Format::Yaml);
    let keys: Vec<String> = (0..count).map(|key| format!("\"k{key}\":{key}")).collect();
    hostile(format!("{{{}}}", keys.join(",")).as_bytes(), Format::Json);
    assert!(hostile("a: 1\n".repeat(count).as_bytes(), Format::Yaml).1.is_some());
    assert!(hostile(format!("{{{}}}", vec!["\"a\":1"; count].join(",")).as_bytes(), Format::Json).1.is_some());
}

#[test]
fn values_end_at_their_limit() {
    for part in ["- 1\n", "- [1]\n", "-\n"] {
        let text = part.repeat(200_000);
        assert_eq!(hostile(text.as_bytes(), Format::Yaml).1, Some(Code::SyntaxLimits));
    }
    for begin in ["[", "- [", "a: {b: ["] {
        assert_eq!(
            hostile((begin.to_owned() + &"1,".repeat(300_000)).as_bytes(), Format::Yaml).1,
            Some(Code::SyntaxLimits)
        );
    }
    let text = format!("[{}1]", "1,".repeat(200_000));
    assert_eq!(hostile(text.as_bytes(), Format::Json).1, Some(Code::SyntaxLimits));
}

#[test]
fn many_small_things_end_at_a_limit() {
    for part in [
        "1,",
        "[],",
        "{},",
        "a: 1,",
        "\"\"",
        "'a' ",
        "&a ",
        "&a b,",
        "!a ",
        "*a ",
        "? ",
        "a: ",
        "[a: b]: c,",
        "\"a\":",
        "[[]]:",
        "a\n",
        ",",
        ":",
        "?,",
        "[1]:1,",
        "{a,b}: {c}, ",
    ] {
        for begin in ["[", "a: [", "{", "a: {b: {c: ", "- [&a x, ", "[&a x, [", ""] {
            hostile(&filled(begin, part, ""), Format::Yaml);
        }
    }
    for part in [
        "- 1\n",
        "- &a 1\n",
        "- !a\n",
        "-\n",
        "- [1]\n",
        "- {a: b}\n",
        "? a\n",
        "a: &a\n",
        "- 'a'\n",
        "- |\n a\n",
        "--- a\n",
        "%TAG !a! b\n",
        "%A b\n",
        "...\n",
        "\u{feff}\n",
    ] {
        hostile(&filled("", part, ""), Format::Yaml);
    }
    for (begin, part) in
        [("[", "1,"), ("[", "[],"), ("[", "{},"), ("[", "\"\","), ("[", "{\"a\":1,\"a\":2},"), ("", " ")]
    {
        hostile(&filled(begin, part, ""), Format::Json);
    }
}

#[test]
fn bytes_that_are_no_text_end_at_once() {
    for format in [Format::Yaml, Format::Json] {
        for byte in [0, 0xff, 0x80, 0xe2] {
            assert_eq!(hostile(&vec![byte; limits::BYTES / SCALE], format).1, Some(Code::SyntaxLimits));
        }
    }
}
