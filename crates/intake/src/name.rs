//! Names that models read: of tools, parameters and connections.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use mcp_factory_spec::META_TOOLS;
use sha2::{Digest as _, Sha256};
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// Clients put the server's name in front, and take 64 characters in all.
const LONGEST: usize = 64;
/// Names that placeholders know already.
const RESERVED: [&str; 5] = ["principal", "trigger", "env", "call", "cursor"];

/// `listPetsByID`, `pets/list-by-id` and `Pets.ListByID` are all `…list_by_id`.
pub fn snake(text: &str) -> String {
    let characters: Vec<char> = latin(text).chars().collect();
    let mut snake = String::with_capacity(text.len() + 8);
    for (at, &character) in characters.iter().enumerate() {
        if !character.is_ascii_alphanumeric() {
            if !snake.is_empty() && !snake.ends_with('_') {
                snake.push('_');
            }
            continue;
        }
        let before = at.checked_sub(1).map(|at| characters[at]);
        let begins = character.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || before.is_ascii_uppercase()
                        && characters.get(at + 1).is_some_and(char::is_ascii_lowercase)
                        && characters.get(at + 2).is_none_or(|c| c.is_ascii_lowercase())
            });
        if begins && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake.trim_matches('_').to_owned()
}

/// `Größe` is `Groesse` and `café` is `cafe`. What is no Latin letter stays.
pub fn latin(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut latin = String::with_capacity(text.len() + 8);
    for character in text.nfc() {
        let letters = match character {
            'ä' | 'æ' => "ae",
            'Ä' | 'Æ' => "Ae",
            'ö' | 'œ' => "oe",
            'Ö' | 'Œ' => "Oe",
            'ø' => "o",
            'Ø' => "O",
            'ü' => "ue",
            'Ü' => "Ue",
            'ß' => "ss",
            'ẞ' => "Ss",
            'ł' => "l",
            'Ł' => "L",
            'đ' | 'ð' => "d",
            'Đ' | 'Ð' => "D",
            'þ' => "th",
            'Þ' => "Th",
            'ı' => "i",
            _ => {
                let mut parts = std::iter::once(character).nfd();
                match parts.next() {
                    Some(letter) if letter.is_ascii() && parts.all(is_combining_mark) => latin.push(letter),
                    _ => latin.push(character),
                }
                continue;
            }
        };
        latin.push_str(letters);
    }
    Cow::Owned(latin)
}

/// The name of an operation's tool: what its author called it, else its method and path.
pub fn tool(id: Option<&str>, method: &str, path: &str) -> String {
    let name = id.map(snake).filter(|name| name.chars().any(|c| c.is_ascii_alphabetic()));
    bounded(&name.unwrap_or_else(|| of_path(method, path)), &format!("{method} {path}"))
}

/// `GET /users/{id}/posts` is `get_users_by_id_posts`.
pub fn of_path(method: &str, path: &str) -> String {
    let mut words = vec![method.to_ascii_lowercase()];
    for step in path.split('/').filter(|step| !step.is_empty()) {
        match step.strip_prefix('{').and_then(|step| step.strip_suffix('}')) {
            Some(parameter) => words.push(format!("by_{}", snake(parameter))),
            None => words.push(snake(step)),
        }
    }
    words.retain(|word| !word.is_empty());
    words.join("_")
}

