//! The labelled corpus: small documents that say themselves what is wrong with them, and where.
//!
//! The labels come from the description of the language, not from its implementation; `corpus/README.md` says how they are
//! written. Every test goes through the whole corpus and reports all differences in one go.

pub mod documents;
mod hostile;
mod mutations;

use std::{collections::BTreeMap, fmt::Write, panic};

use documents::{Document, Label, folder, load};
use mcp_factory_spec::{Code, Diagnostic, Format, Reading, Source, Verdict, language_schema, read, render, syntax};

#[test]
fn every_document_gets_exactly_the_diagnostics_that_it_is_labelled_with() {
    let mut report = Report::default();
    for document in load() {
        let reading = read_document(&document);
        let mut expected = document.labels.clone();
        let mut found: Vec<_> = reading.diagnostics.iter().map(|found| (label_of(found), found)).collect();
        found.retain(|(label, _)| match expected.iter().position(|expected| expected == label) {
            Some(position) => {
                expected.swap_remove(position);
                false
            }
            None => true,
        });
        expected.sort();
        for Label { line, code } in expected {
            report.add(&document, format_args!("{line}: `{code}` was not found"));
        }
        for (Label { line, code }, diagnostic) in found {
            report.add(
                &document,
                format_args!("{line}: `{code}` is too much: {} ({})", diagnostic.message, diagnostic.path),
            );
        }
    }
    report.finish();
}

#[test]
fn the_corpus_covers_every_code_in_two_places() {
    let documents = load();
    assert!(documents.len() >= 180, "{} documents are few", documents.len());
    let valid = documents.iter().filter(|document| document.labels.is_empty()).count();
    assert!(valid >= 80, "{valid} valid documents are few");

    let mut places: BTreeMap<&str, usize> = Code::ALL.iter().map(|code| (code.as_str(), 0)).collect();
    for label in documents.iter().flat_map(|document| &document.labels) {
        match places.get_mut(label.code.as_str()) {
            Some(places) => *places += 1,
            None => panic!("`{}` is no code", label.code),
        }
    }
    places.retain(|_, places| *places < 2);
    assert!(places.is_empty(), "labelled less than twice: {places:?}");
}

#[test]
fn a_valid_document_and_its_canonical_form_are_the_same_server() {
    let mut report = Report::default();
    for document in load().into_iter().filter(|document| document.labels.is_empty()) {
        let Some(spec) = read_document(&document).spec else {
            report.add(&document, "there is no server");
            continue;
        };
        let canonical = spec.canonical().to_string();
        let again = read(&Source { name: "canonical", bytes: canonical.as_bytes(), format: Format::Json }, &folder());
        for diagnostic in &again.diagnostics {
            report.add(&document, format_args!("its canonical form has `{}`: {}", diagnostic.code, diagnostic.message));
        }
        match again.spec {
            Some(again) if again == spec => {}
            Some(again) => {
                report.add(&document, format_args!("became another server: {canonical}\n    {}", again.canonical()))
            }
            None => report.add(&document, "its canonical form is no server"),
        }
        if mcp_factory_spec::reread(canonical.as_bytes()).as_ref() != Some(&spec) {
            report.add(&document, format_args!("read again without checks it became another server: {canonical}"));
        }
    }
    report.finish();
}

#[test]
fn the_design_documents_example_is_accepted_as_it_stands() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/inventory/design-document.yaml");
    let text = std::fs::read_to_string(path).expect("the example is there");
    let labelled = load().into_iter().find(|document| document.name == "everything/the-design-document.yaml");
    let labelled = String::from_utf8(labelled.expect("it is in the corpus").bytes).expect("text");
    let unlabelled: Vec<_> = labelled.lines().map(|line| line.split(" # !").next().unwrap_or(line)).collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), unlabelled, "it is the one that is labelled");

    let reading = read(&Source::new("design-document.yaml", text.as_bytes()), &folder());
    assert_eq!(reading.verdict, Verdict::Blocker);
    insta::assert_snapshot!(render::human(
        "design-document.yaml",
        text.as_bytes(),
        &reading.diagnostics,
        render::Style { colour: false }
    ));
}

/// `defaults/sql.left-out.yaml` and `defaults/sql.written-out.yaml`; `same/format.yaml.yaml` and `same/format.json.json`.
#[test]
fn documents_that_say_the_same_are_the_same_server() {
    let mut report = Report::default();
    let mut servers = BTreeMap::new();
    for document in load() {
        if !["defaults/", "same/"].iter().any(|folder| document.name.starts_with(folder)) {
            continue;
        }
        let (name, _) = document.name.split_once('.').expect("names end in what the two differ by");
        let server = read_document(&document).spec.map(|spec| spec.canonical().to_string());
        match servers.remove(name) {
            None => drop(servers.insert(name.to_owned(), server)),
            Some(other) if other == server => {}
            Some(other) => report.add(&document, format_args!("{server:?}\n  is not\n  {other:?}")),
        }
    }
    assert!(servers.is_empty(), "documents without the other one: {:?}", servers.keys());
    report.finish();
}

#[test]
fn names_that_people_chose_stay_as_they_are() {
    let document = load().into_iter().find(|document| document.name == "names/spelling-of-ones-own.yaml");
    let document = document.expect("it is in the corpus");
    let text = String::from_utf8_lossy(&document.bytes);
    let canonical = read_document(&document).spec.expect("it is valid").canonical().to_string();
    let names = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let lost: Vec<_> = names.filter(|name| name.starts_with("own")).filter(|name| !canonical.contains(name)).collect();
    assert!(lost.is_empty(), "{lost:?} are lost in {canonical}");
}

