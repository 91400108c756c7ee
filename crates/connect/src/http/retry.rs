//! Whether and when a request is tried again.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::{Duration, SystemTime},
};

use ::http::{HeaderMap, Method, StatusCode, header::RETRY_AFTER};

pub(super) fn is_idempotent(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS].contains(method)
}

pub(super) fn is_temporary(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// What the upstream asks for, in seconds or as a date.
pub(super) fn asked_for(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// Doubles from `first` up to `max`; the second half of it is chance, so that callers don't come back all at once.
pub(super) fn backoff(attempt: u32, (first, max): (Duration, Duration)) -> Duration {
    let whole = first.saturating_mul(2_u32.saturating_pow(attempt)).min(max);
    let chance = RandomState::new().build_hasher().finish() % 1_000;
    whole / 2 + (whole / 2).mul_f64(f64::from(u32::try_from(chance).unwrap_or(0)) / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upstream_may_say_when() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let check = |value: &str, expected| {
            let headers = [(RETRY_AFTER, value.parse().unwrap())].into_iter().collect();
            assert_eq!(asked_for(&headers, now), expected, "{value}");
        };
        check("7", Some(Duration::from_secs(7)));
        check("Thu, 01 Jan 1970 00:17:00 GMT", Some(Duration::from_secs(20)));
        check("Thu, 01 Jan 1970 00:00:00 GMT", Some(Duration::ZERO));
        check("soon", None);
        check("-1", None);
    }

    #[test]
    fn the_wait_grows_to_its_limit() {
        let limits = (Duration::from_millis(100), Duration::from_secs(1));
        for (attempt, whole) in [(0, 100), (1, 200), (3, 800), (4, 1_000), (40, 1_000)] {
            let wait = backoff(attempt, limits);
            assert!(
                wait >= Duration::from_millis(whole / 2) && wait <= Duration::from_millis(whole),
                "{attempt}: {wait:?}"
            );
        }
    }
}
