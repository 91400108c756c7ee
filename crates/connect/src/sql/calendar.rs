//! The forms of dates, times and decimals as text. Forms only: whether there is such a day is the database's to know.

/// `2026-11-21`
pub(super) fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// `04:47:15` or `04:47:15.25`
pub(super) fn is_time(text: &str) -> bool {
    let (clock, fraction) = text.split_once('.').map_or((text, None), |(clock, fraction)| (clock, Some(fraction)));
    let bytes = clock.as_bytes();
    bytes.len() == 8
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            2 | 5 => *byte == b':',
            _ => byte.is_ascii_digit(),
        })
        && fraction.is_none_or(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A date and a time, with a blank or a `T` between them and no zone.
pub(super) fn is_timestamp(text: &str) -> bool {
    text.is_char_boundary(10)
        && text.is_char_boundary(11)
        && text.len() > 11
        && is_date(&text[..10])
        && matches!(text.as_bytes()[10], b' ' | b'T')
        && is_time(&text[11..])
}

/// `-12.50`
pub(super) fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, part)| (whole, Some(part)));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole) && fraction.is_none_or(all_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_forms_count() {
        assert!(is_date("2026-11-21") && !is_date("2026-11-2") && !is_date("2026/11/21") && !is_date("äää-1-21"));
        assert!(is_time("04:47:15") && is_time("04:47:15.5") && !is_time("04:47") && !is_time("04:47:15."));
        assert!(is_timestamp("2026-11-21 04:47:15") && is_timestamp("2026-11-21T04:47:15.123456"));
        assert!(!is_timestamp("2026-11-21") && !is_timestamp("2026-11-21 04:47:15Z") && !is_timestamp("ääääääääää"));
        assert!(
            is_decimal("-12.50") && is_decimal("0") && !is_decimal("1e3") && !is_decimal(".5") && !is_decimal("1.")
        );
    }
}
