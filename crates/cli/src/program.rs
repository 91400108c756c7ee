//! How this program is called by whoever reads what it says, and by programs that start it.
//!
//! What it says to type next can be typed as it stands: by the name that the shell finds it by, and about the factory that the
//! command before was about.

use std::{
    borrow::Cow,
    fmt,
    path::{Path, PathBuf},
    sync::{LazyLock, OnceLock},
};

use anyhow::Context as _;
use clap::{ArgMatches, CommandFactory as _, parser::ValueSource};

use crate::args::Args;

const NAME: &str = "mcp-factory";

/// What people are told to do. Of a text that stands in this program as it is, the lines in backticks are shown as they can be typed
/// here. One that was put together may have others' words in it: it is shown as it is, and says its lines by [`line`].
#[derive(Debug, Clone)]
pub struct Hint(Cow<'static, str>);

/// Options that say which factory was meant, as they have to be typed again.
static FACTORY: OnceLock<String> = OnceLock::new();

/// Remembers which factory this command is about, as far as that was typed. What the environment says it says again; a factory that
/// is started is asked from other terminals, where it may not.
pub fn typed_with(matches: &ArgMatches) {
    let (mut matches, mut starts) = (matches, false);
    while let Some((command, of_it)) = matches.subcommand() {
        (matches, starts) = (of_it, starts || command == "up");
    }
    let is_said = |option: &str| match matches.value_source(option) {
        Some(ValueSource::CommandLine) => true,
        Some(ValueSource::EnvVariable) => starts,
        _ => false,
    };
    let mut said = String::new();
    for option in ["data", "api"] {
        if matches.try_contains_id(option).unwrap_or(false) && is_said(option) {
            for value in matches.get_raw(option).into_iter().flatten() {
                said.push_str(&format!(" --{option} {}", quoted(&value.to_string_lossy())));
            }
        }
    }
    let _ = FACTORY.set(said);
}

/// A command line of this program, as in `deploy shop`, as it can be typed here.
pub fn line(rest: &str) -> String {
    static FOUND: LazyLock<String> = LazyLock::new(name);
    let factory = FACTORY.get().map(String::as_str).filter(|_| is_about_a_factory(rest)).unwrap_or_default();
    format!("{} {rest}{factory}", *FOUND)
}

impl From<&'static str> for Hint {
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Hint {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl Hint {
    /// The same, where it is known which server its lines are about.
    pub fn about(self, server: &str) -> Self {
        match self.0 {
            Cow::Borrowed(text) => typed(text, |rest| line(&rest.replace("SERVER", &quoted(server)))).into(),
            Cow::Owned(_) => self,
        }
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cow::Borrowed(text) => f.write_str(&typed(text, line)),
            Cow::Owned(text) => f.write_str(text),
        }
    }
}

fn typed(text: &'static str, line: impl Fn(&str) -> String) -> String {
    const BEGIN: &str = "`mcp-factory ";
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(BEGIN) {
        let end = behind.find('`').unwrap_or(behind.len());
        shown.push_str(before);
        shown.push('`');
        shown.push_str(&line(&behind[..end]));
        rest = &behind[end..];
    }
    shown + rest
}

/// Whether its command takes the options that say which.
fn is_about_a_factory(rest: &str) -> bool {
    let mut command = Args::command();
    for word in rest.split(' ') {
        match command.find_subcommand(word) {
            Some(found) => command = found.clone(),
            None => break,
        }
    }
    let names: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    // `up` and `down` are about the data folder of this machine, and nothing at a URL.
    let typed = FACTORY.get().map(String::as_str).unwrap_or_default();
    names.contains(&"data") && (names.contains(&"api") || !typed.contains(" --api ")) && !rest.contains(" --help")
}

/// As one word of a shell.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,~".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// As it can be typed here: its name, where the shell finds it by that, else its path.
pub fn name() -> String {
    let Ok(this) = std::env::current_exe() else { return NAME.to_owned() };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_found = std::env::split_paths(&path)
        .map(|folder| folder.join(NAME))
        .find(|file| file.is_file())
        .is_some_and(|file| file.canonicalize().ok() == this.canonicalize().ok());
    if is_found {
        return NAME.to_owned();
    }
    let this = without_triple(&this).unwrap_or(this);
    let here = std::env::current_dir().ok();
    let shown = here.as_deref().and_then(|here| below(here, &this)).unwrap_or(this);
    let shown = shown.display().to_string();
    quoted(&shown)
}

/// `target/release` is linked to what cargo builds for a target that is named, and is what a reader knows.
fn without_triple(this: &Path) -> Option<PathBuf> {
    let profile = this.parent()?;
    let link = profile.parent()?.parent()?.join(profile.file_name()?).join(NAME);
    (link.canonicalize().ok()? == this.canonicalize().ok()?).then_some(link)
}

/// Where it lies, for programs that start it in a folder of their own choice.
pub fn path() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("can't find this program")
}

/// With a `/` in it, so that a shell takes it for a path.
fn below(here: &Path, file: &Path) -> Option<PathBuf> {
    let below = file.strip_prefix(here).ok()?;
    Some(if below.components().count() > 1 { below.to_owned() } else { Path::new(".").join(below) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_be_typed_next_can_be_typed() {
        let typed = ["mcp-factory", "list", "--data", "/srv/my data"];
        typed_with(&Args::command().try_get_matches_from(typed).unwrap());
        let program = name();
        assert_ne!(program, NAME, "the shell does not find a test by that name");
        for (said, shown) in [
            ("`mcp-factory down` ends it", format!("`{program} down --data '/srv/my data'` ends it")),
            ("`mcp-factory keys issue shop NAME` or `mcp-factory validate a.yaml`", {
                format!("`{program} keys issue shop NAME --data '/srv/my data'` or `{program} validate a.yaml`")
            }),
            ("mcp-factory is a program, and `mcp-factory` its name", {
                "mcp-factory is a program, and `mcp-factory` its name".to_owned()
            }),
            ("it ends in `mcp-factory list", format!("it ends in `{program} list --data '/srv/my data'")),
        ] {
            assert_eq!(Hint::from(said).to_string(), shown);
            // Whatever form it has, it may be a name, a path or an answer that was made to look like one of ours.
            assert_eq!(Hint::from(said.to_owned()).to_string(), said);
        }
        let hint = Hint::from("`mcp-factory logs SERVER` shows it").about("`mcp-factory down`");
        let line = "logs '`mcp-factory down`' --data '/srv/my data'";
        assert_eq!(hint.to_string(), format!("`{program} {line}` shows it"), "no line within a line");
    }

    #[test]
    fn a_word_stays_one_word_in_a_shell() {
        for (word, shown) in [("/a/b-1.2", "/a/b-1.2"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$HOME", "'$HOME'")]
        {
            assert_eq!(quoted(word), shown);
        }
    }
}
