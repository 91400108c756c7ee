//! "Did you mean": the one known name that somebody probably wanted to write.
//!
//! Names are compared word by word without their spelling (`toolSets`, `tool_sets` and `toolsets` are one), so that a wrong
//! case is nearest, then a slip of the fingers, then a name that shares a word, then one that begins alike. Bounded: long
//! names have no suggestion, and of very many candidates only the first are looked at.

const LONGEST: usize = 64;
const CANDIDATES: usize = 1_000;

/// The candidate nearest to `name`, if one is near enough to be worth saying.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.is_empty() || name.len() > LONGEST {
        return None;
    }
    let wanted = Name::of(name);
    candidates
        .into_iter()
        .take(CANDIDATES)
        .filter(|candidate| *candidate != name && candidate.len() <= LONGEST)
        .filter_map(|candidate| wanted.distance(&Name::of(candidate)).map(|distance| (distance, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

struct Name {
    words: Vec<String>,
    joined: String,
}

impl Name {
    fn of(name: &str) -> Self {
        let mut words = vec![String::new()];
        let mut lower = false;
        for letter in name.chars() {
            let divides = !letter.is_alphanumeric();
            if divides || letter.is_uppercase() && lower {
                words.push(String::new());
            }
            lower = letter.is_lowercase() || letter.is_numeric();
            if !divides {
                words.last_mut().expect("never empty").extend(letter.to_lowercase());
            }
        }
        words.retain(|word| !word.is_empty());
        let joined = words.concat();
        Self { words, joined }
    }

    /// Smaller is nearer; `None` is too far.
    fn distance(&self, other: &Self) -> Option<usize> {
        let (mine, theirs) = (&self.joined, &other.joined);
        if mine == theirs {
            return Some(0);
        }
        let longer = mine.chars().count().max(theirs.chars().count());
        let allowed = if longer <= 3 { 1 } else { longer.div_ceil(4) };
        if mine.len().abs_diff(theirs.len()) <= allowed * 4 {
            let slips = strsim::osa_distance(mine, theirs);
            if slips <= allowed && slips < longer {
                return Some(slips);
            }
        }
        if theirs.len() >= 4 && contains(&self.words, &other.words)
            || mine.len() >= 4 && contains(&other.words, &self.words)
        {
            return Some(100 + mine.len().abs_diff(theirs.len()));
        }
        if mine.len() >= 3 && theirs.starts_with(mine.as_str()) {
            return Some(200 + theirs.len() - mine.len());
        }
        (strsim::jaro_winkler(mine, theirs) >= 0.88).then_some(300)
    }
}

fn contains(words: &[String], part: &[String]) -> bool {
    !part.is_empty() && words.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[&str] = &[
        "name",
        "version",
        "title",
        "description",
        "instructions",
        "tags",
        "transport",
        "auth",
        "connections",
        "tools",
        "toolsets",
        "exposure",
        "resources",
        "prompts",
        "triggers",
        "events",
        "limits",
        "deploy",
        "permissions",
        "access",
        "environments",
        "parameters",
        "envVar",
        "inputSchema",
        "readOnly",
        "sql",
        "http",
    ];

    fn check(name: &str, expected: impl Into<Option<&'static str>>) {
        assert_eq!(nearest(name, FIELDS.iter().copied()), expected.into(), "{name}");
    }

    #[test]
    fn another_spelling_of_the_same_name_is_nearest() {
        check("tool_sets", "toolsets");
        check("EnvVar", "envVar");
        check("input-schema", "inputSchema");
        check("readonly", "readOnly");
    }

    #[test]
    fn a_slip_of_the_fingers_is_near() {
        check("desription", "description");
        check("triggres", "triggers");
        check("tool", "tools");
        check("evnVar", "envVar");
        check("sqll", "sql");
    }

    #[test]
    fn a_shared_word_or_beginning_is_near() {
        check("initialToolsets", "toolsets");
        check("env", "envVar");
        check("params", "parameters");
        check("desc", "description");
    }

    #[test]
    fn nothing_near_gives_nothing() {
        for name in ["", "x", "owner", "banana", "id", "zzzzzzzz", "!!"] {
            check(name, None);
        }
        check(&"tools".repeat(100), None);
    }
}
