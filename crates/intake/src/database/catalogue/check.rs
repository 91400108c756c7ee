//! Check constraints of a simple form: a column is one of some values, or between two numbers. Others say nothing here; the
//! database holds them all the same.

use crate::database::schema::{Column, ColumnKind};

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number(i64),
    Sign(&'static str),
    Other,
}

/// `column` is what `VALUE` stands for.
pub fn apply(columns: &mut [Column], column: Option<&str>, expression: &str) {
    let Some(tokens) = tokens(expression) else { return };
    let is_and = |token: &Token| matches!(token, Token::Name(name) if name.eq_ignore_ascii_case("and"));
    // `a BETWEEN 1 AND 5` is no conjunction.
    let between = tokens.iter().any(|token| matches!(token, Token::Name(name) if name.eq_ignore_ascii_case("between")));
    let parts: Vec<&[Token]> = if between { vec![&tokens] } else { tokens.split(is_and).collect() };
    for part in parts {
        if let Some((name, rule)) = rule(part) {
            let name = match column {
                Some(column) if name.eq_ignore_ascii_case("value") => column,
                Some(_) => continue,
                None => name,
            };
            let Some(column) = columns.iter_mut().find(|column| column.name.eq_ignore_ascii_case(name)) else {
                continue;
            };
            match rule {
                Rule::Values(values) if column.kind == ColumnKind::Text && column.values.is_empty() => {
                    column.values = values
                }
                Rule::Range(low, high) => {
                    column.minimum = low.or(column.minimum);
                    column.maximum = high.or(column.maximum);
                }
                Rule::Values(_) => {}
            }
        }
    }
}

enum Rule {
    Values(Vec<String>),
    Range(Option<i64>, Option<i64>),
}

fn rule(tokens: &[Token]) -> Option<(&str, Rule)> {
    let [Token::Name(name), rest @ ..] = tokens else { return None };
    let word = |token: &Token, word: &str| matches!(token, Token::Name(name) if name.eq_ignore_ascii_case(word));
    let values = |tokens: &[Token]| {
        let values: Option<Vec<String>> =
            tokens.iter().map(|t| if let Token::Text(text) = t { Some(text.clone()) } else { None }).collect();
        values.filter(|values| !values.is_empty() && values.len() <= 200).map(Rule::Values)
    };
    let rule = match rest {
        [is_in, list @ ..] if word(is_in, "in") => values(list)?,
        [Token::Sign("="), any, array, list @ ..] if word(any, "any") && word(array, "array") => values(list)?,
        [Token::Sign(">="), Token::Number(low)] => Rule::Range(Some(*low), None),
        [Token::Sign(">"), Token::Number(low)] => Rule::Range(low.checked_add(1), None),
        [Token::Sign("<="), Token::Number(high)] => Rule::Range(None, Some(*high)),
        [Token::Sign("<"), Token::Number(high)] => Rule::Range(None, high.checked_sub(1)),
        [between, Token::Number(low), and, Token::Number(high)] if word(between, "between") && word(and, "and") => {
            Rule::Range(Some(*low), Some(*high))
        }
        _ => return None,
    };
    Some((name, rule))
}

/// Without parentheses, commas and casts. `None` where something is negated, chosen between or computed.
fn tokens(expression: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, behind) = match first {
            '(' | ')' | '[' | ']' | ',' => (None, &rest[1..]),
            '\'' | '"' | '`' => {
                let (text, behind) = quoted(&rest[1..], first)?;
                // PostgreSQL writes a number below zero as `'-5'::integer`.
                let is_number =
                    ["::integer", "::bigint", "::smallint", "::numeric"].iter().any(|it| behind.starts_with(it));
                let token = match text.parse() {
                    Ok(number) if is_number && first == '\'' => Token::Number(number),
                    _ if first == '\'' => Token::Text(text),
                    _ => Token::Name(text),
                };
                (Some(token), behind)
            }
            ':' if rest.starts_with("::") => (None, behind_cast(&rest[2..])),
            '>' | '<' | '=' | '!' => {
                let sign = [">=", "<=", "<>", "!=", ">", "<", "="].into_iter().find(|sign| rest.starts_with(sign))?;
                (Some(Token::Sign(sign)), &rest[sign.len()..])
            }
            _ if first.is_ascii_digit() || first == '-' => {
                let end = rest[1..].find(|c: char| !(c.is_ascii_digit() || c == '.')).map_or(rest.len(), |end| end + 1);
                (Some(rest[..end].trim_end_matches(".0").parse().map_or(Token::Other, Token::Number)), &rest[end..])
            }
            _ if first.is_alphabetic() || first == '_' => {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
                let name = &rest[..end];
                if ["or", "not", "case", "is"].iter().any(|word| name.eq_ignore_ascii_case(word)) {
                    return None;
                }
                (Some(Token::Name(name.to_owned())), &rest[end..])
            }
            _ => return None,
        };
        tokens.extend(token);
        rest = behind.trim_start();
    }
    // PostgreSQL's parser writes `any array [ … ]`; names of charsets stand before MySQL's texts.
    tokens.retain(|token| !matches!(token, Token::Name(name) if name.starts_with("_utf8") || name == "_latin1"));
    (tokens.len() < 500).then_some(tokens)
}

