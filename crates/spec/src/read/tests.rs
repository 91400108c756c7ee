//! What is said about a document, word for word, and the fixes that can be made unasked.

mod generated;

use crate::{AllFiles, Code, Diagnostic, Format, Source};

fn diagnostics(text: &str, format: Format) -> Vec<Diagnostic> {
    crate::read(&Source { name: "server", bytes: text.as_bytes(), format }, &AllFiles).diagnostics
}

fn one(text: &str) -> Diagnostic {
    let found = diagnostics(text, Format::Yaml);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().expect("there is one")
}

/// The document after its fixes.
fn fixed(text: &str, format: Format) -> String {
    let mut text = text.to_owned();
    for fix in diagnostics(&text, format).into_iter().rev().filter_map(|found| found.fix) {
        text.replace_range(fix.span.start.offset as usize..fix.span.end.offset as usize, &fix.replacement);
    }
    text
}

const PING: &str = "tools: [{ name: ping, description: Answer pong, static: { text: pong } }]\n";

#[test]
fn a_misspelt_field_can_be_fixed_in_both_languages() {
    let yaml = format!("name: typo\ndescripton: Something\n{PING}");
    assert_eq!(fixed(&yaml, Format::Yaml), yaml.replace("descripton", "description"));
    let yaml = format!("name: typo\n\"descripton\": Something\n{PING}");
    assert_eq!(diagnostics(&fixed(&yaml, Format::Yaml), Format::Yaml), []);
    let json = r#"{"name": "typo", "tags": [], "tols": [{"name": "a", "description": "b", "static": {"text": "c"}}]}"#;
    assert_eq!(diagnostics(&fixed(json, Format::Json), Format::Json), []);
}

#[test]
fn no_fix_makes_a_field_that_is_there_already() {
    let found = one(&format!("name: typo\nname2: again\n{PING}"));
    assert_eq!(found.code, Code::UnknownField);
    assert_eq!(found.fix, None);
}

#[test]
fn a_field_of_another_place_is_told_with_the_fields_of_this_one() {
    let found = one(&format!("name: typo\n{PING}limits: {{ timeout: 5s }}"));
    assert_eq!(found.message, "unknown field `timeout`");
    assert_eq!(found.help.as_deref(), Some("the fields here are `ratePerPrincipal` or `concurrency`"));
    assert_eq!(found.path.to_string(), "limits.timeout");
}

#[test]
fn an_unquoted_placeholder_is_told_to_be_quoted() {
    let found = one("
name: files
connections: [{ name: inbox, type: filesystem, root: data }]
tools:
  - name: get
    description: Read a file
    parameters: { path: { type: string, required: true } }
    file: { operation: read, path: {path} }
");
    assert_eq!(found.code, Code::Type);
    let help = "YAML reads `{path}` as a mapping; to make it a placeholder, quote it: \"{path}\"";
    assert_eq!(found.help.as_deref(), Some(help));
}

#[test]
fn what_is_read_again_must_still_be_a_spec() {
    let good = br#"{"name":"s","tools":[{"name":"ping","description":"Answer pong","static":{"text":"pong"}}]}"#;
    assert_eq!(crate::reread(good).expect("a spec").name.as_str(), "s");
    for bad in ["", "[]", "{", r#"{"name":"s","nonsense":1}"#, r#"{"name":"s","tools":[{"name":7}]}"#] {
        assert!(crate::reread(bad.as_bytes()).is_none(), "{bad}");
    }
}
