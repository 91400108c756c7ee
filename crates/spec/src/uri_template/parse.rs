//! Reading a template, refusing what could not be matched again.

use super::{LONGEST, MOST_NAMES, Part, Problem, units};

/// Names that placeholders use for something else.
const TAKEN: [&str; 3] = ["principal", "trigger", "env"];

pub(super) fn parts(text: &str) -> Result<Vec<Part>, Problem> {
    if text.len() > LONGEST {
        return problem(0, format!("the template is longer than {LONGEST} bytes"));
    }
    scheme(text)?;
    let mut parts = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    let mut wide: Option<&str> = None;
    let mut at = 0;
    while at < text.len() {
        let Some(inner) = text[at..].strip_prefix('{') else {
            let end = text[at..].find('{').map_or(text.len(), |length| at + length);
            check_literal(&text[at..end], at)?;
            parts.push(Part::Literal(text[at..end].into()));
            at = end;
            continue;
        };
        let Some(length) = inner.find('}') else {
            return problem(at, "`{` is never closed".to_owned());
        };
        let expression = &inner[..length];
        let (name, reserved) = match expression.strip_prefix('+') {
            Some(name) => (name, true),
            None => (expression, false),
        };
        check_name(name, expression, at)?;
        if names.contains(&name) {
            return problem(at, format!("`{name}` stands in the template twice"));
        }
        if names.len() == MOST_NAMES {
            return problem(at, format!("the template has more than {MOST_NAMES} names"));
        }
        if matches!(parts.last(), Some(Part::Name { .. })) {
            return problem(at, format!("nothing divides `{{{expression}}}` from what stands before it"));
        }
        if reserved && let Some(other) = wide.replace(name) {
            return problem(at, format!("`{{+{other}}}` and `{{+{name}}}` can't be told apart; one of them is enough"));
        }
        names.push(name);
        parts.push(Part::Name { name: name.into(), reserved });
        at += expression.len() + 2;
    }
    Ok(parts)
}

fn problem<T>(offset: usize, message: String) -> Result<T, Problem> {
    Err(Problem { offset, message })
}

fn scheme(text: &str) -> Result<(), Problem> {
    let end = text.find(|letter: char| !(letter.is_ascii_alphanumeric() || "+-.".contains(letter)));
    match end {
        Some(end) if text[end..].starts_with(':') && text.starts_with(|letter: char| letter.is_ascii_alphabetic()) => {
            Ok(())
        }
        _ => problem(0, "a URI template begins with a scheme, such as `product://{sku}`".to_owned()),
    }
}

fn check_literal(literal: &str, start: usize) -> Result<(), Problem> {
    if let Some((offset, letter)) = literal.char_indices().find(|(_, letter)| !may_stand(*letter)) {
        return problem(
            start + offset,
            match letter {
                '}' => "`}` closes nothing".to_owned(),
                _ => format!("{letter:?} can't stand in a URI; write it percent-encoded"),
            },
        );
    }
    match units(literal) {
        Ok(_) => Ok(()),
        Err(offset) => problem(start + offset, "`%` is not followed by two hexadecimal digits".to_owned()),
    }
}

fn may_stand(letter: char) -> bool {
    letter.is_ascii_graphic() && !matches!(letter, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
}

fn check_name(name: &str, expression: &str, at: usize) -> Result<(), Problem> {
    let is_name = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && name.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"_-".contains(&letter))
        && name.len() <= 64;
    if TAKEN.contains(&name) {
        return problem(at, format!("`{name}` can't stand in a URI template: placeholders use it for something else"));
    }
    if is_name {
        return Ok(());
    }
    if expression.is_empty() {
        return problem(at, "`{}` has no name".to_owned());
    }
    problem(at, format!("`{{{expression}}}` is not understood; `{{name}}` and `{{+name}}` are"))
}