/// Behind the name of a type. Those of several words are known.
fn behind_cast(text: &str) -> &str {
    let of_type = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '"' | '[' | ']');
    let mut rest = text.trim_start_matches(of_type);
    for words in [" varying", " precision", " without time zone", " with time zone"] {
        rest = rest.strip_prefix(words).unwrap_or(rest);
    }
    rest.trim_start_matches(of_type)
}

fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut read = String::new();
    let mut rest = text;
    loop {
        let at = rest.find([quote, '\\'])?;
        if rest[at..].starts_with('\\') {
            return None;
        }
        read.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix(quote) {
            Some(behind) => {
                read.push(quote);
                rest = behind;
            }
            None => return Some((read, rest)),
        }
    }
}

/// What stands in the parentheses of each `CHECK` of a CREATE TABLE.
pub fn checks(create: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let bytes = create.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'\'' | b'"' | b'`') => at = skip_quoted(bytes, at, quote),
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at += bytes[at..].iter().take_while(|byte| **byte != b'\n').count();
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = create[at + 2..].find("*/").map_or(bytes.len(), |end| at + 2 + end + 2);
            }
            b'c' | b'C' if bytes[at..].len() > 5 && bytes[at..at + 5].eq_ignore_ascii_case(b"check") => {
                let begins = at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
                at += 5;
                let open = at + bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                if begins && bytes.get(open) == Some(&b'(') {
                    // What is not closed here is nowhere behind.
                    let Some(end) = closing(bytes, open) else { break };
                    found.push(&create[open + 1..end]);
                    at = end;
                }
            }
            _ => at += 1,
        }
    }
    found
}

fn skip_quoted(bytes: &[u8], at: usize, quote: u8) -> usize {
    at + 2 + bytes[at + 1..].iter().take_while(|byte| **byte != quote).count()
}

fn closing(bytes: &[u8], open: usize) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, open);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\'' | b'"' | b'`' => at = skip_quoted(bytes, at, *byte) - 1,
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(kind: ColumnKind, expression: &str) -> (Vec<String>, Option<i64>, Option<i64>) {
        let mut columns = [Column::new("x".to_owned(), kind)];
        apply(&mut columns, None, expression);
        let [column] = columns;
        (column.values, column.minimum, column.maximum)
    }

    #[test]
    fn values_of_a_simple_check_are_found_in_every_spelling() {
        for expression in [
            "x IN ('a', 'it''s')",
            "((x)::text = ANY ((ARRAY['a'::character varying, 'it''s'::character varying])::text[]))",
            "(x = ANY (ARRAY['a'::text, 'it''s'::text]))",
            "`x` in ('a','it''s')",
            "`x` in (_utf8mb4'a',_utf8mb4'it''s')",
        ] {
            assert_eq!(checked(ColumnKind::Text, expression).0, ["a", "it's"], "{expression}");
        }
    }

    #[test]
    fn bounds_of_a_simple_check_are_found() {
        for (expression, low, high) in [
            ("(x >= 0)", Some(0), None),
            ("x > 0 AND x <= 10", Some(1), Some(10)),
            ("((x >= 1) AND (x <= 5))", Some(1), Some(5)),
            ("x BETWEEN 1 AND 5", Some(1), Some(5)),
            ("(x > (0)::numeric)", Some(1), None),
            ("((x >= '-5'::integer) AND (x <= 5))", Some(-5), Some(5)),
            ("(x > '-0.5'::numeric)", None, None),
            ("x >= 0 OR y = 1", None, None),
            ("NOT x >= 0", None, None),
            ("length(x) > 3", None, None),
            ("x + 1 > 3", None, None),
        ] {
            assert_eq!(checked(ColumnKind::Integer, expression), (Vec::new(), low, high), "{expression}");
        }
    }

    #[test]
    fn checks_of_a_create_table_are_found() {
        let create = "CREATE TABLE \"check (\" (a TEXT CHECK (a IN ('x', ')')), checked INT, -- CHECK (no)\n /* CHECK (b > 7) */ CHECK(b > 1))";
        assert_eq!(checks(create), ["a IN ('x', ')')", "b > 1"]);
        assert_eq!(checks("CREATE TABLE t (a CHECK (a"), Vec::<&str>::new());
    }
}
