use proptest::prelude::*;

use super::*;

fn numeric(schedule: &str, expected: &str) {
    assert_eq!(numeric_cron(schedule).as_deref(), Ok(expected), "{schedule}");
}

fn refuse(schedule: &str, part: &str) {
    let message = numeric_cron(schedule).expect_err(schedule);
    assert!(message.contains(part), "{schedule}: {message}");
}

#[test]
fn five_fields_are_a_schedule() {
    numeric("0 */6 * * *", "0 */6 * * *");
    numeric("  0,30  6-20/2 1 jan,Jul mon-FRI ", "0,30 6-20/2 1 1,7 1-5");
    numeric("0 0 * * SUN", "0 0 * * 0");
    numeric("0 0 * * 7", "0 0 * * 7");
    numeric("0 0 * * FRI-SUN", "0 0 * * 5-7");
    numeric("05 00 01 01 *", "5 0 1 1 *");
    numeric("0 0 29 2 *", "0 0 29 2 *");
    numeric("0 0 31 2 MON", "0 0 31 2 1");
}

#[test]
fn the_named_ones_are_schedules() {
    for (name, fields) in [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
    ] {
        numeric(name, fields);
    }
    refuse("@dialy", "did you mean `@daily`");
    refuse("@fortnightly", "`@weekly`");
    refuse("@reboot", "not a schedule");
}

#[test]
fn what_is_none_is_said_with_its_field() {
    for (schedule, part) in [
        ("", "five fields"),
        ("* * * *", "not 4"),
        ("0 0 0 * * *", "not 6"),
        ("every hour", "not 2"),
        ("@daily *", "five fields"),
        ("60 * * * *", "minute: `60`"),
        ("0 25 * * *", "hour: `25`"),
        ("0 0 0 * *", "day of the month: `0`"),
        ("0 0 * 13 *", "month: `13`"),
        ("0 0 * * 8", "day of the week: `8`"),
        ("MON * * * *", "minute: `MON`"),
        ("0 0 * MONDAY *", "month: `MONDAY`"),
        ("*/0 * * * *", "step"),
        ("*/ * * * *", "step"),
        ("*/60 * * * *", "step"),
        ("5/10 * * * *", "no range"),
        ("10-5 * * * *", "ends before"),
        ("1-2-3 * * * *", "`2-3`"),
        ("1,,2 * * * *", "minute: ``"),
        ("+1 * * * *", "minute: `+1`"),
        ("-1 * * * *", "minute: ``"),
        ("0 0 L * *", "`L`"),
        ("0 0 ? * *", "`?`"),
        ("0 0 * * MON#2", "`MON#2`"),
        ("0 0 31 2,4,jun *", "never comes"),
        ("0 0 30-31 2 *", "never comes"),
    ] {
        refuse(schedule, part);
    }
    refuse(&"1,".repeat(LONGEST), "longer");
}

#[test]
fn time_zones_are_those_of_the_database() {
    for name in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+1"] {
        assert_eq!(check_timezone(name), Ok(()), "{name}");
    }
    assert_eq!(check_timezone("Europe/Berln"), Err(Some("Europe/Berlin")));
    assert_eq!(check_timezone("europe/berlin"), Err(Some("Europe/Berlin")));
    assert_eq!(check_timezone("Berlin"), Err(Some("Europe/Berlin")));
    assert_eq!(check_timezone("Mars/Olympus"), Err(None));
    assert_eq!(check_timezone(""), Err(None));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic_and_numbers_stay_as_they_are(schedule in "([0-9*,/@A-Z-]{1,5} ?){1,6}|\\PC{0,20}") {
        if let Ok(numeric) = numeric_cron(&schedule) {
            prop_assert_eq!(numeric_cron(&numeric), Ok(numeric.clone()));
        }
    }

    #[test]
    fn every_value_of_every_field_is_read(
        minute in 0..60_u32, hour in 0..24_u32, day in 1..29_u32, month in 1..13_u32, weekday in 0..8_u32, step in 1..8_u32,
    ) {
        let schedule = format!("{minute} {hour} {day} {month}-12/{step} {weekday}");
        prop_assert_eq!(numeric_cron(&schedule), Ok(schedule));
    }
}
