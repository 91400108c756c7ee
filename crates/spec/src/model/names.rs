//! Names, and other short texts that were checked once.

use serde_json::{Value, json};

use crate::{
    Code, Node,
    path::Path,
    read::{Field, Reader, name},
    schema_of_language::Schemas,
};

fn starts_like_a_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.len() <= 64
}

fn is_word(name: &str) -> bool {
    starts_like_a_word(name) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

name! {
    /// A server's name, unique per factory.
    pub struct ServerName, "the name of a server": "lower-case letters, digits and `-`, beginning with a letter, at most 63", "^[a-z][a-z0-9-]{0,62}$", |name| {
        name.len() <= 63
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
}

name! {
    /// A tool's name.
    pub struct ToolName, "the name of a tool": "letters, digits, `_`, `.` and `-`, at most 128", "^[A-Za-z0-9_.-]{1,128}$", |name| {
        (1..=128).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
    };
}

name! {
    /// A tool's name, or a pattern of names in which `*` stands for any characters.
    pub struct ToolPattern, "the name of a tool, or a pattern": "letters, digits, `_`, `.`, `-` and `*`, at most 128", "^[A-Za-z0-9_.*-]{1,128}$", |name| {
        (1..=128).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '*'))
    };
}

impl ToolPattern {
    #[must_use]
    pub fn is_glob(&self) -> bool {
        self.contains('*')
    }

    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        fits(self, name)
    }
}

name! {
    /// What a tool is called by another server, which names it as it likes, or a pattern in which `*` stands for any characters.
    pub struct UpstreamTool, "the name of another server's tool": "any characters but control characters, at most 200", "^[^\\x00-\\x1f\\x7f]{1,200}$", |name| {
        !name.is_empty() && name.chars().count() <= 200 && !name.chars().any(|c| c.is_ascii_control())
    };
}

impl UpstreamTool {
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        fits(self, name)
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(found) = left.find(part) else { return false };
        left = &left[found + part.len()..];
    }
    left.ends_with(last)
}

name! {
    /// A connection's name.
    pub struct ConnectionName, "the name of a connection": "letters, digits, `_` and `-`, not beginning with a digit, at most 64", "^[A-Za-z_][A-Za-z0-9_-]{0,63}$", is_word;
}

name! {
    /// A toolset's name.
    pub struct ToolsetName, "the name of a toolset": "letters, digits, `_` and `-`, not beginning with a digit, at most 64", "^[A-Za-z_][A-Za-z0-9_-]{0,63}$", is_word;
}

name! {
    /// A trigger's name.
    pub struct TriggerName, "the name of a trigger": "letters, digits, `_` and `-`, not beginning with a digit, at most 64", "^[A-Za-z_][A-Za-z0-9_-]{0,63}$", is_word;
}

name! {
    /// An event's name; may have dots.
    pub struct EventName, "the name of an event": "letters, digits, `_`, `.` and `-`, not beginning with a digit, at most 64", "^[A-Za-z_][A-Za-z0-9_.-]{0,63}$", |name| {
        starts_like_a_word(name) && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
    };
}

name! {
    /// A prompt's name.
    pub struct PromptName, "the name of a prompt": "letters, digits, `_` and `-`, not beginning with a digit, at most 64", "^[A-Za-z_][A-Za-z0-9_-]{0,63}$", is_word;
}

name! {
    /// A parameter's name.
    pub struct ParameterName, "the name of a parameter": "letters, digits, `_` and `-`, not beginning with a digit, at most 64", "^[A-Za-z_][A-Za-z0-9_-]{0,63}$", is_word;
}

name! {
    /// An environment's name.
    pub struct EnvironmentName, "the name of an environment": "letters, digits, `_` and `-`, not beginning with a digit, at most 64", "^[A-Za-z_][A-Za-z0-9_-]{0,63}$", is_word;
}

name! {
    /// The name of a secret or setting: a variable of the process environment, or an entry of the owner's store.
    pub struct Variable, "the name of an environment variable": "capital letters, digits and `_`, not beginning with a digit, such as `DATABASE_URL`", "^[A-Z_][A-Z0-9_]*$", |name| {
        name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
            && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
}

name! {
    /// The name of an HTTP header.
    pub struct HeaderName, "the name of a header": "letters, digits and `-`, such as `X-API-Key`", "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", |name| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+.^_`|~-".contains(c))
    };
}

/// An absolute URL, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Url(String);

impl Url {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for a URL that could not be read (which has been reported).
    pub(crate) fn is_stand_in(&self) -> bool {
        self.0.is_empty()
    }

    /// Its parts.
    #[must_use]
    pub fn parts(&self) -> url::Url {
        self.0.parse().expect("it was parsed when it was read")
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Url {
    type Err = url::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        url::Url::parse(text).map(|_| Self(text.to_owned()))
    }
}

impl Field for Url {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        let text = reader.text(node, at, "a URL")?;
        match text.parse::<Self>() {
            Ok(url) => Some(url),
            Err(error) => {
                let help = Some("expected an absolute URL such as `https://example.com`".to_owned());
                reader.report(Code::Url, node.span, at, format!("`{text}`: {error}"), help);
                None
            }
        }
    }

    fn write(&self) -> Value {
        self.0.as_str().into()
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "string", "format": "uri" })
    }

    fn stand_in() -> Option<Self> {
        Some(Self(String::new()))
    }
}

name! {
    /// The name of a column or a table, perhaps qualified.
    pub struct ColumnName, "the name of a column or table": "letters, digits and `_`, not beginning with a digit", "^[A-Za-z_][A-Za-z0-9_$]*([.][A-Za-z_][A-Za-z0-9_$]*)*$", |name| {
        name.split('.').all(|part| {
            part.starts_with(|c: char| c.is_alphabetic() || c == '_')
                && part.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$')
        })
    };
}
