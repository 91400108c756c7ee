//! Documents made to break readers: each ends in an error, soon, whatever it holds.

use std::time::{Duration, Instant};

use mcp_factory_spec::{Format, Source, Verdict, read, render};

use super::{check_span, documents::folder};

const MIB: usize = 1 << 20;

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = String::from("name: bomb\na0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let before = level - 1;
        text += &format!("a{level}: &a{level} [{}*a{before}]\n", format!("*a{before}, ").repeat(8));
    }
    refuse("bomb.yaml", text.as_bytes());
}

#[test]
fn many_aliases_of_something_small_are_refused() {
    let text = format!("name: many\ntags: [&a x{}]\n", ", *a".repeat(20_000));
    refuse("many.yaml", text.as_bytes());
}

#[test]
fn an_alias_of_itself_is_refused() {
    refuse("self.yaml", b"name: self\ntools: &tools [*tools]\n");
}

#[test]
fn depth_is_refused_before_it_costs_a_stack() {
    for (name, open, close) in [
        ("flow.yaml", "[", "]"),
        ("mapping.yaml", "{a: ", "}"),
        ("sequence.yaml", "- ", ""),
        ("array.json", "[", "]"),
        ("object.json", "{\"a\":", "}"),
        ("open.yaml", "[", ""),
        ("open.json", "{\"a\":[", ""),
        ("keys.yaml", "? ", ""),
    ] {
        refuse(name, (open.repeat(100_000) + "1" + &close.repeat(100_000)).as_bytes());
    }
}

#[test]
fn indentation_without_end_is_refused() {
    let text: String = (0..2_000).map(|depth| " ".repeat(depth) + "a:\n").collect();
    refuse("indented.yaml", text.as_bytes());
}

#[test]
fn seventeen_mebibytes_are_refused() {
    let padding = "# nothing at all to be seen here, please move along to the next line of this file\n";
    refuse("large.yaml", (padding.repeat(17 * MIB / padding.len() + 1) + "name: large\n").as_bytes());
    refuse("large.json", (String::from("{\"name\": \"large\"") + &" ".repeat(17 * MIB) + "}").as_bytes());
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    for bytes in [
        &b"name: \xff\xfe"[..],
        b"name: caf\xe9\ntools: []\n",
        b"\xc0\xaf",
        b"name: x\0y\n",
        b"\0",
        b"n\0a\0m\0e\0",
        b"name: \xed\xa0\x80",
    ] {
        refuse("bytes.yaml", bytes);
        refuse("bytes.json", bytes);
    }
    refuse("nul.json", b"{\"name\": \"x\0y\"}");
}

#[test]
fn nothing_is_refused() {
    for text in [
        "",
        "\n",
        "# only a comment\n",
        "---\n",
        "---\n...\n",
        "~",
        "null",
        "\u{feff}",
        "true",
        "3",
        "\"name\"",
        "[]",
        "{}",
    ] {
        refuse("nothing.yaml", text.as_bytes());
        refuse("nothing.json", text.as_bytes());
    }
}

#[test]
fn one_very_long_line_is_refused_in_good_time() {
    for (name, text) in [
        ("keys.yaml", (0..100_000).map(|n| format!("key{n}: {n}\n")).collect::<String>()),
        ("same.yaml", "key: 1\n".repeat(100_000)),
        ("same.json", format!("{{{}\"key\": 1}}", "\"key\": 1,".repeat(100_000))),
        ("quotes.yaml", format!("name: \"{}", "\\".repeat(MIB))),
        ("colons.yaml", ": ".repeat(MIB / 2)),
        ("anchors.yaml", "&a ".repeat(MIB / 3)),
        ("percent.yaml", "%YAML 1.2\n".repeat(MIB / 10)),
        ("markers.yaml", "---\n".repeat(MIB / 4)),
    ] {
        refuse(name, text.as_bytes());
    }
}

/// Reads `bytes`, on a stack as small as a thread's, and wants an error about them.
fn refuse(name: &str, bytes: &[u8]) {
    let started = Instant::now();
    let reading = read(&Source { name, bytes, format: Format::of_file(name) }, &folder());
    let took = started.elapsed();
    assert_eq!(reading.verdict, Verdict::Error, "{name} is accepted");
    // Without optimisations and beside other tests; what the optimised reader takes is measured elsewhere.
    let mebibytes = u32::try_from(bytes.len() / MIB + 1).expect("small");
    let allowed = Duration::from_secs(10) * mebibytes;
    assert!(took < allowed, "{name} took {took:?}");
    assert!(reading.diagnostics.len() <= 1_000, "{name} gets {} diagnostics", reading.diagnostics.len());
    if std::str::from_utf8(bytes).is_ok() {
        for diagnostic in &reading.diagnostics {
            check_span(bytes, diagnostic).unwrap_or_else(|why| panic!("{name}: `{}`: {why}", diagnostic.code));
        }
    }
    let shown = render::human(name, bytes, &reading.diagnostics, render::Style::default());
    assert!(shown.len() <= MIB, "{name} is answered with {} bytes", shown.len());
}
