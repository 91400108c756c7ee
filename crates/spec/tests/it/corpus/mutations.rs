//! Documents of the corpus with a few random edits: nothing panics, every place lies in the text, and whatever is still a
//! server is the same server after a round trip through its canonical form.

use std::sync::LazyLock;

use mcp_factory_spec::{Format, Source, read, render};
use proptest::{prelude::*, sample::Index};

use super::{
    check_span,
    documents::{Document, folder, load},
};

static DOCUMENTS: LazyLock<Vec<Document>> = LazyLock::new(load);

#[rustfmt::skip]
/// What the language is made of, and what readers stumble over.
const WORDS: &[&str] = &[
    "{", "}", "[", "]", "[[ ", " ]]", ":", "::", ": ", ",", "-", "- ", "\n", "\n  ", " ", "\t", "\"", "'", "`", "\\",
    "#", " # ", "&a ", "*a", "!", "!!str ", "|\n", ">-\n", "---\n", "...", "~", "null", "true", "0", "-1", "1e999",
    "0x", ".inf", ".nan", "{x}", "{{", "}}", "{principal.id}", "{trigger.body.x}", ":x", ":principal.id", "${X}", "/",
    "//", "..", "../", "?", "%", "%2e", "*", "none", "5s", "0s", "1KiB", "9999999999999999999d", "1/s", "1s..1m",
    "\u{0}", "\u{feff}", "\u{2028}", "ä", "📦", "\r", "\r\n", "SELECT 1", "; DELETE FROM t", "--", "/*", "*/", "$$",
    "sk-aaaaaaaaaaaaaaaaaaaaaaaa", "ghp_", "https://a:b@c.example.com", "type", "name", "tools", "sql: ", "static: ",
    "required: true", "$ref: \"#/$defs/x\"", "pattern: \"(\"", "\\ud83d",
];

#[derive(Debug, Clone)]
enum Edit {
    Insert(Index, usize),
    Remove(Index, usize),
    RepeatLine(Index),
    RemoveLine(Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (any::<Index>(), 0..WORDS.len()).prop_map(|(at, word)| Edit::Insert(at, word)),
        2 => (any::<Index>(), 1..12_usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        1 => any::<Index>().prop_map(Edit::RepeatLine),
        1 => any::<Index>().prop_map(Edit::RemoveLine),
    ]
}

impl Edit {
    fn apply(&self, text: &str) -> String {
        let lines: Vec<_> = text.split_inclusive('\n').collect();
        let place = |at: &Index| {
            (0..=at.index(text.len() + 1)).rev().find(|offset| text.is_char_boundary(*offset)).unwrap_or(0)
        };
        match self {
            Self::Insert(at, word) => {
                let (before, behind) = text.split_at(place(at));
                format!("{before}{}{behind}", WORDS[*word])
            }
            Self::Remove(at, length) => {
                let (before, behind) = text.split_at(place(at));
                before.chars().chain(behind.chars().skip(*length)).collect()
            }
            Self::RepeatLine(_) | Self::RemoveLine(_) if lines.is_empty() => String::new(),
            Self::RepeatLine(at) => {
                let line = at.index(lines.len());
                [&lines[..=line], &lines[line..]].concat().concat()
            }
            Self::RemoveLine(at) => {
                let line = at.index(lines.len());
                [&lines[..line], &lines[line + 1..]].concat().concat()
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edited_document_is_read_without_panic_and_survives_a_round_trip(
        document in any::<Index>(),
        edits in prop::collection::vec(edit(), 1..4),
    ) {
        let document = document.get(&DOCUMENTS);
        let text = String::from_utf8(document.bytes.clone()).expect("documents are text");
        let text = edits.iter().fold(text, |text, edit| edit.apply(&text));
        let source = Source { bytes: text.as_bytes(), ..document.source() };

        let reading = read(&source, &folder());
        for diagnostic in &reading.diagnostics {
            let placed = check_span(source.bytes, diagnostic);
            prop_assert!(placed.is_ok(), "{}: `{}`: {placed:?}\n{text}", document.name, diagnostic.code);
        }
        let _ = render::human(source.name, source.bytes, &reading.diagnostics, render::Style { colour: true });
        if let Some(spec) = reading.spec {
            let canonical = spec.canonical().to_string();
            let again = read(&Source { name: "canonical", bytes: canonical.as_bytes(), format: Format::Json }, &folder());
            prop_assert!(again.spec.as_ref() == Some(&spec), "{text}\nbecomes\n{canonical}\n{:?}", again.diagnostics);
        }
    }
}
