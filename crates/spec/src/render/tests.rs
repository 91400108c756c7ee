use super::*;
use crate::{Code, Format, path::Path, secrets, syntax};

fn diagnostics(text: &str, format: Format) -> Vec<Diagnostic> {
    let (root, mut found) = syntax::read(text.as_bytes(), format);
    found.extend(root.iter().flat_map(|root| secrets::check(text.as_bytes(), root)));
    found
}

fn shown(text: &str) -> String {
    human("server.yaml", text.as_bytes(), &diagnostics(text, Format::Yaml), Style::default())
}

/// A diagnostic of the first `part` of a text.
fn about(text: &str, part: &str) -> Diagnostic {
    let start = text.find(part).expect("a part of the text");
    let span = syntax::Places::new(text).span(start, start + part.len());
    Diagnostic {
        code: Code::UnknownField,
        message: "unknown field `initialToolsets`".to_owned(),
        span,
        path: Path::default().key("exposure").key("initialToolsets"),
        help: None,
        fix: None,
    }
}

#[test]
fn all_problems_are_shown_by_place() {
    insta::assert_snapshot!(shown(
        "name: shop\ntools:\n  - name: ping\n    name: pong\n    description: !!str Grüße\n    1: x\n    rate: .inf\n  - <<: {a: 1}\n"
    ));
}

#[test]
fn what_breaks_the_text_is_shown_with_a_hint() {
    let all = ["a: b: c", "a: *b", "a: [1", "a:\n\t- b", "a: 'b", "a: 1\n---\nb: 2", "", "a\u{7}: b"].map(shown);
    insta::assert_snapshot!(all.concat());
}

#[test]
fn json_that_is_none_is_shown_with_a_hint() {
    let all = [
        "{\"a\": 'b'}",
        "{\"a\": 1,}",
        "{\"a\": 1 // b\n}",
        "[NaN]",
        "[01]",
        "[\"\\ud800\"]",
        "{\"a\"",
        "\"a\nb\"",
        "",
    ];
    let all = all.map(|text| human("server.json", text.as_bytes(), &diagnostics(text, Format::Json), Style::default()));
    insta::assert_snapshot!(all.concat());
}

#[test]
fn a_fix_is_shown_where_the_help_does_not_say_it() {
    let text = "exposure: { initialToolsets: [a] }";
    let fix = |span, replacement: &str| Some(Fix { span, replacement: replacement.to_owned() });
    let mut said = about(text, "initialToolsets");
    said.help = Some("did you mean `initial`?".to_owned());
    said.fix = fix(said.span, "initial");
    let mut unsaid = about(text, "[a]");
    unsaid.fix = fix(unsaid.span, "ALL");
    let mut gone = about(text, "a]");
    gone.fix = fix(gone.span, "");
    insta::assert_snapshot!(human("server.yaml", text.as_bytes(), &[unsaid, gone, said], Style::default()));
}

#[test]
fn blockers_and_warnings_say_so() {
    let text = "tools: [{ name: ping }]\n";
    let mut blocker = about(text, "ping");
    blocker.code = Code::ToolNoImplementation;
    let mut warning = about(text, "name");
    warning.code = Code::ToolUnusedParameter;
    insta::assert_snapshot!(human("server.yaml", text.as_bytes(), &[blocker, warning], Style::default()));
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let text = format!("{{\"a\": \"{}\", \"initialToolsets\": \"{}\"}}", "ä".repeat(500), "b".repeat(5_000));
    let far = format!("{{\"a\": \"{}\", \"initialToolsets\": 1}}", "a".repeat(6_000));
    let further = format!("{{\"a\": \"{}\", \"initialToolsets\": 1}}", "a".repeat(1 << 20));
    let all = [text, far, further]
        .map(|text| human("server.json", text.as_bytes(), &[about(&text, "\"initialToolsets\"")], Style::default()));
    insta::assert_snapshot!(all.concat());
}