#[test]
fn the_published_schema_accepts_every_valid_document() {
    let schema = language_schema();
    let validator = jsonschema::validator_for(&schema).expect("the published schema is a JSON Schema");
    let mut report = Report::default();
    for document in load().into_iter().filter(|document| document.labels.is_empty()) {
        // The schema knows the canonical spelling alone; the other one is accepted by the reader.
        let value = if document.name.contains("snake-case") {
            read_document(&document).spec.map(|spec| spec.canonical())
        } else {
            syntax::read(&document.bytes, Format::of_file(&document.name)).0.map(|root| root.to_json())
        };
        let Some(value) = value else {
            report.add(&document, "there is nothing to check");
            continue;
        };
        for error in validator.iter_errors(&value) {
            report.add(&document, format_args!("{}: {error}", error.instance_path()));
        }
    }
    report.finish();
}

#[test]
fn every_diagnostic_stands_within_its_document() {
    let mut report = Report::default();
    for document in load() {
        for diagnostic in read_document(&document).diagnostics {
            if let Err(why) = check_span(&document.bytes, &diagnostic) {
                report.add(&document, format_args!("`{}`: {why}", diagnostic.code));
            }
        }
    }
    report.finish();
}

#[test]
fn no_rendering_shows_a_secret() {
    let mut report = Report::default();
    for document in load() {
        let reading = read_document(&document);
        let texts = [
            render::human(&document.name, &document.bytes, &reading.diagnostics, render::Style { colour: false }),
            render::human(&document.name, &document.bytes, &reading.diagnostics, render::Style { colour: true }),
            render::json(&document.name, &document.bytes, &reading.diagnostics).to_string(),
            reading.diagnostics.iter().map(|one| format!("{} {:?}\n", one.message, one.help)).collect(),
        ];
        for secret in documents::SECRETS {
            if texts.iter().any(|text| text.contains(secret)) {
                report.add(&document, format_args!("`{secret}` can be read"));
            }
        }
    }
    report.finish();
}

#[test]
fn the_beginning_of_a_document_never_makes_the_reader_panic() {
    let mut report = Report::default();
    for document in load() {
        let lines = document.bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(offset, _)| offset);
        for end in lines.map(|offset| offset.saturating_sub(7)) {
            let source = Source { bytes: &document.bytes[..end], ..document.source() };
            match panic::catch_unwind(|| read(&source, &folder())) {
                Ok(reading) => {
                    for diagnostic in &reading.diagnostics {
                        if let Err(why) = check_span(source.bytes, diagnostic) {
                            report.add(&document, format_args!("cut at {end}: `{}`: {why}", diagnostic.code));
                        }
                    }
                }
                Err(_) => report.add(&document, format_args!("cut at {end}: panicked")),
            }
        }
    }
    report.finish();
}

fn read_document(document: &Document) -> Reading {
    let reading = panic::catch_unwind(|| read(&document.source(), &folder()))
        .unwrap_or_else(|_| panic!("{} makes the reader panic", document.name));
    assert_eq!(reading.verdict, Verdict::of(&reading.diagnostics), "{}", document.name);
    assert_eq!(reading.spec.is_some(), reading.verdict < Verdict::Error, "{}", document.name);
    reading
}

fn label_of(diagnostic: &Diagnostic) -> Label {
    Label { line: diagnostic.span.start.line, code: diagnostic.code.as_str().to_owned() }
}

/// Offsets lie in the text and between characters; line and column say the same as the offset.
fn check_span(text: &[u8], diagnostic: &Diagnostic) -> Result<(), String> {
    let span = diagnostic.span;
    if span.start.offset > span.end.offset {
        return Err(format!("its span ends before it starts: {span:?}"));
    }
    for position in [span.start, span.end] {
        let before = text.get(..position.offset as usize).ok_or(format!("its span leaves the text: {span:?}"))?;
        if before.ends_with(b"\r") && text[before.len()..].starts_with(b"\n") {
            continue; // Within a line break no line and column are wrong.
        }
        let before = std::str::from_utf8(before).map_err(|_| format!("its span cuts a character: {span:?}"))?;
        let before = before.strip_prefix('\u{feff}').unwrap_or(before);
        // A carriage return alone breaks a line, too.
        let before = before.replace("\r\n", "\n").replace('\r', "\n");
        let line = 1 + before.matches('\n').count();
        let column = 1 + before.rsplit('\n').next().map_or(0, |line| line.chars().count());
        if (position.line as usize, position.column as usize) != (line, column) {
            return Err(format!("{line}:{column} is called {}:{}", position.line, position.column));
        }
    }
    Ok(())
}

/// Collects what is wrong, so that one run shows all of it.
#[derive(Default)]
struct Report(BTreeMap<String, Vec<String>>);

impl Report {
    fn add(&mut self, document: &Document, what: impl std::fmt::Display) {
        self.0.entry(document.name.clone()).or_default().push(what.to_string());
    }

    fn finish(self) {
        let mut text = String::new();
        for (name, lines) in &self.0 {
            let _ = writeln!(text, "{name}");
            for line in lines {
                let _ = writeln!(text, "  {line}");
            }
        }
        assert!(self.0.is_empty(), "{} documents differ:\n{text}", self.0.len());
    }
}
