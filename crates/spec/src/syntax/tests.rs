//! Both readers, from the outside.

mod hostile;
mod round_trip;

use serde_json::{Value, json};

use super::*;

fn yaml(text: &str) -> Value {
    whole(text, Format::Yaml)
}

#[track_caller]
fn whole(text: &str, format: Format) -> Value {
    let (root, found) = read(text.as_bytes(), format);
    assert_eq!(found, [], "{text}");
    root.expect("a tree").to_json()
}

/// What is found: code, what is underlined, path.
fn found(text: &str, format: Format) -> Vec<(&'static str, String, String)> {
    let (_, found) = read(text.as_bytes(), format);
    let shown = |one: Diagnostic| {
        let place = one.span.start.offset as usize..one.span.end.offset as usize;
        (one.code.as_str(), text[place].to_owned(), one.path.to_string())
    };
    found.into_iter().map(shown).collect()
}

#[track_caller]
fn check(text: &str, format: Format, expected: &[(&str, &str, &str)]) {
    let found = found(text, format);
    let found: Vec<_> = found.iter().map(|(code, part, path)| (*code, part.as_str(), path.as_str())).collect();
    assert_eq!(found, expected, "{text}");
}

#[track_caller]
fn no_yaml(text: &str, expected: &[(&str, &str, &str)]) {
    check(text, Format::Yaml, expected);
}

#[track_caller]
fn no_json(text: &str, expected: &[(&str, &str, &str)]) {
    check(text, Format::Json, expected);
}

#[test]
fn the_file_name_tells_the_format() {
    assert_eq!(Format::of_file("a/server.json"), Format::Json);
    assert_eq!(Format::of_file("SERVER.JSON"), Format::Json);
    for name in ["server.yaml", "server.yml", "-", "", "json", "ä.jso", "json.yaml"] {
        assert_eq!(Format::of_file(name), Format::Yaml);
    }
}

#[test]
fn scalars_without_quotes_are_of_the_core_schema_and_with_quotes_text() {
    assert_eq!(
        yaml("[on, no, yes, true, ~, 12, 0x1f, 1.5, \"12\", 'true', \"\", 2024-01-01]"),
        json!(["on", "no", "yes", true, null, 12, 31, 1.5, "12", "true", "", "2024-01-01"])
    );
    assert_eq!(yaml("a: |\n  12\nb: >-\n  true\n"), json!({"a": "12\n", "b": "true"}));
}

#[test]
fn a_placeholder_without_quotes_is_a_mapping_with_a_null() {
    assert_eq!(yaml("path: {path}"), json!({"path": {"path": null}}));
}

