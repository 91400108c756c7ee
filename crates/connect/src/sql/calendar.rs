//! Dates, times and durations as text, written from what drivers count, and the forms of them that SQLite stores.

use std::fmt::Write;

/// From 1970-01-01 to 2000-01-01, where PostgreSQL begins to count.
pub(super) const DAYS_TO_2000: i64 = 10_957;

const MICROS_PER_DAY: i64 = 86_400_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Micros(pub i64);

/// `2026-11-21`, from days since 1970. Years before 1 are ISO 8601's (`-0043` is 44 BC), those after 9999 have all digits.
pub(super) fn write_date(out: &mut String, days: i64) {
    // Howard Hinnant's civil_from_days: years from March, in eras of 400 years.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let sign = if year < 0 { "-" } else { "" };
    write(out, format_args!("{sign}{:04}-{month:02}-{day:02}", year.abs()));
}

/// `04:47:15.25`, of the time of a day.
pub(super) fn write_time(out: &mut String, Micros(micros): Micros) {
    let seconds = micros / 1_000_000;
    write(out, format_args!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60));
    write_fraction(out, micros.unsigned_abs() % 1_000_000);
}

/// From microseconds since 2000-01-01.
pub(super) fn write_timestamp_2000(out: &mut String, Micros(micros): Micros) {
    write_date(out, micros.div_euclid(MICROS_PER_DAY) + DAYS_TO_2000);
    out.push('T');
    write_time(out, Micros(micros.rem_euclid(MICROS_PER_DAY)));
}

/// `+01:00`, from seconds east of Greenwich.
pub(super) fn write_offset(out: &mut String, seconds: i32) {
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.abs();
    write(out, format_args!("{sign}{:02}:{:02}", seconds / 3_600, seconds / 60 % 60));
    if seconds % 60 != 0 {
        write(out, format_args!(":{:02}", seconds % 60));
    }
}

/// `P1Y2M3DT4H5M6.7S`; every part has its own sign, as PostgreSQL's `iso_8601` style has it.
pub(super) fn write_interval(out: &mut String, months: i32, days: i32, Micros(micros): Micros) {
    out.push('P');
    let mut part = |value: i64, unit: char| {
        if value != 0 {
            write(out, format_args!("{value}{unit}"));
        }
    };
    part(i64::from(months / 12), 'Y');
    part(i64::from(months % 12), 'M');
    part(i64::from(days), 'D');
    if micros == 0 {
        if months == 0 && days == 0 {
            out.push_str("T0S");
        }
        return;
    }
    out.push('T');
    let seconds = micros / 1_000_000;
    let fraction = (micros % 1_000_000).unsigned_abs();
    let mut part = |value: i64, unit: char| {
        if value != 0 {
            write(out, format_args!("{value}{unit}"));
        }
    };
    part(seconds / 3_600, 'H');
    part(seconds / 60 % 60, 'M');
    if seconds % 60 != 0 || fraction != 0 {
        let sign = if micros < 0 { "-" } else { "" };
        write(out, format_args!("{sign}{}", (seconds % 60).abs()));
        write_fraction(out, fraction);
        out.push('S');
    }
}

/// Microseconds behind a point, without zeros at the end; nothing for none.
pub(super) fn write_fraction(out: &mut String, micros: u64) {
    if micros != 0 {
        write(out, format_args!(".{micros:06}"));
        out.truncate(out.trim_end_matches('0').len());
    }
}

fn write(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments).expect("writing into a string never fails");
}

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

    fn text(write: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    #[test]
    fn days_have_their_dates() {
        let check = |days, date: &str| assert_eq!(text(|out| write_date(out, days)), date);
        check(0, "1970-01-01");
        check(DAYS_TO_2000, "2000-01-01");
        check(11_016, "2000-02-29");
        check(20_778, "2026-11-21");
        check(-1, "1969-12-31");
        check(-719_528, "0000-01-01");
        check(-719_529, "-0001-12-31");
        check(2_932_897, "10000-01-01");
    }

    #[test]
    fn durations_keep_every_part_and_sign() {
        let check = |months, days, micros, expected: &str| {
            assert_eq!(text(|out| write_interval(out, months, days, Micros(micros))), expected);
        };
        check(0, 0, 0, "PT0S");
        check(14, 3, 14_706_700_000, "P1Y2M3DT4H5M6.7S");
        check(-14, -3, -14_706_700_000, "P-1Y-2M-3DT-4H-5M-6.7S");
        check(0, 0, -1, "PT-0.000001S");
        check(1, -1, 0, "P1M-1D");
    }

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
