//! Go templates, as far as they only say where a parameter stands: `{{.name}}`, with or without a function in front, and
//! `{{if .name}} … {{end}}`. Anything else is not understood, and what is not understood is refused.

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'t> {
    Text(&'t str),
    /// `{{.name}}` or `{{function .name}}`.
    Value {
        name: &'t str,
        function: Option<&'t str>,
    },
    /// `{{if .name}}`, up to its `{{end}}`.
    If {
        name: &'t str,
        body: Vec<Piece<'t>>,
    },
}

/// Takes a text apart. The error says what of it is not understood.
pub fn parse(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut rest = text;
    let mut pieces = Vec::new();
    // Within an `if`: its name, and what stands before it.
    let mut open: Option<(&str, Vec<Piece<'_>>)> = None;
    while let Some(start) = rest.find("{{") {
        let (before, behind) = rest.split_at(start);
        let Some(end) = behind.find("}}") else { return Err("a `{{` that is not closed by `}}`".to_owned()) };
        let mut action = &behind[2..end];
        let mut before = before;
        if let Some(trimmed) = action.strip_prefix('-').filter(|action| action.starts_with(char::is_whitespace)) {
            action = trimmed;
            before = before.trim_end();
        }
        rest = &behind[end + 2..];
        if let Some(trimmed) = action.strip_suffix('-').filter(|action| action.ends_with(char::is_whitespace)) {
            action = trimmed;
            rest = rest.trim_start();
        }
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        let action = action.trim();
        if action.starts_with("/*") && action.ends_with("*/") {
            continue;
        }
        let words: Vec<&str> = action.split_whitespace().collect();
        match words[..] {
            [value] if value.starts_with('.') => {
                pieces.push(Piece::Value { name: field(value, action)?, function: None })
            }
            ["if", value] if open.is_none() => open = Some((field(value, action)?, std::mem::take(&mut pieces))),
            ["end"] if open.is_some() => {
                let (name, before) = open.take().expect("it is open");
                let body = std::mem::replace(&mut pieces, before);
                pieces.push(Piece::If { name, body });
            }
            [function, value] if !matches!(function, "if" | "range" | "with" | "template" | "block" | "define") => {
                pieces.push(Piece::Value { name: field(value, action)?, function: Some(function) });
            }
            _ => return Err(format!("`{{{{{action}}}}}` of a template is not understood")),
        }
    }
    if let Some((name, _)) = open {
        return Err(format!("a `{{{{if .{name}}}}}` without its `{{{{end}}}}`"));
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

/// The name behind a `.`
fn field<'t>(value: &'t str, action: &str) -> Result<&'t str, String> {
    let name =
        value.strip_prefix('.').filter(|name| !name.is_empty() && !name.contains(['.', '(', ')', '|', '$', '"']));
    name.ok_or_else(|| format!("`{{{{{action}}}}}` of a template is not understood"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_conditions_and_blanks_are_understood_and_nothing_else() {
        let value = |name| Piece::Value { name, function: None };
        assert_eq!(parse("a {{.b}} c").unwrap(), [Piece::Text("a "), value("b"), Piece::Text(" c")]);
        assert_eq!(parse("a {{- .b -}} c").unwrap(), [Piece::Text("a"), value("b"), Piece::Text("c")]);
        let body = vec![Piece::Text(" x "), value("b")];
        assert_eq!(parse("{{if .a}} x {{.b}}{{end}}").unwrap(), [Piece::If { name: "a", body }]);
        assert_eq!(parse("{{json .a}}").unwrap(), [Piece::Value { name: "a", function: Some("json") }]);
        assert_eq!(parse("{{/* no */}}").unwrap(), []);
        for refused in
            ["{{.a", "{{range .a}}{{end}}", "{{if .a}}", "{{end}}", "{{.a | f}}", "{{.}}", "{{if eq .a 1}}{{end}}"]
        {
            assert!(parse(refused).is_err(), "{refused}");
        }
    }
}