#[test]
fn aliases_are_copied() {
    assert_eq!(
        yaml("a: &x [1, {b: &y c}]\nd: *x\ne: *y\n"),
        json!({"a": [1, {"b": "c"}], "d": [1, {"b": "c"}], "e": "c"})
    );
    assert_eq!(yaml("a: &x 1\nb: *x\nc: &x 2\nd: *x\n"), json!({"a": 1, "b": 1, "c": 2, "d": 2}));
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_document() {
    assert_eq!(yaml("\u{feff}a: 1"), json!({"a": 1}));
    assert_eq!(whole("\u{feff}{\"a\": 1}", Format::Json), json!({"a": 1}));
    let (_, found) = read("\u{feff}a: 1\na: 2".as_bytes(), Format::Yaml);
    assert_eq!((found[0].span.start.line, found[0].span.start.column, found[0].span.start.offset), (2, 1, 8));
    let (root, _) = read("\u{feff}a: 1".as_bytes(), Format::Yaml);
    assert_eq!(root.expect("a tree").span.start, Position { offset: 3, line: 1, column: 1 });
}

#[test]
fn every_value_and_key_knows_its_place() {
    let text =
        "name: Größe\ntools:\n  - &a sql: |\n      SELECT 1\n\n    b: 'x' # c\n  - [1, {k: v}]\nlast: # nothing\n";
    let (root, found) = read(text.as_bytes(), Format::Yaml);
    assert_eq!(found, []);
    let root = root.expect("a tree");
    let part = |span: Span| &text[span.start.offset as usize..span.end.offset as usize];
    let tools = root.get("tools").expect("tools");
    let NodeValue::Sequence(items) = &tools.value else { panic!("a list") };
    assert_eq!(part(root.get("name").expect("name").span), "Größe");
    assert_eq!(part(tools.span), text[text.find("- &a").expect("there")..].split("\nlast").next().expect("there"));
    assert_eq!(part(items[0].get("sql").expect("sql").span), "SELECT 1");
    assert_eq!(part(items[0].get("b").expect("b").span), "'x'");
    assert_eq!(part(items[1].span), "[1, {k: v}]");
    let NodeValue::Mapping(entries) = &root.value else { panic!("a mapping") };
    assert_eq!(part(entries[2].key_span), "last");
    let nothing = entries[2].value.span;
    assert_eq!((nothing.start.line, nothing.start.column, nothing.start), (8, 5, nothing.end));
}

#[test]
fn every_key_that_is_there_twice_is_found_and_the_first_is_kept() {
    let text = "a: 1\nb: { c: 1, c: 2, \"c\": 3 }\na: 2\n";
    no_yaml(
        text,
        &[("spec/duplicate-key", "c", "b.c"), ("spec/duplicate-key", "\"c\"", "b.c"), ("spec/duplicate-key", "a", "a")],
    );
    let (root, found) = read(text.as_bytes(), Format::Yaml);
    assert_eq!(root.expect("a tree").to_json(), json!({"a": 1, "b": {"c": 1}}));
    assert_eq!(found[2].help.as_deref(), Some("it is first at line 1, column 1; keep one of the two"));
    no_json(
        r#"{"a": 1, "\u0061": {"b": 1, "b": 2}}"#,
        &[("spec/duplicate-key", r#""b""#, "a.b"), ("spec/duplicate-key", r#""\u0061""#, "a")],
    );
}

#[test]
fn many_keys_of_one_mapping_are_told_apart() {
    let text: String = (0..100).map(|key| format!("k{key}: {key}\n")).collect();
    assert_eq!(yaml(&text).as_object().map(serde_json::Map::len), Some(100));
    no_yaml(
        &(text + "k99: 0\nk0: 0\nk50: 0\n"),
        &[
            ("spec/duplicate-key", "k99", "k99"),
            ("spec/duplicate-key", "k0", "k0"),
            ("spec/duplicate-key", "k50", "k50"),
        ],
    );
}

#[test]
fn tags_are_refused_wherever_they_stand() {
    no_yaml(
        "a: !!str 1\nb: !x { !y c: !z }\n? !w d\n: &q !v [!u e]\n",
        &[
            ("syntax/tag", "!!str", "a"),
            ("syntax/tag", "!x", "b"),
            ("syntax/tag", "!y", "b"),
            ("syntax/tag", "!z", "b.c"),
            ("syntax/tag", "!w", ""),
            ("syntax/tag", "!v", "d"),
            ("syntax/tag", "!u", "d[0]"),
        ],
    );
}

#[test]
fn keys_must_be_text() {
    no_yaml(
        "1: a\nnull: b\n? [c]\n: d\n? {e: f}\n: g\n&h i: j\n*h : k\n~: l\ntrue: {1.5: m}\n.inf: n\n",
        &[
            ("syntax/yaml", "1", "1"),
            ("syntax/yaml", "null", "null"),
            ("syntax/yaml", "[c]", ""),
            ("syntax/yaml", "{e: f}", ""),
            ("syntax/yaml", "*h", ""),
            ("syntax/yaml", "~", "~"),
            ("syntax/yaml", "true", "true"),
            ("syntax/yaml", "1.5", "true.1.5"),
            ("syntax/yaml", ".inf", ".inf"),
        ],
    );
    no_yaml(": a", &[("syntax/yaml", "", "")]);
    assert_eq!(yaml("'1': a\n\"null\": b\non: c\n"), json!({"1": "a", "null": "b", "on": "c"}));
    let (_, found) = read(b"1: a", Format::Yaml);
    assert_eq!(found[0].fix.as_ref().map(|fix| fix.replacement.as_str()), Some("\"1\""));
}

#[test]
fn merge_keys_are_refused() {
    no_yaml("a: &a {b: 1}\nc: { <<: *a, d: 1 }\n", &[("syntax/yaml", "<<", "c")]);
    assert_eq!(yaml("'<<': 1"), json!({"<<": 1}));
}

#[test]
fn one_document_is_all() {
    no_yaml("a: 1\n---\nb: 2\n---\nc: 3\n", &[("syntax/yaml", "---", "")]);
    no_yaml("a: 1\n...\nb: 2\n", &[("syntax/yaml", "", "")]);
    assert_eq!(yaml("%YAML 1.2\n---\na: 1\n...\n# end\n"), json!({"a": 1}));
    no_json("{} {}", &[("syntax/json", "{", "")]);
}

#[test]
fn an_empty_document_is_no_mapping() {
    for text in ["", "\n", "# comment\n", "---\n", "---\n...\n", "\u{feff}"] {
        no_yaml(text, &[("spec/type", "", "")]);
    }
    no_json("", &[("spec/type", "", "")]);
    no_json(" \n", &[("spec/type", "", "")]);
    assert_eq!(yaml("null"), Value::Null);
}

#[test]
fn what_is_found_before_the_text_breaks_off_is_told_too() {
    no_yaml(
        "a: 1\na: 2\nb: !x [1, {1: 2}]\nc: d: e",
        &[
            ("syntax/yaml", ":", ""),
            ("spec/duplicate-key", "a", "a"),
            ("syntax/tag", "!x", "b"),
            ("syntax/yaml", "1", "b[1].1"),
        ],
    );
    no_json(
        "{\"a\": {\"b\": 1, \"b\": 2}, \"c\" 1}",
        &[("spec/duplicate-key", "\"b\"", "a.b"), ("syntax/json", "1", "")],
    );
}

#[test]
fn an_alias_needs_a_whole_anchor_before_it() {
    no_yaml("a: *b", &[("syntax/yaml", "*", "")]);
    no_yaml("a: &a [*a]", &[("syntax/yaml", "*a", "")]);
    no_yaml("a: &a { b: { c: *a } }\nd: *a", &[("syntax/yaml", "*a", "")]);
}

#[test]
fn numbers_that_json_has_not_are_refused() {
    no_yaml(
        "[.inf, -.Inf, .NaN, 1e999]",
        &[
            ("syntax/yaml", ".inf", "[0]"),
            ("syntax/yaml", "-.Inf", "[1]"),
            ("syntax/yaml", ".NaN", "[2]"),
            ("spec/range", "1e999", "[3]"),
        ],
    );
    for text in ["NaN", "Infinity", "-Infinity", "+1", ".5", "1.", "01", "0x1", "1e", "-", "1_000"] {
        let (root, found) = read(text.as_bytes(), Format::Json);
        assert!(root.is_none() && found.len() == 1 && found[0].code == Code::SyntaxJson, "{text} {found:?}");
    }
    no_json("[1e999]", &[("spec/range", "1e999", "")]);
}

#[test]
fn numbers_keep_how_they_were_written() {
    for format in [Format::Yaml, Format::Json] {
        let (root, _) = read(b"[1.0, 1e2, -0, 12345678901234567890123]", format);
        let NodeValue::Sequence(items) = root.expect("a tree").value else { panic!("a list") };
        let written: Vec<_> = items
            .iter()
            .map(|item| match &item.value {
                NodeValue::Number(_, written) => written.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(written, ["1.0", "1e2", "-0", "12345678901234567890123"]);
    }
}

#[test]
fn json_escapes_are_read_and_halves_of_pairs_refused() {
    let text = r#""\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00\u0000 ä😀""#;
    assert_eq!(whole(text, Format::Json), "\"\\/\u{8}\u{c}\n\r\tä😀\0 ä😀");
    for (text, part) in [
        (r#""\ud83d""#, r"\ud83d"),
        (r#""\ude00""#, r"\ude00"),
        (r#""\ud83d\u0041""#, r"\ud83d\u0041"),
        (r#""\ud83dx""#, r"\ud83d"),
        (r#""\u12g4""#, r"\u12g4"),
        (r#""\x""#, r"\x"),
        (r#""\ä""#, r"\ä"),
        (r#""\"#, "\\"),
        (r#""a"#, "\""),
        ("\"\t\"", "\t"),
    ] {
        let found = found(text, Format::Json);
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!((found[0].0, found[0].1.as_str()), ("syntax/json", part), "{text}");
    }
}

#[test]
fn what_json_is_not_is_refused() {
    for text in [
        "{",
        "[",
        "{]",
        "[}",
        "[1,]",
        "{\"a\":1,}",
        "[,]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{'a':1}",
        "[1 2]",
        "nul",
        "nulll",
        "True",
        "// a",
        "1 // a",
        "/* */1",
        "# a",
        "\u{a0}1",
        "\u{b}1",
        "1,",
        "\"a\" \"b\"",
        "{1:2}",
        "[1}",
    ] {
        let (root, found) = read(text.as_bytes(), Format::Json);
        assert!(root.is_none() && found.len() == 1 && found[0].code == Code::SyntaxJson, "{text} {found:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_at_their_place() {
    for format in [Format::Yaml, Format::Json] {
        for bytes in [&b"ab\nc\xffd"[..], b"ab\nc\0d", b"ab\nc\0\xff", b"ab\nc\xe2\x82"] {
            let (root, found) = read(bytes, format);
            assert!(root.is_none());
            assert_eq!(found.len(), 1);
            assert_eq!(
                (found[0].code, found[0].span.start.line, found[0].span.start.column),
                (Code::SyntaxLimits, 2, 2)
            );
        }
    }
    no_yaml("a: b\u{1b}[1m", &[("syntax/yaml", "\u{1b}", "")]);
}

#[test]
fn merge_keys_of_what_is_no_spec_are_applied() {
    let read = |text: &str| {
        let (root, found) = read_within(text.as_bytes(), Format::Yaml, 1_000);
        let messages: Vec<String> = found.into_iter().map(|it| it.message).collect();
        (root.expect("a tree").to_json(), messages)
    };
    let base = "base: &base { a: 1, b: { c: 2 } }\nmore: &more { a: 3, d: 4 }\n";
    let check = |text: &str, expected: serde_json::Value| {
        let (json, messages) = read(&format!("{base}{text}"));
        assert_eq!((&json["x"], messages), (&expected, Vec::new()), "{text}");
    };
    // What stands there goes before what is merged, wherever it stands; an earlier one before a later one.
    check("x: { <<: *base, b: 5 }", json!({ "b": 5, "a": 1 }));
    check("x: { b: 5, <<: [*more, *base, { e: 6 }] }", json!({ "b": 5, "a": 3, "d": 4, "e": 6 }));
    check("y: &y { <<: *base }\nx: { <<: *y, '<<': 7 }", json!({ "<<": 7, "a": 1, "b": { "c": 2 } }));
    for wrong in ["x: { <<: 1 }", "x: { <<: [*base, 1] }"] {
        let (json, messages) = read(&format!("{base}{wrong}"));
        assert_eq!((&json["x"], messages), (&json!({}), vec!["a merge key that refers to no mapping".to_owned()]));
    }
}