/// A name that is too long ends with a number that is made of what it stands for, so that it stays what it is.
fn bounded(name: &str, of: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let hash = Sha256::digest(of.as_bytes());
    let kept = &name[..LONGEST - 7];
    let kept = kept.rfind('_').filter(|at| *at > LONGEST / 2).map_or(kept, |at| &kept[..at]);
    format!("{kept}_{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2])
}

/// Names given so far.
#[derive(Debug, Default)]
pub struct Names {
    given: HashSet<String>,
    /// The last number that a name got: thousands may want the same one.
    numbers: HashMap<String, u32>,
}

impl Names {
    /// The first of the names that nobody has, else the last with a number.
    pub fn tool(&mut self, names: impl IntoIterator<Item = String>) -> String {
        let mut last = String::new();
        for name in names {
            let name = if META_TOOLS.contains(&name.as_str()) { format!("{name}_operation") } else { name };
            if self.given.insert(name.clone()) {
                return name;
            }
            last = name;
        }
        self.numbered(&last)
    }

    /// A parameter: letters, digits, `_` and `-`, and none of the names that mean something else.
    pub fn parameter(&mut self, name: &str, place: &str) -> String {
        let mut fitting: String = latin(name)
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' })
            .collect();
        while fitting.len() > 1 && fitting.ends_with('_') && !name.ends_with('_') {
            fitting.pop();
        }
        if !fitting.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            fitting.insert(0, '_');
        }
        fitting.truncate(LONGEST - 8);
        if RESERVED.contains(&fitting.as_str()) {
            fitting = format!("{fitting}_{place}");
        }
        if self.given.insert(fitting.clone()) {
            return fitting;
        }
        let placed = format!("{fitting}_{place}");
        if self.given.insert(placed.clone()) { placed } else { self.numbered(&placed) }
    }

    fn numbered(&mut self, name: &str) -> String {
        let kept = &name[..name.len().min(LONGEST - 8)];
        let number = self.numbers.entry(kept.to_owned()).or_insert(1);
        loop {
            *number += 1;
            let name = format!("{kept}_{number}");
            if self.given.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// A server's name: lowercase letters, digits and `-`.
pub fn server(title: &str) -> String {
    let name = snake(title).replace('_', "-");
    let name = name.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let name = &name[..name.len().min(48)];
    match name.trim_matches('-') {
        "" => "api".to_owned(),
        name => name.to_owned(),
    }
}

/// The beginning of its variables: `PETSTORE`.
pub fn variable(server: &str) -> String {
    server.replace('-', "_").to_ascii_uppercase()
}

/// `*` stands for anything.
pub fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, behind)) => text.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| fits(behind, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tools_are_words() {
        for (id, name) in [
            ("listPets", "list_pets"),
            ("getPetByID", "get_pet_by_id"),
            ("repos/list-for-org", "repos_list_for_org"),
            ("HTTPServerGet", "http_server_get"),
            ("Users.v2.Get", "users_v2_get"),
            ("get__it", "get_it"),
            ("öffneTürÜber", "oeffne_tuer_ueber"),
            ("Größe", "groesse"),
            ("cafe\u{301}", "cafe"),
            ("ŽlutýKůň", "zluty_kun"),
            ("señal", "senal"),
        ] {
            assert_eq!(tool(Some(id), "GET", "/x"), name, "{id}");
        }
        assert_eq!(tool(None, "GET", "/users/{userId}/posts.json"), "get_users_by_user_id_posts_json");
        assert_eq!(tool(Some("日本"), "POST", "/"), "post");
    }

    #[test]
    fn a_long_name_is_cut_at_a_word_and_stays_its_own() {
        let long = "list_all_the_things_that_belong_to_an_organization_and_its_members_and_teams";
        let (one, other) = (tool(Some(long), "GET", "/a"), tool(Some(long), "GET", "/b"));
        assert!(one.len() <= 64 && one.starts_with("list_all_the_things_that_belong_to_an_organization_and"), "{one}");
        assert_ne!(one, other);
    }

    #[test]
    fn no_two_things_have_one_name() {
        let mut names = Names::default();
        assert_eq!(names.tool(["a".into(), "b".into()]), "a");
        assert_eq!(names.tool(["a".into(), "b".into()]), "b");
        assert_eq!(names.tool(["a".into(), "b".into()]), "b_2");
        assert_eq!(names.tool(["list_tools".into()]), "list_tools_operation");
        let mut names = Names::default();
        for (name, fitting) in [("filter[name]", "filter_name"), ("filter.name", "filter_name_query"), ("2d", "_2d")] {
            assert_eq!(names.parameter(name, "query"), fitting);
        }
        assert_eq!(names.parameter("cursor", "query"), "cursor_query");
    }
}