#[test]
fn of_a_place_over_several_lines_the_first_is_shown() {
    let text = "a: 1\ntools:\n  - name: ping\n    sql: SELECT 1\n";
    insta::assert_snapshot!(human("server.yaml", text.as_bytes(), &[about(text, &text[15..])], Style::default()));
}

#[test]
fn a_secret_is_never_shown() {
    let text = "\
connections:
  - { name: db, url: 'postgres://shop:hunter2@db/shop', unknown: 1 }
tools:
  - name: hunter2hunter2
    static: { json: { password: 'correct horse', rate: .inf } }
    description: Use sk-aaaaaaaaaaaaaaaaaaaa
";
    let mut found = diagnostics(text, Format::Yaml);
    found.push(about(text, "unknown"));
    let mut quoting = about(text, "'correct horse'");
    quoting.message = "`correct horse` is not a duration".to_owned();
    quoting.help = Some("`sk-bbbbbbbbbbbbbbbbbbbbbbbb` neither".to_owned());
    found.push(quoting);
    let people = human("server.yaml", text.as_bytes(), &found, Style::default());
    let programs = json("server.yaml", text.as_bytes(), &found).to_string();
    for secret in ["hunter2", "correct horse", "aaaaaaaa", "bbbbbbbb"] {
        assert!(!people.contains(secret) && !programs.contains(secret), "{secret}\n{people}\n{programs}");
    }
    insta::assert_snapshot!(people);
}

#[test]
fn a_secret_is_not_shown_where_the_document_can_not_be_read() {
    let text = "password: hunter2 : x\nurl: 'redis://:hunter2@db' 'x'\n";
    assert!(!shown(text).contains("hunter2"), "{}", shown(text));
    let text = "{\"apiKey\": \"hunter2\" \"x\": 1}";
    let people = human("server.json", text.as_bytes(), &diagnostics(text, Format::Json), Style::default());
    assert!(!people.contains("hunter2"), "{people}");
}

#[test]
fn so_many_are_shown_and_the_rest_is_counted() {
    let text = "- !a b\n".repeat(SHOWN + 12);
    let people = shown(&text);
    assert_eq!(people.matches("error[").count(), SHOWN);
    assert!(people.ends_with("and 12 more problems in server.yaml\n"));
}

#[test]
fn what_is_found_twice_is_shown_once() {
    let text = "exposure: { initialToolsets: [a] }";
    let twice = [about(text, "initialToolsets"), about(text, "initialToolsets")];
    assert_eq!(human("server.yaml", text.as_bytes(), &twice, Style::default()).matches("error[").count(), 1);
    assert_eq!(json("server.yaml", text.as_bytes(), &twice)["diagnostics"].as_array().map(Vec::len), Some(1));
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let text = "a: \"\u{202e}b\"\n";
    let mut one = about(text, "a");
    one.message = "bad \u{1b}[31m name".to_owned();
    one.help = Some("\u{1b}]0;title\u{7}".to_owned());
    one.path = Path::default().key("\u{1b}[2J");
    let people = human("\u{1b}[1mfile", text.as_bytes(), &[one], Style::default());
    assert!(!people.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{people:?}");
}

#[test]
fn a_place_that_the_text_does_not_have_has_no_excerpt() {
    let text = "exposure: { initialToolsets: [a] }";
    let people = human("server.yaml", &text.as_bytes()[..5], &[about(text, "initialToolsets")], Style::default());
    insta::assert_snapshot!(people);
}

#[test]
fn colour_is_optional() {
    let text = "exposure: { initialToolsets: [a] }";
    let one = [about(text, "initialToolsets")];
    assert!(human("server.yaml", text.as_bytes(), &one, Style { colour: true }).contains("\u{1b}["));
    assert!(!human("server.yaml", text.as_bytes(), &one, Style { colour: false }).contains('\u{1b}'));
}

#[test]
fn programs_get_one_line_per_document() {
    let text = "name: shop\nname: inventory\n1: x\n";
    insta::assert_json_snapshot!(json("server.yaml", text.as_bytes(), &diagnostics(text, Format::Yaml)));
    insta::assert_snapshot!(json("server.yaml", b"name: shop\n", &[]));
}
