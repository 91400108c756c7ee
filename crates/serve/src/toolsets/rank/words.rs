//! Words of names, texts and questions, brought to one form, and what a word of a question may mean in a tool's name: whoever
//! wants to "open" an issue looks for `create_issue`.

use std::collections::HashMap;

/// How much a word counts that only means the same.
const RELATED: f64 = 0.5;

/// What people say where names of tools say something else. The first is what names say, which a question may say as well though
/// it is otherwise filling.
const MEANINGS: [&[&str]; 19] = [
    &["create", "add", "new", "make", "open", "write", "publish", "put", "setup", "set", "register", "start", "upload"],
    &["update", "change", "edit", "modify", "set", "close", "rename", "write", "make", "move", "adjust"],
    &["delete", "remove", "drop", "erase", "destroy", "clear", "throw"],
    &["remove", "delete", "drop", "detach", "throw", "kick"],
    &["get", "show", "read", "what", "look", "download", "see", "view", "fetch"],
    &["list", "show", "which", "all", "what", "who", "see", "every"],
    &["search", "find", "look"],
    &["request", "ask"],
    &["authenticated", "my", "me", "signed", "i"],
    &["run", "trigger", "dispatch", "start"],
    &["dispatch", "run", "trigger"],
    &["add", "invite", "put", "assign", "give", "grant", "attach"],
    &["limit", "many"],
    &["cancel", "stop", "abort"],
    &["disable", "off", "deactivate"],
    &["enable", "on", "activate"],
    &["permission", "access", "right", "allowed"],
    &["member", "belong", "belongs"],
    &["check", "whether", "verify"],
];

/// A question that begins so wants a yes or a no, as tools that `check` give it.
const YES_OR_NO: [&str; 11] = ["is", "are", "am", "was", "were", "did", "does", "do", "has", "have", "can"];

/// Words that stand in every question, and tell nothing of what is wanted.
const FILLING: &str = "\
    a about again all also am an and any anybody anyone anything are as at be been by can did do does else everybody \
    everyone everything for from had has have here how i if in into is it its just list many may me much my need no not \
    now of off on one or other our out own please should show so some somebody someone something still than that the their \
    them then there these they this those to too under us use very want was we were what when where whether which while \
    who whose will with without would yes you your";

fn is_filling(word: &str) -> bool {
    FILLING.split(' ').any(|it| it == word)
}

/// Of a tool's name, they say little.
pub const JOINING: [&str; 7] = ["a", "for", "from", "in", "of", "or", "to"];

/// Words in lower case and without endings; `camelCase` and `snake_case` are two.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    plain(text).map(|word| form(&word))
}

