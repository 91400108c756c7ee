//! `docs/spec.md`, the language's reference for people. The words between the tables are in `reference/spec.md`; tables of
//! fields come from the declarations that read a spec, examples from documents that other tests read, and codes from the
//! list of codes. It is old as soon as one of them changes: `UPDATE_DOCS=1 cargo nextest run -p mcp-factory-spec reference`.

mod codes;
mod examples;
mod fields;
mod flow;

use std::{fmt::Write as _, fs, path::PathBuf};

use indexmap::IndexMap;
use mcp_factory_spec::{Source, language_schema, read};
use serde_json::Value;

use crate::corpus::documents;
use examples::Examples;
use fields::Sections;

const WORDS: &str = include_str!("reference/spec.md");

#[test]
fn the_reference_says_what_the_language_is() {
    let made = reference().unwrap_or_else(|missing| panic!("the reference lacks:\n{}", missing.join("\n")));
    let path = root().join("docs/spec.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &made).expect("docs is a folder of ours");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let line = made.lines().zip(kept.lines()).position(|(made, kept)| made != kept);
    assert!(made == kept, "docs/spec.md is old from line {line:?} on; make it anew with UPDATE_DOCS=1");
}

#[test]
fn every_whole_document_in_the_reference_is_valid() {
    let documents = blocks().filter(|block| block.starts_with("name:")).inspect(|block| {
        let reading = read(&Source::new("spec.md", block.as_bytes()), &documents::folder());
        assert!(reading.diagnostics.is_empty(), "{block}\n{:#?}", reading.diagnostics);
    });
    assert!(documents.count() > 3);
}

/// A test is named as `` `test: its_name` ``; whoever renames it is told here.
#[test]
fn every_proof_that_the_reference_names_is_a_test() {
    let mut sources = String::new();
    collect_tests(&root().join("crates"), &mut sources);
    collect_tests(&root().join("tests"), &mut sources);
    let named: Vec<&str> = WORDS.split('`').filter_map(|word| word.strip_prefix("test: ")).collect();
    let missing: Vec<&&str> = named.iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty() && named.len() > 20, "no tests: {missing:?}");
}

fn reference() -> Result<String, Vec<String>> {
    let schema = language_schema();
    let sections = Sections::of(&schema, WORDS);
    let examples = Examples::collect(&schema, blocks());
    let mut missing = sections.missing();
    let mut out = String::from(
        "<!-- Made by the tests of `crates/spec` from `crates/spec/tests/it/reference/spec.md` and the language itself. -->\n\n",
    );
    for line in WORDS.lines() {
        match line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->")) {
            Some("codes") => codes::write(&mut out, &mut missing),
            Some(marker) if marker.starts_with("fields: ") => {
                sections.write(&marker["fields: ".len()..], &examples, &mut out, &mut missing);
            }
            _ => writeln!(out, "{line}").expect("writing to memory can't fail"),
        }
    }
    if missing.is_empty() { Ok(out) } else { Err(missing) }
}

/// The YAML that stands between the words.
fn blocks() -> impl Iterator<Item = &'static str> {
    WORDS.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next())
}

/// The schema behind a reference, and its name.
fn resolve<'s>(root: &'s Value, schema: &'s Value) -> Option<(&'s str, &'s Value)> {
    let name = schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
    Some((name, &root["$defs"][name]))
}

/// Every form of a mapping by what tells it apart: the word of `type` or `source`, else the first key that it needs.
fn forms(schema: &Value) -> IndexMap<String, &Value> {
    let Some(several) = schema.get("oneOf").and_then(Value::as_array) else {
        return IndexMap::from([(String::new(), schema)]);
    };
    let properties = |form: &Value| form["properties"].as_object().cloned().unwrap_or_default();
    let own = |form: &Value| {
        let constant = properties(form).iter().find_map(|(_, field)| Some(field.get("const")?.as_str()?.to_owned()));
        let needed = form["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let only = needed.filter(|key| several.iter().filter(|form| properties(form).contains_key(*key)).count() == 1);
        let mut only = only;
        constant.or_else(|| only.next_back().map(str::to_owned)).expect("a form is told apart by something")
    };
    several.iter().map(|form| (own(form), form)).collect()
}

fn collect_tests(folder: &std::path::Path, out: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder of the tree").flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
            collect_tests(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push_str(&fs::read_to_string(&path).unwrap_or_default());
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}
