//! Writing JSON straight into the bytes of an answer.

/// Appends a JSON string.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("writing text to memory can't fail");
}

/// Appends JSON without the white space between its tokens: an answer is one line, and what a database kept verbatim may
/// have line breaks. `json` must be valid JSON; the tokens themselves stay as they are, digit for digit.
pub fn write_compact(out: &mut Vec<u8>, json: &str) {
    let mut in_string = false;
    let mut escaped = false;
    for &byte in json.as_bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
        } else if byte.is_ascii_whitespace() {
            continue;
        } else if byte == b'"' {
            in_string = true;
        }
        out.push(byte);
    }
}

/// Whether the text is a JSON number as it stands.
#[must_use]
pub fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok_and(|raw| raw.get() == text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn digits_and_strings_stay_as_they_are() {
        let mut out = Vec::new();
        write_compact(&mut out, "{ \"a b\" :\n 1.00000000000000000001 , \"c\\\" \": [ 9007199254740993 ] }");
        assert_eq!(String::from_utf8(out).unwrap(), "{\"a b\":1.00000000000000000001,\"c\\\" \":[9007199254740993]}");
    }

    #[test]
    fn numbers_are_told_from_text() {
        for (text, expected) in [
            ("12", true),
            ("-0.50", true),
            ("1e9", true),
            ("", false),
            ("NaN", false),
            ("1 ", false),
            ("01", false),
            ("-", false),
            ("true", false),
        ] {
            assert_eq!(is_number(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn compact_json_means_the_same(text in "[ -~\\n]{0,20}", number: f64) {
            let value = serde_json::json!({ "a": [text, number], "b": { "c": null } });
            let mut out = Vec::new();
            write_compact(&mut out, &serde_json::to_string_pretty(&value).unwrap());
            prop_assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), value);
        }
    }
}
