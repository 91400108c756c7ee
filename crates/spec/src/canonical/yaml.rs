//! JSON values as YAML that people like to read: block style, quotes where YAML would read something else.

use std::fmt::Write;

use serde_json::Value;

/// Short collections of plain values go on one line.
const LINE: usize = 100;

pub(super) fn write(value: &Value) -> String {
    let mut out = String::new();
    block(&mut out, value, 0);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// Writes a value at the beginning of a line, or behind `- `.
fn block(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (position, (key, value)) in map.iter().enumerate() {
                if position > 0 {
                    pad(out, indent);
                }
                scalar(out, key);
                out.push(':');
                field(out, value, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    pad(out, indent);
                }
                out.push_str("- ");
                // Lists in lists stand on one line whatever their length.
                if !item.is_object() {
                    flow(out, item);
                    out.push('\n');
                } else if !is_small(item) || !on_the_line(out, item, indent) {
                    block(out, item, indent + 2);
                }
            }
        }
        other => {
            flow(out, other);
            out.push('\n');
        }
    }
}

/// Writes a value behind `key:`.
fn field(out: &mut String, value: &Value, indent: usize) {
    if let Value::String(text) = value
        && is_literal(text)
    {
        out.push_str(if text.ends_with('\n') { " |\n" } else { " |-\n" });
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            if !line.is_empty() {
                pad(out, indent + 2);
            }
            out.push_str(line);
            out.push('\n');
        }
        return;
    }
    if !value.is_object() && !value.is_array() {
        out.push(' ');
        flow(out, value);
        out.push('\n');
        return;
    }
    if is_small(value) {
        out.push(' ');
        if on_the_line(out, value, indent) {
            return;
        }
        out.pop();
    }
    out.push('\n');
    pad(out, indent + 2);
    block(out, value, indent + 2);
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// No collections of mappings on one line, and no texts of several lines.
fn is_small(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.contains('\n'),
        Value::Array(items) => items.iter().all(|item| !item.is_object() && !item.is_array() && is_small(item)),
        Value::Object(map) => map.len() <= 4 && map.values().all(|value| !value.is_object() && is_small(value)),
        _ => true,
    }
}

/// Writes a small value, and says so, if it is short enough for a line.
fn on_the_line(out: &mut String, value: &Value, indent: usize) -> bool {
    let start = out.len();
    flow(out, value);
    let fits = out.len() - start + indent <= LINE;
    if fits {
        out.push('\n');
    } else {
        out.truncate(start);
    }
    fits
}

/// A value on one line.
fn flow(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => scalar(out, text),
        Value::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                out.push_str(if position > 0 { ", " } else { "" });
                flow(out, item);
            }
            out.push(']');
        }
        Value::Object(map) if map.is_empty() => out.push_str("{}"),
        Value::Object(map) => {
            out.push_str("{ ");
            for (position, (key, value)) in map.iter().enumerate() {
                out.push_str(if position > 0 { ", " } else { "" });
                scalar(out, key);
                out.push_str(": ");
                flow(out, value);
            }
            out.push_str(" }");
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// A text, plain where it can be nothing else.
fn scalar(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    // JSON's quoted texts are YAML's, but for what YAML wants escaped beyond them.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
        out.push('"');
        out.push_str(text);
        out.push('"');
        return;
    }
    let quoted = serde_json::to_string(text).expect("texts can be written");
    for character in quoted.chars() {
        match character {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
}

/// Whether YAML reads the bare text as itself, in block and in flow.
fn is_plain(text: &str) -> bool {
    let Some(&first) = text.as_bytes().first() else { return false };
    if !(first.is_ascii_alphanumeric() || matches!(first, b'_' | b'/' | b'.')) {
        return false;
    }
    // What is asked below is asked of few, this of every text.
    let (mut before, mut colons) = (b'-', false);
    for &byte in text.as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'/' | b'@' | b'+' | b'(' | b')' => {}
            b' ' if !matches!(before, b' ' | b':') => {}
            b':' if before != b':' => colons = true,
            _ => return false,
        }
        before = byte;
    }
    if matches!(before, b' ' | b':') || colons && !first.is_ascii_alphabetic() {
        return false;
    }
    let bare = text.trim_start_matches('.');
    let may_be_number = first.is_ascii_digit() || matches!(first, b'.' | b'i' | b'I' | b'n' | b'N');
    if !bare.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        || may_be_number && text.parse::<f64>().is_ok()
        || is_number(bare)
    {
        return false;
    }
    !["null", "true", "false"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Numbers that only YAML knows, and what comes near them.
fn is_number(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit() || b"xoXOeE+-._:".contains(&byte));
    digits && text.starts_with(|c: char| c.is_ascii_digit())
        || ["inf", "nan"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether a text of several lines can be a block scalar.
fn is_literal(text: &str) -> bool {
    text.trim_end_matches('\n').contains('\n')
        && !text.ends_with("\n\n")
        && !text.starts_with([' ', '\n', '\t'])
        && text.chars().all(|c| {
            c == '\n'
                || !(c.is_control()
                    || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{85}' | '\u{fffe}' | '\u{ffff}'))
        })
        && text.lines().all(|line| !line.trim().is_empty() || line.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::{Format, syntax};

    fn read(text: &str) -> Value {
        let (root, diagnostics) = syntax::read(text.as_bytes(), Format::Yaml);
        assert!(diagnostics.is_empty(), "{diagnostics:?}\n{text}");
        root.expect("a document without diagnostics").to_json()
    }

    #[test]
    fn what_yaml_would_read_differently_is_quoted() {
        let value = json!({
            "a": "null", "b": "~", "c": "1.0", "d": "yes", "e": "{path}", "f": "a: b", "g": "# no comment", "h": "", "i": " x",
            "j": "x ", "k": "- x", "l": "line\nline\n", "m": "line\n\n  deeper", "n": "\u{85}\u{2028}\u{feff}", "o": "\ttab\nline",
            "p": "True", "q": "0x1f", "r": "@daily", "s": "https://example.com/a", "t": ["", [], {}, [[1]]], "": 1, "null": 2,
        });
        assert_eq!(read(&super::write(&value)), value);
    }

    #[test]
    fn statements_stay_readable() {
        let text = super::write(&json!({ "tools": [{ "name": "a", "sql": "SELECT 1\nFROM t\n" }] }));
        assert_eq!(text, "tools:\n  - name: a\n    sql: |\n      SELECT 1\n      FROM t\n");
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof!["[ -~\n]{0,12}", "\\PC{0,6}", "[a-z]{1,8}(\n {0,3}[a-z]{0,4}){0,3}\n?"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(
                    (text.clone().prop_filter("merge keys are refused", |key| key != "<<"), inner),
                    0..5
                )
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_comes_back(value in value()) {
            prop_assert_eq!(read(&super::write(&value)), value);
        }
    }
}
