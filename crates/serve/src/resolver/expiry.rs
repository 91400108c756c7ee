//! `expires_at`, in the ways services write it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// From here on a number counts milliseconds: as seconds it is the year 5138.
const MILLISECONDS: f64 = 1e11;

/// Seconds or milliseconds since 1970, or RFC 3339. `None` for anything else.
pub(super) fn parse(value: &Value) -> Option<SystemTime> {
    match value {
        Value::Number(number) => {
            let number = number.as_f64().filter(|number| *number >= 0.0)?;
            let seconds = if number >= MILLISECONDS { number / 1000.0 } else { number };
            UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
        }
        Value::String(text) => chrono::DateTime::parse_from_rfc3339(text).ok().map(SystemTime::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_read_in_all_usual_ways() {
        let at = UNIX_EPOCH + Duration::from_secs(1_795_000_000);
        for written in [
            json!(1_795_000_000),
            json!(1_795_000_000_000_u64),
            json!("2026-11-18T11:06:40Z"),
            json!("2026-11-18T12:06:40.000+01:00"),
        ] {
            assert_eq!(parse(&written), Some(at), "{written}");
        }
        for nonsense in [json!(-1), json!("soon"), json!(true), json!(null), json!(1e300), json!("")] {
            assert_eq!(parse(&nonsense), None, "{nonsense}");
        }
    }
}
