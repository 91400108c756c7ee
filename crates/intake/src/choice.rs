//! What somebody chose of what there is: of that which fits nothing they are told, and what there is instead.

use std::collections::HashSet;

use mcp_factory_spec::suggest::nearest;

use crate::{Finding, Level, text};

/// How many names are all listed, and how many of more where none is near.
const FEW: usize = 4;
const LISTED: usize = 12;

/// What was chosen and fits nothing, each with what there is instead.
#[derive(Debug, Default)]
pub struct Idle(Vec<(String, String)>);

impl Idle {
    /// Looks through words of one kind; `says` is what one that fits nothing is told as, and `what` names the kind.
    pub fn look<'k, K: IntoIterator<Item = &'k str>>(
        &mut self,
        chosen: &[String],
        (says, what): (&str, &str),
        fits: impl Fn(&str, &str) -> bool,
        known: impl Fn() -> K,
    ) {
        let idle = chosen.iter().filter(|chosen| !known().into_iter().any(|known| fits(chosen, known)));
        self.0.extend(idle.map(|chosen| (format!("{says} `{chosen}`"), instead(chosen, what, known()))));
    }

    /// Beside a spec of what did fit.
    pub fn notes(self) -> impl Iterator<Item = Finding> {
        self.0.into_iter().map(|(message, hint)| finding(Level::Note, message, hint))
    }

    /// In place of a spec, where nothing is left.
    pub fn none_of(self, all: usize, what: &str) -> Finding {
        let message = format!("none of the {all} {what} was chosen");
        if self.0.is_empty() {
            let hint = "look at the filters: they have to fit all at once".to_owned();
            return finding(Level::Error, message, hint);
        }
        let whys: Vec<String> = self.0.into_iter().map(|(why, instead)| format!("{why} ({instead})")).collect();
        Finding { hint: None, ..finding(Level::Error, format!("{message}: {}", whys.join(", ")), String::new()) }
    }
}

fn finding(level: Level, message: String, hint: String) -> Finding {
    Finding { level, place: String::new(), position: None, message, hint: Some(hint) }
}

/// What was probably meant, else the first few, and how many more there are.
fn instead<'k>(wanted: &str, what: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let mut seen = HashSet::new();
    let known: Vec<&str> = known.into_iter().filter(|known| seen.insert(*known)).collect();
    if let (true, Some(near)) = (known.len() > FEW, nearest(wanted, known.iter().copied())) {
        return format!("did you mean `{}`?", text::plain(near, 100));
    }
    let listed: Vec<String> = known.iter().take(LISTED).map(|it| format!("`{}`", text::plain(it, 100))).collect();
    match (known.len(), known.len().saturating_sub(LISTED)) {
        (0, _) => format!("there are no {what}"),
        (_, 0) => format!("the {what} are {}", listed.join(", ")),
        (_, more) => format!("the {what} are {}, and {more} more", listed.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_instead_is_short() {
        let many: Vec<String> = (0..14).map(|at| format!("thing{at}")).collect();
        let many = || many.iter().map(String::as_str);
        assert_eq!(instead("list_a", "ids", ["listA", "b", "c", "d", "e"]), "did you mean `listA`?");
        assert_eq!(instead("nosuch", "tags", ["a", "b", "a"]), "the tags are `a`, `b`");
        assert!(instead("nosuch", "tags", many()).ends_with("`thing10`, `thing11`, and 2 more"));
        assert_eq!(instead("nosuch", "tags", []), "there are no tags");
    }
}