fn plain(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split(|character: char| !character.is_alphanumeric()).flat_map(humps);
    parts.filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// What a question looks for, and how much each counts: its own words 1, what those may mean less. A question of nothing but
/// filling words looks for those.
pub fn wanted(question: &str, most: usize) -> HashMap<String, f64> {
    let said: Vec<String> = plain(question).take(most).collect();
    let mut own: HashMap<String, f64> =
        said.iter().filter(|word| !is_filling(word)).map(|word| (form(word), 1.0)).collect();
    if own.is_empty() {
        own = said.iter().map(|word| (form(word), 1.0)).collect();
    }
    for word in &said {
        for meaning in MEANINGS.iter().filter(|meaning| meaning.contains(&word.as_str())) {
            own.entry(form(meaning[0])).or_insert(RELATED);
        }
    }
    if said.first().is_some_and(|first| YES_OR_NO.contains(&first.as_str())) {
        own.entry(form("check")).or_insert(RELATED);
    }
    own
}

/// Without the endings of English that change nothing: plurals, `-ing`, `-ed`; `-ate` and `-ation` are one. What is short for
/// something is written out.
pub fn form(word: &str) -> String {
    let word = match word {
        "repository" | "repositories" | "repos" => "repo",
        "organization" | "organisation" | "organizations" | "organisations" | "orgs" => "org",
        "pr" | "prs" => "pull",
        word => word,
    };
    if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 1) {
        return format!("{stem}y");
    }
    let long = |ending: &str| word.strip_suffix(ending).filter(|_| word.len() > 4);
    let es = long("es").filter(|stem| stem.ends_with(['s', 'x', 'h']));
    let s = word.strip_suffix('s').filter(|stem| stem.len() > 2 && !stem.ends_with('s'));
    let verb = long("ing").or_else(|| long("ed"));
    let stem = verb.or(es).or(s).unwrap_or(word);
    let stem = noun(stem).or_else(|| stem.strip_suffix("ate").filter(|rest| rest.len() > 3)).unwrap_or(stem);
    // Of `migrated`; `repeated` is something else.
    let at = verb.and_then(|verb| verb.strip_suffix("at")).filter(|rest| rest.len() > 3 && !rest.ends_with('e'));
    let stem = at.unwrap_or(stem);
    let stem = stem.strip_suffix('e').filter(|rest| rest.len() > 2).unwrap_or(stem);
    match stem.as_bytes() {
        [.., a, b] if a == b && stem.len() > 3 && b.is_ascii_alphabetic() && !matches!(b, b'l' | b's') => {
            stem[..stem.len() - 1].to_owned()
        }
        _ => stem.to_owned(),
    }
}

/// What is done, of what it is called: `reaction`, `migration`.
fn noun(word: &str) -> Option<&str> {
    let ion = word.strip_suffix("ion").filter(|rest| rest.len() > 3 && rest.ends_with(['t', 's']))?;
    Some(ion.strip_suffix("at").filter(|rest| rest.len() > 3).unwrap_or(ion))
}

fn humps(word: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut before_is_lower) = (0, false);
    for (at, character) in word.char_indices() {
        if before_is_lower && character.is_uppercase() {
            parts.push(&word[start..at]);
            start = at;
        }
        before_is_lower = character.is_lowercase() || character.is_numeric();
    }
    parts.push(&word[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_are_one() {
        for same in [
            &["review", "reviews", "reviewing", "reviewed"][..],
            &["release", "releases", "releasing", "released"],
            &["branch", "branches"],
            &["category", "categories"],
            &["repo", "repos", "repository", "Repositories"],
            &["star", "starred"],
            &["react", "reaction", "reactions", "reacted"],
            &["migrate", "migration", "migrations", "migrated", "migrating"],
            &["create", "creation", "created"],
            &["delete", "deletion"],
            &["install", "installation", "installed"],
            &["format", "formats"],
            &["repeat", "repeated"],
            &["action", "actions"],
        ] {
            let forms: Vec<String> = same.iter().flat_map(|word| words(word)).collect();
            assert!(forms.iter().all(|it| *it == forms[0]), "{forms:?}");
        }
        assert_eq!(words("address ünïcødeß 日本 ies s").count(), 5);
    }

    #[test]
    fn a_question_is_about_its_own_words_first() {
        let wanted = wanted("Open an issue", 64);
        assert_eq!(
            (wanted.get("issu"), wanted.get("open"), wanted.get("creat")),
            (Some(&1.0), Some(&1.0), Some(&RELATED))
        );
        assert!(!wanted.contains_key("an"));
        let listed = super::wanted("List the pull requests", 64);
        assert_eq!((listed.get("list"), listed.get("pull")), (Some(&RELATED), Some(&1.0)));
        assert_eq!(super::wanted("turn it off", 64).get("disabl"), Some(&RELATED));
        assert_eq!(super::wanted("list", 64).get("list"), Some(&1.0));
        let asked = super::wanted("Is somebody else still in the team?", 64);
        assert_eq!((asked.get("check"), asked.get("team"), asked.len()), (Some(&RELATED), Some(&1.0), 2), "{asked:?}");
    }
}
