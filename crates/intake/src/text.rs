//! Texts that people wrote for people, made short enough for a model.

use mcp_factory_spec::secrets;

/// What a model reads of a tool.
pub const TOOL: usize = 600;
/// What a model reads of a parameter.
pub const PARAMETER: usize = 300;

/// One line without markup, at most `most` characters, cut at the end of a sentence where there is one.
pub fn plain(text: &str, most: usize) -> String {
    // What stands far behind is not shown, whatever its markup; and who looks for the end of a tag looks so far at most.
    let mut rest = &text[..text.floor_char_boundary(most * 8 + 2_000)];
    let mut plain = String::with_capacity(rest.len());
    let is_markup = |byte: &u8| matches!(byte, b'<' | b'[' | b'`' | b'*' | b'\\');
    while let Some(at) = rest.as_bytes().iter().position(is_markup) {
        plain.push_str(&rest[..at]);
        let behind = &rest[at..];
        rest = match behind.as_bytes()[0] {
            b'<' => {
                tag(behind).inspect(|_| plain.push_str(space_of(behind))).unwrap_or_else(|| keep(behind, &mut plain))
            }
            b'[' => link(behind, &mut plain).unwrap_or_else(|| keep(behind, &mut plain)),
            b'*' | b'`' if behind[1..].starts_with(&behind[..1]) => behind.trim_start_matches(&behind[..1]),
            b'\\' if behind[1..].starts_with(|c: char| c.is_ascii_punctuation()) => &behind[1..],
            _ => keep(behind, &mut plain),
        };
    }
    plain.push_str(rest);
    let mut words = String::with_capacity(plain.len());
    for word in plain.split_whitespace().filter(|word| !word.bytes().all(|byte| byte == b'#')) {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
    }
    // Examples of tokens look like tokens, and no spec holds one.
    cut(&secrets::redact(&words), most)
}

/// Adds a sentence.
pub fn append(text: &mut String, sentence: &str) {
    if !text.is_empty() {
        if !text.ends_with(['.', '!', '?', '…']) {
            text.push('.');
        }
        text.push(' ');
    }
    text.push_str(sentence);
}

/// What a value is where it is left out, as a sentence, unless the text says it. It is told and not sent: whoever takes it knows it,
/// and what a document says of it may be out of date.
pub fn tell_default(value: &str, text: &mut String) {
    let value = plain(value, 60);
    let tells = !matches!(value.as_str(), "" | "null" | "[]" | "{}" | "\"\"") && !value.ends_with('…');
    if tells && !text.to_ascii_lowercase().contains("default") {
        append(text, &format!("Default: {value}."));
    }
}

fn keep<'t>(text: &'t str, plain: &mut String) -> &'t str {
    plain.push_str(&text[..1]);
    &text[1..]
}

/// What stands behind an HTML tag or comment. A `<` that begins none stays.
fn tag(text: &str) -> Option<&str> {
    if let Some(comment) = text.strip_prefix("<!--") {
        return comment.split_once("-->").map(|(_, behind)| behind);
    }
    let name = text[1..].strip_prefix('/').unwrap_or(&text[1..]);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let end = text.bytes().take(500).position(|byte| matches!(byte, b'>' | b'\n'))?;
    text[end..].strip_prefix('>')
}

/// Between what stands in lines of its own.
fn space_of(tag: &str) -> &'static str {
    let name = tag[1..].trim_start_matches('/').to_ascii_lowercase();
    let name = name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let lines = ["br", "p", "li", "ul", "ol", "div", "tr", "td", "th", "h1", "h2", "h3", "h4", "pre", "table", "hr"];
    if lines.contains(&name) { " " } else { "" }
}

/// `[text](url)` is its text.
fn link<'t>(text: &'t str, plain: &mut String) -> Option<&'t str> {
    let end = text.bytes().skip(1).take(1_000).position(|byte| matches!(byte, b'[' | b']' | b'\n'))? + 1;
    let behind = text[end..].strip_prefix("](")?;
    let url = behind.bytes().take(2_000).position(|byte| byte == b')')?;
    plain.push_str(&text[1..end]);
    Some(&behind[url + 1..])
}

fn cut(text: &str, most: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(most) else { return text.to_owned() };
    let kept = &text[..end];
    let sentence = kept.rmatch_indices(". ").map(|(at, _)| at + 1).find(|at| *at > most / 3);
    match sentence.or_else(|| kept.rfind(' ').filter(|at| *at > most / 3)) {
        Some(at) if kept[..at].ends_with('.') => kept[..at].to_owned(),
        Some(at) => format!("{}…", kept[..at].trim_end_matches([',', ';', ':'])),
        None => format!("{kept}…"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_goes_and_what_it_says_stays() {
        let check = |text: &str, expected: &str| assert_eq!(plain(text, 200), expected);
        check(
            "Lists **all** pets.\n\n# More\nSee [the guide](https://a.example/b(c)).",
            "Lists all pets. More See the guide).",
        );
        check("<p>One<br/>line</p> where a < b", "One line where a < b");
        check("a * b, `code` and ``more``, 5 \\* 3", "a * b, `code` and more, 5 * 3");
        check("[not a link] and [neither", "[not a link] and [neither");
        check("", "");
    }

    #[test]
    fn what_is_long_ends_with_a_sentence_or_a_word() {
        assert_eq!(plain("One sentence here. And another one that is long.", 30), "One sentence here.");
        assert_eq!(plain("words and more words, and more", 22), "words and more words…");
        assert_eq!(plain(&"ä".repeat(50), 10), format!("{}…", "ä".repeat(10)));
    }
}
