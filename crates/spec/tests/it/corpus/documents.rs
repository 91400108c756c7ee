//! Finds the documents and reads their labels.

use std::{
    fs,
    path::{Path, PathBuf},
};

use mcp_factory_spec::{Probe, Source};

/// What stands in the documents as a secret, and must not stand in what is said about them.
pub const SECRETS: &[&str] = &[
    "hunter2",
    "8f2c91d7aa",
    "sk-aaaaaaaaaaaaaaaaaaaa",
    "ghp_abcdefghijklmnopqrstuvwxyz",
    "AKIAIOSFODNN7EXAMPLE",
    "xoxb-000000000000",
    "MIIBVgIBADANBgkqhkiG9w0BAQEFAASCAUAwggE8AgEAAkEA",
    "eyJzdWIiOiJhbGljZSJ9",
];

pub struct Document {
    /// Its path in the corpus, such as `tools/steps.yaml`.
    pub name: String,
    pub bytes: Vec<u8>,
    /// What has to be found; nothing for a valid document.
    pub labels: Vec<Label>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    pub line: u32,
    pub code: String,
}

impl Document {
    pub fn source(&self) -> Source<'_> {
        Source::new(&self.name, &self.bytes)
    }
}

/// The files that the documents name.
pub struct Folder(PathBuf);

impl Probe for Folder {
    fn is_file(&self, path: &str) -> bool {
        self.0.join(path).is_file()
    }

    fn is_folder(&self, path: &str) -> bool {
        self.0.join(path).is_dir()
    }
}

/// The folder in which all documents believe to be.
pub fn folder() -> Folder {
    Folder(root().join("files"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/corpus")
}

pub fn load() -> Vec<Document> {
    let mut documents = Vec::new();
    for entry in fs::read_dir(root()).expect("the corpus is there").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() && !entry.ends_with("files") {
            for path in
                fs::read_dir(&entry).expect("a folder of the corpus").map(|entry| entry.expect("an entry").path())
            {
                if path.extension().is_some_and(|extension| extension == "yaml" || extension == "json") {
                    documents.push(document(&path));
                }
            }
        }
    }
    documents.sort_by(|a, b| a.name.cmp(&b.name));
    documents
}

fn document(path: &Path) -> Document {
    let name = path.strip_prefix(root()).expect("within the corpus").to_str().expect("plain names").to_owned();
    let text = fs::read_to_string(path).expect("a text file");
    let labels = if name.ends_with(".json") {
        let rows =
            fs::read_to_string(path.with_extension("expect")).unwrap_or_else(|_| panic!("{name} has no `.expect`"));
        labels_in_rows(&name, &rows)
    } else {
        labels_in_comments(&name, &text)
    };
    Document { name, bytes: text.into_bytes(), labels }
}

fn labels_in_comments(name: &str, text: &str) -> Vec<Label> {
    let mut labels = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        for (mark, line_of_problem) in [("# ! ", number), ("# ^ ", number - 1)] {
            if let Some((_, codes)) = line.split_once(mark) {
                labels.extend(
                    codes.split_whitespace().map(|code| Label { line: line_of_problem, code: code.to_owned() }),
                );
            }
        }
    }
    assert_ne!(text.starts_with("# expect: valid\n"), !labels.is_empty(), "{name} says nothing about itself, or both");
    labels
}

fn labels_in_rows(name: &str, rows: &str) -> Vec<Label> {
    if rows.trim() == "valid" {
        return Vec::new();
    }
    let labels: Vec<_> = rows
        .lines()
        .map(|row| {
            let (line, code) = row.split_once(' ').unwrap_or_else(|| panic!("{name}: `{row}` is no `line code`"));
            Label {
                line: line.parse().unwrap_or_else(|_| panic!("{name}: `{line}` is no line")),
                code: code.to_owned(),
            }
        })
        .collect();
    assert!(!labels.is_empty(), "{name} says nothing about itself");
    labels
}
