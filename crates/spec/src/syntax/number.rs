//! Numbers as both languages write them.

use serde_json::Number;

/// A decimal number, as the text says it: a 64-bit integer where it is one, else the nearest double. `None` for what no
/// double can hold.
pub(super) fn decimal(text: &str) -> Option<Number> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if let Ok(value) = digits.parse::<u64>() {
        return Some(value.into());
    }
    if let Ok(value) = digits.parse::<i64>() {
        return Some(value.into());
    }
    digits.parse::<f64>().ok().and_then(Number::from_f64)
}
