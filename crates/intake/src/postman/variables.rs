//! `{{name}}`: what a collection says of its variables, and where they stand in a text.

use std::collections::HashMap;

use crate::openapi::document::At;

/// How far variables may be made of each other.
const DEEPEST: usize = 8;
/// How long a text may become by its variables.
const LONGEST: usize = 64 << 10;

/// The variables of a collection that have a value.
#[derive(Debug, Default)]
pub struct Variables<'d>(HashMap<&'d str, String>);

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'t> {
    Text(&'t str),
    /// The name in `{{name}}`.
    Variable(&'t str),
}

impl<'d> Variables<'d> {
    pub fn of(root: At<'d>) -> Self {
        let variables = root.get("variable").into_iter().flat_map(At::items);
        let known = variables.filter(|variable| variable.flag("disabled") != Some(true)).filter_map(|variable| {
            let name = variable.text("key").or_else(|| variable.text("id"))?;
            let value = scalar(variable.get("value")?)?;
            // What Postman keeps as a secret is none of ours.
            (variable.text("type") != Some("secret") && !value.is_empty()).then_some((name, value))
        });
        Self(known.collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A text without variables; `None` where one has no value.
    pub fn resolve(&self, text: &str) -> Option<String> {
        let mut text = text.to_owned();
        for _ in 0..DEEPEST {
            let mut resolved = String::new();
            let mut changed = false;
            for piece in pieces(&text) {
                match piece {
                    Piece::Text(piece) => resolved.push_str(piece),
                    Piece::Variable(name) => {
                        resolved.push_str(self.get(name)?);
                        changed = true;
                    }
                }
                if resolved.len() > LONGEST {
                    return None;
                }
            }
            if !changed {
                return Some(resolved);
            }
            text = resolved;
        }
        None
    }
}

/// A text, a number or a flag as it is written.
pub fn scalar(at: At<'_>) -> Option<String> {
    match at.node.to_json() {
        serde_json::Value::String(text) => Some(text),
        value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => Some(value.to_string()),
        _ => None,
    }
}

/// Takes a text apart.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let Some(length) = rest[start + 2..].find("}}") else { break };
        let name = &rest[start + 2..start + 2 + length];
        if name.is_empty() || name.contains(['{', '\n', '"']) {
            let (before, behind) = rest.split_at(start + 2);
            pieces.push(Piece::Text(before));
            rest = behind;
            continue;
        }
        if start > 0 {
            pieces.push(Piece::Text(&rest[..start]));
        }
        pieces.push(Piece::Variable(name.trim()));
        rest = &rest[start + 2 + length + 2..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// The variable that a text consists of.
pub fn whole(text: &str) -> Option<&str> {
    match pieces(text.trim())[..] {
        [Piece::Variable(name)] => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_taken_apart() {
        assert_eq!(pieces("a{{b}}c"), [Piece::Text("a"), Piece::Variable("b"), Piece::Text("c")]);
        assert_eq!(pieces("{{}}{{x"), [Piece::Text("{{"), Piece::Text("}}{{x")]);
        assert_eq!((whole(" {{a}} "), whole("{{a}}/")), (Some("a"), None));
    }

    #[test]
    fn variables_of_variables_end() {
        let known = |pairs: &[(&'static str, &str)]| {
            Variables(pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
        };
        let two = known(&[("a", "{{b}}/x"), ("b", "https://c.example"), ("e", "{{e}}{{e}}")]);
        assert_eq!(two.resolve("{{a}}").as_deref(), Some("https://c.example/x"));
        assert_eq!((two.resolve("{{d}}"), two.resolve("{{e}}")), (None, None));
    }
}
