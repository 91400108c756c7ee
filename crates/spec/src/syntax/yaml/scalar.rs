//! What a scalar without quotes is, by the YAML 1.2 core schema: `null`, `true`, numbers; `on`, `no` and `yes` are text.

use serde_json::Number;

use crate::{NodeValue, syntax::number};

/// Why a scalar is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// `.inf` or `.nan`
    NotFinite,
    TooLarge,
}

pub(super) fn resolve(text: &str) -> Result<NodeValue, Refused> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => NodeValue::Null,
        "true" | "True" | "TRUE" => NodeValue::Bool(true),
        "false" | "False" | "FALSE" => NodeValue::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Err(Refused::NotFinite),
        _ if matches!(text.trim_start_matches(['+', '-']), ".inf" | ".Inf" | ".INF") => return Err(Refused::NotFinite),
        _ if !text.starts_with(['+', '-', '.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) => text_value(text),
        _ => match based(text) {
            Some(number) => NodeValue::Number(number?, text.into()),
            None if is_decimal(text) => NodeValue::Number(number::decimal(text).ok_or(Refused::TooLarge)?, text.into()),
            None => text_value(text),
        },
    })
}

fn text_value(text: &str) -> NodeValue {
    NodeValue::String(text.into())
}

/// `0o17`, `0xff`
fn based(text: &str) -> Option<Result<Number, Refused>> {
    let (digits, radix) = match text.get(..2)? {
        "0o" => (&text[2..], 8),
        "0x" => (&text[2..], 16),
        _ => return None,
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    Some(u64::from_str_radix(digits, radix).map(Number::from).map_err(|_| Refused::TooLarge))
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_decimal(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.map(|exponent| exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    !(whole.is_empty() && fraction.is_empty())
        && all_digits(whole)
        && all_digits(fraction)
        && exponent.is_none_or(|exponent| !exponent.is_empty() && all_digits(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> serde_json::Value {
        match resolve(text).expect("a value") {
            NodeValue::Null => serde_json::Value::Null,
            NodeValue::Bool(value) => value.into(),
            NodeValue::Number(number, _) => number.into(),
            NodeValue::String(text) => text.to_string().into(),
            _ => unreachable!(),
        }
    }

    #[test]
    fn words_are_those_of_the_core_schema_alone() {
        for text in ["on", "off", "yes", "no", "y", "n", "NuLL", "tRUE", "nan", "NaN", "inf", "Infinity", "<<", "="] {
            assert_eq!(json(text), text);
        }
        assert_eq!(json("~"), serde_json::Value::Null);
        assert_eq!(json("True"), true);
    }

    #[test]
    fn numbers_are_those_of_the_core_schema_alone() {
        for text in
            ["1_000", "0b1", "1:30", "1.2.3", "1e", "e1", ".", "+", "-", "..1", "0o8", "0x", "0xg", "-0x1", "1 2"]
        {
            assert_eq!(json(text), text);
        }
        assert_eq!(json("010"), 10);
        assert_eq!(json("0o17"), 15);
        assert_eq!(json("0xFf"), 255);
        assert_eq!(json("+12"), 12);
        assert_eq!(json("-12"), -12);
        assert_eq!(json("18446744073709551615"), u64::MAX);
        assert_eq!(json(".5"), 0.5);
        assert_eq!(json("1."), 1.0);
        assert_eq!(json("-1.5e3"), -1500.0);
        assert_eq!(json("1e3"), 1000.0);
    }

    #[test]
    fn a_number_keeps_how_it_was_written() {
        assert_eq!(resolve("1.0").ok(), Some(NodeValue::Number(Number::from_f64(1.0).expect("finite"), "1.0".into())));
    }

    #[test]
    fn what_json_can_not_hold_is_refused() {
        for text in [".inf", "-.INF", "+.Inf", ".NaN"] {
            assert_eq!(resolve(text), Err(Refused::NotFinite));
        }
        assert_eq!(resolve("1e999"), Err(Refused::TooLarge));
        assert_eq!(resolve("0x1ffffffffffffffff"), Err(Refused::TooLarge));
    }
}
